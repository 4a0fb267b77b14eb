/* Allocations that fail, one after the other: no crash, no leak, -ENOMEM, and what was there before
 * is still there. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/model.h"
#include "probe/maps.h"
#include "report/snapshot.h"
#include "sampler/sampler.h"

/* --- malloc, which can be told to fail --- */

/* The allocator behind: a sanitizer's if there is one. */
extern void *__interceptor_malloc(size_t) __attribute__((weak));
extern void *__interceptor_calloc(size_t, size_t) __attribute__((weak));
extern void *__interceptor_realloc(void *, size_t) __attribute__((weak));
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static _Thread_local bool armed; /* other threads have their memory */
static _Thread_local unsigned left, failed;

static bool fails(void)
{
    if (!armed || left--)
        return false;
    left = 0;
    failed++;
    return true; /* and all that follow */
}

void *malloc(size_t n)
{
    return fails() ? NULL : __interceptor_malloc ? __interceptor_malloc(n) : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails()                 ? NULL
           : __interceptor_calloc ? __interceptor_calloc(n, size)
                                  : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails()                  ? NULL
           : __interceptor_realloc ? __interceptor_realloc(p, n)
                                   : __libc_realloc(p, n);
}

/* Runs it with the allocations from the n-th on failing, for each n, until none was needed any
 * more. It returns the result of what it tried and checks for itself what must still be there. */
static void exhaust(int (*attempt)(void *), void *ctx)
{
    enum { MOST = 20000 };
    for (unsigned n = 0; n < MOST; n++) {
        left = n;
        failed = 0;
        int rc = attempt(ctx);
        armed = false;
        if (!failed) {
            assert_int_equal(rc, 0);
            assert_true(n > 0);
            return;
        }
        assert_int_equal(rc, -ENOMEM);
    }
    fail_msg("there is no end of allocations");
}

#define ARMED(call) (armed = true, rc = (call), armed = false)

/* --- attempts --- */

static struct page_run runs[300];

static void make_runs(uint64_t frame)
{
    for (unsigned i = 0; i < 300; i++)
        runs[i] = (struct page_run){
            i * 700, 1 + i % 600, {frame + i, 1, PAGE_A_ENTRY, PAGE_ANON, 0}};
}

static uint64_t count_anon(const struct pagetree *t)
{
    struct tally sum = {{0}};
    pagetree_tally(t, 0, UINT64_MAX, &sum);
    return sum.n[PAGE_ANON];
}

static int try_replace(void *ctx)
{
    struct pagetree *base = ctx, *out = NULL;
    uint64_t before = count_anon(base);
    int rc;
    make_runs(77);
    ARMED(pagetree_replace(base, 0, 300 * 700, runs, 300, &out));
    assert_int_equal(count_anon(base), before);
    assert_true(rc ? !out : out != NULL);
    pagetree_unref(out);
    return rc;
}

static void test_pagetree(void **state)
{
    (void)state;
    struct pagetree *t = pagetree_create(4), *base;
    make_runs(5);
    assert_int_equal(pagetree_replace(t, 0, 300 * 700, runs, 300, &base), 0);
    exhaust(try_replace, t);
    exhaust(try_replace, base);
    pagetree_unref(base);
    pagetree_unref(t);
}

static const char maps[] = "1000-5000 rw-p 00000000 00:00 0 [heap]\nRss: 4 kB\nVmFlags: rd\n"
                           "7f0000000000-7f0000003000 r--p 00000000 fe:00 7 /a \"q\" \x1b name\n";

static int try_maps(void *ctx)
{
    struct region_table *out = NULL;
    int rc;
    (void)ctx;
    ARMED(maps_parse(maps, sizeof maps - 1, NULL, &out));
    assert_true(rc ? !out : out != NULL);
    region_table_unref(out);
    return rc;
}

static int try_smaps(void *ctx)
{
    struct region_table *out = NULL;
    int rc;
    (void)ctx;
    ARMED(smaps_parse(maps, sizeof maps - 1, NULL, &out));
    assert_true(rc ? !out : out != NULL);
    region_table_unref(out);
    return rc;
}

static void test_parsers(void **state)
{
    (void)state;
    exhaust(try_maps, NULL);
    exhaust(try_smaps, NULL);
}

static struct record *target_record(void)
{
    struct record *r = record_create(RECORD_TARGET, 1, 0);
    r->target = calloc(1, sizeof *r->target);
    r->target->pid = 1;
    r->target->geometry.levels = 4;
    r->target->geometry.page_shift = 12;
    r->target->geometry.pmd_shift = 21;
    return r;
}

static struct record *pages_record(uint64_t frame)
{
    struct record *r = record_create(RECORD_PAGES, 1, 0);
    make_runs(frame);
    r->pages.n = 300 * 700;
    r->pages.count = 300;
    r->pages.runs = malloc(sizeof runs);
    memcpy(r->pages.runs, runs, sizeof runs);
    return r;
}

