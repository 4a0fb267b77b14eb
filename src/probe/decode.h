/* What the kernel's words about one page mean together: a pure function of pagemap entry, scan
 * categories, frame flags and the kind of region. */
#ifndef VMSCOPE_PROBE_DECODE_H
#define VMSCOPE_PROBE_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/page.h"
#include "model/region.h"

struct page_evidence {
    uint64_t entry;      /* pagemap entry (abi.h: PM_*) */
    uint64_t categories; /* PAGE_IS_* of PAGEMAP_SCAN, if has_scan */
    uint64_t flags;      /* kpageflags entry, if has_flags */
    uint64_t count;      /* kpagecount entry, if has_count */
    uint8_t region_kind; /* enum region_kind */
    bool has_entry, has_scan, has_flags, has_count;
    bool has_pfn;        /* entries of this reader carry frame numbers */
};

/* The page. Its order is 0 for a small folio, `pmd_order` for a PMD-mapped one that is not of the
 * hugetlb pool, else unknown. With noisy false, attributes that change at random (PAGE_A_NOISY) are
 * left out. */
struct page page_decode(const struct page_evidence *ev, unsigned pmd_order, bool noisy);

/* The frame flags that page_decode looks at: pages that agree in them come out alike. */
uint64_t page_decode_flags_mask(bool noisy);

#endif
