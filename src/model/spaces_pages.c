/* Changes to the pages of a range, as the kernel would make them. */
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "model/spaces_parts.h"

struct page page_of(uint8_t state, unsigned attrs)
{
    struct page p = page_absent;
    p.state = state;
    p.attrs = (uint16_t)attrs;
    return p;
}

uint64_t page_number(const struct spaces *s, uint64_t address)
{
    unsigned bits = s->g.levels * PAGETREE_FANOUT_BITS + s->g.page_shift;
    if (bits < 64)
        address &= ((uint64_t)1 << bits) - 1;
    return address >> s->g.page_shift;
}

uint64_t huge_size(const struct spaces *s)
{
    return (uint64_t)1 << s->g.pmd_shift;
}

uint64_t vmflag(const char code[2])
{
    return (uint64_t)1 << region_vmflag_bit(code);
}

enum known_bool huge_wanted(const struct spaces *s, uint64_t vmflags, uint64_t known)
{
    if (!s->thp_always && !s->thp_madvise)
        return KNOWN_NO;
    uint64_t refused = vmflag("nh"), decides = s->thp_always ? refused : vmflag("hg");
    if (!(known & decides))
        return NOT_KNOWN;
    bool set = vmflags & decides;
    return set != s->thp_always ? KNOWN_YES : KNOWN_NO;
}

struct page page_of_backing(const struct region *r, unsigned marks)
{
    if (marks & VMA_BACKING)
        return page_of(PAGE_PRESENT, 0);
    switch (r->kind) {
    case REGION_SHMEM:
        return page_of(PAGE_SHMEM, 0);
    case REGION_DEVICE:
        return page_of(PAGE_DEVICE, 0);
    case REGION_HUGETLB:
        return page_of(PAGE_HUGETLB, 0);
    case REGION_VVAR:
        return page_of(PAGE_UNKNOWN, 0);
    case REGION_ANON:
    case REGION_HEAP:
    case REGION_STACK:
        return page_of(PAGE_PRESENT, 0);
    default:
        return page_of(PAGE_FILE, 0);
    }
}

int pages_put(struct spaces *s, struct space *sp, uint64_t start, uint64_t end,
              const struct page *value)
{
    if (start >= end)
        return 0;
    uint64_t first = page_number(s, start);
    int rc = pagetree_put(&sp->tree, first, (end - start) >> s->g.page_shift, value);
    return rc == -EINVAL ? 0 : rc; /* a range that no process has: a call that lies */
}

int run_list_add(struct run_list *list, const struct page_run *run)
{
    void *v = list->v;
    int rc = array_reserve(&v, &list->cap, list->count + 1, sizeof *list->v);
    list->v = v;
    if (!rc)
        list->v[list->count++] = *run;
    return rc;
}

static int collect_run(void *ctx, const struct page_run *run)
{
    return run_list_add(ctx, run);
}

int pages_runs(struct spaces *s, const struct space *sp, uint64_t start, uint64_t end)
{
    s->runs.count = 0;
    if (start >= end)
        return 0;
    return pagetree_walk(sp->tree, page_number(s, start), (end - start) >> s->g.page_shift,
                         collect_run, &s->runs);
}

int pages_change(struct spaces *s, struct space *sp, uint64_t start, uint64_t end,
                 page_change_fn *change, void *ctx)
{
    int rc = pages_runs(s, sp, start, end);
    for (size_t i = 0; !rc && i < s->runs.count; i++) {
        struct page_run *run = &s->runs.v[i];
        if (change(ctx, &run->first))
            rc = pagetree_put(&sp->tree, run->page, run->n, &run->first);
    }
    return rc;
}

/* Splitting the entry of a huge page of a file takes it away; that of the huge zero page leaves
 * small zero pages. */
static bool split_page(void *ctx, struct page *p)
{
    (void)ctx;
    if (!(p->attrs & PAGE_A_PMD))
        return false;
    if (p->state == PAGE_FILE || p->state == PAGE_SHMEM)
        *p = page_absent;
    else if (p->state == PAGE_HUGE_ZERO)
        *p = page_of(PAGE_ZERO, 0);
    else
        p->attrs &= (uint16_t)~PAGE_A_PMD;
    return true;
}

