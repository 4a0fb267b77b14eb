/* How the pages of two processes relate at the same addresses, and, for a family, where children
 * and parents have grown apart since fork. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
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

/* Runs of both that begin at the same page, n pages of each. */
static enum family_relation relate(const struct page *a, const struct page *b)
{
    bool in_a = has_page(a), in_b = has_page(b);
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
    c->sum[relate(&a, &b->first)] += b->n;
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

/* --- a family --- */

/* The parent's mapping that this one was copied from at fork, as far as can be told. */
static bool same_mapping(const struct region *a, const struct region *b)
{
    return a && a->kind == b->kind && a->inode == b->inode && a->dev_major == b->dev_major &&
           a->dev_minor == b->dev_minor && !strcmp(a->name, b->name);
}

static struct family_broken *broken_of(struct family *f, size_t *cap, const struct region *r)
{
    const char *name = region_last_part(r->name);
    for (size_t i = 0; i < f->broken_count; i++) {
        struct family_broken *b = &f->broken[i];
        if (b->kind == r->kind && !strncmp(b->name, name, sizeof b->name - 1) &&
            r->start < b->end && b->start < r->end)
            return b;
    }
    void *v = f->broken;
    if (array_reserve(&v, cap, f->broken_count + 1, sizeof *f->broken))
        return NULL;
    f->broken = v;
    struct family_broken *b = &f->broken[f->broken_count++];
    *b = (struct family_broken){.start = r->start, .end = r->end, .kind = r->kind};
    memcpy(b->name, name, strnlen(name, sizeof b->name - 1));
    return b;
}

static int own_of_region(struct family *f, struct family_member *m, const struct region *r,
                         size_t *cap)
{
    const struct moment *parent = &f->v[m->parent].moment;
    unsigned shift = m->moment.target.geometry.page_shift;
    uint64_t sum[RELATION_N] = {0};
    if (!same_mapping(region_table_at(parent->regions, r->start), r))
        return 0;
    int rc = family_compare(parent, &m->moment, moment_page(parent, r->start),
                            (r->end - r->start) >> shift, sum);
    if (rc)
        return rc;
    m->own.same += sum[RELATION_SAME] << shift;
    m->own.own += sum[RELATION_OWN] << shift;
    m->own.only_parent += sum[RELATION_ONLY_A] << shift;
    m->own.only_here += sum[RELATION_ONLY_B] << shift;
    if (!sum[RELATION_OWN])
        return 0;
    struct family_broken *b = broken_of(f, cap, r);
    if (!b)
        return -ENOMEM;
    b->own += sum[RELATION_OWN] << shift;
    b->members++;
    return 0;
}

static int by_falling_own(const void *pa, const void *pb)
{
    const struct family_broken *a = pa, *b = pb;
    if (a->own != b->own)
        return a->own < b->own ? 1 : -1;
    return a->start < b->start ? -1 : a->start > b->start;
}

int family_weigh_own(struct family *f, size_t member, size_t *cap)
{
    struct family_member *m = &f->v[member];
    if (m->parent == FAMILY_NONE || !m->moment.tree || !f->v[m->parent].moment.tree ||
        !m->moment.target.pfn.yes)
        return 0;
    for (size_t k = 0; k < m->moment.regions->count; k++) {
        int rc = own_of_region(f, m, &m->moment.regions->v[k], cap);
        if (rc)
            return rc;
    }
    /* After exec hardly a mapping of the parent's is left at its place. */
    m->own.known = m->own.same + m->own.own + m->own.only_here + m->own.only_parent > 0;
    return 0;
}

void family_sort_broken(struct family *f)
{
    if (f->broken_count)
        qsort(f->broken, f->broken_count, sizeof *f->broken, by_falling_own);
}
