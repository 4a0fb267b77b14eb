/* Sizes, escaping, UTF-8 and numbers, with the bytes that trip such code up. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static void sizes_take_at_most_five_columns(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0"}, {1, "1"}, {1023, "1023"}, {1024, "1.0K"}, {1025, "1.0K"}, {4096, "4.0K"},
        {10188, "9.9K"}, {10240, "10K"}, {1023 * 1024, "1023K"}, {1048575, "1.0M"},
        {1048576, "1.0M"}, {UINT64_C(612) << 20, "612M"}, {UINT64_C(1288490189), "1.2G"},
        {UINT64_C(1) << 47, "128T"}, {UINT64_C(1) << 50, "1.0P"}, {UINT64_MAX, "16E"},
    };
    char out[TEXT_SIZE_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(text_size(out, cases[i].bytes), cases[i].text);
}

static void sizes_never_lose_a_byte_to_zero(void **state)
{
    (void)state;
    char out[TEXT_SIZE_MAX];
    for (unsigned bit = 0; bit < 64; bit++)
        for (uint64_t near = 0; near < 3; near++) {
            uint64_t bytes = (UINT64_C(1) << bit) + near - 1;
            const char *text = text_size(out, bytes);
            assert_in_range(strlen(text), 1, 5);
            assert_int_equal(bytes == 0, strcmp(text, "0") == 0);
        }
}

static const char *escaped(const char *bytes, size_t len)
{
    static char out[256];
    size_t n = text_escape(out, sizeof out, bytes, len);
    assert_int_equal(n, strlen(out));
    return out;
}
#define ESCAPED(literal) escaped(literal, sizeof(literal) - 1)

static void escaping_leaves_nothing_to_obey(void **state)
{
    (void)state;
    assert_string_equal(ESCAPED("plain [heap]"), "plain [heap]");
    assert_string_equal(ESCAPED("\033[31m"), "\\x1b[31m");
    assert_string_equal(ESCAPED("a\nb\tc\r"), "a\\x0ab\\x09c\\x0d");
    assert_string_equal(ESCAPED("a\0b"), "a\\x00b");
    assert_string_equal(ESCAPED("\x7f"), "\\x7f");
    assert_string_equal(ESCAPED("\\033"), "\\x5c033");
    assert_string_equal(ESCAPED("\xc2\x9b" "1m"), "\\xc2\\x9b1m"); /* CSI in two bytes */
    assert_string_equal(ESCAPED("\x9b"), "\\x9b");
    assert_string_equal(ESCAPED("\xc3\xa9\xe6\xbc\xa2"), "\xc3\xa9\xe6\xbc\xa2");
    assert_string_equal(ESCAPED("\xe2\x80\xae" "exe.txt"), "\\u{202e}exe.txt");
    assert_string_equal(ESCAPED("\xef\xbb\xbf"), "\\u{feff}");
}

