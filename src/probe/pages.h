/* Reading the pages of a range of addresses, cheapest source first: one PAGEMAP_SCAN finds what is
 * populated, pagemap entries are read only there, frame flags by sorted frame number and once for a
 * huge page, map counts only where a page is not exclusive. Each call into the kernel is kept
 * short, because SCAN and pagemap hold the target's mmap_lock while they walk. */
#ifndef VMSCOPE_PROBE_PAGES_H
#define VMSCOPE_PROBE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/pagetree.h"
#include "model/record.h"
#include "model/region.h"
#include "probe/frames.h"
#include "probe/procdir.h"

/* How much to find out; presence, swap and huge mappings always. */
enum pages_want {
    PAGES_ENTRIES = 1, /* pagemap entries: kind, exclusive, frame numbers */
    PAGES_FLAGS = 2,   /* kpageflags */
    PAGES_COUNTS = 4,  /* kpagecount where not exclusive */
    PAGES_ORDERS = 8,  /* folio orders of large folios that are mapped by PTEs */
    PAGES_NOISY = 16,  /* attributes that change at random too */
    PAGES_ALL_COUNTS = 32, /* kpagecount everywhere: large folios that seem exclusive too */
    PAGES_ALL = PAGES_ENTRIES | PAGES_FLAGS | PAGES_COUNTS
};

struct pages_raw; /* private */
struct page_reader {
    int pagemap_fd, kpageflags_fd, kpagecount_fd; /* -1: cannot be opened */
    bool scan;         /* PAGEMAP_SCAN works */
    bool has_pfn;      /* entries carry frame numbers */
    bool real;         /* of a proc file system, not of a stand-in */
    bool swap_in_use;  /* some swap is used on this machine, or that is not known */
    bool without_self; /* map counts leave this process out: bit 56 is to follow them */
    int process_fd;    /* /proc/PID, borrowed */
    uint32_t pause_ns; /* rest after each long hold of the target's mmap_lock; 0: none */
    struct geometry geometry;
    uint64_t pages_read;     /* page-table entries looked at, ever */
    uint64_t ranges_skipped; /* ranges that could not be read, ever */
    /* Buffers that are kept between calls. */
    struct page_region *found;
    uint64_t *entries;
    struct pages_raw *raws;
    size_t raws_count, raws_cap, raws_out; /* given out up to raws_out */
    struct sort_item *requests;
    size_t requests_count, requests_cap;
    uint64_t *flags, *counts;
    size_t flags_cap, counts_cap, flags_len, counts_len;
    struct frames_scratch scratch;
    struct folio_cache {
        uint64_t head;
        uint64_t n; /* pages; 0: nothing cached */
    } folio;
};

/* Opens what this user may open and finds out what works; fills the matching parts of *info (scan,
 * pagemap, pfn, kpageflags, kpagecount, geometry must already be set). Never fails for lack of a
 * privilege. 0, -ENOMEM, or -ESRCH when the process has just ended or begun another program. */
int page_reader_init(struct page_reader *r, const struct procdir *d, struct target_info *info);
void page_reader_deinit(struct page_reader *r);

/* The runs that were read, in pages, ascending; absent pages left out. Zeroed: empty. */
struct run_vec {
    struct page_run *v;
    size_t count, cap;
    size_t closed; /* runs before this one are not grown any more */
};
void run_vec_deinit(struct run_vec *v);
/* Appends or grows the last run. 0 or -ENOMEM. */
int run_vec_push(struct run_vec *v, uint64_t page, uint64_t n, const struct page *first);

/* Reads [start, end) (addresses, whole pages) of the regions, at most about max_pages populated
 * pages; *stopped is the address where the reading ended. What was read stays in the reader until
 * page_reader_emit has given it out. 0, -ENOMEM, or the negative errno of a process that is gone
 * (-ESRCH). A range that cannot be read for another reason comes out as PAGE_UNKNOWN. */
int page_reader_collect(struct page_reader *r, const struct region_table *regions, uint64_t start,
                        uint64_t end, unsigned want, uint64_t max_pages, uint64_t *stopped);

/* Appends the next runs of what was collected, about max_runs of them, to *out. Page numbers are
 * those of a tree of the geometry's levels. They cover everything up to the address *upto, which is
 * `end` (where collecting stopped) after the last. 0 or -ENOMEM. */
int page_reader_emit(struct page_reader *r, unsigned want, size_t max_runs, struct run_vec *out,
                     uint64_t end, uint64_t *upto);

/* Both at once: appends all runs of [start, *stopped). Returns as page_reader_collect. */
int page_reader_read(struct page_reader *r, const struct region_table *regions, uint64_t start,
                     uint64_t end, unsigned want, uint64_t max_pages, struct run_vec *out,
                     uint64_t *stopped);

/* Bytes that the file of a shared memory region has in swap under all of it (map_files and
 * cachestat(2)). False if that cannot be found out. */
bool page_reader_shmem_swap(struct page_reader *r, const struct region *region, uint64_t *bytes);

#endif
