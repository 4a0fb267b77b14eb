/* What only the bpf engine can: be loaded in advance, and tell faults by page while it counts
 * instead of reporting. */
#ifndef VMSCOPE_PROBE_ENGINE_BPF_H
#define VMSCOPE_PROBE_ENGINE_BPF_H

#include <stdint.h>

#include "probe/engine.h"

struct engine_heat {
    uint64_t address; /* of the page */
    uint64_t count;   /* faults since it was last told */
    int32_t pid;
};

/* Does what is slow in opening before it is known whom to follow: for a process that forks others
 * which follow somebody, one after another. Each of these gives `loaded` to its own opening, in
 * options that are otherwise the same but for the pid; two that live at the same time need two. It
 * must have been opened nowhere when it forks, and engine_bpf.close ends it. 0, or a negative errno
 * with *e set. */
int engine_bpf_load(const struct engine_options *options, struct engine **out, struct err *e);

/* 0, or a negative errno that ends the telling. */
typedef int engine_heat_sink(void *ctx, const struct engine_heat *page);

/* Tells the pages with faults counted since the last call, in no order. The counts are best effort
 * (a count may go to another page at the moment of a call); *elsewhere is the number of all faults
 * so far that found no room for their page. engine_stats.heat_faults has all of them, exactly.
 * Only for engines opened by engine_bpf. */
int engine_bpf_heat(struct engine *engine, engine_heat_sink *sink, void *ctx, uint64_t *elsewhere);

#endif
