/* The parser of smaps: every number, VmFlags, and what is not in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/maps.h"

static struct region_table *parse(const char *text)
{
    struct region_table *t = NULL;
    size_t len = strlen(text);
    char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    assert_int_equal(smaps_parse(exact, len, NULL, &t), 0);
    free(exact);
    return t;
}

static bool has_flag(const struct region *r, const char *code)
{
    int bit = region_vmflag_bit(code);
    assert_true(bit >= 0);
    return r->smaps->vmflags >> bit & 1;
}

static void test_every_field(void **state)
{
    (void)state;
    struct region_table *t = parse("1000-9000 rw-p 00000000 00:00 0    [heap]\n"
                                   "Size:                 32 kB\n"
                                   "KernelPageSize:        4 kB\n"
                                   "MMUPageSize:           4 kB\n"
                                   "Rss:                  11 kB\n"
                                   "Pss:                  12 kB\n"
                                   "Pss_Dirty:          9999 kB\n"
                                   "Shared_Clean:         13 kB\n"
                                   "Shared_Dirty:         14 kB\n"
                                   "Private_Clean:        15 kB\n"
                                   "Private_Dirty:        16 kB\n"
                                   "Referenced:           17 kB\n"
                                   "Anonymous:            18 kB\n"
                                   "KSM:                  19 kB\n"
                                   "LazyFree:             20 kB\n"
                                   "AnonHugePages:        21 kB\n"
                                   "ShmemPmdMapped:       22 kB\n"
                                   "FilePmdMapped:        23 kB\n"
                                   "Shared_Hugetlb:       24 kB\n"
                                   "Private_Hugetlb:      25 kB\n"
                                   "Swap:                 26 kB\n"
                                   "SwapPss:              27 kB\n"
                                   "Locked:               28 kB\n"
                                   "THPeligible:           1\n"
                                   "ProtectionKey:         0\n"
                                   "VmFlags: rd wr mr mw me ac sd \n");
    assert_int_equal(t->count, 1);
    assert_int_equal(t->skipped, 0);
    const struct region *r = t->v;
    assert_int_equal(r->kind, REGION_HEAP);
    const struct region_smaps *s = r->smaps;
    const uint64_t got[] = {s->rss, s->pss, s->shared_clean, s->shared_dirty, s->private_clean,
                            s->private_dirty, s->referenced, s->anonymous, s->ksm, s->lazy_free,
                            s->anon_huge, s->shmem_pmd, s->file_pmd, s->shared_hugetlb,
                            s->private_hugetlb, s->swap, s->swap_pss, s->locked};
    for (unsigned i = 0; i < sizeof got / sizeof *got; i++)
        assert_int_equal(got[i], (11 + i) * 1024);
    assert_int_equal(s->kernel_page_size, 4096);
    assert_true(s->ksm_known);
    assert_false(s->flags_only);
    assert_int_equal(__builtin_popcountll(s->vmflags), 7);
    assert_true(has_flag(r, "rd") && has_flag(r, "wr") && has_flag(r, "me") && has_flag(r, "sd"));
    assert_false(has_flag(r, "sh"));
    region_table_unref(t);
}

static void test_each_region_has_its_own(void **state)
{
    (void)state;
    struct region_table *t = parse("1000-2000 rw-p 0 0:0 0 a\nRss: 1 kB\nVmFlags: rd\n"
                                   "a000-b000 rw-p 0 0:0 0 b\nRss: 2 kB\nVmFlags: wr\n"
                                   "ffffffffff600000-ffffffffff601000 --xp 0 0:0 0 [vsyscall]\n"
                                   "Rss: 3 kB");
    assert_int_equal(t->count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(t->v[i].smaps->rss, (i + 1) * 1024);
    assert_true(has_flag(&t->v[0], "rd") && !has_flag(&t->v[0], "wr"));
    assert_true(has_flag(&t->v[1], "wr") && !has_flag(&t->v[1], "rd"));
    assert_int_equal(t->v[2].smaps->vmflags, 0);
    assert_false(t->v[0].smaps->ksm_known); /* before 6.8 there is no such line */
    region_table_unref(t);
}

