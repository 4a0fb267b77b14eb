/* What changed between two samples. The trees differ also where a page only became better known
 * (its flags were read because it came into view): that is no change of the page, so the ranges
 * that differ are compared page run by page run. The number of comparisons is bounded; beyond it,
 * where very much changes at once, a difference counts as a change. */
#include "ui/map_parts.h"

enum { COMPARISONS_MAX = 20000 };

static bool kind_known(const struct page *p)
{
    return p->state != PAGE_UNKNOWN && p->state != PAGE_PRESENT;
}

/* Whether the frame is the process's own memory. Who else maps a page of a file says nothing about
 * this process: it changes with every program that starts. */
static bool is_own(const struct page *p)
{
    return page_state_info(p->state)->anon;
}

static uint16_t comparable(uint16_t both, bool own)
{
    unsigned mask = PAGE_A_PMD;
    if (both & PAGE_A_ENTRY)
        mask |= PAGE_A_UFFD_WP | (own ? PAGE_A_EXCLUSIVE : 0u);
    if (both & PAGE_A_FLAGS)
        mask |= PAGE_A_SWAPCACHE | PAGE_A_WRITABLE | PAGE_A_DIRTY | PAGE_A_UNEVICTABLE |
                PAGE_A_LOCKED | PAGE_A_WRITEBACK | PAGE_A_LARGE | PAGE_A_LAZYFREE;
    return (uint16_t)mask;
}

bool map_page_changed(const struct page *before, const struct page *after)
{
    if (before->state == PAGE_UNKNOWN || after->state == PAGE_UNKNOWN)
        return false;
    if (page_state_info(before->state)->present != page_state_info(after->state)->present)
        return true;
    if (before->state != after->state && kind_known(before) && kind_known(after))
        return true;
    if (before->frame != after->frame && before->frame != PAGE_FRAME_UNKNOWN &&
        after->frame != PAGE_FRAME_UNKNOWN)
        return true;
    uint16_t both = before->attrs & after->attrs;
    bool own = is_own(before) && is_own(after);
    if ((before->attrs ^ after->attrs) & comparable(both, own))
        return true;
    return own && both & PAGE_A_COUNT && before->mapcount != after->mapcount;
}

struct compare {
    const struct pagetree *before, *after;
    const struct page_run *run; /* of before */
    unsigned left;
    pagetree_range_fn *each;
    void *ctx;
};

static int compare_after(void *ctx, const struct page_run *run)
{
    struct compare *c = ctx;
    struct page before = page_at(&c->run->first, run->page - c->run->page);
    if (c->left)
        c->left--;
    return map_page_changed(&before, &run->first) ? c->each(c->ctx, run->page, run->n) : 0;
}

static int compare_before(void *ctx, const struct page_run *run)
{
    struct compare *c = ctx;
    if (!c->left)
        return c->each(c->ctx, run->page, run->n);
    c->run = run;
    return pagetree_walk(c->after, run->page, run->n, compare_after, c);
}

static int compare_range(void *ctx, uint64_t start, uint64_t n)
{
    struct compare *c = ctx;
    if (!c->left)
        return c->each(c->ctx, start, n);
    return pagetree_walk(c->before, start, n, compare_before, c);
}

void map_changes(const struct pagetree *before, const struct pagetree *after, uint64_t start,
                 uint64_t n, pagetree_range_fn *each, void *ctx)
{
    struct compare c = {
        .before = before, .after = after, .left = COMPARISONS_MAX, .each = each, .ctx = ctx};
    if (pagetree_levels(before) == pagetree_levels(after))
        pagetree_diff(before, after, start, n, compare_range, &c);
}
