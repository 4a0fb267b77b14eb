/* The sampler thread and its queue: started and stopped at any moment, over targets that end, and
 * over a /proc that never answers. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "model/model.h"
#include "sampler/watch.h"

#define SECOND UINT64_C(1000000000)
enum { PATIENCE = 60, MANY = 100000 };

static pid_t start_target(void)
{
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    assert_true(pid > 0);
    return pid;
}

static void end_target(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static struct watch *start(pid_t pid, const char *root, uint64_t refresh_ns, struct queue *q)
{
    const struct sampler_options o = {.proc_root = root, .pid = pid, .want = PAGES_ALL,
                                      .cpu_permille = 1000};
    struct watch *w = NULL;
    struct err e = {0};
    assert_int_equal(watch_start(&o, refresh_ns, q, &w, &e), 0);
    return w;
}

/* Waits for records of this type, others are dropped; the record is the caller's. */
static struct record *await(struct queue *q, enum record_type type)
{
    uint64_t deadline = io_now_ns() + PATIENCE * SECOND;
    while (io_now_ns() < deadline) {
        struct pollfd p = {queue_fd(q), POLLIN, 0};
        struct record *r = queue_take(q);
        if (r && r->type == type)
            return r;
        if (!r)
            poll(&p, 1, 1000);
        record_destroy(r);
    }
    fail_msg("no record of type %d came", type);
    return NULL;
}

static void test_starts_and_stops(void **state)
{
    (void)state;
    pid_t pid = start_target();
    for (unsigned i = 0; i < 60; i++) {
        struct queue *q = queue_create();
        struct watch *w = start(pid, NULL, SECOND / 1000, q);
        for (unsigned k = 0; k < i % 3; k++)
            record_destroy(await(q, RECORD_SAMPLE));
        watch_stop(w);
        queue_unref(q);
    }
    watch_stop(NULL);
    end_target(pid);
}

static void test_the_first_records(void **state)
{
    (void)state;
    pid_t pid = start_target();
    struct queue *q = queue_create();
    struct watch *w = start(pid, NULL, SECOND / 100, q);
    struct model *m = model_create();
    uint64_t deadline = io_now_ns() + PATIENCE * SECOND;
    while (!model_now(m) || !model_now(m)->sample.complete) {
        struct record *r = queue_take(q);
        if (r)
            assert_int_equal(model_fold(m, r), 0);
        assert_true(io_now_ns() < deadline);
    }
    assert_int_equal(model_now(m)->target.pid, pid);
    assert_true(model_now(m)->regions->count > 3);
    model_destroy(m);
    watch_stop(w);
    queue_unref(q);
    end_target(pid);
}

static void test_answers_questions(void **state)
{
    (void)state;
    pid_t pid = start_target();
    struct queue *q = queue_create();
    struct watch *w = start(pid, NULL, 1000 * SECOND, q); /* not by the next tick */
    record_destroy(await(q, RECORD_SAMPLE));
    uint64_t here = (uint64_t)(uintptr_t)&q;
    for (unsigned i = 0; i < 20; i++) {
        watch_look(w, here, here + 4096);
        watch_ask_flags(w);
        watch_ask_page(w, here);
        struct record *r = await(q, RECORD_DETAIL);
        assert_int_equal(r->detail->address, here & ~UINT64_C(4095));
        assert_true(r->detail->has_entry);
        record_destroy(r);
    }
    watch_stop(w);
    queue_unref(q);
    end_target(pid);
}

static void test_says_that_the_target_ended(void **state)
{
    (void)state;
    for (unsigned before = 0; before < 2; before++) {
        pid_t pid = start_target();
        struct queue *q = queue_create();
        if (before)
            end_target(pid);
        struct watch *w = start(pid, NULL, SECOND / 1000, q);
        if (!before) {
            record_destroy(await(q, RECORD_SAMPLE));
            end_target(pid);
        }
        struct record *r = await(q, RECORD_GONE);
        assert_true(r->gone.text[0]);
        record_destroy(r);
        watch_stop(w);
        queue_unref(q);
    }
}

