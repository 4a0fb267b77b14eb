/* The fold: what a picture is made of, in which order, and what a misplaced record leaves alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"

enum { PID = 42, PAGE_SHIFT = 12 };

static struct record *target(uint64_t start_ticks, unsigned levels)
{
    struct record *r = record_create(RECORD_TARGET, PID, 1);
    r->target = calloc(1, sizeof *r->target);
    r->target->pid = PID;
    r->target->start_ticks = start_ticks;
    r->target->geometry.levels = levels;
    r->target->geometry.page_shift = PAGE_SHIFT;
    return r;
}

static struct record *regions(size_t skipped)
{
    struct record *r = record_create(RECORD_REGIONS, PID, 2);
    r->regions = region_table_create();
    r->regions->skipped = skipped; /* tells one table from another here */
    return r;
}

static struct record *pages(uint64_t start, uint64_t n, uint64_t run_start, uint64_t run_n)
{
    struct record *r = record_create(RECORD_PAGES, PID, 3);
    r->pages.start = start;
    r->pages.n = n;
    r->pages.count = 1;
    r->pages.runs = malloc(sizeof *r->pages.runs);
    r->pages.runs[0] = (struct page_run){run_start, run_n, {5, 1, PAGE_A_ENTRY, PAGE_ANON, 0}};
    return r;
}

static struct record *sample(uint64_t number)
{
    struct record *r = record_create(RECORD_SAMPLE, PID, 4);
    r->sample.info.number = number;
    r->sample.counters.min_flt = number * 10;
    return r;
}

static struct record *detail(uint64_t address)
{
    struct record *r = record_create(RECORD_DETAIL, PID, 5);
    r->detail = calloc(1, sizeof *r->detail);
    r->detail->address = address;
    return r;
}

static struct record *gone(const char *text)
{
    struct record *r = record_create(RECORD_GONE, PID, 6);
    snprintf(r->gone.text, sizeof r->gone.text, "%s", text);
    return r;
}

static uint64_t anon(const struct moment *m)
{
    struct tally t = {{0}};
    pagetree_tally(m->tree, 0, UINT64_MAX, &t);
    return t.n[PAGE_ANON];
}

static void fold(struct model *m, struct record *r)
{
    assert_int_equal(model_fold(m, r), 0);
}

static void test_nothing_is_shown_before_a_sample(void **state)
{
    (void)state;
    struct model *m = model_create();
    assert_null(model_now(m));
    fold(m, target(7, 4));
    fold(m, regions(1));
    fold(m, pages(0, 100, 10, 5));
    assert_null(model_now(m));
    assert_null(model_before(m));
    fold(m, sample(1));
    const struct moment *now = model_now(m);
    assert_int_equal(anon(now), 5);
    assert_int_equal(now->regions->skipped, 1);
    assert_int_equal(now->sample.number, 1);
    assert_int_equal(now->counters.min_flt, 10);
    assert_int_equal(now->target.start_ticks, 7);
    assert_null(model_before(m));
    model_destroy(m);
}

static void test_what_comes_after_a_sample_waits_for_the_next(void **state)
{
    (void)state;
    struct model *m = model_create();
    fold(m, target(7, 4));
    fold(m, sample(1));
    fold(m, pages(0, 100, 10, 5));
    fold(m, regions(9));
    assert_int_equal(anon(model_now(m)), 0);
    assert_int_equal(model_now(m)->regions->skipped, 0);
    fold(m, sample(2));
    assert_int_equal(anon(model_now(m)), 5);
    assert_int_equal(anon(model_before(m)), 0);
    assert_int_equal(model_before(m)->sample.number, 1);
    fold(m, pages(0, 100, 10, 7));
    fold(m, sample(3));
    assert_int_equal(anon(model_now(m)), 7);
    assert_int_equal(anon(model_before(m)), 5);
    assert_int_equal(model_before(m)->regions->skipped, 9);
    model_destroy(m);
}

/* Two samples without a change share all of the tree. */
static void test_moments_share(void **state)
{
    (void)state;
    struct model *m = model_create();
    fold(m, target(7, 4));
    fold(m, pages(0, 100, 10, 5));
    fold(m, sample(1));
    fold(m, pages(0, 100, 10, 5));
    fold(m, sample(2));
    assert_ptr_equal(model_now(m)->tree, model_before(m)->tree);
    assert_ptr_equal(model_now(m)->regions, model_before(m)->regions);
    struct moment kept;
    moment_copy(&kept, model_before(m));
    model_destroy(m);
    assert_int_equal(anon(&kept), 5); /* a copy outlives the model */
    moment_deinit(&kept);
    assert_null(kept.tree);
}

