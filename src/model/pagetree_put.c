/* Changing a page tree in place, for changes that come one by one and fast: nodes with one
 * reference are edited, others copied first. The common change, one page beside others like it,
 * moves one boundary of a leaf. */
#include "model/pagetree_node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct put {
    uint64_t start, end;
    struct page value; /* of the page `start` */
};

/* What a change adds to a tally. */
struct delta {
    int64_t n[TALLY_N];
};

static void delta_slot(struct delta *d, const struct page *slot, unsigned level, bool gone)
{
    struct tally t = {{0}};
    slot_tally(slot, level, &t);
    for (unsigned i = 0; i < TALLY_N; i++)
        d->n[i] += gone ? -(int64_t)t.n[i] : (int64_t)t.n[i];
}

static void delta_pages(struct delta *d, const struct page *was, const struct page *now, unsigned n)
{
    struct tally gone = {{0}}, come = {{0}};
    tally_add_page(&gone, was, n);
    tally_add_page(&come, now, n);
    for (unsigned i = 0; i < TALLY_N; i++)
        d->n[i] += (int64_t)(come.n[i] - gone.n[i]);
}

/* --- leaves --- */

/* The runs [lo, hi) of a leaf become `count` others. */
struct splice {
    unsigned lo, hi, count;
    struct page value[3];
    uint16_t first[3];
};

static void splice_add(struct splice *s, unsigned first, const struct page *value)
{
    s->value[s->count] = *value;
    s->first[s->count++] = (uint16_t)first;
}

static int splice_leaf(struct page *slot, const struct splice *s)
{
    struct leaf *l = leaf_of(slot);
    unsigned was = l->count, now = was - (s->hi - s->lo) + s->count;
    if (leaf_bytes(now) > leaf_bytes(was)) {
        l = realloc(l, leaf_bytes(now));
        if (!l)
            return -ENOMEM;
        *slot = slot_with(l);
    }
    uint16_t first[PAGETREE_FANOUT];
    memcpy(first, l->values + was, was * sizeof *first);
    memmove(l->values + s->lo + s->count, l->values + s->hi, (was - s->hi) * sizeof *l->values);
    memcpy(l->values + s->lo, s->value, s->count * sizeof *s->value);
    uint16_t *to = (uint16_t *)(l->values + now);
    memcpy(to, first, s->lo * sizeof *first);
    memcpy(to + s->lo, s->first, s->count * sizeof *first);
    memcpy(to + s->lo + s->count, first + s->hi, (was - s->hi) * sizeof *first);
    l->count = (uint16_t)now;
    return 0;
}

/* Pages [from, to), inside run i of a leaf that is ours, become *value; *was is what they were. */
static int put_run(struct page *slot, unsigned i, unsigned from, unsigned to,
                   const struct page *value, const struct page *was)
{
    struct leaf *l = leaf_of(slot);
    uint16_t *first = (uint16_t *)(l->values + l->count);
    unsigned end = i + 1 < l->count ? first[i + 1] : PAGETREE_FANOUT;
    bool before = from > first[i], after = to < end;
    bool joins = !before && i && page_follows(&l->values[i - 1], from - first[i - 1], value);
    bool joined = !after && i + 1u < l->count && page_follows(value, to - from, &l->values[i + 1]);
    if (joins && after) {
        l->values[i] = page_at(was, to - from);
        first[i] = (uint16_t)to;
        return 0;
    }
    if (before && joined) {
        l->values[i + 1] = *value;
        first[i + 1] = (uint16_t)from;
        return 0;
    }
    struct splice s = {.lo = i, .hi = joined ? i + 2 : i + 1};
    if (before)
        splice_add(&s, first[i], &l->values[i]);
    if (!joins)
        splice_add(&s, from, value);
    if (after) {
        struct page rest = page_at(was, to - from);
        splice_add(&s, to, &rest);
    }
    return splice_leaf(slot, &s);
}

/* Any other change of a leaf: its runs are laid out anew. */
static int put_block(struct page *slot, unsigned from, unsigned to, const struct page *value,
                     struct delta *d)
{
    struct block b;
    b.count = 0;
    block_copy(&b, slot, 0, from);
    block_push(&b, from, value);
    block_copy(&b, slot, to, PAGETREE_FANOUT);
    struct leaf *l = leaf_from(&b);
    if (!l)
        return -ENOMEM;
    struct page now = slot_with(l);
    delta_slot(d, slot, 1, true);
    delta_slot(d, &now, 1, false);
    slot_unref(slot);
    *slot = now;
    return 0;
}

