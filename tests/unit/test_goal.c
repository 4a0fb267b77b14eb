/* Where stepping stops next. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "model/goal.h"

static struct event fault_at(uint64_t address)
{
    struct event e = {.type = EVENT_FAULT};
    e.fault.address = address;
    return e;
}

static struct event call_of(enum mm_call call, uint64_t first, int64_t result)
{
    struct event e = {.type = EVENT_CALL};
    e.call.call = (uint8_t)call;
    e.call.args[0] = first;
    e.call.has_args = 1;
    e.call.result = result;
    return e;
}

static void kinds(void **state)
{
    (void)state;
    const struct event fault = fault_at(0x1000), call = call_of(CALL_BRK, 0, 0);
    const struct event fork = {.type = EVENT_FORK};
    static const struct {
        enum goal_what what;
        bool fault, call;
    } rows[] = {
        {GOAL_NONE, false, false}, {GOAL_EVENT, true, true},   {GOAL_FAULT, true, false},
        {GOAL_CALL, false, true},  {GOAL_NEVER, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct step_goal g = {.what = (uint8_t)rows[i].what};
        assert_int_equal(goal_met(&g, &fault, ""), rows[i].fault);
        assert_int_equal(goal_met(&g, &call, ""), rows[i].call);
        assert_false(goal_met(&g, &fork, ""));
    }
}

static void ranges(void **state)
{
    (void)state;
    struct step_goal g = {.what = GOAL_RANGE, .start = 0x1000, .end = 0x3000};
    struct event e = fault_at(0xfff);
    assert_false(goal_met(&g, &e, ""));
    e = fault_at(0x1000);
    assert_true(goal_met(&g, &e, ""));
    e = fault_at(0x2fff);
    assert_true(goal_met(&g, &e, ""));
    e = fault_at(0x3000);
    assert_false(goal_met(&g, &e, ""));
    e = call_of(CALL_MADVISE, 0x2000, 0);
    assert_true(goal_met(&g, &e, ""));
    e = call_of(CALL_MMAP, 0, 0x2000); /* where it came to lie, not where it was wished */
    assert_true(goal_met(&g, &e, ""));
    e = call_of(CALL_MMAP, 0x2000, 0x8000);
    assert_false(goal_met(&g, &e, ""));
}

static void counts(void **state)
{
    (void)state;
    struct step_goal g = {.what = GOAL_COUNT, .count = 3};
    const struct event e = fault_at(0), exit = {.type = EVENT_EXIT};
    assert_false(goal_met(&g, &e, ""));
    assert_false(goal_met(&g, &exit, "")); /* is none that anyone stops at */
    assert_false(goal_met(&g, &e, ""));
    assert_true(goal_met(&g, &e, ""));
}

static void symbols(void **state)
{
    (void)state;
    struct step_goal g = {.what = GOAL_SYMBOL, .symbol = "main"};
    const struct event e = fault_at(0), call = call_of(CALL_BRK, 0, 0);
    assert_true(goal_met(&g, &e, "main+0x1c"));
    assert_true(goal_met(&g, &e, "main"));
    assert_false(goal_met(&g, &e, "main2+0x1"));
    assert_false(goal_met(&g, &e, "my_main+0x1"));
    assert_false(goal_met(&g, &e, ""));
    assert_false(goal_met(&g, &call, "main+0x1c"));
}

static void typed(void **state)
{
    (void)state;
    struct region v[] = {{.start = 0x10000, .end = 0x20000, .name = "/bin/x"},
                         {.start = 0x30000, .end = 0x40000, .name = "[heap]"}};
    const struct region_table t = {.count = 2, .v = v};
    struct step_goal g;
    assert_false(goal_parse("", &t, &g));
    assert_true(goal_parse("17", &t, &g));
    assert_int_equal(g.what, GOAL_COUNT);
    assert_int_equal(g.count, 17);
    assert_true(goal_parse("0x31234", &t, &g));
    assert_int_equal(g.what, GOAL_RANGE);
    assert_int_equal(g.start, 0x31000);
    assert_int_equal(g.end, 0x32000);
    assert_true(goal_parse("heap", &t, &g));
    assert_int_equal(g.what, GOAL_RANGE);
    assert_int_equal(g.start, 0x30000);
    assert_int_equal(g.end, 0x40000);
    assert_true(goal_parse("main", &t, &g));
    assert_int_equal(g.what, GOAL_SYMBOL);
    assert_string_equal(g.symbol, "main");
    assert_true(goal_parse("heap", NULL, &g)); /* no picture yet */
    assert_int_equal(g.what, GOAL_SYMBOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),   cmocka_unit_test(ranges), cmocka_unit_test(counts),
        cmocka_unit_test(symbols), cmocka_unit_test(typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
