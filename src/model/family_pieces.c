/* Pieces of a picture: their runs, what they come to. */
#include <stdlib.h>
#include <string.h>

#include "model/family_parts.h"

static uint64_t run_end(const struct page_run *run)
{
    return run->page + run->n;
}

/* --- soundness --- */

static bool runs_are_sound(const struct family_picture *p, size_t at, size_t count)
{
    return count <= p->runs_count && at <= p->runs_count - count;
}

/* Cuts ascend, and lie with what they bring in the one block of the page table that the base is in. */
static bool cuts_are_sound(const struct family_picture *p, const struct family_piece *piece)
{
    if (piece->base >= p->pieces_count || piece->count > p->cuts_count ||
        piece->at > p->cuts_count - piece->count)
        return false;
    const struct family_piece *base = &p->pieces[piece->base];
    uint64_t block = base->page / FAMILY_PIECE_PAGES, from = block * FAMILY_PIECE_PAGES;
    const uint64_t end = from + FAMILY_PIECE_PAGES;
    if (base->base != FAMILY_NO_PIECE || base->page + base->n > end)
        return false;
    for (size_t i = 0; i < piece->count; i++) {
        const struct family_cut *cut = &p->cuts[piece->at + i];
        if (cut->page < from || cut->page + cut->n > end || cut->count > cut->n ||
            !runs_are_sound(p, cut->at, cut->count))
            return false;
        from = cut->page + cut->n;
    }
    return true;
}

bool family_picture_is_sound(const struct family_picture *p)
{
    for (size_t i = 0; i < p->pieces_count; i++) {
        const struct family_piece *piece = &p->pieces[i];
        if (piece->base == FAMILY_NO_PIECE ? !runs_are_sound(p, piece->at, piece->count)
                                           : !cuts_are_sound(p, piece))
            return false;
    }
    for (size_t i = 0; i < p->order_count; i++)
        if (p->order[i] >= p->pieces_count)
            return false;
    for (size_t i = 0; i < p->count; i++)
        if (p->v[i].pieces > p->order_count ||
            p->v[i].pieces_at > p->order_count - p->v[i].pieces)
            return false;
    return p->count && p->count <= FAMILY_MAX;
}

/* --- runs --- */

/* The first of the runs that reaches beyond `page`. */
static const struct page_run *first_run(const struct page_run *run, const struct page_run *end,
                                        uint64_t page)
{
    while (run < end) {
        const struct page_run *middle = run + (end - run) / 2;
        if (run_end(middle) <= page)
            run = middle + 1;
        else
            end = middle;
    }
    return run;
}

static struct page_run clipped(const struct page_run *run, uint64_t start, uint64_t end)
{
    uint64_t from = run->page > start ? run->page : start;
    uint64_t to = run_end(run) < end ? run_end(run) : end;
    return (struct page_run){from, to - from, page_at(&run->first, from - run->page)};
}

/* What of the runs lies in [start, end). */
static size_t copy_runs(const struct page_run *runs, size_t count, uint64_t start, uint64_t end,
                        struct page_run *out, size_t room)
{
    const struct page_run *stop = runs + count;
    size_t n = 0;
    if (start >= end)
        return 0;
    for (const struct page_run *run = first_run(runs, stop, start);
         run < stop && run->page < end && n < room; run++)
        out[n++] = clipped(run, start, end);
    return n;
}

size_t family_piece_runs(const struct family_picture *p, const struct family_piece *piece,
                         uint64_t start, uint64_t end, struct page_run *out)
{
    const struct family_piece *base = &p->pieces[piece->base];
    const struct page_run *runs = p->runs + base->at;
    const struct family_cut *cut = p->cuts + piece->at, *stop = cut + piece->count;
    size_t n = 0;
    for (; cut < stop && cut->page < end; cut++) {
        if (cut->page + cut->n <= start)
            continue;
        n += copy_runs(runs, base->count, start, cut->page, out + n, FAMILY_PIECE_PAGES - n);
        n += copy_runs(p->runs + cut->at, cut->count, start, end, out + n, FAMILY_PIECE_PAGES - n);
        start = cut->page + cut->n;
    }
    return n + copy_runs(runs, base->count, start, end, out + n, FAMILY_PIECE_PAGES - n);
}

