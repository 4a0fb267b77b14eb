/* What userfaultfd does with a mapping, as far as anybody but its owner can tell. */
#ifndef VMSCOPE_PROBE_UFFD_H
#define VMSCOPE_PROBE_UFFD_H

#include <stdbool.h>
#include <sys/types.h>

#include "model/region.h"
#include "probe/procdir.h"

/* True if it is known that every mapping that is write-protected by userfaultfd (VmFlags uw) asks a
 * handler about each write: PAGEMAP_SCAN refuses what it would allow for others (Linux 6.7). False
 * where one lets them through, or that cannot be found out. */
bool uffd_asks_handlers(pid_t pid, const struct region_table *regions);

/* Whether the process has a userfaultfd open; false where its descriptors cannot be read. */
bool uffd_is_open(const struct procdir *d);

#endif
