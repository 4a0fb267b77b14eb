/* Opening perf events on a process. What its threads create afterwards inherits their events, so
 * only those matter that appear while we attach: whether such a stranger inherited or not cannot be
 * asked. If one is still alive when all events are open, all are closed and we begin again. Threads
 * that live for less than that do not disturb.
 *
 * The rings belong to events of our own that never happen, and an event has its ring from the
 * moment when it is opened. So none has to be opened disabled and enabled later: a thread that is
 * created meanwhile could inherit one disabled for ever. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "probe/engine_perf.h"
#include "probe/engine_perf_arch.h"

enum {
    ATTEMPTS = 40,
    PATIENCE = 8,           /* looks, a millisecond apart, for strangers to go away */
    RING_BYTES_MIN = 16384,
    CPUS_MAX = 8192
};

struct threads {
    pid_t *tid;
    size_t count, cap;
};

static bool holds(const struct threads *t, pid_t tid)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->tid[i] == tid)
            return true;
    return false;
}

/* 0, -ESRCH when the process has gone, or another negative errno. */
static int list_threads(pid_t pid, struct threads *out)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT ? -ESRCH : -errno;
    int rc = 0;
    out->count = 0;
    for (struct dirent *entry; !rc && (entry = readdir(d));) {
        pid_t tid = atoi(entry->d_name);
        if (tid <= 0)
            continue;
        void *v = out->tid;
        rc = array_reserve(&v, &out->cap, out->count + 1, sizeof *out->tid);
        out->tid = v;
        if (!rc)
            out->tid[out->count++] = tid;
    }
    closedir(d);
    return rc ? rc : out->count ? 0 : -ESRCH;
}

static int add_fd(struct perf_events *ev, int fd, enum perf_kind kind, size_t cpu)
{
    void *v = ev->fds;
    int rc = array_reserve(&v, &ev->fd_cap, ev->fd_count + 1, sizeof *ev->fds);
    ev->fds = v;
    if (!rc)
        ev->fds[ev->fd_count++] = (struct perf_fd){fd, (uint8_t)kind, (uint32_t)cpu};
    return rc;
}

/* With output into a ring, or none (NULL). A descriptor or negative errno. */
static int open_event(const struct perf_events *ev, enum perf_kind kind, pid_t tid, int cpu,
                      const struct perf_ring *ring)
{
    struct perf_event_attr attr;
    unsigned long flags = PERF_FLAG_FD_CLOEXEC;
    int group = ring ? ring->fd : -1;
    perf_attr_fill(&ev->wish, kind, &attr);
    if (ring)
        flags |= PERF_FLAG_FD_NO_GROUP | PERF_FLAG_FD_OUTPUT;
    long fd = syscall(SYS_perf_event_open, &attr, tid, cpu, group, flags);
    if (fd < 0 && errno == EINVAL && attr.read_format) {
        attr.read_format = 0; /* before 6.0 */
        fd = syscall(SYS_perf_event_open, &attr, tid, cpu, group, flags);
    }
    return fd < 0 ? -errno : (int)fd;
}

