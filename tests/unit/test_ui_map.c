/* The map drawn into a grid from a moment made by hand: exact mixes at every zoom, what cells look
 * like, flashes, moving, and every size of screen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <locale.h>

#include "ui/map_parts.h"

enum { SHIFT = 12 };
#define PAGE UINT64_C(4096)
#define HEAP UINT64_C(0x555555580000)
#define LIBC UINT64_C(0x7ffff7c00000)
#define STACK UINT64_C(0x7ffffffde000)

static struct region_table *table_of(const struct region *v, size_t n)
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

static struct moment moment_of(const struct region *v, size_t n)
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
static void paint(struct moment *m, uint64_t address, uint64_t n, unsigned every, unsigned state)
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
static struct moment program_moment(void)
{
    struct moment m = moment_of(program, PROGRAM_N);
    paint(&m, program[0].start, 4, 1, PAGE_FILE);
    paint(&m, HEAP, 4096, 16, PAGE_ANON);
    paint(&m, LIBC, 300, 1, PAGE_FILE);
    paint(&m, STACK + 30 * PAGE, 3, 1, PAGE_ANON);
    return m;
}

static void look_note(void *ctx, uint64_t start, uint64_t end)
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

static void screen_open(struct screen *s, unsigned cols, unsigned rows, struct look look)
{
    s->now = program_moment();
    assert_int_equal(grid_init(&s->grid, cols, rows), 0);
    memset(s->looked, 0, sizeof s->looked);
    s->source = (struct ui_source){.ctx = s->looked, .fd = -1, .look = look_note};
    s->ui = (struct ui_state){.now = &s->now, .look = look, .flash = true, .source = &s->source};
    s->view = view_map.create();
    assert_non_null(s->view);
}

static void screen_close(struct screen *s)
{
    view_map.destroy(s->view);
    grid_deinit(&s->grid);
    moment_deinit(&s->now);
}

static void draw(struct screen *s)
{
    grid_clear(&s->grid);
    view_map.draw(s->view, &s->ui, grid_area(&s->grid));
}

static unsigned press(struct screen *s, int key)
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
static char *text_of(struct screen *s)
{
    struct buf b = {0};
    assert_int_equal(grid_text(&s->grid, &b), 0);
    return b.data;
}

static void assert_shows(struct screen *s, const char *what)
{
    char *text = text_of(s);
    if (!strstr(text, what))
        fail_msg("no \"%s\" in\n%s", what, text);
    free(text);
}

static const struct look full = {256, false}, coarse = {8, false}, mono = {0, false},
                         ascii = {0, true};

static void test_every_zoom_is_exact(void **state)
{
    (void)state;
    struct moment m = program_moment();
    for (unsigned zoom = 0; zoom <= 9; zoom++) {
        struct layout l = {0};
        struct layout_shape shape = {.page_shift = SHIFT, .zoom = zoom, .width = 64, .stack = 2,
                                     .cols = 64, .label = 26};
        assert_int_equal(layout_build(&l, m.regions, &shape), 0);
        struct tally all = {{0}};
        for (size_t i = 0; i < l.count; i++) {
            struct tally sum = {{0}};
            for (uint64_t p = 0; p < layout_item_pixels(&l, &l.v[i]); p++) {
                struct tally t;
                map_tally(&m, &l, &l.v[i], p, &t);
                tally_add(&sum, &t);
            }
            tally_add(&all, &sum);
            if (l.v[i].regions == 1 && l.v[i].start == HEAP) {
                assert_int_equal(sum.n[PAGE_ANON], 256);
                assert_int_equal(sum.n[PAGE_ABSENT], 3840);
            }
        }
        assert_int_equal(all.n[PAGE_ANON], 256 + 3);
        assert_int_equal(all.n[PAGE_FILE], 304);
        assert_int_equal(all.n[PAGE_ABSENT], 3840 + 2 + 30 + 1);
        layout_deinit(&l);
    }
    moment_deinit(&m);
}

/* From the screen: the words about the selected cell add up at every scale. */
static void test_256_of_4096_on_screen(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 80, 24, coarse);
    s.ui.cursor = HEAP;
    draw(&s);
    for (unsigned i = 0; i < 10; i++)
        press(&s, '-');
    assert_shows(&s, "1 cell = 512G (one PGD entry)  zoom 1/10");
    assert_shows(&s, "4,100 pages: 3,840 not present, 256 anon exclusive, 4 file");
    press(&s, '+');
    press(&s, '+');
    press(&s, '+');
    assert_shows(&s, "1 cell = 1G (one PUD entry)");
    press(&s, '+');
    press(&s, '+');
    press(&s, '+');
    assert_shows(&s, "1 cell = 2M (one PMD entry)");
    assert_shows(&s, "128 pages: 120 not present, 8 anon");
    press(&s, KEY_CODE_RIGHT);
    assert_shows(&s, "512 pages: 480 not present, 32 anon exclusive");
    press(&s, '+');
    assert_shows(&s, "64 pages: 60 not present, 4 anon exclusive");
    screen_close(&s);
}

