/* Where the user interface gets records from and whom it asks. main wires it to a live sampler, a
 * synchronous one, or a file; the user interface cannot tell which. */
#ifndef VMSCOPE_UI_SOURCE_H
#define VMSCOPE_UI_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "model/goal.h"
#include "model/process.h"
#include "model/record.h"

/* Stepping through a program; each by ctx of the source. RECORD_ENGINE tells how it stands. */
struct ui_stepper {
    void (*go)(void *ctx, const struct step_goal *goal);
    void (*hold)(void *ctx);              /* stands still at the next event */
    void (*pace)(void *ctx, unsigned ms); /* an event each so many by itself; 0: no longer */
    void (*pin)(void *ctx, bool pin); /* keeps to the process shown; else it is the event's */
    int (*leave)(void *ctx, struct err *e); /* it goes on alone, watched as any other */
    /* Headless: waits a moment for it to stand still; false while it does not. */
    bool (*settle)(void *ctx);
};

struct ui_source {
    void *ctx;
    int fd; /* readable while records wait; -1 when there is nothing to wait for */

    /* The next record (now the caller's) or NULL. Never blocks. */
    struct record *(*take)(void *ctx);

    /* Headless runs: makes one more sample available to `take` before it returns. May be NULL. */
    void (*step)(void *ctx);

    /* What is on the screen, in addresses: read this first and in most detail. */
    void (*look)(void *ctx, uint64_t start, uint64_t end);

    /* Answered by a RECORD_DETAIL. */
    void (*ask_page)(void *ctx, uint64_t address);

    /* Reads the VmFlags of all mappings once more; dear for a large target. May be NULL. */
    void (*ask_flags)(void *ctx);

    /* From now on: orders of large folios, and the settings for huge pages. May be NULL. */
    void (*ask_huge)(void *ctx);
    /* With the next sample: what of the mapped files is in memory. May be NULL. */
    void (*ask_caches)(void *ctx);

    /* From now on the descendants too: RECORD_FAMILY. May be NULL. */
    void (*ask_family)(void *ctx);

    /* What lies at an instruction of a program (as in fault_entry) that a process runs; *r holds it
     * and is copied. Answered by a RECORD_SYMBOL. False: not now, ask again later. May be NULL. */
    bool (*ask_symbol)(void *ctx, pid_t pid, uint64_t program, uint64_t ip,
                       const struct region *r);

    /* The physical side of the machine: looks on for some seconds, so say it with every frame
     * drawn; and one frame, answered by a RECORD_FRAME. May be NULL. */
    void (*look_machine)(void *ctx, const struct frame_look *look);
    void (*ask_frame)(void *ctx, uint64_t frame);

    /* The process list, and the choice of a process to watch from now on. May be NULL. 0 or a
     * negative errno with *e set. */
    int (*list)(void *ctx, struct process_list *out, struct err *e);
    int (*attach)(void *ctx, pid_t pid, struct err *e);

    /* Follows the faults of the process and its children from now on, if that is not done already.
     * 0 or a negative errno with *e set; how it goes is told by a RECORD_ENGINE. May be NULL. */
    int (*follow)(void *ctx, struct err *e);

    const struct ui_stepper *stepper; /* NULL: it is not stepped */
};

#endif
