/* Key names, bindings, and lines being typed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ui/keys.h"
#include "ui/line_edit.h"

static void check_keys(const char *text, const int *want, size_t n)
{
    struct err e = {0};
    int key;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(keys_next(&text, &key, &e), 0);
        assert_int_equal(key, want[i]);
    }
    assert_int_equal(keys_next(&text, &key, &e), 0);
    assert_int_equal(key, KEY_CODE_NONE);
}

static void test_names(void **state)
{
    (void)state;
    static const int want[] = {
        'j', 'j', KEY_CODE_ENTER, '/', 'l', KEY_CTRL('l'), KEY_CODE_WAIT, KEY_CODE_F1,
        KEY_CODE_F12, '<', ' ', KEY_CODE_PGDN, KEY_CODE_BACKTAB, KEY_CODE_ESC, '>', 0xe9, 'q'};
    check_keys("jj<Enter>/l<C-l><Wait><F1><f12><lt><Space><PgDn><BackTab><esc>>\u00e9q", want,
               sizeof want / sizeof *want);
    static const int controls[] = {KEY_CODE_TAB, KEY_CODE_ENTER, KEY_CODE_ESC};
    check_keys("\t\n\033", controls, 3);
    check_keys("", NULL, 0);
}

static void test_bad_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"<Nope>", "<", "<Enter", "<>", "<F13>", "<F0>", "<C-1>",
                                      "<C->", "\xff", "<Ente>", "<F1x>"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *text = bad[i];
        int key = 77;
        struct err e = {0};
        assert_true(keys_next(&text, &key, &e) < 0);
        assert_int_equal(key, 77);
        assert_ptr_equal(text, bad[i]);
        assert_non_null(strstr(e.text, bad[i][0] == '\xff' ? "\\xff" : bad[i]));
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int key = 1; key < KEY_CODE_WAIT + 1; key = key == 0x300 ? KEY_CODE_UP : key + 1) {
        char name[KEY_NAME_MAX];
        struct err e = {0};
        const char *text = keys_name(name, key);
        int back;
        if (key == '\t' || key == '\r' || key == '\n' || key == 0x1b || key == 0x7f)
            continue; /* these are keys with names of their own */
        if ((key >= 0x80 && key < 0xa0) || key == 0xad) { /* C1 controls, the soft hyphen */
            assert_int_equal(keys_next(&text, &back, &e), -EINVAL);
            continue;
        }
        assert_int_equal(keys_next(&text, &back, &e), 0);
        assert_int_equal(back, key);
        assert_string_equal(text, "");
    }
}

static void test_bindings(void **state)
{
    (void)state;
    static const struct binding table[] = {
        {{'a', 'b'}, "a b", "first", true, 1},
        {{KEY_CODE_UP}, "Up", "second", true, 2},
        {.label = NULL},
    };
    assert_ptr_equal(binding_find(table, 'b'), &table[0]);
    assert_ptr_equal(binding_find(table, KEY_CODE_UP), &table[1]);
    assert_null(binding_find(table, 'c'));
    assert_null(binding_find(table, KEY_CODE_NONE));
}

static void type(struct line_edit *l, const char *keys)
{
    struct err e = {0};
    int key;
    while (!keys_next(&keys, &key, &e) && key != KEY_CODE_NONE)
        line_edit_key(l, key);
}

static void test_line(void **state)
{
    (void)state;
    struct line_edit l = {.len = 0};
    type(&l, "libc<Left><Left>\u00fc");
    assert_string_equal(l.text, "li\u00fcbc");
    type(&l, "<BS><BS>");
    assert_string_equal(l.text, "lbc");
    type(&l, "<Home>x<End>y<Right><Left><Left><Left><Left><Left><Left>");
    assert_string_equal(l.text, "xlbcy");
    assert_int_equal(l.at, 0);
    type(&l, "<BS><End> two words<C-w>");
    assert_string_equal(l.text, "xlbcy two ");
    type(&l, "<C-u>");
    assert_string_equal(l.text, "");
    assert_false(line_edit_key(&l, KEY_CODE_PGUP));
    assert_false(line_edit_key(&l, KEY_CTRL('x')));
    for (int i = 0; i < 2 * LINE_MAX_BYTES; i++)
        line_edit_key(&l, 0x20ac);
    assert_int_equal(l.len, LINE_MAX_BYTES - 1);
    assert_int_equal(strlen(l.text), l.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
