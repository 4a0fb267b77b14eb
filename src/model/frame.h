/* What a frame of physical memory is used for, as its flags tell. One table names each use. */
#ifndef VMSCOPE_MODEL_FRAME_H
#define VMSCOPE_MODEL_FRAME_H

#include <stdint.h>

#include "model/page.h"

enum frame_use {
    FRAME_NONE,       /* no memory behind this number */
    FRAME_FREE,       /* in the buddy allocator */
    FRAME_ANON,       /* anonymous memory of processes */
    FRAME_ANON_LARGE, /* the same, in large folios (THP) */
    FRAME_FILE,       /* page cache of files */
    FRAME_SHMEM,      /* shared memory, tmpfs; anonymous pages on their way to swap too */
    FRAME_KSM,        /* merged by KSM */
    FRAME_ZERO,       /* the zero pages */
    FRAME_HUGETLB,    /* the hugetlb pool, in use or free */
    FRAME_SLAB,       /* small objects of the kernel */
    FRAME_TABLE,      /* page tables */
    FRAME_RESERVED,   /* firmware, the kernel's own image, struct pages */
    FRAME_OFFLINE,    /* not in use: balloon, or memory taken offline */
    FRAME_POISON,     /* broken */
    FRAME_OTHER,      /* no flag says what for: kernel memory, or free outside of the buddy lists */
    FRAME_USE_N
};

struct frame_use_info {
    const char *name;     /* "page-table", as in JSON */
    const char *title;    /* as in a legend */
    char letter;          /* ASCII */
    enum page_role role;
    const char *sentence;
};

/* Never NULL; an out-of-range use is described as other. */
const struct frame_use_info *frame_use_info(unsigned use);

#endif
