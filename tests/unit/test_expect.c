/* Expectations, judged on pictures and faults that are made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "scenario/run_parts.h"

enum { PAGE = 4096, PAGES = 16 };
static const uint64_t START = 0x10000000;

/* The machine that expectations see: one process, one mapping "a" of 16 pages. */
static struct fixture {
    struct page pages[PAGES];
    struct counters counters;
    struct can can;
    bool ksm_in_use;
    unsigned regions;     /* that the mapping consists of */
    uint64_t dirty;       /* bytes that smaps counts of each */
    struct process process, *list[1];
    struct named_mapping mapping;
    struct fault_entry faults[4];
    struct script script;
    struct observer observer;
    struct run run;
} f;

static int picture(void *ctx, pid_t pid, bool flags, struct moment *out, struct err *e)
{
    (void)ctx, (void)pid, (void)flags, (void)e;
    struct pagetree *tree = pagetree_create(4);
    struct region_table *t = region_table_create();
    assert_non_null(tree);
    assert_non_null(t);
    for (unsigned i = 0; i < PAGES; i++)
        assert_int_equal(pagetree_put(&tree, START / PAGE + i, 1, &f.pages[i]), 0);
    t->v = calloc(f.regions, sizeof *t->v);
    t->smaps = calloc(f.regions, sizeof *t->smaps);
    for (unsigned i = 0; i < f.regions; i++) {
        uint64_t each = PAGES * PAGE / f.regions;
        t->smaps[i].vmflags = (uint64_t)1 << region_vmflag_bit("wr");
        t->smaps[i].referenced = 8192;
        t->smaps[i].rss = 12288;
        t->smaps[i].private_dirty = f.dirty;
        t->v[i] = (struct region){.start = START + i * each, .end = START + (i + 1) * each,
                                  .perms = REGION_R | REGION_W, .name = "", .smaps = &t->smaps[i]};
    }
    t->count = f.regions;
    *out = (struct moment){.regions = t, .tree = tree, .counters = f.counters};
    out->target.geometry = (struct geometry){.page_shift = 12, .levels = 4, .pmd_shift = 21};
    out->target.scan = out->target.pagemap = (struct can){.yes = true, .why = ""};
    out->target.pfn = out->target.kpageflags = out->target.kpagecount = f.can;
    out->target.ksm_in_use = f.ksm_in_use;
    return 0;
}

static int no_faults(void *ctx, const struct fault_entry **v, size_t *count)
{
    (void)ctx;
    *v = NULL;
    *count = 0;
    return 0;
}

static struct page page(unsigned state, unsigned attrs, uint64_t frame)
{
    return (struct page){.frame = frame, .mapcount = 1, .attrs = (uint16_t)attrs,
                         .state = (uint8_t)state, .order = 0};
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    for (unsigned i = 0; i < PAGES; i++)
        f.pages[i] = page_absent;
    f.can.yes = true;
    f.regions = 1;
    f.mapping = (struct named_mapping){.name = "a", .start = START, .bytes = PAGES * PAGE,
                                       .first = START, .end = START + PAGES * PAGE,
                                       .page_size = PAGE};
    f.process = (struct process){.name = "main", .pid = 1, .mappings = &f.mapping,
                                 .mapping_count = 1};
    f.list[0] = &f.process;
    f.observer = (struct observer){.picture = picture, .faults = no_faults};
    f.run = (struct run){.script = &f.script, .observer = &f.observer, .processes = f.list,
                         .process_count = 1, .actor = &f.process};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    expect_deinit(&f.run);
    script_destroy(NULL);
    return 0;
}

/* Judges the last line of a script that names the mapping before. */
static enum verdict judged(const char *line, struct outcome *out)
{
    char text[300];
    struct script *s;
    struct script_error at;
    struct err e;
    snprintf(text, sizeof text, "map a 64K rw private anon\nread a\n%s\n", line);
    int rc = script_parse(text, strlen(text), &s, &at);
    if (rc)
        fail_msg("%s: %s", line, at.text);
    memset(out, 0, sizeof *out);
    assert_int_equal(expect_judge(&f.run, &s->v[s->count - 1], out, &e), 0);
    assert_true(out->is_expect);
    assert_true(out->found[0]);
    script_destroy(s);
    return out->verdict;
}

static void passes(const char *line)
{
    struct outcome out;
    if (judged(line, &out) != VERDICT_PASS)
        fail_msg("%s: expected %s, found %s", line, out.expected, out.found);
    assert_true(out.expected[0]);
}

static void fails(const char *line)
{
    struct outcome out;
    if (judged(line, &out) != VERDICT_FAIL)
        fail_msg("%s: verdict %d: %s", line, out.verdict, out.found);
}

static void skips(const char *line, const char *reason)
{
    struct outcome out;
    if (judged(line, &out) != VERDICT_SKIP || !strstr(out.found, reason))
        fail_msg("%s: verdict %d: %s", line, out.verdict, out.found);
}

static const unsigned all = PAGE_A_ENTRY | PAGE_A_FLAGS | PAGE_A_COUNT;