/* The lines of a region that is dropped belong to none. */
static void test_dropped_regions_take_their_lines_along(void **state)
{
    (void)state;
    struct region_table *t = parse("Rss: 99 kB\n1000-3000 rw-p 0 0:0 0 a\nRss: 1 kB\n"
                                   "2000-4000 rw-p 0 0:0 0 b\nRss: 77 kB\nSwap: 5 kB\nVmFlags: rd\n"
                                   "4000-5000 rw-p 0 0:0 0 c\nRss: 2 kB\n");
    assert_int_equal(t->count, 2);
    assert_int_equal(t->skipped, 1);
    assert_int_equal(t->v[0].smaps->rss, 1024);
    assert_int_equal(t->v[0].smaps->swap, 0);
    assert_int_equal(t->v[0].smaps->vmflags, 0);
    assert_string_equal(t->v[1].name, "c");
    assert_int_equal(t->v[1].smaps->rss, 2048);
    region_table_unref(t);
}

static void test_bad_lines_change_nothing(void **state)
{
    (void)state;
    struct region_table *t = parse("1000-2000 rw-p 0 0:0 0 a\nRss: 1 kB\nRss: many kB\nRss:\n"
                                   "RssX: 5 kB\nrss: 5 kB\n\nRss: 18446744073709551615 kB\n"
                                   "SwapPss: 4 kB\nVmFlags: zz r \nVmFlags:\nVmFlag\n"
                                   "Unheard_Of: 3 kB\n");
    assert_int_equal(t->count, 1);
    assert_int_equal(t->v[0].smaps->rss, 1024);
    assert_int_equal(t->v[0].smaps->swap, 0);
    assert_int_equal(t->v[0].smaps->swap_pss, 4096);
    assert_int_equal(t->v[0].smaps->vmflags, 0);
    region_table_unref(t);
    t = parse("");
    assert_int_equal(t->count + t->skipped, 0);
    region_table_unref(t);
}

static void test_flag_table(void **state)
{
    (void)state;
    unsigned n = 0;
    for (; region_vmflag_name(n); n++) {
        assert_int_equal(strlen(region_vmflag_name(n)), 2);
        assert_int_equal(region_vmflag_bit(region_vmflag_name(n)), n);
        assert_non_null(region_vmflag_meaning(n));
    }
    assert_true(n > 30 && n <= 64); /* a bit each in 64 */
    assert_int_equal(region_vmflag_bit("??"), -1);
    assert_null(region_vmflag_meaning(n));
}

/* Flags go over to the same mapping of a later table, and to no other. */
static void test_flags_are_taken_over(void **state)
{
    (void)state;
    struct region_table *from = parse("1000-2000 rw-p 0 0:0 0 a\nRss: 1 kB\nVmFlags: rd wr\n"
                                      "2000-3000 rw-p 0 0:0 0 b\nVmFlags: rd lo\n"
                                      "5000-6000 r--p 0 fe:0 7 c\nVmFlags: rd\n");
    const char *text = "1000-2000 rw-p 0 0:0 0 a\n2000-4000 rw-p 0 0:0 0 b\n"
                       "4000-5000 rw-p 0 0:0 0 n\n5000-6000 r--p 0 fe:0 7 c\n";
    struct region_table *t;
    assert_int_equal(maps_parse(text, strlen(text), NULL, &t), 0);
    assert_int_equal(region_table_take_flags(t, from), 0);
    region_table_unref(from);
    assert_true(t->v[0].smaps->flags_only && has_flag(&t->v[0], "wr"));
    assert_int_equal(t->v[0].smaps->rss, 0);
    assert_null(t->v[1].smaps); /* it has grown */
    assert_null(t->v[2].smaps);
    assert_true(has_flag(&t->v[3], "rd") && !has_flag(&t->v[3], "wr"));
    region_table_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_each_region_has_its_own),
        cmocka_unit_test(test_dropped_regions_take_their_lines_along),
        cmocka_unit_test(test_bad_lines_change_nothing),
        cmocka_unit_test(test_flag_table),
        cmocka_unit_test(test_flags_are_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