/* Opens one kind of event of a thread on every CPU. -ESRCH when the thread has gone. */
static int open_on_cpus(struct perf_events *ev, enum perf_kind kind, pid_t tid)
{
    for (size_t i = 0; i < ev->ring_count; i++) {
        int fd = open_event(ev, kind, tid, ev->cpus[i], &ev->rings[i]);
        if (fd < 0)
            return fd;
        int rc = add_fd(ev, fd, kind, i);
        if (!rc && kind >= PERF_ENTER && ioctl(fd, PERF_EVENT_IOC_SET_FILTER, ev->filter))
            return -errno;
        if (rc) {
            close(fd);
            return rc;
        }
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const struct perf_id *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Which of several kinds of events wrote a record is told by the id. */
static int learn_ids(struct perf_events *ev)
{
    free(ev->ids);
    ev->ids = calloc(ev->fd_count, sizeof *ev->ids);
    if (!ev->ids)
        return -ENOMEM;
    for (size_t i = 0; i < ev->fd_count; i++) {
        ev->ids[i].kind = ev->fds[i].kind;
        if (ioctl(ev->fds[i].fd, PERF_EVENT_IOC_ID, &ev->ids[i].id))
            return -errno;
    }
    qsort(ev->ids, ev->fd_count, sizeof *ev->ids, by_id);
    ev->layout.ids = ev->ids;
    ev->layout.id_count = ev->fd_count;
    return 0;
}

static void detach(struct perf_events *ev)
{
    for (size_t i = 0; i < ev->fd_count; i++)
        close(ev->fds[i].fd);
    ev->fd_count = 0;
}

static bool is_wanted(const struct perf_wish *wish, unsigned kind)
{
    return kind == PERF_FAULT || (kind == PERF_KERNEL_FAULT ? wish->kernel : wish->calls);
}

/* A thread that ends meanwhile keeps the events that it has, which does no harm. */
static int open_on_threads(struct perf_events *ev, const struct threads *t)
{
    for (size_t i = 0; i < t->count; i++) {
        int rc = 0;
        for (unsigned kind = 0; !rc && kind < PERF_KIND_N; kind++)
            if (is_wanted(&ev->wish, kind))
                rc = open_on_cpus(ev, (enum perf_kind)kind, t->tid[i]);
        if (rc && rc != -ESRCH)
            return rc;
    }
    return ev->fd_count ? 0 : -ESRCH;
}

static void sleep_ms(unsigned ms)
{
    struct timespec t = {.tv_nsec = (long)ms * 1000000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* 0 when no thread that appeared while we attached is still there; those that appear from now on
 * were created by threads with events. Otherwise -EAGAIN. */
static int outwait_strangers(pid_t pid, const struct threads *attached)
{
    struct threads strangers = {0}, now = {0};
    sleep_ms(1); /* so that a thread in the middle of its creation is seen */
    int rc = list_threads(pid, &strangers);
    size_t left = strangers.count;
    for (unsigned look = 0; !rc && look < PATIENCE; look++) {
        rc = list_threads(pid, &now);
        left = 0;
        for (size_t i = 0; i < strangers.count; i++)
            left += !holds(attached, strangers.tid[i]) && holds(&now, strangers.tid[i]);
        if (!left)
            break;
        sleep_ms(1);
    }
    free(strangers.tid);
    free(now.tid);
    return rc == -ESRCH ? 0 : rc ? rc : left ? -EAGAIN : 0;
}

static int attach(struct perf_events *ev, pid_t pid)
{
    struct threads t = {0};
    int rc = -EAGAIN;
    for (unsigned attempt = 0; rc == -EAGAIN && attempt < ATTEMPTS; attempt++) {
        rc = list_threads(pid, &t);
        if (!rc)
            rc = open_on_threads(ev, &t);
        if (!rc)
            rc = outwait_strangers(pid, &t);
        if (!rc)
            break;
        detach(ev);
        for (size_t i = 0; i < ev->ring_count; i++)
            perf_ring_skip(&ev->rings[i]);
    }
    free(t.tid);
    return !rc && ev->wish.calls ? learn_ids(ev) : rc;
}

/* The ring of a CPU. -ENODEV: there is no such CPU, or it is off. */
static int open_ring(struct perf_ring *ring, int cpu, uint64_t bytes)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof attr,
        .config = PERF_COUNT_SW_DUMMY,
        .exclude_kernel = 1,
        .exclude_hv = 1,
        .watermark = 1,
        .wakeup_watermark = (uint32_t)(bytes / 4),
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC, /* as that of all who write into it */
    };
    long fd = syscall(SYS_perf_event_open, &attr, 0, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return errno == EINVAL && cpu > 0 ? -ENODEV : -errno;
    int rc = perf_ring_map(ring, (int)fd, bytes);
    if (rc)
        close((int)fd);
    return rc;
}

static void close_rings(struct perf_events *ev)
{
    for (size_t i = 0; i < ev->ring_count; i++)
        perf_ring_unmap(&ev->rings[i]);
    ev->ring_count = 0;
}

/* A ring on every CPU; their numbers may have gaps. */
static int try_rings(struct perf_events *ev, int cpus, uint64_t bytes)
{
    for (int cpu = 0; cpu < cpus; cpu++) {
        int rc = open_ring(&ev->rings[ev->ring_count], cpu, bytes);
        if (!rc)
            ev->cpus[ev->ring_count++] = cpu;
        else if (rc != -ENODEV)
            return rc;
    }
    return ev->ring_count ? 0 : -ENODEV;
}

/* Locked memory is accounted to the user: where too little is left for rings of this size on all
 * CPUs, they all become smaller. */
static int open_rings(struct perf_events *ev, uint64_t bytes)
{
    long most = sysconf(_SC_NPROCESSORS_CONF);
    int cpus = most > 0 && most < CPUS_MAX ? (int)most : CPUS_MAX;
    ev->cpus = calloc((size_t)cpus, sizeof *ev->cpus);
    ev->rings = calloc((size_t)cpus, sizeof *ev->rings);
    if (!ev->cpus || !ev->rings)
        return -ENOMEM;
    for (;; bytes /= 2) {
        int rc = try_rings(ev, cpus, bytes);
        if (!rc)
            return 0;
        close_rings(ev);
        if ((rc != -EPERM && rc != -ENOMEM) || bytes / 2 < RING_BYTES_MIN)
            return rc;
    }
}

/* One event on the first thread that has not ended (the first of all may have). 0 or why not. */
static int try_event(const struct perf_events *ev, enum perf_kind kind, const struct threads *t)
{
    int fd = -ESRCH;
    for (size_t i = 0; fd == -ESRCH && i < t->count; i++)
        fd = open_event(ev, kind, t->tid[i], -1, NULL);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

/* Asks for less where the kernel does not agree: no following into threads alone (before 5.13), no
 * faults in kernel mode, no system calls. */
static int find_settings(struct perf_events *ev, pid_t pid)
{
    struct threads t = {0};
    bool callers = ev->wish.callers;
    ev->wish.callers = false;
    ev->wish.threads_only = true;
    int rc = list_threads(pid, &t);
    if (!rc && (rc = try_event(ev, PERF_FAULT, &t)) == -EINVAL) {
        ev->wish.threads_only = false;
        rc = try_event(ev, PERF_FAULT, &t);
    }
    if (!rc && ev->wish.kernel)
        ev->wish.kernel = !try_event(ev, PERF_KERNEL_FAULT, &t);
    if (!rc && ev->wish.calls)
        ev->wish.calls = !try_event(ev, PERF_ENTER, &t);
    ev->wish.callers = callers;
    ev->layout.callers = ev->wish.callers = !rc && callers && !try_event(ev, PERF_FAULT, &t);
    free(t.tid);
    ev->layout.user_ip = PERF_ARCH_IP_MASK != 0;
    perf_calls_filter(ev->filter, sizeof ev->filter);
    return rc;
}

static int paranoid(void)
{
    struct buf b = {0};
    int level = -100;
    if (!io_read_at(AT_FDCWD, "/proc/sys/kernel/perf_event_paranoid", &b))
        level = atoi(b.data);
    buf_deinit(&b);
    return level;
}

static int explain(struct err *e, int rc, pid_t pid)
{
    switch (-rc) {
    case ESRCH:
        return err_set(e, rc, "no process %d: it has ended or never was; see ps -e", pid);
    case EACCES:
    case EPERM:
        return err_set(e, rc, "process %d may not be followed: it is another user's, or "
                              "perf_event_paranoid, now %d, forbids it; run as root, or sudo "
                              "sysctl kernel.perf_event_paranoid=2 for processes of your own",
                       pid, paranoid());
    case ENOSYS:
        return err_set(e, rc, "this kernel has no perf events; it needs one built with "
                              "CONFIG_PERF_EVENTS");
    case EMFILE:
    case ENFILE:
        return err_set(e, rc, "too many files open for one event a thread and CPU; raise "
                              "the limit with ulimit -n");
    case EAGAIN:
        return err_set(e, rc, "process %d starts threads faster than they can be followed; "
                              "try again, or follow it with bpf as root", pid);
    case ENOMEM:
        return err_set(e, rc, "no memory for the rings; free some, or raise ulimit -l");
    default:
        return err_set(e, rc, "events cannot be opened: %s; try --engine poll",
                       strerror(-rc));
    }
}

/* One descriptor a thread and CPU can be many: the soft limit is raised while they are opened. */
static void raise_limit(struct rlimit *was)
{
    if (getrlimit(RLIMIT_NOFILE, was))
        *was = (struct rlimit){0, 0};
    struct rlimit more = {was->rlim_max, was->rlim_max};
    if (was->rlim_cur < was->rlim_max)
        setrlimit(RLIMIT_NOFILE, &more);
}

int perf_events_open(struct perf_events *ev, pid_t pid, uint64_t ring_bytes, struct err *e)
{
    struct rlimit was;
    int rc = find_settings(ev, pid);
    if (!rc)
        rc = open_rings(ev, ring_bytes);
    if (!rc) {
        raise_limit(&was);
        rc = attach(ev, pid);
        if (was.rlim_cur < was.rlim_max)
            setrlimit(RLIMIT_NOFILE, &was);
    }
    if (rc) {
        perf_events_close(ev);
        return explain(e, rc, pid);
    }
    return 0;
}

void perf_events_close(struct perf_events *ev)
{
    detach(ev);
    close_rings(ev);
    free(ev->ids);
    free(ev->fds);
    free(ev->rings);
    free(ev->cpus);
    *ev = (struct perf_events){0};
}

void perf_events_count(const struct perf_events *ev, uint64_t *faults, uint64_t *lost)
{
    *faults = *lost = 0;
    for (size_t i = 0; i < ev->fd_count; i++) {
        uint64_t v[2] = {0, 0};
        if (read(ev->fds[i].fd, v, sizeof v) < (ssize_t)sizeof *v)
            continue;
        *faults += ev->fds[i].kind < PERF_ENTER ? v[0] : 0;
        *lost += v[1];
    }
}
