/* Devices of shared memory and hugetlb files. */
#include "probe/mounts.h"

#include <errno.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"

static int add(struct mount_kinds *k, uint32_t dev_major, uint32_t dev_minor, enum mount_kind kind)
{
    void *v = k->v;
    int rc = array_reserve(&v, &k->cap, k->count + 1, sizeof *k->v);
    k->v = v;
    if (!rc)
        k->v[k->count++] = (struct mount_entry){dev_major, dev_minor, kind};
    return rc;
}

static enum mount_kind kind_of_type(const char *type, size_t len)
{
    static const struct {
        const char *name;
        enum mount_kind kind;
    } types[] = {
        {"tmpfs", MOUNT_SHMEM}, {"devtmpfs", MOUNT_DEVTMPFS}, {"hugetlbfs", MOUNT_HUGETLB},
    };
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
        if (len == strlen(types[i].name) && !memcmp(type, types[i].name, len))
            return types[i].kind;
    return MOUNT_OTHER;
}

static const char *skip_field(const char *p, const char *end)
{
    while (p < end && *p != ' ')
        p++;
    while (p < end && *p == ' ')
        p++;
    return p;
}

/* One line: 36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/root rw */
static int parse_line(struct mount_kinds *k, const char *p, const char *end)
{
    uint64_t dev_major, dev_minor;
    p = skip_field(skip_field(p, end), end);
    if (!text_dec(&p, end, &dev_major) || p == end || *p++ != ':' || !text_dec(&p, end, &dev_minor))
        return 0;
    const char *dash = memmem(p, (size_t)(end - p), " - ", 3);
    if (!dash)
        return 0;
    const char *type = dash + 3, *stop = memchr(type, ' ', (size_t)(end - type));
    enum mount_kind kind = kind_of_type(type, (size_t)((stop ? stop : end) - type));
    if (kind == MOUNT_OTHER)
        return 0;
    return add(k, (uint32_t)dev_major, (uint32_t)dev_minor, kind);
}

int mounts_parse(struct mount_kinds *k, const char *bytes, size_t len)
{
    const char *end = bytes + len;
    int rc = 0;
    for (const char *p = bytes; !rc && p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        rc = parse_line(k, p, nl ? nl : end);
        p = nl ? nl + 1 : end;
    }
    return rc;
}

/* The internal mount behind memfds of these flags; nothing if the kernel refuses to make one. */
static int add_internal(struct mount_kinds *k, unsigned flags, enum mount_kind kind)
{
    struct stat st;
    int fd = memfd_create("vmscope", MFD_CLOEXEC | flags), rc = 0;
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0)
        rc = add(k, major(st.st_dev), minor(st.st_dev), kind);
    close(fd);
    return rc;
}

int mounts_read(struct mount_kinds *k, const struct procdir *d, struct buf *scratch)
{
    int rc = 0;
    if (d->real) {
        rc = add_internal(k, 0, MOUNT_SHMEM);
        /* Each huge page size has an internal mount of its own. */
        for (unsigned log2 = 16; !rc && log2 <= 34; log2++)
            rc = add_internal(k, MFD_HUGETLB | log2 << MFD_HUGE_SHIFT, MOUNT_HUGETLB);
    }
    if (!rc && procdir_read(d, "mountinfo", scratch) == 0)
        rc = mounts_parse(k, scratch->data, scratch->len);
    return rc;
}

void mounts_deinit(struct mount_kinds *k)
{
    free(k->v);
    *k = (struct mount_kinds){0};
}

enum mount_kind mounts_kind(const struct mount_kinds *k, uint32_t dev_major, uint32_t dev_minor)
{
    for (size_t i = 0; i < k->count; i++)
        if (k->v[i].dev_major == dev_major && k->v[i].dev_minor == dev_minor)
            return k->v[i].kind;
    return MOUNT_OTHER;
}