static int put_leaf(struct page *slot, unsigned from, unsigned to, const struct page *value,
                    struct delta *d)
{
    struct leaf *l = is_node(slot) ? leaf_of(slot) : NULL;
    unsigned i = l ? leaf_index(l, from) : 0;
    unsigned end = l && i + 1 < l->count ? leaf_first(l)[i + 1] : PAGETREE_FANOUT;
    int rc;
    if (!l || l->node.refs > 1 || to > end) {
        rc = put_block(slot, from, to, value, d);
    } else {
        struct page was = page_at(&l->values[i], from - leaf_first(l)[i]);
        if (same_value(&was, value))
            return 0;
        rc = put_run(slot, i, from, to, value, &was);
        struct delta change = {{0}};
        delta_pages(&change, &was, value, to - from);
        l = leaf_of(slot);
        for (unsigned k = 0; !rc && k < TALLY_N; k++) {
            l->tally[k] = (uint16_t)(l->tally[k] + change.n[k]);
            d->n[k] += change.n[k];
        }
    }
    if (!rc && leaf_of(slot)->count == 1) {
        struct page all = leaf_of(slot)->values[0];
        slot_unref(slot);
        *slot = all;
    }
    return rc;
}

/* --- nodes above --- */

static int put_slot(struct page *slot, unsigned level, uint64_t base, const struct put *p,
                    struct delta *d);

static int put_inner(struct page *slot, unsigned level, uint64_t base, const struct put *p,
                     struct delta *d)
{
    if (!is_node(slot) || node_of(slot)->refs > 1) {
        struct inner *copy = inner_copy(slot, level);
        if (!copy)
            return -ENOMEM;
        slot_unref(slot);
        *slot = slot_with(copy);
    }
    struct inner *in = inner_of(slot);
    uint64_t step = span_of(level - 1), i = p->start > base ? (p->start - base) / step : 0;
    struct delta below = {{0}};
    bool flat = false;
    int rc = 0;
    for (; !rc && i < PAGETREE_FANOUT && base + i * step < p->end; i++) {
        rc = put_slot(&in->slots[i], level - 1, base + i * step, p, &below);
        flat |= !is_node(&in->slots[i]);
    }
    for (unsigned k = 0; k < TALLY_N; k++) {
        in->tally.n[k] += (uint64_t)below.n[k];
        d->n[k] += below.n[k];
    }
    struct page all;
    if (flat && inner_uniform(in, &all)) {
        slot_unref(slot);
        *slot = all;
    }
    return rc;
}

static int put_slot(struct page *slot, unsigned level, uint64_t base, const struct put *p,
                    struct delta *d)
{
    uint64_t span = span_of(level);
    uint64_t start = p->start > base ? p->start : base;
    uint64_t end = p->end < base + span ? p->end : base + span;
    struct page value = page_at(&p->value, start - p->start);
    if (end - start == span) {
        delta_slot(d, slot, level, true);
        delta_slot(d, &value, level, false);
        slot_unref(slot);
        *slot = value;
        return 0;
    }
    if (!is_node(slot)) {
        struct page was = page_at(slot, start - base);
        if (same_value(&was, &value))
            return 0;
    }
    if (level == 1)
        return put_leaf(slot, (unsigned)(start - base), (unsigned)(end - base), &value, d);
    return put_inner(slot, level, base, p, d);
}

int pagetree_put(struct pagetree **tp, uint64_t start, uint64_t n, const struct page *value)
{
    struct pagetree *t = *tp;
    uint64_t all = span_of(t->levels);
    if (!n || n > all || start > all - n || value->state >= PAGE_STATE_N)
        return -EINVAL;
    if (t->refs > 1) {
        struct pagetree *own = malloc(sizeof *own);
        if (!own)
            return -ENOMEM;
        *own = (struct pagetree){.refs = 1, .levels = t->levels, .root = t->root};
        slot_ref(&own->root);
        pagetree_unref(t);
        *tp = t = own;
    }
    struct put p = {start, start + n, *value};
    struct delta d = {{0}};
    return put_slot(&t->root, t->levels, 0, &p, &d);
}
