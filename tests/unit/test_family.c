/* Families: trees, weights and the matrix, from pictures made by hand and at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/family.h"

enum {
    PAGE = 4096,
    ENTRY = PAGE_A_ENTRY | PAGE_A_FLAGS,
    COUNTED = ENTRY | PAGE_A_COUNT,
    ONLY = COUNTED | PAGE_A_EXCLUSIVE,
    BASE = 0x400 /* page number of the one region */
};

static struct page page_of(unsigned state, uint64_t frame, unsigned attrs, uint32_t mapcount)
{
    return (struct page){frame, mapcount, (uint16_t)attrs, (uint8_t)state, 0};
}

static void *grow(void *array, size_t *cap, size_t need, size_t size)
{
    assert_int_equal(array_reserve(&array, cap, need, size), 0);
    return array;
}

/* One region of `pages` pages at page `at`. */
static struct region_table *table_at(uint64_t at, uint64_t pages)
{
    struct region_table *t = region_table_create();
    assert_non_null(t);
    t->v = calloc(1, sizeof *t->v);
    t->count = 1;
    t->v[0] = (struct region){.start = at * PAGE, .end = (at + pages) * PAGE, .name = "",
                              .kind = REGION_ANON, .perms = REGION_R | REGION_W};
    return t;
}

static struct family_reading *add_process(struct family_picture *p, pid_t pid, pid_t ppid)
{
    p->v = grow(p->v, &p->cap, p->count + 1, sizeof *p->v);
    struct family_reading *r = &p->v[p->count++];
    *r = (struct family_reading){.ppid = ppid, .rollup_pss = UINT64_MAX,
                                 .pieces_at = p->order_count};
    r->target.pid = pid;
    r->target.geometry.page_shift = 12;
    r->target.geometry.levels = 4;
    r->target.pfn.yes = r->target.scan.yes = true;
    r->regions = table_at(BASE, 1024);
    return r;
}

/* A piece of one run of n pages; its number. */
static uint32_t add_piece(struct family_picture *p, uint64_t page, uint64_t n, struct page first)
{
    p->runs = grow(p->runs, &p->runs_cap, p->runs_count + 1, sizeof *p->runs);
    p->runs[p->runs_count] = (struct page_run){page, n, first};
    p->pieces = grow(p->pieces, &p->pieces_cap, p->pieces_count + 1, sizeof *p->pieces);
    p->pieces[p->pieces_count] = (struct family_piece){page, n, p->runs_count++, 1,
                                                           FAMILY_NO_PIECE};
    return (uint32_t)p->pieces_count++;
}

/* Gives a piece to the process that was added last. */
static void give(struct family_picture *p, uint32_t piece)
{
    p->order = grow(p->order, &p->order_cap, p->order_count + 1, sizeof *p->order);
    p->order[p->order_count++] = piece;
    p->v[p->count - 1].pieces++;
}

static struct family *fold(struct family_picture *p)
{
    struct family *f = family_create(p);
    family_picture_destroy(p);
    assert_non_null(f);
    return f;
}

static void assert_known(struct known_bytes b, uint64_t pages)
{
    assert_true(b.known);
    assert_int_equal(b.bytes, pages * PAGE);
}

/* A parent and two children; each child has copied one of eight pages. */
static struct family_picture *forked(void)
{
    struct family_picture *p = family_picture_create();
    uint32_t first = add_piece(p, BASE, 1, page_of(PAGE_ANON, 100, ONLY, 1));
    uint32_t second = add_piece(p, BASE + 1, 1, page_of(PAGE_COW, 101, COUNTED, 2));
    uint32_t rest = add_piece(p, BASE + 2, 6, page_of(PAGE_COW, 102, COUNTED, 3));
    uint32_t copy = add_piece(p, BASE, 1, page_of(PAGE_ANON, 200, ONLY, 1));
    uint32_t copies = add_piece(p, BASE, 2, page_of(PAGE_ANON, 300, ONLY, 1));
    add_process(p, 10, 1);
    give(p, first), give(p, second), give(p, rest);
    add_process(p, 11, 10);
    give(p, copy), give(p, second), give(p, rest);
    add_process(p, 12, 10);
    give(p, copies), give(p, rest);
    return p;
}

