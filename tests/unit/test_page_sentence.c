/* What is said of a page, and the names of its bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/kpf.h"
#include "model/page_sentence.h"

enum { RW = REGION_R | REGION_W, ENTRY = PAGE_A_ENTRY, ALL = PAGE_A_EVIDENCE };

static const struct geometry geometry = {12, 4, 21, {"PGD", "PUD", "PMD", "PTE"}};
static char said[PAGE_SENTENCE_MAX];

static const char *say(uint8_t kind, uint8_t perms, struct page p)
{
    struct region r = {.start = 0, .end = 1 << 21, .kind = kind, .perms = perms, .name = ""};
    return page_sentence(&geometry, &r, &p, said, sizeof said);
}

#define assert_says(text, what)                                                                    \
    do {                                                                                           \
        const char *t_ = (text);                                                                   \
        if (!strstr(t_, what))                                                                     \
            fail_msg("\"%s\" is not in: %s", what, t_);                                            \
    } while (0)

static struct page page(uint8_t state, uint16_t attrs, uint32_t mapcount, uint8_t order)
{
    return (struct page){1, mapcount, attrs, state, order};
}

static void test_nothing(void **state)
{
    (void)state;
    struct page p = page_absent;
    assert_says(page_sentence(&geometry, NULL, &p, said, sizeof said), "Nothing is mapped");
    assert_says(say(REGION_ANON, 0, p), "permits no access");
    assert_says(say(REGION_ANON, RW, p), "the first write a new page");
    assert_null(strstr(say(REGION_ANON, REGION_R, p), "write"));
    assert_says(say(REGION_FILE, RW, p), "private copy");
    assert_says(say(REGION_FILE, RW | REGION_SHARED, p), "page of the file");
    assert_says(say(REGION_HUGETLB, RW, p), "pool");
}

/* The exclusive bit of pagemap does not promise that a write needs no fault. */
static void test_writes(void **state)
{
    (void)state;
    uint16_t own = ALL | PAGE_A_EXCLUSIVE;
    assert_says(say(REGION_ANON, RW, page(PAGE_ANON, own | PAGE_A_WRITABLE, 1, 0)),
                "a write needs no copy");
    assert_says(say(REGION_ANON, RW, page(PAGE_ANON, own, 1, 0)), "still faults");
    assert_says(say(REGION_ANON, RW, page(PAGE_ANON, ENTRY | PAGE_A_EXCLUSIVE, 1, 0)),
                "cannot be told");
    assert_says(say(REGION_ANON, REGION_R, page(PAGE_ANON, own, 1, 0)), "does not permit");
    assert_says(say(REGION_FILE, RW, page(PAGE_ANON, own, 1, 0)), "private copy of a page of the");
    assert_says(say(REGION_ANON, RW, page(PAGE_COW, ALL, 2, 0)), "2 mappings");
    assert_says(say(REGION_ANON, RW, page(PAGE_COW, ALL, 2, 0)), "gets its own copy");
    assert_says(say(REGION_ANON, RW, page(PAGE_COW, ALL, 1, 0)), "takes it over");
    assert_says(say(REGION_FILE, RW | REGION_SHARED, page(PAGE_FILE, ALL, 1, 0)), "for all");
    assert_says(say(REGION_FILE, RW, page(PAGE_FILE, ALL, 1, 0)), "private copy");
}

static void test_extras(void **state)
{
    (void)state;
    assert_says(say(REGION_ANON, RW, page(PAGE_ANON, ALL | PAGE_A_PMD, 1, 9)),
                "folio of 2.0M, mapped by one entry");
    assert_says(say(REGION_FILE, REGION_R, page(PAGE_FILE, ALL, 3, 4)), "folio of 64K");
    assert_says(say(REGION_FILE, REGION_R, page(PAGE_FILE, ALL, 3, 4)), "mapped 3 times");
    assert_says(say(REGION_ANON, RW, page(PAGE_ANON, ALL | PAGE_A_LOCKED, 1, 0)), "locked");
    assert_says(say(REGION_FILE, REGION_R, page(PAGE_FILE, ALL | PAGE_A_DIRTY, 1, 0)), "newer");
}

/* Whatever is known, it is one sentence, and it fits. */
static void test_all(void **state)
{
    (void)state;
    for (unsigned s = 0; s <= PAGE_STATE_N; s++)
        for (uint8_t kind = 0; kind < REGION_KIND_N; kind++)
            for (unsigned bits = 0; bits < 16 * 8; bits++) {
                uint16_t attrs = (uint16_t)(bits >> 4 & 1 ? 0xffff : bits >> 5 & 1 ? ALL : 0);
                const char *t = say(kind, bits & 15, page((uint8_t)s, attrs, 1000000, 18));
                size_t len = strlen(t);
                assert_in_range(len, 20, PAGE_SENTENCE_MAX - 2);
                assert_int_equal(t[len - 1], '.');
                assert_null(strstr(t, ". "));
            }
    char small[8];
    struct page p = page_absent;
    page_sentence(&geometry, NULL, &p, small, sizeof small);
    assert_string_equal(small, "Nothing");
}

static void test_bits(void **state)
{
    (void)state;
    assert_string_equal(kpf_bit(0, 0).name, "LOCKED");
    assert_string_equal(kpf_bit(22, 0).name, "THP");
    assert_string_equal(kpf_bit(33, 0).name, "MLOCKED");
    assert_string_equal(kpf_bit(34, 1 << 12).name, "ANON_EXCLUSIVE");
    assert_string_equal(kpf_bit(34, 0).name, "MAPPED_TO_DISK");
    assert_null(kpf_bit(63, 0).name);
    assert_null(kpf_bit(99, 0).name);
    assert_string_equal(pagemap_bit(63).name, "PRESENT");
    assert_string_equal(pagemap_bit(56).name, "EXCLUSIVE");
    assert_null(pagemap_bit(3).name);
    for (unsigned bit = 0; bit < KPF_BITS; bit++)
        assert_true(!kpf_bit(bit, 0).name == !kpf_bit(bit, 0).meaning);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_writes),
        cmocka_unit_test(test_extras),  cmocka_unit_test(test_all),
        cmocka_unit_test(test_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
