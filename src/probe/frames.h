/* Fetching entries of /proc/kpageflags and /proc/kpagecount for many frames at once: requests are
 * sorted by frame number, near ones are read together, so that each entry costs little more than
 * the kernel's own work for it. Large fetches use two CPUs: these files take no lock of the
 * target's. */
#ifndef VMSCOPE_PROBE_FRAMES_H
#define VMSCOPE_PROBE_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/sort.h"

/* Value of an entry that the file did not have or that could not be read. */
#define FRAMES_UNREAD UINT64_MAX

/* Buffers that live as long as their owner; a zeroed one is empty. */
struct frames_scratch {
    struct sort_item *sorted;
    size_t sorted_cap;
    struct frames_window {
        uint64_t *v;
        size_t cap;
    } windows[2]; /* one a thread */
};
void frames_scratch_deinit(struct frames_scratch *s);

/* Fills result[r.at .. r.at + r.n) for each request: r.n entries, from that of frame r.key on. The
 * requests come out in another order. 0 or -ENOMEM. */
int frames_fetch(int fd, struct sort_item *requests, size_t count, uint64_t *result,
                 struct frames_scratch *scratch);

#endif
