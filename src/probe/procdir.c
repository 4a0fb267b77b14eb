/* The directory of one process. */
#include "probe/procdir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

static int open_at(int dirfd, const char *name, int flags)
{
    int fd;
    do
        fd = openat(dirfd, name, flags | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static bool is_proc(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

int procdir_open(const char *root, pid_t pid, struct procdir *out, struct err *e)
{
    if (!root)
        root = "/proc";
    struct procdir d = {.root_fd = -1, .fd = -1, .pidfd = -1, .pid = pid};
    d.root_fd = open_at(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
    if (d.root_fd < 0) {
        char shown[200];
        text_escape(shown, sizeof shown, root, strlen(root));
        return err_set(e, d.root_fd, "cannot open %s: %s; is it a directory with processes in it?",
                       shown, strerror(-d.root_fd));
    }
    char name[16];
    snprintf(name, sizeof name, "%d", pid);
    d.real = is_proc(d.root_fd);
    if (d.real)
        d.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    d.fd = open_at(d.root_fd, name, O_RDONLY | O_DIRECTORY);
    if (d.fd < 0) {
        int rc = d.fd == -ENOENT ? -ESRCH : d.fd;
        procdir_close(&d);
        return err_set(e, rc, rc == -ESRCH ? "no process %d: it has ended or never was; see ps -e"
                                           : "cannot open the directory of process %d",
                       pid);
    }
    *out = d;
    return 0;
}

void procdir_close(struct procdir *d)
{
    int fds[] = {d->root_fd, d->fd, d->pidfd};
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    d->root_fd = d->fd = d->pidfd = -1;
}

int procdir_read(const struct procdir *d, const char *name, struct buf *out)
{
    return io_read_at(d->fd, name, out);
}

int procdir_open_file(const struct procdir *d, const char *name)
{
    return open_at(d->fd, name, O_RDONLY);
}

int procdir_open_root_file(const struct procdir *d, const char *name)
{
    return open_at(d->root_fd, name, O_RDONLY);
}

bool procdir_ended(const struct procdir *d)
{
    struct pollfd p = {.fd = d->pidfd, .events = POLLIN};
    return d->pidfd >= 0 && poll(&p, 1, 0) == 1;
}
