/* Huge pages of a region: sizes, folios, blocks and reasons, added up by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/huge.h"

enum { BLOCK = 512, KNOWN = PAGE_A_ENTRY | PAGE_A_FLAGS };
static const uint64_t base = UINT64_C(0x7f0000000000); /* aligned to a block */

struct part {
    uint64_t skip, n; /* pages that are absent before it, and its own */
    uint8_t state, order;
    uint16_t attrs;
    uint64_t frame;
};

struct scene {
    struct moment m;
    struct region region;
    struct region_smaps smaps;
    struct thp_settings thp;
    struct huge_sum sum;
};

static void scene_init(struct scene *s, uint64_t first, uint64_t pages)
{
    *s = (struct scene){.thp = {.anon = THP_MADVISE, .shmem = THP_ALWAYS, .max_none = 511,
                                .max_swap = 64, .max_shared = 256}};
    s->m.target.geometry = (struct geometry){.page_shift = 12, .levels = 4, .pmd_shift = 21};
    s->m.target.scan.yes = true;
    s->m.counters.thp_enabled = 1;
    s->region = (struct region){.start = base + first * 4096, .end = base + (first + pages) * 4096,
                                .perms = REGION_R | REGION_W, .kind = REGION_ANON, .name = "",
                                .smaps = &s->smaps};
    s->smaps.vmflags = (uint64_t)1 << region_vmflag_bit("hg");
}

static void scene_run(struct scene *s, const struct part *parts, size_t count)
{
    struct pagetree *empty = pagetree_create(4);
    struct page_run runs[16];
    uint64_t at = s->region.start >> 12, pages = (s->region.end - s->region.start) >> 12;
    for (size_t i = 0; i < count; i++) {
        const struct part *p = &parts[i];
        at += p->skip;
        runs[i] = (struct page_run){at, p->n, {p->frame, 0, p->attrs, p->state, p->order}};
        at += p->n;
    }
    assert_int_equal(pagetree_replace(empty, s->region.start >> 12, pages, runs, count,
                                      &s->m.tree), 0);
    huge_of_region(&s->m, &s->region, &s->thp, &s->sum);
    pagetree_unref(s->m.tree);
    pagetree_unref(empty);
}

static enum huge_block only_block(const struct scene *s)
{
    assert_int_equal(huge_blocks(&s->sum), 1);
    for (unsigned b = 0; b < BLOCK_N; b++)
        if (s->sum.blocks[b])
            return (enum huge_block)b;
    return BLOCK_N;
}

static enum huge_block judge(const struct part *part, void (*change)(struct scene *s))
{
    struct scene s;
    scene_init(&s, 0, BLOCK);
    if (change)
        change(&s);
    scene_run(&s, part, part ? 1 : 0);
    return only_block(&s);
}

static void test_sizes_and_folios(void **state)
{
    (void)state;
    struct scene s;
    const struct part parts[] = {
        {0, BLOCK, PAGE_ANON, 9, KNOWN | PAGE_A_PMD, 0x200},
        {0, 16, PAGE_ANON, 4, KNOWN, 0x1000},        /* one whole folio of 64K */
        {0, 32, PAGE_ANON, 4, KNOWN, 0x2000},        /* two in a row */
        {0, 3, PAGE_ANON, 4, KNOWN, 0x3000},         /* a fourth, with a hole and no end */
        {1, 2, PAGE_ANON, 4, KNOWN, 0x3004},
        {0, 1, PAGE_ANON, 0, KNOWN, 0x77},
        {0, 2, PAGE_ANON, PAGE_ORDER_UNKNOWN, KNOWN, 0x99},
        {0, 4, PAGE_ZERO, 0, KNOWN, 0x1},
    };
    scene_init(&s, 0, 2 * BLOCK);
    scene_run(&s, parts, 8);
    assert_int_equal(s.sum.pmd, 2 << 20);
    assert_int_equal(s.sum.small[4], (16 + 32 + 5) * 4096);
    assert_int_equal(s.sum.folios[4], 4);
    assert_int_equal(s.sum.partial[4], 1);
    assert_int_equal(s.sum.small[0], 4096);
    assert_int_equal(s.sum.unread, 2 * 4096);
    assert_int_equal(s.sum.blocks[BLOCK_HUGE], 1);
    assert_int_equal(s.sum.blocks[BLOCK_WAITS], 1);
    assert_int_equal(huge_large(&s.sum), (16 + 32 + 5) * 4096);
}

