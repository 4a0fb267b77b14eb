/* From /proc/TID/fdinfo how it was opened, and through the link /proc/TID/fd what it is: a link of
 * that kind leads to the file itself, whatever has become of its name. */
#include "probe/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "base/buf.h"
#include "base/io.h"

enum { PATH_FLAG = 010000000 }; /* O_PATH, as fdinfo has it on every architecture but alpha */

struct facts {
    unsigned known, is;
};

static void say(struct facts *f, enum call_file fact, bool is)
{
    f->known |= fact;
    f->is |= is ? fact : 0;
}

/* "flags:\t0100002", in octal. */
static bool opened_with(const char *text, unsigned *flags)
{
    const char *line = strstr(text, "flags:");
    return line && sscanf(line, "flags: %o", flags) == 1;
}

static void read_flags(struct facts *f, const char *path)
{
    struct buf b = {0};
    unsigned flags;
    int rc = io_read_at(AT_FDCWD, path, &b);
    if (rc == -ENOENT) {
        say(f, CALL_FILE_OPEN, false);
    } else if (!rc && opened_with(b.data, &flags)) {
        unsigned how = flags & O_ACCMODE;
        say(f, CALL_FILE_OPEN, !(flags & PATH_FLAG));
        say(f, CALL_FILE_READABLE, how == O_RDONLY || how == O_RDWR);
        say(f, CALL_FILE_WRITABLE, how == O_WRONLY || how == O_RDWR);
    }
    buf_deinit(&b);
}

/* Pipes, sockets and directories have no mmap; of others only the kernel knows. */
static void read_kind(struct facts *f, const char *path)
{
    struct statx s;
    struct statfs fs;
    if (!statx(AT_FDCWD, path, 0, STATX_TYPE, &s)) {
        unsigned kind = s.stx_mode & S_IFMT;
        if (kind == S_IFIFO || kind == S_IFSOCK || kind == S_IFDIR)
            say(f, CALL_FILE_MAPPABLE, false);
        if (s.stx_attributes_mask & STATX_ATTR_APPEND)
            say(f, CALL_FILE_APPEND_ONLY, s.stx_attributes & STATX_ATTR_APPEND);
    }
    if (!statfs(path, &fs)) {
        say(f, CALL_FILE_HUGETLB, fs.f_type == HUGETLBFS_MAGIC);
        say(f, CALL_FILE_NOEXEC, fs.f_flags & ST_NOEXEC);
    }
}

void descriptor_of_call(pid_t tid, struct event *e)
{
    char path[64];
    struct facts f = {0};
    bool wanted = e->type == EVENT_CALL && e->call.call == CALL_MMAP && e->call.has_args &&
                  e->call.result < 0 && e->call.result > -4096 &&
                  !(e->call.args[3] & MAP_ANONYMOUS) && (int32_t)e->call.args[4] >= 0;
    if (!wanted)
        return;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", tid, (int32_t)e->call.args[4]);
    read_flags(&f, path);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", tid, (int32_t)e->call.args[4]);
    if (f.is & CALL_FILE_OPEN)
        read_kind(&f, path);
    e->call.file_known = (uint16_t)f.known;
    e->call.file_is = (uint16_t)f.is;
}
