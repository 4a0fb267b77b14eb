/* Trials: what can be seen of pages and mappings. They look at a page of our own. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "model/region.h"
#include "probe/abi.h"
#include "probe/maps.h"
#include "probe/trial.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* 6.13+ */
#endif

#define NO_PAGE_MONITOR "a kernel built with CONFIG_PROC_PAGE_MONITOR"
#define NEWER(version) "Linux " version " or later"

/* A fresh page of ours, written to; NULL when there is none to be had. */
static void *make_page(const struct trial *t)
{
    char *p = mmap(NULL, t->page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    *(volatile char *)p = 1;
    return p;
}

static void drop_page(const struct trial *t, void *page)
{
    if (page)
        munmap(page, t->page_size);
}

/* The pagemap entry of a page of ours. 0 or negative errno. */
static int read_entry(const struct trial *t, const void *page, uint64_t *entry)
{
    int fd = openat(t->proc_fd, "self/pagemap", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = io_pread(fd, entry, sizeof *entry, (uintptr_t)page / t->page_size * sizeof *entry);
    close(fd);
    return n == sizeof *entry ? 0 : n < 0 ? (int)n : -EIO;
}

static int read_fresh_entry(const struct trial *t, uint64_t *entry)
{
    void *page = make_page(t);
    int rc = page ? read_entry(t, page, entry) : -ENOMEM;
    drop_page(t, page);
    return rc;
}

static void no_pagemap(struct capability *c, int rc)
{
    trial_no(c, rc == -ENOENT ? NO_PAGE_MONITOR : "", "pagemap cannot be read: %s", strerror(-rc));
}

static void try_pagemap(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    (void)self;
    uint64_t entry;
    int rc = read_fresh_entry(t, &entry);
    if (rc)
        no_pagemap(c, rc);
    else if (!(entry & PM_PRESENT))
        trial_no(c, "", "pagemap does not show a page that is present");
    else
        trial_yes(c);
}

static void try_pfn(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    (void)self;
    uint64_t entry;
    int rc = read_fresh_entry(t, &entry);
    if (rc)
        no_pagemap(c, rc);
    else if (!(entry & PM_PFN_MASK))
        trial_no(c, trial_remedy(t, "CAP_SYS_ADMIN"),
                 "frame numbers read as 0: needs CAP_SYS_ADMIN outside any container");
    else
        trial_yes(c);
}

static void try_kpage(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    uint64_t entry = 0, value;
    read_fresh_entry(t, &entry);
    int fd = openat(t->proc_fd, self->file, O_RDONLY | O_CLOEXEC);
    ssize_t n =
        fd < 0 ? -errno : io_pread(fd, &value, sizeof value, (entry & PM_PFN_MASK) * sizeof value);
    if (fd >= 0)
        close(fd);
    if (n == sizeof value)
        trial_yes(c);
    else if (n == -ENOENT)
        trial_no(c, NO_PAGE_MONITOR, "this kernel has no /proc/%s", self->file);
    else if (n == -EACCES || n == -EPERM)
        trial_no(c, trial_remedy(t, "CAP_SYS_ADMIN"), "/proc/%s is for root only", self->file);
    else
        trial_no(c, "", "/proc/%s cannot be read: %s", self->file,
                 n < 0 ? strerror((int)-n) : "it is too short");
}

static void try_scan(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    (void)self;
    void *page = make_page(t);
    struct page_region found = {0};
    struct pm_scan_arg arg = {
        .size = sizeof arg,
        .start = (uintptr_t)page,
        .end = (uintptr_t)page + t->page_size,
        .vec = (uintptr_t)&found,
        .vec_len = 1,
        .category_mask = PAGE_IS_PRESENT,
        .return_mask = PAGE_IS_PRESENT,
    };
    int fd = openat(t->proc_fd, "self/pagemap", O_RDONLY | O_CLOEXEC);
    int n = fd < 0 ? -1 : ioctl(fd, PAGEMAP_SCAN, &arg);
    int error = n < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    drop_page(t, page);
    if (n == 1 && found.start == arg.start)
        trial_yes(c);
    else if (error == ENOTTY)
        trial_no(c, NEWER("6.7"), "this kernel has no PAGEMAP_SCAN: pages are found more slowly");
    else
        trial_no(c, "", "PAGEMAP_SCAN fails: %s", error ? strerror(error) : "it finds no page");
}

static void try_guard(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    (void)self;
    void *page = make_page(t);
    uint64_t entry = 0;
    int installed = page ? madvise(page, t->page_size, MADV_GUARD_INSTALL) : -1;
    int rc = installed ? 0 : read_entry(t, page, &entry);
    drop_page(t, page);
    if (installed)
        trial_no(c, NEWER("6.13"), "this kernel has no guard pages");
    else if (rc)
        no_pagemap(c, rc);
    else if (!(entry & PM_GUARD))
        trial_no(c, NEWER("6.15"), "guard pages look like swapped pages on this kernel");
    else
        trial_yes(c);
}

/* Fresh mappings count as soft-dirty; where the bit is not compiled in it is always clear. */
static void try_soft_dirty(const struct trial *t, const struct trial_entry *self,
                           struct capability *c)
{
    (void)self;
    uint64_t entry;
    int rc = read_fresh_entry(t, &entry);
    if (rc)
        no_pagemap(c, rc);
    else if (!(entry & PM_SOFT_DIRTY))
        trial_no(c, "a kernel built with CONFIG_MEM_SOFT_DIRTY",
                 "soft-dirty is not compiled in: the bit is always 0");
    else
        trial_yes(c);
}

static void try_procmap_query(const struct trial *t, const struct trial_entry *self,
                              struct capability *c)
{
    (void)self;
    struct procmap_query q = {.size = sizeof q, .query_addr = (uintptr_t)&q};
    int fd = openat(t->proc_fd, "self/maps", O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 || ioctl(fd, PROCMAP_QUERY, &q) ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (!rc && q.vma_start <= q.query_addr && q.query_addr < q.vma_end)
        trial_yes(c);
    else if (rc == -ENOTTY)
        trial_no(c, NEWER("6.11"), "this kernel has no PROCMAP_QUERY: maps is read as a whole");
    else
        trial_no(c, "", "PROCMAP_QUERY fails: %s", rc ? strerror(-rc) : "a wrong answer");
}

static void try_page_idle(const struct trial *t, const struct trial_entry *self,
                          struct capability *c)
{
    int fd = open(self->file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        trial_yes(c);
    } else if (errno == ENOENT) {
        trial_no(c, "a kernel built with CONFIG_IDLE_PAGE_TRACKING",
                 "idle page tracking is not compiled in");
    } else {
        trial_no(c, trial_remedy(t, "CAP_SYS_ADMIN"), "%s: %s", self->file, strerror(errno));
    }
}

/* Opens the first file that is mapped into us by its range. 0 or negative errno. */
static int open_a_map_file(const struct trial *t)
{
    struct buf b = {0};
    struct region_table *maps = NULL;
    int rc = io_read_at(t->proc_fd, "self/maps", &b);
    if (!rc)
        rc = maps_parse(b.data, b.len, NULL, &maps);
    buf_clear(&b);
    for (size_t i = 0; !rc && i < maps->count && !b.len; i++)
        if (maps->v[i].inode)
            rc = buf_printf(&b, "self/map_files/%llx-%llx", (unsigned long long)maps->v[i].start,
                            (unsigned long long)maps->v[i].end);
    if (!rc) {
        int fd = openat(t->proc_fd, b.len ? b.data : "", O_RDONLY | O_CLOEXEC);
        rc = fd < 0 ? -errno : 0;
        if (fd >= 0)
            close(fd);
    }
    region_table_unref(maps);
    buf_deinit(&b);
    return rc;
}

static void try_map_files(const struct trial *t, const struct trial_entry *self,
                          struct capability *c)
{
    (void)self;
    int rc = open_a_map_file(t);
    if (!rc)
        trial_yes(c);
    else if (rc == -EPERM || rc == -EACCES)
        trial_no(c, trial_remedy(t, "CAP_SYS_ADMIN"),
                 "map_files needs CAP_CHECKPOINT_RESTORE: deleted files cannot be opened");
    else
        trial_no(c, "", "map_files cannot be opened: %s", strerror(-rc));
}

/* In a user namespace of one's own all its processes are open, and those outside are not. The
 * initial one maps all ids to themselves. */
static bool in_user_namespace(const struct trial *t)
{
    struct buf map = {0};
    uint64_t inside = 0, outside = 0, count = 0;
    bool own = !io_read_at(t->proc_fd, "self/uid_map", &map) && map.data &&
               sscanf(map.data, "%" SCNu64 " %" SCNu64 " %" SCNu64, &inside, &outside, &count) == 3 &&
               (inside || outside || count != UINT32_MAX);
    buf_deinit(&map);
    return own;
}

/* A process that is not dumpable is as closed to its own user as to others. */
static void try_others(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    (void)self;
    char path[32];
    pid_t pid = trial_idler(false);
    if (pid < 0) {
        trial_no(c, "", "no process could be started to try it: %s", strerror(-pid));
        return;
    }
    snprintf(path, sizeof path, "%d/maps", (int)pid);
    int fd = openat(t->proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    trial_idler_end(pid);
    if (fd < 0)
        trial_no(c, trial_remedy(t, "CAP_SYS_PTRACE"),
                 "only own processes can be watched: others need CAP_SYS_PTRACE");
    else if (in_user_namespace(t))
        trial_no(c, trial_remedy(t, "CAP_SYS_PTRACE"),
                 "only processes of this user namespace can be watched");
    else
        trial_yes(c);
}

static void try_cachestat(const struct trial *t, const struct trial_entry *self,
                          struct capability *c)
{
    (void)t;
    struct cachestat_range all = {0, 0};
    struct cachestat stat = {0};
    int fd = memfd_create(self->name, MFD_CLOEXEC); /* a file of our own, as newer kernels ask */
    int rc = fd < 0 || syscall(CACHESTAT_SYSCALL, fd, &all, &stat, 0) ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (!rc)
        trial_yes(c);
    else
        trial_no(c, rc == -ENOSYS ? NEWER("6.5") : "", "cachestat(2) fails: %s", strerror(-rc));
}

const struct trial_entry trials_pages[] = {
    {"pagemap", "pages of own processes", CAPABILITY_PAGES, try_pagemap, NULL},
    {"others", "processes of other users", CAPABILITY_PAGES, try_others, NULL},
    {"pfn", "frame numbers (PFN)", CAPABILITY_PAGES, try_pfn, NULL},
    {"kpageflags", "frame flags", CAPABILITY_PAGES, try_kpage, "kpageflags"},
    {"kpagecount", "map counts", CAPABILITY_PAGES, try_kpage, "kpagecount"},
    {"kpagecgroup", "memory cgroup of frames", CAPABILITY_PAGES, try_kpage, "kpagecgroup"},
    {"pagemap_scan", "fast scan (PAGEMAP_SCAN)", CAPABILITY_PAGES, try_scan, NULL},
    {"procmap_query", "one mapping (PROCMAP_QUERY)", CAPABILITY_PAGES, try_procmap_query, NULL},
    {"guard", "guard pages", CAPABILITY_PAGES, try_guard, NULL},
    {"soft_dirty", "soft-dirty bit", CAPABILITY_PAGES, try_soft_dirty, NULL},
    {"page_idle", "idle pages", CAPABILITY_PAGES, try_page_idle, "/sys/kernel/mm/page_idle/bitmap"},
    {"map_files", "symbols of deleted files", CAPABILITY_PAGES, try_map_files, NULL},
    {"cachestat", "page cache of files", CAPABILITY_PAGES, try_cachestat, NULL},
    {0},
};