/* Without frame flags the size of a page of the pool is not known; it is no PMD mapping of THP. */
static void test_pool(void **state)
{
    (void)state;
    struct scene s;
    const struct part parts[] = {
        {0, BLOCK, PAGE_HUGETLB, PAGE_ORDER_UNKNOWN, PAGE_A_ENTRY | PAGE_A_PMD, PAGE_FRAME_UNKNOWN},
        {0, BLOCK, PAGE_HUGETLB, 9, KNOWN | PAGE_A_PMD, 0x200},
    };
    scene_init(&s, 0, 2 * BLOCK);
    s.region.kind = REGION_HUGETLB;
    scene_run(&s, parts, 2);
    assert_int_equal(s.sum.pmd, 0);
    assert_int_equal(s.sum.unread, 2 << 20);
    assert_int_equal(huge_pool(&s.sum), 2 << 20);
    assert_int_equal(huge_blocks(&s.sum), 0);
}

static void test_crooked(void **state)
{
    (void)state;
    struct scene s;
    const struct part parts[] = {{1, 16, PAGE_ANON, 4, KNOWN, 0x1000}};
    scene_init(&s, 0, BLOCK);
    scene_run(&s, parts, 1);
    assert_int_equal(s.sum.crooked, 16 * 4096);
}

/* A block counts only where it lies wholly inside the mapping. */
static void test_edges(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 10, BLOCK * 2);
    scene_run(&s, NULL, 0);
    assert_int_equal(huge_blocks(&s.sum), 1);
    assert_int_equal(s.sum.edges, BLOCK * 4096);
    scene_init(&s, 10, BLOCK);
    scene_run(&s, NULL, 0);
    assert_int_equal(huge_blocks(&s.sum), 0);
    assert_int_equal(s.sum.edges, BLOCK * 4096);
}

static void test_many_alike(void **state)
{
    (void)state;
    struct scene s;
    const struct part parts[] = {{5, 100 * BLOCK, PAGE_ANON, 0, KNOWN, 0x100000}};
    scene_init(&s, 0, 200 * BLOCK);
    scene_run(&s, parts, 1);
    assert_int_equal(s.sum.blocks[BLOCK_WAITS], 101);
    assert_int_equal(s.sum.blocks[BLOCK_EMPTY], 99);
}

static void unadvised(struct scene *s) { s->smaps.vmflags = 0; }
static void refused(struct scene *s) { s->smaps.vmflags = (uint64_t)1 << region_vmflag_bit("nh"); }
static void never(struct scene *s) { s->thp.anon = THP_NEVER; }
static void always(struct scene *s) { s->thp.anon = THP_ALWAYS, s->smaps.vmflags = 0; }
static void no_flags(struct scene *s) { s->region.smaps = NULL; }
static void no_settings(struct scene *s) { s->thp.anon = THP_UNKNOWN; }
static void by_prctl(struct scene *s) { s->m.counters.thp_enabled = 0; }
static void closed(struct scene *s) { s->region.perms = 0; }
static void a_file(struct scene *s) { s->region.kind = REGION_FILE; }
static void memfd(struct scene *s) { s->region.kind = REGION_SHMEM, s->region.name = "/memfd:x (deleted)"; }
static void tmpfs(struct scene *s) { s->region.kind = REGION_SHMEM, s->region.name = "/dev/shm/x"; }
static void no_scan(struct scene *s) { s->m.target.scan.yes = false; }
static void few_none(struct scene *s) { s->thp.max_none = 100; }