/* The first of a member's pieces that reaches beyond `page`; as many as it has if none does. */
static size_t find_piece(const struct family_picture *p, size_t member, uint64_t page)
{
    const uint32_t *pieces = reading_pieces(p, member);
    size_t low = 0, high = p->v[member].pieces;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct family_piece *piece = &p->pieces[pieces[middle]];
        if (piece->page + piece->n <= page)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void family_stream_begin(struct family_stream *s, const struct family_picture *p, size_t member,
                         uint64_t start, uint64_t end)
{
    const uint32_t *pieces = reading_pieces(p, member);
    s->p = p;
    s->piece = pieces + find_piece(p, member, start);
    s->piece_end = pieces + p->v[member].pieces;
    s->start = start;
    s->end = end;
    s->run = s->run_end = NULL;
    s->fresh = false;
}

static void open_piece(struct family_stream *s, const struct family_piece *piece)
{
    if (piece->base == FAMILY_NO_PIECE) {
        const struct page_run *runs = s->p->runs + piece->at;
        s->run_end = runs + piece->count;
        s->run = first_run(runs, s->run_end, s->start);
    } else {
        s->run = s->changed;
        s->run_end = s->run + family_piece_runs(s->p, piece, s->start, s->end, s->changed);
    }
}

bool family_stream_peek(struct family_stream *s, struct page_run *run)
{
    while (s->run == s->run_end) {
        if (s->piece == s->piece_end || s->p->pieces[*s->piece].page >= s->end)
            return false;
        open_piece(s, &s->p->pieces[*s->piece++]);
        s->fresh = true;
    }
    if (s->run->page >= s->end || s->start >= s->end)
        return false;
    *run = clipped(s->run, s->start, s->end);
    return true;
}

void family_stream_pass(struct family_stream *s, uint64_t page)
{
    s->start = page > s->start ? page : s->start;
    s->fresh = s->fresh && s->run < s->run_end && s->run->page >= page;
    while (s->run < s->run_end && run_end(s->run) <= page)
        s->run++;
}

uint32_t family_stream_piece(const struct family_stream *s)
{
    const uint32_t *at = s->fresh ? s->piece - 1 : s->piece;
    if ((s->run < s->run_end && !s->fresh) || at == s->piece_end)
        return FAMILY_NO_PIECE;
    const struct family_piece *piece = &s->p->pieces[*at];
    bool whole = piece->page >= s->start && piece->page + piece->n <= s->end;
    return whole ? *at : FAMILY_NO_PIECE;
}

void family_stream_skip(struct family_stream *s)
{
    s->piece += !s->fresh;
    s->run = s->run_end;
    s->fresh = false;
}

/* --- weights --- */

static void weigh_run(struct family_weight *w, const struct page_run *run,
                      const struct target_info *t)
{
    const struct page *p = &run->first;
    const struct page_state_info *state = page_state_info(p->state);
    bool exclusive = p->attrs & PAGE_A_EXCLUSIVE, entry = p->attrs & PAGE_A_ENTRY;
    uint64_t whole = (uint64_t)1 << (t->geometry.page_shift + FAMILY_PSS_SHIFT);
    tally_add_page(&w->tally, p, run->n);
    w->no_uss += p->state == PAGE_UNKNOWN || (state->present && !entry) ? run->n : 0;
    w->no_pss += p->state == PAGE_UNKNOWN ? run->n : 0;
    if (p->state == PAGE_HUGETLB)
        w->hugetlb += exclusive ? run->n : 0;
    if (!state->rss)
        return;
    w->uss += exclusive ? run->n : 0;
    /* A page on its way to another frame has no count: smaps takes it as a whole. */
    bool moving = p->state == PAGE_PRESENT && entry && t->pfn.yes && p->frame == PAGE_FRAME_UNKNOWN;
    if (p->attrs & PAGE_A_COUNT && p->mapcount > 1)
        w->pss += whole / p->mapcount * run->n;
    else if (p->attrs & PAGE_A_COUNT || exclusive || moving)
        w->pss += whole * run->n;
    else
        w->no_pss += run->n;
}

void family_weight_add(struct family_weight *to, const struct family_weight *w)
{
    to->pss += w->pss;
    to->uss += w->uss;
    to->hugetlb += w->hugetlb;
    to->no_pss += w->no_pss;
    to->no_uss += w->no_uss;
    tally_add(&to->tally, &w->tally);
}

static void take_off(struct family_weight *from, const struct family_weight *w)
{
    from->pss -= w->pss;
    from->uss -= w->uss;
    from->hugetlb -= w->hugetlb;
    from->no_pss -= w->no_pss;
    from->no_uss -= w->no_uss;
    for (unsigned i = 0; i < TALLY_N; i++)
        from->tally.n[i] -= w->tally.n[i];
}

/* Of its base, without what was there at the cuts, and with what is there instead. */
static void weigh_changed(const struct family_picture *p, const struct family_piece *piece,
                          struct family_weight *w)
{
    const struct target_info *t = &p->v[0].target;
    const struct family_piece *base = &p->pieces[piece->base];
    const struct page_run *runs = p->runs + base->at, *runs_end = runs + base->count;
    struct family_weight gone = {0};
    for (size_t i = 0; i < piece->count; i++) {
        const struct family_cut *cut = &p->cuts[piece->at + i];
        runs = first_run(runs, runs_end, cut->page);
        for (const struct page_run *r = runs; r < runs_end && r->page < cut->page + cut->n; r++) {
            struct page_run part = clipped(r, cut->page, cut->page + cut->n);
            weigh_run(&gone, &part, t);
        }
        for (size_t k = 0; k < cut->count; k++)
            weigh_run(w, &p->runs[cut->at + k], t);
    }
    take_off(w, &gone);
}

struct family_weight *family_weigh_pieces(const struct family_picture *p)
{
    struct family_weight *weights = calloc(p->pieces_count + 1, sizeof *weights);
    for (size_t i = 0; weights && i < p->pieces_count; i++) {
        const struct family_piece *piece = &p->pieces[i];
        for (size_t k = 0; piece->base == FAMILY_NO_PIECE && k < piece->count; k++)
            weigh_run(&weights[i], &p->runs[piece->at + k], &p->v[0].target);
    }
    for (size_t i = 0; weights && i < p->pieces_count; i++) {
        const struct family_piece *piece = &p->pieces[i];
        if (piece->base == FAMILY_NO_PIECE)
            continue;
        weights[i] = weights[piece->base];
        weigh_changed(p, piece, &weights[i]);
    }
    return weights;
}
