/* What kernel call chains say, and how they are tied to faults and compared with predictions. The
 * chains are those that Linux 6.18 showed (perf agrees on them), but for the ones with functions
 * that are inlined there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/evidence.h"
#include "model/fault_log.h"

#define TOP "exc_page_fault;handle_mm_fault;__handle_mm_fault;"
#define ALLOC ";alloc_pages_mpol;__alloc_frozen_pages_noprof"
#define BIT(path) (UINT32_C(1) << (path))

struct seen {
    const char *chain;
    uint8_t kind, access, how;
    const char *name; /* NULL: nothing */
};

static const struct seen seen[] = {
    {TOP "do_anonymous_page", SAMPLE_RSS_ANON, ACCESS_WRITE, 0, "do_anonymous_page"},
    {TOP "do_anonymous_page;vma_alloc_folio_noprof" ALLOC, SAMPLE_PAGE, ACCESS_WRITE, 0,
     "do_anonymous_page"},
    {TOP "do_fault;filemap_map_pages;mm_trace_rss_stat", SAMPLE_RSS_FILE, ACCESS_READ, 0,
     "do_read_fault"},
    {TOP "do_fault;filemap_map_pages", SAMPLE_RSS_FILE, ACCESS_UNKNOWN, 0, "do_read_fault"},
    {TOP "do_fault;finish_fault", SAMPLE_RSS_FILE, ACCESS_EXEC, 0, "do_read_fault"},
    {TOP "do_fault;finish_fault", SAMPLE_RSS_SHMEM, ACCESS_WRITE, 0, "do_shared_fault"},
    {TOP "do_fault;finish_fault", SAMPLE_RSS_SHMEM, ACCESS_UNKNOWN, 0, "do_fault"},
    {TOP "do_fault;finish_fault", SAMPLE_RSS_ANON, ACCESS_WRITE, 0, "do_cow_fault"},
    {TOP "do_fault;finish_fault", SAMPLE_RSS_ANON, ACCESS_UNKNOWN, 0, "do_cow_fault"},
    {TOP "do_fault;vma_alloc_folio_noprof" ALLOC, SAMPLE_PAGE, ACCESS_WRITE, 0, "do_cow_fault"},
    {TOP "do_fault;do_page_mkwrite;ext4_page_mkwrite" ALLOC, SAMPLE_PAGE, ACCESS_WRITE, 0,
     "do_shared_fault"},
    {TOP "do_fault;pte_alloc_one" ALLOC, SAMPLE_PAGE, ACCESS_WRITE, 0, "do_fault"},
    {TOP "do_fault;__do_fault;filemap_fault;page_cache_ra_order" ALLOC, SAMPLE_PAGE, ACCESS_READ,
     0, "do_read_fault"},
    /* Reclaim on the way to a page: what it does to other pages says nothing of this one. */
    {TOP "do_fault;__do_fault;filemap_fault;try_to_free_pages", SAMPLE_RSS_ANON, ACCESS_WRITE, 0,
     "do_fault"},
    {TOP "do_wp_page", SAMPLE_RSS_ANON, ACCESS_WRITE, HOW_COPY, "do_wp_page"},
    {TOP "do_wp_page;vma_alloc_folio_noprof" ALLOC, SAMPLE_PAGE, ACCESS_WRITE, HOW_COPY,
     "do_wp_page"},
    {TOP "do_wp_page;do_page_mkwrite" ALLOC, SAMPLE_PAGE, ACCESS_WRITE, HOW_REUSE, "do_wp_page"},
    {TOP "do_wp_page;__vmf_anon_prepare" ALLOC, SAMPLE_PAGE, ACCESS_WRITE, 0, "do_wp_page"},
    {TOP "do_swap_page", SAMPLE_RSS_SWAP, ACCESS_READ, 0, "do_swap_page"},
    {TOP "do_swap_page;do_wp_page;vma_alloc_folio_noprof" ALLOC, SAMPLE_PAGE, ACCESS_WRITE, 0,
     "do_swap_page"},
    {TOP "do_swap_page;do_anonymous_page", SAMPLE_RSS_ANON, ACCESS_WRITE, 0, "do_anonymous_page"},
    {TOP "do_huge_pmd_anonymous_page;pte_alloc_one" ALLOC, SAMPLE_PAGE, ACCESS_READ, 0,
     "do_huge_pmd_anonymous_page"},
    {TOP "do_huge_pmd_wp_page;map_anon_folio_pmd", SAMPLE_RSS_ANON, ACCESS_WRITE, 0,
     "do_huge_pmd_wp_page"},
    {"exc_page_fault;handle_mm_fault;hugetlb_fault;huge_pte_alloc;__pmd_alloc" ALLOC, SAMPLE_PAGE,
     ACCESS_WRITE, 0, "hugetlb_fault"},
    {TOP "do_anonymous_page;handle_userfault" ALLOC, SAMPLE_PAGE, ACCESS_WRITE, 0, "uffd"},
    {TOP "__pmd_alloc" ALLOC, SAMPLE_PAGE, ACCESS_WRITE, 0, NULL},
    {TOP "do_fault;asm_sysvec_apic_timer_interrupt;handle_softirqs" ALLOC, SAMPLE_PAGE,
     ACCESS_WRITE, 0, NULL},
    {"exc_page_fault;force_sig_fault;force_sig_info_to_task", SAMPLE_SIGBUS, ACCESS_READ, 0,
     "sigbus"},
    {"exc_page_fault;force_sig_fault;force_sig_info_to_task", SAMPLE_MAPERR, ACCESS_READ, 0,
     "bad_area"},
    {"exc_page_fault;bad_area_access_error;force_sig_fault", SAMPLE_ACCERR, ACCESS_READ, 0,
     "bad_access"},
    {"", SAMPLE_PAGE, ACCESS_READ, 0, NULL},
    {"?;?;;", SAMPLE_PAGE, ACCESS_READ, 0, NULL},
};