static void counts_of_states(void **state)
{
    (void)state;
    f.pages[0] = page(PAGE_ANON, all | PAGE_A_EXCLUSIVE | PAGE_A_DIRTY, 100);
    f.pages[1] = page(PAGE_COW, all, 101);
    f.pages[2] = page(PAGE_ZERO, all, 5);
    f.pages[3] = page(PAGE_SWAP, PAGE_A_ENTRY, 7);
    f.pages[4] = page(PAGE_FILE, all | PAGE_A_EXCLUSIVE, 104);
    passes("expect a present 4, absent 11, swapped 1");
    passes("expect a anon 2");
    passes("expect a cow 1");
    passes("expect a exclusive 2");
    passes("expect a shared 2");
    f.dirty = 8192; /* its entry says so of a[1], its frame does not */
    expect_after(&f.run);
    passes("expect a dirty 2");
    passes("expect a[0] dirty 1");
    passes("expect a[2] dirty 0");
    passes("expect a[4] dirty 0");
    skips("expect a[1] dirty 1", "only part");
    fails("expect a dirty 1");
    f.dirty = 12288; /* all */
    expect_after(&f.run);
    passes("expect a[1] dirty 1");
    f.dirty = 0;
    expect_after(&f.run);
    passes("expect a[1] dirty 0");
    passes("expect a[0] anon 1");
    passes("expect a[2:5] present 2");
    passes("expect a file >= 1");
    fails("expect a present 5");
    fails("expect a present 4, absent 12");
    fails("expect a[0] zero 1");
}

static void unknown_is_no_pass(void **state)
{
    (void)state;
    f.can = (struct can){.yes = false, .why = "needs CAP_SYS_ADMIN"};
    f.pages[0] = page(PAGE_ANON, PAGE_A_ENTRY | PAGE_A_EXCLUSIVE, PAGE_FRAME_UNKNOWN);
    passes("expect a anon 1");
    passes("expect a exclusive 1");
    passes("expect a cow 0");
    f.dirty = 4096;
    expect_after(&f.run);
    passes("expect a dirty 1");
    skips("expect a[0] dirty 1", "CAP_SYS_ADMIN");
    skips("expect a locked 0", "CAP_SYS_ADMIN");
    skips("expect a[0] mapcount 1", "CAP_SYS_ADMIN");
    skips("expect same-frame a[0] a[0]", "CAP_SYS_ADMIN");
    f.ksm_in_use = true;
    expect_after(&f.run);
    skips("expect a ksm 0", "CAP_SYS_ADMIN");
    f.pages[1] = page(PAGE_UNKNOWN, 0, PAGE_FRAME_UNKNOWN);
    expect_after(&f.run);
    skips("expect a present 1", "");
    skips("expect a absent 14", "");
}

static void frames_and_counts(void **state)
{
    (void)state;
    f.pages[0] = page(PAGE_ANON, all | PAGE_A_EXCLUSIVE, 100);
    f.pages[1] = page(PAGE_FILE, all, 200);
    f.pages[2] = page(PAGE_FILE, all, 200);
    f.pages[1].mapcount = f.pages[2].mapcount = 2;
    f.pages[1].order = 4;
    passes("expect same-frame a[1] a[2]");
    fails("expect same-frame a[0] a[1]");
    passes("expect different-frame a[0] a[1]");
    fails("expect different-frame a[1] a[2]");
    fails("expect different-frame a[0] a[3]");
    passes("expect a[1] mapcount 2");
    fails("expect a[1] mapcount 1");
    fails("expect a[5] mapcount 0");
    passes("expect a[1] order 4");
    fails("expect a[0] order 4");
}

/* A statement with expectations behind it that compare: `before` is what was. */
static void begin_action(const char *line)
{
    char text[300];
    struct script_error at;
    struct err e;
    struct script *s;
    snprintf(text, sizeof text, "map a 64K rw private anon\nread a\n%s\n", line);
    assert_int_equal(script_parse(text, strlen(text), &s, &at), 0);
    f.run.script = s;
    assert_int_equal(expect_before(&f.run, 1, &e), 0);
    f.run.script = &f.script;
    script_destroy(s);
    expect_after(&f.run);
}

static void before_and_after(void **state)
{
    (void)state;
    f.pages[0] = page(PAGE_COW, all, 100);
    f.pages[1] = page(PAGE_ANON, all, 101);
    f.counters = (struct counters){.rss = 8192, .rss_anon = 8192, .swap = UINT64_MAX};
    begin_action("expect rss +4K");
    f.pages[0] = page(PAGE_ANON, all | PAGE_A_EXCLUSIVE, 300);
    f.pages[2] = page(PAGE_ANON, all, 102);
    f.counters.rss = 12288;
    passes("expect new-frame a[0]");
    fails("expect kept-frame a[0]");
    passes("expect kept-frame a[1]");
    fails("expect new-frame a[1]");
    passes("expect new-frame a[2]");
    fails("expect kept-frame a[2]");
    fails("expect new-frame a[3]");
    passes("expect rss +4K");
    fails("expect rss +8K");
    passes("expect anon-rss +0");
    passes("expect rss >= +1");
    skips("expect swap +0", "");
}

