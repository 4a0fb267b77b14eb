#include "scenario/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/swap.h>
#include <unistd.h>

#include "base/io.h"

enum { TRIES = 100, TRY_MS = 20 };

int setting_read(const char *path, char *out, int cap)
{
    char text[512];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = io_pread(fd, text, sizeof text - 1, 0);
    close(fd);
    if (n < 0)
        return (int)n;
    text[n] = '\0';
    const char *start = strchr(text, '[');
    size_t len = start ? strcspn(start + 1, "]") : strcspn(text, "\n");
    start = start ? start + 1 : text;
    if (len >= (size_t)cap)
        return -ENAMETOOLONG;
    memcpy(out, start, len);
    out[len] = '\0';
    return 0;
}

int setting_write(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = io_write(fd, value, strlen(value));
    close(fd);
    return rc;
}

int setting_number(const char *path, int64_t *out)
{
    char text[32], *end;
    int rc = setting_read(path, text, sizeof text);
    if (rc)
        return rc;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end)
        return -EINVAL;
    *out = v;
    return 0;
}

static int put_setting(const struct undo *u)
{
    char now[UNDO_VALUE];
    if (!setting_read(u->path, now, sizeof now) && !strcmp(now, u->value))
        return 0;
    return setting_write(u->path, u->value);
}

/* Others may have changed the pool meanwhile: what is ours is taken away, and not more. */
static int shrink_pool(const struct undo *u)
{
    int64_t now;
    int rc = setting_number(u->path, &now);
    if (rc || now <= u->number)
        return rc;
    char text[32];
    int64_t to = now - u->grown > u->number ? now - u->grown : u->number;
    snprintf(text, sizeof text, "%lld", (long long)to);
    return setting_write(u->path, text);
}

static int end_swap(const char *path)
{
    if (!swapoff(path))
        return 0;
    return errno == EINVAL || errno == ENOENT ? 0 : -errno; /* it was never begun */
}

static int reset_zram(const char *directory)
{
    char path[UNDO_PATH + 16];
    snprintf(path, sizeof path, "%s/reset", directory);
    return setting_write(path, "1");
}

static int remove_zram(int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)number);
    return setting_write("/sys/class/zram-control/hot_remove", text);
}

static int unmount(const char *path)
{
    if (!umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW))
        return 0;
    return errno == EINVAL || errno == ENOENT ? 0 : -errno; /* it was never mounted */
}

static int clear_append_only(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), flags, rc = 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
        rc = -errno;
    else if (flags & FS_APPEND_FL) {
        flags &= ~FS_APPEND_FL;
        rc = ioctl(fd, FS_IOC_SETFLAGS, &flags) ? -errno : 0;
    }
    close(fd);
    return rc;
}

static int gone(int rc)
{
    return !rc || errno == ENOENT ? 0 : -errno;
}

static int try_once(const struct undo *u)
{
    switch ((enum undo_kind)u->kind) {
    case UNDO_SETTING:
        return put_setting(u);
    case UNDO_POOL:
        return shrink_pool(u);
    case UNDO_SWAP:
        return end_swap(u->path);
    case UNDO_ZRAM:
        return reset_zram(u->path);
    case UNDO_ZRAM_DEVICE:
        return remove_zram(u->number);
    case UNDO_MOUNT:
        return unmount(u->path);
    case UNDO_DIRECTORY:
        return gone(rmdir(u->path));
    case UNDO_FILE:
        return gone(unlink(u->path));
    case UNDO_APPEND_ONLY:
        return clear_append_only(u->path);
    }
    return -EINVAL;
}

/* Somebody may look at a device or a directory just now: what is busy is tried again for a while.
 */
int undo_one(const struct undo *u)
{
    int rc = try_once(u);
    for (int i = 0; i < TRIES && (rc == -EBUSY || rc == -EINTR || rc == -ENOMEM); i++) {
        poll(NULL, 0, TRY_MS);
        rc = try_once(u);
    }
    return rc;
}