struct filler {
    struct queue *q;
    int rc;
};

static void *fill(void *arg)
{
    struct filler *f = arg;
    for (uint64_t i = 0; !f->rc; i++)
        f->rc = queue_put(f->q, record_create(RECORD_GONE, 1, i));
    return NULL;
}

/* Takes far more than fits, in order, from one who puts without end and is let go at last. */
static void test_a_full_queue_loses_nothing(void **state)
{
    (void)state;
    struct filler f = {.q = queue_create()};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fill, &f), 0);
    for (uint64_t i = 0; i < MANY; i++) {
        struct record *r;
        while (!(r = queue_take(f.q))) {
            struct pollfd p = {queue_fd(f.q), POLLIN, 0};
            assert_int_equal(poll(&p, 1, PATIENCE * 1000), 1);
        }
        assert_int_equal(r->t_ns, i);
        record_destroy(r);
    }
    queue_close(f.q);
    pthread_join(thread, NULL);
    assert_int_equal(f.rc, -ECANCELED);
    assert_int_equal(queue_put(f.q, record_create(RECORD_GONE, 1, 0)), -ECANCELED);
    queue_unref(f.q); /* with what is still in it */
}

/* Nobody takes, and others fill the queue too: whoever waits for room, stopping lets him go. */
static void test_stops_while_the_queue_is_full(void **state)
{
    (void)state;
    pid_t pid = start_target();
    struct filler f = {.q = queue_create()};
    struct watch *w = start(pid, NULL, 1, f.q);
    pthread_t thread;
    record_destroy(await(f.q, RECORD_SAMPLE));
    assert_int_equal(pthread_create(&thread, NULL, fill, &f), 0);
    watch_stop(w);
    pthread_join(thread, NULL);
    assert_int_equal(f.rc, -ECANCELED);
    queue_unref(f.q);
    end_target(pid);
}

static char root[] = "/tmp/vmscope-watch-XXXXXX";

static void in_root(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", root, name);
}

static void put_file(const char *name, const char *text)
{
    char path[128];
    in_root(path, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* A stand-in process whose maps is a FIFO that nobody writes to: opening it never returns. */
static void make_blocking_root(void)
{
    char path[128];
    assert_non_null(mkdtemp(root));
    in_root(path, "77");
    assert_int_equal(mkdir(path, 0700), 0);
    put_file("77/stat", "77 (x) S 1 0 0 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 99 4096 1\n");
    put_file("77/status", "VmSize:\t4 kB\nVmRSS:\t4 kB\n");
    in_root(path, "77/maps");
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void remove_blocking_root(void)
{
    static const char *const names[] = {"77/stat", "77/status", "77/maps", "77", ""};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        in_root(path, names[i]);
        remove(path);
    }
}

static void test_a_blocked_thread_is_left_behind(void **state)
{
    (void)state;
    make_blocking_root();
    struct queue *q = queue_create();
    struct watch *w = start(77, root, SECOND / 100, q);
    record_destroy(await(q, RECORD_TARGET)); /* then it opens maps */
    watch_stop(w);                           /* returns; or the test never ends */
    queue_unref(q);
    /* Let the thread go now, so that nothing of it is left when this program ends. */
    char path[128];
    in_root(path, "77/maps");
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fclose(f);
    remove_blocking_root();
}

int main(void)
{
    alarm(15 * PATIENCE);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_and_stops),
        cmocka_unit_test(test_the_first_records),
        cmocka_unit_test(test_answers_questions),
        cmocka_unit_test(test_says_that_the_target_ended),
        cmocka_unit_test(test_stops_while_the_queue_is_full),
        cmocka_unit_test(test_a_full_queue_loses_nothing),
        cmocka_unit_test(test_a_blocked_thread_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
