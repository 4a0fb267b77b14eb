/* The matrix of a family. Each piece of pages is mapped by a set of members. Frames are sorted over
 * all pieces; where runs of several pieces overlap, the frames there are mapped by the union of
 * their sets. So there are few different sets, each with a number of frames, and only they are
 * multiplied out into pairs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/family_parts.h"

/* Frames [frame, frame + n) of one piece. */
struct stretch {
    uint64_t frame, n;
    uint32_t piece;
    bool zero; /* a zero page: nobody's memory */
};

/* A set of members, as bits, and how many frames exactly these map. */
struct set {
    uint64_t frames, zeros;
};

struct weighing {
    size_t words; /* of a set's bits */
    uint64_t *of_piece; /* sets, one a piece */
    struct stretch *v;
    size_t count, cap;
    /* Open addressing; `bits` runs parallel to the slots. */
    struct set *sets;
    uint64_t *bits;
    size_t slots, used;
    uint64_t *active; /* scratch: a union */
};

static void weighing_deinit(struct weighing *w)
{
    free(w->of_piece);
    free(w->v);
    free(w->sets);
    free(w->bits);
    free(w->active);
}

static int weighing_init(struct weighing *w, size_t members, size_t pieces)
{
    enum { SLOTS = 1024 };
    *w = (struct weighing){.words = (members + 63) / 64, .slots = SLOTS};
    w->of_piece = calloc((pieces + 1) * w->words, sizeof *w->of_piece);
    w->sets = calloc(SLOTS, sizeof *w->sets);
    w->bits = calloc(SLOTS * w->words, sizeof *w->bits);
    w->active = calloc(w->words, sizeof *w->active);
    return w->of_piece && w->sets && w->bits && w->active ? 0 : -ENOMEM;
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

/* --- frames --- */

static int add_stretches(struct weighing *w, const struct family_picture *p, uint32_t piece)
{
    const struct family_piece *at = &p->pieces[piece];
    for (size_t i = 0; i < at->runs; i++) {
        const struct page_run *run = &p->runs[at->runs_at + i];
        const struct page_state_info *state = page_state_info(run->first.state);
        bool framed = state->present && run->first.frame != PAGE_FRAME_UNKNOWN;
        bool zero = run->first.state == PAGE_ZERO || run->first.state == PAGE_HUGE_ZERO;
        void *v = w->v;
        int rc = array_reserve(&v, &w->cap, w->count + 1, sizeof *w->v);
        w->v = v;
        if (rc)
            return rc;
        if (framed)
            w->v[w->count++] = (struct stretch){run->first.frame, run->n, piece, zero};
    }
    return 0;
}

static int by_frame(const void *pa, const void *pb)
{
    const struct stretch *a = pa, *b = pb;
    if (a->frame != b->frame)
        return a->frame < b->frame ? -1 : 1;
    return a->piece < b->piece ? -1 : a->piece > b->piece;
}

/* Frames from `from` on that are covered by the same stretches of v[0..count): their set goes to
 * w->active; answers where they end. */
static uint64_t unite(struct weighing *w, const struct stretch *v, size_t count, uint64_t from)
{
    uint64_t end = UINT64_MAX;
    memset(w->active, 0, w->words * sizeof *w->active);
    for (size_t i = 0; i < count; i++) {
        uint64_t stop = v[i].frame + v[i].n;
        if (v[i].frame > from) {
            end = v[i].frame < end ? v[i].frame : end;
            break; /* ascending: the others begin later still */
        }
        if (stop <= from)
            continue;
        end = stop < end ? stop : end;
        const uint64_t *bits = w->of_piece + v[i].piece * w->words;
        for (size_t k = 0; k < w->words; k++)
            w->active[k] |= bits[k];
    }
    return end;
}

/* Stretches that hang together, overlapping one another, cover [v->frame, end). */
static int count_cluster(struct weighing *w, const struct stretch *v, size_t count, uint64_t end)
{
    size_t first = 0;
    for (uint64_t at = v->frame; at < end;) {
        while (v[first].frame + v[first].n <= at)
            first++;
        uint64_t stop = unite(w, v + first, count - first, at);
        int rc = count_frames(w, w->active, stop - at, v[first].zero);
        if (rc)
            return rc;
        at = stop;
    }
    return 0;
}

static int count_all(struct weighing *w)
{
    int rc = 0;
    if (w->count)
        qsort(w->v, w->count, sizeof *w->v, by_frame);
    for (size_t i = 0; !rc && i < w->count;) {
        uint64_t end = w->v[i].frame + w->v[i].n;
        size_t n = 1;
        for (; i + n < w->count && w->v[i + n].frame < end; n++)
            if (w->v[i + n].frame + w->v[i + n].n > end)
                end = w->v[i + n].frame + w->v[i + n].n;
        rc = count_cluster(w, w->v + i, n, end);
        i += n;
    }
    return rc;
}

/* --- pairs --- */

static void add_pairs(struct family *f, const struct weighing *w, size_t slot, unsigned shift,
                      size_t *members)
{
    const struct set *set = &w->sets[slot];
    const uint64_t *bits = w->bits + slot * w->words;
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++)
        if (bits[i / 64] >> (i % 64) & 1)
            members[n++] = i;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k <= i; k++)
            f->shared[pair_index(members[i], members[k])] += set->frames << shift;
    f->once.bytes += (set->frames - set->zeros) << shift;
    f->common.bytes += n > 1 ? (set->frames - set->zeros) << shift : 0;
}

static int weigh(struct family *f, const struct family_picture *p, struct weighing *w)
{
    size_t members[FAMILY_MAX];
    int rc = 0;
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = 0; k < p->v[i].pieces; k++)
            w->of_piece[reading_pieces(p, i)[k] * w->words + i / 64] |= (uint64_t)1 << (i % 64);
    for (size_t i = 0; !rc && i < p->pieces_count; i++)
        rc = add_stretches(w, p, (uint32_t)i);
    if (!rc)
        rc = count_all(w);
    f->shared = rc ? NULL : calloc(f->count * (f->count + 1) / 2, sizeof *f->shared);
    if (!f->shared)
        return -ENOMEM;
    unsigned shift = p->v[0].target.geometry.page_shift;
    for (size_t i = 0; i < w->slots; i++)
        if (w->sets[i].frames)
            add_pairs(f, w, i, shift, members);
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
    int rc = weighing_init(&w, f->count, p->pieces_count);
    if (!rc)
        rc = weigh(f, p, &w);
    weighing_deinit(&w);
    return rc;
}
