/* The map: exact mixes at every zoom, and what cells look like. */
#include "drawn_map.h"

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
    assert_shows(&s, "1 cell = 512G (one PGD entry)");
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
    assert_cell(map_cell_pair(file, file, 0), 0x2588, ROLE_FILE, COLOR_DEFAULT);
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

int main(void)
{
    setlocale(LC_ALL, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_zoom_is_exact),
        cmocka_unit_test(test_256_of_4096_on_screen),
        cmocka_unit_test(test_cursor_visits_all),
        cmocka_unit_test(test_pixel_rule),
        cmocka_unit_test(test_half_blocks),
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
