/* The frames that this process maps too. While it looks, it is one more sharer of the libraries
 * that it has in common with what it watches; a reader of map counts takes itself out of them. */
#ifndef VMSCOPE_PROBE_PAGES_SELF_H
#define VMSCOPE_PROBE_PAGES_SELF_H

#include <stddef.h>
#include <stdint.h>

#include "model/record.h"

/* Zeroed: none. */
struct self_frames {
    struct self_frame {
        uint64_t pfn;
        uint32_t times; /* mapped; 0: a free slot */
    } *slots;           /* owned */
    size_t count, cap;  /* cap is a power of two */
};
void self_frames_deinit(struct self_frames *s);

/* Reads the file pages that this process maps. Without frame numbers there are none. 0 or
 * -ENOMEM. */
int self_frames_read(struct self_frames *s, const struct geometry *g);

/* How often this process maps the frame. */
uint32_t self_frames_times(const struct self_frames *s, uint64_t pfn);

#endif
