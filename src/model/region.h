/* Regions: the mappings of an address space (VMAs), and the gaps between them. */
#ifndef VMSCOPE_MODEL_REGION_H
#define VMSCOPE_MODEL_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum region_kind {
    REGION_ANON,
    REGION_HEAP,
    REGION_STACK,
    REGION_FILE,
    REGION_SHMEM,
    REGION_HUGETLB,
    REGION_VDSO,
    REGION_VVAR,
    REGION_VSYSCALL,
    REGION_DEVICE,
    REGION_KIND_N
};
const char *region_kind_name(enum region_kind kind); /* "anon", "heap", ... as in JSON */

/* The last part of a path, but what is in /dev whole: "/dev/zero" alone says what it is. */
const char *region_last_part(const char *name);

enum { REGION_R = 1, REGION_W = 2, REGION_X = 4, REGION_SHARED = 8 };

/* What smaps alone can tell of a region, in bytes. */
struct region_smaps {
    uint64_t rss, pss, anonymous, swap, swap_pss, anon_huge, shmem_pmd, file_pmd;
    uint64_t shared_hugetlb, private_hugetlb, ksm, locked;
    uint64_t shared_clean, shared_dirty, private_clean, private_dirty, lazy_free, referenced;
    uint64_t kernel_page_size;
    uint64_t vmflags; /* bit i: region_vmflag_name(i) */
    bool ksm_known;   /* the KSM line exists since 6.8 */
    bool flags_only;  /* only vmflags is known: the numbers were read at another time */
};

/* A plain value; `name` points into the table that holds it. */
struct region {
    uint64_t start, end; /* addresses; end exclusive */
    uint64_t offset;     /* bytes into the file */
    uint64_t inode;
    uint32_t dev_major, dev_minor;
    uint8_t perms; /* REGION_R | ... */
    uint8_t kind;  /* enum region_kind */
    const char *name; /* raw foreign bytes, NUL-terminated, "" when none; escape before showing */
    const struct region_smaps *smaps; /* NULL when smaps was not read */
    uint64_t shmem_swap; /* bytes that the shared memory file has in swap under the region; 0 for
                            other regions, UINT64_MAX unknown */
};

/* The name of the i-th VmFlags code ("rd", "wr", ...; /proc/PID/smaps, fs/proc/task_mmu.c) or NULL
 * past the last. */
const char *region_vmflag_name(unsigned i);
/* The bit of a two-letter code, or -1. */
int region_vmflag_bit(const char code[2]);
/* One English clause for the i-th flag ("may not be inherited by fork"). */
const char *region_vmflag_meaning(unsigned i);

/* "rw-p" */
void region_perms_text(uint8_t perms, char out[5]);

/* Immutable once published; reference-counted, also across threads. */
struct region_table {
    size_t count;
    struct region *v;         /* ascending, not overlapping */
    struct region_smaps *smaps; /* parallel storage, or NULL */
    char *names;              /* storage of the names */
    size_t skipped;           /* lines that could not be parsed */
    unsigned refs;
};

struct region_table *region_table_ref(struct region_table *t);
void region_table_unref(struct region_table *t); /* NULL is fine */
/* An empty table with one reference, or NULL. */
struct region_table *region_table_create(void);

/* Gives the regions of *t the VmFlags of the regions of *from that are the same (range,
 * permissions, file). *t must not be published yet. 0 or -ENOMEM. */
int region_table_take_flags(struct region_table *t, const struct region_table *from);

/* Index of the region that holds address, or of the first one above it (count if none). */
size_t region_table_find(const struct region_table *t, uint64_t address);
/* The region that holds address, or NULL. */
const struct region *region_table_at(const struct region_table *t, uint64_t address);

#endif
