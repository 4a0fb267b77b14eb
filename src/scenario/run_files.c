/* Files and descriptors. We open them and hand the descriptors over, so that a process of another
 * user can use what is in our directories; errors are those of our own call. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "scenario/run_actions.h"

enum { RETURN_INSTRUCTION = 0xc3 };

static enum setup_directory directory_of(enum file_kind kind)
{
    return kind == FILE_TMPFS       ? DIRECTORY_TMPFS
           : kind == FILE_HUGETLBFS ? DIRECTORY_HUGETLBFS
                                    : DIRECTORY_REAL;
}

/* Only root can mount hugetlbfs; for others a memfd of huge pages has the same file operations. */
static bool is_memfd(enum file_kind kind)
{
    return kind == FILE_MEMFD || kind == FILE_SECRET || (kind == FILE_HUGETLBFS && geteuid() != 0);
}

/* Whom files are for: whoever the first process runs as. */
static void owner(const struct run *r, uid_t *uid, gid_t *gid)
{
    char path[32];
    struct stat st = {.st_uid = geteuid(), .st_gid = getegid()};
    snprintf(path, sizeof path, "/proc/%d", (int)r->processes[0]->pid);
    stat(path, &st);
    *uid = st.st_uid;
    *gid = st.st_gid;
}

int run_need_directory(struct run *r, enum file_kind kind, struct err *e)
{
    enum setup_directory where = directory_of(kind);
    if (is_memfd(kind) || r->directory[where])
        return 0;
    uid_t uid;
    gid_t gid;
    owner(r, &uid, &gid);
    return setup_directory(r->setup, where, r->options.directory, uid, gid, &r->directory[where],
                           e);
}

/* Byte 0 of each page is the page's number, byte 16 an instruction that can be executed. */
static int fill(int fd, uint64_t size, uint64_t page_size)
{
    char *page = calloc(1, page_size);
    int rc = page ? 0 : -ENOMEM;
    for (uint64_t at = 0; at < size && !rc; at += page_size) {
        page[0] = (char)(at / page_size);
        page[CODE_OFFSET] = (char)RETURN_INSTRUCTION;
        rc = io_write(fd, page, size - at < page_size ? size - at : page_size);
    }
    free(page);
    if (!rc && fsync(fd))
        rc = -errno;
    return rc;
}

static int set_append_only(struct run *r, const struct named_file *f, struct err *e)
{
    int flags, rc = setup_will_append_only(r->setup, f->path, e);
    if (rc)
        return rc;
    if (!ioctl(f->fd, FS_IOC_GETFLAGS, &flags)) {
        flags |= FS_APPEND_FL;
        if (!ioctl(f->fd, FS_IOC_SETFLAGS, &flags))
            return 0;
    }
    return err_set(e, -ENOTSUP,
                   "cannot make a file append-only: %s: that needs root and a file "
                   "system that has it, such as ext4",
                   strerror(errno));
}

static int create_path(struct run *r, struct named_file *f, struct err *e)
{
    int rc = run_need_directory(r, f->kind, e);
    if (rc)
        return rc;
    if (asprintf(&f->path, "%s/%s", r->directory[directory_of(f->kind)], f->name) < 0) {
        f->path = NULL;
        return err_set(e, -ENOMEM, "out of memory");
    }
    if ((rc = setup_will_create(r->setup, f->path, e)))
        return rc;
    f->fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    uid_t uid;
    gid_t gid;
    owner(r, &uid, &gid);
    if (f->fd < 0 || (geteuid() == 0 && fchown(f->fd, uid, gid)))
        return err_set(e, -errno, "cannot create %s: %s", f->path, strerror(errno));
    return 0;
}

static int create_memfd(struct named_file *f, struct err *e)
{
    unsigned huge = f->kind == FILE_HUGETLBFS ? MFD_HUGETLB : 0;
    if (f->kind == FILE_SECRET)
        f->fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    else
        f->fd = memfd_create(f->name, MFD_CLOEXEC | MFD_ALLOW_SEALING | huge);
    return f->fd < 0 && f->kind == FILE_SECRET
               ? err_set(e, -ENOTSUP, "this kernel has no memfd_secret: %s", strerror(errno))
           : f->fd < 0 ? err_set(e, -errno, "cannot make a memfd: %s", strerror(errno))
                       : 0;
}

static int create(struct run *r, struct named_file *f, struct err *e)
{
    int rc = is_memfd(f->kind) ? create_memfd(f, e) : create_path(r, f, e);
    if (rc)
        return rc;
    if (ftruncate(f->fd, (off_t)f->size))
        return err_set(e, -errno, "cannot give %s its size: %s", f->name, strerror(errno));
    bool zeros = f->kind == FILE_HUGETLBFS || f->kind == FILE_SECRET; /* write(2) cannot */
    rc = zeros ? 0 : fill(f->fd, f->size, f->page_size);
    if (rc)
        return err_set(e, rc, "cannot write the file %s: %s", f->name, strerror(-rc));
    return f->kind == FILE_APPEND_ONLY ? set_append_only(r, f, e) : 0;
}

