/* The physical side: parsers, what frames are used for, and the fold of blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/abi.h"
#include "probe/frame_use.h"
#include "probe/physmem.h"

#define BIT(name) KPF_MASK(KPF_##name)

static void test_uses(void **state)
{
    (void)state;
    const struct {
        uint64_t flags;
        enum frame_use use;
    } cases[] = {
        {0, FRAME_OTHER},
        {BIT(NOPAGE), FRAME_NONE},
        {BIT(BUDDY), FRAME_FREE},
        {BIT(OFFLINE), FRAME_OFFLINE},
        {BIT(HWPOISON) | BIT(RESERVED), FRAME_POISON},
        {BIT(RESERVED), FRAME_RESERVED},
        {BIT(RESERVED) | BIT(ZERO_PAGE), FRAME_ZERO},
        {BIT(ZERO_PAGE) | BIT(THP) | BIT(COMPOUND_TAIL), FRAME_ZERO},
        {BIT(SLAB), FRAME_SLAB},
        {BIT(PGTABLE), FRAME_TABLE},
        {BIT(HUGE) | BIT(COMPOUND_TAIL), FRAME_HUGETLB},
        {BIT(ANON) | BIT(LRU) | BIT(MMAP) | BIT(SWAPBACKED), FRAME_ANON},
        {BIT(ANON) | BIT(MMAP), FRAME_ANON}, /* lazily freed */
        {BIT(ANON) | BIT(THP) | BIT(COMPOUND_TAIL), FRAME_ANON_LARGE},
        {BIT(ANON) | BIT(KSM) | BIT(SWAPBACKED), FRAME_KSM},
        {BIT(SWAPBACKED) | BIT(LRU) | BIT(UPTODATE), FRAME_SHMEM},
        {BIT(LRU) | BIT(UPTODATE), FRAME_FILE},
        {BIT(UPTODATE), FRAME_FILE}, /* not on a list yet */
        {BIT(THP) | BIT(COMPOUND_TAIL), FRAME_FILE},
        {BIT(COMPOUND_TAIL), FRAME_OTHER},
        {BIT(MMAP), FRAME_OTHER}, /* a driver's page in a process */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(frame_use_of(cases[i].flags), cases[i].use);
    for (unsigned u = 0; u <= FRAME_USE_N; u++)
        for (unsigned other = 0; other < u && u < FRAME_USE_N; other++)
            assert_int_not_equal(frame_use_info(u)->letter, frame_use_info(other)->letter);
    assert_string_equal(frame_use_info(FRAME_USE_N)->name, "other");
}

static void parse_zones(const char *zones, const char *buddy, struct physmem_info *out)
{
    *out = (struct physmem_info){0};
    zoneinfo_parse(zones, strlen(zones), out);
    buddyinfo_parse(buddy, strlen(buddy), out);
}

static void test_zones(void **state)
{
    (void)state;
    static struct physmem_info info;
    parse_zones("Node 1, zone   Normal\n  pages free 5\n        spanned  1000\n        present  900\n"
                "  start_pfn:           5000\n"
                "Node 0, zone      DMA\n  per-node stats\n      nr_free 9\n        spanned  4095\n"
                "        present  3998\n  start_pfn:           1\n"
                "Node 0, zone  Movable\n        spanned  0\n        present  0\n",
                "Node 0, zone      DMA      0      1      2\nNode 1, zone   Normal 7\n"
                "Node 3, zone Normal 1 2 3\nrubbish\n", &info);
    assert_int_equal(info.zone_count, 2);
    assert_string_equal(info.zones[0].name, "DMA");
    assert_int_equal(info.zones[0].start, 1);
    assert_int_equal(info.zones[0].spanned, 4095);
    assert_int_equal(info.zones[0].present, 3998);
    assert_int_equal(info.zones[0].orders, 3);
    assert_int_equal(info.zones[0].free[2], 2);
    assert_int_equal(info.zones[1].node, 1);
    assert_int_equal(info.zones[1].orders, 1);
    assert_int_equal(info.frames, 6000);
}