static void test_pairs(void **state)
{
    (void)state;
    struct family *f = fold(forked());
    assert_known(family_shared(f, 0, 1), 7);
    assert_known(family_shared(f, 1, 0), 7);
    assert_known(family_shared(f, 0, 2), 6);
    assert_known(family_shared(f, 1, 2), 6);
    assert_known(family_shared(f, 2, 2), 8);
    assert_known(f->once, 1 + 1 + 6 + 1 + 2);
    assert_known(f->common, 7);
    assert_int_equal(family_find(f, 12), 2);
    assert_true(family_find(f, 13) == FAMILY_NONE);
    family_unref(f);
}

static void test_weights(void **state)
{
    (void)state;
    struct family *f = fold(forked());
    assert_known(f->v[0].uss, 1);
    assert_known(f->v[1].uss, 1);
    assert_known(f->v[2].uss, 2);
    /* Each page is divided as smaps does it: in 1/4096 of a byte, rounded down. */
    uint64_t third = (uint64_t)PAGE * 4096 / 3, half = (uint64_t)PAGE * 4096 / 2;
    assert_true(f->v[0].pss.known);
    assert_int_equal(f->v[0].pss.bytes, (PAGE * 4096ull + half + 6 * third) >> 12);
    assert_int_equal(f->v[2].pss.bytes, (2 * PAGE * 4096ull + 6 * third) >> 12);
    assert_int_equal(f->v[0].totals.resident, 8 * PAGE);
    assert_int_equal(f->v[0].totals.cow, 7 * PAGE);
    assert_known(family_member_shared(&f->v[0]), 7);
    struct family_sums sums;
    family_sum(f, &sums);
    assert_known(sums.rss, 24);
    assert_known(sums.uss, 4);
    family_unref(f);
}

static void test_own(void **state)
{
    (void)state;
    struct family *f = fold(forked());
    assert_false(f->v[0].own.known);
    assert_true(f->v[1].own.known);
    assert_int_equal(f->v[1].own.own, PAGE);
    assert_int_equal(f->v[1].own.same, 7 * PAGE);
    assert_int_equal(f->v[2].own.own, 2 * PAGE);
    assert_int_equal(f->v[2].own.same, 6 * PAGE);
    assert_int_equal(f->broken_count, 1);
    assert_int_equal(f->broken[0].own, 3 * PAGE);
    assert_int_equal(f->broken[0].members, 2);
    assert_int_equal(f->v[1].depth, 1);
    assert_int_equal(f->v[2].parent, 0);
    family_unref(f);
}

static void test_trees(void **state)
{
    (void)state;
    struct family_picture *p = forked();
    uint32_t more = add_piece(p, BASE + 600, 3, page_of(PAGE_ANON, 900, ONLY, 1));
    add_process(p, 13, 12);
    give(p, 2), give(p, more); /* without the first two pages of its parent */
    struct family *f = fold(p);
    const struct pagetree *parent = f->v[2].moment.tree, *child = f->v[3].moment.tree;
    assert_int_equal(pagetree_get(parent, BASE + 1).frame, 301);
    assert_int_equal(pagetree_get(child, BASE + 1).state, PAGE_ABSENT);
    assert_int_equal(pagetree_get(child, BASE + 7).frame, 107);
    assert_int_equal(pagetree_get(child, BASE + 602).frame, 902);
    assert_int_equal(pagetree_get(parent, BASE + 602).state, PAGE_ABSENT);
    assert_int_equal(f->v[3].own.only_here, 3 * PAGE);
    assert_int_equal(f->v[3].own.only_parent, 2 * PAGE);
    assert_int_equal(f->v[3].own.own, 0);
    assert_int_equal(f->v[3].depth, 2);
    family_unref(f);
}

