/* Totals of regions, added up by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"

enum { BASE = 0x1000, ALL = PAGE_A_ENTRY | PAGE_A_FLAGS, X = PAGE_A_EXCLUSIVE };

struct part {
    uint64_t n;
    unsigned state, attrs;
};

/* A moment with one region of 4096 pages, filled by the parts, one behind the other. */
static struct moment moment_of(const struct part *parts, size_t count)
{
    struct moment m = {.regions = region_table_create()};
    struct pagetree *empty = pagetree_create(4);
    struct page_run runs[32];
    uint64_t at = BASE >> 12;
    for (size_t i = 0; i < count; i++) {
        struct page p = {PAGE_FRAME_UNKNOWN, 0, (uint16_t)parts[i].attrs, (uint8_t)parts[i].state,
                         PAGE_ORDER_UNKNOWN};
        runs[i] = (struct page_run){at, parts[i].n, p};
        at += parts[i].n;
    }
    assert_int_equal(pagetree_replace(empty, BASE >> 12, 4096, runs, count, &m.tree), 0);
    pagetree_unref(empty);
    m.target.geometry.page_shift = 12;
    m.target.geometry.levels = 4;
    m.target.scan.yes = true;
    m.regions->count = 1;
    m.regions->v = calloc(1, sizeof *m.regions->v);
    m.regions->v[0] = (struct region){.start = BASE, .end = BASE + 4096 * 4096, .name = "",
                                      .perms = REGION_R | REGION_W};
    return m;
}

static struct totals totals_of(const struct part *parts, size_t count)
{
    struct moment m = moment_of(parts, count);
    struct totals t, all;
    totals_of_region(&m, m.regions->v, &t);
    totals_of_all(&m, &all);
    assert_memory_equal(&t.size, &all.size, offsetof(struct totals, no_resident));
    moment_deinit(&m);
    return t;
}

#define TOTALS(parts) totals_of(parts, sizeof(parts) / sizeof *(parts))
#define PAGES(n) ((uint64_t)(n) * 4096)

static void test_every_state(void **state)
{
    (void)state;
    const struct part parts[] = {
        {1, PAGE_ANON, ALL | X},
        {2, PAGE_COW, ALL},
        {4, PAGE_FILE, ALL},
        {8, PAGE_SHMEM, ALL | X},
        {16, PAGE_ZERO, ALL},
        {32, PAGE_HUGE_ZERO, ALL | PAGE_A_PMD},
        {64, PAGE_KSM, ALL},
        {128, PAGE_HUGETLB, ALL | PAGE_A_PMD | X},
        {256, PAGE_SWAP, PAGE_A_ENTRY},
        {512, PAGE_SHMEM_SWAP, 0},
        {5, PAGE_GUARD, PAGE_A_ENTRY},
        {6, PAGE_DEVICE, 0},
        {7, PAGE_ANON, ALL | X | PAGE_A_PMD | PAGE_A_LOCKED},
        {9, PAGE_ABSENT, PAGE_A_ENTRY | PAGE_A_UFFD_WP},
    };
    struct totals t = TOTALS(parts);
    assert_int_equal(t.size, PAGES(4096));
    assert_int_equal(t.resident, PAGES(1 + 2 + 4 + 8 + 64 + 7));
    assert_int_equal(t.anon, PAGES(1 + 2 + 64 + 7));
    assert_int_equal(t.file, PAGES(4));
    assert_int_equal(t.shmem, PAGES(8));
    assert_int_equal(t.swap, PAGES(256 + 512));
    assert_int_equal(t.zero, PAGES(16 + 32));
    assert_int_equal(t.ksm, PAGES(64));
    assert_int_equal(t.hugetlb, PAGES(128));
    assert_int_equal(t.pmd_mapped, PAGES(7));
    assert_int_equal(t.exclusive, PAGES(1 + 8 + 128 + 7));
    assert_int_equal(t.shared, PAGES(2 + 4 + 16 + 32 + 64));
    assert_int_equal(t.cow, PAGES(2 + 64));
    assert_int_equal(t.locked, PAGES(7));
    assert_int_equal(t.guard, PAGES(5));
    assert_int_equal(t.unknown, 0);
    assert_false(t.no_resident || t.no_anon || t.no_file || t.no_shmem || t.no_swap || t.no_ksm);
    assert_false(t.no_pmd_mapped || t.no_exclusive || t.no_shared || t.no_cow || t.no_locked);
}

static void test_nothing_mapped_is_known_to_be_zero(void **state)
{
    (void)state;
    const struct part parts[] = {{10, PAGE_ABSENT, PAGE_A_ENTRY}};
    struct totals t = TOTALS(parts);
    assert_int_equal(t.resident + t.swap + t.shared + t.exclusive + t.unknown, 0);
    assert_false(t.no_resident || t.no_anon || t.no_swap || t.no_pmd_mapped || t.no_exclusive ||
                 t.no_locked);
}

static void test_present_of_unknown_kind(void **state)
{
    (void)state;
    const struct part parts[] = {{3, PAGE_PRESENT, 0}};
    struct totals t = TOTALS(parts);
    assert_int_equal(t.resident, PAGES(3));
    assert_int_equal(t.unknown, PAGES(3));
    assert_false(t.no_resident || t.no_swap || t.no_pmd_mapped);
    assert_true(t.no_anon && t.no_file && t.no_shmem && t.no_exclusive && t.no_shared && t.no_cow);
    assert_true(t.no_locked);
}

static void test_not_even_presence(void **state)
{
    (void)state;
    const struct part parts[] = {{3, PAGE_UNKNOWN, 0}, {1, PAGE_ANON, ALL | X}};
    struct totals t = TOTALS(parts);
    assert_int_equal(t.unknown, PAGES(3));
    assert_true(t.no_resident && t.no_anon && t.no_file && t.no_shmem && t.no_swap);
    assert_true(t.no_exclusive && t.no_shared && t.no_cow && t.no_locked);
}

