/* A second reader for large pictures of residency alone: the upper half of the mapped bytes is
 * scanned by a thread of its own, on another CPU, while the caller scans the lower half. (A picture
 * in detail spends its time on frames, which frames.c shares out.) */
#ifndef VMSCOPE_SAMPLER_SECOND_H
#define VMSCOPE_SAMPLER_SECOND_H

#include <pthread.h>

#include "probe/pages.h"
#include "probe/procdir.h"

struct second {
    pthread_t thread;
    struct page_reader reader;
    const struct region_table *regions; /* borrowed until second_join */
    uint64_t start, stopped; /* addresses */
    struct run_vec runs;     /* of [start, stopped) */
    int rc;
};

/* Starts scanning at the middle of the mapped bytes. False, with nothing to join, when one reader
 * is better: a small target, one CPU, or no memory for another. */
bool second_start(struct second *s, const struct procdir *d, const struct target_info *info,
                  const struct region_table *regions, uint64_t rss);

/* Waits for it; s->runs, s->stopped and s->rc are set. second_deinit afterwards. */
void second_join(struct second *s);
void second_deinit(struct second *s);

#endif
