/* The matrix of a family. Each piece of pages is mapped by a set of members. Frames are sorted over
 * all pieces; where runs of several pieces overlap, the frames there are mapped by the union of
 * their sets. So there are few different sets, each with a number of frames, and only they are
 * multiplied out into pairs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sort.h"
#include "model/family_parts.h"

/* A set of members, as bits, and how many frames exactly these map. */
struct set {
    uint64_t frames, zeros;
};

/* Frames [key, key + n) are mapped by the set whose bits are of_frames[at / 2]; at % 2: zero pages,
 * nobody's memory. */
struct stretches {
    struct sort_item *v, *room;
    size_t count, cap;
};

struct weighing {
    const struct family_picture *p;
    size_t words; /* of a set's bits */
    /* Sets: one a piece, then those of single pages of bases. */
    uint64_t *of_frames;
    size_t of_count, of_cap;
    struct stretches found;
    uint32_t *changes, *next; /* lists of the pieces that have a base, by base */
    uint32_t own[FAMILY_PIECE_PAGES]; /* of a base's pages: the set; 0: that of the piece */
    /* Open addressing; `bits` runs parallel to the slots. */
    struct set *sets;
    uint64_t *bits;
    size_t slots, used;
    uint64_t *active; /* scratch: a union */
};

static void weighing_deinit(struct weighing *w)
{
    free(w->of_frames);
    free(w->found.v);
    free(w->found.room);
    free(w->changes);
    free(w->next);
    free(w->sets);
    free(w->bits);
    free(w->active);
}

static int weighing_init(struct weighing *w, const struct family_picture *p)
{
    enum { SLOTS = 1024 };
    size_t pieces = p->pieces_count;
    *w = (struct weighing){.p = p, .words = (p->count + 63) / 64, .slots = SLOTS,
                           .of_count = pieces};
    void *v = NULL;
    if (array_reserve(&v, &w->of_cap, (pieces + 1) * w->words, sizeof *w->of_frames))
        return -ENOMEM;
    w->of_frames = v;
    memset(v, 0, (pieces + 1) * w->words * sizeof *w->of_frames);
    w->changes = malloc((pieces + 1) * sizeof *w->changes);
    w->next = malloc((pieces + 1) * sizeof *w->next);
    w->sets = calloc(SLOTS, sizeof *w->sets);
    w->bits = calloc(SLOTS * w->words, sizeof *w->bits);
    w->active = calloc(w->words, sizeof *w->active);
    return w->changes && w->next && w->sets && w->bits && w->active ? 0 : -ENOMEM;
}

/* --- sets --- */

