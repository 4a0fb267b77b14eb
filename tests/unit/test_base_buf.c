/* Growable bytes and arrays, and failures as sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"

static void zeroed_is_empty(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_clear(&b);
    assert_int_equal(buf_append(&b, "", 0), 0);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    buf_deinit(&b);
    assert_null(b.data);
    buf_deinit(&b);
}

static void appends_keep_order_and_terminator(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(buf_puts(&b, "one "), 0);
    assert_int_equal(buf_putc(&b, '2'), 0);
    assert_int_equal(buf_append(&b, "\0x", 2), 0);
    assert_int_equal(buf_printf(&b, "%s-%d", "three", 4), 0);
    assert_int_equal(b.len, 14);
    assert_memory_equal(b.data, "one 2\0xthree-4", 15);
    buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    assert_true(b.cap > 0);
    buf_deinit(&b);
}

static void grows_far(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 20000; i++)
        assert_int_equal(buf_printf(&b, "%05d\n", i), 0);
    assert_int_equal(b.len, 120000);
    for (int i = 0; i < 20000; i += 997)
        assert_int_equal(atoi(b.data + i * 6), i);
    assert_in_range(b.cap, b.len + 1, 4 * b.len);
    buf_deinit(&b);
}

static void impossible_sizes_are_refused_and_change_nothing(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(buf_puts(&b, "kept"), 0);
    struct buf before = b;
    assert_int_equal(buf_reserve(&b, SIZE_MAX), -ENOMEM);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 4), -ENOMEM);
    assert_int_equal(buf_reserve(&b, SIZE_MAX / 2), -ENOMEM);
    assert_int_equal(b.error, -ENOMEM);
    before.error = b.error;
    assert_memory_equal(&b, &before, sizeof b);
    assert_string_equal(b.data, "kept");
    buf_deinit(&b);
    void *array = NULL;
    size_t cap = 0;
    assert_int_equal(array_reserve(&array, &cap, SIZE_MAX / 8, 64), -ENOMEM);
    assert_null(array);
    assert_int_equal(cap, 0);
}

static void arrays_grow_and_keep_their_elements(void **state)
{
    (void)state;
    uint64_t *v = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < 1000; i++) {
        void *p = v;
        assert_int_equal(array_reserve(&p, &cap, i + 1, sizeof *v), 0);
        v = p;
        assert_true(cap > i);
        v[i] = i * i;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(v[i], i * i);
    free(v);
}

static void errors_carry_code_and_sentence(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(err_set(&e, -ESRCH, "no process %d", 7), -ESRCH);
    assert_int_equal(e.code, -ESRCH);
    assert_string_equal(e.text, "no process 7");
    assert_int_equal(err_set(NULL, -EPERM, "not asked"), -EPERM);
    char name[1000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    err_set(&e, -ENOENT, "%s", name);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_is_empty),
        cmocka_unit_test(appends_keep_order_and_terminator),
        cmocka_unit_test(grows_far),
        cmocka_unit_test(impossible_sizes_are_refused_and_change_nothing),
        cmocka_unit_test(arrays_grow_and_keep_their_elements),
        cmocka_unit_test(errors_carry_code_and_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
