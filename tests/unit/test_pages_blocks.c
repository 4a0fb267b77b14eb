/* Blocks of pages: what processes have at random comes out as it went in, and a change costs what
 * it changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "probe/abi.h"
#include "probe/pages_blocks.h"

enum { PAGES = 3 * PAGES_BLOCK, PROCESSES = 40, BASE = 7 * PAGES_BLOCK };

/* What a process has, by page: a frame, or 0. */
typedef uint64_t memory[PAGES];

struct store {
    struct page_reader reader;
    struct pages_blocks blocks;
    struct family_picture *picture;
};

static void store_init(struct store *s)
{
    *s = (struct store){.reader = {.has_pfn = true, .pagemap_fd = -1, .kpageflags_fd = -1,
                                   .kpagecount_fd = -1, .process_fd = -1}};
    s->reader.geometry.page_shift = 12;
    s->reader.geometry.pmd_shift = 21;
    s->reader.geometry.levels = 4;
    s->picture = family_picture_create();
    assert_non_null(s->picture);
    assert_int_equal(pages_blocks_init(&s->blocks, &s->reader), 0);
}

static void store_deinit(struct store *s)
{
    family_picture_destroy(s->picture);
    pages_blocks_deinit(&s->blocks);
    page_reader_deinit(&s->reader);
}

static void push_raw(struct store *s, uint64_t page, uint64_t frame, uint32_t n)
{
    struct pages_raw raw = {.page = page, .entry = PM_PRESENT | frame, .n = n, .flags_at = RAW_NONE,
                            .counts_at = RAW_NONE, .kind = REGION_ANON, .source = RAW_ENTRY};
    assert_int_equal(pages_raw_push(&s->reader, &raw), 0);
}

static void give(struct store *s, uint32_t number)
{
    struct family_picture *p = s->picture;
    void *v = p->order;
    assert_int_equal(array_reserve(&v, &p->order_cap, p->order_count + 1, sizeof *p->order), 0);
    p->order = v;
    p->order[p->order_count++] = number;
    p->v[p->count - 1].pieces++;
}

/* One block of a process, as runs whose frames count up. */
static void add_block(struct store *s, const uint64_t *frame, uint64_t page)
{
    size_t at = s->reader.raws_count;
    uint32_t number;
    for (uint32_t i = 0, n; i < PAGES_BLOCK; i += n) {
        for (n = 1; frame[i] && i + n < PAGES_BLOCK && frame[i + n] == frame[i] + n;)
            n++;
        if (frame[i])
            push_raw(s, page + i, frame[i], n);
    }
    if (s->reader.raws_count == at)
        return;
    assert_int_equal(pages_blocks_add(&s->blocks, at, &number), 0);
    give(s, number);
}

static void add_process(struct store *s, const memory m)
{
    struct family_picture *p = s->picture;
    void *v = p->v;
    assert_int_equal(array_reserve(&v, &p->cap, p->count + 1, sizeof *p->v), 0);
    p->v = v;
    p->v[p->count++] = (struct family_reading){.pieces_at = p->order_count};
    for (uint64_t i = 0; i < PAGES; i += PAGES_BLOCK)
        add_block(s, m + i, BASE + i);
}

static void emit(struct store *s)
{
    assert_int_equal(pages_blocks_emit(&s->blocks, PAGES_ENTRIES, s->picture), 0);
}

static void lay_runs(const struct family_picture *p, size_t at, size_t count, uint64_t start,
                     uint64_t end, memory out)
{
    for (size_t k = 0; k < count; k++) {
        const struct page_run *run = &p->runs[at + k];
        assert_true(run->page >= start && run->page + run->n <= end);
        for (uint64_t n = 0; n < run->n; n++)
            out[run->page + n - BASE] = run->first.frame + n;
    }
}

/* The pieces of a process in the picture, laid out by page. */
static void lay_out(const struct family_picture *p, size_t process, memory out)
{
    uint64_t end = 0;
    memset(out, 0, sizeof(memory));
    for (size_t i = 0; i < p->v[process].pieces; i++) {
        const struct family_piece *piece = &p->pieces[p->order[p->v[process].pieces_at + i]];
        const struct family_piece *first = piece->base == FAMILY_NO_PIECE ? piece
                                                                          : &p->pieces[piece->base];
        assert_true(piece->page >= end);
        end = piece->page + piece->n;
        lay_runs(p, first->at, first->count, first->page, first->page + first->n, out);
        for (size_t c = 0; first != piece && c < piece->count; c++) {
            const struct family_cut *cut = &p->cuts[piece->at + c];
            assert_true(cut->page >= piece->page && cut->page + cut->n <= end);
            memset(out + (cut->page - BASE), 0, cut->n * sizeof *out);
            lay_runs(p, cut->at, cut->count, cut->page, cut->page + cut->n, out);
        }
    }
}

