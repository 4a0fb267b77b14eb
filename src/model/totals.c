/* Totals of regions as the JSON contract defines them. What the pages alone cannot tell comes from
 * smaps where that was read, and is marked unknown where it was not. */
#include "model/model.h"

static void known_by_pages(const struct tally *t, unsigned shift, struct totals *out)
{
    out->resident = tally_rss(t) << shift;
    out->anon = tally_anon(t) << shift;
    out->file = t->n[PAGE_FILE] << shift;
    out->shmem = t->n[PAGE_SHMEM] << shift;
    out->swap = (t->n[PAGE_SWAP] + t->n[PAGE_SHMEM_SWAP]) << shift;
    out->zero = (t->n[PAGE_ZERO] + t->n[PAGE_HUGE_ZERO]) << shift;
    out->ksm = t->n[PAGE_KSM] << shift;
    out->hugetlb = t->n[PAGE_HUGETLB] << shift;
    out->pmd_mapped = t->n[TALLY_PMD] << shift;
    out->exclusive = t->n[TALLY_EXCLUSIVE] << shift;
    out->shared = (tally_present(t) - t->n[TALLY_EXCLUSIVE]) << shift;
    out->cow = t->n[TALLY_COW] << shift;
    out->locked = t->n[TALLY_LOCKED] << shift;
    out->guard = t->n[PAGE_GUARD] << shift;
    out->unknown = (t->n[PAGE_UNKNOWN] + t->n[PAGE_PRESENT]) << shift;
}

static void mark_unknown(const struct moment *m, const struct tally *t, struct totals *out)
{
    bool kind = t->n[PAGE_PRESENT] || t->n[PAGE_UNKNOWN];
    bool entry = t->n[TALLY_NO_ENTRY] || t->n[PAGE_UNKNOWN];
    bool flags = t->n[TALLY_NO_FLAGS] || t->n[PAGE_UNKNOWN];
    /* Without SCAN and frame flags, zero pages (outside Rss) cannot be told from others. */
    out->no_resident = t->n[PAGE_UNKNOWN] || (t->n[PAGE_PRESENT] && !m->target.scan.yes);
    out->no_anon = out->no_file = out->no_shmem = kind;
    out->no_exclusive = out->no_shared = out->no_cow = entry;
    out->no_swap = t->n[PAGE_UNKNOWN] != 0;
    out->no_ksm = flags && m->target.ksm_in_use;
    out->no_locked = flags;
    out->no_pmd_mapped = !m->target.scan.yes && (tally_present(t) || t->n[PAGE_UNKNOWN]);
}

static void ask_smaps(const struct region *r, struct totals *out)
{
    const struct region_smaps *s = r->smaps;
    if (out->no_swap) {
        out->swap = s->swap;
        out->no_swap = false;
    }
    if (out->no_pmd_mapped) {
        out->pmd_mapped = s->anon_huge + s->shmem_pmd + s->file_pmd;
        out->no_pmd_mapped = false;
    }
    if (out->no_ksm && s->ksm_known) {
        out->ksm = s->ksm;
        out->no_ksm = false;
    }
}

/* smaps counts what a shared memory file has in swap under a region that cannot have pages of its
 * own (shared, or not writable) without looking which pages it has (fs/proc/task_mmu.c,
 * smap_gather_stats). */
static bool counts_all_of_file(const struct region *r)
{
    return r->shmem_swap && (r->perms & REGION_SHARED || !(r->perms & REGION_W));
}

void totals_of_tally(const struct moment *m, const struct region *r, const struct tally *t,
                     struct totals *out)
{
    unsigned shift = m->target.geometry.page_shift;
    *out = (struct totals){.size = r ? r->end - r->start : 0};
    known_by_pages(t, shift, out);
    mark_unknown(m, t, out);
    if (!r)
        return;
    if (r->shmem_swap == UINT64_MAX)
        out->no_swap = true;
    else if (counts_all_of_file(r))
        out->swap = (t->n[PAGE_SWAP] << shift) + r->shmem_swap;
    if (r->smaps && !r->smaps->flags_only)
        ask_smaps(r, out);
}

void totals_of_region(const struct moment *m, const struct region *r, struct totals *out)
{
    struct tally t = {{0}};
    pagetree_tally(m->tree, moment_page(m, r->start),
                   (r->end - r->start) >> m->target.geometry.page_shift, &t);
    totals_of_tally(m, r, &t, out);
}

void totals_add(struct totals *to, const struct totals *t)
{
    to->size += t->size;
    to->resident += t->resident;
    to->anon += t->anon;
    to->file += t->file;
    to->shmem += t->shmem;
    to->swap += t->swap;
    to->zero += t->zero;
    to->ksm += t->ksm;
    to->hugetlb += t->hugetlb;
    to->pmd_mapped += t->pmd_mapped;
    to->exclusive += t->exclusive;
    to->shared += t->shared;
    to->cow += t->cow;
    to->locked += t->locked;
    to->guard += t->guard;
    to->unknown += t->unknown;
    to->no_resident |= t->no_resident;
    to->no_anon |= t->no_anon;
    to->no_file |= t->no_file;
    to->no_shmem |= t->no_shmem;
    to->no_swap |= t->no_swap;
    to->no_ksm |= t->no_ksm;
    to->no_pmd_mapped |= t->no_pmd_mapped;
    to->no_exclusive |= t->no_exclusive;
    to->no_shared |= t->no_shared;
    to->no_cow |= t->no_cow;
    to->no_locked |= t->no_locked;
}

void totals_of_all(const struct moment *m, struct totals *out)
{
    *out = (struct totals){0};
    for (size_t i = 0; i < m->regions->count; i++) {
        struct totals t;
        totals_of_region(m, &m->regions->v[i], &t);
        totals_add(out, &t);
    }
}
