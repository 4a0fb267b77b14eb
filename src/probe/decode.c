/* Decoding pages. The traps that it knows are those of the kernel, not of one version of it:
 * bit 62 alone does not mean swapped (guard and userfaultfd markers set it), bit 61 is set on the
 * huge zero page and clear on the small one, bit 56 does not mean writable, THP in kpageflags is
 * any large folio. */
#include "probe/decode.h"

#include "probe/abi.h"

/* Swap types from here up are no swap device but migration entries, markers and the like
 * (include/linux/swap.h: MAX_SWAPFILES is at least this in every configuration). */
enum { SWAP_TYPE_SPECIAL = 23 };

static const struct {
    unsigned bit;
    uint16_t attr;
} flag_attrs[] = {
    {KPF_SWAPCACHE, PAGE_A_SWAPCACHE}, {KPF_DIRTY, PAGE_A_DIRTY},
    {KPF_REFERENCED, PAGE_A_REFERENCED}, {KPF_ACTIVE, PAGE_A_ACTIVE},
    {KPF_UNEVICTABLE, PAGE_A_UNEVICTABLE}, {KPF_MLOCKED, PAGE_A_LOCKED},
    {KPF_WRITEBACK, PAGE_A_WRITEBACK}, {KPF_THP, PAGE_A_LARGE},
};

uint64_t page_decode_flags_mask(bool noisy)
{
    uint64_t mask = KPF_MASK(KPF_SWAPCACHE) | KPF_MASK(KPF_DIRTY) | KPF_MASK(KPF_UNEVICTABLE) |
                    KPF_MASK(KPF_MLOCKED) | KPF_MASK(KPF_WRITEBACK) | KPF_MASK(KPF_THP) |
                    KPF_MASK(KPF_OWNER_2) | KPF_MASK(KPF_ANON) | KPF_MASK(KPF_SWAPBACKED) |
                    KPF_MASK(KPF_KSM) | KPF_MASK(KPF_HUGE) | KPF_MASK(KPF_ZERO_PAGE) |
                    KPF_MASK(KPF_NOPAGE) | KPF_MASK(KPF_COMPOUND_HEAD) |
                    KPF_MASK(KPF_COMPOUND_TAIL);
    return noisy ? mask | KPF_MASK(KPF_REFERENCED) | KPF_MASK(KPF_ACTIVE) : mask;
}

static bool flag(const struct page_evidence *ev, unsigned bit)
{
    return ev->has_flags && ev->flags & KPF_MASK(bit);
}

static bool is_zero_page(const struct page_evidence *ev)
{
    return (ev->has_scan && ev->categories & PAGE_IS_PFNZERO) || flag(ev, KPF_ZERO_PAGE);
}

static bool is_pmd(const struct page_evidence *ev)
{
    return ev->has_scan && ev->categories & PAGE_IS_HUGE;
}

static enum page_state anon_state(const struct page_evidence *ev)
{
    if (flag(ev, KPF_KSM))
        return PAGE_KSM;
    /* Without frame flags a page that is neither file nor exclusive may still be no page at all
     * (a raw frame in a mixed mapping) or, without SCAN too, the zero page. */
    if (ev->has_flags ? !flag(ev, KPF_ANON) : ev->region_kind == REGION_DEVICE)
        return PAGE_DEVICE;
    if (ev->entry & PM_EXCLUSIVE)
        return PAGE_ANON;
    return ev->has_flags || ev->has_scan ? PAGE_COW : PAGE_PRESENT;
}

static enum page_state present_state(const struct page_evidence *ev)
{
    if (is_zero_page(ev))
        return is_pmd(ev) || flag(ev, KPF_THP) ? PAGE_HUGE_ZERO : PAGE_ZERO;
    if (ev->region_kind == REGION_HUGETLB || flag(ev, KPF_HUGE))
        return PAGE_HUGETLB;
    if (!ev->has_entry)
        return PAGE_PRESENT;
    if (!(ev->entry & PM_FILE))
        return anon_state(ev);
    if (ev->has_flags)
        return flag(ev, KPF_SWAPBACKED) ? PAGE_SHMEM : PAGE_FILE;
    switch (ev->region_kind) {
    case REGION_SHMEM:
        return PAGE_SHMEM;
    case REGION_ANON:
    case REGION_HEAP:
    case REGION_STACK: /* most likely the huge zero page, which only SCAN can tell */
        return PAGE_PRESENT;
    default:
        return PAGE_FILE;
    }
}

