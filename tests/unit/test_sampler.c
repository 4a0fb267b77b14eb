/* The sampler over a stand-in for /proc that the test writes: without PAGEMAP_SCAN, with files that
 * are short, absent or change between samples. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watched.h"

enum { PID = 77 };
#define BASE UINT64_C(0x7f0000000000)
#define AT(page) (BASE + (uint64_t)(page) * 4096)
#define BIT(n) (UINT64_C(1) << (n))
#define PRESENT BIT(63)
#define EXCLUSIVE BIT(56)
#define SHARED_FILE BIT(61)
#define SWAP BIT(62)
#define MARKER (SWAP | BIT(57) | 31)
#define ANON (BIT(12) | BIT(14))

static char root[] = "/tmp/vmscope-proc-XXXXXX";

static void path_of(char out[256], const char *name)
{
    snprintf(out, 256, "%s/%s", root, name);
}

static void put_text(const char *name, const char *text)
{
    char path[256];
    path_of(path, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void put_u64(const char *name, uint64_t index, uint64_t value)
{
    char path[256];
    path_of(path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &value, sizeof value, (off_t)(index * 8)), 8);
    close(fd);
}

static void put_entry(unsigned page, uint64_t entry)
{
    put_u64("77/pagemap", (BASE >> 12) + page, entry);
}

static void drop(const char *name)
{
    char path[256];
    path_of(path, name);
    assert_int_equal(remove(path), 0);
}

static void put_counters(unsigned min_flt)
{
    char line[200];
    snprintf(line, sizeof line, "77 (a) b\n) S 1 0 0 0 -1 0 %u 2 3 4 5 6 7 8 20 0 1 0 99 4096 1\n",
             min_flt);
    put_text("77/stat", line);
    put_text("77/status", "Uid:\t12\t12\t12\t12\nThreads:\t2\nVmSize:\t64 kB\nVmRSS:\t32 kB\n");
}

/* 16 pages of heap, 8 of a file, 4 that pagemap is too short for. */
static const char both[] = "7f0000000000-7f0000010000 rw-p 00000000 00:00 0 [heap]\n"
                           "7f0000010000-7f0000018000 r--p 00000000 fe:00 5 /bin/x\n"
                           "7f0000100000-7f0000104000 rw-p 00000000 00:00 0 \n";
static const char smaller[] = "7f0000002000-7f0000010000 rw-p 00000000 00:00 0 [heap]\n";

