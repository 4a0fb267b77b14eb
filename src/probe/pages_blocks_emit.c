/* Blocks as pieces of a picture. */
#include <stdlib.h>
#include <string.h>

#include "probe/pages_blocks.h"

struct emitting {
    struct pages_blocks *b;
    unsigned want;
    struct family_picture *picture;
    struct run_vec runs;    /* of all pieces */
    struct run_vec scratch; /* of one block */
    bool cut[PAGES_BLOCK];  /* where a block is cut, from the multiple of PAGES_BLOCK below it on */
};

/* The runs from `at` on are a piece. */
static int push_piece(struct emitting *e, size_t at)
{
    struct family_picture *p = e->picture;
    void *v = p->pieces;
    int rc = array_reserve(&v, &p->pieces_cap, p->pieces_count + 1, sizeof *p->pieces);
    p->pieces = v;
    if (rc)
        return rc;
    const struct page_run *first = &e->runs.v[at], *last = &e->runs.v[e->runs.count - 1];
    p->pieces[p->pieces_count++] = (struct family_piece){
        first->page, last->page + last->n - first->page, at, e->runs.count - at};
    return 0;
}

static int push_run(struct emitting *e, const struct page_run *run)
{
    void *v = e->runs.v;
    int rc = array_reserve(&v, &e->runs.cap, e->runs.count + 1, sizeof *e->runs.v);
    e->runs.v = v;
    if (!rc)
        e->runs.v[e->runs.count++] = *run;
    return rc;
}

/* How many pages of the run, from its page `from` on, go before the next cut. */
static uint64_t uncut(const struct emitting *e, const struct page_run *run, uint64_t from)
{
    uint64_t at = from + 1;
    while (at < run->page + run->n && !e->cut[at % PAGES_BLOCK])
        at++;
    return at - from;
}

/* Whether there is a cut at `end`, up to `page`, in a gap perhaps. */
static bool is_cut(const struct emitting *e, uint64_t end, uint64_t page)
{
    while (end < page && !e->cut[end % PAGES_BLOCK])
        end++;
    return e->cut[end % PAGES_BLOCK];
}

/* The scratch runs, cut into pieces. */
static int push_cut(struct emitting *e)
{
    size_t at = e->runs.count;
    uint64_t end = 0;
    int rc = 0;
    for (size_t i = 0; !rc && i < e->scratch.count; i++) {
        const struct page_run *run = &e->scratch.v[i];
        for (uint64_t page = run->page, n; !rc && page < run->page + run->n; page += n) {
            if (e->runs.count > at && is_cut(e, end, page)) {
                rc = push_piece(e, at);
                at = e->runs.count;
            }
            n = uncut(e, run, page);
            end = page + n;
            struct page_run part = {page, n, page_at(&run->first, page - run->page)};
            if (!rc)
                rc = push_run(e, &part);
        }
    }
    return !rc && e->runs.count > at ? push_piece(e, at) : rc;
}

static void mark_cut(struct emitting *e, const struct pages_cut *cut)
{
    e->cut[cut->page % PAGES_BLOCK] = true;
    e->cut[(cut->page + cut->n) % PAGES_BLOCK] = true;
}

static void mark_cuts(struct emitting *e, const struct pages_block *k)
{
    memset(e->cut, 0, sizeof e->cut);
    for (uint32_t i = k->changes; i != PAGES_NO_BLOCK; i = e->b->v[i].next)
        for (size_t c = 0; c < e->b->v[i].count; c++)
            mark_cut(e, &e->b->cuts[e->b->v[i].at + c]);
}

/* The runs of raws [at, at + count) are one piece. */
static int emit_whole(struct emitting *e, size_t at, size_t count)
{
    size_t first = e->runs.count;
    e->runs.closed = first;
    int rc = pages_emit_part(e->b->reader, e->want, at, at + count, &e->runs);
    return !rc && e->runs.count > first ? push_piece(e, first) : rc;
}

