/* The kernel's interfaces that this program reads, as Linux 6.18 defines them. They are written out
 * here because the headers that a distribution installs are often older than its kernel; what a
 * running kernel really has, capability.h finds out. Names are the kernel's own: do not include
 * <linux/fs.h>, <linux/kernel-page-flags.h> or <linux/mman.h> beside this file. */
#ifndef VMSCOPE_PROBE_ABI_H
#define VMSCOPE_PROBE_ABI_H

#include <stdint.h>
#include <sys/ioctl.h>

/* /proc/PID/pagemap: one uint64_t a page (Documentation/admin-guide/mm/pagemap.rst). */
#define PM_SOFT_DIRTY (UINT64_C(1) << 55) /* always 0 without CONFIG_MEM_SOFT_DIRTY */
#define PM_EXCLUSIVE (UINT64_C(1) << 56)  /* 4.2+: mapped exactly once */
#define PM_UFFD_WP (UINT64_C(1) << 57)    /* 5.13+ */
#define PM_GUARD (UINT64_C(1) << 58)      /* 6.15+: with PM_SWAP and swap type 31 */
#define PM_FILE (UINT64_C(1) << 61)       /* file or shmem page; the huge zero page too */
#define PM_SWAP (UINT64_C(1) << 62)       /* swap, migration, guard and uffd-wp entries */
#define PM_PRESENT (UINT64_C(1) << 63)
#define PM_PFN_MASK ((UINT64_C(1) << 55) - 1) /* if present; 0 without CAP_SYS_ADMIN */
#define PM_SWAP_TYPE_MASK UINT64_C(0x1f)      /* if swapped */
#define PM_SWAP_OFFSET_SHIFT 5                /* offset: (entry & PM_PFN_MASK) >> this */

/* The first swap types that are no swap device depend on the kernel's configuration; the last one,
 * which marks guard pages and unpopulated uffd-wp entries, does not. */
#define PM_SWAP_TYPE_MARKER 31

/* The PAGEMAP_SCAN ioctl on /proc/PID/pagemap, 6.7+ (include/uapi/linux/fs.h). */
#define PAGE_IS_WPALLOWED (UINT64_C(1) << 0)
#define PAGE_IS_WRITTEN (UINT64_C(1) << 1)
#define PAGE_IS_FILE (UINT64_C(1) << 2)
#define PAGE_IS_PRESENT (UINT64_C(1) << 3)
#define PAGE_IS_SWAPPED (UINT64_C(1) << 4)
#define PAGE_IS_PFNZERO (UINT64_C(1) << 5)
#define PAGE_IS_HUGE (UINT64_C(1) << 6)
#define PAGE_IS_SOFT_DIRTY (UINT64_C(1) << 7)
#define PAGE_IS_GUARD (UINT64_C(1) << 8) /* 6.16+ */

#define PM_SCAN_WP_MATCHING (UINT64_C(1) << 0) /* changes the target: never used here */
#define PM_SCAN_CHECK_WPASYNC (UINT64_C(1) << 1)

struct page_region {
    uint64_t start, end; /* addresses */
    uint64_t categories; /* PAGE_IS_*, cut to return_mask */
};

struct pm_scan_arg {
    uint64_t size;  /* of this struct */
    uint64_t flags; /* PM_SCAN_* */
    uint64_t start, end;
    uint64_t walk_end; /* out: where the walk stopped */
    uint64_t vec;      /* address of an array of struct page_region */
    uint64_t vec_len;  /* its elements */
    uint64_t max_pages; /* 0: no limit */
    uint64_t category_inverted;
    uint64_t category_mask;
    uint64_t category_anyof_mask;
    uint64_t return_mask;
};

/* Answers the number of regions filled, or -1. */
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)

/* The PROCMAP_QUERY ioctl on /proc/PID/maps, 6.11+ (include/uapi/linux/fs.h). */
#define PROCMAP_QUERY_VMA_READABLE UINT64_C(0x01)
#define PROCMAP_QUERY_VMA_WRITABLE UINT64_C(0x02)
#define PROCMAP_QUERY_VMA_EXECUTABLE UINT64_C(0x04)
#define PROCMAP_QUERY_VMA_SHARED UINT64_C(0x08)
#define PROCMAP_QUERY_COVERING_OR_NEXT_VMA UINT64_C(0x10)
#define PROCMAP_QUERY_FILE_BACKED_VMA UINT64_C(0x20)

struct procmap_query {
    uint64_t size;        /* of this struct */
    uint64_t query_flags; /* the PROCMAP_QUERY_* above: what the mapping must be */
    uint64_t query_addr;
    uint64_t vma_start, vma_end; /* out, from here on */
    uint64_t vma_flags;          /* PROCMAP_QUERY_VMA_* */
    uint64_t vma_page_size;
    uint64_t vma_offset;
    uint64_t inode;
    uint32_t dev_major, dev_minor;
    uint32_t vma_name_size; /* in: room at vma_name_addr; out: bytes with the NUL */
    uint32_t build_id_size; /* likewise */
    uint64_t vma_name_addr; /* in */
    uint64_t build_id_addr; /* in */
};

/* Answers 0, or -1 with ENOENT when no mapping matches. */
#define PROCMAP_QUERY _IOWR('f', 17, struct procmap_query)

/* Bits of an entry of /proc/kpageflags (include/uapi/linux/kernel-page-flags.h; from 32 on, for
 * kernel hackers: include/linux/kernel-page-flags.h). */
enum kpf_bit {
    KPF_LOCKED = 0,
    KPF_ERROR = 1,
    KPF_REFERENCED = 2,
    KPF_UPTODATE = 3,
    KPF_DIRTY = 4,
    KPF_LRU = 5,
    KPF_ACTIVE = 6,
    KPF_SLAB = 7,
    KPF_WRITEBACK = 8,
    KPF_RECLAIM = 9,
    KPF_BUDDY = 10,
    KPF_MMAP = 11,
    KPF_ANON = 12,
    KPF_SWAPCACHE = 13,
    KPF_SWAPBACKED = 14,
    KPF_COMPOUND_HEAD = 15,
    KPF_COMPOUND_TAIL = 16,
    KPF_HUGE = 17, /* hugetlb */
    KPF_UNEVICTABLE = 18,
    KPF_HWPOISON = 19,
    KPF_NOPAGE = 20,
    KPF_KSM = 21,
    KPF_THP = 22, /* any large folio, page cache included */
    KPF_OFFLINE = 23,
    KPF_ZERO_PAGE = 24,
    KPF_IDLE = 25,
    KPF_PGTABLE = 26,
    KPF_RESERVED = 32,
    KPF_MLOCKED = 33,
    KPF_OWNER_2 = 34, /* anonymous (5.19+): anon-exclusive; file: mapped to disk */
    KPF_PRIVATE = 35,
    KPF_PRIVATE_2 = 36,
    KPF_OWNER_PRIVATE = 37,
    KPF_ARCH = 38,
    KPF_UNCACHED = 39,
    KPF_SOFTDIRTY = 40,
    KPF_ARCH_2 = 41,
    KPF_ARCH_3 = 42,
};
#define KPF_MASK(bit) (UINT64_C(1) << (bit))

/* cachestat(2), 6.5+; the number is the same on all architectures but alpha. */
#define CACHESTAT_SYSCALL 451

struct cachestat_range {
    uint64_t off; /* bytes */
    uint64_t len; /* 0: to the end of the file */
};

struct cachestat {
    uint64_t nr_cache, nr_dirty, nr_writeback, nr_evicted, nr_recently_evicted; /* pages */
};

#endif