/* Sum over all cells that the cursor can visit in the heap, as the panel would tell. */
static void test_cursor_visits_all(void **state)
{
    (void)state;
    static const unsigned expected_zoom[] = {0, 1, 2, 3, 4};
    for (size_t z = 0; z < sizeof expected_zoom / sizeof *expected_zoom; z++) {
        struct screen s;
        screen_open(&s, 80, 24, full);
        s.ui.cursor = HEAP;
        draw(&s);
        for (unsigned i = 0; i < 10; i++)
            press(&s, '+');
        for (unsigned i = 0; i < expected_zoom[z]; i++)
            press(&s, '-');
        struct layout l = {0};
        struct layout_shape shape = {.page_shift = SHIFT, .zoom = expected_zoom[z], .width = 64,
                                     .stack = 2, .cols = 65, .label = 26};
        assert_int_equal(layout_build(&l, s.now.regions, &shape), 0);
        struct tally sum = {{0}};
        uint64_t last = UINT64_MAX;
        while (s.ui.cursor < HEAP + 4096 * PAGE && s.ui.cursor != last) {
            struct map_selection sel;
            map_select(&s.ui, &l, &sel);
            tally_add(&sum, &sel.tally);
            last = s.ui.cursor;
            press(&s, KEY_CODE_RIGHT);
        }
        assert_int_equal(sum.n[PAGE_ANON], 256);
        assert_int_equal(sum.n[PAGE_ABSENT], 3840);
        layout_deinit(&l);
        screen_close(&s);
    }
}

static struct map_pixel pixel(unsigned state, unsigned other)
{
    return (struct map_pixel){(uint8_t)state, (uint8_t)other, false};
}

static void test_pixel_rule(void **state)
{
    (void)state;
    struct tally t = {{0}};
    assert_int_equal(map_pixel_of(&t).state, MAP_NOTHING);
    t.n[PAGE_ABSENT] = 4095;
    assert_int_equal(map_pixel_of(&t).state, PAGE_ABSENT);
    assert_int_equal(map_pixel_of(&t).other, PAGE_ABSENT);
    t.n[PAGE_GUARD] = 1; /* one page is enough not to look empty */
    assert_int_equal(map_pixel_of(&t).state, PAGE_GUARD);
    assert_int_equal(map_pixel_of(&t).other, PAGE_ABSENT);
    t.n[PAGE_ABSENT] = 0;
    t.n[PAGE_SWAP] = 5;
    t.n[PAGE_FILE] = 3;
    assert_int_equal(map_pixel_of(&t).state, PAGE_SWAP);
    assert_int_equal(map_pixel_of(&t).other, PAGE_FILE);
}

static void assert_cell(struct cell c, uint32_t ch, unsigned fg, unsigned bg)
{
    assert_int_equal(c.ch, ch);
    assert_int_equal(c.fg, fg);
    assert_int_equal(c.bg, bg);
}