static struct event fault_by(uint8_t access)
{
    return (struct event){.type = EVENT_FAULT, .pid = 7, .tid = 7,
                          .fault = {.access = access, .mode = MODE_USER}};
}

static void add(struct observation *o, const struct event *fault, uint8_t kind, const char *chain)
{
    struct chain_says says;
    chain_read(chain, &says);
    observation_add(o, fault, (enum sample_kind)kind, &says, 1);
}

static void test_single_chains(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        struct observation o = {.count = 0};
        struct event fault = fault_by(seen[i].access);
        add(&o, &fault, seen[i].kind, seen[i].chain);
        if (!seen[i].name) {
            assert_int_equal(o.count, 0);
            continue;
        }
        assert_int_equal(o.count, 1);
        if (strcmp(observed_name(o.seen[0]), seen[i].name) || o.how != seen[i].how)
            fail_msg("%s: %s %d", seen[i].chain, observed_name(o.seen[0]), o.how);
    }
}

#define CHAINS_MAX 3

struct compared {
    uint8_t path, how, also, sure, mode, access;
    struct {
        uint8_t kind;
        const char *chain;
    } sample[CHAINS_MAX];
    uint8_t agreement;
};

static const char page_table[] = TOP "do_anonymous_page;__pte_alloc;pte_alloc_one" ALLOC;
static const char huge_table[] = TOP "do_huge_pmd_anonymous_page;pte_alloc_one" ALLOC;
static const char anonymous[] = TOP "do_anonymous_page";
static const char copied[] = TOP "do_wp_page;vma_alloc_folio_noprof" ALLOC;
static const char file[] = TOP "do_fault;finish_fault";
static const char signalled[] = "exc_page_fault;force_sig_fault";

