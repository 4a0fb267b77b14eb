/* The perf engine on processes of our own whose faults are known: none is missing or told twice,
 * whatever threads, children and programs come and go, and what is lost is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/buf.h"
#include "probe/engine.h"
#include "probe/maps.h"
#include "worker.h"

static void a_burst_is_complete(void **state)
{
    (void)state;
    struct worker w;
    start_worker(&w, touch_all, 100000);
    struct heard h = heard_of(&w);
    struct engine *e = follow(&w, plain);
    struct engine_stats s = finish(&w, e, &h);
    assert_true(is_complete(&h, &s, 100000));
    assert_int_equal(h.kernel, 0);
    assert_true(h.tid_count == 1 && h.tids[0] == w.pid);
    assert_int_equal(h.process_exits, 1);
}

/* The faults that a process makes from now on, counted by an event without a ring. */
static int count_faults(pid_t pid)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_PAGE_FAULTS};
    int fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* With the smallest ring and nobody draining, most is lost, and every bit of that is counted. */
static void losses_are_counted_exactly(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct worker w;
    struct engine_options o = plain;
    start_worker(&w, touch_all, 20000);
    struct heard h = heard_of(&w);
    o.ring_bytes = 16384;
    struct engine *e = follow(&w, o);
    int counter = count_faults(w.pid);
    assert_int_equal(write(w.go, "g", 1), 1);
    assert_int_equal(waitid(P_PID, (id_t)w.pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    struct engine_stats s = finish(&w, e, &h);
    uint64_t made = 0;
    assert_int_equal(read(counter, &made, sizeof made), sizeof made);
    close(counter);
    assert_true(h.faults < 2000 && made >= 20000);
    /* What was lost may be the record of the end, too. */
    assert_in_range(s.faults + s.lost, made, made + 1);
}

static void *touch_a_quarter(void *arg)
{
    static int next;
    struct worker *w = arg;
    size_t i = (size_t)__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % 4;
    touch(w, w->pages / 4 * i, w->pages / 4 * (i + 1));
    return NULL;
}

static void touch_by_threads(struct worker *w)
{
    pthread_t t[4];
    for (unsigned i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, touch_a_quarter, w))
            _exit(1);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
}

static void new_threads_are_followed(void **state)
{
    (void)state;
    struct worker w;
    start_worker(&w, touch_by_threads, 8000);
    struct heard h = heard_of(&w);
    h.hits = calloc(w.pages, 1);
    struct engine *e = follow(&w, plain);
    struct engine_stats s = finish(&w, e, &h);
    assert_int_equal(s.lost, 0);
    for (size_t i = 0; i < w.pages; i++)
        assert_int_equal(h.hits[i], 1);
    free(h.hits);
    assert_int_equal(h.tid_count, 4);
    assert_in_range(h.threads, 4, 5); /* a sanitizer may have its own */
    assert_in_range(h.exits, 5, 6);
    assert_int_equal(h.process_exits, 1);
}

/* Threads that wait with the work before the engine opens; others come and go meanwhile. */
static void *wait_and_touch(void *arg)
{
    struct worker *w = arg;
    while (!*(volatile char *)w->window)
        sched_yield();
    return touch_a_quarter(arg);
}

static void *flicker(void *arg)
{
    return arg;
}

static void go_by_threads(struct worker *w)
{
    pthread_t t[3], brief;
    for (unsigned i = 0; i < 3; i++)
        if (pthread_create(&t[i], NULL, wait_and_touch, w))
            _exit(1);
    struct pollfd p = {.fd = w->go, .events = POLLIN};
    if (write(w->done, "r", 1) != 1)
        _exit(1);
    while (!poll(&p, 1, 0))
        if (!pthread_create(&brief, NULL, flicker, NULL))
            pthread_join(brief, NULL);
    touch_a_quarter(w); /* the first page of it lets the others go */
    for (unsigned i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
}

static void existing_threads_are_followed_once(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        struct worker w;
        start_worker(&w, go_by_threads, 8000);
        struct heard h = heard_of(&w);
        h.hits = calloc(w.pages, 1);
        assert_int_equal(write(w.go, "g", 1), 1);
        assert_int_equal(byte(w.done), 'r');
        struct engine *e = follow(&w, plain);
        struct engine_stats s = finish(&w, e, &h);
        assert_int_equal(s.lost, 0);
        for (size_t i = 1; i < w.pages; i++)
            assert_int_equal(h.hits[i], 1);
        free(h.hits);
    }
}

/* A process whose first thread has ended. */
static void leave_it_to_a_thread(struct worker *w)
{
    pthread_t t;
    if (pthread_create(&t, NULL, wait_and_touch, w) || write(w->done, "r", 1) != 1)
        _exit(1);
    pthread_exit(NULL);
}

static void a_thread_may_outlive_the_first(void **state)
{
    (void)state;
    struct worker w;
    start_worker(&w, leave_it_to_a_thread, 4000);
    struct heard h = heard_of(&w);
    assert_int_equal(write(w.go, "g", 1), 1);
    assert_int_equal(byte(w.done), 'r');
    wait_for_state(w.pid, 'Z');
    struct engine *e = follow(&w, plain);
    kill(w.pid, SIGKILL);
    struct engine_stats s = finish(&w, e, &h);
    assert_int_equal(s.lost, 0);
    assert_int_equal(h.exits, 1); /* the first's was before our time */
    assert_int_equal(h.process_exits, 0);
}

static void touch_by_children(struct worker *w)
{
    touch(w, 0, 100);
    for (unsigned i = 1; i <= 3; i++)
        if (!fork()) {
            touch(w, 100 * i, 100 * (i + 1));
            if (i == 1 && !fork())
                touch(w, 400, 500);
            while (wait(NULL) > 0)
                continue;
            _exit(0);
        }
    while (wait(NULL) > 0)
        continue;
}

static void children_are_followed(void **state)
{
    (void)state;
    struct worker w;
    start_worker(&w, touch_by_children, 500);
    struct heard h = heard_of(&w);
    h.hits = calloc(w.pages, 1);
    struct engine *e = follow(&w, plain);
    struct engine_stats s = finish(&w, e, &h);
    assert_int_equal(s.lost, 0);
    for (size_t i = 0; i < w.pages; i++)
        assert_int_equal(h.hits[i], 1);
    free(h.hits);
    assert_int_equal(h.forks, 4);
    assert_int_equal(h.process_exits, 5);
    assert_int_equal(h.tid_count, 5);
}

static void children_are_left_alone(void **state)
{
    (void)state;
    struct worker w;
    struct engine_options o = {.kernel = true};
    start_worker(&w, touch_by_children, 500);
    struct heard h = heard_of(&w);
    struct engine *e = follow(&w, o);
    struct engine_stats s = finish(&w, e, &h);
    assert_int_equal(s.lost, 0);
    assert_int_equal(h.faults, 100);
    assert_int_equal(h.forks, 3); /* of its own; the grandchild's birth is not told */
    assert_int_equal(h.process_exits, 1);
}

static void threads_without_children(void **state)
{
    (void)state;
    struct worker w;
    struct engine_options o = {.kernel = true};
    start_worker(&w, touch_by_threads, 8000);
    struct heard h = heard_of(&w);
    struct engine *e = follow(&w, o);
    struct engine_stats s = finish(&w, e, &h);
    assert_true(is_complete(&h, &s, 8000));
}

static void exec_true(struct worker *w)
{
    touch(w, 0, 10);
    execl("/bin/true", "true", (char *)NULL);
}

static void exec_is_followed(void **state)
{
    (void)state;
    struct worker w;
    start_worker(&w, exec_true, 10);
    struct heard h = heard_of(&w);
    struct engine *e = follow(&w, plain);
    struct engine_stats s = finish(&w, e, &h);
    assert_int_equal(s.lost, 0);
    assert_int_equal(h.faults, 10);
    assert_int_equal(h.execs, 1);
    assert_string_equal(h.comm, "true");
    assert_true(h.others > 20); /* of the new program */
    assert_int_equal(h.process_exits, 1);
}

static void exec_cat(struct worker *w)
{
    dup2(w->go, 0); /* which it waits for */
    execl("/bin/cat", "cat", (char *)NULL);
}

static bool was_told(const struct heard *h, const struct region *r)
{
    for (uint64_t i = 0; i < h->mappings; i++) {
        const struct event *e = &h->mapping[i];
        if (e->mapping.start == r->start && e->mapping.end == r->end &&
            e->mapping.inode == r->inode && e->mapping.offset == r->offset &&
            e->mapping.dev_major == r->dev_major && e->mapping.dev_minor == r->dev_minor &&
            e->mapping.perms == r->perms)
            return true;
    }
    return false;
}

static struct region_table *regions_of(pid_t pid)
{
    struct region_table *t = NULL;
    struct buf b = {0};
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    assert_int_equal(io_read_at(AT_FDCWD, path, &b), 0);
    assert_int_equal(maps_parse(b.data, b.len, NULL, &t), 0);
    buf_deinit(&b);
    return t;
}

/* Every file that a new program has mapped was told, and those of exec itself before it ran. */
static void mappings_of_a_new_program_are_told(void **state)
{
    (void)state;
    struct worker w;
    start_worker(&w, exec_cat, 1);
    struct heard h = heard_of(&w);
    struct engine *e = follow(&w, plain);
    assert_int_equal(write(w.go, "g", 1), 1);
    for (unsigned quiet = 0; quiet < 3 || !h.all_told;) {
        uint64_t before = h.mappings + h.others;
        usleep(20000);
        assert_int_equal(engine_perf.drain(e, hear, &h), 0);
        quiet = h.mappings + h.others == before ? quiet + 1 : 0;
    }
    struct region_table *t = regions_of(w.pid);
    unsigned files = 0, text = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct region *r = &t->v[i];
        if (!r->inode || r->perms & REGION_W)
            continue;
        files++;
        text += r->perms == (REGION_R | REGION_X) && was_told(&h, r);
    }
    assert_true(files > 4 && text >= 3); /* cat, ld.so, libc */
    assert_int_equal(h.all_told, 1);
    assert_int_equal(h.mapping[0].mapping.told, MAPPED_AT_EXEC);
    assert_int_equal(h.mapping[h.mappings - 1].mapping.told,
                     h.calls ? MAPPED_BY_CALL : MAPPED_SEEN);
    region_table_unref(t);
    kill(w.pid, SIGKILL);
    finish(&w, e, &h);
}

