/* The files that a process has mapped. */
#ifndef VMSCOPE_PROBE_MAPPED_H
#define VMSCOPE_PROBE_MAPPED_H

#include <sys/stat.h>

#include "model/region.h"

/* Opens the file of *r, a region of the process whose directory is open as process_fd (/proc/PID),
 * for reading. A descriptor with what fstat says in *st, or negative errno with *why set to a
 * static sentence. Memory that only looks like a file is never opened. */
int mapped_open(int process_fd, const struct region *r, struct stat *st, const char **why);

/* Opens for reading without side effects: nothing but a regular file is ever opened, and a FIFO or
 * a device in its place cannot block us or act. A descriptor or negative errno. */
int mapped_open_regular(int dirfd, const char *path, struct stat *st);

/* How large the file of *r is now; nothing is opened. 0 or negative errno. */
int mapped_size(int process_fd, const struct region *r, uint64_t *bytes);

/* Our own mappings. 0 or negative errno. */
int mapped_own_regions(struct region_table **out);

#endif
