/* The map: moving by keys and mouse, and every size of screen. */
#include "drawn_map.h"

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
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_step_by_step),
        cmocka_unit_test(test_mouse),
        cmocka_unit_test(test_hostile_name),
        cmocka_unit_test(test_all_sizes),
        cmocka_unit_test(test_odd_moments),
        cmocka_unit_test(test_many_regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
