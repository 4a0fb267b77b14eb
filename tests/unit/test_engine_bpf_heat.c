/* The bpf engine where there is more than can be told: faults are counted by page, in heat mode,
 * and calls that are lost are counted too. */
#include <stdio.h>

#include "base/io.h"
#include "followed.h"

enum {
    MANY = 100000,
    PATIENCE_MS = 60000,
    OTHERS_MAX = 20000 /* faults outside of the area, under a sanitizer */
};

static void touch_many(void)
{
    char *p = map_small_pages(MANY);
    notes->area = (uintptr_t)p;
    touch_pages(p, MANY);
}

static void map_and_unmap(void)
{
    for (int i = 0; i < MANY / 2; i++) {
        void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || munmap(p, PAGE))
            _exit(3);
    }
}

struct counted {
    uint64_t inside, all; /* faults: in the area; anywhere */
    uint64_t after_exit;
    bool exited;
};

static int add_counted(void *ctx, const struct event *v, size_t count)
{
    struct counted *c = ctx;
    for (size_t i = 0; i < count; i++) {
        c->exited |= v[i].type == EVENT_EXIT && v[i].tid == v[i].pid;
        assert_int_not_equal(v[i].type, EVENT_FAULT);
        if (v[i].type != EVENT_HEAT)
            continue;
        uint64_t start = v[i].heat.address, end = start + v[i].heat.pages * PAGE;
        assert_true(start % PAGE == 0 && end > start && v[i].heat.count > 0);
        c->all += v[i].heat.pages * v[i].heat.count;
        c->after_exit += c->exited;
        if (start >= notes->area && end <= notes->area + (uintptr_t)MANY * PAGE)
            c->inside += v[i].heat.pages * v[i].heat.count;
    }
    return 0;
}

/* Every fault is told once, with its page, before the process ends: but for some whose page may
 * find no room in the table. */
static void test_heat_counts_all(void **state)
{
    (void)state;
    struct engine_stats stats;
    struct counted counted = {0}, again = {0};
    struct engine_options o = {.heat = true};
    o.pid = start(touch_many);
    struct engine *engine = open_or_skip(&o);
    let_go();
    waitpid(o.pid, NULL, 0);
    assert_int_equal(engine_bpf.drain(engine, add_counted, &counted), 0);
    assert_int_equal(engine_bpf.rest(engine, add_counted, &counted), 0);
    assert_int_equal(engine_bpf.rest(engine, add_counted, &again), 0);
    engine_bpf.stats(engine, &stats);
    engine_bpf.close(engine);
    assert_true(stats.heat && stats.faults == 0 && stats.lost == 0);
    assert_true(stats.heat_faults >= MANY && stats.heat_faults < MANY + OTHERS_MAX);
    assert_in_range(counted.all, stats.heat_faults - MANY / 100, stats.heat_faults);
    assert_in_range(counted.inside, MANY - MANY / 100, MANY);
    assert_true(counted.exited && !counted.after_exit);
    assert_int_equal(again.all, 0);
}

/* A reader that does not read: nothing is lost without being counted; and after a quiet second
 * events come again. */
static void test_heat_when_reader_is_late(void **state)
{
    (void)state;
    struct engine_stats stats;
    struct engine_options o = {.ring_bytes = 1 << 20};
    o.pid = start(touch_many);
    struct engine *engine = open_or_skip(&o);
    let_go();
    struct pollfd wait = {.fd = engine_bpf.fd(engine), .events = POLLIN};
    assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
    waitpid(o.pid, NULL, 0);
    engine_bpf.stats(engine, &stats);
    assert_true(stats.heat && stats.heat_faults > 0);
    uint64_t deadline = io_now_ns() + PATIENCE_MS * 1000000ull;
    for (; stats.heat && io_now_ns() < deadline; poll(NULL, 0, 20)) { /* quiet is no event */
        assert_int_equal(engine_bpf.drain(engine, keep, NULL), 0);
        engine_bpf.stats(engine, &stats);
    }
    assert_false(stats.heat);
    engine_bpf.close(engine);
    size_t n = faults_of(o.pid, o.pid, 0, MANY), all = stats.faults;
    assert_true(n > 0 && all - n < OTHERS_MAX);
    assert_in_range(n + stats.heat_faults + stats.lost, MANY, MANY + OTHERS_MAX);
}

/* Calls are never only counted: those without room are lost, each of them counted. */
static void test_lost_calls_are_counted(void **state)
{
    (void)state;
    const struct engine_options o = {.ring_bytes = 1 << 20};
    struct engine_stats stats = follow_late(map_and_unmap, o);
    assert_true(stats.lost > MANY / 2 && stats.events > 1000);
    assert_in_range(stats.events - stats.faults + stats.lost, MANY, MANY + 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heat_counts_all),
        cmocka_unit_test(test_heat_when_reader_is_late),
        cmocka_unit_test(test_lost_calls_are_counted),
    };
    return cmocka_run_group_tests(tests, followed_prepare, followed_tidy);
}