static int make_root(void **state)
{
    char path[256];
    (void)state;
    snprintf(root, sizeof root, "/tmp/vmscope-proc-XXXXXX");
    assert_non_null(mkdtemp(root));
    path_of(path, "77");
    assert_int_equal(mkdir(path, 0700), 0);
    put_counters(10);
    put_text("77/maps", both);
    put_entry(0, PRESENT | EXCLUSIVE | 100);
    put_entry(1, PRESENT | 101);
    put_entry(2, PRESENT | 102);
    put_entry(3, SWAP | 5 << 5 | 1);
    put_entry(4, MARKER);
    put_entry(5, SWAP | BIT(58) | 31);
    put_entry(16, PRESENT | SHARED_FILE | 200);
    put_entry(17, PRESENT | SHARED_FILE | 201);
    put_entry(23, 0);
    put_u64("kpageflags", 100, ANON | BIT(34));
    put_u64("kpageflags", 101, ANON);
    put_u64("kpageflags", 102, BIT(24));
    put_u64("kpageflags", 200, BIT(3));
    put_u64("kpageflags", 201, BIT(3) | BIT(4));
    put_u64("kpagecount", 101, 3);
    put_u64("kpagecount", 102, 0);
    put_u64("kpagecount", 201, 7);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void open_root(struct watched *w)
{
    struct err e = {0};
    const struct sampler_options o = {.proc_root = root, .pid = PID, .want = PAGES_ALL,
                                      .cpu_permille = AMPLE_PERMILLE};
    if (watched_open(w, &o, &e))
        fail_msg("%s", e.text);
}

static struct page page_of(const struct watched *w, unsigned page)
{
    const struct moment *m = model_now(w->model);
    return pagetree_get(m->tree, moment_page(m, AT(page)));
}

static void check_page(const struct watched *w, unsigned page, unsigned state, uint64_t frame,
                       uint32_t count)
{
    struct page p = page_of(w, page);
    if (p.state != state || p.frame != frame || p.mapcount != count)
        fail_msg("page %u: %s frame %llu count %u", page, page_state_info(p.state)->name,
                 (unsigned long long)p.frame, p.mapcount);
}

static void check_all(const struct watched *w)
{
    check_page(w, 0, PAGE_ANON, 100, 1);
    check_page(w, 1, PAGE_COW, 101, 3);
    check_page(w, 2, PAGE_ZERO, 102, 0);
    check_page(w, 3, PAGE_SWAP, 5, 1);
    check_page(w, 4, PAGE_ABSENT, PAGE_FRAME_UNKNOWN, 0);
    assert_int_equal(page_of(w, 4).attrs, PAGE_A_ENTRY | PAGE_A_UFFD_WP);
    check_page(w, 5, PAGE_GUARD, PAGE_FRAME_UNKNOWN, 0);
    check_page(w, 6, PAGE_ABSENT, PAGE_FRAME_UNKNOWN, 0);
    check_page(w, 16, PAGE_FILE, 200, 0);
    check_page(w, 17, PAGE_FILE, 201, 7);
    assert_true(page_of(w, 17).attrs & PAGE_A_DIRTY);
    check_page(w, 0x100, PAGE_UNKNOWN, PAGE_FRAME_UNKNOWN, 0); /* behind the end of pagemap */
    check_page(w, 0x103, PAGE_UNKNOWN, PAGE_FRAME_UNKNOWN, 0);
    const struct moment *m = model_now(w->model);
    assert_string_equal(m->target.comm, "a) b\n");
    assert_int_equal(m->target.uid, 12);
    assert_false(m->target.scan.yes);
    assert_true(m->target.scan.why[0]);
    assert_true(m->target.pfn.yes && m->target.kpageflags.yes && m->target.kpagecount.yes);
    assert_int_equal(m->counters.min_flt, 10);
    assert_int_equal(m->counters.rss, 32 * 1024);
    assert_true(m->sample.complete && m->sample.ranges_skipped > 0);
}

/* Ticks until the picture is complete and this many samples came. */
static void tick_until(struct watched *w, int (*done)(const struct watched *))
{
    uint64_t deadline = io_now_ns() + UINT64_C(60000000000);
    do {
        assert_int_equal(watched_tick(w), 0);
        assert_true(io_now_ns() < deadline);
    } while (!sampler_gone(w->sampler) && !done(w));
}

static int complete(const struct watched *w)
{
    return model_now(w->model) && model_now(w->model)->sample.complete;
}

static void test_full_by_entries(void **state)
{
    (void)state;
    struct watched w;
    open_root(&w);
    assert_int_equal(watched_full(&w), 0);
    check_all(&w);
    unsigned sent = w.records[RECORD_PAGES];
    assert_int_equal(watched_full(&w), 0); /* nothing has changed: nothing is sent */
    assert_int_equal(w.records[RECORD_PAGES], sent);
    assert_int_equal(w.records[RECORD_REGIONS], 1);
    assert_int_equal(w.records[RECORD_TARGET], 1);
    watched_close(&w);
}

static void test_ticks_by_entries(void **state)
{
    (void)state;
    struct watched w;
    open_root(&w);
    tick_until(&w, complete);
    check_all(&w);
    watched_close(&w);
}

static int sees_two_more(const struct watched *w)
{
    return page_of(w, 6).state == PAGE_ANON && page_of(w, 6).frame == 103 &&
           page_of(w, 1).frame == 104;
}

/* Counters move: what is new comes; what a scan cannot tell is not forgotten on the way. */
static void test_ticks_follow_changes(void **state)
{
    (void)state;
    struct watched w;
    open_root(&w);
    tick_until(&w, complete);
    put_entry(6, PRESENT | EXCLUSIVE | 103);
    put_entry(1, PRESENT | EXCLUSIVE | 104);
    put_u64("kpageflags", 103, ANON);
    put_u64("kpageflags", 104, ANON);
    for (unsigned i = 0; i < 3; i++) {
        put_counters(20 + i);
        assert_int_equal(watched_tick(&w), 0);
        assert_int_equal(page_of(&w, 4).attrs, PAGE_A_ENTRY | PAGE_A_UFFD_WP);
        check_page(&w, 5, PAGE_GUARD, PAGE_FRAME_UNKNOWN, 0);
    }
    tick_until(&w, sees_two_more);
    assert_int_equal(model_now(w.model)->counters.min_flt, 22);
    check_page(&w, 0, PAGE_ANON, 100, 1);
    watched_close(&w);
}

/* Counters move, pages do not: then nothing is told of pages, not even for a moment. */
static void test_ticks_tell_only_what_changed(void **state)
{
    (void)state;
    struct watched w;
    open_root(&w);
    tick_until(&w, complete);
    unsigned sent = w.records[RECORD_PAGES];
    for (unsigned i = 0; i < 5; i++) {
        put_counters(20 + i);
        assert_int_equal(watched_tick(&w), 0);
    }
    assert_int_equal(w.records[RECORD_PAGES], sent);
    check_page(&w, 2, PAGE_ZERO, 102, 0);
    watched_close(&w);
}

static int heap_shrank(const struct watched *w)
{
    return model_now(w->model)->regions->count == 1;
}

static void test_what_is_unmapped_is_absent(void **state)
{
    (void)state;
    for (unsigned full = 0; full < 2; full++) {
        struct watched w;
        open_root(&w);
        put_text("77/maps", both);
        tick_until(&w, complete);
        put_text("77/maps", smaller);
        put_counters(30 + full);
        if (full)
            assert_int_equal(watched_full(&w), 0);
        else
            tick_until(&w, heap_shrank);
        assert_int_equal(model_now(w.model)->regions->count, 1);
        assert_int_equal(w.emptied, 3); /* two pages, two mappings */
        static const unsigned gone[] = {0, 1, 16, 17, 0x100, 0x103};
        for (unsigned i = 0; i < sizeof gone / sizeof *gone; i++)
            check_page(&w, gone[i], PAGE_ABSENT, PAGE_FRAME_UNKNOWN, 0);
        check_page(&w, 2, PAGE_ZERO, 102, 0);
        check_page(&w, 3, PAGE_SWAP, 5, 1);
        watched_close(&w);
    }
}

static void test_without_pagemap(void **state)
{
    (void)state;
    struct watched w;
    struct totals t;
    drop("77/pagemap");
    open_root(&w);
    assert_int_equal(watched_full(&w), 0);
    const struct moment *m = model_now(w.model);
    assert_false(m->target.pagemap.yes || m->target.pfn.yes || m->target.scan.yes);
    assert_true(m->target.pagemap.why[0] && m->target.pfn.why[0]);
    totals_of_all(m, &t);
    assert_int_equal(t.unknown, t.size);
    assert_true(t.no_resident && t.no_swap);
    watched_close(&w);
}

static void test_without_frames(void **state)
{
    (void)state;
    struct watched w;
    drop("kpageflags");
    drop("kpagecount");
    open_root(&w);
    assert_int_equal(watched_full(&w), 0);
    assert_false(model_now(w.model)->target.kpageflags.yes);
    assert_false(model_now(w.model)->target.kpagecount.yes);
    check_page(&w, 0, PAGE_ANON, 100, 0);
    assert_int_equal(page_of(&w, 0).attrs, PAGE_A_ENTRY | PAGE_A_EXCLUSIVE);
    check_page(&w, 1, PAGE_PRESENT, 101, 0); /* or a zero page, as page 2 is */
    check_page(&w, 2, PAGE_PRESENT, 102, 0);
    check_page(&w, 16, PAGE_FILE, 200, 0);
    watched_close(&w);
}

static void test_a_directory_that_vanishes(void **state)
{
    (void)state;
    for (unsigned full = 0; full < 2; full++) {
        struct watched w;
        struct err e = {0};
        const struct sampler_options o = {.proc_root = root, .pid = PID};
        if (full)
            make_root(NULL);
        open_root(&w);
        assert_int_equal(watched_full(&w), 0);
        remove_root(NULL);
        assert_int_equal(full ? watched_full(&w) : watched_tick(&w), 0);
        assert_true(sampler_gone(w.sampler));
        assert_int_equal(w.records[RECORD_GONE], 1);
        assert_non_null(strstr(model_gone(w.model), "77"));
        watched_close(&w);
        assert_true(watched_open(&w, &o, &e) < 0);
        assert_true(e.text[0]);
    }
    make_root(NULL);
}

static void test_a_root_that_is_none(void **state)
{
    (void)state;
    struct watched w;
    struct err e = {0};
    const struct sampler_options o = {.proc_root = "/nowhere/\x1b[2J\n", .pid = PID};
    assert_int_equal(watched_open(&w, &o, &e), -ENOENT);
    assert_non_null(strstr(e.text, "/nowhere/\\x1b[2J\\x0a")); /* fit for a terminal */
}

static void test_a_detail(void **state)
{
    (void)state;
    struct watched w;
    open_root(&w);
    assert_int_equal(watched_full(&w), 0);
    assert_int_equal(sampler_detail(w.sampler, AT(1) + 5, watched_sink, &w), 0);
    const struct page_detail *d = model_detail(w.model);
    assert_true(d->address == AT(1) && d->has_entry && d->has_flags && d->has_count);
    assert_true(d->entry == (PRESENT | 101) && d->flags == ANON && d->count == 3);
    assert_int_equal(d->page.state, PAGE_COW);
    assert_int_equal(sampler_detail(w.sampler, AT(3), watched_sink, &w), 0);
    d = model_detail(w.model);
    assert_true(d->swap_type == 1 && d->swap_offset == 5 && !d->has_flags && d->flags_why[0]);
    assert_int_equal(sampler_detail(w.sampler, AT(0x100), watched_sink, &w), 0);
    d = model_detail(w.model);
    assert_true(!d->has_entry && d->entry_why[0]);
    watched_close(&w);
}

#define OVER_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    alarm(240);
    const struct CMUnitTest tests[] = {
        OVER_ROOT(test_full_by_entries),     OVER_ROOT(test_ticks_by_entries),
        OVER_ROOT(test_ticks_follow_changes), OVER_ROOT(test_what_is_unmapped_is_absent),
        OVER_ROOT(test_ticks_tell_only_what_changed),
        OVER_ROOT(test_without_pagemap),     OVER_ROOT(test_without_frames),
        OVER_ROOT(test_a_directory_that_vanishes), OVER_ROOT(test_a_detail),
        cmocka_unit_test(test_a_root_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
