/* Search among regions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ui/search.h"
#include "ui/view.h"

static struct region regions[] = {
    {.start = 0x400000, .end = 0x401000, .perms = REGION_R | REGION_X, .kind = REGION_FILE,
     .name = "/usr/bin/face"},
    {.start = 0x7f0000000000, .end = 0x7f0000010000, .perms = REGION_R | REGION_W,
     .kind = REGION_ANON, .name = ""},
    {.start = 0x7f0000020000, .end = 0x7f0000030000, .perms = REGION_R, .kind = REGION_FILE,
     .name = "/lib/libc.so.6"},
    {.start = 0x7f0000030000, .end = 0x7f0000040000, .perms = REGION_R | REGION_W,
     .kind = REGION_FILE, .name = "/lib/libc.so.6"},
};
static struct region_table table = {.count = 4, .v = regions, .refs = 1};
static struct moment now = {.regions = &table};

static void check(uint64_t from, const char *what, bool backwards, uint64_t to)
{
    struct ui_state ui = {.now = &now, .cursor = from};
    assert_int_equal(ui_search(&ui, what, backwards), to != 0);
    assert_int_equal(ui.cursor, to ? to : from);
}

static void test_address(void **state)
{
    (void)state;
    uint64_t a;
    assert_true(search_address("7f3a_4000_0000", &a));
    assert_int_equal(a, 0x7f3a40000000);
    assert_true(search_address("0x1f", &a));
    assert_int_equal(a, 0x1f);
    assert_true(search_address("400000-401000", &a));
    assert_int_equal(a, 0x400000);
    assert_true(search_address("ffffffffff600000", &a));
    assert_false(search_address("face", &a));
    assert_false(search_address("0x", &a));
    assert_false(search_address("", &a));
    assert_false(search_address("0x11112222333344445", &a));
    assert_false(search_address("libc.so.6", &a));
    check(0x400000, "0x7f0000021234", false, 0x7f0000021234);
    check(0x400000, "0x5000", false, 0);
}

static void test_perms(void **state)
{
    (void)state;
    assert_true(search_is_perms("r?xp"));
    assert_false(search_is_perms("face"));
    assert_false(search_is_perms("rw-"));
    check(0x400000, "rw-p", false, 0x7f0000000000);
    check(0x7f0000000000, "rw-p", false, 0x7f0000030000);
    check(0x7f0000030000, "rw-p", false, 0x7f0000000000);
    check(0x7f0000000000, "r-xp", true, 0x400000);
    check(0x7f0000000000, "---s", true, 0);
}

static void test_names(void **state)
{
    (void)state;
    check(0x400000, "LIBC", false, 0x7f0000020000);
    check(0x7f0000020000, "libc", false, 0x7f0000030000);
    check(0x7f0000030000, "libc", false, 0x7f0000020000);
    check(0x7f0000020000, "libc", true, 0x7f0000030000);
    check(0x7f0000020000, "face", false, 0x400000);
    check(0x400000, "face", false, 0x400000);
    check(0x400000, "anon", false, 0x7f0000000000);
    check(0x7f0000010000, "libc", false, 0x7f0000020000);
    check(0x7fff00000000, "face", false, 0x400000);
    check(0x7fff00000000, "libc", true, 0x7f0000030000);
    check(0x400000, "none of these", false, 0);
    check(0x400000, "", false, 0);
}

static void test_nothing(void **state)
{
    (void)state;
    struct ui_state ui = {.now = NULL};
    assert_false(ui_search(&ui, "x", false));
    struct region_table empty = {.refs = 1};
    struct moment m = {.regions = &empty};
    ui.now = &m;
    assert_false(ui_search(&ui, "x", false));
    assert_false(ui_search(&ui, "x", true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_perms),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
