/* How the pages of two processes relate at the same addresses. */
#include "model/family_parts.h"

struct comparison {
    const struct moment *a, *b;
    uint64_t *sum;
    struct page_run run; /* of a, that is compared with b's */
};

static bool has_page(const struct page *p)
{
    return page_state_info(p->state)->present;
}

enum family_relation family_relate(const struct page *a, const struct page *b)
{
    bool in_a = a && has_page(a), in_b = b && has_page(b);
    if (!in_a || !in_b)
        return in_a ? RELATION_ONLY_A : in_b ? RELATION_ONLY_B : RELATION_NONE;
    if (a->frame == PAGE_FRAME_UNKNOWN || b->frame == PAGE_FRAME_UNKNOWN)
        return (a->attrs | b->attrs) & PAGE_A_EXCLUSIVE ? RELATION_OWN : RELATION_UNKNOWN;
    return a->frame == b->frame ? RELATION_SAME : RELATION_OWN;
}

static int compare_run_b(void *ctx, const struct page_run *b)
{
    struct comparison *c = ctx;
    struct page a = page_at(&c->run.first, b->page - c->run.page);
    c->sum[family_relate(&a, &b->first)] += b->n;
    return 0;
}

static int compare_run_a(void *ctx, const struct page_run *a)
{
    struct comparison *c = ctx;
    c->run = *a;
    return pagetree_walk(c->b->tree, a->page, a->n, compare_run_b, c);
}

static int compare_range(void *ctx, uint64_t start, uint64_t n)
{
    struct comparison *c = ctx;
    return pagetree_walk(c->a->tree, start, n, compare_run_a, c);
}

/* What the trees have alike is counted by its tally, what differs run by run. */
int family_compare(const struct moment *a, const struct moment *b, uint64_t start, uint64_t n,
                   uint64_t sum[RELATION_N])
{
    struct tally all = {{0}};
    uint64_t differ[RELATION_N] = {0};
    struct comparison c = {a, b, differ, {0}};
    bool framed = a->target.pfn.yes && b->target.pfn.yes;
    /* Without frame numbers two entries can be alike and yet of different frames. */
    int rc = framed ? pagetree_diff(a->tree, b->tree, start, n, compare_range, &c)
                    : compare_range(&c, start, n);
    if (rc)
        return rc;
    pagetree_tally(a->tree, start, n, &all);
    uint64_t present = tally_present(&all), seen = 0, in_a = 0;
    for (unsigned i = 0; i < RELATION_N; i++) {
        sum[i] += differ[i];
        seen += differ[i];
        in_a += i == RELATION_NONE || i == RELATION_ONLY_B ? 0 : differ[i];
    }
    sum[framed ? RELATION_SAME : RELATION_UNKNOWN] += present - in_a;
    sum[RELATION_NONE] += n - seen - (present - in_a);
    return 0;
}
