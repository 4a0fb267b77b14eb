/* Counters by perf_event_open: one event a counter and thread that is there when they are opened;
 * with inherit, each takes in what its thread begins later. (The kernel reads no groups of
 * inherited events at once, so each is read by itself.) */
#include "probe/counters.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "probe/pfm.h"

enum { THREADS_MAX = 64 };

struct counter {
    char name[sizeof((struct perf_count *)NULL)->name];
    char why[CAN_REASON_MAX]; /* "" when it counts */
    bool is_time;
    int fd[THREADS_MAX]; /* -1: none */
};

struct counters_group {
    unsigned count, threads;
    bool partial; /* more threads than these */
    struct counter v[PERF_COUNTS_MAX];
};

/* `kernel`: what it counts happens in the kernel, so that without its side nothing is left. */
static const struct software {
    const char *name;
    uint64_t config;
    bool kernel, is_time;
} software[] = {
    {"minor faults", PERF_COUNT_SW_PAGE_FAULTS_MIN, false, false},
    {"major faults", PERF_COUNT_SW_PAGE_FAULTS_MAJ, false, false},
    {"context switches", PERF_COUNT_SW_CONTEXT_SWITCHES, true, false},
    {"migrations", PERF_COUNT_SW_CPU_MIGRATIONS, true, false},
    {"CPU time", PERF_COUNT_SW_TASK_CLOCK, false, true},
};

/* Each is counted by the first of its events that this processor has. */
static const char *const usual[][5] = {
    {"dTLB-load-misses", NULL},
    {"dTLB-store-misses", NULL},
    {"iTLB-load-misses", NULL},
    {"DTLB_LOAD_MISSES:WALK_COMPLETED", "DTLB_LOAD_MISSES:MISS_CAUSES_A_WALK", "DTLB_WALK",
     "L1_DTLB_MISS:ANY", NULL},
    {"DTLB_LOAD_MISSES:WALK_ACTIVE", "DTLB_LOAD_MISSES:WALK_DURATION",
     "PAGE_WALKS:D_SIDE_CYCLES", NULL},
};
enum { USUAL = sizeof usual / sizeof *usual };

static int open_event(const struct perf_event_attr *attr, pid_t tid)
{
    long fd = syscall(SYS_perf_event_open, attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : (int)fd;
}

static void say_refused(struct counter *c, int rc, bool hardware)
{
    if (rc == -ESRCH)
        snprintf(c->why, sizeof c->why, "the process has ended");
    else if (rc == -EACCES || rc == -EPERM)
        snprintf(c->why, sizeof c->why,
                 "not permitted to this user; root, or sudo sysctl kernel.perf_event_paranoid=1, "
                 "would allow it");
    else if (rc == -EMFILE)
        snprintf(c->why, sizeof c->why, "too many open files (ulimit -n)");
    else if (hardware && (rc == -ENOENT || rc == -EOPNOTSUPP || rc == -ENODEV))
        snprintf(c->why, sizeof c->why,
                 "this machine has no such hardware counter (few virtual machines have any)");
    else
        snprintf(c->why, sizeof c->why, "perf_event_open: %s", strerror(-rc));
}

static void open_counter(struct counter *c, struct perf_event_attr *attr, const pid_t *tids,
                         unsigned threads, bool needs_kernel)
{
    bool hardware = attr->type != PERF_TYPE_SOFTWARE;
    int failed = threads ? 0 : -ESRCH;
    unsigned opened = 0;
    attr->size = sizeof *attr;
    attr->inherit = 1;
    attr->read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    for (unsigned i = 0; i < threads; i++) {
        int fd = open_event(attr, tids[i]);
        if (fd == -EACCES && !needs_kernel && !attr->exclude_kernel) {
            attr->exclude_kernel = 1;
            fd = open_event(attr, tids[i]);
        }
        c->fd[i] = fd < 0 ? -1 : fd;
        opened += fd >= 0;
        failed = fd < 0 && !failed ? fd : failed;
    }
    if (!opened)
        say_refused(c, failed, hardware);
}

static struct counter *add(struct counters_group *g, const char *name)
{
    if (g->count == PERF_COUNTS_MAX)
        return NULL;
    struct counter *c = &g->v[g->count++];
    text_escape(c->name, sizeof c->name, name, strlen(name));
    for (unsigned i = 0; i < THREADS_MAX; i++)
        c->fd[i] = -1;
    return c;
}

/* The names are tried in turn; the first stands for all when none is known. */
static void add_hardware(struct counters_group *g, const char *const *names, const pid_t *tids)
{
    struct perf_event_attr attr = {.type = 0};
    struct err e = {0};
    unsigned i = 0;
    int rc = pfm_encode(names[0], &attr, &e);
    while (rc == -ENOENT && names[++i])
        rc = pfm_encode(names[i], &attr, NULL);
    struct counter *c = add(g, rc ? names[0] : names[i]);
    if (!c)
        return;
    if (rc)
        snprintf(c->why, sizeof c->why, "%.*s", (int)sizeof c->why - 1, e.text);
    else
        open_counter(c, &attr, tids, g->threads, false);
}

static void add_list(struct counters_group *g, const char *list, const pid_t *tids)
{
    while (*list) {
        char name[128];
        size_t len = strcspn(list, ",");
        snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), list);
        const char *const names[] = {name, NULL};
        if (len)
            add_hardware(g, names, tids);
        list += len + (list[len] == ',');
    }
}

