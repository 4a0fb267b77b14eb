/* The lock, the keeper, single settings, and directories of our own. */
#include "scenario/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "scenario/keeper.h"
#include "scenario/setup_parts.h"

#define LOCK_FILE "/run/lock/vmscope-machine.lock"

enum { LOCK_SECONDS = 120, LOCK_POLL_MS = 20 };

struct setup {
    struct keeper *keeper; /* NULL until something is to be put back */
    int lock;              /* -1 until settings are changed, and once the keeper holds it */
    bool locked;
    int stop_fd;
    char swap[UNDO_PATH]; /* that we began and have not ended, or "" */
};

int setup_create(int stop_fd, struct setup **out, struct err *e)
{
    struct setup *m = calloc(1, sizeof *m);
    if (!m)
        return err_set(e, -ENOMEM, "out of memory");
    m->lock = -1;
    m->stop_fd = stop_fd;
    *out = m;
    return 0;
}

int setup_destroy(struct setup *m, struct err *e)
{
    if (!m)
        return 0;
    int rc = keeper_finish(m->keeper, e);
    if (m->lock >= 0)
        close(m->lock);
    free(m);
    return rc;
}

/* The keeper keeps the lock until the machine is as it was; that may be longer than we live. */
static int need_keeper(struct setup *m, struct err *e)
{
    if (m->keeper)
        return 0;
    int rc = keeper_start(m->lock, &m->keeper, e);
    if (!rc && m->lock >= 0) {
        close(m->lock);
        m->lock = -1;
    }
    return rc;
}

int setup_promise(struct setup *m, const struct undo *u, struct err *e)
{
    int rc = need_keeper(m, e);
    return rc ? rc : keeper_tell(m->keeper, u, e);
}

void setup_swaps_to(struct setup *m, const char *path)
{
    snprintf(m->swap, sizeof m->swap, "%s", path);
}

int setup_swapoff(struct setup *m, struct err *e)
{
    if (!*m->swap)
        return err_set(e, -ENOTSUP,
                       "the swap is not the scenario's own: this machine had some, which is left "
                       "alone");
    if (swapoff(m->swap)) {
        int rc = -errno;
        return err_set(e, rc, "cannot end swapping to %s: %s", m->swap, strerror(-rc));
    }
    *m->swap = '\0';
    return 0;
}

static int wait_for_lock(int fd, int stop_fd)
{
    uint64_t deadline = io_now_ns() + LOCK_SECONDS * UINT64_C(1000000000);
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (io_now_ns() > deadline)
            return -EWOULDBLOCK;
        if (io_wait(stop_fd, LOCK_POLL_MS))
            return -ECANCELED;
    }
    return 0;
}