/* The same frames at other addresses, one of them twice in a process, and a zero page. */
static void test_other_addresses(void **state)
{
    (void)state;
    struct family_picture *p = family_picture_create();
    uint32_t low = add_piece(p, BASE, 10, page_of(PAGE_SHMEM, 500, COUNTED, 3));
    uint32_t high = add_piece(p, BASE + 100, 10, page_of(PAGE_SHMEM, 505, COUNTED, 3));
    uint32_t again = add_piece(p, BASE + 200, 1, page_of(PAGE_SHMEM, 505, COUNTED, 3));
    uint32_t zero = add_piece(p, BASE + 300, 1, page_of(PAGE_ZERO, 7, ENTRY, 0));
    add_process(p, 10, 1);
    give(p, low), give(p, again), give(p, zero);
    add_process(p, 11, 10);
    give(p, high), give(p, zero);
    struct family *f = fold(p);
    assert_known(family_shared(f, 0, 1), 5 + 1);
    assert_known(family_shared(f, 0, 0), 10 + 1);
    assert_known(f->once, 15);
    assert_known(f->common, 5);
    family_unref(f);
}

static void test_hugetlb_is_apart(void **state)
{
    (void)state;
    struct family_picture *p = family_picture_create();
    uint32_t pool = add_piece(p, BASE, 512, page_of(PAGE_HUGETLB, 512, ONLY, 1));
    add_process(p, 10, 1);
    give(p, pool);
    struct family *f = fold(p);
    assert_known(f->v[0].uss, 0);
    assert_known(f->v[0].pss, 0);
    assert_known(f->v[0].private_hugetlb, 512);
    family_unref(f);
}

static void test_without_frame_numbers(void **state)
{
    (void)state;
    struct family_picture *p = family_picture_create();
    uint32_t mine = add_piece(p, BASE, 2,
                              page_of(PAGE_ANON, PAGE_FRAME_UNKNOWN,
                                      PAGE_A_ENTRY | PAGE_A_EXCLUSIVE, 0));
    uint32_t ours = add_piece(p, BASE + 2, 4,
                              page_of(PAGE_COW, PAGE_FRAME_UNKNOWN, PAGE_A_ENTRY, 0));
    for (pid_t pid = 10; pid < 12; pid++) {
        struct family_reading *r = add_process(p, pid, pid == 10 ? 1 : 10);
        r->target.pfn = (struct can){.why = "because"};
        r->rollup_pss = pid == 10 ? 3 * PAGE : UINT64_MAX;
        give(p, mine), give(p, ours);
    }
    struct family *f = fold(p);
    assert_false(f->pairs.yes);
    assert_string_equal(f->pairs.why, "because");
    assert_false(family_shared(f, 0, 1).known);
    assert_false(f->once.known);
    assert_known(f->v[0].uss, 2);
    assert_known(f->v[0].pss, 3);
    assert_false(f->v[1].pss.known);
    assert_false(f->v[1].own.known);
    /* An exclusive page is certainly no other process's; of the others nothing is known. */
    uint64_t sum[RELATION_N] = {0};
    assert_int_equal(family_compare(&f->v[0].moment, &f->v[1].moment, BASE, 8, sum), 0);
    assert_int_equal(sum[RELATION_OWN], 2);
    assert_int_equal(sum[RELATION_UNKNOWN], 4);
    assert_int_equal(sum[RELATION_NONE], 2);
    family_unref(f);
}

static void test_closed_member(void **state)
{
    (void)state;
    struct family_picture *p = forked();
    struct family_reading *r = add_process(p, 14, 10);
    region_table_unref(r->regions);
    r->regions = NULL;
    strcpy(r->why, "not yours");
    struct family *f = fold(p);
    assert_true(f->pairs.yes);
    assert_known(family_shared(f, 0, 1), 7);
    assert_false(family_shared(f, 0, 3).known);
    assert_false(f->once.known);
    assert_string_equal(f->v[3].why, "not yours");
    assert_false(f->v[3].uss.known);
    assert_false(f->v[3].pss.known);
    family_unref(f);
}

