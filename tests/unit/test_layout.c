/* The layout of the map: every page of every region in exactly one pixel, rows in order, places and
 * addresses inverse to each other, on chosen tables and on random ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/layout.h"

enum { PAGE_SHIFT = 12 };
#define K UINT64_C(1024)
#define M (K * K)
#define G (K * M)
#define T (K * G)

static struct region_table *table_of(const struct region *v, size_t n)
{
    struct region_table *t = region_table_create();
    assert_non_null(t);
    t->v = calloc(n ? n : 1, sizeof(*v));
    assert_non_null(t->v);
    if (n)
        memcpy(t->v, v, n * sizeof(*v));
    for (size_t i = 0; i < n; i++)
        t->v[i].name = "";
    t->count = n;
    return t;
}

static struct layout_shape shape_of(unsigned zoom, unsigned width, unsigned stack)
{
    return (struct layout_shape){.page_shift = PAGE_SHIFT, .zoom = zoom, .width = width,
                                 .stack = stack, .cols = width + 5, .label = width / 2};
}

/* Pages of [start, end) that the pixels of item i show, when all of them are added up. */
static uint64_t pages_in_pixels(const struct layout *l, size_t i, uint64_t limit)
{
    const struct layout_item *item = &l->v[i];
    uint64_t pages = 0, at = item->start;
    uint64_t n = layout_item_pixels(l, item);
    assert_true(n <= limit);
    for (uint64_t p = 0; p < n; p++) {
        uint64_t start, end;
        layout_pixel_range(l, item, p, &start, &end);
        assert_int_equal(start, at);
        assert_true(end > start);
        pages += layout_mapped(l, start, end);
        at = end;
    }
    assert_int_equal(at, item->end);
    return pages;
}

static uint64_t pages_of(const struct layout *l, const struct layout_item *item)
{
    uint64_t pages = 0;
    for (size_t r = item->region; r < item->region + item->regions; r++)
        pages += (l->table->v[r].end - l->table->v[r].start) >> PAGE_SHIFT;
    return pages;
}

/* Rows without a hole, every region in one item, items ascending. */
static void check_items(const struct layout *l)
{
    uint64_t row = 0;
    size_t region = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct layout_item *item = &l->v[i];
        assert_int_equal(item->row, row);
        assert_true(item->end > item->start);
        assert_int_equal(item->region, region);
        if (i)
            assert_true(l->v[i - 1].end <= item->start);
        region += item->regions;
        row += layout_item_rows(l, i);
        if (!item->regions)
            assert_int_equal(layout_item_rows(l, i), 1);
    }
    assert_int_equal(row, l->rows);
    assert_int_equal(region, l->table->count);
}

static void check_place(const struct layout *l, uint64_t address)
{
    struct layout_place p, q;
    assert_true(layout_place_of(l, address, &p));
    uint64_t start, end;
    const struct layout_item *item = &l->v[p.item];
    layout_pixel_range(l, item, p.pixel, &start, &end);
    if (address >= item->start && address < item->end)
        assert_true(start <= address && address < end);
    assert_true(layout_place_at(l, p.row, p.col, p.half, &q));
    assert_int_equal(p.item, q.item);
    assert_int_equal(p.pixel, q.pixel);
    assert_int_equal(p.row, q.row);
    assert_int_equal(layout_item_of_row(l, p.row), p.item);
    assert_true(p.row < l->rows);
}

static void check_regions(const struct layout *l)
{
    for (size_t i = 0; i < l->table->count; i++) {
        const struct region *r = &l->table->v[i];
        check_place(l, r->start);
        check_place(l, r->end - 1);
        check_place(l, r->start + (r->end - r->start) / 2);
        check_place(l, r->end);
        size_t item = layout_find(l, r->start);
        assert_true(l->v[item].region <= i && i < l->v[item].region + l->v[item].regions);
    }
    check_place(l, 0);
    check_place(l, UINT64_MAX);
}

static void check_table(struct region_table *t, unsigned zooms)
{
    static const unsigned widths[] = {1, 3, 8, 64, 184};
    struct layout l = {0};
    for (unsigned zoom = 0; zoom < zooms; zoom++)
        for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
            struct layout_shape shape = shape_of(zoom, widths[w], 1 + (unsigned)w % 2);
            assert_int_equal(layout_build(&l, t, &shape), 0);
            assert_true(layout_is(&l, t, &shape));
            check_items(&l);
            check_regions(&l);
            for (size_t i = 0; i < l.count; i++)
                if (l.v[i].regions && layout_item_pixels(&l, &l.v[i]) < 5000)
                    assert_int_equal(pages_in_pixels(&l, i, 5000), pages_of(&l, &l.v[i]));
        }
    layout_deinit(&l);
    region_table_unref(t);
}

static void test_empty(void **state)
{
    (void)state;
    struct layout l = {0};
    struct layout_place p;
    struct region_table *t = table_of(NULL, 0);
    struct layout_shape shape = shape_of(0, 8, 2);
    assert_int_equal(layout_build(&l, t, &shape), 0);
    assert_int_equal(l.rows, 0);
    assert_false(layout_place_of(&l, 0, &p));
    assert_false(layout_place_at(&l, 0, 0, 0, &p));
    assert_int_equal(layout_mapped(&l, 0, UINT64_MAX), 0);
    layout_deinit(&l);
    region_table_unref(t);
}

