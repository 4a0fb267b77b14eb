/* Finding out what this user can see on this kernel, by trying it on ourselves. */
#ifndef VMSCOPE_PROBE_CAPABILITY_H
#define VMSCOPE_PROBE_CAPABILITY_H

#include "base/err.h"
#include "model/capability.h"

/* Tries everything; takes some milliseconds and forks children. Nothing outside this process is
 * changed, and no descriptor, mapping or program stays behind. proc_root NULL: "/proc". 0, or a
 * negative errno with *e set when proc_root cannot be opened. */
int capability_probe(const char *proc_root, struct capability_list *out, struct err *e);

#endif
