/* What stands behind a mapping, added up by hand, and its sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/backing.h"
#include "model/model.h"

enum { KNOWN = PAGE_A_ENTRY | PAGE_A_FLAGS };
static const uint64_t base = UINT64_C(0x7f0000000000);

struct part {
    uint64_t n;
    uint8_t state;
    uint16_t attrs;
    uint64_t frame;
};

struct scene {
    struct moment m;
    struct region region;
    struct region_smaps smaps;
    struct backing_sum sum;
    struct buf text;
};

static void scene_init(struct scene *s, uint8_t kind, const struct part *parts, size_t count)
{
    struct page_run runs[16];
    uint64_t at = base >> 12;
    *s = (struct scene){.region = {.start = base, .end = base + 100 * 4096, .kind = kind,
                                   .perms = REGION_R | REGION_W, .name = "/f"}};
    s->m.target.geometry = (struct geometry){.page_shift = 12, .levels = 4, .pmd_shift = 21};
    s->m.target.kpageflags.yes = true;
    for (size_t i = 0; i < count; i++) {
        runs[i] = (struct page_run){at, parts[i].n,
                                    {parts[i].frame, 0, parts[i].attrs, parts[i].state, 0}};
        at += parts[i].n;
    }
    struct pagetree *empty = pagetree_create(4);
    assert_int_equal(pagetree_replace(empty, base >> 12, 100, runs, count, &s->m.tree), 0);
    pagetree_unref(empty);
}

static void scene_sum(struct scene *s, const struct file_caches *caches)
{
    assert_int_equal(backing_of_region(&s->m, &s->region, caches, &s->sum), 0);
    buf_clear(&s->text);
    backing_sentences(&s->m, &s->region, caches, &s->sum, &s->text);
    assert_int_equal(s->text.error, 0);
}

static void scene_deinit(struct scene *s)
{
    pagetree_unref(s->m.tree);
    buf_deinit(&s->text);
}

static struct file_caches *caches_of(uint64_t start, bool known, uint64_t cached, uint64_t evicted)
{
    struct file_caches *c = calloc(1, sizeof *c + 3 * sizeof *c->v);
    assert_non_null(c);
    c->count = 3;
    c->can.yes = known;
    c->v[0].start = 4096;
    c->v[1] = (struct file_cache_entry){start, known, {.cached = cached, .evicted = evicted}};
    c->v[2].start = UINT64_MAX - 1;
    return c;
}

static void test_every_kind(void **state)
{
    (void)state;
    struct scene s;
    const struct part parts[] = {
        {3, PAGE_FILE, KNOWN, 0x100},
        {2, PAGE_ANON, KNOWN | PAGE_A_LOCKED | PAGE_A_SWAPCACHE, 0x200},
        {4, PAGE_SWAP, PAGE_A_ENTRY, 7},
        {5, PAGE_GUARD, PAGE_A_ENTRY, PAGE_FRAME_UNKNOWN},
        {2, PAGE_KSM, KNOWN, 0x300},
        {1, PAGE_KSM, KNOWN, 0x300},
        {1, PAGE_ANON, KNOWN | PAGE_A_LAZYFREE, 0x400},
        {6, PAGE_ABSENT, PAGE_A_ENTRY | PAGE_A_UFFD_WP, PAGE_FRAME_UNKNOWN},
    };
    scene_init(&s, REGION_FILE, parts, 8);
    struct file_caches *c = caches_of(base, true, 10, 2);
    scene_sum(&s, c);
    assert_int_equal(s.sum.here, 3 * 4096);
    assert_int_equal(s.sum.private_copies, 6 * 4096);
    assert_int_equal(s.sum.swap, 4 * 4096);
    assert_int_equal(s.sum.slotted, 2 * 4096);
    assert_int_equal(s.sum.locked, 2 * 4096);
    assert_int_equal(s.sum.guard, 5 * 4096);
    assert_int_equal(s.sum.ksm, 3 * 4096);
    assert_int_equal(s.sum.ksm_frames, 2);
    assert_int_equal(s.sum.lazy_free, 4096);
    assert_int_equal(s.sum.uffd_wp, 6 * 4096);
    assert_int_equal(s.sum.cache.cached, 10);
    assert_false(s.sum.no_flags);
    assert_non_null(strstr(s.text.data, "40K of the 400K that the file has here are in memory; 12K"));
    assert_non_null(strstr(s.text.data, "28K in memory but not mapped here"));
    assert_non_null(strstr(s.text.data, "8.0K were in memory once"));
    assert_non_null(strstr(s.text.data, "3 pages merged by KSM are 2 frames here"));
    free(c);
    scene_deinit(&s);
}

static void test_unknown_is_said(void **state)
{
    (void)state;
    struct scene s;
    const struct part parts[] = {{3, PAGE_FILE, PAGE_A_ENTRY, PAGE_FRAME_UNKNOWN}};
    scene_init(&s, REGION_FILE, parts, 1);
    scene_sum(&s, NULL);
    assert_false(s.sum.has_cache);
    assert_true(s.sum.no_flags);
    assert_false(s.sum.no_ksm || s.sum.no_swap);
    s.m.target.ksm_in_use = true;
    s.region.shmem_swap = UINT64_MAX;
    scene_sum(&s, NULL);
    assert_true(s.sum.no_ksm && s.sum.no_swap);
    assert_non_null(strstr(s.text.data, "in swap is not known"));
    s.region.shmem_swap = 0;
    scene_sum(&s, NULL);
    assert_non_null(strstr(s.text.data, "not known (yet)"));
    struct file_caches *c = caches_of(base, false, 10, 0);
    strcpy(c->can.why, "Operation not permitted; run with sudo");
    scene_sum(&s, c);
    assert_false(s.sum.has_cache);
    assert_non_null(strstr(s.text.data, "not known: Operation not permitted"));
    assert_non_null(strstr(s.text.data, "locks and places in swap are not known"));
    free(c);
    /* Of another mapping nothing is said. */
    c = caches_of(base + 4096, true, 10, 0);
    scene_sum(&s, c);
    assert_false(s.sum.has_cache);
    free(c);
    scene_deinit(&s);
}

static void test_dull(void **state)
{
    (void)state;
    struct scene s;
    const struct part anon[] = {{3, PAGE_ANON, KNOWN, 0x100}}, guard[] = {{1, PAGE_GUARD, 0, 0}};
    scene_init(&s, REGION_ANON, anon, 1);
    scene_sum(&s, NULL);
    assert_true(backing_is_dull(&s.region, &s.sum));
    s.region.smaps = &s.smaps;
    s.smaps.vmflags = (uint64_t)1 << region_vmflag_bit("um");
    assert_false(backing_is_dull(&s.region, &s.sum));
    scene_sum(&s, NULL);
    assert_non_null(strstr(s.text.data, "userfaultfd: missing pages (um)"));
    scene_deinit(&s);
    scene_init(&s, REGION_ANON, guard, 1);
    scene_sum(&s, NULL);
    assert_false(backing_is_dull(&s.region, &s.sum));
    scene_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_unknown_is_said),
        cmocka_unit_test(test_dull),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
