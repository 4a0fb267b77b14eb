/* For tests of the map: a moment made by hand, and the view drawn into a grid. */
#ifndef VMSCOPE_TESTS_UNIT_DRAWN_MAP_H
#define VMSCOPE_TESTS_UNIT_DRAWN_MAP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <locale.h>

#include "ui/frame.h"
#include "ui/map_parts.h"

enum { SHIFT = 12 };
#define PAGE UINT64_C(4096)
#define HEAP UINT64_C(0x555555580000)
#define LIBC UINT64_C(0x7ffff7c00000)
#define STACK UINT64_C(0x7ffffffde000)

static inline struct region_table *table_of(const struct region *v, size_t n)
{
    struct region_table *t = region_table_create();
    assert_non_null(t);
    t->v = calloc(n ? n : 1, sizeof *v);
    assert_non_null(t->v);
    memcpy(t->v, v, n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        if (!t->v[i].name)
            t->v[i].name = "";
    t->count = n;
    return t;
}

static inline struct moment moment_of(const struct region *v, size_t n)
{
    struct moment m = {.regions = table_of(v, n), .tree = pagetree_create(4)};
    assert_non_null(m.tree);
    m.target.pid = 42;
    m.target.geometry = (struct geometry){.page_shift = SHIFT, .levels = 4, .pmd_shift = 21,
                                          .level_name = {"PGD", "PUD", "PMD", "PTE"}};
    m.sample.number = 1;
    m.sample.complete = true;
    return m;
}

/* Gives n pages from an address a state, every `every`-th of them. */
static inline void paint(struct moment *m, uint64_t address, uint64_t n, unsigned every, unsigned state)
{
    uint64_t start = moment_page(m, address);
    size_t count = (size_t)((n + every - 1) / every);
    struct page_run *runs = calloc(count, sizeof *runs);
    assert_non_null(runs);
    for (size_t i = 0; i < count; i++) {
        struct page p = {.frame = PAGE_FRAME_UNKNOWN, .state = (uint8_t)state,
                         .order = PAGE_ORDER_UNKNOWN};
        runs[i] = (struct page_run){.page = start + i * every, .n = 1, .first = p};
    }
    struct pagetree *t;
    assert_int_equal(pagetree_replace(m->tree, start, n, runs, count, &t), 0);
    pagetree_unref(m->tree);
    m->tree = t;
    free(runs);
}

static const struct region program[] = {
    {.start = 0x555555554000, .end = 0x555555558000, .perms = REGION_R | REGION_X, .inode = 7,
     .kind = REGION_FILE, .name = "/usr/bin/demo"},
    {.start = HEAP, .end = HEAP + 4096 * PAGE, .perms = REGION_R | REGION_W,
     .kind = REGION_HEAP, .name = "[heap]"},
    {.start = LIBC, .end = LIBC + 300 * PAGE, .perms = REGION_R | REGION_X, .inode = 9,
     .kind = REGION_FILE, .name = "/usr/lib/lib\033[31mc.so"},
    {.start = LIBC + 310 * PAGE, .end = LIBC + 312 * PAGE, .perms = REGION_R | REGION_W | REGION_X,
     .kind = REGION_ANON},
    {.start = STACK, .end = STACK + 33 * PAGE, .perms = REGION_R | REGION_W,
     .kind = REGION_STACK, .name = "[stack]"},
    {.start = 0xffffffffff600000, .end = 0xffffffffff601000, .perms = REGION_X,
     .kind = REGION_VSYSCALL, .name = "[vsyscall]"},
};
enum { PROGRAM_N = sizeof program / sizeof *program };

/* 256 of the heap's 4096 pages are touched. */
static inline struct moment program_moment(void)
{
    struct moment m = moment_of(program, PROGRAM_N);
    paint(&m, program[0].start, 4, 1, PAGE_FILE);
    paint(&m, HEAP, 4096, 16, PAGE_ANON);
    paint(&m, LIBC, 300, 1, PAGE_FILE);
    paint(&m, STACK + 30 * PAGE, 3, 1, PAGE_ANON);
    return m;
}

static inline void look_note(void *ctx, uint64_t start, uint64_t end)
{
    uint64_t *seen = ctx;
    seen[0] = start;
    seen[1] = end;
    seen[2]++;
}

struct screen {
    struct moment now;
    struct grid grid;
    struct ui_state ui;
    struct ui_source source;
    uint64_t looked[3];
    void *view;
};

static inline void screen_open(struct screen *s, unsigned cols, unsigned rows, struct look look)
{
    s->now = program_moment();
    assert_int_equal(grid_init(&s->grid, cols, rows), 0);
    memset(s->looked, 0, sizeof s->looked);
    s->source = (struct ui_source){.ctx = s->looked, .fd = -1, .look = look_note};
    s->ui = (struct ui_state){.now = &s->now, .look = look, .flash = true, .source = &s->source};
    s->view = view_create(&view_map);
    assert_non_null(s->view);
}

static inline void screen_close(struct screen *s)
{
    view_destroy(&view_map, s->view);
    grid_deinit(&s->grid);
    moment_deinit(&s->now);
}

static inline void draw(struct screen *s)
{
    grid_clear(&s->grid);
    view_map.draw(s->view, &s->ui, grid_area(&s->grid));
    if (s->ui.look.ascii)
        grid_only_ascii(&s->grid);
}

static inline unsigned press(struct screen *s, int key)
{
    for (const struct binding *b = view_map.bindings; b->label; b++)
        for (unsigned i = 0; b->keys[i]; i++)
            if (b->keys[i] == key) {
                unsigned r = view_map.act(s->view, &s->ui, b->action);
                draw(s);
                return r;
            }
    fail_msg("no binding for key %d", key);
    return 0;
}

/* The text of the grid; the caller frees it. */
static inline char *text_of(struct screen *s)
{
    struct buf b = {0};
    assert_int_equal(grid_text(&s->grid, &b), 0);
    return b.data;
}

static inline void assert_shows(struct screen *s, const char *what)
{
    char *text = text_of(s);
    if (!strstr(text, what))
        fail_msg("no \"%s\" in\n%s", what, text);
    free(text);
}

static const struct look full = {256, false}, coarse = {8, false}, mono = {0, false},
                         ascii = {0, true};

#endif
