/* Names of the kernel's functions, and call chains made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "probe/chains.h"
#include "probe/ksyms.h"

/* As the kernel lists them: its own in order, those of modules and BPF programs behind. */
static const char text[] = "0000000000000000 A fixed_percpu_data\n"
                           "ffffffff81000000 T _stext\n"
                           "ffffffff81000c60 T exc_page_fault\n"
                           "ffffffff81000d00 T handle_mm_fault\n"
                           "ffffffff81000e00 d not_code\n"
                           "ffffffff81001000 t do_fault.isra.0\n"
                           "ffffffff81002000 t do_fault.cold\n"
                           "ffffffff81003000 T __traceiter_rss_stat\n"
                           "ffffffffc0201000 t ext4_page_mkwrite\t[ext4]\n"
                           "ffffffffc0101000 t bpf_prog_6deef7357e7b4530_on_rss\t[bpf]\n"
                           "not a line\n"
                           "ffffffff81004000 T two words\n"
                           "ffffffff81005000 T last";

static struct ksyms *parsed(void)
{
    struct ksyms *k = NULL;
    assert_int_equal(ksyms_parse(text, sizeof text - 1, &k), 0);
    return k;
}

static void expect(const struct ksyms *k, uint64_t address, const char *name)
{
    size_t len = 0;
    const char *found = ksyms_find(k, address, &len);
    if (!name) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_int_equal(len, strlen(name));
    assert_memory_equal(found, name, len);
}

static void test_names(void **state)
{
    (void)state;
    struct ksyms *k = parsed();
    uint64_t start, end;
    assert_int_equal(ksyms_count(k), 9);
    expect(k, 0, NULL);
    expect(k, 0xffffffff80ffffff, NULL);
    expect(k, 0xffffffff81000000, "_stext");
    expect(k, 0xffffffff81000cff, "exc_page_fault");
    expect(k, 0xffffffff81000e01, "handle_mm_fault");
    expect(k, 0xffffffff81001001, "do_fault");
    expect(k, 0xffffffff81002001, "do_fault");
    expect(k, 0xffffffff81004000, "__traceiter_rss_stat");
    expect(k, 0xffffffffc0201010, "ext4_page_mkwrite");
    expect(k, 0xffffffffc0101010, "bpf_prog_6deef7357e7b4530_on_rss");
    assert_true(ksyms_range(k, "exc_page_fault", &start, &end));
    assert_int_equal(start, 0xffffffff81000c60);
    assert_int_equal(end, 0xffffffff81000d00);
    assert_false(ksyms_range(k, "do_fault", &start, &end));
    ksyms_destroy(k);
}

static void test_hidden_addresses(void **state)
{
    (void)state;
    static const char hidden[] = "0000000000000000 T exc_page_fault\n";
    struct ksyms *k = NULL;
    assert_int_equal(ksyms_parse(hidden, sizeof hidden - 1, &k), -ENOENT);
    assert_int_equal(ksyms_parse("", 0, &k), -ENOENT);
    assert_null(k);
    ksyms_destroy(NULL);
}

static void test_chains_are_kept_once(void **state)
{
    (void)state;
    const uint64_t ip[] = {0xffffffffc0101010, 0xffffffff81003010, 0xffffffff81001010,
                           0xffffffff81000d10, 0xffffffff81000c70};
    const uint64_t other[] = {0xffffffff81001020, 0x1000, 0xffffffff81000c70};
    struct chains *c = chains_create(parsed());
    assert_non_null(c);
    assert_int_equal(chains_number(c, ip, 5), 1);
    assert_int_equal(chains_number(c, other, 3), 2);
    assert_int_equal(chains_number(c, ip, 5), 1);
    assert_int_equal(chains_number(c, ip, 4), 3);
    assert_int_equal(chains_count(c), 3);
    assert_string_equal(chains_text(c, 1), "exc_page_fault;handle_mm_fault;do_fault");
    assert_string_equal(chains_text(c, 2), "exc_page_fault;?;do_fault");
    chains_destroy(c);
    chains_destroy(NULL);
}

static void test_too_many_chains(void **state)
{
    (void)state;
    struct chains *c = chains_create(parsed());
    uint32_t n = 1;
    for (uint64_t i = 0; n && i < 1 << 17; i++) {
        const uint64_t ip = 0xffffffff81000c60 + i;
        n = chains_number(c, &ip, 1);
        assert_true(!n || n == i + 1);
    }
    assert_int_equal(n, 0);
    assert_true(chains_count(c) >= 1 << 12);
    chains_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_hidden_addresses),
        cmocka_unit_test(test_chains_are_kept_once),
        cmocka_unit_test(test_too_many_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