static struct model *filled_model(void)
{
    struct model *m = model_create();
    struct record *r = record_create(RECORD_REGIONS, 1, 0);
    assert_int_equal(maps_parse(maps, sizeof maps - 1, NULL, &r->regions), 0);
    assert_int_equal(model_fold(m, target_record()), 0);
    assert_int_equal(model_fold(m, r), 0);
    assert_int_equal(model_fold(m, pages_record(5)), 0);
    assert_int_equal(model_fold(m, record_create(RECORD_SAMPLE, 1, 0)), 0);
    return m;
}

static int try_fold(void *ctx)
{
    struct model *m = filled_model();
    struct record *r = ctx ? target_record() : pages_record(9);
    uint64_t before = count_anon(model_now(m)->tree);
    int rc;
    ARMED(model_fold(m, r));
    assert_int_equal(model_fold(m, record_create(RECORD_SAMPLE, 1, 0)), 0);
    if (rc) { /* the next picture is like the last */
        assert_int_equal(count_anon(model_now(m)->tree), before);
        assert_ptr_equal(model_now(m)->tree, model_before(m)->tree);
    }
    model_destroy(m);
    return rc;
}

/* Failed or not, the model goes on with what comes next. */
static int try_first_target(void *ctx)
{
    (void)ctx;
    struct model *m = model_create();
    struct record *r = target_record();
    int rc;
    ARMED(model_fold(m, r));
    if (rc)
        assert_int_equal(model_fold(m, target_record()), 0);
    assert_non_null(model_spaces(m));
    assert_non_null(model_symbols(m));
    assert_non_null(model_faults(m));
    assert_int_equal(model_fold(m, pages_record(5)), 0);
    model_destroy(m);
    return rc;
}

static void test_model(void **state)
{
    (void)state;
    exhaust(try_first_target, NULL);
    exhaust(try_fold, NULL);
    exhaust(try_fold, (void *)1);
}

struct writer {
    const struct moment *m;
    int (*write)(const struct moment *, bool, struct buf *);
    bool pages;
    struct buf whole;
};

static int try_write(void *ctx)
{
    struct writer *w = ctx;
    struct buf out = {0};
    int rc;
    ARMED(w->write(w->m, w->pages, &out));
    if (!rc) /* nothing is left out silently */
        assert_string_equal(out.data, w->whole.data);
    buf_deinit(&out);
    return rc;
}

static int write_json(const struct moment *m, bool pages, struct buf *out)
{
    const struct thp_settings thp = {.anon = THP_ALWAYS};
    return snapshot_json(m, pages, pages ? &thp : NULL, out);
}

static void test_reports(void **state)
{
    (void)state;
    int (*const writers[])(const struct moment *, bool, struct buf *) = {
        write_json, snapshot_table, snapshot_csv};
    struct model *m = filled_model();
    for (unsigned i = 0; i < 6; i++) {
        struct writer w = {model_now(m), writers[i / 2], i % 2, {0}};
        assert_int_equal(w.write(w.m, w.pages, &w.whole), 0);
        exhaust(try_write, &w);
        buf_deinit(&w.whole);
    }
    model_destroy(m);
}

static int drop(void *ctx, struct record *r)
{
    (void)ctx;
    record_destroy(r);
    return 0;
}

/* A look at a small process. What only speeds it up, as a second thread, may be done without. */
static int try_sampler(void *ctx)
{
    const struct sampler_options *o = ctx;
    struct sampler *s = NULL;
    struct err e = {0};
    int rc;
    armed = true;
    rc = sampler_create(o, &s, &e);
    if (!rc && o->cpu_permille)
        rc = sampler_tick(s, drop, NULL, &e);
    else if (!rc)
        rc = sampler_full(s, drop, NULL, &e);
    sampler_destroy(s);
    armed = false;
    if (rc)
        assert_true(e.code == -ENOMEM && e.text[0]);
    return rc == 0 && failed ? -ENOMEM : rc;
}

static pid_t start_sleeper(void)
{
    char c;
    int began[2]; /* closed by exec */
    assert_int_equal(pipe2(began, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("sleep", "sleep", "1000", (char *)NULL);
        _exit(127);
    }
    close(began[1]);
    assert_int_equal(read(began[0], &c, 1), 0);
    close(began[0]);
    return pid;
}

static void test_sampler(void **state)
{
    (void)state;
    pid_t pid = start_sleeper();
    struct sampler_options once = {.pid = pid, .want = PAGES_ALL, .once = true, .smaps = true};
    struct sampler_options full = {.pid = pid, .want = PAGES_ALL | PAGES_ORDERS};
    struct sampler_options live = {.pid = pid, .want = PAGES_ALL, .cpu_permille = 1000};
    exhaust(try_sampler, &once);
    exhaust(try_sampler, &full);
    exhaust(try_sampler, &live);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pagetree), cmocka_unit_test(test_parsers),
        cmocka_unit_test(test_model),    cmocka_unit_test(test_reports),
        cmocka_unit_test(test_sampler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
