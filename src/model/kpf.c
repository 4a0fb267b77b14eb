/* The tables of page bits. */
#include "model/kpf.h"

#include <stddef.h>

enum { BIT_ANON = 12, BIT_OWNER_2 = 34 };

static const struct bit_name kpf[KPF_BITS] = {
    [0] = {"LOCKED", "locked for I/O or a change of its state"},
    [1] = {"ERROR", "an I/O error happened"},
    [2] = {"REFERENCED", "referenced since reclaim last looked"},
    [3] = {"UPTODATE", "its content is valid"},
    [4] = {"DIRTY", "its content is newer than what is on disk or in swap"},
    [5] = {"LRU", "on a list of pages that reclaim scans"},
    [6] = {"ACTIVE", "on the active list"},
    [7] = {"SLAB", "holds objects of the kernel's slab allocator"},
    [8] = {"WRITEBACK", "being written back"},
    [9] = {"RECLAIM", "to be reclaimed once it is written back"},
    [10] = {"BUDDY", "free, in the buddy allocator"},
    [11] = {"MMAP", "mapped by a process"},
    [12] = {"ANON", "anonymous memory: no file behind it"},
    [13] = {"SWAPCACHE", "has a place in swap"},
    [14] = {"SWAPBACKED", "goes to swap, not to a file"},
    [15] = {"COMPOUND_HEAD", "first page of a large folio"},
    [16] = {"COMPOUND_TAIL", "a later page of a large folio"},
    [17] = {"HUGE", "from the hugetlb pool"},
    [18] = {"UNEVICTABLE", "reclaim leaves it alone"},
    [19] = {"HWPOISON", "its memory is broken"},
    [20] = {"NOPAGE", "no page frame exists there"},
    [21] = {"KSM", "merged with pages of equal content"},
    [22] = {"THP", "in a large folio; not by itself mapped as one"},
    [23] = {"OFFLINE", "logically offline"},
    [24] = {"ZERO_PAGE", "the shared page of zeros"},
    [25] = {"IDLE", "not accessed since it was marked idle"},
    [26] = {"PGTABLE", "is itself a page table"},
    [32] = {"RESERVED", "reserved by the kernel"},
    [33] = {"MLOCKED", "locked in memory by mlock"},
    [35] = {"PRIVATE", "carries data of its file system"},
    [36] = {"PRIVATE_2", "carries more data of its file system"},
    [37] = {"OWNER_PRIVATE", "a flag of the page's owner; in a page cache often: checked"},
    [38] = {"ARCH", "a flag of the architecture"},
    [39] = {"UNCACHED", "mapped without caching"},
    [40] = {"SOFTDIRTY", "written since soft-dirty was last cleared"},
    [41] = {"ARCH_2", "a second flag of the architecture"},
    [42] = {"ARCH_3", "a third flag of the architecture"},
};

static const struct bit_name pagemap[PAGEMAP_BITS] = {
    [55] = {"SOFT_DIRTY", "written since soft-dirty was last cleared"},
    [56] = {"EXCLUSIVE", "only this mapping uses the frame"},
    [57] = {"UFFD_WP", "write-protected for userfaultfd"},
    [58] = {"GUARD", "a guard marker"},
    [61] = {"FILE", "of a file, or shared anonymous memory"},
    [62] = {"SWAP", "not a frame but a swap entry or a marker"},
    [63] = {"PRESENT", "a frame is mapped"},
};

struct bit_name kpf_bit(unsigned bit, uint64_t flags)
{
    static const struct bit_name exclusive = {
        "ANON_EXCLUSIVE", "owned by one process: a write needs no copy"};
    static const struct bit_name to_disk = {"MAPPED_TO_DISK", "its blocks on disk are known"};
    if (bit >= KPF_BITS)
        return (struct bit_name){NULL, NULL};
    if (bit == BIT_OWNER_2)
        return flags >> BIT_ANON & 1 ? exclusive : to_disk;
    return kpf[bit];
}

struct bit_name pagemap_bit(unsigned bit)
{
    return bit < PAGEMAP_BITS ? pagemap[bit] : (struct bit_name){NULL, NULL};
}