static size_t slot_of(const struct weighing *w, const uint64_t *bits)
{
    uint64_t h = 0;
    for (size_t i = 0; i < w->words; i++)
        h = (h ^ bits[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    size_t at = h & (w->slots - 1);
    while ((w->sets[at].frames || w->sets[at].zeros) &&
           memcmp(w->bits + at * w->words, bits, w->words * sizeof *bits))
        at = (at + 1) & (w->slots - 1);
    return at;
}

static int grow_sets(struct weighing *w)
{
    struct weighing old = *w;
    w->slots *= 2;
    w->sets = calloc(w->slots, sizeof *w->sets);
    w->bits = calloc(w->slots * w->words, sizeof *w->bits);
    if (!w->sets || !w->bits) {
        free(w->sets);
        free(w->bits);
        *w = old;
        return -ENOMEM;
    }
    for (size_t i = 0; i < old.slots; i++) {
        if (!old.sets[i].frames && !old.sets[i].zeros)
            continue;
        size_t at = slot_of(w, old.bits + i * w->words);
        w->sets[at] = old.sets[i];
        memcpy(w->bits + at * w->words, old.bits + i * w->words, w->words * sizeof *w->bits);
    }
    free(old.sets);
    free(old.bits);
    return 0;
}

static int count_frames(struct weighing *w, const uint64_t *bits, uint64_t frames, bool zero)
{
    size_t at = slot_of(w, bits);
    if (!w->sets[at].frames && !w->sets[at].zeros) {
        memcpy(w->bits + at * w->words, bits, w->words * sizeof *bits);
        w->used++;
    }
    w->sets[at].frames += frames;
    w->sets[at].zeros += zero ? frames : 0;
    return w->used * 4 > w->slots * 3 ? grow_sets(w) : 0;
}

/* --- who has a piece --- */

static uint64_t *set_of(struct weighing *w, size_t set)
{
    return w->of_frames + set * w->words;
}

/* A base is had, but for the places that they change, by all who have a piece with that base. */
static void find_owners(struct weighing *w)
{
    const struct family_picture *p = w->p;
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = 0; k < p->v[i].pieces; k++)
            set_of(w, reading_pieces(p, i)[k])[i / 64] |= (uint64_t)1 << (i % 64);
    memset(w->changes, 0xff, (p->pieces_count + 1) * sizeof *w->changes);
    for (uint32_t i = 0; i < p->pieces_count; i++) {
        uint32_t base = p->pieces[i].base;
        if (base == FAMILY_NO_PIECE)
            continue;
        w->next[i] = w->changes[base];
        w->changes[base] = i;
        for (size_t k = 0; k < w->words; k++)
            set_of(w, base)[k] |= set_of(w, i)[k];
    }
}

/* The page of the base, the n-th of its block, gets a set of its own, without those who have `piece`. */
static int leave_out(struct weighing *w, uint32_t base, uint32_t n, uint32_t piece)
{
    if (!w->own[n]) {
        void *v = w->of_frames;
        int rc = array_reserve(&v, &w->of_cap, (w->of_count + 1) * w->words, sizeof *w->of_frames);
        w->of_frames = v;
        if (rc)
            return rc;
        memcpy(set_of(w, w->of_count), set_of(w, base), w->words * sizeof *w->of_frames);
        w->own[n] = (uint32_t)w->of_count++;
    }
    for (size_t k = 0; k < w->words; k++)
        set_of(w, w->own[n])[k] &= ~set_of(w, piece)[k];
    return 0;
}

static int find_own(struct weighing *w, uint32_t base)
{
    const struct family_picture *p = w->p;
    int rc = 0;
    memset(w->own, 0, sizeof w->own);
    for (uint32_t i = w->changes[base]; i != FAMILY_NO_PIECE; i = w->next[i])
        for (size_t c = 0; c < p->pieces[i].count; c++) {
            const struct family_cut *cut = &p->cuts[p->pieces[i].at + c];
            for (uint64_t page = cut->page; !rc && page < cut->page + cut->n; page++)
                rc = leave_out(w, base, (uint32_t)(page % FAMILY_PIECE_PAGES), i);
        }
    return rc;
}

/* --- frames --- */

static int push_stretch(struct weighing *w, uint64_t frame, uint32_t n, size_t set, bool zero)
{
    void *v = w->found.v;
    int rc = array_reserve(&v, &w->found.cap, w->found.count + 1, sizeof *w->found.v);
    w->found.v = v;
    if (!rc)
        w->found.v[w->found.count++] = (struct sort_item){frame, n, (uint32_t)(set * 2 + zero)};
    return rc;
}

/* Frames of a run, all had by one set, or, of a base that others change, page by page. */
static int add_run(struct weighing *w, const struct page_run *run, uint32_t piece, bool whole)
{
    const struct page_state_info *state = page_state_info(run->first.state);
    bool zero = run->first.state == PAGE_ZERO || run->first.state == PAGE_HUGE_ZERO;
    int rc = 0;
    if (!state->present || run->first.frame == PAGE_FRAME_UNKNOWN)
        return 0;
    for (uint64_t i = 0, n; !rc && i < run->n; i += n) {
        uint32_t own = whole ? 0 : w->own[(run->page + i) % FAMILY_PIECE_PAGES];
        uint64_t most = run->n - i < UINT32_MAX ? run->n - i : UINT32_MAX;
        for (n = whole ? most : 1;
             n < most && w->own[(run->page + i + n) % FAMILY_PIECE_PAGES] == own; n++)
            ;
        rc = push_stretch(w, run->first.frame + i, (uint32_t)n, own ? own : piece, zero);
    }
    return rc;
}

static int add_runs(struct weighing *w, size_t at, size_t count, uint32_t piece, bool whole)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < count; i++)
        rc = add_run(w, &w->p->runs[at + i], piece, whole);
    return rc;
}

static int add_piece(struct weighing *w, uint32_t number)
{
    const struct family_piece *piece = &w->p->pieces[number];
    bool whole = w->changes[number] == FAMILY_NO_PIECE;
    int rc = 0;
    if (piece->base == FAMILY_NO_PIECE) {
        rc = whole ? 0 : find_own(w, number);
        return rc ? rc : add_runs(w, piece->at, piece->count, number, whole);
    }
    for (size_t i = 0; !rc && i < piece->count; i++) {
        const struct family_cut *cut = &w->p->cuts[piece->at + i];
        rc = add_runs(w, cut->at, cut->count, number, true);
    }
    return rc;
}

static uint64_t end_of(const struct sort_item *stretch)
{
    return stretch->key + stretch->n;
}

/* Frames from `from` on that are covered by the same stretches of v[0..count): their set goes to
 * w->active; answers where they end. */
static uint64_t unite(struct weighing *w, const struct sort_item *v, size_t count, uint64_t from)
{
    uint64_t end = UINT64_MAX;
    memset(w->active, 0, w->words * sizeof *w->active);
    for (size_t i = 0; i < count; i++) {
        uint64_t stop = end_of(&v[i]);
        if (v[i].key > from) {
            end = v[i].key < end ? v[i].key : end;
            break; /* ascending: the others begin later still */
        }
        if (stop <= from)
            continue;
        end = stop < end ? stop : end;
        const uint64_t *bits = set_of(w, v[i].at / 2);
        for (size_t k = 0; k < w->words; k++)
            w->active[k] |= bits[k];
    }
    return end;
}

