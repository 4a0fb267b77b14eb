/* The parser of maps: every field, and every line that must be dropped without losing the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/maps.h"

static struct region_table *parse(const char *text)
{
    struct region_table *t = NULL;
    size_t len = strlen(text);
    char *exact = malloc(len ? len : 1); /* no byte behind it: a sanitizer sees overreading */
    assert_non_null(exact);
    memcpy(exact, text, len);
    assert_int_equal(maps_parse(exact, len, NULL, &t), 0);
    free(exact);
    for (size_t i = 0; i < t->count; i++) {
        assert_true(t->v[i].start < t->v[i].end);
        assert_true(!i || t->v[i - 1].end <= t->v[i].start);
        assert_null(t->v[i].smaps);
        assert_int_equal(t->v[i].shmem_swap, 0);
    }
    return t;
}

static void test_every_field(void **state)
{
    (void)state;
    struct region_table *t = parse(
        "7f3a40000000-7f3a40021000 rw-p 00012000 fe:1a 18446744073709551615   /usr/lib/a b.so\n"
        "7f3a40021000-7f3a40022000 r-xs 7fffffffff000 103:00 7\n"
        "7f3a40022000-7f3a40023000 ---p 00000000 00:00 0 \n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");
    assert_int_equal(t->count, 4);
    assert_int_equal(t->skipped, 0);
    const struct region *r = t->v;
    assert_true(r->start == 0x7f3a40000000 && r->end == 0x7f3a40021000);
    assert_int_equal(r->perms, REGION_R | REGION_W);
    assert_int_equal(r->offset, 0x12000);
    assert_int_equal(r->dev_major, 0xfe);
    assert_int_equal(r->dev_minor, 0x1a);
    assert_true(r->inode == UINT64_MAX);
    assert_string_equal(r->name, "/usr/lib/a b.so");
    assert_int_equal(r->kind, REGION_FILE);
    assert_int_equal(r[1].perms, REGION_R | REGION_X | REGION_SHARED);
    assert_int_equal(r[1].offset, 0x7fffffffff000);
    assert_int_equal(r[1].dev_major, 0x103);
    assert_int_equal(r[1].inode, 7);
    assert_string_equal(r[1].name, "");
    assert_int_equal(r[2].perms, 0);
    assert_string_equal(r[2].name, "");
    assert_int_equal(r[2].kind, REGION_ANON);
    assert_true(r[3].start == 0xffffffffff600000);
    assert_int_equal(r[3].kind, REGION_VSYSCALL);
    region_table_unref(t);
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *tail;
        enum region_kind kind;
    } kinds[] = {
        {"00:00 0", REGION_ANON},
        {"00:00 0 [heap]", REGION_HEAP},
        {"00:00 0 [stack]", REGION_STACK},
        {"00:00 0 [stack:12]", REGION_STACK}, /* before 4.5 */
        {"00:00 0 [vdso]", REGION_VDSO},
        {"00:00 0 [vvar]", REGION_VVAR},
        {"00:00 0 [vvar_vclock]", REGION_VVAR},
        {"00:00 0 [vsyscall]", REGION_VSYSCALL},
        {"00:00 0 [anon:my arena]", REGION_ANON},
        {"00:01 9 [anon_shmem:mine]", REGION_SHMEM},
        {"00:01 9 /dev/zero (deleted)", REGION_SHMEM},
        {"00:06 9 /dev/zero", REGION_ANON},
        {"00:01 9 /memfd:x (deleted)", REGION_SHMEM},
        {"00:01 9 /SYSV00000000 (deleted)", REGION_SHMEM},
        {"00:0f 9 /anon_hugepage (deleted)", REGION_HUGETLB},
        {"00:0e 9 anon_inode:[perf_event]", REGION_DEVICE},
        {"fe:00 9 /tmp/[heap]", REGION_FILE},
        {"fe:00 9 /a (deleted)", REGION_FILE},
        {"00:15 9 /dev/shm/x", REGION_SHMEM},
        {"00:16 9 /dev/hugepages/x", REGION_HUGETLB},
        {"00:16 9 /memfd:huge (deleted)", REGION_HUGETLB},
        {"00:06 9 /dev/dri/card0", REGION_DEVICE},
    };
    struct mount_kinds mounts = {0};
    const char *info = "1 0 0:21 / /dev/shm rw - tmpfs tmpfs rw\n"
                       "2 0 0:22 / /dev/hugepages rw - hugetlbfs none rw\n"
                       "3 0 0:6 / /dev rw - devtmpfs none rw\n";
    assert_int_equal(mounts_parse(&mounts, info, strlen(info)), 0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char line[200];
        struct region_table *t;
        int n = snprintf(line, sizeof line, "1000-2000 rw-p 00000000 %s", kinds[i].tail);
        assert_int_equal(maps_parse(line, (size_t)n, &mounts, &t), 0);
        assert_int_equal(t->count, 1);
        if (t->v[0].kind != kinds[i].kind)
            fail_msg("%s: %s", kinds[i].tail, region_kind_name(t->v[0].kind));
        region_table_unref(t);
    }
    mounts_deinit(&mounts);
}

