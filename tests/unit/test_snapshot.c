/* A picture as JSON, CSV and a table: read back, with names that try to break out. */
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

#include "probe/maps.h"
#include "report/snapshot.h"

static const char smaps[] =
    "1000-5000 rw-p 00000000 00:00 0 [heap]\nVmFlags: rd wr\n"
    "7f0000000000-7f0000003000 r--s 00002000 fe:1a 7 /a \"b\",\\012c\x1b[31m\t\xff\xe2\x80\xae.so\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";

static const struct page_run runs[] = {
    {1, 1, {0x100, 1, PAGE_A_ENTRY | PAGE_A_FLAGS | PAGE_A_COUNT | PAGE_A_EXCLUSIVE | PAGE_A_DIRTY,
            PAGE_ANON, 0}},
    {2, 2, {0x77, 3, PAGE_A_ENTRY, PAGE_SWAP, PAGE_ORDER_UNKNOWN}},
    {0x7f0000000, 2, {PAGE_FRAME_UNKNOWN, 0, 0, PAGE_PRESENT, PAGE_ORDER_UNKNOWN}},
    {0xffffff600, 1, {PAGE_FRAME_UNKNOWN, 0, 0, PAGE_DEVICE, PAGE_ORDER_UNKNOWN}},
};

static int make_moment(void **state)
{
    struct moment *m = calloc(1, sizeof *m);
    struct pagetree *empty = pagetree_create(4);
    if (!m || !empty || smaps_parse(smaps, sizeof smaps - 1, NULL, &m->regions) ||
        pagetree_replace(empty, 0, UINT64_C(1) << 36, runs, 4, &m->tree))
        return -1;
    pagetree_unref(empty);
    m->target.pid = 4711;
    snprintf(m->target.comm, sizeof m->target.comm, "c\"\n\x1b[2J");
    m->target.geometry.page_shift = 12;
    m->target.geometry.levels = 4;
    m->target.scan.yes = m->target.pagemap.yes = m->target.pfn.yes = true;
    snprintf(m->target.kpageflags.why, CAN_REASON_MAX, "kpageflags: no");
    snprintf(m->target.faults, sizeof m->target.faults, "none");
    m->sample.start_ns = 123;
    m->sample.span_ns = 456000;
    m->regions->v[2].smaps = NULL;
    *state = m;
    return 0;
}

static int drop_moment(void **state)
{
    moment_deinit(*state);
    free(*state);
    return 0;
}

static json_t *load(const struct moment *m, bool pages)
{
    struct buf out = {0};
    json_error_t e;
    assert_int_equal(snapshot_json(m, pages, NULL, &out), 0);
    for (size_t i = 0; i + 1 < out.len; i++) /* one line that any terminal can be shown */
        assert_true((unsigned char)out.data[i] >= 0x20 && out.data[i] != 0x7f);
    assert_int_equal(out.data[out.len - 1], '\n');
    json_t *j = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &e);
    if (!j)
        fail_msg("%s at %d", e.text, e.position);
    buf_deinit(&out);
    return j;
}

static json_int_t number(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    if (!json_is_integer(v))
        fail_msg("%s is no integer", key);
    return json_integer_value(v);
}

static void check_text(const json_t *j, const char *key, const char *text)
{
    assert_true(json_is_string(json_object_get(j, key)));
    assert_string_equal(json_string_value(json_object_get(j, key)), text);
}

static const char *const totals[] = {
    "size", "resident", "anon", "file", "shmem", "swap", "zero", "ksm", "hugetlb", "pmd_mapped",
    "exclusive", "shared", "cow", "locked", "guard", "unknown",
};
enum { TOTALS = sizeof totals / sizeof *totals };

static void test_json(void **state)
{
    json_t *j = load(*state, false);
    check_text(j, "schema", "vmscope.snapshot/1");
    check_text(j, "comm", "c\"\n\x1b[2J");
    assert_int_equal(number(j, "pid"), 4711);
    assert_int_equal(number(j, "page_size"), 4096);
    assert_int_equal(number(json_object_get(j, "sample"), "start_ns"), 123);
    assert_int_equal(number(json_object_get(j, "sample"), "span_ns"), 456000);
    const json_t *can = json_object_get(j, "can"), *t = json_object_get(j, "totals");
    assert_true(json_is_true(json_object_get(can, "pfn")));
    assert_true(json_is_false(json_object_get(can, "kpageflags")));
    check_text(can, "faults", "none");
    for (unsigned i = 0; i < TOTALS; i++)
        assert_non_null(json_object_get(t, totals[i]));
    assert_int_equal(number(t, "size"), 0x4000 + 0x3000 + 0x1000);
    assert_int_equal(number(t, "resident"), 3 * 4096);
    assert_int_equal(number(t, "swap"), 2 * 4096);
    assert_true(json_is_null(json_object_get(t, "anon"))); /* unknown is null, never a number */
    assert_int_equal(json_array_size(json_object_get(j, "regions")), 3);
    json_decref(j);
}

