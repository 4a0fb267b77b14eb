/* Families: the fold from a picture to members with trees, and what each of them weighs. A member's
 * tree is made from that of its parent by replacing the pieces that differ, so that processes which
 * still share everything since fork share the nodes of their trees too. */
#include "model/family.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/family_parts.h"

struct family_picture *family_picture_create(void)
{
    return calloc(1, sizeof(struct family_picture));
}

void family_picture_destroy(struct family_picture *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        region_table_unref(p->v[i].regions);
    free(p->v);
    free(p->pieces);
    free(p->cuts);
    free(p->order);
    free(p->runs);
    free(p);
}

/* --- trees --- */

/* Runs that are gathered to replace a range of a tree at once. */
struct patch {
    struct pagetree *tree;
    const struct family_picture *p;
    uint64_t start, end; /* empty: nothing gathered */
    struct page_run *runs;
    size_t count, cap;
};

static int patch_flush(struct patch *a)
{
    struct pagetree *tree;
    if (a->start == a->end)
        return 0;
    int rc = pagetree_replace(a->tree, a->start, a->end - a->start, a->runs, a->count, &tree);
    if (rc)
        return rc;
    pagetree_unref(a->tree);
    a->tree = tree;
    a->count = 0;
    a->start = a->end = 0;
    return 0;
}

static void patch_reach(struct patch *a, const struct family_piece *piece)
{
    uint64_t end = piece->page + piece->n;
    if (a->start == a->end)
        a->start = piece->page;
    if (piece->page < a->start)
        a->start = piece->page;
    if (end > a->end)
        a->end = end;
}

static int patch_add(struct patch *a, const struct family_piece *piece)
{
    bool plain = piece->base == FAMILY_NO_PIECE;
    size_t most = plain ? piece->count : FAMILY_PIECE_PAGES;
    void *v = a->runs;
    int rc = array_reserve(&v, &a->cap, a->count + most, sizeof *a->runs);
    a->runs = v;
    if (rc)
        return rc;
    if (!plain)
        a->count += family_piece_runs(a->p, piece, 0, UINT64_MAX, a->runs + a->count);
    else if (most)
        memcpy(a->runs + a->count, a->p->runs + piece->at, most * sizeof *a->runs);
    a->count += plain ? most : 0;
    patch_reach(a, piece);
    return 0;
}

/* Walks the pieces of the base and the member side by side; those that are the same stay. */
static int patch_differences(struct patch *a, const uint32_t *base, size_t base_count,
                             const uint32_t *mine, size_t count)
{
    const struct family_piece *pieces = a->p->pieces;
    int rc = 0;
    for (size_t i = 0, j = 0; !rc && (i < base_count || j < count);) {
        bool same = i < base_count && j < count && base[i] == mine[j];
        bool only_base = j == count || (i < base_count && !same &&
                                        pieces[base[i]].page < pieces[mine[j]].page);
        if (same) {
            rc = patch_flush(a);
            i++;
            j++;
        } else if (only_base) {
            patch_reach(a, &pieces[base[i++]]);
        } else {
            rc = patch_add(a, &pieces[mine[j++]]);
        }
    }
    return rc ? rc : patch_flush(a);
}

static int grow_tree(struct family *f, const struct family_picture *p, size_t i)
{
    struct family_member *m = &f->v[i];
    size_t base = m->parent;
    if (base == FAMILY_NONE || !f->v[base].moment.tree)
        base = FAMILY_NONE;
    struct patch a = {.p = p};
    a.tree = base == FAMILY_NONE ? pagetree_create(m->moment.target.geometry.levels)
                                 : pagetree_ref(f->v[base].moment.tree);
    if (!a.tree)
        return -ENOMEM;
    int rc = patch_differences(&a, base == FAMILY_NONE ? NULL : reading_pieces(p, base),
                               base == FAMILY_NONE ? 0 : p->v[base].pieces, reading_pieces(p, i),
                               p->v[i].pieces);
    free(a.runs);
    m->moment.tree = a.tree;
    return rc;
}

/* --- weights --- */

