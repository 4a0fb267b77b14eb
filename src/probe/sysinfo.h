/* What this machine's memory management looks like. */
#ifndef VMSCOPE_PROBE_SYSINFO_H
#define VMSCOPE_PROBE_SYSINFO_H

#include <stddef.h>

#include "model/record.h"

/* The shape of page tables: page size, levels in use (by the kernel, which a CPU's abilities do not
 * tell), and the size of a PMD. Level names are static. 0 or negative errno. */
int sysinfo_geometry(struct geometry *out);

/* The chosen word of a setting such as "always [madvise] never"; "" when there is none. Copies at
 * most cap - 1 bytes. */
void sysinfo_chosen(const char *setting, char *out, size_t cap);

#endif
