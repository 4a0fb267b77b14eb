/* A family: a process and its descendants at one time, each with its own picture, and what they
 * share. The reader hands over a family_picture, plain data in which pages that several processes
 * have alike stand once; family_create folds it. Pure.
 *
 * Two processes share a frame when both map it, at whatever addresses; each frame counts once a
 * pair. That needs frame numbers. PSS divides each page by its map count, as smaps does; USS is what
 * only this process maps, Private_Clean plus Private_Dirty of smaps (pagemap bit 56), and so known
 * without privilege. */
#ifndef VMSCOPE_MODEL_FAMILY_H
#define VMSCOPE_MODEL_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

enum { FAMILY_MAX = 1000 }; /* processes */

/* A piece of address space with the pages in it. Pages between the runs are absent. A piece with a
 * base is that one but for some places, so that what many processes have almost alike stands once. */
struct family_piece {
    uint64_t page, n;      /* holds all its runs, and those of its base */
    size_t at, count;      /* in family_picture.runs; with a base: in family_picture.cuts */
    uint32_t base;         /* a piece before it that has none itself, or FAMILY_NO_PIECE */
};
#define FAMILY_NO_PIECE UINT32_MAX

/* Pages [page, page + n), which are these runs instead of those of the base. */
struct family_cut {
    uint64_t page;
    uint32_t n, count;
    size_t at; /* in family_picture.runs */
};

/* A process as it was read. */
struct family_reading {
    struct target_info target;
    pid_t ppid;
    struct counters counters;
    struct region_table *regions; /* one reference; NULL: its memory could not be read */
    char why[CAN_REASON_MAX];     /* then: why not; escaped */
    size_t pieces_at, pieces;     /* in family_picture.order: ascending, not overlapping */
    uint64_t rollup_pss;          /* bytes, of smaps_rollup; UINT64_MAX: not read */
    uint64_t ranges_skipped;
};

struct family_picture {
    struct sample_info sample;
    struct family_reading *v; /* the root first, parents before their children */
    size_t count, cap;
    struct family_piece *pieces; /* each different one once */
    size_t pieces_count, pieces_cap;
    struct family_cut *cuts; /* of a piece: ascending, not overlapping */
    size_t cuts_count, cuts_cap;
    uint32_t *order; /* indices of pieces, process after process */
    size_t order_count, order_cap;
    struct page_run *runs;
    size_t runs_count, runs_cap;
    size_t vanished; /* ended before they could be read */
    size_t left_out; /* beyond FAMILY_MAX */
};
struct family_picture *family_picture_create(void); /* NULL when out of memory */
void family_picture_destroy(struct family_picture *p); /* NULL is fine */

/* Bytes, or unknown. */
struct known_bytes {
    uint64_t bytes;
    bool known;
};

/* How a process's pages stand to its parent's at the same addresses, in mappings that both have. */
struct family_own {
    bool known; /* false: no parent in the family, another program, or no frame numbers */
    uint64_t same, own, only_here, only_parent; /* bytes: the same frame; both have one of their own */
};

struct family_member {
    pid_t pid, ppid;
    size_t parent;        /* index, or FAMILY_NONE */
    unsigned depth;       /* 0: the root */
    struct moment moment; /* regions NULL if its memory could not be read, tree then too */
    char why[CAN_REASON_MAX];
    struct totals totals; /* valid if moment.regions */
    struct known_bytes pss, uss, private_hugetlb;
    struct family_own own;
};
#define FAMILY_NONE SIZE_MAX

/* Where frames that processes had in common with their parent have become their own. */
struct family_broken {
    uint64_t start, end; /* of the region in the first process where it was met */
    char name[64];       /* raw foreign bytes; "" for anonymous memory */
    uint8_t kind;        /* enum region_kind */
    uint64_t own;        /* bytes, added up over processes */
    size_t members;      /* how many processes have any */
};

struct family {
    unsigned refs; /* one thread's */
    struct sample_info sample; /* of the whole; members may have been read again since */
    uint64_t again_ns;         /* when that began last; 0: not yet */
    struct family_member *v;
    size_t count, vanished, left_out;
    struct can pairs;   /* whether what pairs share is known, and why not */
    uint64_t *shared;   /* bytes; see family_shared */
    struct known_bytes once;   /* memory of all, each frame once; zero pages left out */
    struct known_bytes common; /* the part of it that more than one process maps */
    struct family_broken *broken; /* largest first */
    size_t broken_count;
};

/* Folds a picture, which stays the caller's. NULL when out of memory or when the picture makes no
 * sense. One reference is the caller's. */
struct family *family_create(const struct family_picture *p);
/* The same numbers without trees, in less memory and time. */
struct family *family_sum_up(const struct family_picture *p);
/* The family with the numbers and trees of those in `part`, members that have been read again
 * together, their parents among them. What pairs share, `once`, `common` and `broken` stay as they
 * were. Both stay the caller's, as does the result. NULL when out of memory. */
struct family *family_renew(const struct family *f, const struct family *part);
struct family *family_ref(struct family *f); /* returns f */
void family_unref(struct family *f);         /* NULL is fine */

/* Bytes of frames that both members map (indices; a == b: all frames that it maps). Unknown without
 * frame numbers, and where one of them could not be read. */
struct known_bytes family_shared(const struct family *f, size_t a, size_t b);

/* RSS without USS. */
struct known_bytes family_member_shared(const struct family_member *m);

/* Sums over all members; what shared pages add to them, they add once for each. */
struct family_sums {
    struct known_bytes rss, pss, uss;
};
void family_sum(const struct family *f, struct family_sums *out);

/* The member with this pid, or FAMILY_NONE. */
size_t family_find(const struct family *f, pid_t pid);

/* What two processes have at one address. */
enum family_relation {
    RELATION_NONE,    /* neither has a page there */
    RELATION_SAME,    /* the same frame */
    RELATION_OWN,     /* both have a page, in different frames (or one of them exclusively) */
    RELATION_ONLY_A, RELATION_ONLY_B,
    RELATION_UNKNOWN, /* both have one, and frame numbers are not known */
    RELATION_N
};
/* Adds to sum, by relation, the pages of [start, start + n). 0 or -ENOMEM. */
int family_compare(const struct moment *a, const struct moment *b, uint64_t start, uint64_t n,
                   uint64_t sum[RELATION_N]);

#endif