int act_file(struct act *a, struct err *e)
{
    struct run *r = a->run;
    if (run_find_file(r, a->st->name))
        return err_set(e, -EEXIST, "there is a file %s already", a->st->name);
    void *v = r->files;
    int rc = array_reserve(&v, &r->file_cap, r->file_count + 1, sizeof *r->files);
    r->files = v;
    if (rc)
        return err_set(e, rc, "out of memory");
    struct named_file *f = &r->files[r->file_count++];
    *f = (struct named_file){.kind = a->st->file_kind, .fd = -1, .size = a->st->size};
    snprintf(f->name, sizeof f->name, "%s", a->st->name);
    f->page_size =
        f->kind == FILE_HUGETLBFS ? run_huge_page_size() : (uint64_t)sysconf(_SC_PAGESIZE);
    if (!f->page_size)
        return err_set(e, -ENOTSUP, "this kernel has no huge pages of hugetlb");
    return create(r, f, e);
}

/* Hands a descriptor of ours to the process under a name; ours is closed, whatever comes. `file`:
 * index of a file, or SIZE_MAX. */
static int give_fd(struct act *a, const char *name, int fd, size_t file, struct err *e)
{
    struct stage_op op = {.what = STAGE_TAKE, .fd = fd};
    int rc = act_do(a->p, &op, a->out, e);
    close(fd);
    if (rc || a->out->gone)
        return rc;
    return process_name_fd(a->p, name, (int)a->out->value, file, e);
}

static int open_own(const char *path, int flags)
{
    int fd = open(path, flags);
    return fd < 0 ? -errno : fd;
}

/* What cannot be opened again. */
static int duplicate(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? -errno : copy;
}

/* Paths are those of the process. */
static int open_path(const struct act *a, const char *path, int flags)
{
    static const char self[] = "/proc/self/";
    char own[4096];
    if (!strncmp(path, self, strlen(self))) {
        snprintf(own, sizeof own, "/proc/%d/%s", (int)a->p->pid, path + strlen(self));
        path = own;
    }
    return open_own(path, flags);
}

int act_open(struct act *a, struct err *e)
{
    const struct run *r = a->run;
    const struct named_file *f = a->st->text ? NULL : run_find_file(r, a->st->other);
    char link[64];
    const char *path = a->st->text;
    if (f && !f->path) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", f->fd);
        path = link;
    } else if (f) {
        path = f->path;
    }
    if (!path)
        return err_set(e, -EINVAL, "there is no file %s", a->st->other);
    int flags = (int)a->st->flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = f && f->kind == FILE_SECRET ? duplicate(f->fd)
             : path == link              ? open_own(link, flags)
                                         : open_path(a, path, flags);
    if (fd < 0)
        return act_was(a, fd);
    return give_fd(a, a->st->name, fd, f ? (size_t)(f - r->files) : SIZE_MAX, e);
}

int act_close(struct act *a, struct err *e)
{
    const struct named_fd *fd = process_find_fd(a->p, a->st->name);
    if (!fd)
        return err_set(e, -EINVAL, "%s has no descriptor %s", a->p->name, a->st->name);
    return act_call(a, e, SYS_close, (uint64_t)fd->number, 0, 0, 0);
}

int act_pipe(struct act *a, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return act_was(a, -errno);
    bool writes = a->st->flags != 0;
    close(ends[!writes]);
    return give_fd(a, a->st->name, ends[writes], SIZE_MAX, e);
}

int act_directory(struct act *a, struct err *e)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? act_was(a, -errno) : give_fd(a, a->st->name, fd, SIZE_MAX, e);
}

static int make_special(enum special_fd kind)
{
    int fd = kind == SPECIAL_EVENTFD ? eventfd(0, EFD_CLOEXEC)
             : kind == SPECIAL_EPOLL ? epoll_create1(EPOLL_CLOEXEC)
                                     : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

int act_special(struct act *a, struct err *e)
{
    int fd = make_special((enum special_fd)a->st->number);
    return fd < 0 ? act_was(a, fd) : give_fd(a, a->st->name, fd, SIZE_MAX, e);
}

/* One page an element. */
int act_kernel_array(struct act *a, struct err *e)
{
    uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY,
                           .key_size = sizeof(uint32_t),
                           .value_size = page,
                           .max_entries = (uint32_t)((a->st->size + page - 1) / page),
                           .map_flags = BPF_F_MMAPABLE};
    int fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
    return fd < 0 ? act_was(a, -errno) : give_fd(a, a->st->name, fd, SIZE_MAX, e);
}

int act_seal(struct act *a, struct err *e)
{
    const struct named_file *f = run_find_file(a->run, a->st->name);
    if (!f)
        return err_set(e, -EINVAL, "there is no file %s", a->st->name);
    if (a->st->flags == SEAL_APPEND)
        return f->path ? set_append_only(a->run, f, e) : act_was(a, -EINVAL);
    return act_was(a, fcntl(f->fd, F_ADD_SEALS, F_SEAL_WRITE) ? -errno : 0);
}

int act_truncate(struct act *a, struct err *e)
{
    const struct named_fd *fd = process_find_fd(a->p, a->st->name);
    if (!fd)
        return err_set(e, -EINVAL, "%s has no descriptor %s", a->p->name, a->st->name);
    return act_call(a, e, SYS_ftruncate, (uint64_t)fd->number, a->st->size, 0, 0);
}

int act_evict(struct act *a, struct err *e)
{
    const struct named_file *f = run_find_file(a->run, a->st->name);
    if (!f)
        return err_set(e, -EINVAL, "there is no file %s", a->st->name);
    if (fsync(f->fd))
        return act_was(a, -errno);
    return act_was(a, -posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED));
}
