/* /proc/PID/maps and smaps into region tables (fs/proc/task_mmu.c, proc_pid_maps(5)). */
#ifndef VMSCOPE_PROBE_MAPS_H
#define VMSCOPE_PROBE_MAPS_H

#include <stddef.h>

#include "model/region.h"
#include "probe/mounts.h"

/* Parses maps: lines such as
 *   7f3a40000000-7f3a80000000 rw-p 00000000 00:00 0          [heap]
 * A line that is malformed, empty of pages, out of order or overlapping is dropped and counted in
 * (*out)->skipped. `kinds` (may be NULL) tells shared memory and hugetlb by device. Every region's
 * shmem_swap is 0. 0 or -ENOMEM; *out is the caller's. */
int maps_parse(const char *bytes, size_t len, const struct mount_kinds *kinds,
               struct region_table **out);

/* What kind of mapping this is, by its name, inode and device. `kinds` may be NULL. */
enum region_kind maps_kind(const struct region *r, const struct mount_kinds *kinds);

/* Parses smaps the same way: each region also gets its numbers and VmFlags. 0 or -ENOMEM. */
int smaps_parse(const char *bytes, size_t len, const struct mount_kinds *kinds,
                struct region_table **out);

#endif
