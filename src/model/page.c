/* The one table of page states and the one of attributes. */
#include "model/page.h"

const struct page page_absent = {
    .frame = PAGE_FRAME_UNKNOWN, .state = PAGE_ABSENT, .order = PAGE_ORDER_UNKNOWN};

static const struct page_state_info states[PAGE_STATE_N] = {
    [PAGE_ABSENT] = {.name = "absent", .title = "not present", .letter = '.', .glyph = 0xb7,
        .role = ROLE_ABSENT,
        .sentence = "Nothing is mapped here yet: the first access faults.",
        .evidence = "pagemap entry is zero"},
    [PAGE_ANON] = {.name = "anon-exclusive", .title = "anon exclusive", .letter = 'A',
        .glyph = 0x2588, .role = ROLE_ANON, .present = true, .rss = true, .anon = true,
        .sentence = "An anonymous page that only this mapping uses.",
        .evidence = "pagemap: present, bit 61 clear, bit 56 set"},
    [PAGE_COW] = {.name = "anon-shared", .title = "anon shared (COW)", .letter = 'C',
        .glyph = 0x2593, .role = ROLE_COW, .present = true, .rss = true, .anon = true,
        .sentence = "An anonymous page shared copy-on-write: the next write gets its own copy.",
        .evidence = "pagemap: present, bits 61 and 56 clear"},
    [PAGE_FILE] = {.name = "file", .title = "file", .letter = 'F', .glyph = 0x2592,
        .role = ROLE_FILE, .present = true, .rss = true,
        .sentence = "A page of a file, mapped straight from the page cache.",
        .evidence = "pagemap: present, bit 61 set, and the region maps a file"},
    [PAGE_SHMEM] = {.name = "shmem", .title = "shared memory", .letter = 'M', .glyph = 0x25a7,
        .role = ROLE_SHMEM, .present = true, .rss = true,
        .sentence = "A page of shared memory (tmpfs, memfd, SysV or shared anonymous).",
        .evidence = "pagemap: present, bit 61 set; kpageflags SWAPBACKED without ANON, "
                    "or the region maps shared memory"},
    [PAGE_ZERO] = {.name = "zero", .title = "zero page", .letter = 'z', .glyph = 0x2591,
        .role = ROLE_ZERO, .present = true,
        .sentence = "The kernel's one shared page of zeros: read but never written here.",
        .evidence = "PAGEMAP_SCAN PFNZERO, or kpageflags ZERO_PAGE"},
    [PAGE_HUGE_ZERO] = {.name = "huge-zero", .title = "huge zero page", .letter = 'Z',
        .glyph = 0x25a8, .role = ROLE_ZERO, .present = true,
        .sentence = "Part of the kernel's one huge page of zeros: read but never written here.",
        .evidence = "PAGEMAP_SCAN PFNZERO and HUGE, or kpageflags ZERO_PAGE and THP"},
    [PAGE_KSM] = {.name = "ksm", .title = "merged by KSM", .letter = 'K', .glyph = 0x25c8,
        .role = ROLE_KSM, .present = true, .rss = true, .anon = true,
        .sentence = "An anonymous page that KSM merged with equal ones: a write copies it.",
        .evidence = "kpageflags KSM"},
    [PAGE_HUGETLB] = {.name = "hugetlb", .title = "hugetlb", .letter = 'H', .glyph = 0x25a3,
        .role = ROLE_HUGETLB, .present = true,
        .sentence = "Part of a huge page from the hugetlb pool; not counted in RSS.",
        .evidence = "present, and the region is hugetlb, or kpageflags HUGE"},
    [PAGE_SWAP] = {.name = "swapped", .title = "swapped", .letter = 's', .glyph = 0x25aa,
        .role = ROLE_SWAP,
        .sentence = "The page is in swap: the next access brings it back.",
        .evidence = "pagemap bit 62, and neither guard nor a userfaultfd marker"},
    [PAGE_SHMEM_SWAP] = {.name = "shmem-swapped", .title = "shmem swapped", .letter = 'S',
        .glyph = 0x25ab, .role = ROLE_SWAP,
        .sentence = "The page of shared memory is in swap; the page table shows nothing.",
        .evidence = "no pagemap entry, and the shared memory file has a swap entry there"},
    [PAGE_GUARD] = {.name = "guard", .title = "guard", .letter = '#', .glyph = 0x2573,
        .role = ROLE_GUARD,
        .sentence = "A guard marker: any access ends in SIGSEGV.",
        .evidence = "pagemap bit 58"},
    [PAGE_DEVICE] = {.name = "device", .title = "device or PFN", .letter = 'D', .glyph = 0x25a4,
        .role = ROLE_DEVICE,
        .sentence = "A device or raw page-frame mapping: the kernel keeps no page for it.",
        .evidence = "the region is a PFN mapping (VmFlags pf), or kpageflags NOPAGE"},
    [PAGE_PRESENT] = {.name = "present", .title = "present, kind ?", .letter = 'P',
        .glyph = 0x25a0, .role = ROLE_UNKNOWN, .present = true, .rss = true,
        .sentence = "A page is present; its kind was not asked or cannot be known.",
        .evidence = "PAGEMAP_SCAN PRESENT alone"},
    [PAGE_UNKNOWN] = {.name = "unknown", .title = "unknown", .letter = '?', .glyph = '?',
        .role = ROLE_UNKNOWN,
        .sentence = "The kernel does not tell what is here.",
        .evidence = "the page-table entry could not be read"},
};