/* Exec: the same process with other pages; another process: nothing to compare with. */
static void test_a_new_target_begins_empty(void **state)
{
    (void)state;
    struct model *m = model_create();
    fold(m, target(7, 4));
    fold(m, pages(0, 100, 10, 5));
    fold(m, sample(1));
    fold(m, detail(0x1000));
    fold(m, gone("lost"));
    fold(m, target(7, 4));
    assert_int_equal(anon(model_now(m)), 5);
    assert_null(model_detail(m));
    assert_null(model_gone(m));
    fold(m, sample(2));
    assert_int_equal(anon(model_now(m)), 0);
    assert_int_equal(anon(model_before(m)), 5);
    fold(m, target(8, 5)); /* the pid was used again */
    fold(m, sample(3));
    assert_null(model_before(m));
    assert_int_equal(pagetree_levels(model_now(m)->tree), 5);
    fold(m, sample(4));
    assert_non_null(model_before(m));
    model_destroy(m);
}

static void test_nothing_before_a_target(void **state)
{
    (void)state;
    struct model *m = model_create();
    assert_int_equal(model_fold(m, regions(0)), -EINVAL);
    assert_int_equal(model_fold(m, pages(0, 10, 0, 1)), -EINVAL);
    assert_int_equal(model_fold(m, sample(1)), -EINVAL);
    assert_int_equal(model_fold(m, detail(0)), -EINVAL);
    assert_null(model_now(m));
    assert_null(model_detail(m));
    fold(m, gone("never was")); /* watching may fail from the start */
    assert_string_equal(model_gone(m), "never was");
    model_destroy(m);
}

static void test_bad_records_change_nothing(void **state)
{
    (void)state;
    struct model *m = model_create();
    fold(m, target(7, 4));
    fold(m, pages(0, 100, 10, 5));
    assert_int_equal(model_fold(m, pages(0, 10, 5, 6)), -EINVAL); /* a run beyond its range */
    assert_int_equal(model_fold(m, pages(0, 0, 0, 1)), -EINVAL);
    assert_int_equal(model_fold(m, pages(UINT64_C(1) << 36, 1, UINT64_C(1) << 36, 1)), -EINVAL);
    struct record *odd = pages(0, 10, 5, 1);
    odd->pages.runs[0].first.state = 200;
    assert_int_equal(model_fold(m, odd), -EINVAL);
    assert_int_not_equal(model_fold(m, target(9, 99)), 0);
    fold(m, sample(1));
    assert_int_equal(anon(model_now(m)), 5);
    assert_int_equal(model_now(m)->target.start_ticks, 7);
    model_destroy(m);
    model_destroy(NULL);
}

static void test_the_last_answer_and_the_end(void **state)
{
    (void)state;
    struct model *m = model_create();
    fold(m, target(7, 4));
    fold(m, sample(1));
    fold(m, detail(0x1000));
    fold(m, detail(0x2000));
    assert_int_equal(model_detail(m)->address, 0x2000);
    assert_null(model_gone(m));
    fold(m, gone("process 42 has ended"));
    assert_string_equal(model_gone(m), "process 42 has ended");
    assert_int_equal(model_now(m)->sample.number, 1); /* the last picture stays */
    model_destroy(m);
}

static struct record *engine(uint64_t t_ns)
{
    struct record *r = record_create(RECORD_ENGINE, PID, t_ns);
    r->engine = calloc(1, sizeof *r->engine);
    strcpy(r->engine->name, "bpf");
    return r;
}

static struct record *one_event(const struct event *e)
{
    struct record *r = record_create(RECORD_EVENTS, PID, e->t_ns);
    r->events.v = malloc(sizeof *e);
    *r->events.v = *e;
    r->events.count = 1;
    return r;
}

static void keep_entry(void *ctx, const struct fault_entry *e)
{
    *(struct fault_entry *)ctx = *e;
}

/* A picture of the program before an exec says nothing of the one after it, however late the engine
 * tells of itself. */
static void test_an_old_sample_and_a_new_program(void **state)
{
    (void)state;
    struct model *m = model_create();
    struct fault_entry seen = {0};
    struct event exec = {.t_ns = 100, .pid = PID, .tid = PID, .type = EVENT_EXEC};
    struct event fault = {.t_ns = 110, .pid = PID, .tid = PID, .type = EVENT_FAULT};
    fault.fault.address = 0x1000;
    fault.fault.access = ACCESS_WRITE;
    model_fold(m, target(1, 4));
    model_on_event(m, keep_entry, NULL, NULL, &seen);
    model_fold(m, regions(0));
    model_fold(m, sample(1));
    model_fold(m, one_event(&exec));
    model_fold(m, engine(90));
    model_fold(m, one_event(&fault));
    assert_int_equal(seen.event.fault.address, 0x1000);
    assert_int_equal(seen.verdict.path, PATH_UNKNOWN);
    assert_false(seen.verdict.sure);
    model_destroy(m);
}

/* What happened between a picture and the engine nobody saw: a mapping may be new. The next picture
 * has it. */
static void test_an_engine_after_a_sample(void **state)
{
    (void)state;
    struct model *m = model_create();
    struct fault_entry seen = {0};
    struct event fault = {.t_ns = 110, .pid = PID, .tid = PID, .type = EVENT_FAULT};
    fault.fault.address = 0x1000;
    model_fold(m, target(1, 4));
    model_on_event(m, keep_entry, NULL, NULL, &seen);
    model_fold(m, regions(0));
    model_fold(m, sample(1));
    model_fold(m, engine(90));
    model_fold(m, one_event(&fault));
    assert_int_equal(seen.verdict.path, PATH_UNKNOWN);
    struct record *later = sample(2);
    later->sample.info.start_ns = 120;
    model_fold(m, later);
    fault.t_ns = 130;
    model_fold(m, one_event(&fault));
    assert_int_equal(seen.verdict.path, PATH_BAD_AREA);
    assert_true(seen.verdict.sure);
    model_destroy(m);
}

