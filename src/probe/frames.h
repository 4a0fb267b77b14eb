/* Fetching entries of /proc/kpageflags and /proc/kpagecount for many frames at once: requests are
 * sorted by frame number, near ones are read together, so that each entry costs little more than
 * the kernel's own work for it. */
#ifndef VMSCOPE_PROBE_FRAMES_H
#define VMSCOPE_PROBE_FRAMES_H

#include <stddef.h>
#include <stdint.h>

/* Value of an entry that the file did not have or that could not be read. */
#define FRAMES_UNREAD UINT64_MAX

struct frames_request {
    uint64_t pfn;
    uint32_t n;  /* entries */
    uint32_t at; /* where they go in the result array */
};

/* Buffers that live as long as their owner; a zeroed one is empty. */
struct frames_scratch {
    uint64_t *keys, *sorted, *window;
    size_t keys_cap, sorted_cap, window_cap;
};
void frames_scratch_deinit(struct frames_scratch *s);

enum { FRAMES_REQUESTS_MAX = 1 << 24 };

/* Fills result[r.at .. r.at + r.n) for each request. 0, -ENOMEM, or -EINVAL for more than
 * FRAMES_REQUESTS_MAX requests. */
int frames_fetch(int fd, const struct frames_request *requests, size_t count, uint64_t *result,
                 struct frames_scratch *scratch);

#endif