static const struct compared compared[] = {
    {PATH_ANONYMOUS, 0, 0, true, MODE_USER, ACCESS_WRITE, {{SAMPLE_RSS_ANON, anonymous}}, AGREES},
    {PATH_ANONYMOUS, 0, 0, true, MODE_USER, ACCESS_WRITE, {{0, NULL}}, AGREEMENT_NONE},
    {PATH_ANONYMOUS, 0, 0, true, MODE_USER, ACCESS_WRITE, {{SAMPLE_PAGE, copied}}, DISAGREES},
    {PATH_ANONYMOUS, 0, 0, false, MODE_USER, ACCESS_WRITE, {{SAMPLE_PAGE, copied}},
     AGREEMENT_CORRECTED},
    {PATH_UNKNOWN, 0, 0, true, MODE_USER, ACCESS_WRITE, {{SAMPLE_PAGE, copied}},
     AGREEMENT_UNPREDICTED},
    {PATH_ANONYMOUS, 0, PATH_EXPAND_STACK, true, MODE_USER, ACCESS_WRITE,
     {{SAMPLE_PAGE, "exc_page_fault;expand_stack" ALLOC}, {SAMPLE_RSS_ANON, anonymous}}, AGREES},
    {PATH_ANONYMOUS, 0, PATH_EXPAND_STACK, true, MODE_USER, ACCESS_WRITE,
     {{SAMPLE_PAGE, "exc_page_fault;expand_stack" ALLOC}}, AGREEMENT_NONE},
    /* No huge page was to be had: right if a small one was predicted, wrong otherwise. */
    {PATH_ANONYMOUS, 0, 0, true, MODE_USER, ACCESS_WRITE,
     {{SAMPLE_PAGE, huge_table}, {SAMPLE_RSS_ANON, anonymous}}, AGREES},
    {PATH_HUGE_ANONYMOUS, 0, 0, true, MODE_USER, ACCESS_WRITE,
     {{SAMPLE_PAGE, huge_table}, {SAMPLE_RSS_ANON, anonymous}}, DISAGREES},
    {PATH_ANONYMOUS, 0, 0, true, MODE_USER, ACCESS_READ, {{SAMPLE_PAGE, huge_table}}, DISAGREES},
    {PATH_WP, HOW_COPY, 0, true, MODE_USER, ACCESS_WRITE, {{SAMPLE_PAGE, copied}}, AGREES},
    {PATH_WP, HOW_NONE, 0, true, MODE_USER, ACCESS_WRITE, {{SAMPLE_PAGE, copied}}, AGREES},
    {PATH_WP, HOW_REUSE, 0, true, MODE_USER, ACCESS_WRITE, {{SAMPLE_PAGE, copied}}, DISAGREES},
    {PATH_WP, HOW_COPY, PATH_HUGE_WP, true, MODE_USER, ACCESS_WRITE,
     {{SAMPLE_PAGE, TOP "do_huge_pmd_wp_page;pte_alloc_one" ALLOC}, {SAMPLE_PAGE, copied}},
     AGREES},
    {PATH_COW_FAULT, 0, 0, true, MODE_USER, ACCESS_WRITE, {{SAMPLE_RSS_FILE, file}}, DISAGREES},
    {PATH_SHARED_FAULT, 0, 0, true, MODE_USER, ACCESS_WRITE,
     {{SAMPLE_PAGE, TOP "do_fault;pte_alloc_one" ALLOC}, {SAMPLE_RSS_FILE, file}}, AGREES},
    {PATH_SIGBUS, 0, 0, true, MODE_USER, ACCESS_WRITE,
     {{SAMPLE_PAGE, TOP "do_fault;pte_alloc_one" ALLOC}, {SAMPLE_SIGBUS, signalled}}, AGREES},
    {PATH_SIGBUS, 0, 0, true, MODE_USER, ACCESS_READ, {{SAMPLE_RSS_FILE, file}}, DISAGREES},
    {PATH_SIGBUS, 0, 0, true, MODE_KERNEL, ACCESS_READ,
     {{SAMPLE_PAGE, TOP "do_fault;pte_alloc_one" ALLOC}}, AGREEMENT_NONE},
    {PATH_READ_FAULT, 0, 0, true, MODE_USER, ACCESS_READ,
     {{SAMPLE_PAGE, TOP "do_fault;pte_alloc_one" ALLOC}, {SAMPLE_SIGBUS, signalled}}, DISAGREES},
    {PATH_BAD_ACCESS, 0, 0, true, MODE_USER, ACCESS_READ, {{SAMPLE_MAPERR, signalled}}, DISAGREES},
    {PATH_UFFD, 0, 0, true, MODE_USER, ACCESS_WRITE, {{SAMPLE_PAGE, page_table}}, AGREES},
    {PATH_UFFD, 0, 0, true, MODE_USER, ACCESS_WRITE, {{SAMPLE_RSS_ANON, anonymous}},
     AGREEMENT_NONE},
};

