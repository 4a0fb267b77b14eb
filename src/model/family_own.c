/* Where children and parents have grown apart since fork: their pieces side by side. What both have
 * in one piece, or in two with one base, is not looked at page by page. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/family_parts.h"

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

/* --- pieces of parent and child, side by side --- */

struct pair {
    const struct family_picture *p;
    const struct family_weight *weights;
    struct family_stream parent, child;
    uint64_t *sum;
};

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Pages of the runs from *at on, up to the next page where either begins or ends. */
static void relate_next(const struct page_run *a, const struct page_run *b, uint64_t *at,
                        uint64_t *sum)
{
    bool in_a = a && a->page <= *at, in_b = b && b->page <= *at;
    uint64_t end = lesser(a ? in_a ? a->page + a->n : a->page : UINT64_MAX,
                          b ? in_b ? b->page + b->n : b->page : UINT64_MAX);
    struct page x = in_a ? page_at(&a->first, *at - a->page) : page_absent;
    struct page y = in_b ? page_at(&b->first, *at - b->page) : page_absent;
    sum[family_relate(&x, &y)] += end - *at;
    *at = end;
}

/* Pages [start, end) of two pieces of which one is the other's base, or that have one base. */
static uint64_t relate_places(const struct pair *c, const struct family_piece *a,
                              const struct family_piece *b, uint64_t start, uint64_t end)
{
    struct page_run x[FAMILY_PIECE_PAGES], y[FAMILY_PIECE_PAGES];
    const struct page_run *u = x, *v = y;
    const struct page_run *u_end = x + family_piece_runs(c->p, a, start, end, x);
    const struct page_run *v_end = y + family_piece_runs(c->p, b, start, end, y);
    uint64_t in_a = 0;
    for (const struct page_run *r = x; r < u_end; r++)
        in_a += page_state_info(r->first.state)->present ? r->n : 0;
    for (uint64_t at = start; u < u_end || v < v_end;) {
        relate_next(u < u_end ? u : NULL, v < v_end ? v : NULL, &at, c->sum);
        u += u < u_end && u->page + u->n <= at;
        v += v < v_end && v->page + v->n <= at;
    }
    return in_a;
}

/* The next place where either of the pieces is not as its base. */
static bool next_place(const struct family_cut **a, const struct family_cut *a_end,
                       const struct family_cut **b, const struct family_cut *b_end,
                       uint64_t *start, uint64_t *end)
{
    if (*a == a_end && *b == b_end)
        return false;
    *start = lesser(*a < a_end ? (*a)->page : UINT64_MAX, *b < b_end ? (*b)->page : UINT64_MAX);
    *end = *start;
    for (bool more = true; more;) {
        const struct family_cut **next = *a < a_end && (*a)->page <= *end ? a
                                         : *b < b_end && (*b)->page <= *end ? b : NULL;
        more = next != NULL;
        if (more && (*next)->page + (*next)->n > *end)
            *end = (*next)->page + (*next)->n;
        if (more)
            ++*next;
    }
    return true;
}

/* A base is like a piece that changes nothing of it. */
static struct family_piece as_changed(const struct family_picture *p, uint32_t number)
{
    struct family_piece piece = p->pieces[number];
    if (piece.base == FAMILY_NO_PIECE)
        piece = (struct family_piece){piece.page, piece.n, 0, 0, number};
    return piece;
}

/* Two whole pieces that have their pages from one base: only the changes are looked at. */
static void relate_changes(struct pair *c, uint32_t parent, uint32_t child)
{
    const struct family_piece a = as_changed(c->p, parent), b = as_changed(c->p, child);
    const struct family_cut *x = c->p->cuts + a.at, *y = c->p->cuts + b.at;
    const struct family_cut *x_end = x + a.count, *y_end = y + b.count;
    uint64_t start, end, looked = 0;
    while (next_place(&x, x_end, &y, y_end, &start, &end))
        looked += relate_places(c, &a, &b, start, end);
    c->sum[RELATION_SAME] += tally_present(&c->weights[parent].tally) - looked;
}

static uint32_t base_of(const struct pair *c, uint32_t piece)
{
    uint32_t base = c->p->pieces[piece].base;
    return base == FAMILY_NO_PIECE ? piece : base;
}

/* Two pieces that begin here and are alike, or nearly so. False: they are not. */
static bool relate_pieces(struct pair *c)
{
    uint32_t parent = family_stream_piece(&c->parent), child = family_stream_piece(&c->child);
    if (parent == FAMILY_NO_PIECE || child == FAMILY_NO_PIECE ||
        base_of(c, parent) != base_of(c, child))
        return false;
    if (parent == child)
        c->sum[RELATION_SAME] += tally_present(&c->weights[parent].tally);
    else
        relate_changes(c, parent, child);
    family_stream_skip(&c->parent);
    family_stream_skip(&c->child);
    return true;
}

static void relate_range(struct pair *c, uint64_t start)
{
    for (uint64_t at = start;;) {
        struct page_run x, y;
        while (relate_pieces(c))
            ;
        const struct page_run *a = family_stream_peek(&c->parent, &x) ? &x : NULL;
        const struct page_run *b = family_stream_peek(&c->child, &y) ? &y : NULL;
        if (!a && !b)
            return;
        if ((!a || a->page > at) && (!b || b->page > at))
            at = lesser(a ? a->page : UINT64_MAX, b ? b->page : UINT64_MAX);
        relate_next(a, b, &at, c->sum);
        family_stream_pass(&c->parent, at);
        family_stream_pass(&c->child, at);
    }
}

static int own_of_region(struct family *f, struct family_member *m, const struct region *r,
                         struct pair *c, size_t *cap)
{
    const struct moment *parent = &f->v[m->parent].moment;
    unsigned shift = m->moment.target.geometry.page_shift;
    uint64_t sum[RELATION_N] = {0}, start = moment_page(parent, r->start);
    uint64_t end = start + ((r->end - r->start) >> shift);
    if (!same_mapping(region_table_at(parent->regions, r->start), r))
        return 0;
    c->sum = sum;
    family_stream_begin(&c->parent, c->p, m->parent, start, end);
    family_stream_begin(&c->child, c->p, (size_t)(m - f->v), start, end);
    relate_range(c, start);
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

int family_weigh_own(struct family *f, const struct family_picture *p,
                     const struct family_weight *weights, size_t member, size_t *cap)
{
    struct family_member *m = &f->v[member];
    struct pair c = {.p = p, .weights = weights};
    if (m->parent == FAMILY_NONE || !m->moment.regions || !f->v[m->parent].moment.regions ||
        !m->moment.target.pfn.yes)
        return 0;
    for (size_t k = 0; k < m->moment.regions->count; k++) {
        int rc = own_of_region(f, m, &m->moment.regions->v[k], &c, cap);
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
