/* The physical side of the machine: its zones, what its frames are used for, and what the kernel
 * keeps for itself. A picture is put together from reads of many moments; each block of frames
 * carries the time of its own. */
#ifndef VMSCOPE_MODEL_PHYSMEM_H
#define VMSCOPE_MODEL_PHYSMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/can.h"
#include "model/frame.h"

enum { FRAME_BLOCK = 512, BUDDY_ORDERS = 12, PHYSMEM_ZONES = 64, PHYSMEM_CALLERS = 256 };

/* A zone of /proc/zoneinfo and its free lists of /proc/buddyinfo. */
struct zone {
    unsigned node;
    char name[16];
    uint64_t start, spanned, present; /* frames; spanned 0: empty */
    uint64_t free[BUDDY_ORDERS];      /* blocks of 2^order frames; UINT64_MAX not known */
    unsigned orders;
};

/* Lines of /proc/meminfo, bytes; UINT64_MAX not known. */
struct meminfo {
    uint64_t total, free, available, buffers, cached, anon, shmem, slab, page_tables, kernel_stack;
    uint64_t vmalloc_used, vmalloc_total, percpu, hugetlb, high_total;
    uint64_t direct_4k, direct_2m, direct_1g; /* how the kernel maps all memory for itself */
};

/* Areas of the kernel's vmalloc space with one caller (/proc/vmallocinfo). */
struct kernel_caller {
    char name[64];  /* "bpf_map_area_alloc"; raw foreign bytes */
    char kind[16];  /* "vmalloc", "ioremap", "vmap", "user", ...; "" unknown */
    uint64_t areas, bytes;
    uint64_t pages; /* frames behind them; of ioremap 0 */
};

/* A range of the kernel's addresses; both 0: not known. */
struct kernel_range {
    uint64_t start, end;
};

struct physmem_info {
    struct zone zones[PHYSMEM_ZONES];
    unsigned zone_count;
    struct meminfo mem;
    uint64_t frames;     /* one past the last frame number */
    struct can flags;    /* kpageflags of all frames */
    struct can vmalloc;  /* /proc/vmallocinfo */
    struct kernel_caller callers[PHYSMEM_CALLERS]; /* largest first */
    unsigned caller_count;
    uint64_t vmalloc_areas, vmalloc_bytes, vmalloc_pages; /* of all */
    struct kernel_range code;           /* of the kernel itself: _text to _etext */
    struct kernel_range areas, modules; /* first to last area below and above the code */
};

/* What FRAME_BLOCK frames are used for. */
struct frame_block {
    uint16_t n[FRAME_USE_N];
    uint64_t t_ns; /* when it was read; 0: never */
};

/* What was read of some blocks, in any order. */
struct frame_read {
    uint64_t block;                 /* its frames begin at block * FRAME_BLOCK */
    struct frame_block sum;
    uint8_t use[FRAME_BLOCK];       /* enum frame_use of each; valid with `each` */
    bool each;
};

/* What somebody looks at: frames first to first + n. With `each` the use of every frame is told; n
 * 0: only zones, meminfo and the kernel's own memory are wanted. */
struct frame_look {
    uint64_t first, n;
    bool each;
};

/* All about one frame, asked now. */
struct frame_detail {
    uint64_t frame, flags, count;
    uint8_t use;
    bool has_flags, has_count;
};

struct physmem;

struct physmem *physmem_create(void); /* NULL when out of memory */
void physmem_destroy(struct physmem *m); /* NULL is fine */

/* Fold; 0 or -ENOMEM (then it is sound, and some of it may be taken in). */
int physmem_set_info(struct physmem *m, const struct physmem_info *info);
int physmem_add(struct physmem *m, const struct frame_read *reads, size_t count);

/* As set last; borrowed until the next fold. */
const struct physmem_info *physmem_info(const struct physmem *m);

/* What a range of frames is used for, as far as it was read. */
struct frame_tally {
    uint64_t n[FRAME_USE_N];
    uint64_t unread;
    uint64_t oldest_ns; /* of the blocks that were read; UINT64_MAX: none */
};
void physmem_tally(const struct physmem *m, uint64_t frame, uint64_t n, struct frame_tally *out);
/* That of all frames; borrowed until the next fold. Added up once for each fold. */
const struct frame_tally *physmem_all(const struct physmem *m);

#endif
