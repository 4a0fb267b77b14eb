/* Asking what of a mapped file is in memory. */
#include "probe/file_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe/abi.h"

/* By name, below the process's root, and only if it is a plain file and the same one. */
static int open_by_name(int process_fd, const struct region *r)
{
    char path[4096];
    struct stat st;
    if (r->name[0] != '/' || (size_t)snprintf(path, sizeof path, "root%s", r->name) >= sizeof path)
        return -ENOENT;
    if (fstatat(process_fd, path, &st, 0))
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_ino != r->inode || major(st.st_dev) != r->dev_major ||
        minor(st.st_dev) != r->dev_minor)
        return -ENOENT;
    int fd = openat(process_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

int file_cache_open(int process_fd, const struct region *r)
{
    char name[64];
    snprintf(name, sizeof name, "map_files/%llx-%llx", (unsigned long long)r->start,
             (unsigned long long)r->end);
    int fd = openat(process_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int rc = -errno;
    if (rc != -EPERM && rc != -EACCES)
        return rc;
    fd = open_by_name(process_fd, r);
    return fd >= 0 ? fd : rc;
}

int file_cache_ask(int fd, const struct region *r, uint64_t start, uint64_t end,
                   struct file_cache *out)
{
    struct cachestat_range range = {.off = start - r->start + r->offset, .len = end - start};
    struct cachestat stat;
    if (syscall(CACHESTAT_SYSCALL, fd, &range, &stat, 0) < 0)
        return -errno;
    *out = (struct file_cache){.cached = stat.nr_cache, .dirty = stat.nr_dirty,
                               .writeback = stat.nr_writeback, .evicted = stat.nr_evicted,
                               .recently_evicted = stat.nr_recently_evicted};
    return 0;
}

static int read_one(int process_fd, const struct region *r, struct file_cache *out)
{
    int fd = file_cache_open(process_fd, r);
    if (fd < 0)
        return fd;
    int rc = file_cache_ask(fd, r, r->start, r->end, out);
    close(fd);
    return rc;
}

static void set_why(struct can *c, int rc)
{
    const char *remedy = rc == -EPERM || rc == -EACCES ? "; run with sudo"
                         : rc == -ENOSYS ? "; cachestat(2) came with Linux 6.5"
                                         : "";
    c->yes = false;
    snprintf(c->why, sizeof c->why, "%s%s", strerror(-rc), remedy);
}

int file_caches_read(int process_fd, const struct region_table *t, size_t most,
                     struct file_caches **out)
{
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++)
        count += t->v[i].kind == REGION_FILE || t->v[i].kind == REGION_SHMEM;
    count = count < most ? count : most;
    struct file_caches *c = calloc(1, sizeof *c + count * sizeof *c->v);
    if (!c)
        return -ENOMEM;
    c->can.yes = true;
    for (size_t i = 0; i < t->count && c->count < count; i++) {
        const struct region *r = &t->v[i];
        if (r->kind != REGION_FILE && r->kind != REGION_SHMEM)
            continue;
        struct file_cache_entry *e = &c->v[c->count++];
        e->start = r->start;
        int rc = read_one(process_fd, r, &e->cache);
        e->known = !rc;
        if (rc && c->can.yes)
            set_why(&c->can, rc);
    }
    *out = c;
    return 0;
}