static void test_compared(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof compared / sizeof *compared; i++) {
        const struct compared *c = &compared[i];
        const struct path_verdict v = {.path = c->path, .how = c->how, .also = c->also,
                                       .sure = c->sure};
        struct event fault = fault_by(c->access);
        struct observation o = {.count = 0};
        fault.fault.mode = c->mode;
        for (unsigned k = 0; k < CHAINS_MAX && c->sample[k].chain; k++)
            add(&o, &fault, c->sample[k].kind, c->sample[k].chain);
        enum agreement a = observation_compare(&o, &fault, &v);
        if (a != c->agreement)
            fail_msg("row %zu: %s", i, agreement_name(a));
    }
}

static void test_more_ways_than_room(void **state)
{
    (void)state;
    static const char *const functions[] = {"do_anonymous_page", "do_huge_pmd_wp_page",
                                            "do_swap_page", "do_wp_page", "hugetlb_fault"};
    struct observation o = {.count = 0};
    struct event fault = fault_by(ACCESS_WRITE);
    for (unsigned i = 0; i < 5; i++)
        add(&o, &fault, SAMPLE_PAGE, functions[i]);
    assert_int_equal(o.count, OBSERVED_MAX);
    assert_true(observation_shows(&o, PATH_SWAP));
    assert_false(observation_shows(&o, PATH_HUGETLB));
}

/* --- the log --- */

static unsigned settled;
static uint64_t settled_address[16];
static uint8_t settled_agreement[16];

static void settle(void *ctx, const struct fault_entry *e)
{
    (void)ctx;
    settled_address[settled] = e->event.fault.address;
    settled_agreement[settled++] = e->observed.agreement;
}

static void fault(struct fault_log *l, int32_t tid, uint64_t address, uint64_t t_ns)
{
    struct fault_entry e = {.event = {.type = EVENT_FAULT, .pid = 7, .tid = tid, .t_ns = t_ns,
                                      .fault = {.address = address, .access = ACCESS_WRITE,
                                                .mode = MODE_USER}},
                            .verdict = {.path = PATH_ANONYMOUS, .sure = true}};
    fault_log_passed(l, tid);
    fault_log_add(l, &e);
    fault_log_settle_until(l, t_ns);
}

static void sample(struct fault_log *l, int32_t tid, uint32_t stack)
{
    const struct event e = {.type = EVENT_SAMPLE, .pid = 7, .tid = tid,
                            .sample = {.stack = stack, .kind = SAMPLE_PAGE}};
    fault_log_evidence(l, &e);
}

static void gap(struct fault_log *l, bool ends)
{
    const struct event e = {.type = EVENT_GAP, .gap.ends = ends};
    fault_log_evidence(l, &e);
}

static void begin(struct fault_log *l)
{
    assert_int_equal(fault_log_init(l), 0);
    l->evidence = true;
    l->on_settled = settle;
    settled = 0;
    assert_int_equal(fault_log_chain(l, 1, strdup(anonymous)), 0);
    assert_int_equal(fault_log_chain(l, 2, strdup(copied)), 0);
}

