/* Reading page trees: one page, tallies, walks and differences. */
#include "model/pagetree_node.h"

#include <errno.h>

unsigned leaf_index(const struct leaf *l, unsigned page)
{
    const uint16_t *first = leaf_first(l);
    unsigned lo = 0, hi = l->count;
    while (hi - lo > 1) {
        unsigned mid = (lo + hi) / 2;
        if (first[mid] <= page)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

struct page pagetree_get(const struct pagetree *t, uint64_t page)
{
    const struct page *slot = &t->root;
    for (unsigned level = t->levels; is_node(slot); level--) {
        if (level == 1) {
            const struct leaf *l = leaf_of(slot);
            unsigned at = (unsigned)(page % PAGETREE_FANOUT), i = leaf_index(l, at);
            return page_at(&l->values[i], at - leaf_first(l)[i]);
        }
        slot = &inner_of(slot)->slots[page / span_of(level - 1) % PAGETREE_FANOUT];
        page %= span_of(level - 1);
    }
    return page_at(slot, page % span_of(t->levels));
}

static void tally_leaf(const struct leaf *l, unsigned from, unsigned to, struct tally *sum)
{
    const uint16_t *first = leaf_first(l);
    for (unsigned i = leaf_index(l, from); i < l->count && first[i] < to; i++) {
        unsigned end = i + 1 < l->count ? first[i + 1] : PAGETREE_FANOUT;
        unsigned lo = first[i] < from ? from : first[i], hi = end < to ? end : to;
        tally_add_page(sum, &l->values[i], hi - lo);
    }
}

static void tally_slot(const struct page *slot, unsigned level, uint64_t base, uint64_t start,
                       uint64_t end, struct tally *sum)
{
    if (!is_node(slot)) {
        tally_add_page(sum, slot, end - start);
    } else if (end - start == span_of(level)) {
        slot_tally(slot, level, sum);
    } else if (level == 1) {
        tally_leaf(leaf_of(slot), (unsigned)(start - base), (unsigned)(end - base), sum);
    } else {
        uint64_t step = span_of(level - 1);
        for (uint64_t i = (start - base) / step; base + i * step < end; i++) {
            uint64_t lo = base + i * step, hi = lo + step;
            tally_slot(&inner_of(slot)->slots[i], level - 1, lo, start > lo ? start : lo,
                       end < hi ? end : hi, sum);
        }
    }
}

/* Clips [*start, *start + n) to the tree; false if nothing is left. */
static bool clip(const struct pagetree *t, uint64_t start, uint64_t n, uint64_t *end)
{
    uint64_t all = span_of(t->levels);
    if (start >= all || !n)
        return false;
    *end = n > all - start ? all : start + n;
    return true;
}

void pagetree_tally(const struct pagetree *t, uint64_t start, uint64_t n, struct tally *sum)
{
    uint64_t end;
    if (clip(t, start, n, &end))
        tally_slot(&t->root, t->levels, 0, start, end, sum);
}

/* A walk keeps the run it is growing. */
struct walk {
    struct page_run run;
    pagetree_run_fn *each;
    void *ctx;
};

static int walk_push(struct walk *w, uint64_t page, uint64_t n, const struct page *value)
{
    if (w->run.n && page_follows(&w->run.first, w->run.n, value)) {
        w->run.n += n;
        return 0;
    }
    int rc = w->run.n ? w->each(w->ctx, &w->run) : 0;
    w->run = (struct page_run){.page = page, .n = n, .first = *value};
    return rc;
}

static int walk_leaf(struct walk *w, const struct leaf *l, uint64_t base, uint64_t start,
                     uint64_t end)
{
    const uint16_t *first = leaf_first(l);
    int rc = 0;
    for (unsigned i = leaf_index(l, (unsigned)(start - base));
         !rc && i < l->count && base + first[i] < end; i++) {
        uint64_t lo = base + first[i];
        uint64_t hi = base + (i + 1 < l->count ? first[i + 1] : (uint64_t)PAGETREE_FANOUT);
        uint64_t from = lo < start ? start : lo;
        struct page v = page_at(&l->values[i], from - lo);
        rc = walk_push(w, from, (hi < end ? hi : end) - from, &v);
    }
    return rc;
}

static int walk_slot(struct walk *w, const struct page *slot, unsigned level, uint64_t base,
                     uint64_t start, uint64_t end)
{
    if (!is_node(slot)) {
        struct page v = page_at(slot, start - base);
        return walk_push(w, start, end - start, &v);
    }
    if (level == 1)
        return walk_leaf(w, leaf_of(slot), base, start, end);
    uint64_t step = span_of(level - 1);
    int rc = 0;
    for (uint64_t i = (start - base) / step; !rc && base + i * step < end; i++) {
        uint64_t lo = base + i * step, hi = lo + step;
        rc = walk_slot(w, &inner_of(slot)->slots[i], level - 1, lo, start > lo ? start : lo,
                       end < hi ? end : hi);
    }
    return rc;
}

int pagetree_walk(const struct pagetree *t, uint64_t start, uint64_t n, pagetree_run_fn *each,
                  void *ctx)
{
    uint64_t end;
    if (!clip(t, start, n, &end))
        return 0;
    struct walk w = {.each = each, .ctx = ctx};
    int rc = walk_slot(&w, &t->root, t->levels, 0, start, end);
    return !rc && w.run.n ? each(ctx, &w.run) : rc;
}

/* --- difference --- */

struct diff {
    uint64_t start, n; /* the range that is growing */
    uint64_t lo, hi;   /* what was asked for */
    pagetree_range_fn *each;
    void *ctx;
};

static int diff_push(struct diff *d, uint64_t start, uint64_t end)
{
    start = start < d->lo ? d->lo : start;
    end = end > d->hi ? d->hi : end;
    if (start >= end)
        return 0;
    if (d->n && d->start + d->n == start) {
        d->n += end - start;
        return 0;
    }
    int rc = d->n ? d->each(d->ctx, d->start, d->n) : 0;
    d->start = start;
    d->n = end - start;
    return rc;
}

static int diff_block(struct diff *d, const struct page *a, const struct page *b, uint64_t base)
{
    struct block x, y;
    x.count = y.count = 0;
    block_copy(&x, a, 0, PAGETREE_FANOUT);
    block_copy(&y, b, 0, PAGETREE_FANOUT);
    int rc = 0;
    unsigned i = 0, j = 0;
    for (unsigned at = 0; !rc && at < PAGETREE_FANOUT;) {
        unsigned ei = i + 1 < x.count ? x.first[i + 1] : PAGETREE_FANOUT;
        unsigned ej = j + 1 < y.count ? y.first[j + 1] : PAGETREE_FANOUT;
        unsigned end = ei < ej ? ei : ej;
        struct page va = page_at(&x.values[i], at - x.first[i]);
        struct page vb = page_at(&y.values[j], at - y.first[j]);
        if (!same_value(&va, &vb))
            rc = diff_push(d, base + at, base + end);
        i += ei == end;
        j += ej == end;
        at = end;
    }
    return rc;
}

static int diff_slot(struct diff *d, const struct page *a, const struct page *b, unsigned level,
                     uint64_t base)
{
    uint64_t span = span_of(level);
    if (base >= d->hi || base + span <= d->lo || same_slot(a, b))
        return 0;
    if (!is_node(a) && !is_node(b))
        return diff_push(d, base, base + span);
    if (level == 1)
        return diff_block(d, a, b, base);
    uint64_t step = span_of(level - 1);
    int rc = 0;
    for (unsigned i = 0; !rc && i < PAGETREE_FANOUT; i++) {
        struct page sa = is_node(a) ? inner_of(a)->slots[i] : page_at(a, i * step);
        struct page sb = is_node(b) ? inner_of(b)->slots[i] : page_at(b, i * step);
        rc = diff_slot(d, &sa, &sb, level - 1, base + i * step);
    }
    return rc;
}

int pagetree_diff(const struct pagetree *a, const struct pagetree *b, uint64_t start, uint64_t n,
                  pagetree_range_fn *each, void *ctx)
{
    uint64_t end;
    if (a->levels != b->levels)
        return -EINVAL;
    if (!clip(a, start, n, &end))
        return 0;
    struct diff d = {.lo = start, .hi = end, .each = each, .ctx = ctx};
    int rc = diff_slot(&d, &a->root, &b->root, a->levels, 0);
    return !rc && d.n ? each(ctx, d.start, d.n) : rc;
}

static size_t slot_memory(const struct page *slot, unsigned level)
{
    if (!is_node(slot))
        return 0;
    if (level == 1)
        return leaf_bytes(leaf_of(slot)->count);
    size_t sum = sizeof(struct inner);
    for (unsigned i = 0; i < PAGETREE_FANOUT; i++)
        sum += slot_memory(&inner_of(slot)->slots[i], level - 1);
    return sum;
}

size_t pagetree_memory(const struct pagetree *t)
{
    return sizeof *t + slot_memory(&t->root, t->levels);
}