static void add_region(struct region_table *t, uint64_t start, uint64_t end, const char *name)
{
    struct region *r = &t->v[t->count++];
    *r = (struct region){.start = start, .end = end, .perms = REGION_R | REGION_W, .name = name};
}

struct counted {
    size_t n;
    struct fault_entry v[4];
};

static void keep_counted(void *ctx, const struct fault_entry *e)
{
    struct counted *c = ctx;
    assert_true(c->n < 4);
    c->v[c->n++] = *e;
}

/* Faults that were only counted go to the mappings that they were in, and what was known of their
 * pages is void. */
static void test_counted_faults(void **state)
{
    (void)state;
    struct model *m = model_create();
    struct counted seen = {0};
    struct fault_entry fault_seen = {0};
    struct event heat = {.t_ns = 100, .pid = PID, .type = EVENT_HEAT};
    struct event fault = {.t_ns = 110, .pid = PID, .tid = PID, .type = EVENT_FAULT};
    heat.heat.address = 0x3000;
    heat.heat.pages = 4;
    heat.heat.count = 2;
    struct record *r = regions(0);
    r->regions->v = calloc(2, sizeof *r->regions->v);
    add_region(r->regions, 0x1000, 0x5000, "/one");
    add_region(r->regions, 0x5000, 0x6000, "/two");
    model_fold(m, target(1, 4));
    model_on_event(m, keep_entry, NULL, keep_counted, &seen);
    model_fold(m, engine(1));
    model_fold(m, r);
    struct record *first = sample(1);
    first->sample.info.start_ns = 50;
    model_fold(m, first);
    model_on_event(m, NULL, NULL, keep_counted, &seen);
    model_fold(m, one_event(&heat));
    assert_int_equal(seen.n, 3);
    static const struct { uint64_t address, pages; const char *name; } want[] = {
        {0x3000, 2, "one"}, {0x5000, 1, "two"}, {0x6000, 1, ""}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(seen.v[i].event.heat.address, want[i].address);
        assert_int_equal(seen.v[i].event.heat.pages, want[i].pages);
        assert_int_equal(seen.v[i].event.heat.count, 2);
        assert_string_equal(seen.v[i].region, want[i].name);
    }
    const struct fault_log *l = model_faults(m);
    assert_int_equal(l->counted, 8);
    assert_int_equal(l->marks_n, 4);
    assert_int_equal(l->faults, 0);
    model_on_event(m, keep_entry, NULL, NULL, &fault_seen);
    fault.fault.address = 0x3000;
    fault.fault.access = ACCESS_READ;
    model_fold(m, one_event(&fault));
    assert_int_equal(fault_seen.before.state, PAGE_UNKNOWN);
    fault.fault.address = 0x2000;
    model_fold(m, one_event(&fault));
    assert_int_equal(fault_seen.before.state, PAGE_ABSENT);
    model_destroy(m);
}

static void test_addresses_and_pages(void **state)
{
    (void)state;
    static const struct {
        unsigned levels;
        uint64_t address, page;
    } v[] = {
        {4, 0, 0},
        {4, 0x1000, 1},
        {4, 0x7ffffffff000, 0x7ffffffff},
        {4, 0xffff800000000000, 0x800000000},
        {4, 0xffffffffff600000, 0xfffffff600},
        {5, 0xff000000000000, 0xff000000000},
        {5, 0xff00000000000000, 0x100000000000},
        {5, 0xffffffffff600000, 0x1fffffffff600},
    };
    for (unsigned i = 0; i < sizeof v / sizeof *v; i++) {
        struct moment m = {.target.geometry = {.page_shift = PAGE_SHIFT, .levels = v[i].levels}};
        uint64_t page = v[i].page & ((UINT64_C(1) << (9 * v[i].levels)) - 1);
        assert_true(moment_page(&m, v[i].address) == page);
        assert_true(moment_page(&m, v[i].address + 4095) == page);
        assert_true(moment_address(&m, page) == v[i].address);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_shown_before_a_sample),
        cmocka_unit_test(test_what_comes_after_a_sample_waits_for_the_next),
        cmocka_unit_test(test_moments_share),
        cmocka_unit_test(test_a_new_target_begins_empty),
        cmocka_unit_test(test_nothing_before_a_target),
        cmocka_unit_test(test_bad_records_change_nothing),
        cmocka_unit_test(test_the_last_answer_and_the_end),
        cmocka_unit_test(test_an_old_sample_and_a_new_program),
        cmocka_unit_test(test_counted_faults),
        cmocka_unit_test(test_an_engine_after_a_sample),
        cmocka_unit_test(test_addresses_and_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