static void test_half_blocks(void **state)
{
    (void)state;
    struct map_pixel anon = pixel(PAGE_ANON, PAGE_ANON), file = pixel(PAGE_FILE, PAGE_FILE);
    struct map_pixel none = pixel(MAP_NOTHING, MAP_NOTHING), gone = pixel(PAGE_ABSENT, PAGE_ABSENT);
    struct map_pixel some = pixel(PAGE_ANON, PAGE_ABSENT), mix = pixel(PAGE_ANON, PAGE_FILE);
    assert_cell(map_cell_pair(anon, anon, 0), 0x2588, ROLE_ANON, COLOR_DEFAULT);
    assert_cell(map_cell_pair(file, file, 0), 0x2592, ROLE_FILE, COLOR_DEFAULT);
    assert_cell(map_cell_pair(gone, gone, 0), 0xb7, ROLE_ABSENT, COLOR_DEFAULT);
    assert_cell(map_cell_pair(gone, none, 0), 0xb7, ROLE_ABSENT, COLOR_DEFAULT);
    assert_cell(map_cell_pair(none, none, 0), ' ', COLOR_DEFAULT, COLOR_DEFAULT);
    assert_cell(map_cell_pair(anon, gone, 0), 0x2580, ROLE_ANON, COLOR_DEFAULT);
    assert_cell(map_cell_pair(gone, anon, 0), 0x2584, ROLE_ANON, COLOR_DEFAULT);
    assert_cell(map_cell_pair(file, anon, 0), 0x2584, ROLE_ANON, ROLE_FILE);
    assert_cell(map_cell_pair(some, some, 0), 0x259a, ROLE_ANON, COLOR_DEFAULT);
    assert_cell(map_cell_pair(some, none, 0), 0x2598, ROLE_ANON, COLOR_DEFAULT);
    assert_cell(map_cell_pair(some, anon, 0), 0x2599, ROLE_ANON, COLOR_DEFAULT);
    assert_cell(map_cell_pair(mix, file, 0), 0x259f, ROLE_FILE, ROLE_ANON);
    struct cell three = map_cell_pair(mix, gone, 0);
    assert_cell(three, 0x2580, ROLE_ANON, COLOR_DEFAULT);
    assert_int_equal(three.attr, CELL_UNDERLINE);
    assert_cell(map_cell_pair(anon, file, 1), 0x2580, COLOR_DEFAULT, ROLE_FILE);
    assert_cell(map_cell_pair(anon, file, 2), 0x2584, COLOR_DEFAULT, ROLE_ANON);
    struct cell zero = map_cell_pair(pixel(PAGE_ZERO, PAGE_HUGE_ZERO), gone, 0);
    assert_int_equal(zero.attr, CELL_UNDERLINE); /* two states of one colour */
}

/* No two states and mixes look alike without colour, but for the mixes that '~' stands for. */
static void test_letters(void **state)
{
    (void)state;
    for (unsigned s = 0; s < PAGE_STATE_N; s++) {
        uint32_t own = map_cell_single(pixel(s, s), &ascii, false).ch;
        for (unsigned o = 0; o < s; o++)
            assert_int_not_equal(map_cell_single(pixel(s, s), &mono, false).ch,
                                 map_cell_single(pixel(o, o), &mono, false).ch);
        assert_int_equal(own, (unsigned char)page_state_info(s)->letter);
        uint32_t mixed = map_cell_single(pixel(s, s ? PAGE_ABSENT : PAGE_FILE), &ascii, false).ch;
        for (unsigned o = 0; o < PAGE_STATE_N; o++) {
            assert_int_not_equal(mixed, (unsigned char)page_state_info(o)->letter);
            uint32_t other = map_cell_single(pixel(o, o ? PAGE_ABSENT : PAGE_FILE), &ascii,
                                             false).ch;
            assert_true(o == s || mixed != other || mixed == '~');
        }
    }
    assert_int_equal(map_cell_single(pixel(PAGE_ANON, PAGE_ABSENT), &coarse, false).ch, 0x259a);
    assert_int_equal(map_cell_single(pixel(PAGE_ANON, PAGE_ABSENT), &mono, false).ch, 'a');
}