static void test_meminfo(void **state)
{
    (void)state;
    struct meminfo m;
    const char *text = "MemTotal:       1000 kB\nMemFree:          10 kB\nSlab: 3 kB\n";
    meminfo_parse(text, strlen(text), &m);
    assert_int_equal(m.total, 1000 * 1024);
    assert_int_equal(m.free, 10 * 1024);
    assert_int_equal(m.slab, 3 * 1024);
    assert_int_equal(m.direct_1g, UINT64_MAX);
}

static void test_vmalloc(void **state)
{
    (void)state;
    static struct physmem_info info;
    const char *text =
        "0x01-0x02   20480 kernel_clone+0x94/0x3e0 pages=4 vmalloc N0=4\n"
        "0x02-0x03    8192 vp_map+0x12d/0x1c0 phys=0x4000000000 ioremap\n"
        "0x03-0x04   20480 kernel_clone+0x94/0x3e0 pages=4 vmalloc N0=4\n"
        "0x05-0x06   40960 unpurged vm_area\n"
        "no area\n"
        "0x07-0x08   notanumber foo+0x1/0x2 vmalloc\n";
    info = (struct physmem_info){0};
    vmallocinfo_parse(text, strlen(text), &info);
    assert_int_equal(info.vmalloc_areas, 4);
    assert_int_equal(info.vmalloc_bytes, 20480 * 2 + 8192 + 40960);
    assert_int_equal(info.vmalloc_pages, 8);
    assert_int_equal(info.caller_count, 3);
    assert_string_equal(info.callers[0].name, "");
    assert_string_equal(info.callers[0].kind, "unpurged");
    assert_string_equal(info.callers[1].name, "kernel_clone");
    assert_string_equal(info.callers[1].kind, "vmalloc");
    assert_int_equal(info.callers[1].areas, 2);
    assert_int_equal(info.callers[1].pages, 8);
    assert_string_equal(info.callers[2].kind, "ioremap");
    assert_int_equal(info.callers[2].pages, 0);
}

/* Where areas lie is told where addresses are not hashed: then they differ by the size. */
static void test_places(void **state)
{
    (void)state;
    static struct physmem_info info;
    const char *text =
        "0xffffc90000005000-0xffffc90000007000    8192 a+0x1/0x2 phys=0xa0000 ioremap\n"
        "0xffffc90000000000-0xffffc90000005000   20480 b+0x1/0x2 vmap\n"
        "0xffffffffc0201000-0xffffffffc0203000    8192 c+0x1/0x2 pages=1 vmalloc\n";
    const char *hashed =
        "0x00000000a86a69a7-0x00000000aeb2b7b6   20480 a+0x1/0x2 vmap\n"
        "0x-0x 4096 b vmap\n0x1 4096 c\n0x1- 4096 d\n-0x2 4096 e\n";
    info = (struct physmem_info){.code = {0xffffffff81000000, 0xffffffff82000000}};
    vmallocinfo_parse(text, strlen(text), &info);
    assert_true(info.areas.start == 0xffffc90000000000 && info.areas.end == 0xffffc90000007000);
    assert_true(info.modules.start == 0xffffffffc0201000 && info.modules.end == 0xffffffffc0203000);
    vmallocinfo_parse(hashed, strlen(hashed), &info);
    assert_true(!info.areas.start && !info.areas.end && !info.modules.end);
}

static void test_many_callers(void **state)
{
    (void)state;
    static struct physmem_info info;
    struct buf text = {0};
    uint64_t areas = 0;
    for (unsigned i = 0; i < PHYSMEM_CALLERS + 50; i++)
        buf_printf(&text, "0x1-0x2 %u f%u+0x1/0x2 pages=1 vmalloc\n", 4096 * (i + 2), i);
    info = (struct physmem_info){0};
    vmallocinfo_parse(text.data, text.len, &info);
    assert_int_equal(info.caller_count, PHYSMEM_CALLERS);
    assert_string_equal(info.callers[PHYSMEM_CALLERS - 1].name, "others");
    for (unsigned i = 0; i < info.caller_count; i++)
        areas += info.callers[i].areas;
    assert_int_equal(areas, PHYSMEM_CALLERS + 50);
    buf_deinit(&text);
}

