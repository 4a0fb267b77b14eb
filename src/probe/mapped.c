/* Opening the file that is mapped in a region. It is the one that the region says it is: device and
 * inode are checked. */
#include "probe/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "probe/maps.h"

static const char *open_fault(int rc)
{
    switch (-rc) {
    case ENOENT:
        return "its file was deleted or is out of reach: root reads it through map_files";
    case EACCES:
    case EPERM:
        return "no permission to read its file: run as root or as the owner of the process";
    case ESRCH:
        return "the process has ended";
    default:
        return "its file cannot be opened";
    }
}

int mapped_open_regular(int dirfd, const char *path, struct stat *st)
{
    char again[32];
    int place = openat(dirfd, path, O_PATH | O_CLOEXEC);
    if (place < 0)
        return -errno;
    int fd = -EINVAL;
    if (!fstat(place, st) && S_ISREG(st->st_mode)) {
        snprintf(again, sizeof again, "/proc/self/fd/%d", place);
        fd = open(again, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
            fd = -errno;
    }
    close(place);
    return fd;
}

int mapped_own_regions(struct region_table **out)
{
    struct buf b = {0};
    int rc = io_read_at(AT_FDCWD, "/proc/self/maps", &b);
    if (!rc)
        rc = maps_parse(b.data, b.len, NULL, out);
    buf_deinit(&b);
    return rc;
}

/* Device and inode of maps are those of stat, except on btrfs, overlayfs and the like. There only
 * the kernel knows what maps calls a file, and tells when we map it too. */
static bool maps_calls_it(int fd, const struct region *r)
{
    void *page = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0);
    if (page == MAP_FAILED)
        return false;
    struct region_table *own = NULL;
    bool same = false;
    if (!mapped_own_regions(&own)) {
        const struct region *mine = region_table_at(own, (uintptr_t)page);
        same = mine && mine->inode == r->inode && mine->dev_major == r->dev_major &&
               mine->dev_minor == r->dev_minor;
    }
    region_table_unref(own);
    munmap(page, 1);
    return same;
}

static bool is_mapped_file(int fd, const struct stat *st, const struct region *r)
{
    bool same = st->st_ino == r->inode && major(st->st_dev) == r->dev_major &&
                minor(st->st_dev) == r->dev_minor;
    return same || maps_calls_it(fd, r);
}

/* By map_files, which even a deleted file can be opened by, but by root only; otherwise by path.
 * A descriptor, or negative errno with *why set. */
static int open_mapped(int process_fd, const struct region *r, struct stat *st, const char **why)
{
    char path[4096 + 8];
    snprintf(path, sizeof path, "map_files/%llx-%llx", (unsigned long long)r->start,
             (unsigned long long)r->end);
    int fd = mapped_open_regular(process_fd, path, st);
    if (fd < 0) {
        if ((size_t)snprintf(path, sizeof path, "root%s", r->name) >= sizeof path)
            fd = -ENAMETOOLONG;
        else
            fd = mapped_open_regular(process_fd, path, st);
    }
    if (fd < 0) {
        *why = open_fault(fd);
        return fd;
    }
    if (is_mapped_file(fd, st, r))
        return fd;
    close(fd);
    *why = "its file was replaced: another one is at its path now";
    return -ESTALE;
}

/* Shared memory that only looks like a file is the target's memory: it is not read. */
static bool has_file(const struct region *r)
{
    static const char *const memory[] = {"/dev/zero", "/memfd:", "/SYSV", "/[aio]"};
    if ((r->kind != REGION_FILE && r->kind != REGION_SHMEM) || r->name[0] != '/')
        return false;
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (!strncmp(r->name, memory[i], strlen(memory[i])))
            return false;
    return true;
}

/* By map_files: shared memory too, but root only. By path only if it is certain to be that file. */
int mapped_size(int process_fd, const struct region *r, uint64_t *bytes)
{
    char path[4096 + 8];
    struct stat st;
    snprintf(path, sizeof path, "map_files/%llx-%llx", (unsigned long long)r->start,
             (unsigned long long)r->end);
    int rc = fstatat(process_fd, path, &st, 0) ? -errno : 0;
    if (rc && has_file(r) && (size_t)snprintf(path, sizeof path, "root%s", r->name) < sizeof path) {
        rc = fstatat(process_fd, path, &st, 0) ? -errno : 0;
        if (!rc && (st.st_ino != r->inode || major(st.st_dev) != r->dev_major ||
                    minor(st.st_dev) != r->dev_minor))
            rc = -ESTALE;
    }
    if (!rc && !S_ISREG(st.st_mode))
        rc = -EINVAL;
    if (!rc)
        *bytes = (uint64_t)st.st_size;
    return rc;
}

static const char *no_file(const struct region *r)
{
    switch (r->kind) {
    case REGION_VVAR:
        return "data of the kernel for the vDSO: not an ELF file";
    case REGION_VSYSCALL:
        return "system call entries of the kernel: not an ELF file";
    case REGION_DEVICE:
        return "a device is mapped here: not an ELF file";
    default:
        return r->inode ? "shared memory and hugetlb files hold no symbols"
                        : "no file is mapped here";
    }
}

int mapped_open(int process_fd, const struct region *r, struct stat *st, const char **why)
{
    if (has_file(r))
        return open_mapped(process_fd, r, st, why);
    *why = no_file(r);
    return -ENOENT;
}