static unsigned flashing(struct screen *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->grid.cols * s->grid.rows; i++)
        n += s->grid.cells[i].fg == COLOR_FLASH && s->grid.cells[i].attr & CELL_REVERSE;
    return n;
}

static void test_flash(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 80, 40, full);
    s.ui.cursor = HEAP;
    draw(&s);
    for (unsigned i = 0; i < 10; i++)
        press(&s, '+');
    assert_int_equal(flashing(&s), 0);
    struct moment before = s.now;
    moment_copy(&s.now, &before);
    paint(&s.now, HEAP + PAGE, 15, 5, PAGE_ANON); /* three pages come */
    s.ui.before = &before;
    draw(&s);
    assert_int_equal(flashing(&s), 3);
    s.ui.flash = false;
    draw(&s);
    assert_int_equal(flashing(&s), 0);
    s.ui.flash = true;
    before.sample.complete = false; /* then a difference is no change */
    draw(&s);
    assert_int_equal(flashing(&s), 0);
    moment_deinit(&before);
    screen_close(&s);
}

/* Cells that show a fault: a star, reversed. */
static unsigned stars(const struct screen *s, uint8_t color)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->grid.cols * s->grid.rows; i++) {
        const struct cell *c = &s->grid.cells[i];
        n += c->ch == '*' && c->fg == color && c->attr & CELL_REVERSE;
    }
    return n;
}

static void add_fault(struct fault_log *log, pid_t pid, uint64_t address, uint64_t t_ns, uint8_t path)
{
    struct fault_entry e = {.event = {.t_ns = t_ns, .pid = pid, .type = EVENT_FAULT}};
    e.event.fault.address = address;
    e.verdict.path = path;
    fault_log_add(log, &e);
}

static void show_log(struct screen *s, const struct fault_log *log, uint64_t now_ns)
{
    s->ui.faults = log;
    s->ui.marks = log->faults;
    s->ui.entries = log->entries;
    s->ui.now_ns = now_ns;
    draw(s);
}

static void zoom_to_pages(struct screen *s)
{
    s->ui.cursor = HEAP;
    draw(s);
    for (unsigned i = 0; i < 10; i++)
        press(s, '+');
}

static const uint64_t sec = 1000000000;

static void test_faults_flash(void **state)
{
    (void)state;
    struct fault_log log;
    const struct look looks[] = {full, coarse, mono};
    for (unsigned i = 0; i < 3; i++) {
        struct screen s;
        assert_int_equal(fault_log_init(&log), 0);
        screen_open(&s, 80, 40, looks[i]);
        zoom_to_pages(&s);
        add_fault(&log, 42, HEAP + PAGE, 100 * sec, PATH_ANONYMOUS);
        add_fault(&log, 42, HEAP + 2 * PAGE, 100 * sec, PATH_WP);
        add_fault(&log, 42, HEAP + 2 * PAGE, 100 * sec, PATH_BAD_ACCESS); /* the newest counts */
        add_fault(&log, 43, HEAP + 5 * PAGE, 100 * sec, PATH_ANONYMOUS);  /* another process */
        add_fault(&log, 42, 0x1000, 100 * sec, PATH_BAD_AREA);            /* no mapping */
        show_log(&s, &log, 100 * sec);
        assert_int_equal(stars(&s, ROLE_ANON), 1);
        assert_int_equal(stars(&s, COLOR_ALERT), 1);
        assert_int_equal(stars(&s, ROLE_COW), 0);
        show_log(&s, &log, 100 * sec + UI_FLASH_NS + 1);
        assert_int_equal(stars(&s, ROLE_ANON), 0);
        screen_close(&s);
        fault_log_deinit(&log);
    }
}

/* Cells of the picture with a level of heat. */
static unsigned hot(const struct screen *s, unsigned level)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->grid.cols * 30u; i++)
        n += s->grid.cells[i].fg == COLOR_HEAT_FIRST + level - 1;
    return n;
}

