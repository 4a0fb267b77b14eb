/* The poll rung: counters. The kernel counts the faults of every process in /proc/PID/stat, for
 * everybody to read; what this rung learns of faults is only how many there were since it looked
 * last. No fault events are delivered: the number goes to stats.faults. Births, ends and new
 * programs are noticed when it looks, and delivered as events with that time.
 *
 * The counters are not those of the other rungs: populating and other processes' accesses count
 * here, faults that end in a signal do not (min_flt, maj_flt; proc_pid_stat(5)). What a process
 * does between our last look and its end is not seen. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "probe/engine.h"
#include "probe/stat.h"

enum { PROCESSES_MAX = 4096 };

struct program {
    dev_t dev;
    ino_t ino; /* 0: not known */
};

struct process {
    pid_t pid;
    uint64_t start_ticks, faults;
    struct program program;
    bool ended;
};

struct engine {
    struct process *v;
    size_t count, cap;
    bool follow;
    struct buf text;
    struct engine_stats stats;
};

static int read_text(struct engine *e, pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int rc = io_read_at(AT_FDCWD, path, &e->text);
    return rc == -ENOENT ? -ESRCH : rc;
}

static int read_stat(struct engine *e, pid_t pid, struct stat_line *out)
{
    int rc = read_text(e, pid, "stat");
    return rc ? rc : stat_parse(e->text.data, e->text.len, out);
}

static struct program program_of(pid_t pid)
{
    char path[32];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    return stat(path, &st) ? (struct program){0} : (struct program){st.st_dev, st.st_ino};
}

static int add(struct engine *e, pid_t pid, const struct stat_line *s, uint64_t faults)
{
    void *v = e->v;
    int rc = array_reserve(&v, &e->cap, e->count + 1, sizeof *e->v);
    e->v = v;
    if (!rc)
        e->v[e->count++] = (struct process){.pid = pid, .start_ticks = s->start_ticks,
                                            .faults = faults, .program = program_of(pid)};
    return rc;
}

static void poll_close(struct engine *e)
{
    if (!e)
        return;
    buf_deinit(&e->text);
    free(e->v);
    free(e);
}

static int poll_open(const struct engine_options *options, struct engine **out, struct err *err)
{
    struct engine *e = calloc(1, sizeof *e);
    struct stat_line s;
    if (!e)
        return err_set(err, -ENOMEM, "no memory for following faults");
    e->follow = options->follow;
    int rc = read_stat(e, options->pid, &s);
    if (!rc)
        rc = add(e, options->pid, &s, s.min_flt + s.maj_flt);
    if (rc) {
        poll_close(e);
        if (rc == -ESRCH)
            return err_set(err, rc, "no process %d: it has ended or never was; see ps -e",
                           options->pid);
        return err_set(err, rc, "the counters of process %d cannot be read: %s; is /proc mounted?",
                       options->pid, strerror(-rc));
    }
    *out = e;
    return 0;
}

static int poll_fd(const struct engine *e)
{
    (void)e;
    return -1;
}

static int tell(struct engine *e, struct event *event, engine_sink *sink, void *ctx)
{
    event->t_ns = io_now_ns();
    e->stats.events++;
    return sink(ctx, event, 1);
}

/* Fewer than before: the counters are another process's, or went backwards. */
static void count(struct engine *e, struct process *p, const struct stat_line *s)
{
    uint64_t faults = s->min_flt + s->maj_flt;
    if (faults > p->faults) {
        e->stats.faults += faults - p->faults;
        p->faults = faults;
    }
}

/* A program is another before its name is: the kernel lets maps be opened once exec has done both. */
static int tell_exec(struct engine *e, pid_t pid, engine_sink *sink, void *ctx)
{
    char path[32];
    struct stat_line s;
    struct event event = {.type = EVENT_EXEC, .pid = pid, .tid = pid};
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    if (read_stat(e, pid, &s))
        return 0; /* its end is told when it is looked at next */
    snprintf(event.exec.comm, sizeof event.exec.comm, "%.15s", s.comm);
    return tell(e, &event, sink, ctx);
}

