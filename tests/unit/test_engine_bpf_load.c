/* A bpf engine that was loaded in advance: each process that opens it begins anew, whatever the one
 * before it has left in the ring, and neither needs more than the loading. */
#include <stdbool.h>
#include <stdio.h>

#include "followed.h"
#include "probe/engine_bpf.h"

enum { FEW = 300, MANY = 30000, SMALL_RING = 1 << 19 };

/* What a follower found, in notes->results. */
enum { FOUND_RC, FOUND_FAULTS, FOUND_OTHERS, FOUND_LOST, FOUND_HEAT, FOUND_SAMPLES };

static void touch(size_t pages)
{
    char *p = map_small_pages(pages);
    notes->area = (uintptr_t)p;
    touch_pages(p, pages);
}

static void touch_few(void)
{
    touch(FEW);
}

static void touch_many(void)
{
    touch(MANY);
}

/* Follows a target of its own, and reads what there is when that has ended, if it reads at all. */
static void follow_loaded(struct engine *loaded, void (*target)(void), bool reads)
{
    struct engine *engine = NULL;
    struct engine_options o = {.evidence = true, .ring_bytes = SMALL_RING, .loaded = loaded};
    o.pid = start(target);
    int rc = engine_bpf.open(&o, &engine, NULL);
    if (!rc) {
        let_go();
        waitpid(o.pid, NULL, 0);
        if (reads)
            rc = engine_bpf.drain(engine, keep, NULL);
        if (reads && !rc)
            rc = engine_bpf.rest(engine, keep, NULL);
        struct engine_stats stats;
        engine_bpf.stats(engine, &stats);
        for (size_t i = 0; i < seen->n; i++) {
            notes->results[FOUND_FAULTS] += is_fault_in(&seen->v[i], 0, FEW);
            notes->results[FOUND_OTHERS] += seen->v[i].pid && seen->v[i].pid != o.pid;
        }
        notes->results[FOUND_LOST] = stats.lost + stats.samples_lost;
        notes->results[FOUND_HEAT] = stats.heat_faults;
        notes->results[FOUND_SAMPLES] = stats.samples;
    }
    notes->results[FOUND_RC] = (uint64_t)rc;
    engine_bpf.close(engine);
    _exit(0);
}

static void in_a_process(struct engine *loaded, void (*target)(void), bool reads)
{
    pid_t pid = fork();
    if (!pid)
        follow_loaded(loaded, target, reads);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(notes->results[FOUND_RC], 0);
}

static void test_one_after_another(void **state)
{
    (void)state;
    const struct engine_options o = {.evidence = true, .ring_bytes = SMALL_RING};
    struct engine *loaded;
    struct err e = {0};
    if (engine_bpf_load(&o, &loaded, &e)) {
        print_message("%s\n", e.text);
        skip();
    }
    for (int i = 0; i < 3; i++) {
        in_a_process(loaded, touch_few, true);
        assert_int_equal(notes->results[FOUND_FAULTS], FEW);
        assert_true(notes->results[FOUND_SAMPLES] >= FEW);
        assert_int_equal(notes->results[FOUND_OTHERS], 0);
        assert_int_equal(notes->results[FOUND_LOST], 0);
        assert_int_equal(notes->results[FOUND_HEAT], 0);
        in_a_process(loaded, touch_many, false);
        assert_true(notes->results[FOUND_LOST] + notes->results[FOUND_HEAT] > 0);
    }
    engine_bpf.close(loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_another),
    };
    return cmocka_run_group_tests(tests, followed_prepare, followed_tidy);
}