static int emit_first(struct emitting *e, const struct pages_block *k)
{
    if (k->changes == PAGES_NO_BLOCK)
        return emit_whole(e, k->at, k->count);
    e->scratch.count = e->scratch.closed = 0;
    mark_cuts(e, k);
    int rc = pages_emit_part(e->b->reader, e->want, k->at, k->at + k->count, &e->scratch);
    return rc ? rc : push_cut(e);
}

static int emit_changes(struct emitting *e, const struct pages_block *k)
{
    int rc = 0;
    for (size_t c = 0; !rc && c < k->count; c++) {
        struct pages_cut *cut = &e->b->cuts[k->at + c];
        size_t before = e->picture->pieces_count;
        rc = emit_whole(e, cut->at, cut->count);
        cut->count = (uint32_t)(e->picture->pieces_count - before);
    }
    return rc;
}

static int emit_block(struct emitting *e, struct pages_block *k)
{
    k->pieces_at = e->picture->pieces_count;
    int rc = k->base == PAGES_NO_BLOCK ? emit_first(e, k) : emit_changes(e, k);
    k->pieces = (uint32_t)(e->picture->pieces_count - k->pieces_at);
    return rc;
}

/* --- the order --- */

struct order {
    uint32_t *v;
    size_t count, cap;
};

static int order_push(struct order *o, size_t piece)
{
    void *v = o->v;
    int rc = array_reserve(&v, &o->cap, o->count + 1, sizeof *o->v);
    o->v = v;
    if (!rc)
        o->v[o->count++] = (uint32_t)piece;
    return rc;
}

/* Where a piece begins in its block. */
static uint64_t offset_of(const struct family_piece *piece)
{
    return piece->page % PAGES_BLOCK;
}

/* The pieces of a changed block: those of the other that lie between its cuts, and its own. */
static int order_changed(struct emitting *e, struct order *o, const struct pages_block *k)
{
    const struct pages_block *base = &e->b->v[k->base];
    const struct family_piece *pieces = e->picture->pieces;
    const struct pages_cut *cut = e->b->cuts + k->at, *cuts_end = cut + k->count;
    size_t own = k->pieces_at, at = base->pieces_at, end = at + base->pieces;
    int rc = 0;
    while (!rc && (at < end || cut < cuts_end)) {
        uint64_t from = cut < cuts_end ? cut->page % PAGES_BLOCK : PAGES_BLOCK;
        if (cut < cuts_end && (at == end || offset_of(&pieces[at]) >= from)) {
            while (at < end && offset_of(&pieces[at]) < from + cut->n)
                at++;
            rc = cut->count ? order_push(o, own++) : 0;
            cut++;
        } else {
            rc = order_push(o, at++);
        }
    }
    return rc;
}

static int order_block(struct emitting *e, struct order *o, const struct pages_block *k)
{
    int rc = 0;
    if (k->base != PAGES_NO_BLOCK)
        return order_changed(e, o, k);
    for (uint32_t i = 0; !rc && i < k->pieces; i++)
        rc = order_push(o, k->pieces_at + i);
    return rc;
}

static int order_all(struct emitting *e, struct order *o)
{
    struct family_picture *p = e->picture;
    int rc = 0;
    for (size_t i = 0; !rc && i < p->count; i++) {
        struct family_reading *r = &p->v[i];
        size_t at = o->count;
        for (size_t k = 0; !rc && k < r->pieces; k++)
            rc = order_block(e, o, &e->b->v[p->order[r->pieces_at + k]]);
        r->pieces_at = at;
        r->pieces = o->count - at;
    }
    return rc;
}

int pages_blocks_emit(struct pages_blocks *b, unsigned want, struct family_picture *picture)
{
    struct emitting e = {.b = b, .want = want, .picture = picture};
    struct order order = {0};
    int rc = 0;
    for (size_t i = 0; !rc && i < b->count; i++)
        rc = emit_block(&e, &b->v[i]);
    if (!rc)
        rc = order_all(&e, &order);
    run_vec_deinit(&e.scratch);
    free(picture->order);
    picture->order = order.v;
    picture->order_count = order.count;
    picture->order_cap = order.cap;
    picture->runs = e.runs.v;
    picture->runs_count = e.runs.count;
    picture->runs_cap = e.runs.cap;
    return rc;
}
