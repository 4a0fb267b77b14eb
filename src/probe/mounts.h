/* Which devices hold shared memory and hugetlb files. Mappings name only a device number; the file
 * system behind it decides what their pages are. */
#ifndef VMSCOPE_PROBE_MOUNTS_H
#define VMSCOPE_PROBE_MOUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "probe/procdir.h"

enum mount_kind { MOUNT_OTHER, MOUNT_SHMEM, MOUNT_HUGETLB, MOUNT_DEVTMPFS };

struct mount_kinds {
    struct mount_entry {
        uint32_t dev_major, dev_minor;
        enum mount_kind kind;
    } *v;
    size_t count, cap;
};

/* Adds the mounts of /proc/PID/mountinfo (proc_pid_mountinfo(5)), given as bytes. Malformed lines
 * are passed over. 0 or -ENOMEM. */
int mounts_parse(struct mount_kinds *k, const char *bytes, size_t len);

/* The mounts that `d` sees, and the kernel's internal ones behind memfd, shared anonymous memory
 * and anonymous hugetlb mappings, which no mount table lists (found by making files of our own).
 * What cannot be read is left out. 0 or -ENOMEM. */
int mounts_read(struct mount_kinds *k, const struct procdir *d, struct buf *scratch);

/* Frees; *k is an empty one again. */
void mounts_deinit(struct mount_kinds *k);

/* MOUNT_OTHER for a device that is not among them. */
enum mount_kind mounts_kind(const struct mount_kinds *k, uint32_t dev_major, uint32_t dev_minor);

#endif
