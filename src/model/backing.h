/* What stands behind a mapping besides the pages that it maps: its file's page cache, swap, KSM,
 * locks, guard markers, userfaultfd. Pure. */
#ifndef VMSCOPE_MODEL_BACKING_H
#define VMSCOPE_MODEL_BACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/can.h"

/* Pages of a range of a file, as cachestat(2) counts them. */
struct file_cache {
    uint64_t cached, dirty, writeback;
    uint64_t evicted, recently_evicted; /* were in memory once, and lately */
};

/* What was found out of one mapping's file. */
struct file_cache_entry {
    uint64_t start; /* of the mapping */
    bool known;
    struct file_cache cache;
};

/* Of all mappings of files; ascending. Owned by its record, then by the model. */
struct file_caches {
    size_t count;
    struct can can; /* when some are not known: why */
    struct file_cache_entry v[];
};

/* Bytes, if not said otherwise. */
struct backing_sum {
    bool has_file, has_cache;
    uint64_t here;        /* of the file, mapped by this mapping */
    struct file_cache cache; /* pages; with has_cache */
    uint64_t private_copies; /* anonymous pages over a file */
    uint64_t swap;        /* in swap */
    uint64_t slotted;     /* in memory, and have kept a place in swap */
    uint64_t ksm, ksm_frames; /* merged pages; distinct frames behind them */
    uint64_t locked, guard, uffd_wp, lazy_free, writeback;
    bool no_flags;        /* frame flags were not read: slotted, locked, lazy_free are not known */
    bool no_ksm;          /* nor is what KSM merged, and it has merged some on this machine */
    bool no_swap;         /* what of shared memory is in swap is not known */
};

struct moment;
struct region;

/* Of one region; `caches` may be NULL. 0 or -ENOMEM. */
int backing_of_region(const struct moment *m, const struct region *r,
                      const struct file_caches *caches, struct backing_sum *out);
/* Anonymous memory with nothing special has nothing to tell. */
bool backing_is_dull(const struct region *r, const struct backing_sum *s);
/* What is to be told, a line each, ended by newlines. */
void backing_sentences(const struct moment *m, const struct region *r,
                       const struct file_caches *caches, const struct backing_sum *s,
                       struct buf *out);

#endif
