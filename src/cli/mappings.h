/* Readings of mappings that events ask for: of a program that has just begun, of files that a call
 * mapped, and of the sizes of files that are mapped beyond their end. */
#ifndef VMSCOPE_CLI_MAPPINGS_H
#define VMSCOPE_CLI_MAPPINGS_H

#include <stddef.h>
#include <sys/types.h>

#include "model/spaces.h"

struct mappings;

struct mappings *mappings_create(const char *proc_root); /* NULL when out of memory */
void mappings_destroy(struct mappings *m);               /* NULL is fine */

/* What these events need to be understood, read before they are folded: which files they map, and
 * how large those are. What cannot be read is not told. */
void mappings_before(struct mappings *m, struct spaces *spaces, const struct event *v,
                     size_t count);

/* The mappings of a program that has just begun, as they were before the events that follow its
 * exec, unless events tell them. */
void mappings_begun(struct mappings *m, struct spaces *spaces, const struct event *exec,
                    const struct event *later, size_t count);

/* The sizes of all files that a process has mapped. */
void mappings_sizes(struct mappings *m, struct spaces *spaces, pid_t pid,
                    const struct region_table *regions);

#endif
