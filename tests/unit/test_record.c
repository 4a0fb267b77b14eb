/* Records own what they carry: a sanitizer watches that each is freed once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/record.h"

static void test_empty_records(void **state)
{
    (void)state;
    for (unsigned type = RECORD_TARGET; type <= RECORD_GONE; type++) {
        struct record *r = record_create((enum record_type)type, 7, 99);
        assert_int_equal(r->type, type);
        assert_int_equal(r->pid, 7);
        assert_int_equal(r->t_ns, 99);
        record_destroy(r); /* with nothing in it yet, as when an allocation failed */
    }
    record_destroy(NULL);
}

static void test_owned_parts(void **state)
{
    (void)state;
    struct record *r = record_create(RECORD_TARGET, 1, 0);
    r->target = calloc(1, sizeof *r->target);
    record_destroy(r);
    r = record_create(RECORD_PAGES, 1, 0);
    r->pages.runs = calloc(3, sizeof *r->pages.runs);
    record_destroy(r);
    r = record_create(RECORD_DETAIL, 1, 0);
    r->detail = calloc(1, sizeof *r->detail);
    record_destroy(r);
}

static void test_regions_are_shared(void **state)
{
    (void)state;
    struct region_table *t = region_table_create();
    struct record *a = record_create(RECORD_REGIONS, 1, 0), *b = record_create(RECORD_REGIONS, 1, 0);
    a->regions = region_table_ref(t);
    b->regions = region_table_ref(t);
    record_destroy(a);
    region_table_unref(t);
    assert_int_equal(b->regions->count, 0); /* still there */
    assert_int_equal(b->regions->refs, 1);
    record_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_records),
        cmocka_unit_test(test_owned_parts),
        cmocka_unit_test(test_regions_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