static void test_extremes(void **state)
{
    (void)state;
    const struct region v[] = {
        {.start = 0, .end = 4 * K},
        {.start = 64 * K, .end = 127 * T},
        {.start = 0x7ffffffde000, .end = 0x7ffffffff000},
        {.start = 0xffffffffff600000, .end = 0xffffffffff601000},
        {.start = 0xfffffffffffff000, .end = 0xfffffffffffffffe},
    };
    check_table(table_of(v, 5), 13);
    check_table(table_of(v, 1), 13);
    check_table(table_of(v + 3, 1), 13);
}

/* The shape of a small program: at one page a pixel each region has its own rows; zoomed out the
 * small neighbours share one, and at last code, libraries and stack remain. */
static void test_clusters(void **state)
{
    (void)state;
    const struct region v[] = {
        {.start = 0x555555554000, .end = 0x555555556000}, /* code */
        {.start = 0x555555556000, .end = 0x55555555b000},
        {.start = 0x55555555b000, .end = 0x55555557c000}, /* heap */
        {.start = 0x7ffff7d80000, .end = 0x7ffff7da8000}, /* libraries */
        {.start = 0x7ffff7da8000, .end = 0x7ffff7f30000},
        {.start = 0x7ffff7f40000, .end = 0x7ffff7f44000},
        {.start = 0x7ffffffde000, .end = 0x7ffffffff000}, /* stack */
    };
    struct region_table *t = table_of(v, 7);
    struct layout l = {0};
    struct layout_shape shape = shape_of(0, 64, 2);
    assert_int_equal(layout_build(&l, t, &shape), 0);
    assert_int_equal(l.count, 9); /* two gaps */
    assert_true(l.v[6].folded);
    assert_int_equal(l.v[3].regions, 0);
    assert_int_equal(l.v[3].end - l.v[3].start, 0x7ffff7d80000 - 0x55555557c000);
    shape.zoom = 9;
    assert_int_equal(layout_build(&l, t, &shape), 0);
    assert_int_equal(l.count, 3);
    assert_int_equal(l.v[0].regions, 3);
    assert_int_equal(l.v[2].regions, 4);
    assert_int_equal(l.rows, 3);
    layout_deinit(&l);
    region_table_unref(t);
}

static void test_headers(void **state)
{
    (void)state;
    const struct region v[] = {
        {.start = 0, .end = 20 * 4 * K},              /* one row, room for a label */
        {.start = 80 * M, .end = 80 * M + 64 * 4 * K}, /* a full row */
    };
    struct region_table *t = table_of(v, 2);
    struct layout l = {0};
    struct layout_shape shape = {
        .page_shift = PAGE_SHIFT, .width = 64, .stack = 2, .cols = 64, .label = 26};
    assert_int_equal(layout_build(&l, t, &shape), 0);
    assert_false(l.v[0].header);
    assert_true(l.v[2].header);
    assert_int_equal(l.rows, 1 + 1 + 2);
    struct layout_place p;
    assert_true(layout_place_at(&l, 2, 5, 1, &p)); /* the header leads to the row below */
    assert_int_equal(p.row, 3);
    assert_int_equal(p.pixel, 5);
    assert_true(layout_place_of(&l, 81 * M, &p));
    assert_int_equal(p.pixel, 63);
    layout_deinit(&l);
    region_table_unref(t);
}

static void test_adopt(void **state)
{
    (void)state;
    struct region v[] = {{.start = 0, .end = 4 * K}, {.start = 8 * K, .end = 64 * K}};
    struct region_table *t = table_of(v, 2), *same = table_of(v, 2);
    v[1].end = 68 * K;
    struct region_table *other = table_of(v, 2);
    struct layout l = {0};
    struct layout_shape shape = shape_of(0, 8, 2);
    assert_false(layout_adopt(&l, t));
    assert_int_equal(layout_build(&l, t, &shape), 0);
    assert_false(layout_adopt(&l, other));
    assert_ptr_equal(l.table, t);
    assert_true(layout_adopt(&l, same));
    assert_true(layout_is(&l, same, &shape));
    layout_deinit(&l);
    region_table_unref(t);
    region_table_unref(same);
    region_table_unref(other);
}

/* Steps that are often nothing, a page, or anything up to 2^40 bytes. */
static uint64_t random_step(unsigned *seed)
{
    unsigned kind = (unsigned)rand_r(seed) % 4;
    if (kind == 0)
        return 0;
    unsigned bits = kind == 1 ? 1 : (unsigned)rand_r(seed) % 28 + 1;
    uint64_t r = (uint64_t)rand_r(seed) << 20 ^ (uint64_t)rand_r(seed);
    return (r % (UINT64_C(1) << bits)) << PAGE_SHIFT;
}

static void test_random(void **state)
{
    (void)state;
    unsigned seed = 20240611;
    for (unsigned round = 0; round < 60; round++) {
        struct region v[200];
        uint64_t at = random_step(&seed);
        size_t n = (size_t)rand_r(&seed) % 200;
        for (size_t i = 0; i < n; i++) {
            at += random_step(&seed);
            v[i] = (struct region){.start = at, .end = at + random_step(&seed) + 4 * K};
            at = v[i].end;
        }
        check_table(table_of(v, n), n ? 11 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),   cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_clusters), cmocka_unit_test(test_headers),
        cmocka_unit_test(test_adopt),   cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