static void expect_heat(const struct screen *s, unsigned l1, unsigned l2, unsigned l3, unsigned l4)
{
    assert_int_equal(hot(s, 1), l1);
    assert_int_equal(hot(s, 2), l2);
    assert_int_equal(hot(s, 3), l3);
    assert_int_equal(hot(s, 4), l4);
}

static void test_heat(void **state)
{
    (void)state;
    struct screen s;
    struct fault_log log;
    assert_int_equal(fault_log_init(&log), 0);
    screen_open(&s, 80, 40, coarse);
    zoom_to_pages(&s);
    press(&s, 'H');
    for (unsigned i = 0; i < 7; i++)
        add_fault(&log, 42, HEAP + PAGE, 100 * sec, PATH_WP);
    for (unsigned i = 0; i < 8; i++)
        add_fault(&log, 42, HEAP + 2 * PAGE, 101 * sec, PATH_WP);
    for (unsigned i = 0; i < 64; i++)
        add_fault(&log, 42, HEAP + 3 * PAGE, 102 * sec, PATH_WP);
    for (unsigned i = 0; i < 512; i++)
        add_fault(&log, 42, HEAP + 4 * PAGE, 103 * sec, PATH_WP);
    show_log(&s, &log, 104 * sec);
    expect_heat(&s, 1, 1, 1, 1);
    show_log(&s, &log, 110 * sec + 1); /* they grow old one after the other */
    expect_heat(&s, 0, 1, 1, 1);
    add_fault(&log, 42, HEAP + 3 * PAGE, 112 * sec, PATH_WP);
    show_log(&s, &log, 112 * sec + 1);
    expect_heat(&s, 1, 0, 0, 1);
    s.ui.cursor = HEAP + 40 * PAGE; /* its cell has its own colour */
    press(&s, '-'); /* eight pages a cell */
    draw(&s);
    expect_heat(&s, 0, 0, 0, 1);
    s.ui.frozen = true;
    show_log(&s, &log, 112 * sec + 1);
    for (unsigned i = 0; i < FAULT_MARKS_KEEP; i++) /* more than are kept: counted anew */
        add_fault(&log, 42, HEAP + 80 * PAGE, 113 * sec, PATH_WP);
    show_log(&s, &log, 112 * sec + 1);
    expect_heat(&s, 0, 0, 0, 1);
    s.ui.frozen = false;
    show_log(&s, &log, 113 * sec);
    expect_heat(&s, 0, 0, 0, 1);
    press(&s, 'H');
    draw(&s);
    expect_heat(&s, 0, 0, 0, 0);
    screen_close(&s);
    fault_log_deinit(&log);
}

static void test_better_known_is_no_change(void **state)
{
    (void)state;
    struct page a = {.frame = PAGE_FRAME_UNKNOWN, .state = PAGE_PRESENT,
                     .order = PAGE_ORDER_UNKNOWN};
    struct page b = {.frame = 77, .state = PAGE_FILE, .attrs = PAGE_A_ENTRY | PAGE_A_FLAGS |
                     PAGE_A_DIRTY | PAGE_A_REFERENCED, .order = 0};
    assert_false(map_page_changed(&a, &b));
    assert_true(map_page_changed(&page_absent, &a));
    assert_true(map_page_changed(&a, &page_absent));
    struct page c = b;
    c.attrs ^= PAGE_A_REFERENCED;
    assert_false(map_page_changed(&b, &c));
    c.attrs ^= PAGE_A_DIRTY;
    assert_true(map_page_changed(&b, &c));
    c = b;
    c.frame = 78;
    assert_true(map_page_changed(&b, &c));
    b.attrs |= PAGE_A_COUNT;
    c = b;
    c.mapcount = 2;
    assert_false(map_page_changed(&b, &c)); /* another program maps the file, too */
    b.state = c.state = PAGE_ANON;
    assert_true(map_page_changed(&b, &c));
    c = b;
    c.state = PAGE_UNKNOWN;
    assert_false(map_page_changed(&b, &c));
}