/* What a mapping's pages alone do not tell of its totals. */
static bool is_apart(const struct region *r)
{
    return r->shmem_swap || r->smaps;
}

/* All regions at once, but for those that smaps or their file's swap say more of. */
static void weigh_totals(const struct family_picture *p, size_t i, struct tally *all,
                         struct family_member *m)
{
    struct totals apart = {0};
    for (size_t k = 0; k < m->moment.regions->count; k++) {
        const struct region *r = &m->moment.regions->v[k];
        struct family_stream s;
        struct page_run run;
        struct tally t = {{0}};
        struct totals of_region;
        uint64_t start = moment_page(&m->moment, r->start);
        if (!is_apart(r)) {
            apart.size += r->end - r->start;
            continue;
        }
        family_stream_begin(&s, p, i, start, start + ((r->end - r->start) >>
                                                      m->moment.target.geometry.page_shift));
        for (; family_stream_peek(&s, &run); s.run++)
            tally_add_page(&t, &run.first, run.n);
        for (unsigned n = 0; n < TALLY_N; n++)
            all->n[n] -= t.n[n];
        totals_of_tally(&m->moment, r, &t, &of_region);
        totals_add(&apart, &of_region);
    }
    totals_of_tally(&m->moment, NULL, all, &m->totals);
    totals_add(&m->totals, &apart);
}

static void weigh_member(struct family *f, const struct family_picture *p, size_t i,
                         const struct family_weight *weights)
{
    struct family_member *m = &f->v[i];
    const uint32_t *pieces = reading_pieces(p, i);
    unsigned shift = m->moment.target.geometry.page_shift;
    struct family_weight sum = {0};
    for (size_t k = 0; k < p->v[i].pieces; k++)
        family_weight_add(&sum, &weights[pieces[k]]);
    m->uss = (struct known_bytes){sum.uss << shift, !sum.no_uss};
    m->private_hugetlb = (struct known_bytes){sum.hugetlb << shift, !sum.no_uss};
    m->pss = (struct known_bytes){sum.pss >> FAMILY_PSS_SHIFT, !sum.no_pss};
    if (sum.no_pss && p->v[i].rollup_pss != UINT64_MAX)
        m->pss = (struct known_bytes){p->v[i].rollup_pss, true};
    weigh_totals(p, i, &sum.tally, m);
}

/* --- members --- */

static void set_member(struct family *f, size_t i, const struct family_picture *p)
{
    const struct family_reading *r = &p->v[i];
    struct family_member *m = &f->v[i];
    *m = (struct family_member){.pid = r->target.pid, .ppid = r->ppid, .parent = FAMILY_NONE};
    for (size_t k = 0; k < i && m->parent == FAMILY_NONE; k++)
        if (f->v[k].pid == r->ppid)
            m->parent = k;
    m->depth = m->parent == FAMILY_NONE ? i != 0 : f->v[m->parent].depth + 1;
    memcpy(m->why, r->why, sizeof m->why);
    m->moment.target = r->target;
    m->moment.sample = p->sample;
    m->moment.sample.ranges_skipped = r->ranges_skipped;
    m->moment.counters = r->counters;
    m->moment.regions = r->regions ? region_table_ref(r->regions) : NULL;
}

static int fold_members(struct family *f, const struct family_picture *p,
                        const struct family_weight *weights, bool trees)
{
    size_t cap = 0;
    int rc = 0;
    for (size_t i = 0; i < p->count; i++) {
        set_member(f, i, p);
        f->count = i + 1;
    }
    for (size_t i = 0; !rc && i < p->count; i++) {
        if (!f->v[i].moment.regions)
            continue;
        weigh_member(f, p, i, weights);
        rc = family_weigh_own(f, p, weights, i, &cap);
        if (!rc && trees)
            rc = grow_tree(f, p, i);
    }
    family_sort_broken(f);
    return rc;
}

static int fold(struct family *f, const struct family_picture *p, bool trees)
{
    struct family_weight *weights = family_weigh_pieces(p);
    int rc = weights ? fold_members(f, p, weights, trees) : -ENOMEM;
    free(weights);
    return rc ? rc : family_weigh_pairs(f, p);
}