static void read_into(struct worker *w)
{
    int fd = open("/dev/zero", O_RDONLY);
    if (read(fd, w->window, w->pages * page) < 0)
        _exit(1);
}

static void faults_in_kernel_mode_have_the_users_ip(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct worker w;
    start_worker(&w, read_into, 50);
    struct heard h = heard_of(&w);
    struct engine *e = follow(&w, plain);
    finish(&w, e, &h);
    assert_int_equal(h.faults, 50);
    assert_int_equal(h.kernel, 50);
    assert_true(h.ip > 0x1000 && h.ip < UINT64_C(1) << 47);
}

static void without_kernel_mode_they_are_not_seen(void **state)
{
    (void)state;
    struct worker w;
    struct engine_options o = {.follow = true};
    start_worker(&w, read_into, 50);
    struct heard h = heard_of(&w);
    struct engine *e = follow(&w, o);
    finish(&w, e, &h);
    assert_int_equal(h.faults, 0);
}

/* A few faults do not fill any ring: they must come by themselves. */
static void touch_and_wait(struct worker *w)
{
    touch_all(w);
    byte(w->go);
}

static void few_faults_come_by_themselves(void **state)
{
    (void)state;
    struct worker w;
    start_worker(&w, touch_and_wait, 3);
    struct heard h = heard_of(&w);
    struct engine *e = follow(&w, plain);
    assert_int_equal(write(w.go, "g", 1), 1);
    uint64_t began = io_now_ns();
    while (h.faults < 3 && io_now_ns() - began < UINT64_C(60000000000)) {
        struct pollfd p = {.fd = engine_perf.fd(e), .events = POLLIN};
        poll(&p, 1, 1000);
        assert_int_equal(engine_perf.drain(e, hear, &h), 0);
    }
    assert_int_equal(h.faults, 3);
    finish(&w, e, &h);
}

