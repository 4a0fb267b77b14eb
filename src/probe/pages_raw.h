/* Between the three steps of reading pages (pages.c): raw runs, as the page table has them. */
#ifndef VMSCOPE_PROBE_PAGES_RAW_H
#define VMSCOPE_PROBE_PAGES_RAW_H

#include "probe/pages.h"

/* Says of a raw run where it comes from. */
enum raw_source {
    RAW_SCANNED = 1 << 0,    /* categories are known */
    RAW_ENTRY = 1 << 1,      /* the pagemap entry is known */
    RAW_DEVICE = 1 << 2,     /* no entry, in a mapping that has no pages to ask about */
    RAW_SHMEM_SWAP = 1 << 3, /* no entry, and the shared memory file has it in swap */
    RAW_UNREAD = 1 << 4      /* could not be read */
};
#define RAW_NONE UINT32_MAX

enum {
    /* Results of one scan. The kernel walks again for each 512, and when a walk ended early the
     * end that it reports after the last one may lie behind what it has already returned (6.18). */
    FOUND_MAX = 512,
    ENTRIES_MAX = 8192, /* pagemap entries of one read: one hold of mmap_lock, in effect */
};

/* n alike pages: entries equal, or frames counting up. */
struct pages_raw {
    uint64_t page;     /* address >> page shift */
    uint64_t entry;    /* of the first */
    uint32_t n;
    uint32_t flags_at, counts_at; /* into flags[] and counts[], or RAW_NONE */
    uint8_t categories; /* PAGE_IS_*, which fit in 8 bits but for GUARD */
    uint8_t kind;       /* enum region_kind */
    uint8_t source;     /* enum raw_source */
    uint8_t unused;     /* 0: equal ones are equal as bytes */
};

/* Step 1: appends the raw runs of [start, end), found by one scan; *stopped where it ended. Returns
 * as page_reader_collect. */
int pages_collect(struct page_reader *r, const struct region_table *regions, uint64_t start,
                  uint64_t end, unsigned want, uint64_t max_pages, uint64_t *stopped);
/* Step 1 without a scan, for regions so small that nothing huge can be in them: reading their
 * entries costs less than the scan's walk of each mapping. The zero page is then known by its flags
 * alone. */
int pages_collect_small(struct page_reader *r, const struct region_table *regions, uint64_t start,
                        uint64_t end, unsigned want, uint64_t max_pages, uint64_t *stopped);
/* Step 2: reads frame flags and counts of all raw runs. 0 or -ENOMEM. */
int pages_fetch(struct page_reader *r, unsigned want);
/* Step 3 for raw runs [from, to) alone: appends their runs. 0 or -ENOMEM. */
int pages_emit_part(struct page_reader *r, unsigned want, size_t from, size_t to,
                    struct run_vec *out);

/* The parts of [start, end) of a shared memory region, none of which has a page-table entry, that
 * are in swap: appended as raw runs. 0 or -ENOMEM. Needs map_files (CAP_CHECKPOINT_RESTORE) and
 * cachestat(2) (6.5+); without them nothing is appended. */
int pages_shmem_swap(struct page_reader *r, const struct region *region, uint64_t start,
                     uint64_t end);

/* Of an address's page number, what is its number in a tree. */
static inline uint64_t pages_tree_mask(const struct page_reader *r)
{
    return ((uint64_t)1 << (r->geometry.levels * PAGETREE_FANOUT_BITS)) - 1;
}

/* Appends one raw run. 0 or -ENOMEM. */
int pages_raw_push(struct page_reader *r, const struct pages_raw *raw);

#endif
