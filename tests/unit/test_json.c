/* The JSON writer: what it writes, jansson reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/json.h"

static void writes_and_reads_back(void **state)
{
    (void)state;
    struct buf b = {0};
    struct json j;
    json_init(&j, &b);
    json_open_object(&j);
    json_put_u64(json_key(&j, "max"), UINT64_MAX >> 1);
    json_put_i64(json_key(&j, "min"), INT64_MIN);
    json_put_hex(json_key(&j, "addr"), UINT64_MAX);
    json_put_hex(json_key(&j, "zero"), 0);
    json_put_bool(json_key(&j, "yes"), true);
    json_put_bool(json_key(&j, "no"), false);
    json_put_null(json_key(&j, "unknown"));
    json_open_array(json_key(&j, "list"));
    json_put_u64(&j, 0);
    json_open_object(&j);
    json_close_object(&j);
    json_open_array(&j);
    json_close_array(&j);
    json_close_array(&j);
    json_close_object(&j);
    assert_int_equal(json_end(&j), 0);

    json_t *root = json_loads(b.data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_int_equal(json_integer_value(json_object_get(root, "max")), INT64_MAX);
    assert_true(json_integer_value(json_object_get(root, "min")) == INT64_MIN);
    assert_string_equal(json_string_value(json_object_get(root, "addr")), "0xffffffffffffffff");
    assert_string_equal(json_string_value(json_object_get(root, "zero")), "0x0");
    assert_true(json_is_true(json_object_get(root, "yes")));
    assert_true(json_is_false(json_object_get(root, "no")));
    assert_true(json_is_null(json_object_get(root, "unknown")));
    assert_int_equal(json_array_size(json_object_get(root, "list")), 3);
    json_decref(root);
    buf_deinit(&b);
}

static void unsigned_maximum_is_written_in_full(void **state)
{
    (void)state;
    struct buf b = {0};
    struct json j;
    json_init(&j, &b);
    json_put_u64(&j, UINT64_MAX);
    assert_int_equal(json_end(&j), 0);
    assert_string_equal(b.data, "18446744073709551615");
    buf_deinit(&b);
}

/* Writes the bytes as a JSON string; the result must be free of anything a terminal obeys. */
static json_t *through_jansson(const char *bytes, size_t len)
{
    struct buf b = {0};
    struct json j;
    json_init(&j, &b);
    json_put_bytes(&j, bytes, len);
    assert_int_equal(json_end(&j), 0);
    for (size_t i = 0; i < b.len; i++)
        assert_true((unsigned char)b.data[i] >= 0x20 && b.data[i] != 0x7f);
    json_t *v = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(v);
    buf_deinit(&b);
    return v;
}

static void every_byte_is_representable(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char byte = (char)c;
        json_t *v = through_jansson(&byte, 1);
        if (c < 128) {
            assert_int_equal(json_string_length(v), 1);
            assert_int_equal(json_string_value(v)[0], byte);
        } else {
            assert_string_equal(json_string_value(v), "\xef\xbf\xbd");
        }
        json_decref(v);
    }
}

static void text_survives(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "plain",
        "q\"b\\s/\b\f\n\r\t\x1b[31m",
        "a\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80z",
        "\xe2\x80\xae"
        "evil\xc2\x9b"
        "31m\xef\xbb\xbf",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *v = through_jansson(texts[i], strlen(texts[i]));
        assert_string_equal(json_string_value(v), texts[i]);
        json_decref(v);
    }
    json_t *v = through_jansson("a\xc3(\xe4\xb8", 5); /* two broken sequences */
    assert_string_equal(json_string_value(v), "a\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(v);
}

static int misuse(unsigned which)
{
    struct buf b = {0};
    struct json j;
    json_init(&j, &b);
    switch (which) {
    case 0: /* nothing written */
        break;
    case 1: /* value without a key */
        json_open_object(&j);
        json_put_u64(&j, 1);
        break;
    case 2: /* key in an array */
        json_open_array(&j);
        json_key(&j, "k");
        break;
    case 3: /* two keys */
        json_open_object(&j);
        json_key(json_key(&j, "k"), "l");
        break;
    case 4: /* closed by the wrong bracket */
        json_open_object(&j);
        json_close_array(&j);
        break;
    case 5: /* left open */
        json_open_array(&j);
        break;
    case 6: /* two documents */
        json_put_null(&j);
        json_put_null(&j);
        break;
    case 7: /* key without a value */
        json_open_object(&j);
        json_key(&j, "k");
        json_close_object(&j);
        break;
    case 8: /* closed once too often */
        json_open_array(&j);
        json_close_array(&j);
        json_close_array(&j);
        break;
    default:
        for (unsigned i = 0; i <= JSON_DEPTH_MAX; i++)
            json_open_array(&j);
    }
    int rc = json_end(&j);
    buf_deinit(&b);
    return rc;
}

static void misuse_is_reported(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(misuse(i), -EINVAL);
    assert_int_equal(misuse(9), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads_back),
        cmocka_unit_test(unsigned_maximum_is_written_in_full),
        cmocka_unit_test(every_byte_is_representable),
        cmocka_unit_test(text_survives),
        cmocka_unit_test(misuse_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