/* The threads of a process, at most THREADS_MAX; *more says that there are others. */
static unsigned list_threads(pid_t pid, pid_t tids[THREADS_MAX], bool *more)
{
    char path[40];
    unsigned n = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    *more = false;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        const char *p = entry->d_name, *end = p + strlen(p);
        uint64_t tid;
        if (!text_dec(&p, end, &tid) || p != end || tid > INT_MAX)
            continue;
        if (n < THREADS_MAX)
            tids[n++] = (pid_t)tid;
        else
            *more = true;
    }
    if (d)
        closedir(d);
    return n;
}

struct counters_group *counters_open(pid_t pid, const char *list)
{
    struct counters_group *g = calloc(1, sizeof *g);
    pid_t tids[THREADS_MAX], later[THREADS_MAX];
    if (!g)
        return NULL;
    g->threads = list_threads(pid, tids, &g->partial);
    for (unsigned i = 0; i < sizeof software / sizeof *software; i++) {
        struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .config = software[i].config};
        struct counter *c = add(g, software[i].name);
        if (!c)
            break;
        c->is_time = software[i].is_time;
        open_counter(c, &attr, tids, g->threads, software[i].kernel);
    }
    if (list && *list)
        add_list(g, list, tids);
    else
        for (unsigned i = 0; i < USUAL; i++)
            add_hardware(g, usual[i], tids);
    bool more;
    g->partial |= list_threads(pid, later, &more) != g->threads; /* some began meanwhile */
    return g;
}

void counters_close(struct counters_group *g)
{
    for (unsigned i = 0; g && i < g->count; i++)
        for (unsigned k = 0; k < THREADS_MAX; k++)
            if (g->v[i].fd[k] >= 0)
                close(g->v[i].fd[k]);
    free(g);
}

/* Several events that shared one counter of the processor took turns: the count is extrapolated. */
static void read_counter(const struct counter *c, unsigned threads, struct perf_count *out)
{
    out->known = !c->why[0];
    out->is_time = c->is_time;
    memcpy(out->name, c->name, sizeof out->name);
    memcpy(out->why, c->why, sizeof out->why);
    double sum = 0;
    for (unsigned i = 0; i < threads; i++) {
        struct {
            uint64_t value, enabled, running;
        } now;
        if (c->fd[i] < 0 || read(c->fd[i], &now, sizeof now) != (ssize_t)sizeof now)
            continue;
        bool turns = now.running < now.enabled;
        out->scaled |= turns && now.running;
        if (turns && !now.running && now.enabled && !now.value) {
            out->known = false;
            snprintf(out->why, sizeof out->why, "the processor had no counter free for it");
            return;
        }
        sum += turns ? (double)now.value * (double)now.enabled / (double)now.running
                     : (double)now.value;
        out->value += now.value;
    }
    if (out->scaled)
        out->value = (uint64_t)(sum + 0.5);
}

void counters_read(const struct counters_group *g, struct perf_counts *out)
{
    *out = (struct perf_counts){.count = g->count, .partial = g->partial};
    for (unsigned i = 0; i < g->count; i++)
        read_counter(&g->v[i], g->threads, &out->v[i]);
}
