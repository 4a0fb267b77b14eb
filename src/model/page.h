/* The vocabulary of page states and attributes. A page has exactly one state and any number of
 * attributes. One table (page.c) names each, with its letter, glyph, colour role and the evidence
 * that decides it; every other module asks the table. */
#ifndef VMSCOPE_MODEL_PAGE_H
#define VMSCOPE_MODEL_PAGE_H

#include <stdbool.h>
#include <stdint.h>

enum page_state {
    PAGE_ABSENT,     /* no page-table entry */
    PAGE_ANON,       /* anonymous, mapped exclusively (pagemap bit 56) */
    PAGE_COW,        /* anonymous, shared with another mapping: the next write copies */
    PAGE_FILE,       /* a page-cache page of a file */
    PAGE_SHMEM,      /* shared memory: tmpfs, memfd, SysV, shared anonymous */
    PAGE_ZERO,       /* the 4K zero page */
    PAGE_HUGE_ZERO,  /* part of the huge zero page */
    PAGE_KSM,        /* merged by KSM */
    PAGE_HUGETLB,    /* from the hugetlb pool */
    PAGE_SWAP,       /* anonymous, in swap */
    PAGE_SHMEM_SWAP, /* shared memory, in swap (the page-table entry is empty) */
    PAGE_GUARD,      /* a guard marker (MADV_GUARD_INSTALL) */
    PAGE_DEVICE,     /* device or PFN mapping: no struct page to ask about */
    PAGE_PRESENT,    /* present, its kind was not asked or cannot be known */
    PAGE_UNKNOWN,    /* not even presence is known */
    PAGE_STATE_N
};

/* Attributes; a clear bit means "no" only where the evidence bit that decides it is set. */
enum page_attr {
    PAGE_A_EXCLUSIVE = 1 << 0,  /* ENTRY: pagemap bit 56 */
    PAGE_A_PMD = 1 << 1,        /* SCAN: mapped by a PMD (or larger) entry */
    PAGE_A_UFFD_WP = 1 << 2,    /* ENTRY: pagemap bit 57 */
    PAGE_A_SWAPCACHE = 1 << 3,  /* FLAGS */
    PAGE_A_WRITABLE = 1 << 4,   /* FLAGS: anonymous and anon-exclusive (kpageflags bit 34): a write
                                   will not fault if the mapping permits it */
    PAGE_A_DIRTY = 1 << 5,      /* FLAGS */
    PAGE_A_REFERENCED = 1 << 6, /* FLAGS; changes at random */
    PAGE_A_ACTIVE = 1 << 7,     /* FLAGS; LRU list, changes at random */
    PAGE_A_UNEVICTABLE = 1 << 8, /* FLAGS */
    PAGE_A_LOCKED = 1 << 9,     /* FLAGS: mlocked */
    PAGE_A_WRITEBACK = 1 << 10, /* FLAGS */
    PAGE_A_LARGE = 1 << 11,     /* FLAGS: part of a large folio */
    PAGE_A_LAZYFREE = 1 << 12,  /* FLAGS: anonymous without swap backing (MADV_FREE) */
    PAGE_A_ENTRY = 1 << 13,     /* evidence: the pagemap entry was read */
    PAGE_A_FLAGS = 1 << 14,     /* evidence: kpageflags was read */
    PAGE_A_COUNT = 1 << 15,     /* evidence: mapcount was read, or follows from EXCLUSIVE (small folios) */
};
#define PAGE_A_EVIDENCE (PAGE_A_ENTRY | PAGE_A_FLAGS | PAGE_A_COUNT)
#define PAGE_A_NOISY (PAGE_A_REFERENCED | PAGE_A_ACTIVE)
enum { PAGE_ATTR_N = 13 }; /* attributes proper; evidence bits follow them */

#define PAGE_FRAME_UNKNOWN UINT64_MAX
#define PAGE_ORDER_UNKNOWN UINT8_MAX

/* One page, or a run of alike pages (then frame is the first page's and counts up by one a page).
 * A plain value. */
struct page {
    uint64_t frame;    /* PFN if present; swap offset if PAGE_SWAP; PAGE_FRAME_UNKNOWN */
    uint32_t mapcount; /* valid with PAGE_A_COUNT (mappings of this frame); swap type if PAGE_SWAP */
    uint16_t attrs;    /* enum page_attr */
    uint8_t state;     /* enum page_state */
    uint8_t order;     /* folio order, or PAGE_ORDER_UNKNOWN */
};

/* The value of a page without an entry. */
extern const struct page page_absent;

/* Colour roles; a theme maps them, the model only names them. */
enum page_role {
    ROLE_ABSENT, ROLE_ANON, ROLE_COW, ROLE_FILE, ROLE_SHMEM, ROLE_ZERO, ROLE_KSM, ROLE_HUGETLB,
    ROLE_SWAP, ROLE_GUARD, ROLE_DEVICE, ROLE_UNKNOWN, ROLE_PAGE_N
};

struct page_state_info {
    const char *name;     /* as in JSON: "anon-exclusive" */
    const char *title;    /* as in a legend: "anon excl" */
    char letter;          /* ASCII */
    uint32_t glyph;       /* one-column Unicode, for screens of few colours */
    enum page_role role;
    bool present;         /* a frame is mapped here */
    bool rss;             /* counted in smaps Rss */
    bool anon;            /* counted in smaps Anonymous */
    const char *sentence; /* what it means, one English sentence */
    const char *evidence; /* what decides it */
};

/* Never NULL; an out-of-range state is described as unknown. */
const struct page_state_info *page_state_info(unsigned state);

struct page_attr_info {
    uint16_t bit;
    const char *name;     /* as in JSON: "dirty" */
    const char *sentence;
};
/* The attribute of bit i (0 <= i < PAGE_ATTR_N). */
const struct page_attr_info *page_attr_info(unsigned i);

/* True when b is what a becomes `distance` pages further on, in one run. */
bool page_follows(const struct page *a, uint64_t distance, const struct page *b);

/* The page `distance` pages into the run that starts with *p. */
struct page page_at(const struct page *p, uint64_t distance);

#endif
