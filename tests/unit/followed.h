/* For tests of the bpf engine: a target, which is a fork of the test program that waits for a byte
 * before it begins, and all events that the engine tells of it. */
#ifndef VMSCOPE_TESTS_UNIT_FOLLOWED_H
#define VMSCOPE_TESTS_UNIT_FOLLOWED_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/engine.h"

enum { PAGE = 4096, SEEN_MAX = 1 << 19 };

/* What the targets tell about themselves; shared with them. */
static struct notes {
    uintptr_t area;
    pid_t child, grandchild, thread;
    uint64_t results[32];
} *notes;

static struct {
    struct event v[SEEN_MAX];
    size_t n;
} *seen;

static int begin[2];

/* Of a group of tests. */
static inline int followed_prepare(void **state)
{
    (void)state;
    notes = mmap(NULL, sizeof *notes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    seen = malloc(sizeof *seen);
    return notes == MAP_FAILED || !seen;
}

static inline int followed_tidy(void **state)
{
    (void)state;
    free(seen);
    return munmap(notes, sizeof *notes);
}

static inline pid_t start(void (*target)(void))
{
    memset(notes, 0, sizeof *notes);
    seen->n = 0;
    assert_int_equal(pipe(begin), 0);
    pid_t pid = fork();
    if (!pid) {
        char c;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(begin[1]);
        if (read(begin[0], &c, 1) == 1)
            target();
        _exit(0);
    }
    close(begin[0]);
    return pid;
}

static inline void let_go(void)
{
    assert_int_equal(write(begin[1], "x", 1), 1);
    close(begin[1]);
}

static inline void end(pid_t pid)
{
    close(begin[1]);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* For targets: memory in small pages; writing to each page. */
static inline char *map_small_pages(size_t pages)
{
    char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || madvise(p, pages * PAGE, MADV_NOHUGEPAGE))
        _exit(3);
    return p;
}

static inline void touch_pages(char *p, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        ((volatile char *)p)[i * PAGE] = 1;
}

static inline int keep(void *ctx, const struct event *events, size_t count)
{
    (void)ctx;
    assert_true(count > 0 && seen->n + count <= SEEN_MAX);
    memcpy(seen->v + seen->n, events, count * sizeof *events);
    seen->n += count;
    return 0;
}

/* Opens, or skips the test where there is no BPF; a target given is ended then. */
static inline struct engine *open_or_skip(const struct engine_options *o)
{
    struct engine *engine = NULL;
    struct err e = {0};
    int rc = engine_bpf.open(o, &engine, &e);
    if (rc == -ENOSYS || rc == -ENOENT || rc == -EPERM || rc == -EACCES || rc == -EOPNOTSUPP) {
        print_message("%s\n", e.text);
        end(o->pid);
        skip();
    }
    if (rc)
        fail_msg("%s", e.text);
    return engine;
}

/* Drains until the target has ended, and once more. */
static inline void follow_to_end(struct engine *engine, pid_t pid)
{
    for (bool over = false; !over;) {
        struct pollfd wait = {.fd = engine_bpf.fd(engine), .events = POLLIN};
        poll(&wait, 1, 10);
        over = waitpid(pid, NULL, WNOHANG) == pid;
        assert_int_equal(engine_bpf.drain(engine, keep, NULL), 0);
    }
    assert_int_equal(engine_bpf.rest(engine, keep, NULL), 0);
}

static inline struct engine_stats follow(void (*target)(void), struct engine_options o)
{
    struct engine_stats stats;
    o.pid = start(target);
    struct engine *engine = open_or_skip(&o);
    let_go();
    follow_to_end(engine, o.pid);
    engine_bpf.stats(engine, &stats);
    engine_bpf.close(engine);
    assert_int_equal(stats.events, seen->n);
    for (size_t i = 1; i < seen->n; i++)
        assert_true(seen->v[i - 1].t_ns <= seen->v[i].t_ns);
    return stats;
}

/* The same, but looks only when the target has ended. */
static inline struct engine_stats follow_late(void (*target)(void), struct engine_options o)
{
    struct engine_stats stats;
    o.pid = start(target);
    struct engine *engine = open_or_skip(&o);
    let_go();
    waitpid(o.pid, NULL, 0);
    assert_int_equal(engine_bpf.drain(engine, keep, NULL), 0);
    assert_int_equal(engine_bpf.rest(engine, keep, NULL), 0);
    engine_bpf.stats(engine, &stats);
    engine_bpf.close(engine);
    return stats;
}

static inline bool is_fault_in(const struct event *e, size_t first, size_t pages)
{
    return e->type == EVENT_FAULT && e->fault.address >= notes->area + first * PAGE &&
           e->fault.address < notes->area + (first + pages) * PAGE;
}

static inline size_t faults_of(pid_t pid, pid_t tid, size_t first, size_t pages)
{
    size_t n = 0;
    for (size_t i = 0; i < seen->n; i++)
        n += is_fault_in(&seen->v[i], first, pages) && seen->v[i].pid == pid &&
             seen->v[i].tid == tid;
    return n;
}

static inline const struct event *find(enum event_type type, pid_t pid, pid_t tid)
{
    for (size_t i = 0; i < seen->n; i++)
        if (seen->v[i].type == type && seen->v[i].pid == pid && seen->v[i].tid == tid)
            return &seen->v[i];
    return NULL;
}

#endif
