/* A second reader for large pictures whose time goes into page tables (residency alone, or huge
 * pages): the upper half of the mapped bytes is read by a thread of its own, on another CPU, while
 * the caller reads the lower half. Where the time goes into frames instead, frames.c shares it out,
 * and needs all of them together to sort them well. */
#ifndef VMSCOPE_SAMPLER_SECOND_H
#define VMSCOPE_SAMPLER_SECOND_H

#include <pthread.h>

#include "probe/pages.h"
#include "probe/procdir.h"

struct second {
    pthread_t thread;
    struct page_reader reader;
    const struct region_table *regions; /* borrowed until second_join */
    unsigned want;
    uint64_t start, stopped; /* addresses */
    struct run_vec runs;     /* of [start, stopped) */
    int rc;
};

/* Starts reading at the middle of the mapped bytes. False, with nothing to join, when there is no
 * other CPU, or no memory for another reader. */
bool second_start(struct second *s, const struct procdir *d, const struct target_info *info,
                  const struct region_table *regions, unsigned want);

/* Waits for it; s->runs, s->stopped and s->rc are set. second_deinit afterwards. */
void second_join(struct second *s);
void second_deinit(struct second *s);

#endif
