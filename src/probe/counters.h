/* Counters of a process by perf events: what the scheduler did with it, and what its processor saw.
 * Counting begins when they are opened and takes in threads and children that begin later. */
#ifndef VMSCOPE_PROBE_COUNTERS_H
#define VMSCOPE_PROBE_COUNTERS_H

#include <sys/types.h>

#include "model/record.h"

struct counters_group;

/* Opens the software counters, and those of `list`: names of libpfm4 divided by commas; NULL or "":
 * TLB misses and page walks. What cannot be opened is told by counters_read. NULL when out of
 * memory. */
struct counters_group *counters_open(pid_t pid, const char *list);
void counters_close(struct counters_group *g); /* NULL is fine */

/* The counts so far, of those that were opened also after the process has ended. */
void counters_read(const struct counters_group *g, struct perf_counts *out);

#endif