static const struct page_attr_info attrs[PAGE_ATTR_N] = {
    {PAGE_A_EXCLUSIVE, "exclusive", "only one mapping uses the frame"},
    {PAGE_A_PMD, "pmd-mapped", "mapped by one entry of the page middle directory or above"},
    {PAGE_A_UFFD_WP, "uffd-wp", "write-protected for userfaultfd"},
    {PAGE_A_SWAPCACHE, "swapcache", "also in the swap cache"},
    {PAGE_A_WRITABLE, "anon-exclusive", "the kernel marked it as owned: a write does not fault "
                                        "if the mapping permits it"},
    {PAGE_A_DIRTY, "dirty", "the frame is marked dirty (a write that only the page-table entry "
                            "knows of does not show)"},
    {PAGE_A_REFERENCED, "referenced", "referenced since reclaim last looked"},
    {PAGE_A_ACTIVE, "active", "on the active LRU list"},
    {PAGE_A_UNEVICTABLE, "unevictable", "on the unevictable LRU list"},
    {PAGE_A_LOCKED, "locked", "mlocked: it stays in memory"},
    {PAGE_A_WRITEBACK, "writeback", "being written back"},
    {PAGE_A_LARGE, "large", "part of a large folio"},
    {PAGE_A_LAZYFREE, "lazyfree", "given up by MADV_FREE: reclaim may drop it"},
};

const struct page_state_info *page_state_info(unsigned state)
{
    return &states[state < PAGE_STATE_N ? state : PAGE_UNKNOWN];
}

const struct page_attr_info *page_attr_info(unsigned i)
{
    return &attrs[i];
}

bool page_follows(const struct page *a, uint64_t distance, const struct page *b)
{
    if (a->state != b->state || a->attrs != b->attrs || a->order != b->order ||
        a->mapcount != b->mapcount)
        return false;
    if (a->frame == PAGE_FRAME_UNKNOWN || b->frame == PAGE_FRAME_UNKNOWN)
        return a->frame == b->frame;
    return a->frame + distance == b->frame;
}

struct page page_at(const struct page *p, uint64_t distance)
{
    struct page r = *p;
    if (r.frame != PAGE_FRAME_UNKNOWN)
        r.frame += distance;
    return r;
}