static void test_new_region_flashes(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 80, 40, mono);
    struct moment before = moment_of(program, PROGRAM_N - 2);
    s.ui.before = &before;
    s.ui.cursor = STACK;
    draw(&s);
    for (unsigned i = 0; i < 10; i++)
        press(&s, '+');
    s.ui.flash = true;
    draw(&s);
    char *text = text_of(&s);
    assert_non_null(strstr(text, "[stack] rw-p 132K"));
    free(text);
    assert_true(flashing(&s) >= strlen("[stack] rw-p 132K"));
    moment_deinit(&before);
    screen_close(&s);
}

static void test_ascii(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 100, 30, ascii);
    s.ui.cursor = HEAP;
    draw(&s);
    char *text = text_of(&s);
    for (const char *c = text; *c; c++)
        assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
    assert_null(strchr(text, '\033'));
    free(text);
    for (unsigned i = 0; i < 10; i++)
        press(&s, '+');
    assert_shows(&s, "A...............A...............A");
    press(&s, '-');
    assert_shows(&s, "a.a.a.a.a.a.a");
    assert_shows(&s, "-- gap 43T ---");
    screen_close(&s);
}

static void test_moves(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 80, 24, full);
    draw(&s);
    assert_int_equal(s.ui.cursor, program[0].start);
    press(&s, 'n');
    assert_int_equal(s.ui.cursor, HEAP);
    press(&s, 'n');
    press(&s, 'n');
    assert_int_equal(s.ui.cursor, LIBC + 310 * PAGE);
    press(&s, 'N');
    assert_int_equal(s.ui.cursor, LIBC);
    press(&s, 'G');
    assert_int_equal(s.ui.cursor, 0xffffffffff600000);
    press(&s, 'n');
    assert_int_equal(s.ui.cursor, 0xffffffffff600000);
    press(&s, 'g');
    assert_int_equal(s.ui.cursor, program[0].start);
    for (unsigned i = 0; i < 10; i++)
        press(&s, '+');
    press(&s, 'l');
    assert_int_equal(s.ui.cursor, program[0].start + PAGE);
    for (unsigned i = 0; i < 3; i++)
        press(&s, 'l');
    assert_int_equal(s.ui.cursor, HEAP);
    press(&s, 'h');
    assert_int_equal(s.ui.cursor, program[0].start + 3 * PAGE);
    press(&s, 'j');
    assert_int_equal(s.ui.cursor, HEAP + 3 * PAGE);
    press(&s, 'j');
    assert_int_equal(s.ui.cursor, HEAP + (64 + 3) * PAGE);
    press(&s, 'k');
    press(&s, 'k');
    assert_int_equal(s.ui.cursor, program[0].start + 3 * PAGE);
    assert_int_equal(press(&s, KEY_CODE_ENTER) & UI_SHOW_PAGE, UI_SHOW_PAGE);
    for (unsigned i = 0; i < 30; i++)
        press(&s, KEY_CODE_PGDN);
    assert_true(s.ui.cursor >= STACK);
    for (unsigned i = 0; i < 30; i++)
        press(&s, KEY_CODE_PGUP);
    assert_true(s.ui.cursor < HEAP);
    assert_true(s.looked[2] > 5);
    assert_true(s.looked[0] < s.looked[1] && s.looked[1] <= STACK + 33 * PAGE);
    screen_close(&s);
}