static void test_tied_by_thread_and_in_order(void **state)
{
    (void)state;
    struct fault_log l;
    begin(&l);
    fault(&l, 1, 0x1000, 1);
    fault(&l, 2, 0x2000, 2);
    sample(&l, 1, 2);
    sample(&l, 2, 1);
    fault(&l, 2, 0x3000, 3); /* over: 0x2000, but 0x1000 may still see more */
    assert_int_equal(settled, 0);
    fault_log_passed(&l, 1);
    sample(&l, 1, 1); /* of a call: not the fault's */
    fault_log_settle_until(&l, 4);
    assert_int_equal(settled, 2);
    assert_int_equal(settled_address[0], 0x1000);
    assert_int_equal(settled_agreement[0], DISAGREES);
    assert_int_equal(settled_agreement[1], AGREES);
    assert_int_equal(l.loose, 1);
    fault_log_settle(&l);
    assert_int_equal(settled_agreement[2], AGREEMENT_NONE);
    assert_int_equal(l.agreed[AGREES], 1);
    assert_string_equal(fault_log_stack(&l, 2), copied);
    assert_null(fault_log_stack(&l, 3));
    fault_log_deinit(&l);
}

static void test_half_a_second_is_enough(void **state)
{
    (void)state;
    struct fault_log l;
    begin(&l);
    fault(&l, 1, 0x1000, 1);
    fault_log_settle_until(&l, 499999999);
    assert_int_equal(settled, 0);
    fault_log_settle_until(&l, 500000001);
    assert_int_equal(settled, 1);
    sample(&l, 1, 1);
    assert_int_equal(l.loose, 1);
    fault_log_deinit(&l);
}

static void test_what_a_gap_touches(void **state)
{
    (void)state;
    struct fault_log l;
    begin(&l);
    fault(&l, 1, 0x1000, 1);
    sample(&l, 1, 1);
    fault(&l, 1, 0x2000, 2); /* 0x1000 is over before the gap */
    gap(&l, false);
    fault(&l, 1, 0x3000, 3);
    sample(&l, 1, 1);
    gap(&l, true);
    fault(&l, 1, 0x4000, 4);
    sample(&l, 1, 1);
    fault_log_settle(&l);
    assert_int_equal(settled, 4);
    assert_int_equal(settled_agreement[0], AGREES);
    assert_int_equal(settled_agreement[1], AGREEMENT_LOST);
    assert_int_equal(settled_agreement[2], AGREEMENT_LOST);
    assert_int_equal(settled_agreement[3], AGREES);
    fault_log_deinit(&l);
}

static void count_settled(void *ctx, const struct fault_entry *e)
{
    uint64_t *next = ctx;
    assert_int_equal(e->event.fault.address, *next);
    (*next)++;
}

static void test_a_full_log_settles_the_oldest(void **state)
{
    (void)state;
    struct fault_log l;
    uint64_t next = 0;
    begin(&l);
    l.on_settled = count_settled;
    l.ctx = &next;
    for (uint64_t i = 0; i < FAULT_LOG_KEEP + 5; i++)
        fault(&l, (int32_t)i + 1, i, 1);
    assert_int_equal(next, 5);
    fault_log_settle(&l);
    assert_int_equal(next, FAULT_LOG_KEEP + 5);
    assert_int_equal(fault_log_get(&l, 5)->event.fault.address, 5);
    assert_null(fault_log_get(&l, 4));
    fault_log_deinit(&l);
}

static void test_without_evidence(void **state)
{
    (void)state;
    struct fault_log l;
    begin(&l);
    l.evidence = false;
    fault(&l, 1, 0x1000, 1);
    assert_int_equal(settled, 1);
    assert_int_equal(settled_agreement[0], AGREEMENT_UNASKED);
    assert_int_equal(fault_log_chain(&l, 7, NULL), -22);
    fault_log_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_chains),
        cmocka_unit_test(test_compared),
        cmocka_unit_test(test_more_ways_than_room),
        cmocka_unit_test(test_tied_by_thread_and_in_order),
        cmocka_unit_test(test_half_a_second_is_enough),
        cmocka_unit_test(test_what_a_gap_touches),
        cmocka_unit_test(test_a_full_log_settles_the_oldest),
        cmocka_unit_test(test_without_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
