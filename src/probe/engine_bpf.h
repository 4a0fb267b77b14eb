/* What only the bpf engine can: be loaded in advance. */
#ifndef VMSCOPE_PROBE_ENGINE_BPF_H
#define VMSCOPE_PROBE_ENGINE_BPF_H

#include "probe/engine.h"

/* Does what is slow in opening before it is known whom to follow: for a process that forks others
 * which follow somebody, one after another. Each of these gives `loaded` to its own opening, in
 * options that are otherwise the same but for the pid; two that live at the same time need two. It
 * must have been opened nowhere when it forks, and engine_bpf.close ends it. 0, or a negative errno
 * with *e set. */
int engine_bpf_load(const struct engine_options *options, struct engine **out, struct err *e);

#endif