static int stop(void *ctx, const struct event *events, size_t count)
{
    (void)events;
    *(size_t *)ctx += count;
    return -ECANCELED;
}

static void a_sink_can_end_the_draining(void **state)
{
    (void)state;
    struct worker w;
    start_worker(&w, touch_and_wait, 1000);
    struct heard h = heard_of(&w);
    struct engine *e = follow(&w, plain);
    assert_int_equal(write(w.go, "g", 1), 1);
    size_t taken = 0;
    int rc = 0;
    while (!taken)
        if (!(rc = engine_perf.drain(e, stop, &taken)))
            poll(&(struct pollfd){.fd = engine_perf.fd(e), .events = POLLIN}, 1, 100);
    assert_int_equal(rc, -ECANCELED);
    struct engine_stats s = {0};
    hear_all(&w, e, &h);
    engine_perf.stats(e, &s);
    engine_perf.close(e);
    assert_int_equal(h.faults + h.others + taken, s.faults);
    assert_int_equal(s.lost, 0);
    engine_perf.close(NULL);
}

static void the_dead_cannot_be_followed(void **state)
{
    (void)state;
    struct engine *e = NULL;
    struct err err = {0};
    pid_t pid = fork();
    if (!pid)
        _exit(0);
    waitpid(pid, NULL, 0);
    struct engine_options o = plain;
    o.pid = pid;
    assert_int_equal(engine_perf.open(&o, &e, &err), -ESRCH);
    assert_non_null(strstr(err.text, "has ended"));
    assert_null(e);
}

