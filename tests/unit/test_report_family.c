/* A family as JSON, CSV and a table: of two processes that share four pages copy-on-write, and one
 * that could not be read; the first has a name that tries to break out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "csv.h"
#include "model/family.h"
#include "report/snapshot.h"

enum { PAGE = 4096, SHARED = 4 * PAGE, READ = 2, ALL = 3 };

static const char hostile[] = "c\"\n,\x1b[2J";

static struct region_table *one_region(void)
{
    struct region_table *t = region_table_create();
    assert_non_null(t);
    t->v = calloc(1, sizeof *t->v);
    t->count = 1;
    t->v[0] = (struct region){.start = 0x400 * PAGE, .end = 0x410 * PAGE, .name = "",
                              .kind = REGION_ANON, .perms = REGION_R | REGION_W};
    return t;
}

static struct family *a_family(bool pfn)
{
    struct family_picture *p = family_picture_create();
    assert_non_null(p);
    p->v = calloc(ALL, sizeof *p->v);
    p->order = calloc(READ, sizeof *p->order);
    p->pieces = calloc(1, sizeof *p->pieces);
    p->runs = calloc(1, sizeof *p->runs);
    p->runs[p->runs_count++] = (struct page_run){
        0x400, 4, {pfn ? 0x100 : PAGE_FRAME_UNKNOWN, 2,
                   PAGE_A_ENTRY | (pfn ? PAGE_A_FLAGS | PAGE_A_COUNT : 0), PAGE_COW, 0}};
    p->pieces[p->pieces_count++] = (struct family_piece){0x400, 4, 0, 1, FAMILY_NO_PIECE};
    p->order_count = READ;
    p->vanished = 6;
    for (int i = 0; i < ALL; i++) {
        struct family_reading *r = &p->v[p->count++];
        *r = (struct family_reading){.ppid = i ? 10 : 1, .rollup_pss = UINT64_MAX};
        r->target.pid = 10 + i;
        r->target.geometry.page_shift = 12;
        r->target.geometry.levels = 4;
        r->target.pagemap.yes = r->target.scan.yes = true;
        r->target.pfn.yes = r->target.kpageflags.yes = r->target.kpagecount.yes = pfn;
        if (!pfn)
            snprintf(r->target.pfn.why, sizeof r->target.pfn.why, "no frame numbers");
        snprintf(r->target.comm, sizeof r->target.comm, "%s", i ? "child" : hostile);
        if (i < READ) {
            r->regions = one_region();
            r->pieces_at = (size_t)i;
            r->pieces = 1;
        } else {
            snprintf(r->why, sizeof r->why, "it did not want to");
        }
    }
    struct family *f = family_create(p);
    assert_non_null(f);
    family_picture_destroy(p);
    return f;
}

static json_t *load(const struct family *f)
{
    struct buf out = {0};
    assert_int_equal(family_json(f, &f->v[0].moment, false, NULL, &out), 0);
    assert_null(strchr(out.data, '\x1b'));
    json_t *j = json_loads(out.data, 0, NULL);
    assert_non_null(j);
    buf_deinit(&out);
    return j;
}

static json_int_t number(const json_t *j, const char *key)
{
    const json_t *n = json_object_get(j, key);
    assert_true(json_is_integer(n));
    return json_integer_value(n);
}

static bool is_null(const json_t *j, const char *key)
{
    return json_is_null(json_object_get(j, key));
}

static void json_has_processes_and_pairs(void **state)
{
    (void)state;
    struct family *f = a_family(true);
    json_t *j = load(f), *all = json_object_get(j, "processes");
    assert_int_equal(json_array_size(all), ALL);
    const json_t *root = json_array_get(all, 0), *child = json_array_get(all, 1),
                 *unread = json_array_get(all, 2), *totals = json_object_get(root, "totals");
    assert_string_equal(json_string_value(json_object_get(root, "comm")), hostile);
    assert_int_equal(number(totals, "cow"), SHARED);
    assert_int_equal(number(totals, "pss"), SHARED / 2);
    assert_int_equal(number(totals, "uss"), 0);
    assert_true(is_null(root, "why") && is_null(root, "to_parent"));
    assert_int_equal(number(json_object_get(child, "to_parent"), "same"), SHARED);
    assert_true(is_null(unread, "totals") && is_null(unread, "to_parent"));
    assert_string_equal(json_string_value(json_object_get(unread, "why")), "it did not want to");
    const json_t *pairs = json_object_get(j, "pairs"), *family = json_object_get(j, "family");
    assert_int_equal(json_array_size(pairs), ALL);
    assert_int_equal(number(json_array_get(pairs, 0), "shared"), SHARED);
    assert_true(is_null(json_array_get(pairs, 1), "shared"));
    assert_int_equal(number(family, "vanished"), 6);
    json_decref(j);
    family_unref(f);
}

static void json_without_frame_numbers(void **state)
{
    (void)state;
    struct family *f = a_family(false);
    json_t *j = load(f);
    const json_t *root = json_array_get(json_object_get(j, "processes"), 0),
                 *family = json_object_get(j, "family");
    assert_true(is_null(json_object_get(root, "totals"), "pss"));
    assert_true(is_null(j, "pairs"));
    assert_true(is_null(family, "frames") && is_null(family, "frames_shared"));
    assert_non_null(json_string_value(json_object_get(family, "pairs_why")));
    json_decref(j);
    family_unref(f);
}

static void csv_has_the_columns_of_its_title(void **state)
{
    (void)state;
    struct family *f = a_family(true);
    struct buf out = {0};
    char field[100];
    assert_int_equal(family_csv(f, &out), 0);
    assert_null(strchr(out.data, '\x1b'));
    const char *line = out.data;
    unsigned columns = csv_fields(line, 0, field), rows = 0;
    while (*(line = strchr(line, '\n') + 1)) {
        assert_int_equal(csv_fields(line, columns - 2, field), columns); /* shared_11 */
        assert_string_equal(field, rows < READ ? "16384" : "");
        rows++;
    }
    assert_int_equal(rows, ALL);
    buf_deinit(&out);
    family_unref(f);
}

static void table_tells_of_all(void **state)
{
    (void)state;
    struct family *f = a_family(true);
    struct buf out = {0};
    assert_int_equal(family_table(f, &out), 0);
    assert_null(strchr(out.data, '\x1b'));
    assert_non_null(strstr(out.data, " 10: 3 processes, "));
    assert_non_null(strstr(out.data, "; 6 ended before they could be read\n"));
    assert_non_null(strstr(out.data, "it did not want to"));
    buf_deinit(&out);
    family_unref(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_processes_and_pairs),
        cmocka_unit_test(json_without_frame_numbers),
        cmocka_unit_test(csv_has_the_columns_of_its_title),
        cmocka_unit_test(table_tells_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