static struct family *create(const struct family_picture *p, bool trees)
{
    if (!family_picture_is_sound(p))
        return NULL;
    struct family *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->refs = 1;
    f->sample = p->sample;
    f->vanished = p->vanished;
    f->left_out = p->left_out;
    f->v = calloc(p->count, sizeof *f->v);
    if (f->v && !fold(f, p, trees))
        return f;
    family_unref(f);
    return NULL;
}

struct family *family_create(const struct family_picture *p)
{
    return create(p, true);
}

struct family *family_sum_up(const struct family_picture *p)
{
    return create(p, false);
}

/* A parent of others that moved may be there without its own parent: how it stands to that is as it
 * was. */
static void renew_member(struct family_member *m, const struct family_member *from)
{
    struct moment was = m->moment;
    moment_copy(&m->moment, &from->moment);
    moment_deinit(&was);
    memcpy(m->why, from->why, sizeof m->why);
    m->totals = from->totals;
    m->pss = from->pss;
    m->uss = from->uss;
    m->private_hugetlb = from->private_hugetlb;
    if (from->parent != FAMILY_NONE)
        m->own = from->own;
}

static void *copy_of(const void *from, size_t count, size_t size)
{
    void *to = malloc(count * size + 1);
    if (to && count)
        memcpy(to, from, count * size);
    return to;
}

struct family *family_renew(const struct family *f, const struct family *part)
{
    struct family *n = copy_of(f, 1, sizeof *f);
    if (!n)
        return NULL;
    n->refs = 1;
    n->again_ns = part->sample.start_ns;
    n->v = copy_of(f->v, f->count, sizeof *f->v);
    n->count = n->v ? f->count : 0;
    for (size_t i = 0; i < n->count; i++)
        moment_copy(&n->v[i].moment, &f->v[i].moment);
    n->broken = copy_of(f->broken, f->broken_count, sizeof *f->broken);
    n->shared = f->shared ? copy_of(f->shared, f->count * (f->count + 1) / 2, sizeof *f->shared)
                          : NULL;
    if (!n->v || !n->broken || (f->shared && !n->shared)) {
        family_unref(n);
        return NULL;
    }
    for (size_t i = 0; i < part->count; i++) {
        size_t at = family_find(f, part->v[i].pid);
        if (at != FAMILY_NONE)
            renew_member(&n->v[at], &part->v[i]);
    }
    return n;
}

struct family *family_ref(struct family *f)
{
    f->refs++;
    return f;
}

void family_unref(struct family *f)
{
    if (!f || --f->refs)
        return;
    for (size_t i = 0; i < f->count; i++)
        moment_deinit(&f->v[i].moment);
    free(f->v);
    free(f->shared);
    free(f->broken);
    free(f);
}

struct known_bytes family_shared(const struct family *f, size_t a, size_t b)
{
    bool known = f->pairs.yes && f->v[a].moment.regions && f->v[b].moment.regions;
    return (struct known_bytes){known ? f->shared[pair_index(a, b)] : 0, known};
}

size_t family_find(const struct family *f, pid_t pid)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->v[i].pid == pid)
            return i;
    return FAMILY_NONE;
}

struct known_bytes family_member_shared(const struct family_member *m)
{
    bool known = m->moment.regions && m->uss.known && !m->totals.no_resident &&
                 m->totals.resident >= m->uss.bytes;
    return (struct known_bytes){known ? m->totals.resident - m->uss.bytes : 0, known};
}

static void add_known(struct known_bytes *sum, struct known_bytes b)
{
    sum->bytes += b.bytes;
    sum->known &= b.known;
}

void family_sum(const struct family *f, struct family_sums *out)
{
    *out = (struct family_sums){{0, true}, {0, true}, {0, true}};
    for (size_t i = 0; i < f->count; i++) {
        const struct family_member *m = &f->v[i];
        bool known = m->moment.regions && !m->totals.no_resident;
        add_known(&out->rss, (struct known_bytes){m->totals.resident, known});
        add_known(&out->pss, m->pss);
        add_known(&out->uss, m->uss);
    }
}
