/* Who descends from a process now. */
#ifndef VMSCOPE_PROBE_DESCENDANTS_H
#define VMSCOPE_PROBE_DESCENDANTS_H

#include <stddef.h>
#include <sys/types.h>

struct descendant {
    pid_t pid, ppid;
};

struct descendants {
    struct descendant *v; /* owned; the root first, parents before their children */
    size_t count, cap;
};
/* Frees; *d is an empty one again. */
void descendants_deinit(struct descendants *d);

/* Lists the root and all its descendants, by /proc/PID/task/TID/children where the kernel has it
 * (CONFIG_PROC_CHILDREN), else by the parents of all processes. Processes come and go meanwhile:
 * one may be missing, another may have ended since. `proc_root` NULL: /proc. 0, -ENOMEM, or -ESRCH
 * when there is no such root. */
int descendants_read(const char *proc_root, pid_t root, struct descendants *out);

/* Parses a children file (proc_pid_children of proc(5)), "12 13 14 ", and appends its pids. 0 or
 * -ENOMEM; what is no number ends it. */
int descendants_parse(struct descendants *d, const char *bytes, size_t len, pid_t ppid);

#endif
