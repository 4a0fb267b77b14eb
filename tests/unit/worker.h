/* For tests of the perf engine: a child that does known work when it is told to, and a tally of
 * what the engine delivers of it. */
#ifndef VMSCOPE_TESTS_UNIT_WORKER_H
#define VMSCOPE_TESTS_UNIT_WORKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/engine.h"

static uint64_t page; /* bytes */

/* What came of a process. Faults are counted in a window of addresses. */
struct heard {
    uintptr_t from, to;
    uint64_t faults, kernel, others, forks, threads, execs, exits, process_exits, calls;
    uint64_t disorder, t_ns, first_ns;
    int32_t tids[64];
    size_t tid_count;
    char comm[16];
    struct event call[64]; /* the first calls */
    struct event mapping[64]; /* the first mappings, but for those that end a list */
    uint64_t mappings, all_told;
    uintptr_t ip;          /* of the last fault in the window */
    uint8_t *hits;         /* of each page of the window, if wanted */
};

static inline void hear_fault(struct heard *h, const struct event *e)
{
    assert_int_equal(e->fault.access, ACCESS_UNKNOWN);
    assert_int_equal(e->fault.protection, NOT_KNOWN);
    if (e->fault.address < h->from || e->fault.address >= h->to) {
        h->others++;
        return;
    }
    h->faults++;
    h->kernel += e->fault.mode == MODE_KERNEL;
    h->ip = e->fault.ip;
    if (h->hits)
        h->hits[(e->fault.address - h->from) / page]++;
    for (size_t i = 0; i < h->tid_count; i++)
        if (h->tids[i] == e->tid)
            return;
    if (h->tid_count < 64)
        h->tids[h->tid_count++] = e->tid;
}

static inline int hear(void *ctx, const struct event *events, size_t count)
{
    struct heard *h = ctx;
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &events[i];
        h->disorder += e->t_ns < h->t_ns;
        h->t_ns = e->t_ns;
        switch (e->type) {
        case EVENT_FAULT:
            hear_fault(h, e);
            break;
        case EVENT_CALL:
            if (h->calls < 64)
                h->call[h->calls] = *e;
            h->calls++;
            break;
        case EVENT_FORK:
            *(e->fork.child_pid == e->pid ? &h->threads : &h->forks) += 1;
            break;
        case EVENT_EXEC:
            h->execs++;
            memcpy(h->comm, e->exec.comm, sizeof h->comm);
            break;
        case EVENT_EXIT:
            h->exits++;
            h->process_exits += e->tid == e->pid;
            break;
        case EVENT_NAME:
            break;
        case EVENT_MAPPING:
            if (e->mapping.told == MAPPED_ALL)
                h->all_told++;
            else if (h->mappings < 64)
                h->mapping[h->mappings++] = *e;
            break;
        default:
            fail();
        }
    }
    return 0;
}

/* A child that does its work when it is told to, in a window that both know. */
struct worker {
    pid_t pid;
    int go, done;
    char *window;
    size_t pages;
};

typedef void work_fn(struct worker *w);

static inline char byte(int fd)
{
    char c = 0;
    return read(fd, &c, 1) == 1 ? c : 0;
}

static inline void wait_for_state(pid_t pid, char wanted)
{
    char path[32], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    while (state != wanted) {
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
        fclose(f);
        sched_yield();
    }
}

static inline void start_worker(struct worker *w, work_fn *work, size_t pages)
{
    int go[2], done[2];
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    assert_int_equal(pipe2(done, O_CLOEXEC), 0);
    w->pages = pages;
    w->window = mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(w->window, MAP_FAILED);
    madvise(w->window, pages * page, MADV_NOHUGEPAGE);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (!w->pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        w->go = go[0];
        w->done = done[1];
        if (write(done[1], "b", 1) == 1 && byte(go[0]) == 'g')
            work(w);
        _exit(0);
    }
    w->go = go[1];
    w->done = done[0];
    close(go[0]);
    close(done[1]);
    assert_int_equal(byte(w->done), 'b');
    wait_for_state(w->pid, 'S');
}

static inline void touch(const struct worker *w, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        *(volatile char *)(w->window + i * page) = 1;
}

static inline struct engine *follow(const struct worker *w, struct engine_options o)
{
    struct engine *e = NULL;
    struct err err = {0};
    o.pid = w->pid;
    if (engine_perf.open(&o, &e, &err))
        fail_msg("%s", err.text);
    assert_true(engine_perf.fd(e) >= 0);
    return e;
}

static inline struct heard heard_of(const struct worker *w)
{
    return (struct heard){.from = (uintptr_t)w->window,
                          .to = (uintptr_t)w->window + w->pages * page};
}

/* Drains as told by the descriptor until the process has ended and nothing comes any more. */
static inline void hear_all(struct worker *w, struct engine *e, struct heard *h)
{
    uint64_t quiet = 0;
    ssize_t n = write(w->go, "g", 1);
    assert_true(n == 1 || errno == EPIPE); /* it may have ended */
    while (quiet < 2) {
        struct pollfd p = {.fd = engine_perf.fd(e), .events = POLLIN};
        int ready = poll(&p, 1, 100);
        bool gone = waitpid(w->pid, NULL, WNOHANG | __WALL) != 0;
        assert_int_equal(engine_perf.drain(e, hear, h), 0);
        quiet = gone && !ready ? quiet + 1 : 0;
    }
    close(w->go);
    close(w->done);
    munmap(w->window, w->pages * page);
}

static inline struct engine_stats finish(struct worker *w, struct engine *e, struct heard *h)
{
    struct engine_stats s;
    hear_all(w, e, h);
    engine_perf.stats(e, &s);
    engine_perf.close(e);
    assert_int_equal(s.faults, h->faults + h->others);
    assert_int_equal(h->disorder, 0);
    assert_false(s.heat);
    return s;
}

static const struct engine_options plain = {.follow = true, .kernel = true};

static inline void touch_all(struct worker *w)
{
    touch(w, 0, w->pages);
}

/* Of `n` touches none is missing but for what was lost, and that may have been other faults (of a
 * sanitizer's own memory, too). */
static inline bool is_complete(const struct heard *h, const struct engine_stats *s, uint64_t n)
{
    return h->faults <= n && h->faults + s->lost >= n && (s->lost || h->faults == n);
}

#endif
