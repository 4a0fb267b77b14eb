/* The table of regions: a click on a title sorts by its column, another one turns the order
 * round. */
#include "drawn_map.h"

static unsigned column_of(const struct screen *s, const char *title)
{
    for (unsigned col = 0; col + strlen(title) < s->grid.cols; col++) {
        unsigned same = 0;
        while (title[same] && s->grid.cells[col + same].ch == (unsigned char)title[same])
            same++;
        if (!title[same])
            return col;
    }
    fail_msg("no title %s", title);
    return 0;
}

static void draw_regions(struct screen *s, void *view)
{
    grid_clear(&s->grid);
    view_regions.draw(view, &s->ui, grid_area(&s->grid));
}

static void click_title(struct screen *s, void *view, const char *title)
{
    struct mouse click = {.col = column_of(s, title), .row = 0, .what = MOUSE_CLICK};
    assert_int_equal(view_regions.mouse(view, &s->ui, &click), UI_REDRAW);
    draw_regions(s, view);
}

static void titles_sort(void **state)
{
    struct screen s;
    void *view = view_create(&view_regions);
    (void)state;
    assert_non_null(view);
    screen_open(&s, 100, 30, full);
    s.ui.cursor = STACK;
    draw_regions(&s, view);
    click_title(&s, view, "SIZE");
    assert_int_equal(s.ui.cursor, HEAP);
    click_title(&s, view, "SIZE");
    assert_int_equal(s.ui.cursor, program[PROGRAM_N - 1].start);
    click_title(&s, view, "FILE");
    assert_int_equal(s.ui.cursor, LIBC);
    click_title(&s, view, "RANGE");
    assert_int_equal(s.ui.cursor, program[0].start);
    struct mouse beyond = {.col = 1, .row = 20, .what = MOUSE_CLICK};
    assert_int_equal(view_regions.mouse(view, &s.ui, &beyond), UI_HANDLED);
    view_destroy(&view_regions, view);
    screen_close(&s);
}

int main(void)
{
    setlocale(LC_ALL, "C.UTF-8");
    const struct CMUnitTest tests[] = {cmocka_unit_test(titles_sort)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