static void test_wishes_and_settings(void **state)
{
    (void)state;
    const struct part all = {0, BLOCK, PAGE_ANON, 0, KNOWN, 0x1000};
    const struct part shmem = {0, BLOCK, PAGE_SHMEM, 0, KNOWN, 0x1000};
    assert_int_equal(judge(&all, NULL), BLOCK_WAITS);
    assert_int_equal(judge(&all, unadvised), BLOCK_UNADVISED);
    assert_int_equal(judge(&all, refused), BLOCK_REFUSED);
    assert_int_equal(judge(&all, never), BLOCK_NEVER);
    assert_int_equal(judge(&all, always), BLOCK_WAITS);
    assert_int_equal(judge(&all, no_flags), BLOCK_UNREAD);
    assert_int_equal(judge(&all, no_settings), BLOCK_UNREAD);
    assert_int_equal(judge(&all, by_prctl), BLOCK_DISABLED);
    assert_int_equal(judge(&all, a_file), BLOCK_KIND);
    assert_int_equal(judge(&shmem, memfd), BLOCK_WAITS);
    assert_int_equal(judge(&shmem, tmpfs), BLOCK_UNREAD);
    assert_int_equal(judge(NULL, NULL), BLOCK_EMPTY);
    assert_int_equal(judge(NULL, closed), BLOCK_CLOSED);
    assert_int_equal(judge(&all, closed), BLOCK_WAITS);
}

static void test_contents(void **state)
{
    (void)state;
    const struct part pmd = {0, BLOCK, PAGE_ANON, 9, KNOWN | PAGE_A_PMD, 0x200};
    const struct part zero = {0, BLOCK, PAGE_HUGE_ZERO, 9, KNOWN | PAGE_A_PMD, 0x400};
    const struct part split = {0, BLOCK, PAGE_ANON, 9, KNOWN, 0x200};
    const struct part two_folios = {0, BLOCK, PAGE_ANON, 9, KNOWN, 0x210};
    const struct part swapped = {0, 65, PAGE_SWAP, 0, PAGE_A_ENTRY, 1};
    const struct part few_swapped = {0, 64, PAGE_SWAP, 0, PAGE_A_ENTRY, 1};
    const struct part cow = {0, 257, PAGE_COW, 0, KNOWN, 0x1000};
    const struct part some = {0, 411, PAGE_ANON, 0, KNOWN, 0x1000};
    const struct part present = {0, 1, PAGE_PRESENT, PAGE_ORDER_UNKNOWN, 0, PAGE_FRAME_UNKNOWN};
    assert_int_equal(judge(&pmd, never), BLOCK_HUGE);
    assert_int_equal(judge(&zero, NULL), BLOCK_ZERO);
    assert_int_equal(judge(&split, never), BLOCK_SPLIT);
    assert_int_equal(judge(&split, no_scan), BLOCK_UNREAD);
    assert_int_equal(judge(&two_folios, never), BLOCK_NEVER);
    assert_int_equal(judge(&swapped, NULL), BLOCK_SWAP);
    assert_int_equal(judge(&few_swapped, NULL), BLOCK_WAITS);
    assert_int_equal(judge(&cow, NULL), BLOCK_SHARED);
    assert_int_equal(judge(&some, few_none), BLOCK_HOLES);
    assert_int_equal(judge(&some, NULL), BLOCK_WAITS);
    assert_int_equal(judge(&present, NULL), BLOCK_UNREAD);
}

static void test_words(void **state)
{
    (void)state;
    for (unsigned b = 0; b < BLOCK_N; b++) {
        assert_true(strlen(huge_block_name((enum huge_block)b)) > 2);
        assert_true(strlen(huge_block_sentence((enum huge_block)b)) > 10);
        for (unsigned c = 0; c < b; c++)
            assert_string_not_equal(huge_block_name((enum huge_block)b),
                                    huge_block_name((enum huge_block)c));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_and_folios), cmocka_unit_test(test_crooked),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_edges),            cmocka_unit_test(test_many_alike),
        cmocka_unit_test(test_wishes_and_settings), cmocka_unit_test(test_contents),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
