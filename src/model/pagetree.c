/* Building page trees. Replacement copies the path it changes and shares the rest. */
#include "model/pagetree_node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Replacement runs, consumed from left to right. */
struct cursor {
    const struct page_run *run, *end;
};

void slot_ref(const struct page *slot)
{
    if (is_node(slot))
        node_of(slot)->refs++;
}

void slot_unref(const struct page *slot)
{
    if (!is_node(slot))
        return;
    struct node *n = node_of(slot);
    if (--n->refs)
        return;
    if (n->level > 1) {
        struct inner *in = inner_of(slot);
        for (unsigned i = 0; i < PAGETREE_FANOUT; i++)
            slot_unref(&in->slots[i]);
    }
    free(n);
}

void slot_tally(const struct page *slot, unsigned level, struct tally *sum)
{
    if (!is_node(slot)) {
        tally_add_page(sum, slot, span_of(level));
    } else if (level == 1) {
        const struct leaf *l = leaf_of(slot);
        for (unsigned i = 0; i < TALLY_N; i++)
            sum->n[i] += l->tally[i];
    } else {
        tally_add(sum, &inner_of(slot)->tally);
    }
}

/* --- blocks of 512 pages --- */

void block_push(struct block *b, unsigned first, const struct page *value)
{
    if (b->count) {
        unsigned last = b->count - 1;
        if (page_follows(&b->values[last], first - b->first[last], value))
            return;
    }
    b->values[b->count] = *value;
    b->first[b->count++] = (uint16_t)first;
}

void block_copy(struct block *b, const struct page *slot, unsigned from, unsigned to)
{
    if (from >= to)
        return;
    if (!is_node(slot)) {
        struct page v = page_at(slot, from);
        block_push(b, from, &v);
        return;
    }
    const struct leaf *l = leaf_of(slot);
    const uint16_t *first = leaf_first(l);
    for (unsigned i = 0; i < l->count && first[i] < to; i++) {
        unsigned end = i + 1 < l->count ? first[i + 1] : PAGETREE_FANOUT;
        if (end <= from)
            continue;
        unsigned at = first[i] < from ? from : first[i];
        struct page v = page_at(&l->values[i], at - first[i]);
        block_push(b, at, &v);
    }
}

/* Appends the replacement runs for pages [from, to) of the block at `base`. */
static void block_take(struct block *b, struct cursor *c, uint64_t base, unsigned from, unsigned to)
{
    unsigned at = from;
    while (at < to) {
        while (c->run < c->end && c->run->page + c->run->n <= base + at)
            c->run++;
        if (c->run == c->end || c->run->page >= base + to) {
            block_push(b, at, &page_absent);
            return;
        }
        if (c->run->page > base + at) {
            block_push(b, at, &page_absent);
            at = (unsigned)(c->run->page - base);
        }
        struct page v = page_at(&c->run->first, base + at - c->run->page);
        block_push(b, at, &v);
        uint64_t end = c->run->page + c->run->n - base;
        at = end < to ? (unsigned)end : to;
    }
}

static bool block_equals(const struct block *b, const struct leaf *l)
{
    return b->count == l->count &&
           !memcmp(b->values, l->values, b->count * sizeof *b->values) &&
           !memcmp(b->first, leaf_first(l), b->count * sizeof *b->first);
}

struct leaf *leaf_from(const struct block *b)
{
    struct leaf *l = malloc(leaf_bytes(b->count));
    if (!l)
        return NULL;
    l->node = (struct node){.refs = 1, .level = 1};
    l->count = (uint16_t)b->count;
    memcpy(l->values, b->values, b->count * sizeof *b->values);
    memcpy(l->values + b->count, b->first, b->count * sizeof *b->first);
    struct tally sum = {{0}};
    for (unsigned i = 0; i < b->count; i++) {
        unsigned end = i + 1 < b->count ? b->first[i + 1] : PAGETREE_FANOUT;
        tally_add_page(&sum, &b->values[i], end - b->first[i]);
    }
    for (unsigned i = 0; i < TALLY_N; i++)
        l->tally[i] = (uint16_t)sum.n[i];
    return l;
}

/* --- replacement --- */

/* If the cursor gives one value for all of [start, start+n), stores it. */
static bool cursor_uniform(struct cursor *c, uint64_t start, uint64_t n, struct page *out)
{
    while (c->run < c->end && c->run->page + c->run->n <= start)
        c->run++;
    if (c->run == c->end || c->run->page >= start + n) {
        *out = page_absent;
        return true;
    }
    if (c->run->page <= start && c->run->page + c->run->n >= start + n) {
        *out = page_at(&c->run->first, start - c->run->page);
        return true;
    }
    return false;
}

static int replace_block(const struct page *old, uint64_t base, uint64_t start, uint64_t end,
                         struct cursor *c, struct page *out)
{
    struct block b;
    b.count = 0;
    unsigned from = (unsigned)(start - base), to = (unsigned)(end - base);
    block_copy(&b, old, 0, from);
    block_take(&b, c, base, from, to);
    block_copy(&b, old, to, PAGETREE_FANOUT);
    if (b.count == 1) {
        *out = b.values[0];
        return 0;
    }
    if (is_node(old) && block_equals(&b, leaf_of(old))) {
        slot_ref(old);
        *out = *old;
        return 0;
    }
    struct leaf *l = leaf_from(&b);
    if (!l)
        return -ENOMEM;
    *out = slot_with(l);
    return 0;
}

