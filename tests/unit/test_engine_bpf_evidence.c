/* Samples of the bpf engine: each stands between its fault and the next event of the thread, with
 * the kernel's call chain; and where some had no room, a gap is told around what they belonged
 * to. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "followed.h"

enum { PAGES = 2000, FEW = 300 };

static char *map(size_t pages)
{
    char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || madvise(p, pages * PAGE, MADV_NOHUGEPAGE))
        _exit(3);
    return p;
}

static void touch_few(void)
{
    char *p = map(FEW);
    notes->area = (uintptr_t)p;
    for (size_t i = 0; i < FEW; i++)
        ((volatile char *)p)[i * PAGE] = 1;
    map(FEW);
    if (mmap(NULL, FEW * PAGE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
        _exit(3);
}

static void touch_more(void)
{
    char *p = map(PAGES);
    notes->area = (uintptr_t)p;
    for (size_t i = 0; i < PAGES; i++)
        ((volatile char *)p)[i * PAGE] = 1;
}

static struct engine *follow_with_evidence(struct engine_options *o, struct engine_stats *stats)
{
    struct engine *engine = open_or_skip(o);
    engine_bpf.stats(engine, stats);
    if (!stats->evidence) {
        print_message("%s\n", stats->evidence_why);
        engine_bpf.close(engine);
        end(o->pid);
        skip();
    }
    return engine;
}

static bool in_area(const struct event *e)
{
    return e->type == EVENT_FAULT && e->fault.address - notes->area < FEW * PAGE;
}

/* The chain of a sample behind the fault, before the thread's next event, that has this
 * function. */
static bool shows(const struct engine *engine, size_t fault, const char *function)
{
    for (size_t i = fault + 1; i < seen->n; i++) {
        const struct event *e = &seen->v[i];
        if (e->tid != seen->v[fault].tid)
            continue;
        if (e->type != EVENT_SAMPLE)
            return false;
        if (strstr(engine_bpf.stack(engine, e->sample.stack), function))
            return true;
    }
    return false;
}

static void test_samples_follow_their_fault(void **state)
{
    (void)state;
    struct engine_stats stats;
    struct engine_options o = {.evidence = true};
    size_t faults = 0, samples = 0;
    o.pid = start(touch_few);
    struct engine *engine = follow_with_evidence(&o, &stats);
    assert_null(engine_bpf.stack(engine, 0));
    assert_null(engine_bpf.stack(engine, 1));
    let_go();
    follow_to_end(engine, o.pid);
    for (size_t i = 0; i < seen->n; i++) {
        assert_int_not_equal(seen->v[i].type, EVENT_GAP);
        if (seen->v[i].type == EVENT_SAMPLE) {
            const char *chain = engine_bpf.stack(engine, seen->v[i].sample.stack);
            assert_non_null(chain);
            assert_memory_equal(chain, "exc_page_fault;", 15);
            assert_null(strstr(chain, "populate"));
            samples++;
        }
        if (!in_area(&seen->v[i]))
            continue;
        faults++;
        assert_true(shows(engine, i, ";do_anonymous_page"));
    }
    engine_bpf.stats(engine, &stats);
    assert_int_equal(faults, FEW);
    assert_int_equal(stats.samples, samples);
    assert_int_equal(stats.samples_lost, 0);
    engine_bpf.close(engine);
}

/* What populate brings in is told on request, and is no sample of a fault. */
static void test_calls_too(void **state)
{
    (void)state;
    struct engine_stats stats;
    struct engine_options o = {.evidence = true, .calls_too = true};
    size_t for_calls = 0;
    o.pid = start(touch_few);
    struct engine *engine = follow_with_evidence(&o, &stats);
    let_go();
    follow_to_end(engine, o.pid);
    for (size_t i = 0; i < seen->n; i++) {
        const struct event *e = &seen->v[i];
        if (e->type != EVENT_SAMPLE)
            continue;
        const char *chain = engine_bpf.stack(engine, e->sample.stack);
        assert_memory_equal(chain, e->sample.for_call ? "__get_user_pages;" : "exc_page_fault;", 15);
        for_calls += e->sample.for_call && strstr(chain, ";do_anonymous_page;");
    }
    assert_true(for_calls >= FEW);
    engine_bpf.close(engine);
}

static void test_a_gap_where_samples_had_no_room(void **state)
{
    (void)state;
    struct engine_stats stats;
    struct engine_options o = {.evidence = true, .ring_bytes = 1 << 19};
    unsigned begun = 0, ended = 0;
    o.pid = start(touch_more);
    struct engine *engine = follow_with_evidence(&o, &stats);
    let_go();
    waitpid(o.pid, NULL, 0);
    assert_int_equal(engine_bpf.drain(engine, keep, NULL), 0);
    assert_int_equal(engine_bpf.rest(engine, keep, NULL), 0);
    engine_bpf.stats(engine, &stats);
    assert_true(stats.samples_lost > 0);
    assert_int_equal(seen->v[0].type, EVENT_GAP);
    for (size_t i = 0; i < seen->n; i++)
        if (seen->v[i].type == EVENT_GAP) {
            assert_int_equal(seen->v[i].gap.ends, begun > ended);
            begun += !seen->v[i].gap.ends;
            ended += seen->v[i].gap.ends;
        }
    assert_true(begun > 0);
    assert_int_equal(begun, ended);
    engine_bpf.close(engine);
}

static void test_none_unless_asked_for(void **state)
{
    (void)state;
    struct engine_options o = {.follow = false};
    struct engine_stats stats = follow(touch_few, o);
    assert_false(stats.evidence);
    assert_int_equal(stats.samples, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_follow_their_fault),
        cmocka_unit_test(test_calls_too),
        cmocka_unit_test(test_a_gap_where_samples_had_no_room),
        cmocka_unit_test(test_none_unless_asked_for),
    };
    return cmocka_run_group_tests(tests, followed_prepare, followed_tidy);
}