/* Entries without frame flags: kinds are known, what only flags tell is not. */
static void test_without_flags(void **state)
{
    (void)state;
    const struct part parts[] = {{3, PAGE_COW, PAGE_A_ENTRY}, {1, PAGE_SWAP, PAGE_A_ENTRY}};
    struct moment m = moment_of(parts, 2);
    struct totals t;
    totals_of_all(&m, &t);
    assert_int_equal(t.cow, PAGES(3));
    assert_false(t.no_anon || t.no_cow || t.no_exclusive || t.no_ksm);
    assert_true(t.no_locked);
    m.target.ksm_in_use = true;
    totals_of_all(&m, &t);
    assert_true(t.no_ksm);
    m.target.scan.yes = false;
    totals_of_all(&m, &t);
    assert_true(t.no_pmd_mapped);
    assert_false(t.no_resident);
    moment_deinit(&m);
}

/* Without SCAN and flags what is only known to be present may be a zero page, outside Rss. */
static void test_present_without_scan(void **state)
{
    (void)state;
    struct moment m = moment_of((const struct part[]){{3, PAGE_PRESENT, PAGE_A_ENTRY}}, 1);
    struct totals t;
    m.target.scan.yes = false;
    totals_of_all(&m, &t);
    assert_true(t.no_resident);
    assert_false(t.no_swap);
    moment_deinit(&m);
}

static void test_smaps_fills_in(void **state)
{
    (void)state;
    const struct part parts[] = {{3, PAGE_UNKNOWN, 0}, {2, PAGE_ANON, PAGE_A_ENTRY | X}};
    struct region_smaps s = {.swap = 111, .anon_huge = 1, .shmem_pmd = 20, .file_pmd = 300,
                             .ksm = 77, .ksm_known = true};
    struct moment m = moment_of(parts, 2);
    struct totals t;
    m.target.scan.yes = false;
    m.target.ksm_in_use = true;
    m.regions->v[0].smaps = &s;
    totals_of_all(&m, &t);
    assert_false(t.no_swap || t.no_pmd_mapped || t.no_ksm);
    assert_int_equal(t.swap, 111);
    assert_int_equal(t.pmd_mapped, 321);
    assert_int_equal(t.ksm, 77);
    s.ksm_known = false;
    totals_of_all(&m, &t);
    assert_true(t.no_ksm);
    s.flags_only = true; /* its numbers are of another time */
    totals_of_all(&m, &t);
    assert_true(t.no_swap && t.no_pmd_mapped);
    m.regions->v[0].smaps = NULL;
    moment_deinit(&m);
}

/* smaps counts all that the file has in swap where the mapping has no pages of its own. */
static void test_swap_of_shared_memory(void **state)
{
    (void)state;
    const struct part parts[] = {{2, PAGE_SHMEM_SWAP, 0}, {4, PAGE_SWAP, PAGE_A_ENTRY}};
    static const struct {
        unsigned perms;
        uint64_t in_file, swap;
    } v[] = {
        {REGION_R | REGION_W, PAGES(9), PAGES(2 + 4)},
        {REGION_R, PAGES(9), PAGES(4 + 9)},
        {REGION_R | REGION_W | REGION_SHARED, PAGES(9), PAGES(4 + 9)},
        {REGION_R | REGION_SHARED, 0, PAGES(2 + 4)},
    };
    struct moment m = moment_of(parts, 2);
    struct totals t;
    for (unsigned i = 0; i < sizeof v / sizeof *v; i++) {
        m.regions->v[0].perms = (uint8_t)v[i].perms;
        m.regions->v[0].shmem_swap = v[i].in_file;
        totals_of_all(&m, &t);
        assert_int_equal(t.swap, v[i].swap);
        assert_false(t.no_swap);
    }
    m.regions->v[0].shmem_swap = UINT64_MAX;
    totals_of_all(&m, &t);
    assert_true(t.no_swap);
    moment_deinit(&m);
}

/* What one region does not tell, the sum does not know. */
static void test_sums_of_regions(void **state)
{
    (void)state;
    const struct part parts[] = {{1, PAGE_ANON, ALL | X}, {1, PAGE_PRESENT, 0}};
    struct moment m = moment_of(parts, 2);
    struct region two[] = {{.start = BASE, .end = BASE + 4096, .name = ""},
                           {.start = BASE + 4096, .end = BASE + 8192, .name = ""}};
    struct totals t;
    free(m.regions->v);
    m.regions->v = malloc(sizeof two);
    memcpy(m.regions->v, two, sizeof two);
    m.regions->count = 2;
    totals_of_region(&m, &m.regions->v[0], &t);
    assert_false(t.no_anon);
    totals_of_all(&m, &t);
    assert_true(t.no_anon && t.no_locked && !t.no_resident);
    assert_int_equal(t.size, PAGES(2));
    assert_int_equal(t.resident, PAGES(2));
    assert_int_equal(t.exclusive, PAGES(1));
    m.regions->count = 0;
    totals_of_all(&m, &t);
    assert_int_equal(t.size + t.resident, 0);
    moment_deinit(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_state),
        cmocka_unit_test(test_nothing_mapped_is_known_to_be_zero),
        cmocka_unit_test(test_present_of_unknown_kind),
        cmocka_unit_test(test_not_even_presence),
        cmocka_unit_test(test_without_flags),
        cmocka_unit_test(test_present_without_scan),
        cmocka_unit_test(test_smaps_fills_in),
        cmocka_unit_test(test_swap_of_shared_memory),
        cmocka_unit_test(test_sums_of_regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