/* Each alone between two good lines: it is dropped and counted, they stay. */
static void test_bad_lines_are_dropped(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " ", "-", "x", "3000", "3000-", "3000-4000", "3000-4000 ", "3000-4000 rw-",
        "3000-4000 rwxq 00000000 00:00 0", "3000-4000 Rw-p 00000000 00:00 0",
        "3000-4000 rw-p", "3000-4000 rw-p 0", "3000-4000 rw-p 0 0", "3000-4000 rw-p 0 0:0",
        "3000-4000 rw-p 0 0:0 ", "3000-4000 rw-p 0 0:0 x", "3000-4000 rw-p 0 0:0 0x",
        "3000-4000 rw-p 0 100000000:0 0", "3000-4000 rw-p 0 0:100000000 0",
        "3000-4000 rw-p 0 0:0 18446744073709551616", /* an inode that does not fit */
        "3000-10000000000000000 rw-p 0 0:0 0", "4000-3000 rw-p 0 0:0 0", "3000-3000 rw-p 0 0:0 0",
        "1000-2000 rw-p 0 0:0 0", "1800-4000 rw-p 0 0:0 0", "0-1000 rw-p 0 0:0 0",
        "3001-4000 rw-p 0 0:0 0", "3000-3fff rw-p 0 0:0 0", "g000-4000 rw-p 0 0:0 0",
        "3000-4000 rw-p  0 0:0 0", "3000-4000rw-p 0 0:0 0", "3000 4000 rw-p 0 0:0 0",
        "Rss:                   4 kB",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[300];
        snprintf(text, sizeof text, "1000-2000 r--p 0 0:0 0 one\n%s\n5000-6000 r--p 0 0:0 0 two\n",
                 bad[i]);
        struct region_table *t = parse(text);
        if (t->count != 2 || t->skipped != 1)
            fail_msg("'%s': %zu regions, %zu skipped", bad[i], t->count, t->skipped);
        assert_string_equal(t->v[0].name, "one");
        assert_string_equal(t->v[1].name, "two");
        region_table_unref(t);
    }
}

/* Reading maps in pieces can show a mapping twice or grown: the first showing counts. */
static void test_overlaps_and_disorder(void **state)
{
    (void)state;
    struct region_table *t = parse("5000-7000 r--p 0 0:0 0 a\n6000-8000 r--p 0 0:0 0 b\n"
                                   "5000-7000 r--p 0 0:0 0 c\n1000-2000 r--p 0 0:0 0 d\n"
                                   "7000-8000 r--p 0 0:0 0 e\n");
    assert_int_equal(t->count, 2);
    assert_int_equal(t->skipped, 3);
    assert_string_equal(t->v[0].name, "a");
    assert_string_equal(t->v[1].name, "e");
    assert_ptr_equal(region_table_at(t, 0x6fff), &t->v[0]);
    assert_ptr_equal(region_table_at(t, 0x7000), &t->v[1]);
    assert_null(region_table_at(t, 0x4fff));
    assert_null(region_table_at(t, 0x8000));
    assert_int_equal(region_table_find(t, 0), 0);
    assert_int_equal(region_table_find(t, 0x7fff), 1);
    assert_int_equal(region_table_find(t, 0x8000), 2);
    region_table_unref(t);
}

static void test_names_are_raw(void **state)
{
    (void)state;
    struct region_table *t = parse("1000-2000 r--p 0 fe:0 5 /tmp/a\\012b\\\\  \n"
                                   "2000-3000 r--p 0 fe:0 5 /tmp/\x1b[31m\xff\t\n"
                                   "3000-4000 r--p 0 fe:0 5      /two  blanks (deleted)\n");
    assert_int_equal(t->count, 3);
    assert_string_equal(t->v[0].name, "/tmp/a\\012b\\\\  ");
    assert_string_equal(t->v[1].name, "/tmp/\x1b[31m\xff\t");
    assert_string_equal(t->v[2].name, "/two  blanks (deleted)");
    region_table_unref(t);
    const char nul[] = "1000-2000 r--p 0 0:0 0 a\0b\n2000-3000 r--p 0 0:0 0 c\n";
    assert_int_equal(maps_parse(nul, sizeof nul - 1, NULL, &t), 0);
    assert_int_equal(t->count, 1);
    assert_int_equal(t->skipped, 1);
    region_table_unref(t);
}

static void test_ends_of_the_text(void **state)
{
    (void)state;
    struct region_table *t = parse("");
    assert_int_equal(t->count + t->skipped, 0);
    region_table_unref(t);
    t = parse("\n\n");
    assert_int_equal(t->count, 0);
    assert_int_equal(t->skipped, 2);
    region_table_unref(t);
    t = parse("1000-2000 r--p 0 0:0 0 a\n2000-3000 r--p 0 0:0 0 no newline");
    assert_int_equal(t->count, 2);
    assert_string_equal(t->v[1].name, "no newline");
    region_table_unref(t);
    t = parse("1000-2000 r--p 0 0:0 0 a\n2000-3000 r-"); /* cut */
    assert_int_equal(t->count, 1);
    assert_int_equal(t->skipped, 1);
    region_table_unref(t);
}

static void test_many_and_huge_lines(void **state)
{
    (void)state;
    enum { LINES = 70000, NAME = 1 << 20 };
    char *text = malloc((size_t)LINES * 64 + NAME + 64), *p = text;
    struct region_table *t;
    assert_non_null(text);
    for (unsigned i = 0; i < LINES; i++)
        p += sprintf(p, "%x-%x rw-p 00000000 00:00 0 %u\n", (2 * i + 1) << 12, (2 * i + 2) << 12,
                     i);
    p += sprintf(p, "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 /");
    memset(p, 'n', NAME);
    p += NAME;
    assert_int_equal(maps_parse(text, (size_t)(p - text), NULL, &t), 0);
    assert_int_equal(t->count, LINES + 1);
    assert_int_equal(t->skipped, 0);
    assert_int_equal(strlen(t->v[LINES].name), NAME + 1);
    assert_string_equal(t->v[LINES - 1].name, "69999");
    region_table_unref(t);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_bad_lines_are_dropped),
        cmocka_unit_test(test_overlaps_and_disorder),
        cmocka_unit_test(test_names_are_raw),
        cmocka_unit_test(test_ends_of_the_text),
        cmocka_unit_test(test_many_and_huge_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