/* A picture that was moved and changed step by step is the one that is made at once. */
static void check_steps(unsigned zoom, unsigned seed)
{
    const struct map_marks marks = {0};
    enum { COLS = 60, ROWS = 9 };
    struct screen s;
    screen_open(&s, COLS, ROWS, full);
    struct layout l = {0};
    struct layout_shape shape = {.page_shift = SHIFT, .zoom = zoom, .width = 40, .stack = 2,
                                 .cols = 45, .label = 20};
    assert_int_equal(layout_build(&l, s.now.regions, &shape), 0);
    struct map_picture kept = {0};
    struct map_window w = {.layout = &l, .built = 1, .rows = ROWS, .gutter = 15};
    struct grid other;
    assert_int_equal(grid_init(&other, COLS, ROWS), 0);
    for (unsigned i = 0; i < 150; i++) {
        struct map_picture fresh = {0};
        if (i % 3)
            paint(&s.now, HEAP + (uint64_t)rand_r(&seed) % 3000 * PAGE, 1 + i * 7 % 900,
                  1 + i % 7, i % PAGE_STATE_N);
        w.top += (unsigned)rand_r(&seed) % (i % 10 ? 3 : 20);
        w.top -= w.top > 10 ? (unsigned)rand_r(&seed) % 6 : 0;
        w.top = w.top + ROWS > l.rows ? (l.rows > ROWS ? l.rows - ROWS : 0) : w.top;
        grid_clear(&s.grid);
        grid_clear(&other);
        assert_int_equal(map_picture_draw(&kept, &marks, &w, &s.ui, grid_area(&s.grid)), 0);
        assert_int_equal(map_picture_draw(&fresh, &marks, &w, &s.ui, grid_area(&other)), 0);
        for (size_t c = 0; c < COLS * ROWS; c++) {
            assert_int_equal(s.grid.cells[c].ch, other.cells[c].ch);
            assert_int_equal(s.grid.cells[c].fg, other.cells[c].fg);
            assert_int_equal(s.grid.cells[c].bg, other.cells[c].bg);
        }
        map_picture_deinit(&fresh);
    }
    map_picture_deinit(&kept);
    layout_deinit(&l);
    grid_deinit(&other);
    screen_close(&s);
}

static void test_step_by_step(void **state)
{
    (void)state;
    for (unsigned zoom = 0; zoom < 5; zoom++)
        check_steps(zoom, zoom + 1);
}

/* What is under the pointer stays under it while the wheel zooms. */
static void test_mouse(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 80, 24, full);
    s.ui.cursor = HEAP;
    draw(&s);
    for (unsigned i = 0; i < 10; i++)
        press(&s, '+');
    struct mouse click = {.col = 15 + 5, .row = 10, .what = MOUSE_CLICK};
    assert_int_equal(view_map.mouse(s.view, &s.ui, &click), UI_REDRAW);
    draw(&s);
    uint64_t at = s.ui.cursor;
    assert_int_equal(at / PAGE % 64, (HEAP / PAGE + 5) % 64);
    view_map.mouse(s.view, &s.ui, &click);
    assert_int_equal(s.ui.cursor, at + 64 * PAGE); /* the lower half of the cell */
    struct mouse wheel = click;
    wheel.what = MOUSE_WHEEL_DOWN;
    view_map.mouse(s.view, &s.ui, &wheel);
    draw(&s);
    assert_int_equal(s.ui.cursor, at + 64 * PAGE);
    assert_shows(&s, "1 pixel = 32K (8 PTEs)");
    wheel.what = MOUSE_WHEEL_UP;
    view_map.mouse(s.view, &s.ui, &wheel);
    draw(&s);
    assert_shows(&s, "1 pixel = 4K (one PTE)");
    struct mouse outside = {.col = 3, .row = 23, .what = MOUSE_CLICK};
    assert_int_equal(view_map.mouse(s.view, &s.ui, &outside), UI_IGNORED);
    screen_close(&s);
}

static void test_hostile_name(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 130, 40, mono);
    s.ui.cursor = LIBC;
    draw(&s);
    char *text = text_of(&s);
    assert_null(strchr(text, '\033'));
    assert_non_null(strstr(text, "lib\\x1b[31mc.so"));
    free(text);
    screen_close(&s);
}

