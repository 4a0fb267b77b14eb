/* The physical side of the machine: zoneinfo, buddyinfo, meminfo, vmallocinfo, and what frames are
 * used for by /proc/kpageflags. Nothing here touches any process. */
#ifndef VMSCOPE_PROBE_PHYSMEM_H
#define VMSCOPE_PROBE_PHYSMEM_H

#include "base/buf.h"
#include "base/err.h"
#include "model/physmem.h"

/* Parsers take bytes; what they do not know they leave out. */

/* /proc/zoneinfo: names, nodes, frames of the zones that have any. */
void zoneinfo_parse(const char *bytes, size_t len, struct physmem_info *out);
/* /proc/buddyinfo: free blocks by order, of zones that zoneinfo told of. */
void buddyinfo_parse(const char *bytes, size_t len, struct physmem_info *out);
/* /proc/meminfo. */
void meminfo_parse(const char *bytes, size_t len, struct meminfo *out);
/* /proc/vmallocinfo: where areas lie, unless their addresses are hashed (out->code tells those of
 * modules from the others); areas summed by caller and kind, largest first; beyond PHYSMEM_CALLERS
 * the last entry is "others". */
void vmallocinfo_parse(const char *bytes, size_t len, struct physmem_info *out);

struct physmem_reader {
    int root_fd;                    /* /proc, or a stand-in */
    int flags_fd, counts_fd;        /* -1: cannot be opened */
    struct physmem_info info;       /* as read last */
    struct buf text;                /* scratch */
    uint64_t flags[FRAME_BLOCK];    /* scratch */
};

/* Opens what this user may open. 0 or a negative errno with *e set (no /proc at all). */
int physmem_reader_init(struct physmem_reader *r, const char *proc_root, struct err *e);
void physmem_reader_deinit(struct physmem_reader *r);

/* Reads all but the frames into r->info. */
void physmem_reader_info(struct physmem_reader *r);

/* Reads one block; with `each` the use of every frame too. False when it cannot be read. */
bool physmem_reader_block(struct physmem_reader *r, uint64_t block, bool each,
                          struct frame_read *out);

/* Everything about one frame. */
void physmem_reader_frame(struct physmem_reader *r, uint64_t frame, struct frame_detail *out);

#endif