/* When we are killed, the target goes on as if nothing had been. */
static void killing_the_follower_leaves_the_target(void **state)
{
    (void)state;
    struct worker w;
    int ready[2], status = -1;
    start_worker(&w, touch_by_threads, 8000);
    assert_int_equal(pipe(ready), 0);
    pid_t follower = fork();
    if (!follower) {
        follow(&w, plain);
        _exit(write(ready[1], "r", 1) == 1 ? pause() : 1);
    }
    assert_int_equal(byte(ready[0]), 'r');
    kill(follower, SIGKILL);
    waitpid(follower, NULL, 0);
    int counter = count_faults(w.pid); /* events are still to be had */
    assert_int_equal(write(w.go, "g", 1), 1);
    assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
    assert_int_equal(status, 0);
    close(counter);
    close(ready[0]);
    close(ready[1]);
    close(w.go);
    close(w.done);
    munmap(w.window, w.pages * page);
}

int main(void)
{
    page = (uint64_t)sysconf(_SC_PAGESIZE);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_complete),
        cmocka_unit_test(losses_are_counted_exactly),
        cmocka_unit_test(new_threads_are_followed),
        cmocka_unit_test(existing_threads_are_followed_once),
        cmocka_unit_test(a_thread_may_outlive_the_first),
        cmocka_unit_test(children_are_followed),
        cmocka_unit_test(children_are_left_alone),
        cmocka_unit_test(threads_without_children),
        cmocka_unit_test(exec_is_followed),
        cmocka_unit_test(mappings_of_a_new_program_are_told),
        cmocka_unit_test(faults_in_kernel_mode_have_the_users_ip),
        cmocka_unit_test(without_kernel_mode_they_are_not_seen),
        cmocka_unit_test(few_faults_come_by_themselves),
        cmocka_unit_test(a_sink_can_end_the_draining),
        cmocka_unit_test(the_dead_cannot_be_followed),
        cmocka_unit_test(killing_the_follower_leaves_the_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