static void escaping_shows_invalid_utf8_byte_by_byte(void **state)
{
    (void)state;
    assert_string_equal(ESCAPED("\xff\xfe"), "\\xff\\xfe");
    assert_string_equal(ESCAPED("\xc3"), "\\xc3");                      /* cut off */
    assert_string_equal(ESCAPED("\xe6\xbc"), "\\xe6\\xbc");
    assert_string_equal(ESCAPED("\xc0\xaf"), "\\xc0\\xaf");             /* overlong */
    assert_string_equal(ESCAPED("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");
    assert_string_equal(ESCAPED("\xed\xa0\x80"), "\\xed\\xa0\\x80");    /* a surrogate */
    assert_string_equal(ESCAPED("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"); /* past the last */
    assert_string_equal(ESCAPED("\xf0\x9f\x90\xa7!"), "\xf0\x9f\x90\xa7!");
}

static void escaping_cuts_at_a_whole_character(void **state)
{
    (void)state;
    char out[16];
    for (size_t cap = 1; cap < sizeof out; cap++) {
        memset(out, 'x', sizeof out);
        size_t n = text_escape(out, cap, "a\033\xe6\xbc\xa2z", 6);
        static const size_t whole[] = {0, 1, 5, 8, 9};
        size_t want = 0;
        for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
            if (whole[i] < cap)
                want = whole[i];
        assert_int_equal(n, want);
        assert_int_equal(out[n], '\0');
        assert_int_equal(out[cap], 'x');
    }
}

static void utf8_survives_the_round_trip(void **state)
{
    (void)state;
    static const uint32_t points[] = {0,      1,      0x7f,   0x80,    0x7ff,   0x800,
                                      0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        char bytes[4];
        uint32_t back = 0;
        size_t n = text_utf8_encode(bytes, points[i]);
        assert_int_equal(text_utf8_decode(bytes, n, &back), n);
        assert_int_equal(back, points[i]);
        assert_int_equal(text_utf8_decode(bytes, n - 1, &back), 0);
    }
}

static void columns_count_what_is_seen(void **state)
{
    (void)state;
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        skip();
    assert_int_equal(text_columns(""), 0);
    assert_int_equal(text_columns("abc"), 3);
    assert_int_equal(text_columns("\xe6\xbc\xa2\xe5\xad\x97"), 4);
    assert_int_equal(text_columns("e\xcc\x81"), 1);
}

static void numbers_stop_where_they_end(void **state)
{
    (void)state;
    const char *text = "7fZ", *p = text, *end = text + 3;
    uint64_t v = 99;
    assert_true(text_hex(&p, end, &v));
    assert_int_equal(v, 0x7f);
    assert_ptr_equal(p, text + 2);
    assert_false(text_hex(&p, end, &v)); /* Z */
    assert_ptr_equal(p, text + 2);
    p = text;
    assert_true(text_hex(&p, text + 1, &v)); /* the end is the caller's, not the NUL */
    assert_int_equal(v, 7);
    p = text;
    assert_true(text_dec(&p, end, &v));
    assert_int_equal(v, 7);
    assert_false(text_dec(&end, end, &v));
}

static void numbers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const char most[] = "18446744073709551615", over[] = "18446744073709551616";
    static const char hex_most[] = "ffffffffffffffff", hex_over[] = "10000000000000000";
    uint64_t v = 0;
    const char *p = most;
    assert_true(text_dec(&p, most + sizeof most - 1, &v));
    assert_true(v == UINT64_MAX);
    p = over;
    assert_false(text_dec(&p, over + sizeof over - 1, &v));
    assert_ptr_equal(p, over);
    p = hex_most;
    assert_true(text_hex(&p, hex_most + sizeof hex_most - 1, &v));
    assert_true(v == UINT64_MAX);
    p = hex_over;
    assert_false(text_hex(&p, hex_over + sizeof hex_over - 1, &v));
}

static void fields_are_found_at_line_starts_only(void **state)
{
    (void)state;
    static const char text[] = "Name:\tVmRSS: 5\nXVmRSS: 6\nVmRSS:\t   1234 kB\nVmSwap:\nEnd: 7";
    size_t len = sizeof text - 1;
    uint64_t v = 0;
    assert_true(text_field(text, len, "VmRSS:", &v));
    assert_int_equal(v, 1234);
    assert_false(text_field(text, len, "VmSwap:", &v)); /* its number is not on the next line */
    assert_false(text_field(text, len, "VmSize:", &v));
    assert_true(text_field(text, len, "End:", &v)); /* no newline at the end */
    assert_int_equal(v, 7);
    assert_false(text_field(text, len - 3, "End:", &v));
    assert_false(text_field("", 0, "End:", &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_take_at_most_five_columns),
        cmocka_unit_test(sizes_never_lose_a_byte_to_zero),
        cmocka_unit_test(escaping_leaves_nothing_to_obey),
        cmocka_unit_test(escaping_shows_invalid_utf8_byte_by_byte),
        cmocka_unit_test(escaping_cuts_at_a_whole_character),
        cmocka_unit_test(utf8_survives_the_round_trip),
        cmocka_unit_test(columns_count_what_is_seen),
        cmocka_unit_test(numbers_stop_where_they_end),
        cmocka_unit_test(numbers_that_do_not_fit_are_refused),
        cmocka_unit_test(fields_are_found_at_line_starts_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
