/* The table of what frames are used for. */
#include "model/frame.h"

static const struct frame_use_info uses[FRAME_USE_N] = {
    [FRAME_NONE] = {"none", "no memory", ' ', ROLE_ABSENT, "no memory lies behind this number"},
    [FRAME_FREE] = {"free", "free", '.', ROLE_ABSENT, "free, in the buddy allocator"},
    [FRAME_ANON] = {"anon", "anon", 'A', ROLE_ANON, "anonymous memory of a process"},
    [FRAME_ANON_LARGE] = {"anon-large", "anon large", 'T', ROLE_KSM,
                          "anonymous memory in a large folio (THP)"},
    [FRAME_FILE] = {"file", "page cache", 'F', ROLE_FILE, "page cache: a page of a file"},
    [FRAME_SHMEM] = {"shmem", "shared memory", 'M', ROLE_SHMEM, "shared memory or tmpfs"},
    [FRAME_KSM] = {"ksm", "KSM", 'K', ROLE_KSM, "one page for several equal ones, merged by KSM"},
    [FRAME_ZERO] = {"zero", "zero page", 'z', ROLE_ZERO, "the kernel's shared page of zeros"},
    [FRAME_HUGETLB] = {"hugetlb", "hugetlb pool", 'H', ROLE_HUGETLB,
                       "a page of the hugetlb pool, in use or not"},
    [FRAME_SLAB] = {"slab", "slab", 'S', ROLE_COW, "small objects of the kernel (slab)"},
    [FRAME_TABLE] = {"page-table", "page tables", 'P', ROLE_GUARD, "a page table"},
    [FRAME_RESERVED] = {"reserved", "reserved", 'R', ROLE_DEVICE,
                        "reserved at boot: firmware, the kernel's image, its table of frames"},
    [FRAME_OFFLINE] = {"offline", "offline", 'O', ROLE_DEVICE,
                       "not in use here: in a balloon, or taken offline"},
    [FRAME_POISON] = {"poison", "broken", 'X', ROLE_SWAP, "broken memory (hardware poison)"},
    [FRAME_OTHER] = {"other", "no flag", 'k', ROLE_UNKNOWN,
                     "no flag says what it is for: vmalloc, kernel stacks, drivers; or free, but not "
                     "in the buddy allocator: kept by a CPU, or not set up since boot"},
};

const struct frame_use_info *frame_use_info(unsigned use)
{
    return &uses[use < FRAME_USE_N ? use : FRAME_OTHER];
}
