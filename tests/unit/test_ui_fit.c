/* Texts cut to columns: what is left tells names apart, and never takes more columns than there
 * are. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "ui/fit.h"

static void texts_lose_their_end(void **state)
{
    char out[64];
    (void)state;
    assert_string_equal(fit_text(out, sizeof out, "resident", 8), "resident");
    assert_string_equal(fit_text(out, sizeof out, "resident", 7), "reside\u2026");
    assert_string_equal(fit_text(out, sizeof out, "resident", 1), "\u2026");
    assert_string_equal(fit_text(out, sizeof out, "resident", 0), "");
}

static void names_lose_directories_first(void **state)
{
    const char *path = "/usr/lib/libpython3.11.so.1.0";
    char out[64];
    (void)state;
    assert_string_equal(fit_name(out, sizeof out, path, 29), path);
    assert_string_equal(fit_name(out, sizeof out, path, 28), "libpython3.11.so.1.0");
    assert_string_equal(fit_name(out, sizeof out, path, 13), "libpytho\u2026.1.0");
    assert_string_equal(fit_name(out, sizeof out, "/dev/zero (deleted)", 16), "/dev/zero\u2026");
    assert_string_equal(fit_name(out, sizeof out, "/memfd:x (deleted)", 17), "memfd:x (deleted)");
    assert_string_equal(fit_name(out, sizeof out, "/dev/zero (deleted)", 9), "/dev/zer\u2026");
    assert_string_equal(fit_name(out, sizeof out, "/a/directory/", 7), "/a/d\u2026y/");
}

static void wide_characters_fit_too(void **state)
{
    static const char *const names[] = {"/tmp/\u65e5\u672c\u8a9e\u306e\u6587\u66f8.so", "\u65e5\u672c\u8a9e",
                                        "e\u0301e\u0301e\u0301e\u0301e\u0301", ""};
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (unsigned cols = 0; cols < 24; cols++) {
            assert_true(text_columns(fit_text(out, sizeof out, names[i], cols)) <= cols);
            assert_true(text_columns(fit_name(out, sizeof out, names[i], cols)) <= cols);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_lose_their_end),
        cmocka_unit_test(names_lose_directories_first),
        cmocka_unit_test(wide_characters_fit_too),
    };
    setlocale(LC_ALL, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