/* Only root makes the file: in a directory for all, root could not open that of another. */
static int open_lock(void)
{
    int fd = open(LOCK_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT && geteuid() == 0)
        fd = open(LOCK_FILE, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    return fd < 0 ? -errno : fd;
}

int setup_lock(struct setup *m, struct err *e)
{
    if (m->locked)
        return 0;
    if (m->keeper)
        return err_set(e, -EINVAL, "needs come before files");
    m->lock = open_lock();
    if (m->lock == -ENOENT)
        return 0; /* root has never been here, and others change nothing */
    int rc = m->lock < 0 ? m->lock : wait_for_lock(m->lock, m->stop_fd);
    if (rc == -EWOULDBLOCK)
        return err_set(e, -ENOTSUP,
                       "another run has been changing the machine for %d seconds: see "
                       "who holds %s (fuser)",
                       LOCK_SECONDS, LOCK_FILE);
    if (rc == -ECANCELED)
        return err_set(e, rc, "the scenario was given up");
    if (rc)
        return err_set(e, -ENOTSUP, "cannot take the lock %s: %s", LOCK_FILE, strerror(-rc));
    m->locked = true;
    return 0;
}

int setup_set(struct setup *m, const char *path, const char *value, struct err *e)
{
    struct undo u = {.kind = UNDO_SETTING};
    int rc = setting_read(path, u.value, sizeof u.value);
    if (rc)
        return err_set(e, -ENOTSUP, "this kernel has no %s: %s", path, strerror(-rc));
    if (!strcmp(u.value, value))
        return 0;
    if (geteuid() != 0)
        return err_set(e, -ENOTSUP, "%s is %s, and only root can make it %s: use sudo", path,
                       u.value, value);
    snprintf(u.path, sizeof u.path, "%s", path);
    if ((rc = setup_promise(m, &u, e)))
        return rc;
    rc = setting_write(path, value);
    if (rc)
        return err_set(e, -ENOTSUP, "cannot make %s %s: %s", path, value, strerror(-rc));
    return 0;
}

/* ---- directories ---- */

static bool is_usable(const char *path, enum setup_directory kind)
{
    struct statfs fs;
    if (!path || !*path || statfs(path, &fs) || access(path, W_OK | X_OK))
        return false;
    bool memory = fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
    if (kind == DIRECTORY_TMPFS)
        return fs.f_type == TMPFS_MAGIC;
    return kind == DIRECTORY_HUGETLBFS || (!memory && fs.f_type != HUGETLBFS_MAGIC);
}

static const char *choose_parent(enum setup_directory kind, const char *base)
{
    const char *const places[] = {base,       secure_getenv("TMPDIR"),          "/tmp", "/var/tmp",
                                  "/dev/shm", secure_getenv("XDG_RUNTIME_DIR"), "/run"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (is_usable(places[i], kind))
            return places[i];
    return NULL;
}

/* A name that nobody else has, so that what is undone is ours; told before it is made. */
static int make_directory(struct setup *m, const char *parent, struct undo *u, struct err *e)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return err_set(e, -EIO, "no random numbers");
    u->kind = UNDO_DIRECTORY;
    /* Names of files in it must fit too. */
    if (snprintf(u->path, sizeof u->path, "%s/vmscope-%016" PRIx64, parent, random) >
        (int)sizeof u->path - 64)
        return err_set(e, -ENAMETOOLONG,
                       "the name of the temporary directory is too long: set "
                       "TMPDIR to a shorter one");
    int rc = setup_promise(m, u, e);
    if (!rc && mkdir(u->path, 0755))
        rc = err_set(e, -errno, "cannot make a directory in %s: %s", parent, strerror(errno));
    return rc;
}

static int mount_hugetlbfs(struct setup *m, struct undo *u, uid_t uid, gid_t gid, struct err *e)
{
    char options[64];
    snprintf(options, sizeof options, "mode=755,uid=%u,gid=%u", (unsigned)uid, (unsigned)gid);
    u->kind = UNDO_MOUNT;
    int rc = setup_promise(m, u, e);
    if (!rc && mount("none", u->path, "hugetlbfs", MS_NOSUID | MS_NODEV, options))
        rc = err_set(e, -ENOTSUP, "cannot mount hugetlbfs: %s", strerror(errno));
    return rc;
}

int setup_directory(struct setup *m, enum setup_directory kind, const char *base, uid_t uid,
                    gid_t gid, char **path, struct err *e)
{
    struct undo u = {0};
    const char *parent = choose_parent(kind, base);
    if (!parent)
        return err_set(e, -ENOTSUP, "no place for files %s: set TMPDIR to a directory of one",
                       kind == DIRECTORY_TMPFS ? "on a tmpfs" : "on a real file system");
    int rc = make_directory(m, parent, &u, e);
    if (!rc && kind == DIRECTORY_HUGETLBFS)
        rc = mount_hugetlbfs(m, &u, uid, gid, e);
    else if (!rc && geteuid() == 0 && chown(u.path, uid, gid))
        rc = err_set(e, -errno, "cannot give %s away: %s", u.path, strerror(errno));
    if (rc)
        return rc;
    *path = strdup(u.path);
    return *path ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int promise_file(struct setup *m, enum undo_kind kind, const char *path, struct err *e)
{
    struct undo u = {.kind = kind};
    if (snprintf(u.path, sizeof u.path, "%s", path) >= (int)sizeof u.path)
        return err_set(e, -ENAMETOOLONG, "the name of a temporary file is too long");
    return setup_promise(m, &u, e);
}

int setup_will_create(struct setup *m, const char *path, struct err *e)
{
    return promise_file(m, UNDO_FILE, path, e);
}

int setup_will_append_only(struct setup *m, const char *path, struct err *e)
{
    return promise_file(m, UNDO_APPEND_ONLY, path, e);
}