static int look_at(struct engine *e, struct process *p, engine_sink *sink, void *ctx)
{
    struct stat_line s;
    int rc = read_stat(e, p->pid, &s);
    bool same = !rc && s.start_ticks == p->start_ticks;
    if (same)
        count(e, p, &s);
    if (!same || s.run_state == 'Z' || s.run_state == 'X') {
        struct event event = {.type = EVENT_EXIT, .pid = p->pid, .tid = p->pid};
        p->ended = true;
        return tell(e, &event, sink, ctx);
    }
    struct program program = program_of(p->pid);
    if (!program.ino || (program.ino == p->program.ino && program.dev == p->program.dev))
        return 0;
    bool changed = p->program.ino != 0;
    p->program = program;
    return changed ? tell_exec(e, p->pid, sink, ctx) : 0;
}

static bool is_known(const struct engine *e, pid_t pid)
{
    for (size_t i = 0; i < e->count; i++)
        if (e->v[i].pid == pid && !e->v[i].ended)
            return true;
    return false;
}

/* All faults of a new child count: its counters began at 0. */
static int take_child(struct engine *e, pid_t parent, pid_t child, engine_sink *sink, void *ctx)
{
    struct stat_line s;
    if (is_known(e, child) || e->count >= PROCESSES_MAX || read_stat(e, child, &s))
        return 0;
    int rc = add(e, child, &s, 0);
    if (rc)
        return rc;
    struct event event = {.type = EVENT_FORK, .pid = parent, .tid = parent,
                          .fork = {.child_pid = child, .child_tid = child}};
    return tell(e, &event, sink, ctx);
}

/* /proc/PID/task/TID/children: "12 34 ". */
static int take_children(struct engine *e, pid_t pid, pid_t tid, engine_sink *sink, void *ctx)
{
    char name[48];
    struct buf list = {0};
    snprintf(name, sizeof name, "/proc/%d/task/%d/children", pid, tid);
    int rc = 0;
    if (!io_read_at(AT_FDCWD, name, &list)) {
        const char *p = list.data, *end = list.data + list.len;
        uint64_t child;
        while (!rc && p < end && text_dec(&p, end, &child)) {
            rc = take_child(e, pid, (pid_t)child, sink, ctx);
            while (p < end && *p == ' ')
                p++;
        }
    }
    buf_deinit(&list);
    return rc;
}

static int look_for_children(struct engine *e, pid_t pid, engine_sink *sink, void *ctx)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path);
    if (!d)
        return 0;
    int rc = 0;
    for (struct dirent *entry; !rc && (entry = readdir(d));)
        if (atoi(entry->d_name) > 0)
            rc = take_children(e, pid, atoi(entry->d_name), sink, ctx);
    closedir(d);
    return rc;
}

static void forget_ended(struct engine *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->count; i++)
        if (!e->v[i].ended)
            e->v[kept++] = e->v[i];
    e->count = kept;
}

static int poll_drain(struct engine *e, engine_sink *sink, void *ctx)
{
    int rc = 0;
    for (size_t i = 0; !rc && e->follow && i < e->count; i++) /* children found now, too */
        rc = look_for_children(e, e->v[i].pid, sink, ctx);
    for (size_t i = 0; !rc && i < e->count; i++)
        rc = look_at(e, &e->v[i], sink, ctx);
    forget_ended(e);
    return rc;
}

static void poll_stats(const struct engine *e, struct engine_stats *out)
{
    *out = e->stats;
}

static bool poll_permitted(pid_t pid)
{
    (void)pid;
    return true;
}

const struct engine_ops engine_poll = {
    .name = "poll",
    .family = true,
    .blind = "which page, when, and by whom",
    .open = poll_open,
    .permitted = poll_permitted,
    .close = poll_close,
    .fd = poll_fd,
    .drain = poll_drain,
    .stats = poll_stats,
};