/* Stretches that hang together, overlapping one another, cover [v->key, end). */
static int count_cluster(struct weighing *w, const struct sort_item *v, size_t count, uint64_t end)
{
    size_t first = 0;
    if (count == 1)
        return count_frames(w, set_of(w, v->at / 2), v->n, v->at % 2);
    for (uint64_t at = v->key; at < end;) {
        while (end_of(&v[first]) <= at)
            first++;
        uint64_t stop = unite(w, v + first, count - first, at);
        int rc = count_frames(w, w->active, stop - at, v[first].at % 2);
        if (rc)
            return rc;
        at = stop;
    }
    return 0;
}

static int count_all(struct weighing *w)
{
    struct stretches *s = &w->found;
    int rc = 0;
    s->room = malloc((s->count + 1) * sizeof *s->room);
    if (!s->room)
        return -ENOMEM;
    const struct sort_item *v = s->count ? sort_items(s->v, s->room, s->count) : NULL;
    for (size_t i = 0; !rc && i < s->count;) {
        uint64_t end = end_of(&v[i]);
        size_t n = 1;
        for (; i + n < s->count && v[i + n].key < end; n++)
            if (end_of(&v[i + n]) > end)
                end = end_of(&v[i + n]);
        rc = count_cluster(w, v + i, n, end);
        i += n;
    }
    return rc;
}

/* --- pairs --- */

struct pairs {
    uint64_t all;      /* frames of the sets that most members are in */
    uint64_t *missing; /* and of those of them that a member is not in */
};

/* The members in a set, or those that are not; answers how many. */
static size_t list_members(const uint64_t *bits, size_t count, bool in, size_t *members)
{
    size_t n = 0;
    for (size_t word = 0; word * 64 < count; word++) {
        uint64_t left = in ? bits[word] : ~bits[word];
        if (count - word * 64 < 64)
            left &= ((uint64_t)1 << count % 64) - 1;
        for (; left; left &= left - 1)
            members[n++] = word * 64 + (size_t)__builtin_ctzll(left);
    }
    return n;
}

/* A set that most members are in is counted for all, and taken off where one is not in it: what is
 * taken off twice, both being not in it, is given back. */
static void add_pairs(struct family *f, const struct weighing *w, size_t slot, struct pairs *pairs,
                      size_t *members)
{
    const struct set *set = &w->sets[slot];
    const uint64_t *bits = w->bits + slot * w->words;
    size_t in = 0;
    for (size_t i = 0; i < w->words; i++)
        in += (size_t)__builtin_popcountll(bits[i]);
    if (!in)
        return;
    bool most = in > f->count / 2;
    size_t n = list_members(bits, f->count, !most, members);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k <= i; k++)
            f->shared[pair_index(members[i], members[k])] += set->frames;
    pairs->all += most ? set->frames : 0;
    for (size_t i = 0; most && i < n; i++)
        pairs->missing[members[i]] += set->frames;
    f->once.bytes += set->frames - set->zeros;
    f->common.bytes += in > 1 ? set->frames - set->zeros : 0;
}

static void sum_up(struct family *f, const struct pairs *pairs, unsigned shift)
{
    for (size_t a = 0; a < f->count; a++)
        for (size_t b = 0; b <= a; b++) {
            uint64_t *at = &f->shared[pair_index(a, b)];
            *at = (*at + pairs->all - pairs->missing[a] - pairs->missing[b]) << shift;
        }
    f->once.bytes <<= shift;
    f->common.bytes <<= shift;
}

static int weigh(struct family *f, struct weighing *w)
{
    size_t members[FAMILY_MAX];
    uint64_t missing[FAMILY_MAX] = {0};
    struct pairs pairs = {0, missing};
    int rc = 0;
    find_owners(w);
    for (uint32_t i = 0; !rc && i < w->p->pieces_count; i++)
        rc = add_piece(w, i);
    if (!rc)
        rc = count_all(w);
    f->shared = rc ? NULL : calloc(f->count * (f->count + 1) / 2, sizeof *f->shared);
    if (!f->shared)
        return -ENOMEM;
    for (size_t i = 0; i < w->slots; i++)
        if (w->sets[i].frames)
            add_pairs(f, w, i, &pairs, members);
    sum_up(f, &pairs, w->p->v[0].target.geometry.page_shift);
    return 0;
}

/* One process without frame numbers leaves the family's sums unknown. */
static bool all_known(struct family *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct family_member *m = &f->v[i];
        if (m->moment.regions && m->moment.target.pfn.yes)
            continue;
        if (!m->moment.regions)
            snprintf(f->pairs.why, sizeof f->pairs.why, "%s", m->why);
        else
            memcpy(f->pairs.why, m->moment.target.pfn.why, sizeof f->pairs.why);
        return false;
    }
    return true;
}

int family_weigh_pairs(struct family *f, const struct family_picture *p)
{
    struct weighing w;
    bool all = all_known(f);
    f->pairs.yes = f->v[0].moment.target.pfn.yes;
    if (!f->pairs.yes)
        return 0;
    f->once.known = f->common.known = all;
    int rc = weighing_init(&w, p);
    if (!rc)
        rc = weigh(f, &w);
    weighing_deinit(&w);
    return rc;
}
