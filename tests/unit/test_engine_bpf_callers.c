/* Callers as the bpf engine tells them: before their fault, up to half of the ring, and then lost and
 * counted while the faults themselves still come. */
#include <stdbool.h>
#include <stdio.h>

#include "followed.h"

enum { PAGES = 1500 };

static void touch(void)
{
    char *p = map_small_pages(PAGES);
    notes->area = (uintptr_t)p;
    touch_pages(p, PAGES);
}

/* The callers told right before the fault. */
static unsigned told_before(size_t fault)
{
    unsigned n = 0;
    for (size_t i = fault; i-- && seen->v[i].type == EVENT_CALLERS;) {
        assert_int_equal(seen->v[i].tid, seen->v[fault].tid);
        assert_in_range(seen->v[i].callers.count, 1, CALLERS_PART);
        n += seen->v[i].callers.count;
    }
    return n;
}

static unsigned faults_told(enum fault_callers how)
{
    unsigned n = 0;
    for (size_t i = 0; i < seen->n; i++) {
        const struct event *e = &seen->v[i];
        if (e->type != EVENT_FAULT)
            continue;
        assert_int_equal(told_before(i), e->fault.callers_n);
        n += e->fault.callers == how;
    }
    return n;
}

static void test_each_fault_has_its_chain(void **state)
{
    (void)state;
    const struct engine_options o = {.callers = true, .kernel = true};
    struct engine_stats stats = follow(touch, o);
    assert_true(stats.callers);
    assert_int_equal(stats.lost, 0);
    assert_int_equal(stats.callers_lost, 0);
    assert_int_equal(faults_of(seen->v[0].pid, seen->v[0].pid, 0, PAGES), PAGES);
    assert_int_equal(faults_told(CALLERS_TOLD), stats.faults);
    assert_int_equal(faults_told(CALLERS_LOST), 0);
}

static void test_chains_are_lost_before_faults(void **state)
{
    (void)state;
    const struct engine_options o = {.callers = true, .ring_bytes = 1 << 17};
    struct engine_stats stats = follow_late(touch, o);
    assert_true(faults_told(CALLERS_TOLD) > 0 && stats.callers_lost > 0);
    assert_int_equal(faults_told(CALLERS_LOST), stats.callers_lost);
    assert_int_equal(faults_told(CALLERS_TOLD) + stats.callers_lost, stats.faults);
    assert_int_equal(stats.lost, 0);
    assert_true(stats.faults + stats.heat_faults >= PAGES);
}

static void test_none_unless_asked_for(void **state)
{
    (void)state;
    const struct engine_options o = {.follow = false};
    struct engine_stats stats = follow(touch, o);
    assert_false(stats.callers);
    assert_int_equal(faults_told(CALLERS_UNASKED), stats.faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_fault_has_its_chain),
        cmocka_unit_test(test_chains_are_lost_before_faults),
        cmocka_unit_test(test_none_unless_asked_for),
    };
    return cmocka_run_group_tests(tests, followed_prepare, followed_tidy);
}