static void results_and_faults(void **state)
{
    (void)state;
    f.process.last.valid = true;
    f.process.last.result = (struct stage_result){.minor = 3, .major = 1};
    passes("expect ok");
    passes("expect faults 4");
    passes("expect minor 3");
    passes("expect major 1");
    fails("expect major 0");
    fails("expect errno ENOMEM");
    f.process.last.result = (struct stage_result){.error = ENOMEM};
    passes("expect errno ENOMEM");
    fails("expect errno EINVAL");
    fails("expect ok");
    f.process.last.result = (struct stage_result){.signal = SIGSEGV, .code = SEGV_MAPERR};
    passes("expect signal SIGSEGV");
    passes("expect signal SIGSEGV SEGV_MAPERR");
    fails("expect signal SIGSEGV SEGV_ACCERR");
    fails("expect signal SIGBUS");
    fails("expect ok");
    f.process.last.result = (struct stage_result){.gone = true, .status = SIGKILL};
    passes("expect signal SIGKILL");
    fails("expect ok");
    fails("expect faults 0");
}

static void paths(void **state)
{
    (void)state;
    f.process.last.valid = true;
    f.process.last.faults = f.faults;
    f.process.last.fault_count = 3;
    f.process.last.result.minor = 5;
    for (unsigned i = 0; i < 3; i++)
        f.faults[i].verdict = (struct path_verdict){.path = PATH_ANONYMOUS, .sure = true};
    passes("expect path do_anonymous_page");
    passes("expect path do_anonymous_page x 3");
    passes("expect path do_wp_page x 0");
    fails("expect path do_anonymous_page x 4");
    fails("expect path do_wp_page");
    passes("expect path populate x 2");
    f.faults[2].verdict = (struct path_verdict){.path = PATH_WP, .how = HOW_COPY, .sure = true};
    fails("expect path do_anonymous_page");
    passes("expect path do_wp_page copy x 1");
    fails("expect path do_wp_page reuse x 1");
    f.faults[1].verdict.also = PATH_EXPAND_STACK;
    passes("expect path expand_stack x 1");
    f.faults[0].verdict = (struct path_verdict){
        .path = PATH_ANONYMOUS, .steps = 1, .step = {{"Is that certain?", "it may be in swap"}}};
    skips("expect path do_anonymous_page x 2", "it may be in swap");
    f.process.last.fault_count = 0;
    fails("expect path do_anonymous_page");
    f.observer.faults = NULL;
    f.observer.why = "no bpf here";
    skips("expect path do_anonymous_page", "no bpf here");
}

static bool evidence(void *ctx, char *why, size_t cap)
{
    (void)ctx;
    snprintf(why, cap, "no call chains");
    return f.ksm_in_use; /* any switch will do */
}

static void observations(void **state)
{
    (void)state;
    f.process.last.valid = true;
    f.process.last.faults = f.faults;
    f.process.last.fault_count = 2;
    f.observer.evidence = evidence;
    skips("expect observed do_wp_page", "no call chains");
    f.ksm_in_use = true;
    fails("expect observed do_wp_page");
    f.faults[0].observed = (struct observation){.seen = {1u << PATH_WP}, .count = 1};
    passes("expect observed do_wp_page");
    passes("expect observed do_wp_page x 1");
    fails("expect observed do_wp_page x 2");
    f.faults[1].observed = (struct observation){.seen = {1u << PATH_SWAP}, .count = 1};
    fails("expect observed do_wp_page");
    f.faults[1].observed.agreement = AGREEMENT_LOST;
    skips("expect observed do_wp_page", "lost");
}

static void mappings(void **state)
{
    (void)state;
    f.regions = 2;
    passes("expect a regions 2");
    passes("expect a[0] regions 1");
    fails("expect a regions 1");
    passes("expect a size 64K");
    passes("expect a[0] size 32K");
    passes("expect a perms rw-p");
    fails("expect a perms r--p");
    passes("expect a name \"\"");
    fails("expect a name \"[heap]\"");
    passes("expect a vmflag wr");
    fails("expect a no-vmflag wr");
    passes("expect a no-vmflag lo");
    passes("expect a smaps Referenced 16K");
    fails("expect a smaps Referenced 8K");
    passes("expect a smaps Locked 0");
    f.regions = 1;
    f.mapping.start += 64 * PAGE;
    f.mapping.first = f.mapping.start;
    f.mapping.end = f.mapping.start + f.mapping.bytes;
    expect_after(&f.run);
    fails("expect a vmflag wr");
    fails("expect a no-vmflag wr");
    passes("expect a regions 0");
    passes("expect a size 0");
}

static void ended_processes(void **state)
{
    (void)state;
    f.process.ended = true;
    fails("expect a present 0");
    fails("expect a absent 16");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(counts_of_states), TEST(unknown_is_no_pass), TEST(frames_and_counts),
        TEST(before_and_after), TEST(results_and_faults), TEST(paths), TEST(observations),
        TEST(mappings), TEST(ended_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
