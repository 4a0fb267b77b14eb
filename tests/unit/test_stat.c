/* The parsers of stat and status. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/stat.h"

/* Fields 3 to 25: each number is its own place, times 101. */
#define REST                                                                                   \
    "S 404 505 606 707 808 909 1010 1111 1212 1313 1414 1515 1616 1717 1818 1919 2020 2121 2222 " \
    "2323 2424 2525\n"

static int parse(const char *text, size_t len, struct stat_line *out)
{
    char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    int rc = stat_parse(exact, len, out);
    free(exact);
    return rc;
}

static void test_every_field(void **state)
{
    (void)state;
    struct stat_line s;
    const char *text = "1234 (cat) " REST;
    assert_int_equal(parse(text, strlen(text), &s), 0);
    assert_string_equal(s.comm, "cat");
    assert_int_equal(s.run_state, 'S');
    assert_int_equal(s.ppid, 404);
    assert_int_equal(s.min_flt, 1010);
    assert_int_equal(s.maj_flt, 1212);
    assert_int_equal(s.cpu_ticks, 1414 + 1515);
    assert_int_equal(s.start_ticks, 2222);
    assert_int_equal(s.vm_size, 2323);
    assert_int_equal(s.rss_pages, 2424);
}

static void test_negative_fields_between(void **state)
{
    (void)state;
    struct stat_line s;
    const char *text = "1 (x) Z 0 -1 -1 0 -1 4228 1 2 3 4 5 6 7 8 20 -19 1 0 "
                       "18446744073709551615 9 8";
    assert_int_equal(parse(text, strlen(text), &s), 0);
    assert_int_equal(s.run_state, 'Z');
    assert_true(s.start_ticks == UINT64_MAX);
    assert_int_equal(s.rss_pages, 8);
}

static void test_names_can_hold_anything(void **state)
{
    (void)state;
    static const char *const names[] = {
        "", ")", "((", ") S 1 (", "a) R 1 2 3", "two\nlines", "tab\tand \x1b[2J", "(sd-pam)",
        "kworker/0:1H-events_highpri", "\xff\xfe",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[400];
        struct stat_line s;
        snprintf(text, sizeof text, "77 (%s) " REST, names[i]);
        assert_int_equal(parse(text, strlen(text), &s), 0);
        assert_string_equal(s.comm, names[i]);
        assert_int_equal(s.min_flt, 1010);
    }
}

static void test_a_name_too_long_is_cut(void **state)
{
    (void)state;
    char text[600], name[201];
    struct stat_line s;
    memset(name, 'n', 200);
    name[200] = '\0';
    snprintf(text, sizeof text, "77 (%s) " REST, name);
    assert_int_equal(parse(text, strlen(text), &s), 0);
    assert_int_equal(strlen(s.comm), sizeof s.comm - 1);
    assert_int_equal(s.maj_flt, 1212);
}

/* Whatever is cut off before the last field that is needed makes it no line of stat. */
static void test_cut_lines(void **state)
{
    (void)state;
    const char *text = "1234 (cat) " REST;
    size_t whole = (size_t)(strstr(text, " 2424") - text) + 2;
    for (size_t len = 0; len < whole; len++) {
        struct stat_line s = {.ppid = 99};
        assert_int_equal(parse(text, len, &s), -EINVAL);
        assert_int_equal(s.ppid, 99);
    }
}

static void test_no_lines_of_stat(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\n", "cat", "1 cat S 1", ")(", "1 )cat( " REST, "1 (cat)S 404", "1 (cat) S x 505",
        "1 (cat) S 404 505 606 707 808 909 many 1111 1212 1313",
        "1 (cat) S 4 5 6 7 8 9 99999999999999999999 11 12 13 14 15 16 17 18 19 20 21 22 23 24",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct stat_line s;
        assert_int_equal(parse(bad[i], strlen(bad[i]), &s), -EINVAL);
    }
}

static const char status[] =
    "Name:\tx\\nVmRSS:\t9 kB\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nThreads:\t3\nVmSize:\t  101 kB\n"
    "VmRSS:\t     102 kB\nRssAnon:\t103 kB\nRssFile:\t104 kB\nRssShmem:\t105 kB\nVmPTE:\t106 kB\n"
    "VmSwap:\t 107 kB";

static void test_status(void **state)
{
    (void)state;
    struct counters c;
    uid_t uid;
    memset(&c, 0, sizeof c);
    c.min_flt = 5;
    c.run_state = 'R';
    status_parse(status, sizeof status - 1, &c, &uid);
    assert_int_equal(uid, 1000);
    assert_int_equal(c.threads, 3);
    assert_int_equal(c.vm_size, 101 * 1024);
    assert_int_equal(c.rss, 102 * 1024);
    assert_int_equal(c.rss_anon, 103 * 1024);
    assert_int_equal(c.rss_file, 104 * 1024);
    assert_int_equal(c.rss_shmem, 105 * 1024);
    assert_int_equal(c.pte, 106 * 1024);
    assert_int_equal(c.swap, 107 * 1024);
    assert_int_equal(c.min_flt, 5); /* not of this file */
    assert_int_equal(c.run_state, 'R');
}

/* A kernel thread has no Vm lines; nothing may be taken for zero. */
static void test_what_is_missing_is_unknown(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "Name:\tkthreadd\n",
        "VmRSS:\nThreads:\tmany\nUid:\t\nVmSize:\t18446744073709551615 kB\n",
        "xVmRSS:\t1 kB\n VmSize: 1 kB\nVmPTE 1 kB\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct counters c = {0};
        uid_t uid = 7;
        status_parse(texts[i], strlen(texts[i]), &c, &uid);
        assert_int_equal(uid, (uid_t)-1);
        assert_true(c.threads == UINT64_MAX && c.vm_size == UINT64_MAX && c.rss == UINT64_MAX);
        assert_true(c.rss_anon == UINT64_MAX && c.rss_file == UINT64_MAX);
        assert_true(c.rss_shmem == UINT64_MAX && c.swap == UINT64_MAX && c.pte == UINT64_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_negative_fields_between),
        cmocka_unit_test(test_names_can_hold_anything),
        cmocka_unit_test(test_a_name_too_long_is_cut),
        cmocka_unit_test(test_cut_lines),
        cmocka_unit_test(test_no_lines_of_stat),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_what_is_missing_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