struct inner *inner_copy(const struct page *old, unsigned level)
{
    struct inner *in = malloc(sizeof *in);
    if (!in)
        return NULL;
    if (is_node(old)) {
        *in = *inner_of(old);
        for (unsigned i = 0; i < PAGETREE_FANOUT; i++)
            slot_ref(&in->slots[i]);
    } else {
        uint64_t step = span_of(level - 1);
        in->tally = (struct tally){{0}};
        slot_tally(old, level, &in->tally);
        for (unsigned i = 0; i < PAGETREE_FANOUT; i++)
            in->slots[i] = page_at(old, i * step);
    }
    in->node = (struct node){.refs = 1, .level = level};
    return in;
}

static void inner_set(struct inner *in, unsigned i, const struct page *slot)
{
    unsigned below = in->node.level - 1;
    struct tally gone = {{0}};
    slot_tally(&in->slots[i], below, &gone);
    for (unsigned k = 0; k < TALLY_N; k++)
        in->tally.n[k] -= gone.n[k];
    slot_tally(slot, below, &in->tally);
    slot_unref(&in->slots[i]);
    in->slots[i] = *slot;
}

bool inner_uniform(const struct inner *in, struct page *out)
{
    uint64_t step = span_of(in->node.level - 1);
    if (is_node(&in->slots[0]))
        return false;
    for (unsigned i = 1; i < PAGETREE_FANOUT; i++)
        if (is_node(&in->slots[i]) || !page_follows(&in->slots[0], i * step, &in->slots[i]))
            return false;
    *out = in->slots[0];
    return true;
}

static int replace_slot(const struct page *old, unsigned level, uint64_t base, uint64_t start,
                        uint64_t end, struct cursor *c, struct page *out);

static int replace_inner(const struct page *old, unsigned level, uint64_t base, uint64_t start,
                         uint64_t end, struct cursor *c, struct page *out)
{
    uint64_t step = span_of(level - 1);
    struct inner *copy = NULL;
    int rc = 0;
    for (uint64_t i = (start - base) / step; base + i * step < end; i++) {
        uint64_t lo = base + i * step, hi = lo + step;
        struct page was = is_node(old) ? inner_of(old)->slots[i] : page_at(old, i * step);
        struct page now;
        rc = replace_slot(&was, level - 1, lo, start > lo ? start : lo, end < hi ? end : hi, c,
                          &now);
        if (rc)
            break;
        if (same_slot(&was, &now)) {
            slot_unref(&now);
            continue;
        }
        if (!copy && !(copy = inner_copy(old, level))) {
            slot_unref(&now);
            rc = -ENOMEM;
            break;
        }
        inner_set(copy, (unsigned)i, &now);
    }
    struct page made = copy ? slot_with(copy) : *old;
    if (rc) {
        if (copy)
            slot_unref(&made);
        return rc;
    }
    if (!copy) {
        slot_ref(old);
        *out = *old;
    } else if (inner_uniform(copy, out)) {
        slot_unref(&made);
    } else {
        *out = made;
    }
    return 0;
}

/* The slot that comes of `old` when [start, end), inside it, is replaced. One reference is the
 * caller's. */
static int replace_slot(const struct page *old, unsigned level, uint64_t base, uint64_t start,
                        uint64_t end, struct cursor *c, struct page *out)
{
    struct page value;
    if (end - start == span_of(level) && cursor_uniform(c, start, end - start, &value)) {
        *out = value;
        return 0;
    }
    if (level == 1)
        return replace_block(old, base, start, end, c, out);
    return replace_inner(old, level, base, start, end, c, out);
}

static bool runs_in_order(const struct page_run *runs, size_t count, uint64_t start, uint64_t n)
{
    uint64_t at = start;
    for (size_t i = 0; i < count; i++) {
        if (runs[i].page < at || !runs[i].n || runs[i].n > start + n ||
            runs[i].page > start + n - runs[i].n || runs[i].first.state >= PAGE_STATE_N)
            return false;
        at = runs[i].page + runs[i].n;
    }
    return true;
}

struct pagetree *pagetree_create(unsigned levels)
{
    if (levels < 2 || levels > PAGETREE_LEVELS_MAX)
        return NULL;
    struct pagetree *t = malloc(sizeof *t);
    if (t)
        *t = (struct pagetree){.refs = 1, .levels = levels, .root = page_absent};
    return t;
}

struct pagetree *pagetree_ref(struct pagetree *t)
{
    t->refs++;
    return t;
}

void pagetree_unref(struct pagetree *t)
{
    if (!t || --t->refs)
        return;
    slot_unref(&t->root);
    free(t);
}

unsigned pagetree_levels(const struct pagetree *t)
{
    return t->levels;
}

int pagetree_replace(struct pagetree *base, uint64_t start, uint64_t n, const struct page_run *runs,
                     size_t count, struct pagetree **out)
{
    uint64_t all = span_of(base->levels);
    if (!n || n > all || start > all - n || !runs_in_order(runs, count, start, n))
        return -EINVAL;
    struct pagetree *t = malloc(sizeof *t);
    if (!t)
        return -ENOMEM;
    *t = (struct pagetree){.refs = 1, .levels = base->levels};
    struct cursor c = {runs, count ? runs + count : runs};
    int rc = replace_slot(&base->root, base->levels, 0, start, start + n, &c, &t->root);
    if (rc) {
        free(t);
        return rc;
    }
    if (same_slot(&base->root, &t->root)) {
        pagetree_unref(t);
        t = pagetree_ref(base);
    }
    *out = t;
    return 0;
}
