/* PAGEMAP_SCAN with PM_SCAN_CHECK_WPASYNC fails with EPERM on a mapping without asynchronous write
 * protection. It asks for nothing and changes nothing. */
#include "probe/uffd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "probe/abi.h"

static bool asks_handler(int pagemap, const struct region *r)
{
    struct pm_scan_arg arg = {.size = sizeof arg, .flags = PM_SCAN_CHECK_WPASYNC,
                              .start = r->start, .end = r->end,
                              .category_anyof_mask = PAGE_IS_PRESENT,
                              .return_mask = PAGE_IS_PRESENT};
    return ioctl(pagemap, PAGEMAP_SCAN, &arg) < 0 && errno == EPERM;
}

bool uffd_asks_handlers(pid_t pid, const struct region_table *regions)
{
    const int uw = region_vmflag_bit("uw");
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/pagemap", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool all = fd >= 0;
    for (size_t i = 0; all && i < regions->count; i++) {
        const struct region *r = &regions->v[i];
        if (r->smaps && r->smaps->vmflags >> uw & 1)
            all = asks_handler(fd, r);
    }
    if (fd >= 0)
        close(fd);
    return all;
}

bool uffd_is_open(const struct procdir *d)
{
    static const char link[] = "anon_inode:[userfaultfd]";
    char text[sizeof link];
    int fd = openat(d->fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool found = false;
    if (fd >= 0 && !dir)
        close(fd);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, text, sizeof text);
        found = n == (ssize_t)strlen(link) && !memcmp(text, link, (size_t)n);
    }
    if (dir)
        closedir(dir);
    return found;
}
