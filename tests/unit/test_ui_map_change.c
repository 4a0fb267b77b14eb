/* The map: what has changed flashes, and so do faults; heat. */
#include "drawn_map.h"

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
    s->ui.marks = log->marks_n;
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

/* What was only counted is as hot as what was told one by one. */
static void test_heat_of_counts(void **state)
{
    (void)state;
    struct screen s;
    struct fault_log log;
    struct fault_entry e = {.event = {.t_ns = 100 * sec, .pid = 42, .type = EVENT_HEAT,
                                      .heat = {.address = HEAP + PAGE, .pages = 3, .count = 8}}};
    assert_int_equal(fault_log_init(&log), 0);
    screen_open(&s, 80, 40, coarse);
    zoom_to_pages(&s);
    press(&s, 'H');
    fault_log_count(&log, &e, 12);
    e.event.heat.address = HEAP + 5 * PAGE;
    e.event.heat.pages = 1;
    e.event.heat.count = 1000000;
    fault_log_count(&log, &e, 12);
    show_log(&s, &log, 101 * sec);
    expect_heat(&s, 0, 3, 0, 1);
    show_log(&s, &log, 110 * sec + 1);
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

int main(void)
{
    setlocale(LC_ALL, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flash),
        cmocka_unit_test(test_faults_flash),
        cmocka_unit_test(test_heat),
        cmocka_unit_test(test_heat_of_counts),
        cmocka_unit_test(test_better_known_is_no_change),
        cmocka_unit_test(test_new_region_flashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
