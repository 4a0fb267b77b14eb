/* The grid, and the colours that its cells get. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ui/cells.h"
#include "ui/theme.h"

static void check(const struct grid *g, const char *want)
{
    struct buf b = {0};
    assert_int_equal(grid_text(g, &b), 0);
    assert_string_equal(b.data ? b.data : "", want);
    buf_deinit(&b);
}

static void test_clipping(void **state)
{
    (void)state;
    struct grid g;
    struct style s = STYLE(COLOR_DEFAULT);
    assert_int_equal(grid_init(&g, 6, 3), 0);
    struct area a = area_part(grid_area(&g), 1, 1, 3, 1);
    assert_int_equal(area_text(a, 0, 0, 99, "abcdef", s), 3);
    assert_int_equal(area_text(a, 2, 0, 99, "xyz", s), 1);
    assert_int_equal(area_text(a, 3, 0, 99, "no", s), 0);
    assert_int_equal(area_text(a, 0, 1, 99, "no", s), 2);
    area_put(a, 3, 0, 'n', s);
    area_put(a, 0, 1, 'n', s);
    check(&g, "\n abx\n\n");
    struct area none = area_part(a, 5, 5, 9, 9);
    assert_int_equal(none.cols, 0);
    assert_int_equal(none.rows, 0);
    area_fill(none, s, 'n');
    area_fill(area_part(grid_area(&g), 4, 0, 9, 9), s, '#');
    check(&g, "    ##\n abx##\n    ##\n");
    grid_deinit(&g);
    assert_int_equal(grid_init(&g, 0, 0), 0);
    area_text(grid_area(&g), 0, 0, 5, "n", s);
    check(&g, "");
    grid_deinit(&g);
}

static void test_wide(void **state)
{
    (void)state;
    struct grid g;
    struct style s = STYLE(COLOR_DEFAULT);
    assert_int_equal(grid_init(&g, 5, 1), 0);
    struct area a = grid_area(&g);
    assert_int_equal(area_text(a, 0, 0, 5, "\u6f22\u5b57x", s), 5);
    check(&g, "\u6f22\u5b57x\n");
    area_put(a, 1, 0, 'a', s);
    check(&g, " a\u5b57x\n");
    area_put(a, 2, 0, 'b', s);
    check(&g, " ab x\n");
    area_put(a, 4, 0, 0x6f22, s);
    check(&g, " ab ?\n");
    grid_clear(&g);
    assert_int_equal(area_text(a, 0, 0, 3, "\u6f22\u5b57", s), 2);
    assert_int_equal(area_text(a, 3, 0, 2, "e\u0301x", s), 2);
    check(&g, "\u6f22 ex\n");
    grid_deinit(&g);
}

static void test_control_characters(void **state)
{
    (void)state;
    struct grid g;
    struct style s = STYLE(COLOR_DEFAULT);
    assert_int_equal(grid_init(&g, 20, 1), 0);
    struct area a = grid_area(&g);
    area_text(a, 0, 0, 20, "a\033[31m\n\x7f\xff\xc2\x9b", s);
    check(&g, "a?[31m????\n");
    for (uint32_t c = 0; c < 0xa0; c++) {
        area_put(a, 0, 0, c, s);
        assert_int_equal(g.cells[0].ch, (c >= 0x20 && c < 0x7f) ? c : '?');
    }
    area_put(a, 0, 0, 0xffffffff, s);
    assert_int_equal(g.cells[0].ch, '?');
    grid_deinit(&g);
}

static void test_lines(void **state)
{
    (void)state;
    assert_int_equal(text_line("one two three", 9), 8);
    assert_int_equal(text_line("one two", 7), 7);
    assert_int_equal(text_line("abcdefgh", 3), 3);
    assert_int_equal(text_line("\u6f22\u5b57", 1), 3);
    assert_int_equal(text_line("x", 0), 1);
    assert_int_equal(text_line("", 5), 0);
}

/* sRGB to linear light, by a polynomial that is close enough here. */
static double channel(unsigned v)
{
    double c = v / 255.0;
    return c * (c * (c * 0.305306011 + 0.682171111) + 0.012522878);
}

/* Relative luminance of an xterm colour of 16 to 255. */
static double luminance(int n)
{
    static const unsigned steps[] = {0, 95, 135, 175, 215, 255};
    if (n >= 232)
        return channel((unsigned)(8 + (n - 232) * 10));
    unsigned i = (unsigned)n - 16;
    return 0.2126 * channel(steps[i / 36]) + 0.7152 * channel(steps[i / 6 % 6]) +
           0.0722 * channel(steps[i % 6]);
}

static void test_contrast(void **state)
{
    (void)state;
    for (uint8_t c = 0; c < COLOR_N; c++) {
        struct ink ink = theme_ink(256, STYLE(c));
        assert_int_equal(ink.bg, THEME_OWN);
        if (ink.fg == THEME_OWN)
            continue;
        assert_in_range(ink.fg, 16, 255);
        double l = luminance(ink.fg);
        assert_true((l + 0.05) / 0.05 >= 3);
        assert_true(1.05 / (l + 0.05) >= 3);
    }
}

static void test_theme(void **state)
{
    (void)state;
    for (uint8_t c = 0; c < COLOR_N; c++) {
        assert_in_range(theme_ink(8, STYLE(c)).fg + 1, 0, 8);
        assert_int_equal(theme_ink(0, STYLE(c)).fg, THEME_OWN);
    }
    assert_true(theme_ink(0, STYLE(COLOR_ALERT)).attr & CELL_REVERSE);
    assert_true(theme_ink(0, STYLE(COLOR_KEY)).attr != 0);
    struct style cursor = {COLOR_DEFAULT, COLOR_CURSOR, 0};
    assert_true(theme_ink(256, cursor).attr & CELL_REVERSE);
    assert_true(theme_ink(0, cursor).attr & CELL_REVERSE);
    struct style both = {ROLE_ANON, ROLE_FILE, 0};
    assert_int_equal(theme_ink(256, both).fg, theme_ink(256, STYLE(ROLE_ANON)).fg);
    assert_int_equal(theme_ink(256, both).bg, theme_ink(256, STYLE(ROLE_FILE)).fg);
}

int main(void)
{
    setlocale(LC_ALL, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clipping), cmocka_unit_test(test_wide),
        cmocka_unit_test(test_control_characters), cmocka_unit_test(test_lines),
        cmocka_unit_test(test_contrast), cmocka_unit_test(test_theme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
