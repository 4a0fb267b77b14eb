/* The machine's settings for transparent huge pages, as values. */
#ifndef VMSCOPE_MODEL_THP_H
#define VMSCOPE_MODEL_THP_H

#include <stdint.h>

enum { HUGE_ORDERS = 20 }; /* orders 0 to 19; a 1 GiB page has order 18 */

enum thp_mode { THP_UNKNOWN, THP_NEVER, THP_MADVISE, THP_ALWAYS };

/* The machine's settings, from /sys/kernel/mm/transparent_hugepage; UINT64_MAX where not known. */
struct thp_settings {
    uint8_t anon;                 /* enum thp_mode: for huge pages of PMD size */
    uint8_t shmem;                /* enum thp_mode: shmem_enabled; within_size reads as always */
    uint8_t size[HUGE_ORDERS];    /* enum thp_mode by order: hugepages-*kB/enabled, `inherit`
                                     resolved; THP_UNKNOWN: the kernel offers no such size */
    uint64_t folios[HUGE_ORDERS]; /* anonymous folios of the whole machine now: stats/nr_anon */
    uint64_t partial[HUGE_ORDERS]; /* of them not wholly mapped, and so waiting to be split when
                                      memory is wanted: nr_anon_partially_mapped */
    uint64_t deferred[HUGE_ORDERS]; /* how many ever began to wait: stats/split_deferred */
    uint64_t max_none, max_swap, max_shared; /* khugepaged/max_ptes_* */
    uint64_t scan_pages, scan_ms; /* khugepaged: so many pages, then so long a rest */
};

const char *thp_mode_name(enum thp_mode mode); /* "always", "madvise", "never", "?" */

#endif