static unsigned draw(uint64_t *seed, unsigned below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33) % below;
}

/* Pages at random get other frames, in a row or not, or none. */
static void change(uint64_t *seed, memory m)
{
    static uint64_t next = 1 << 20;
    for (unsigned i = draw(seed, 60); i; i--) {
        unsigned at = draw(seed, PAGES), n = draw(seed, 3) ? 1 : draw(seed, 40);
        bool none = !draw(seed, 4), scattered = draw(seed, 2);
        for (; n && at < PAGES; n--, at++)
            m[at] = none ? 0 : (next += scattered ? 2 : 1);
    }
}

static void test_at_random(void **state)
{
    static memory of[PROCESSES], found;
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct store s;
        uint64_t random = seed * 77;
        store_init(&s);
        memset(of, 0, sizeof of);
        for (unsigned i = 0; i < PROCESSES; i++) {
            if (i)
                memcpy(of[i], of[draw(&random, i)], sizeof of[i]);
            else
                for (unsigned k = 0; k < PAGES; k++)
                    of[0][k] = draw(&random, 5) ? 1000 + k * (seed % 2 + 1) : 0;
            change(&random, of[i]);
            add_process(&s, of[i]);
        }
        emit(&s);
        for (unsigned i = 0; i < PROCESSES; i++) {
            lay_out(s.picture, i, found);
            assert_memory_equal(found, of[i], sizeof found);
        }
        store_deinit(&s);
    }
}

/* Of far-apart frames, each process has one of its own: a raw each, no matter how many there
 * are. */
static void test_a_change_costs_itself(void **state)
{
    static memory m;
    struct store s;
    (void)state;
    store_init(&s);
    for (unsigned k = 0; k < PAGES; k++)
        m[k] = 5000 + 2 * k;
    add_process(&s, m);
    assert_int_equal(s.reader.raws_count, PAGES);
    for (unsigned i = 1; i < PROCESSES; i++) {
        uint64_t before = m[i * 31];
        m[i * 31] = 100000 + 2 * i;
        add_process(&s, m);
        m[i * 31] = before;
        add_process(&s, m); /* and one that has not */
    }
    assert_int_equal(s.reader.raws_count, PAGES + PROCESSES - 1);
    emit(&s);
    store_deinit(&s);
}

/* Changes that are alike are one block, whoever has them. */
static void test_alike_changes(void **state)
{
    static memory m;
    struct store s;
    (void)state;
    store_init(&s);
    for (unsigned k = 0; k < PAGES; k++)
        m[k] = 5000 + 2 * k;
    add_process(&s, m);
    for (unsigned k = 0; k < PAGES; k += 64)
        m[k] = 100000 + 2 * k;
    add_process(&s, m);
    size_t raws = s.reader.raws_count, blocks = s.blocks.count;
    assert_int_equal(raws, PAGES + PAGES / 64);
    for (unsigned i = 0; i < PROCESSES; i++)
        add_process(&s, m);
    assert_int_equal(s.reader.raws_count, raws);
    assert_int_equal(s.blocks.count, blocks);
    store_deinit(&s);
}

/* A run longer than a block stays one piece, and is no block for others to change. */
static void test_long_runs(void **state)
{
    struct store s;
    uint32_t first, second, third;
    (void)state;
    store_init(&s);
    push_raw(&s, BASE, 1 << 20, 100 * PAGES_BLOCK);
    assert_int_equal(pages_blocks_add(&s.blocks, 0, &first), 0);
    push_raw(&s, BASE, 1 << 20, 100 * PAGES_BLOCK);
    assert_int_equal(pages_blocks_add(&s.blocks, 1, &second), 0);
    push_raw(&s, BASE, 1 << 20, 3);
    assert_int_equal(pages_blocks_add(&s.blocks, 1, &third), 0);
    assert_int_equal(first, second);
    assert_int_not_equal(first, third);
    assert_int_equal(s.blocks.v[third].base, PAGES_NO_BLOCK);
    emit(&s);
    assert_int_equal(s.picture->pieces_count, 2);
    assert_int_equal(s.picture->pieces[0].n, 100 * PAGES_BLOCK);
    store_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_random),
        cmocka_unit_test(test_a_change_costs_itself),
        cmocka_unit_test(test_alike_changes),
        cmocka_unit_test(test_long_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