static void walk_sizes(struct look look)
{
    static const unsigned cols[] = {1, 7, 20, 40, 79, 80, 96, 100, 128, 160, 250};
    static const unsigned rows[] = {1, 2, 3, 4, 5, 8, 12, 22, 30, 70};
    static const int keys[] = {'+', '+', 'G', '-', '-', '-', KEY_CODE_PGUP, 'w', 'k', 'k', 'h',
                               KEY_CODE_PGDN, 'j', 'l', 'i', '0', 'g', 'w', '-', '-', '-', '-',
                               '-', '-', '-', 'j', 'j', 'j', 'i'};
    for (size_t c = 0; c < sizeof cols / sizeof *cols; c++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            struct screen s;
            screen_open(&s, cols[c], rows[r], look);
            draw(&s);
            for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
                press(&s, keys[k]);
            screen_close(&s);
        }
}

static void test_all_sizes(void **state)
{
    (void)state;
    walk_sizes(full);
    walk_sizes(coarse);
    walk_sizes(ascii);
}

static void test_odd_moments(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 80, 24, full);
    s.ui.now = NULL;
    draw(&s);
    assert_shows(&s, "waiting for the first sample");
    assert_int_equal(view_map.act(s.view, &s.ui, view_map.bindings[0].action), UI_HANDLED);
    s.ui.gone = "the process ended";
    draw(&s);
    assert_shows(&s, "the process ended");
    struct moment empty = moment_of(program, 0);
    s.ui.gone = NULL;
    s.ui.now = &empty;
    draw(&s);
    assert_shows(&s, "no mappings");
    static const struct region huge[] = {{.start = 0x1000, .end = UINT64_C(0x7ffffffff000)}};
    struct moment wide = moment_of(huge, 1);
    s.ui.now = &wide;
    draw(&s);
    for (unsigned i = 0; i < 10; i++)
        press(&s, '+');
    press(&s, 'G');
    press(&s, KEY_CODE_PGDN);
    for (unsigned i = 0; i < 10; i++)
        press(&s, '-');
    s.ui.now = &s.now; /* and back to another table */
    draw(&s);
    moment_deinit(&wide);
    moment_deinit(&empty);
    screen_close(&s);
}

static void test_many_regions(void **state)
{
    (void)state;
    enum { MANY = 40000 };
    struct region *v = calloc(MANY, sizeof *v);
    assert_non_null(v);
    for (size_t i = 0; i < MANY; i++)
        v[i] = (struct region){.start = HEAP + 2 * i * PAGE, .end = HEAP + (2 * i + 1) * PAGE,
                               .name = ""};
    struct moment many = moment_of(v, MANY);
    paint(&many, HEAP, 2 * MANY, 4, PAGE_ANON);
    struct screen s;
    screen_open(&s, 250, 70, full);
    s.ui.now = &many;
    draw(&s);
    assert_shows(&s, "fit");
    press(&s, 'i');
    for (unsigned i = 0; i < 10; i++)
        press(&s, '-');
    assert_shows(&s, "40,000 pages: 20,000 not present, 20,000 anon exclusive");
    for (unsigned i = 0; i < 10; i++)
        press(&s, '+');
    press(&s, 'G');
    press(&s, KEY_CODE_PGUP);
    moment_deinit(&many);
    free(v);
    screen_close(&s);
}

int main(void)
{
    setlocale(LC_ALL, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_zoom_is_exact), cmocka_unit_test(test_256_of_4096_on_screen),
        cmocka_unit_test(test_cursor_visits_all), cmocka_unit_test(test_pixel_rule),
        cmocka_unit_test(test_half_blocks), cmocka_unit_test(test_letters),
        cmocka_unit_test(test_flash), cmocka_unit_test(test_better_known_is_no_change),
        cmocka_unit_test(test_faults_flash), cmocka_unit_test(test_heat),
        cmocka_unit_test(test_new_region_flashes), cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_step_by_step), cmocka_unit_test(test_moves), cmocka_unit_test(test_mouse),
        cmocka_unit_test(test_hostile_name), cmocka_unit_test(test_all_sizes),
        cmocka_unit_test(test_odd_moments), cmocka_unit_test(test_many_regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
