/* The table of symbols: what is put is found, another program's instruction is not, and a full
 * table forgets but never mixes up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/symbols.h"

static struct site_answer answer_of(uint64_t program, uint64_t ip)
{
    struct site_answer a = {.program = program, .ip = ip};
    snprintf(a.symbol, sizeof a.symbol, "f%llu+0x%llx", (unsigned long long)program,
             (unsigned long long)ip);
    return a;
}

static void test_put_and_find(void **state)
{
    (void)state;
    struct symbols *s = symbols_create();
    struct site_answer a = answer_of(1, 0x401000), b = answer_of(2, 0x401000);
    assert_null(symbols_find(s, 1, 0x401000));
    assert_int_equal(symbols_put(s, &a), 0);
    assert_null(symbols_find(s, 2, 0x401000));
    assert_null(symbols_find(s, 1, 0x401001));
    assert_int_equal(symbols_put(s, &b), 0);
    assert_string_equal(symbols_find(s, 1, 0x401000)->symbol, "f1+0x401000");
    assert_string_equal(symbols_find(s, 2, 0x401000)->symbol, "f2+0x401000");
    snprintf(a.symbol, sizeof a.symbol, "newer");
    assert_int_equal(symbols_put(s, &a), 0);
    assert_string_equal(symbols_find(s, 1, 0x401000)->symbol, "newer");
    symbols_destroy(s);
    symbols_destroy(NULL);
}

static void test_full(void **state)
{
    (void)state;
    struct symbols *s = symbols_create();
    unsigned known = 0;
    for (uint64_t ip = 0; ip < 20000; ip++) {
        struct site_answer a = answer_of(ip % 7, ip * 4);
        assert_int_equal(symbols_put(s, &a), 0);
        assert_non_null(symbols_find(s, ip % 7, ip * 4));
    }
    for (uint64_t ip = 0; ip < 20000; ip++) {
        const struct site_answer *a = symbols_find(s, ip % 7, ip * 4);
        if (!a)
            continue;
        assert_string_equal(a->symbol, answer_of(ip % 7, ip * 4).symbol);
        known++;
    }
    assert_in_range(known, 1000, 19999);
    symbols_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_find),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