/* After exec the mappings are others, even where addresses agree. */
static void test_another_program(void **state)
{
    (void)state;
    struct family_picture *p = forked();
    p->v[1].regions->v[0].inode = 77;
    struct family *f = fold(p);
    assert_false(f->v[1].own.known);
    assert_true(f->v[2].own.known);
    family_unref(f);
}

static void test_unsound(void **state)
{
    (void)state;
    struct family_picture *p = family_picture_create();
    assert_null(family_create(p)); /* nobody in it */
    family_picture_destroy(p);
    p = forked();
    p->order[3] = 99;
    assert_null(family_create(p));
    p->order[3] = 0;
    p->v[1].pieces = 1000;
    assert_null(family_create(p));
    p->v[1].pieces = 3;
    p->pieces[0].at = SIZE_MAX;
    assert_null(family_create(p));
    family_picture_destroy(p);
}

/* --- at random --- */

enum { PROCESSES = 70, PIECES = 60, FRAMES = 400 };

static unsigned draw(uint64_t *seed, unsigned below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33) % below;
}

/* What a process has, by page from BASE on: a frame and one, or 0. */
enum { SLOT = 16, PAGES = PIECES * SLOT };
struct memory {
    uint16_t page[PAGES];
    bool maps[FRAMES];
};

static void map_frames(struct memory *m, uint64_t at, uint64_t n, uint64_t frame)
{
    for (uint64_t k = 0; k < n; k++) {
        m->page[at + k] = (uint16_t)(frame + k + 1);
        m->maps[frame + k] = true;
    }
}

/* A piece like `base`, but for one place where it has other pages or none. */
static uint32_t add_change(struct family_picture *p, uint32_t base, uint64_t at, uint64_t cut,
                           uint64_t n, uint64_t frame)
{
    p->cuts = grow(p->cuts, &p->cuts_cap, p->cuts_count + 1, sizeof *p->cuts);
    struct family_cut *c = &p->cuts[p->cuts_count];
    *c = (struct family_cut){BASE + at, (uint32_t)cut, n > 0, p->runs_count};
    add_piece(p, BASE + at, n, page_of(PAGE_SHMEM, frame, COUNTED, 2));
    p->pieces[p->pieces_count - 1] = (struct family_piece){
        BASE + at / SLOT * SLOT, SLOT, p->cuts_count++, 1, base};
    return (uint32_t)p->pieces_count - 1;
}

struct slot {
    uint64_t frame, n;                            /* of the base, one run */
    uint64_t at, cut, cut_n, cut_frame;           /* of what changes it */
    uint32_t base, change;
};

static void draw_slot(uint64_t *seed, struct family_picture *p, unsigned i, struct slot *s)
{
    s->n = 1 + draw(seed, SLOT);
    s->frame = draw(seed, FRAMES - SLOT);
    s->base = add_piece(p, BASE + i * SLOT, s->n, page_of(PAGE_SHMEM, s->frame, COUNTED, 2));
    uint64_t in = draw(seed, SLOT);
    s->at = i * SLOT + in;
    s->cut = 1 + draw(seed, (unsigned)(SLOT - in));
    s->cut_n = draw(seed, (unsigned)s->cut + 1);
    s->cut_frame = draw(seed, FRAMES - SLOT);
    s->change = add_change(p, s->base, s->at, s->cut, s->cut_n, s->cut_frame);
}

/* Few frames, so that they overlap in all ways. */
static struct family_picture *any_picture(uint64_t *seed, struct memory of[PROCESSES])
{
    struct family_picture *p = family_picture_create();
    struct slot slots[PIECES];
    memset(of, 0, PROCESSES * sizeof *of);
    for (unsigned i = 0; i < PIECES; i++)
        draw_slot(seed, p, i, &slots[i]);
    for (unsigned m = 0; m < PROCESSES; m++) {
        add_process(p, (pid_t)(10 + m), m ? (pid_t)(10 + draw(seed, m)) : 1);
        for (unsigned i = 0; i < PIECES; i++) {
            const struct slot *s = &slots[i];
            unsigned which = draw(seed, 4);
            if (which > 1)
                continue;
            give(p, which ? s->change : s->base);
            for (uint64_t k = 0; k < s->n; k++)
                if (!which || i * SLOT + k < s->at || i * SLOT + k >= s->at + s->cut)
                    map_frames(&of[m], i * SLOT + k, 1, s->frame + k);
            if (which)
                map_frames(&of[m], s->at, s->cut_n, s->cut_frame);
        }
    }
    return p;
}

