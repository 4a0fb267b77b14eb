/* A process as a directory: one descriptor below /proc (or below a stand-in given by --proc-root),
 * everything else opened relative to it. The descriptor stays with the process it was opened for:
 * when the process has ended, reads fail with ESRCH (or ENOENT) even if its pid is used again. */
#ifndef VMSCOPE_PROBE_PROCDIR_H
#define VMSCOPE_PROBE_PROCDIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct procdir {
    int root_fd; /* /proc */
    int fd;      /* /proc/PID */
    int pidfd;   /* readable once the process has ended; -1 for a stand-in or an old kernel */
    pid_t pid;
    bool real;   /* root_fd is a proc file system */
};

/* Opens root (NULL: "/proc") and the process. 0, or negative errno with *e set (ESRCH: no such
 * process). */
int procdir_open(const char *root, pid_t pid, struct procdir *out, struct err *e);
void procdir_close(struct procdir *d);

/* Reads all of a file of the process, such as "maps". 0 or negative errno. */
int procdir_read(const struct procdir *d, const char *name, struct buf *out);

/* Opens a file of the process read-only; a descriptor or negative errno. */
int procdir_open_file(const struct procdir *d, const char *name);

/* Opens a file of the root, such as "kpageflags"; a descriptor or negative errno. */
int procdir_open_root_file(const struct procdir *d, const char *name);

/* True when the process is known to have ended (a zombie counts: its memory is gone). */
bool procdir_ended(const struct procdir *d);

#endif
