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

enum { PSS_SHIFT = 12 }; /* fractional bits of a share, as in fs/proc/task_mmu.c */

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
    void *v = a->runs;
    int rc = array_reserve(&v, &a->cap, a->count + piece->runs, sizeof *a->runs);
    a->runs = v;
    if (rc)
        return rc;
    if (piece->runs)
        memcpy(a->runs + a->count, a->p->runs + piece->runs_at, piece->runs * sizeof *a->runs);
    a->count += piece->runs;
    patch_reach(a, piece);
    return 0;
}

/* Of a piece that stays, in the middle of ones that differ: one range of a leaf is replaced faster
 * than several. */
static bool is_amid(const struct patch *a, const struct family_piece *piece)
{
    return a->end > a->start &&
           (piece->page + piece->n - 1) / PAGETREE_FANOUT == (a->end - 1) / PAGETREE_FANOUT;
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
            rc = is_amid(a, &pieces[mine[j]]) ? patch_add(a, &pieces[mine[j]]) : patch_flush(a);
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

struct weight {
    uint64_t pss; /* bytes << PSS_SHIFT */
    uint64_t uss, hugetlb; /* pages */
    bool no_pss, no_uss;
};

static void weigh_run(struct weight *w, const struct page_run *run, const struct target_info *t)
{
    const struct page *p = &run->first;
    const struct page_state_info *state = page_state_info(p->state);
    bool exclusive = p->attrs & PAGE_A_EXCLUSIVE, entry = p->attrs & PAGE_A_ENTRY;
    uint64_t whole = (uint64_t)1 << (t->geometry.page_shift + PSS_SHIFT);
    w->no_uss |= p->state == PAGE_UNKNOWN || (state->present && !entry);
    w->no_pss |= p->state == PAGE_UNKNOWN;
    if (p->state == PAGE_HUGETLB)
        w->hugetlb += exclusive ? run->n : 0;
    if (!state->rss)
        return;
    w->uss += exclusive ? run->n : 0;
    /* A page on its way to another frame has no count: smaps takes it as a whole. */
    bool moving = p->state == PAGE_PRESENT && entry && t->pfn.yes && p->frame == PAGE_FRAME_UNKNOWN;
    if (p->attrs & PAGE_A_COUNT && p->mapcount > 1)
        w->pss += whole / p->mapcount * run->n;
    else if (p->attrs & PAGE_A_COUNT || exclusive || moving)
        w->pss += whole * run->n;
    else
        w->no_pss = true;
}

static void weigh_member(struct family *f, const struct family_picture *p, size_t i,
                         const struct weight *weights)
{
    struct family_member *m = &f->v[i];
    const uint32_t *pieces = reading_pieces(p, i);
    unsigned shift = m->moment.target.geometry.page_shift;
    struct weight sum = {0};
    for (size_t k = 0; k < p->v[i].pieces; k++) {
        const struct weight *w = &weights[pieces[k]];
        sum.pss += w->pss;
        sum.uss += w->uss;
        sum.hugetlb += w->hugetlb;
        sum.no_pss |= w->no_pss;
        sum.no_uss |= w->no_uss;
    }
    m->uss = (struct known_bytes){sum.uss << shift, !sum.no_uss};
    m->private_hugetlb = (struct known_bytes){sum.hugetlb << shift, !sum.no_uss};
    m->pss = (struct known_bytes){sum.pss >> PSS_SHIFT, !sum.no_pss};
    if (sum.no_pss && p->v[i].rollup_pss != UINT64_MAX)
        m->pss = (struct known_bytes){p->v[i].rollup_pss, true};
    totals_of_all(&m->moment, &m->totals);
}

/* Of each piece, once. NULL when out of memory; the caller's. */
static struct weight *weigh_pieces(const struct family_picture *p)
{
    struct weight *weights = calloc(p->pieces_count + 1, sizeof *weights);
    for (size_t i = 0; weights && i < p->pieces_count; i++)
        for (size_t k = 0; k < p->pieces[i].runs; k++)
            weigh_run(&weights[i], &p->runs[p->pieces[i].runs_at + k], &p->v[0].target);
    return weights;
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

static void drop_tree(struct family_member *m)
{
    pagetree_unref(m->moment.tree);
    m->moment.tree = NULL;
}

/* The trees that no later member is compared with. */
static void drop_done(struct family *f, size_t i)
{
    size_t parent = f->v[i].parent;
    bool first = true, last = parent != FAMILY_NONE;
    for (size_t k = i + 1; k < f->count && (first || last); k++) {
        first = first && f->v[k].parent != i;
        last = last && f->v[k].parent != parent;
    }
    if (first)
        drop_tree(&f->v[i]);
    if (last)
        drop_tree(&f->v[parent]);
}

static int fold_members(struct family *f, const struct family_picture *p,
                        const struct weight *weights, bool trees)
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
        rc = grow_tree(f, p, i);
        if (rc)
            break;
        weigh_member(f, p, i, weights);
        rc = family_weigh_own(f, i, &cap);
        if (!trees)
            drop_done(f, i);
    }
    for (size_t i = 0; !trees && i < f->count; i++)
        drop_tree(&f->v[i]);
    family_sort_broken(f);
    return rc;
}

static int fold(struct family *f, const struct family_picture *p, bool trees)
{
    struct weight *weights = weigh_pieces(p);
    int rc = weights ? fold_members(f, p, weights, trees) : -ENOMEM;
    free(weights);
    return rc ? rc : family_weigh_pairs(f, p);
}

static bool is_sound(const struct family_picture *p)
{
    for (size_t i = 0; i < p->pieces_count; i++)
        if (p->pieces[i].runs > p->runs_count ||
            p->pieces[i].runs_at > p->runs_count - p->pieces[i].runs)
            return false;
    for (size_t i = 0; i < p->order_count; i++)
        if (p->order[i] >= p->pieces_count)
            return false;
    for (size_t i = 0; i < p->count; i++)
        if (p->v[i].pieces > p->order_count ||
            p->v[i].pieces_at > p->order_count - p->v[i].pieces)
            return false;
    return p->count && p->count <= FAMILY_MAX;
}

static struct family *create(const struct family_picture *p, bool trees)
{
    if (!is_sound(p))
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