static struct page swap_page(uint64_t entry)
{
    struct page p = page_absent;
    unsigned type = (unsigned)(entry & PM_SWAP_TYPE_MASK);
    p.attrs = PAGE_A_ENTRY;
    if (entry & PM_UFFD_WP)
        p.attrs |= PAGE_A_UFFD_WP;
    if (entry & PM_GUARD) {
        p.state = PAGE_GUARD;
    } else if (type == PM_SWAP_TYPE_MARKER) {
        p.state = entry & PM_UFFD_WP ? PAGE_ABSENT : PAGE_UNKNOWN;
    } else if (type >= SWAP_TYPE_SPECIAL) {
        p.state = PAGE_PRESENT; /* migrating: smaps counts it in Rss */
    } else {
        p.state = PAGE_SWAP;
        p.mapcount = type;
        p.frame = (entry & PM_PFN_MASK) >> PM_SWAP_OFFSET_SHIFT;
    }
    return p;
}

static uint16_t attrs_of(const struct page_evidence *ev, enum page_state state, bool noisy)
{
    unsigned a = 0;
    if (ev->has_entry) {
        a |= PAGE_A_ENTRY;
        a |= ev->entry & PM_EXCLUSIVE ? PAGE_A_EXCLUSIVE : 0;
        a |= ev->entry & PM_UFFD_WP ? PAGE_A_UFFD_WP : 0;
    }
    if (is_pmd(ev))
        a |= PAGE_A_PMD;
    if (!ev->has_flags)
        return (uint16_t)a;
    a |= PAGE_A_FLAGS;
    for (unsigned i = 0; i < sizeof flag_attrs / sizeof *flag_attrs; i++)
        if (ev->flags & KPF_MASK(flag_attrs[i].bit))
            a |= flag_attrs[i].attr;
    bool anon = page_state_info(state)->anon;
    if (anon && ev->flags & KPF_MASK(KPF_OWNER_2))
        a |= PAGE_A_WRITABLE;
    if (anon && !(ev->flags & KPF_MASK(KPF_SWAPBACKED)) && state != PAGE_KSM)
        a |= PAGE_A_LAZYFREE;
    return (uint16_t)(noisy ? a : a & ~(unsigned)PAGE_A_NOISY);
}

/* SCAN calls a page of the hugetlb pool huge whatever its size is. */
static uint8_t order_of(const struct page_evidence *ev, enum page_state state, unsigned pmd_order)
{
    if (is_pmd(ev) && state != PAGE_HUGETLB)
        return (uint8_t)pmd_order;
    const uint64_t large = KPF_MASK(KPF_COMPOUND_HEAD) | KPF_MASK(KPF_COMPOUND_TAIL) |
                           KPF_MASK(KPF_THP) | KPF_MASK(KPF_HUGE);
    return ev->has_flags && !(ev->flags & large) ? 0 : PAGE_ORDER_UNKNOWN;
}

struct page page_decode(const struct page_evidence *ev, unsigned pmd_order, bool noisy)
{
    bool present = ev->has_entry ? (ev->entry & PM_PRESENT) != 0
                                 : ev->has_scan && ev->categories & PAGE_IS_PRESENT;
    if (!present) {
        if (ev->has_entry && ev->entry & PM_SWAP)
            return swap_page(ev->entry);
        return page_absent;
    }
    enum page_state state = present_state(ev);
    struct page p = {.frame = PAGE_FRAME_UNKNOWN, .state = (uint8_t)state};
    p.attrs = attrs_of(ev, state, noisy);
    p.order = order_of(ev, state, pmd_order);
    if (ev->has_entry && ev->has_pfn)
        p.frame = ev->entry & PM_PFN_MASK;
    if (ev->has_count) {
        p.attrs |= PAGE_A_COUNT;
        p.mapcount = (uint32_t)(ev->count > UINT32_MAX ? UINT32_MAX : ev->count);
    } else if (p.attrs & PAGE_A_EXCLUSIVE && p.order == 0) {
        /* On a large folio the bit speaks for the folio as a whole, and is a guess there: another
         * process may still map some of its pages (6.18, folio_maybe_mapped_shared). */
        p.attrs |= PAGE_A_COUNT;
        p.mapcount = 1;
    }
    return p;
}
