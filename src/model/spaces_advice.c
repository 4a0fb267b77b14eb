/* What madvise does to pages and flags of mappings. */
#include <errno.h>

#include "model/spaces_parts.h"

/* include/uapi/asm-generic/mman-common.h; headers of older systems lack some. */
enum {
    ADVICE_DONTNEED = 4,
    ADVICE_FREE = 8,
    ADVICE_REMOVE = 9,
    ADVICE_DONTFORK = 10,
    ADVICE_DOFORK = 11,
    ADVICE_MERGEABLE = 12,
    ADVICE_UNMERGEABLE = 13,
    ADVICE_HUGEPAGE = 14,
    ADVICE_NOHUGEPAGE = 15,
    ADVICE_WIPEONFORK = 18,
    ADVICE_KEEPONFORK = 19,
    ADVICE_PAGEOUT = 21,
    ADVICE_POPULATE_READ = 22,
    ADVICE_POPULATE_WRITE = 23,
    ADVICE_DONTNEED_LOCKED = 24,
    ADVICE_COLLAPSE = 25,
    ADVICE_GUARD_INSTALL = 102,
    ADVICE_GUARD_REMOVE = 103
};

static const struct {
    uint8_t advice;
    char set[3], clear[3];
} flag_advice[] = {
    {ADVICE_DONTFORK, "dc", ""},      {ADVICE_DOFORK, "", "dc"},
    {ADVICE_MERGEABLE, "mg", ""},     {ADVICE_UNMERGEABLE, "", "mg"},
    {ADVICE_HUGEPAGE, "hg", "nh"},    {ADVICE_NOHUGEPAGE, "nh", "hg"},
    {ADVICE_WIPEONFORK, "wf", ""},    {ADVICE_KEEPONFORK, "", "wf"},
};

static int advise_flags(struct spaces *s, struct space *sp, uint64_t start, uint64_t end,
                        uint64_t advice)
{
    for (unsigned i = 0; i < sizeof flag_advice / sizeof *flag_advice; i++)
        if (flag_advice[i].advice == advice)
            return space_set_flags(s, sp, start, end,
                                   flag_advice[i].set[0] ? vmflag(flag_advice[i].set) : 0,
                                   flag_advice[i].clear[0] ? vmflag(flag_advice[i].clear) : 0);
    return 0;
}

/* --- changes to single pages --- */

static bool drop(void *ctx, struct page *p)
{
    (void)ctx;
    if (p->state == PAGE_GUARD || p->state == PAGE_ABSENT)
        return false;
    *p = page_absent;
    return true;
}

/* MADV_FREE: the page is there until memory gets short; what is in swap goes at once. */
static bool give_up(void *ctx, struct page *p)
{
    (void)ctx;
    if (p->state == PAGE_SWAP)
        *p = page_absent;
    else if (p->state == PAGE_ANON || p->state == PAGE_COW)
        p->attrs |= PAGE_A_LAZYFREE;
    else
        return false;
    return true;
}

static bool page_out(void *ctx, struct page *p)
{
    (void)ctx;
    unsigned note;
    if (p->state == PAGE_FILE || p->state == PAGE_SHMEM)
        note = NOTE_ABSENT;
    else if (page_state_info(p->state)->anon)
        note = p->attrs & PAGE_A_LAZYFREE ? 0 : NOTE_SWAP;
    else
        return false;
    *p = page_of(PAGE_UNKNOWN, 0);
    p->mapcount = note;
    return true;
}

static bool install_guard(void *ctx, struct page *p)
{
    (void)ctx;
    *p = page_of(PAGE_GUARD, 0);
    return true;
}

static bool remove_guard(void *ctx, struct page *p)
{
    (void)ctx;
    if (p->state != PAGE_GUARD)
        return false;
    *p = page_absent;
    return true;
}

static bool unmerge(void *ctx, struct page *p)
{
    (void)ctx;
    if (p->state != PAGE_KSM)
        return false;
    *p = page_of(PAGE_ANON, PAGE_A_EXCLUSIVE | PAGE_A_WRITABLE);
    return true;
}

static page_change_fn *change_of(uint64_t advice)
{
    switch (advice) {
    case ADVICE_DONTNEED:
    case ADVICE_DONTNEED_LOCKED:
    case ADVICE_REMOVE:
        return drop;
    case ADVICE_FREE:
        return give_up;
    case ADVICE_PAGEOUT:
        return page_out;
    case ADVICE_GUARD_INSTALL:
        return install_guard;
    case ADVICE_GUARD_REMOVE:
        return remove_guard;
    case ADVICE_UNMERGEABLE:
        return unmerge;
    default:
        return NULL;
    }
}

/* Pages taken out of the middle of a block leave its page table behind, so that no huge page fits
 * there; of that nothing is noted but that the mapping is not as new. */
static int taken_out(struct spaces *s, struct space *sp, struct vma *vma, uint64_t start,
                     uint64_t end, const void *ctx)
{
    (void)s, (void)sp, (void)start, (void)end, (void)ctx;
    vma->marks &= ~(unsigned)VMA_NEW;
    return 0;
}

static int change_pages(struct spaces *s, struct space *sp, uint64_t start, uint64_t end,
                        page_change_fn *change)
{
    int rc = pages_split_huge(s, sp, start);
    if (!rc)
        rc = pages_split_huge(s, sp, end);
    if (!rc)
        rc = pages_change(s, sp, start, end, change, NULL);
    if (rc || change == page_out || (start | end) % huge_size(s) == 0)
        return rc;
    return space_each_vma(s, sp, start, end, taken_out, NULL);
}

/* --- populate and collapse --- */

static int populate(struct spaces *s, struct space *sp, struct vma *vma, uint64_t start,
                    uint64_t end, const void *ctx)
{
    return pages_populate(s, sp, vma, start, end, *(const bool *)ctx);
}

/* The whole huge pages in the range of an anonymous mapping are there now, as such. */
static int collapse(struct spaces *s, struct space *sp, struct vma *vma, uint64_t start,
                    uint64_t end, const void *ctx)
{
    (void)ctx;
    uint64_t huge = huge_size(s);
    bool anonymous = !(vma->r.perms & REGION_SHARED) &&
                     (vma->r.kind == REGION_ANON || vma->r.kind == REGION_HEAP);
    if (!anonymous)
        return pages_forget(s, sp, start, end);
    struct page p = page_of(PAGE_ANON, PAGE_A_PMD | PAGE_A_EXCLUSIVE | PAGE_A_WRITABLE);
    return pages_put(s, sp, (start + huge - 1) / huge * huge, end / huge * huge, &p);
}

int space_advise(struct spaces *s, struct space *sp, uint64_t start, uint64_t end, uint64_t advice,
                 int64_t result)
{
    int rc = space_edit(sp);
    if (rc || start >= end)
        return rc;
    bool write = advice == ADVICE_POPULATE_WRITE;
    bool fills = write || advice == ADVICE_POPULATE_READ || advice == ADVICE_COLLAPSE;
    if (result && fills)
        return pages_forget(s, sp, start, end);
    if (result && result != -ENOMEM) /* ENOMEM: there are holes, the rest was done */
        return 0;
    if (advice == ADVICE_COLLAPSE)
        return space_each_vma(s, sp, start, end, collapse, NULL);
    if (fills)
        return space_each_vma(s, sp, start, end, populate, &write);
    rc = advise_flags(s, sp, start, end, advice);
    page_change_fn *change = change_of(advice);
    return rc || !change ? rc : change_pages(s, sp, start, end, change);
}