static struct frame_read block_of(uint64_t number, enum frame_use a, unsigned n, enum frame_use b,
                                  bool each)
{
    struct frame_read r = {.block = number, .each = each, .sum = {.t_ns = 100 + number}};
    for (unsigned i = 0; i < FRAME_BLOCK; i++) {
        r.use[i] = (uint8_t)(i < n ? a : b);
        r.sum.n[r.use[i]]++;
    }
    return r;
}

static void test_fold(void **state)
{
    (void)state;
    static struct physmem_info info;
    struct physmem *m = physmem_create();
    struct frame_tally t;
    info = (struct physmem_info){.frames = 10 * FRAME_BLOCK - 5};
    assert_int_equal(physmem_set_info(m, &info), 0);
    physmem_tally(m, 0, info.frames, &t);
    assert_int_equal(t.unread, info.frames);
    assert_true(t.oldest_ns == UINT64_MAX);

    struct frame_read reads[] = {block_of(2, FRAME_ANON, 100, FRAME_FREE, false),
                                 block_of(3, FRAME_FILE, 512, FRAME_FREE, false),
                                 block_of(99, FRAME_FILE, 512, FRAME_FREE, false)};
    assert_int_equal(physmem_add(m, reads, 3), 0);
    physmem_tally(m, 2 * FRAME_BLOCK, 2 * FRAME_BLOCK, &t);
    assert_int_equal(t.n[FRAME_ANON], 100);
    assert_int_equal(t.n[FRAME_FREE], 412);
    assert_int_equal(t.n[FRAME_FILE], 512);
    assert_int_equal(t.unread, 0);
    assert_int_equal(t.oldest_ns, 102);

    /* A part of a mixed block is not known until somebody looks closely. */
    physmem_tally(m, 2 * FRAME_BLOCK + 90, 20, &t);
    assert_int_equal(t.unread, 20);
    physmem_tally(m, 3 * FRAME_BLOCK + 90, 20, &t);
    assert_int_equal(t.n[FRAME_FILE], 20);
    reads[0].each = true;
    assert_int_equal(physmem_add(m, reads, 1), 0);
    physmem_tally(m, 2 * FRAME_BLOCK + 90, 20, &t);
    assert_int_equal(t.n[FRAME_ANON], 10);
    assert_int_equal(t.n[FRAME_FREE], 10);

    /* A later, different sum makes single frames unknown again; an equal one does not. */
    reads[0].each = false;
    assert_int_equal(physmem_add(m, reads, 1), 0);
    physmem_tally(m, 2 * FRAME_BLOCK, 1, &t);
    assert_int_equal(t.n[FRAME_ANON], 1);
    reads[0] = block_of(2, FRAME_ANON, 101, FRAME_FREE, false);
    assert_int_equal(physmem_add(m, reads, 1), 0);
    physmem_tally(m, 2 * FRAME_BLOCK, 1, &t);
    assert_int_equal(t.unread, 1);

    const struct frame_tally *all = physmem_all(m);
    assert_int_equal(all->n[FRAME_ANON], 101);
    assert_int_equal(all->n[FRAME_FREE], 411);
    assert_int_equal(all->n[FRAME_FILE], 512);
    assert_int_equal(all->unread, info.frames - 2 * FRAME_BLOCK);
    physmem_destroy(m);
    physmem_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uses),    cmocka_unit_test(test_zones),
        cmocka_unit_test(test_meminfo), cmocka_unit_test(test_vmalloc), cmocka_unit_test(test_places),
        cmocka_unit_test(test_many_callers), cmocka_unit_test(test_fold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