static void test_json_regions(void **state)
{
    json_t *j = load(*state, false);
    const json_t *regions = json_object_get(j, "regions"), *r = json_array_get(regions, 0);
    check_text(r, "start", "0x1000");
    check_text(r, "end", "0x5000");
    check_text(r, "perms", "rw-p");
    check_text(r, "kind", "heap");
    check_text(json_array_get(regions, 1), "perms", "r--s");
    check_text(json_array_get(regions, 1), "offset", "0x2000");
    check_text(json_array_get(regions, 1), "dev", "fe:1a");
    check_text(json_array_get(regions, 1), "name",
               "/a \"b\",\\012c\x1b[31m\t\xef\xbf\xbd\xe2\x80\xae.so");
    assert_int_equal(number(json_array_get(regions, 1), "inode"), 7);
    check_text(json_array_get(regions, 2), "start", "0xffffffffff600000");
    assert_int_equal(number(r, "anon"), 4096);
    assert_int_equal(number(r, "exclusive"), 4096);
    assert_int_equal(json_array_size(json_object_get(r, "vmflags")), 2);
    assert_true(json_is_null(json_object_get(json_array_get(regions, 2), "vmflags")));
    assert_null(json_object_get(r, "runs"));
    json_decref(j);
}

static void test_json_runs(void **state)
{
    json_t *j = load(*state, true);
    const json_t *regions = json_object_get(j, "regions");
    const json_t *v = json_object_get(json_array_get(regions, 0), "runs");
    const json_t *r = json_array_get(v, 0);
    assert_int_equal(json_array_size(v), 3); /* the last page is absent */
    check_text(r, "start", "0x1000");
    check_text(r, "state", "anon-exclusive");
    check_text(r, "pfn", "0x100");
    assert_int_equal(number(r, "mapcount"), 1);
    assert_int_equal(number(r, "order"), 0);
    assert_int_equal(json_array_size(json_object_get(r, "attrs")), 2);
    r = json_array_get(v, 1);
    check_text(r, "state", "swapped");
    assert_int_equal(number(r, "pages"), 2);
    assert_true(json_is_null(json_object_get(r, "pfn")));
    assert_true(json_is_null(json_object_get(r, "mapcount")));
    assert_int_equal(number(r, "swap_type"), 3);
    assert_int_equal(number(r, "swap_offset"), 0x77);
    check_text(json_array_get(v, 2), "state", "absent");
    v = json_object_get(json_array_get(regions, 2), "runs");
    check_text(json_array_get(v, 0), "start", "0xffffffffff600000");
    check_text(json_array_get(v, 0), "state", "device");
    json_decref(j);
}

/* Fields of a line of CSV (RFC 4180), of which none holds a line break here. */
static unsigned count_fields(const char *line, const char *end)
{
    unsigned n = 1;
    bool quoted = false;
    for (; line < end; line++) {
        assert_true((unsigned char)*line >= 0x20 && *line != 0x7f);
        quoted ^= *line == '"';
        n += *line == ',' && !quoted;
    }
    assert_false(quoted);
    return n;
}

static unsigned check_csv(const struct moment *m, bool pages, unsigned fields)
{
    struct buf out = {0};
    unsigned lines = 0;
    assert_int_equal(snapshot_csv(m, pages, &out), 0);
    for (const char *p = out.data, *end; *p; p = end + 1, lines++) {
        end = strchr(p, '\n');
        assert_non_null(end);
        assert_int_equal(count_fields(p, end), fields);
    }
    buf_deinit(&out);
    return lines;
}

static void test_csv(void **state)
{
    assert_int_equal(check_csv(*state, false, 8 + TOTALS), 1 + 3 + 1);
    assert_int_equal(check_csv(*state, true, 7), 1 + 3 + 2 + 1);
}

static void test_table(void **state)
{
    for (unsigned pages = 0; pages < 2; pages++) {
        struct buf out = {0};
        unsigned lines = 0;
        assert_int_equal(snapshot_table(*state, pages, &out), 0);
        for (const char *p = out.data; *p; p++) {
            assert_true((unsigned char)*p >= 0x20 || *p == '\n');
            lines += *p == '\n';
        }
        /* heading, two things not seen, columns, regions, total */
        assert_int_equal(lines, 1 + 2 + 1 + 3 + 1 + (pages ? 6 : 0));
        assert_non_null(strstr(out.data, "kpageflags: no"));
        assert_non_null(strstr(out.data, "\\x1b[31m"));
        assert_null(strstr(out.data, "\xe2\x80\xae")); /* would turn the line around */
        assert_non_null(strstr(out.data, "total"));
        assert_non_null(strstr(out.data, " ? "));
        buf_deinit(&out);
    }
}

/* How often a string occurs. */
static unsigned occurs(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *p = text; (p = strstr(p, what)); p++)
        n++;
    return n;
}

/* The heap: one page of four, two, and one that is absent. 512 pixels are four pages wide. */
static void test_svg(void **state)
{
    const struct moment *m = *state;
    struct buf out = {0};
    assert_int_equal(snapshot_svg(m, &out), 0);
    assert_int_equal(buf_putc(&out, '\0'), 0);
    for (size_t i = 0; i + 1 < out.len; i++)
        assert_true((unsigned char)out.data[i] >= 0x20 || out.data[i] == '\n');
    assert_int_equal(occurs(out.data, "<g "), 3);
    assert_int_equal(occurs(out.data, "x=\"560.00\" width=\"128.00\""), 1);
    assert_int_equal(occurs(out.data, "x=\"688.00\" width=\"256.00\""), 1);
    assert_non_null(strstr(out.data, "1000-5000 [heap]: size 16K, resident 4.0K, swap 8.0K"));
    assert_non_null(strstr(out.data, "&#34;b&#34;"));
    assert_null(strstr(out.data, "\"b\""));
    assert_non_null(strstr(out.data, "swap 8.0K</text>"));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),      cmocka_unit_test(test_json_regions),
        cmocka_unit_test(test_json_runs), cmocka_unit_test(test_csv),
        cmocka_unit_test(test_table),     cmocka_unit_test(test_svg),
    };
    return cmocka_run_group_tests(tests, make_moment, drop_moment);
}