int pages_split_huge(struct spaces *s, struct space *sp, uint64_t address)
{
    uint64_t block = address & ~(huge_size(s) - 1);
    if (block == address ||
        !(pagetree_get(sp->tree, page_number(s, address)).attrs & PAGE_A_PMD))
        return 0;
    return pages_change(s, sp, block, block + huge_size(s), split_page, NULL);
}

int pages_drop(struct spaces *s, struct space *sp, uint64_t start, uint64_t end)
{
    int rc = pages_split_huge(s, sp, start);
    if (!rc)
        rc = pages_split_huge(s, sp, end);
    return rc ? rc : pages_put(s, sp, start, end, &page_absent);
}

static bool forget_absent(void *ctx, struct page *p)
{
    if (p->state != PAGE_ABSENT || p->attrs & PAGE_A_UFFD_WP)
        return false;
    *p = page_of(PAGE_UNKNOWN, 0);
    p->mapcount = *(unsigned *)ctx;
    return true;
}

int pages_forget_absent(struct spaces *s, struct space *sp, uint64_t start, uint64_t end,
                        unsigned note)
{
    return pages_change(s, sp, start, end, forget_absent, &note);
}

int pages_forget(struct spaces *s, struct space *sp, uint64_t start, uint64_t end)
{
    struct page unknown = page_of(PAGE_UNKNOWN, 0);
    return pages_put(s, sp, start, end, &unknown);
}

/* What populating makes of a page: *p changed, true. */
static bool populated(const struct vma *vma, bool write, struct page *p)
{
    const struct region *r = &vma->r;
    bool anonymous = r->kind == REGION_ANON || r->kind == REGION_HEAP || r->kind == REGION_STACK;
    bool empty = p->state == PAGE_ABSENT || p->state == PAGE_UNKNOWN ||
                 p->state == PAGE_SHMEM_SWAP;
    if (p->state == PAGE_GUARD)
        return false;
    if (r->kind == REGION_HUGETLB) {
        *p = page_of(PAGE_HUGETLB, 0);
        return true;
    }
    if (!(r->perms & REGION_SHARED) && r->perms & REGION_W && write) {
        unsigned keep = p->attrs & (PAGE_A_PMD | PAGE_A_LOCKED);
        *p = page_of(PAGE_ANON, keep | PAGE_A_EXCLUSIVE | PAGE_A_WRITABLE);
        return true;
    }
    if (p->state == PAGE_SWAP)
        *p = page_of(PAGE_PRESENT, 0);
    else if (empty)
        *p = anonymous ? page_of(PAGE_ZERO, 0) : page_of_backing(r, vma->marks);
    else
        return false;
    return true;
}

int pages_populate(struct spaces *s, struct space *sp, const struct vma *vma, uint64_t start,
                   uint64_t end, bool write)
{
    uint64_t size = huge_size(s) >> s->g.page_shift;
    bool huge = huge_wanted(s, vma->vmflags, vma->known) == KNOWN_YES && write &&
                vma->r.kind == REGION_ANON && vma->r.perms & REGION_W;
    if (!(vma->r.perms & (REGION_R | REGION_W | REGION_X)) || vma->r.kind == REGION_DEVICE)
        return 0;
    int rc = pages_runs(s, sp, start, end);
    for (size_t i = 0; !rc && i < s->runs.count; i++) {
        struct page_run run = s->runs.v[i];
        bool fresh = run.first.state == PAGE_ABSENT;
        if (!populated(vma, write, &run.first))
            continue;
        rc = pagetree_put(&sp->tree, run.page, run.n, &run.first);
        uint64_t first = (run.page + size - 1) / size * size;
        uint64_t last = (run.page + run.n) / size * size;
        if (rc || !huge || !fresh || first >= last)
            continue;
        run.first.attrs |= PAGE_A_PMD;
        rc = pagetree_put(&sp->tree, first, last - first, &run.first);
    }
    return rc;
}
