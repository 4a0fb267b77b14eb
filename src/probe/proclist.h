/* The processes that can be chosen. */
#ifndef VMSCOPE_PROBE_PROCLIST_H
#define VMSCOPE_PROBE_PROCLIST_H

#include "base/err.h"
#include "model/process.h"

/* All processes of /proc that have memory (no kernel threads, no zombies), by falling RSS, ties by
 * pid. *out is the caller's, to be freed by process_list_deinit. 0 or a negative errno with *e set.
 * Not for use by two threads at once: libproc2 is not. */
int proclist_read(struct process_list *out, struct err *e);
/* The same of a stand-in for /proc, without a library; users by number. */
int proclist_read_root(const char *root, struct process_list *out, struct err *e);

#endif
