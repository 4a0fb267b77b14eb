/* The page tree against a plain array: random replacements, and every reading of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/pagetree.h"

enum { PAGES = 512 * 512 }; /* a tree of two levels */

static uint64_t seed = 88172645463325252u;

static uint64_t rnd(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static struct page random_page(void)
{
    static const struct page kinds[] = {
        {PAGE_FRAME_UNKNOWN, 0, 0, PAGE_ABSENT, PAGE_ORDER_UNKNOWN},
        {1000, 1, PAGE_A_ENTRY | PAGE_A_EXCLUSIVE | PAGE_A_COUNT, PAGE_ANON, 0},
        {777, 2, PAGE_A_ENTRY | PAGE_A_COUNT | PAGE_A_FLAGS, PAGE_COW, 0},
        {PAGE_FRAME_UNKNOWN, 0, PAGE_A_ENTRY, PAGE_FILE, PAGE_ORDER_UNKNOWN},
        {5, 0, PAGE_A_ENTRY, PAGE_SWAP, PAGE_ORDER_UNKNOWN},
        {4096, 1, PAGE_A_ENTRY | PAGE_A_PMD | PAGE_A_LARGE, PAGE_ANON, 9},
    };
    struct page p = kinds[rnd(sizeof kinds / sizeof *kinds)];
    if (p.frame != PAGE_FRAME_UNKNOWN)
        p.frame += rnd(3) * 512;
    return p;
}

static size_t random_runs(struct page *naive, uint64_t start, uint64_t n, struct page_run *runs)
{
    size_t count = 0;
    for (uint64_t i = 0; i < n; i++)
        naive[start + i] = page_absent;
    for (uint64_t at = start + rnd(3); at < start + n && count < 64;) {
        uint64_t len = 1 + rnd(rnd(2) ? 4 : 1500);
        if (len > start + n - at)
            len = start + n - at;
        runs[count] = (struct page_run){at, len, random_page()};
        for (uint64_t i = 0; i < len; i++)
            naive[at + i] = page_at(&runs[count].first, i);
        count++;
        at += len + (rnd(2) ? 0 : rnd(600));
    }
    return count;
}

struct expand {
    struct page *out;
    uint64_t base, next;
};

static int expand_run(void *ctx, const struct page_run *run)
{
    struct expand *e = ctx;
    assert_int_equal(run->page, e->next);
    for (uint64_t i = 0; i < run->n; i++)
        e->out[run->page - e->base + i] = page_at(&run->first, i);
    e->next += run->n;
    return 0;
}

static void check_reading(const struct pagetree *t, const struct page *naive)
{
    static struct page out[PAGES];
    uint64_t start = rnd(PAGES), n = 1 + rnd(PAGES - start);
    struct expand e = {out, start, start};
    assert_int_equal(pagetree_walk(t, start, n, expand_run, &e), 0);
    assert_int_equal(e.next, start + n);
    assert_memory_equal(out, naive + start, n * sizeof *out);
    struct tally sum = {{0}}, expect = {{0}};
    pagetree_tally(t, start, n, &sum);
    for (uint64_t i = 0; i < n; i++)
        tally_add_page(&expect, &naive[start + i], 1);
    assert_memory_equal(&sum, &expect, sizeof sum);
    uint64_t at = rnd(PAGES);
    struct page p = pagetree_get(t, at);
    assert_memory_equal(&p, &naive[at], sizeof p);
}

static int mark_range(void *ctx, uint64_t start, uint64_t n)
{
    memset((uint8_t *)ctx + start, 1, n);
    return 0;
}

static void check_diff(const struct pagetree *a, const struct pagetree *b, const struct page *x,
                       const struct page *y)
{
    static uint8_t differs[PAGES];
    memset(differs, 0, sizeof differs);
    assert_int_equal(pagetree_diff(a, b, 0, PAGES, mark_range, differs), 0);
    for (unsigned i = 0; i < PAGES; i++)
        assert_int_equal(differs[i], memcmp(&x[i], &y[i], sizeof *x) != 0);
}

static void test_random(void **state)
{
    (void)state;
    static struct page naive[PAGES], before[PAGES];
    struct page_run runs[64];
    struct pagetree *t = pagetree_create(2);
    for (unsigned i = 0; i < PAGES; i++)
        naive[i] = page_absent;
    for (unsigned round = 0; round < 400; round++) {
        memcpy(before, naive, sizeof naive);
        uint64_t start = rnd(PAGES), n = 1 + rnd(rnd(3) ? 2000 : PAGES);
        if (n > PAGES - start)
            n = PAGES - start;
        if (rnd(4) == 0)
            start = start / 512 * 512;
        size_t count = random_runs(naive, start, n, runs);
        struct pagetree *next;
        assert_int_equal(pagetree_replace(t, start, n, runs, count, &next), 0);
        check_reading(next, naive);
        check_reading(t, before);
        if (round % 8 == 0)
            check_diff(t, next, before, naive);
        pagetree_unref(t);
        t = next;
    }
    pagetree_unref(t);
}

/* Changes in place, some while another holds the tree: it keeps what it had, and the tree is what
 * replacement would have made of it, its shape included. */
static void test_put(void **state)
{
    (void)state;
    static struct page naive[PAGES], kept[PAGES];
    struct pagetree *t = pagetree_create(2), *held = NULL;
    for (unsigned i = 0; i < PAGES; i++)
        naive[i] = page_absent;
    for (unsigned round = 0; round < 60000; round++) {
        uint64_t n = rnd(8) ? 1 : 1 + rnd(rnd(50) ? 40 : 3000);
        uint64_t start = rnd(4) ? rnd(PAGES / 64) : rnd(PAGES);
        n = n > PAGES - start ? PAGES - start : n;
        struct page value = random_page();
        if (rnd(3) && start)
            value = page_at(&naive[start - 1], 1);
        for (uint64_t i = 0; i < n; i++)
            naive[start + i] = page_at(&value, i);
        assert_int_equal(pagetree_put(&t, start, n, &value), 0);
        if (round % 500 == 0) {
            if (held)
                check_reading(held, kept);
            pagetree_unref(held);
            held = rnd(2) ? pagetree_ref(t) : NULL;
            memcpy(kept, naive, sizeof naive);
            check_reading(t, naive);
        }
    }
    struct page_run *runs = calloc(PAGES, sizeof *runs);
    for (unsigned i = 0; i < PAGES; i++)
        runs[i] = (struct page_run){i, 1, naive[i]};
    struct pagetree *empty = pagetree_create(2), *made;
    assert_int_equal(pagetree_replace(empty, 0, PAGES, runs, PAGES, &made), 0);
    assert_int_equal(pagetree_memory(made), pagetree_memory(t));
    assert_int_equal(pagetree_put(&t, 0, PAGES, &page_absent), 0);
    assert_int_equal(pagetree_memory(t), pagetree_memory(empty));
    assert_int_equal(pagetree_put(&t, PAGES, 1, &page_absent), -22);
    free(runs);
    pagetree_unref(held);
    pagetree_unref(empty);
    pagetree_unref(made);
    pagetree_unref(t);
}

static void test_equal_replacement_shares(void **state)
{
    (void)state;
    struct pagetree *t = pagetree_create(4), *a, *b;
    struct page_run runs[] = {{512 * 7 + 3, 100, {9, 1, PAGE_A_ENTRY, PAGE_ANON, 0}}};
    assert_int_equal(pagetree_replace(t, 512 * 7, 512, runs, 1, &a), 0);
    assert_int_equal(pagetree_replace(a, 512 * 7, 512, runs, 1, &b), 0);
    assert_ptr_equal(a, b);
    pagetree_unref(b);
    /* Back to nothing: every node is given up again. */
    assert_int_equal(pagetree_replace(a, 512 * 7 + 3, 100, NULL, 0, &b), 0);
    assert_int_equal(pagetree_memory(b), pagetree_memory(t));
    pagetree_unref(a);
    pagetree_unref(b);
    pagetree_unref(t);
}

static void test_uniform_blocks_are_free(void **state)
{
    (void)state;
    struct pagetree *t = pagetree_create(4), *a;
    struct page_run run = {0, (uint64_t)512 * 512 * 512, {1 << 20, 1, PAGE_A_ENTRY, PAGE_ANON, 9}};
    assert_int_equal(pagetree_replace(t, 0, run.n, &run, 1, &a), 0);
    assert_true(pagetree_memory(a) < 16384);
    struct tally sum = {{0}};
    pagetree_tally(a, 5, 1000000, &sum);
    assert_int_equal(sum.n[PAGE_ANON], 1000000);
    assert_int_equal(pagetree_get(a, 70000).frame, (1 << 20) + 70000);
    pagetree_unref(a);
    pagetree_unref(t);
}

/* 256 of 4,096 pages read as 256 at every level of zoom. */
static void test_zoom_is_exact(void **state)
{
    (void)state;
    struct pagetree *t = pagetree_create(4), *a;
    struct page_run runs[256];
    uint64_t base = (uint64_t)0x7f3a40000;
    for (unsigned i = 0; i < 256; i++)
        runs[i] = (struct page_run){base + i * 16, 1, {i * 2, 1, PAGE_A_ENTRY, PAGE_ANON, 0}};
    assert_int_equal(pagetree_replace(t, base, 4096, runs, 256, &a), 0);
    for (uint64_t step = 1; step <= (uint64_t)1 << 36; step *= 8) {
        struct tally all = {{0}};
        uint64_t from = base / step * step;
        for (uint64_t at = from; at < base + 4096; at += step)
            pagetree_tally(a, at, step, &all);
        assert_int_equal(all.n[PAGE_ANON], 256);
    }
    pagetree_unref(a);
    pagetree_unref(t);
}

static void test_bad_runs_are_refused(void **state)
{
    (void)state;
    struct pagetree *t = pagetree_create(2), *out = NULL;
    struct page v = {1, 1, 0, PAGE_ANON, 0};
    struct page_run back[] = {{5, 2, v}, {4, 1, v}}, over[] = {{5, 2, v}, {6, 1, v}};
    struct page_run outside[] = {{9, 2, v}}, empty[] = {{5, 0, v}};
    assert_int_equal(pagetree_replace(t, 0, 10, back, 2, &out), -22);
    assert_int_equal(pagetree_replace(t, 0, 10, over, 2, &out), -22);
    assert_int_equal(pagetree_replace(t, 0, 10, outside, 1, &out), -22);
    assert_int_equal(pagetree_replace(t, 0, 10, empty, 1, &out), -22);
    assert_int_equal(pagetree_replace(t, PAGES - 1, 2, NULL, 0, &out), -22);
    assert_int_equal(pagetree_replace(t, 0, 0, NULL, 0, &out), -22);
    assert_null(out);
    pagetree_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_equal_replacement_shares),
        cmocka_unit_test(test_uniform_blocks_are_free),
        cmocka_unit_test(test_zoom_is_exact),
        cmocka_unit_test(test_bad_runs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
