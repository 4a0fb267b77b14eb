/* The worker for symbols: it answers with what lies at an instruction of this very program, takes
 * no more than it can keep, and ends at any moment. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "probe/mapped.h"
#include "sampler/lookup.h"

enum { PATIENCE_S = 60 };
static const uint64_t second = 1000000000;

__attribute__((noinline)) void lookup_test_function(void);
void lookup_test_function(void)
{
    __asm__ volatile("");
}

static uint64_t ip_here(void)
{
    void (*f)(void) = lookup_test_function;
    uintptr_t ip;
    memcpy(&ip, &f, sizeof ip);
    return ip;
}

static struct record *await(struct queue *q)
{
    uint64_t deadline = io_now_ns() + PATIENCE_S * second;
    while (io_now_ns() < deadline) {
        struct pollfd p = {queue_fd(q), POLLIN, 0};
        struct record *r = queue_take(q);
        if (r)
            return r;
        poll(&p, 1, 1000);
    }
    fail_msg("no answer came");
    return NULL;
}

static struct lookup *start(struct queue *q)
{
    struct lookup *l = NULL;
    struct err e = {0};
    assert_int_equal(lookup_start(NULL, q, &l, &e), 0);
    return l;
}

static void test_answers(void **state)
{
    (void)state;
    struct queue *q = queue_create();
    struct lookup *l = start(q);
    struct region_table *own = NULL;
    assert_int_equal(mapped_own_regions(&own), 0);
    uint64_t ip = ip_here();
    const struct region *r = region_table_at(own, ip);
    assert_non_null(r);
    assert_true(lookup_ask(l, getpid(), 7, ip, r));
    region_table_unref(own); /* the question has a copy */
    struct record *a = await(q);
    assert_int_equal(a->type, RECORD_SYMBOL);
    assert_int_equal(a->site->program, 7);
    assert_int_equal(a->site->ip, ip);
    assert_non_null(strstr(a->site->symbol, "lookup_test_function"));
    assert_non_null(strstr(a->site->source, "test_lookup.c:"));
    record_destroy(a);
    queue_close(q);
    lookup_stop(l);
    queue_unref(q);
}

/* Whoever waits finds all answers in the queue. */
static void test_settles(void **state)
{
    (void)state;
    enum { ASKED = 100 };
    const struct region r = {.start = 0x1000, .end = 0x100000, .name = "/nowhere"};
    struct queue *q = queue_create();
    struct lookup *l = start(q);
    assert_true(lookup_settle(l, 0) || lookup_settle(l, PATIENCE_S * 1000));
    for (uint64_t ip = 0; ip < ASKED; ip++)
        assert_true(lookup_ask(l, getpid(), 1, 0x1000 + ip, &r));
    assert_true(lookup_settle(l, PATIENCE_S * 1000));
    for (uint64_t ip = 0; ip < ASKED; ip++) {
        struct record *a = queue_take(q);
        assert_non_null(a);
        assert_int_equal(a->site->ip, 0x1000 + ip);
        record_destroy(a);
    }
    assert_null(queue_take(q));
    queue_close(q);
    lookup_stop(l);
    queue_unref(q);
}

/* A process that does not exist, and a file that is not there: an answer all the same. */
static void test_nothing_known(void **state)
{
    (void)state;
    struct queue *q = queue_create();
    struct lookup *l = start(q);
    const struct region r = {.start = 0x1000, .end = 0x2000, .perms = REGION_R | REGION_X,
                             .kind = REGION_FILE, .name = "/nowhere/at/all", .inode = 1};
    assert_true(lookup_ask(l, 0x7ffffff0, 1, 0x1010, &r));
    struct record *a = await(q);
    assert_string_equal(a->site->symbol, "");
    assert_string_not_equal(a->site->why, "");
    record_destroy(a);
    queue_close(q);
    lookup_stop(l);
    queue_unref(q);
}

static void test_bounded(void **state)
{
    (void)state;
    const struct region r = {.start = 0x1000, .end = 0x1000000, .name = "/nowhere"};
    for (unsigned round = 0; round < 20; round++) {
        struct queue *q = queue_create();
        struct lookup *l = start(q);
        unsigned taken = 0;
        for (uint64_t ip = 0; ip < 5000; ip++)
            taken += lookup_ask(l, getpid(), 1, 0x1000 + ip, &r);
        assert_true(taken >= 256);
        queue_close(q);
        lookup_stop(l);
        queue_unref(q);
    }
    lookup_stop(NULL);
}

/* Nobody takes the answers, so the worker stops once some thousands wait to be taken. */
static void test_questions_are_refused(void **state)
{
    (void)state;
    const struct region r = {.start = 0x1000, .end = 0x1000000, .name = "/nowhere"};
    struct queue *q = queue_create();
    struct lookup *l = start(q);
    unsigned taken = 0;
    for (uint64_t ip = 0; ip < 50000; ip++)
        taken += lookup_ask(l, getpid(), 1, 0x1000 + ip, &r);
    assert_true(taken < 10000);
    queue_close(q);
    lookup_stop(l);
    queue_unref(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_settles),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_questions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