static void check_member(const struct family *f, size_t i, const struct memory of[PROCESSES])
{
    const struct family_member *m = &f->v[i];
    uint64_t resident = 0, sum[RELATION_N] = {0};
    for (unsigned k = 0; k < PAGES; k++) {
        unsigned mine = of[i].page[k], its = i ? of[m->parent].page[k] : 0;
        struct page page = pagetree_get(m->moment.tree, BASE + k);
        assert_int_equal(page.state, mine ? PAGE_SHMEM : PAGE_ABSENT);
        if (mine)
            assert_int_equal(page.frame, mine - 1);
        resident += mine > 0;
        sum[!mine && !its ? RELATION_NONE : !mine ? RELATION_ONLY_A : !its ? RELATION_ONLY_B
            : mine == its ? RELATION_SAME : RELATION_OWN]++;
    }
    assert_int_equal(m->totals.resident, resident * PAGE);
    assert_int_equal(m->totals.size, 1024 * PAGE);
    assert_true(m->pss.known);
    assert_int_equal(m->pss.bytes, resident * PAGE / 2);
    if (!i)
        return;
    assert_int_equal(m->own.same, sum[RELATION_SAME] * PAGE);
    assert_int_equal(m->own.own, sum[RELATION_OWN] * PAGE);
    assert_int_equal(m->own.only_here, sum[RELATION_ONLY_B] * PAGE);
    assert_int_equal(m->own.only_parent, sum[RELATION_ONLY_A] * PAGE);
}

static void test_members_at_random(void **state)
{
    static struct memory of[PROCESSES];
    uint64_t seed = 3;
    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        struct family_picture *p = any_picture(&seed, of);
        struct family *f = family_create(p), *sums = family_sum_up(p);
        family_picture_destroy(p);
        assert_non_null(f);
        assert_non_null(sums);
        for (unsigned i = 0; i < PROCESSES; i++) {
            check_member(f, i, of);
            assert_null(sums->v[i].moment.tree);
            assert_int_equal(f->v[i].totals.resident, sums->v[i].totals.resident);
        }
        assert_int_equal(f->once.bytes, sums->once.bytes);
        family_unref(f);
        family_unref(sums);
    }
}

static void test_at_random(void **state)
{
    static struct memory of[PROCESSES];
    uint64_t seed = 7;
    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        struct family *f = fold(any_picture(&seed, of));
        for (unsigned a = 0; a < PROCESSES; a++)
            for (unsigned b = 0; b <= a; b++) {
                uint64_t both = 0;
                for (unsigned i = 0; i < FRAMES; i++)
                    both += of[a].maps[i] && of[b].maps[i];
                assert_known(family_shared(f, a, b), both);
            }
        uint64_t once = 0, common = 0;
        for (unsigned i = 0; i < FRAMES; i++) {
            unsigned users = 0;
            for (unsigned m = 0; m < PROCESSES; m++)
                users += of[m].maps[i];
            once += users > 0;
            common += users > 1;
        }
        assert_known(f->once, once);
        assert_known(f->common, common);
        family_unref(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),           cmocka_unit_test(test_weights),
        cmocka_unit_test(test_own),             cmocka_unit_test(test_trees),
        cmocka_unit_test(test_other_addresses), cmocka_unit_test(test_hugetlb_is_apart),
        cmocka_unit_test(test_without_frame_numbers),
        cmocka_unit_test(test_closed_member),   cmocka_unit_test(test_another_program),
        cmocka_unit_test(test_unsound),         cmocka_unit_test(test_at_random),
        cmocka_unit_test(test_members_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
