/* The whole user interface without a terminal, on a source that hands out records made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/record.h"
#include "ui/app.h"
#include "ui/ui.h"

enum { PID = 4711, QUEUE_MAX = 64, REGIONS = 6 };

struct fake {
    struct record *queue[QUEUE_MAX];
    size_t head, tail;
    uint64_t samples;
    uint64_t asked;      /* the page that was asked last */
    pid_t attached;
    unsigned followed;
    bool refuse;         /* attach and follow fail */
    bool exec;           /* the second sample is of another program in the same process */
};

static const struct {
    uint64_t start, end;
    uint8_t perms, kind;
    const char *name;
} layout[REGIONS] = {
    {0x400000, 0x410000, REGION_R | REGION_X, REGION_FILE, "/usr/bin/redis-server"},
    {0x7f0000000000, 0x7f0000400000, REGION_R | REGION_W, REGION_ANON, ""},
    {0x7f0000800000, 0x7f0000810000, REGION_R | REGION_W | REGION_X, REGION_ANON, "[anon:jit]"},
    {0x7f0001000000, 0x7f0001200000, REGION_R, REGION_FILE, "/lib/evil\033[31m\nname.so"},
    {0x7f0002000000, 0x7f0002010000, REGION_R | REGION_W | REGION_SHARED, REGION_SHMEM,
     "/memfd:x (deleted)"},
    {0x7ffc00000000, 0x7ffc00020000, REGION_R | REGION_W, REGION_STACK, "[stack]"},
};

static void push(struct fake *f, struct record *r)
{
    assert_true(f->tail < QUEUE_MAX);
    f->queue[f->tail++] = r;
}

static struct record *make_target(void)
{
    struct record *r = record_create(RECORD_TARGET, PID, 1);
    r->target = calloc(1, sizeof *r->target);
    *r->target = (struct target_info){
        .pid = PID,
        .start_ticks = 99,
        .comm = "redis\tserver",
        .geometry = {12, 4, 21, {"PGD", "PUD", "PMD", "PTE"}},
        .scan = {.yes = true},
        .pagemap = {.yes = true},
        .pfn = {.why = "needs CAP_SYS_ADMIN"},
        .kpageflags = {.why = "needs root"},
        .kpagecount = {.why = "needs root"},
        .faults = "poll",
    };
    return r;
}

/* All regions but the first `without`. */
static struct record *make_regions(size_t without)
{
    struct record *r = record_create(RECORD_REGIONS, PID, 1);
    r->regions = region_table_create();
    r->regions->v = calloc(REGIONS, sizeof *r->regions->v);
    r->regions->count = REGIONS - without;
    for (size_t i = without; i < REGIONS; i++)
        r->regions->v[i - without] = (struct region){.start = layout[i].start,
                                           .end = layout[i].end,
                                           .perms = layout[i].perms,
                                           .kind = layout[i].kind,
                                           .name = layout[i].name};
    return r;
}

/* `present` pages of a region, all in one state. */
static struct record *make_pages(size_t region, uint64_t present, enum page_state state)
{
    struct record *r = record_create(RECORD_PAGES, PID, 1);
    r->pages.start = layout[region].start >> 12;
    r->pages.n = (layout[region].end - layout[region].start) >> 12;
    r->pages.runs = calloc(1, sizeof *r->pages.runs);
    r->pages.count = 1;
    r->pages.runs[0] = (struct page_run){
        r->pages.start,
        present,
        {PAGE_FRAME_UNKNOWN, 1, PAGE_A_ENTRY | (state == PAGE_ANON ? PAGE_A_EXCLUSIVE : 0),
         (uint8_t)state, PAGE_ORDER_UNKNOWN}};
    return r;
}

static struct record *take(void *ctx)
{
    struct fake *f = ctx;
    return f->head < f->tail ? f->queue[f->head++] : NULL;
}

static void step(void *ctx)
{
    struct fake *f = ctx;
    if (!f->samples) {
        push(f, make_target());
        push(f, make_regions(0));
    } else if (f->exec) {
        push(f, make_target());
        push(f, make_regions(1));
    }
    push(f, make_pages(0, 3, PAGE_FILE));
    push(f, make_pages(1, 16 + f->samples, PAGE_ANON));
    push(f, make_pages(5, 2, PAGE_ANON));
    struct record *r = record_create(RECORD_SAMPLE, PID, 2);
    r->sample.info = (struct sample_info){.number = ++f->samples, .complete = true};
    push(f, r);
}

static void ask_page(void *ctx, uint64_t address)
{
    struct fake *f = ctx;
    f->asked = address;
    struct record *r = record_create(RECORD_DETAIL, PID, 3);
    r->detail = calloc(1, sizeof *r->detail);
    *r->detail = (struct page_detail){
        .address = address,
        .entry = UINT64_C(1) << 63 | UINT64_C(1) << 56,
        .has_entry = true,
        .flags_why = "needs root",
        .count_why = "needs root",
        .page = {PAGE_FRAME_UNKNOWN, 1, PAGE_A_ENTRY | PAGE_A_EXCLUSIVE, PAGE_ANON,
                 PAGE_ORDER_UNKNOWN},
        .object_why = "no file is mapped here",
    };
    push(f, r);
}

static int list(void *ctx, struct process_list *out, struct err *e)
{
    (void)ctx;
    (void)e;
    out->v = calloc(3, sizeof *out->v);
    out->count = 3;
    out->v[0] = (struct process_entry){100, "root", "postgres: \033]0;owned\a", 9 << 20};
    out->v[1] = (struct process_entry){PID, "redis", "redis-server *:6379", 4 << 20};
    out->v[2] = (struct process_entry){200, "root", "quiet", 1 << 20};
    return 0;
}

static int attach(void *ctx, pid_t pid, struct err *e)
{
    struct fake *f = ctx;
    if (f->refuse)
        return err_set(e, -1, "process %d belongs to root: use sudo", (int)pid);
    f->attached = pid;
    return 0;
}

/* Follows at once, as the engine bpf. */
static int follow(void *ctx, struct err *e)
{
    struct fake *f = ctx;
    if (f->refuse)
        return err_set(e, -1, "no engine works here");
    f->followed++;
    struct record *r = record_create(RECORD_ENGINE, PID, 3);
    r->engine = calloc(1, sizeof *r->engine);
    strcpy(r->engine->name, "bpf");
    push(f, r);
    return 0;
}

static struct ui_source make_source(struct fake *f)
{
    return (struct ui_source){.ctx = f, .fd = -1, .take = take, .step = step, .follow = follow,
                              .ask_page = ask_page, .list = list, .attach = attach};
}

static char *frame_of(struct fake *f, const struct ui_options *o, unsigned cols, unsigned rows,
                      const char *keys)
{
    struct ui_source s = make_source(f);
    struct buf out = {0};
    struct err e = {0};
    int rc = ui_headless(o, &s, cols, rows, keys, &out, &e);
    if (rc)
        fail_msg("%s", e.text);
    while (f->head < f->tail)
        record_destroy(f->queue[f->head++]);
    assert_null(memchr(out.data, '\033', out.len));
    return out.data;
}

static char *frame(unsigned cols, unsigned rows, const char *keys)
{
    static const struct ui_options o = {0};
    struct fake f = {.head = 0};
    return frame_of(&f, &o, cols, rows, keys);
}

#define assert_shows(text, what)                                                                   \
    do {                                                                                           \
        if (!strstr(text, what))                                                                   \
            fail_msg("\"%s\" is not in:\n%s", what, text);                                         \
    } while (0)
#define assert_hides(text, what)                                                                   \
    do {                                                                                           \
        if (strstr(text, what))                                                                    \
            fail_msg("\"%s\" is in:\n%s", what, text);                                             \
    } while (0)

static void check(unsigned cols, unsigned rows, const char *keys, const char *shown)
{
    char *text = frame(cols, rows, keys);
    assert_shows(text, shown);
    free(text);
}

static void test_header(void **state)
{
    (void)state;
    char *text = frame(160, 30, "");
    assert_shows(text, "redis\\x09server 4711");
    assert_shows(text, "rss 84K");
    assert_shows(text, "anon 72K");
    assert_shows(text, "file 12K");
    assert_shows(text, "[live]");
    assert_hides(text, "cpu");
    free(text);
    check(20, 5, "", "[live]");
    check(20, 5, "", "4711");
    check(80, 24, " ", "[frozen]");
}

static void test_too_small(void **state)
{
    (void)state;
    char *text = frame(19, 5, "2");
    assert_string_equal(text, "needs 20x5\n\n\n\n\n");
    free(text);
    text = frame(3, 1, "2jjj");
    assert_string_equal(text, "nee\n");
    free(text);
}

static void test_every_size(void **state)
{
    (void)state;
    for (unsigned cols = 1; cols < 130; cols += 3)
        for (unsigned rows = 1; rows < 40; rows += 4)
            free(frame(cols, rows, "j1jl+2jG<PgDn>3l4x<Esc>5<PgDn>?"));
}

static void test_regions(void **state)
{
    (void)state;
    char *text = frame(100, 24, "2");
    assert_shows(text, "7f0000000000-7f0000400000");
    assert_shows(text, "4.0M");
    assert_shows(text, "6 mappings");
    assert_shows(text, "[stack]");
    assert_shows(text, " !7f0000800000-7f0000810000");
    free(text);
    check(140, 24, "2", "evil\\x1b[31m\\x0aname.so");
    text = frame(100, 24, "2fJIT<Enter>");
    assert_shows(text, "1 of 6");
    assert_hides(text, "[stack]");
    free(text);
    check(100, 24, "2fzzz", "no mapping matches \"zzz\"");
    check(100, 24, "2fzzz<Esc>", "6 mappings");
    check(100, 24, "2fjit<Enter><Esc>", "6 mappings");
    check(100, 24, "2frwxp<Enter>", "1 of 6");
    check(20, 5, "2G", ">");
}

/* The first region of the table, in the order shown. */
static void first_row(const char *keys, const char *begins)
{
    char *text = frame(100, 24, keys), *line = text;
    for (int i = 0; i < 2; i++)
        line = strchr(line, '\n') + 1;
    if (strncmp(line + 2, begins, strlen(begins)) != 0)
        fail_msg("not first: %s in\n%s", begins, text);
    free(text);
}

static void test_sort(void **state)
{
    (void)state;
    first_row("2", "400000-");
    first_row("2S", "7ffc00000000-");
    first_row("2s", "7f0000000000-");
    first_row("2sss", "7f0000000000-");
    first_row("2ssss", "400000-");
}

static void test_search(void **state)
{
    (void)state;
    check(100, 24, "2/stack<Enter>", "> 7ffc00000000");
    check(100, 24, "2/0x7f0001100000<Enter>", "> 7f0001000000");
    check(100, 24, "2s/anon<Enter>s", "> 7f0000000000");
    check(100, 24, "2/rw?p<Enter><C-n>", ">!7f0000800000");
    check(100, 24, "2/r[wx]<Esc>", "> 400000");
    check(100, 24, "2/nothing<Enter>", "no match for \"nothing\"");
    check(100, 24, "2/<Enter>", "nothing was searched yet");
    check(100, 24, "2/jiX<BS>t<Enter>", ">!7f0000800000");
    check(100, 24, "2nn", ">!7f0000800000");
    check(100, 24, "2nnN", "> 7f0000000000");
    check(100, 24, "2N", "> 400000");
}

static void test_freeze(void **state)
{
    (void)state;
    check(160, 24, "2<Wait><Wait>", "rss 92K");
    check(160, 24, "2 <Wait><Wait>", "rss 84K");
    check(160, 24, "2 <Wait><Wait> ", "rss 92K");
}

static void test_page(void **state)
{
    (void)state;
    char *text = frame(100, 30, "n3");
    assert_shows(text, "7f0000000000");
    assert_shows(text, "PGD 254 > PUD 0 > PMD 0 > PTE 0");
    assert_shows(text, "PRESENT EXCLUSIVE");
    assert_shows(text, "only this mapping uses");
    assert_shows(text, "? needs CAP_SYS_ADMIN");
    assert_shows(text, "? needs root");
    assert_shows(text, "page 1 of 1024");
    free(text);
    check(100, 30, "n3l", "page 2 of 1024");
    check(100, 30, "n3<PgDn>", "page 513 of 1024");
    check(100, 30, "n3<PgDn><PgDn>", "page 1024 of 1024");
    check(100, 30, "n3<PgDn><PgDn>l", "7f0000800000");
    check(100, 30, "n3h", "page 16 of 16");
}

/* What was selected is gone with the program; something that is there gets selected. */
static void test_exec(void **state)
{
    (void)state;
    const struct ui_options o = {0};
    struct fake f = {.exec = true};
    char *text = frame_of(&f, &o, 100, 24, "2g<Wait>");
    assert_shows(text, "5 mappings");
    assert_shows(text, "> 7f0000000000");
    free(text);
    f = (struct fake){.exec = true};
    text = frame_of(&f, &o, 100, 30, "3<Wait>");
    assert_shows(text, "page 1 of 1024");
    free(text);
    f = (struct fake){.exec = true};
    text = frame_of(&f, &o, 100, 30, "3 <Wait>");
    assert_shows(text, "page 1 of 16");
    free(text);
    f = (struct fake){.exec = true};
    text = frame_of(&f, &o, 100, 30, "3 <Wait> ");
    assert_shows(text, "page 1 of 1024");
    free(text);
}

static void test_picker(void **state)
{
    (void)state;
    struct fake f = {.refuse = true};
    const struct ui_options o = {.pick = true};
    char *text = frame_of(&f, &o, 80, 24, "");
    assert_shows(text, "redis-server");
    assert_shows(text, "postgres: \\x1b]0;owned\\x07");
    free(text);
    f = (struct fake){.refuse = true};
    text = frame_of(&f, &o, 80, 24, "red<Enter>");
    assert_hides(text, "postgres");
    assert_shows(text, "belongs to root: use sudo");
    free(text);
    f = (struct fake){.refuse = false};
    text = frame_of(&f, &o, 80, 24, "quie<Enter>2");
    assert_int_equal(f.attached, 200);
    assert_shows(text, "6 mappings");
    free(text);
}

/* Faults are followed once, when somebody asks; until then their rate is not known. */
static void test_follow(void **state)
{
    (void)state;
    const struct ui_options o = {0};
    struct fake f = {.refuse = false};
    char *text = frame_of(&f, &o, 80, 24, "4<Wait><Wait>");
    assert_shows(text, "faults ?");
    assert_shows(text, "press E");
    free(text);
    f = (struct fake){.refuse = false};
    text = frame_of(&f, &o, 80, 24, "4E<Wait><Wait>");
    assert_int_equal(f.followed, 1);
    assert_shows(text, "no fault and no call yet");
    free(text);
    f = (struct fake){.refuse = false};
    text = frame_of(&f, &o, 80, 24, "E<Wait>E");
    assert_int_equal(f.followed, 1);
    assert_shows(text, "followed already, by bpf");
    free(text);
    f = (struct fake){.refuse = true};
    text = frame_of(&f, &o, 80, 24, "4E");
    assert_shows(text, "no engine works here");
    free(text);
}

/* Wide screens have the views in their first line: a click on one shows it. */
static void test_tabs(void **state)
{
    const struct ui_options o = {0};
    struct fake f = {.head = 0};
    struct ui_source source = make_source(&f);
    struct grid g;
    struct err e;
    struct app *a = calloc(1, sizeof *a);
    (void)state;
    assert_non_null(a);
    assert_int_equal(app_init(a, &o, &source, (struct look){.colors = 256}, &e), 0);
    assert_int_equal(grid_init(&g, 250, 30), 0);
    step(&f);
    app_fold(a, 0);
    app_draw(a, &g);
    struct buf line = {0};
    assert_int_equal(grid_text(&g, &line), 0);
    const char *tab = strstr(line.data, "2 regions");
    assert_non_null(tab);
    struct mouse click = {.col = (unsigned)(tab - line.data), .row = 0, .what = MOUSE_CLICK};
    click.col--;
    assert_false(app_mouse(a, &click, 250, 30));
    click.col++;
    assert_true(app_mouse(a, &click, 250, 30));
    assert_int_equal(a->view, APP_REGIONS);
    click.col += (unsigned)strlen("2 regions  3 pag");
    assert_true(app_mouse(a, &click, 250, 30));
    assert_int_equal(a->view, APP_PAGE);
    grid_deinit(&g);
    assert_int_equal(grid_init(&g, 100, 30), 0);
    app_draw(a, &g);
    assert_false(app_mouse(a, &click, 100, 30));
    buf_deinit(&line);
    grid_deinit(&g);
    while (f.head < f.tail)
        record_destroy(f.queue[f.head++]);
    app_deinit(a);
    free(a);
}

static void test_help(void **state)
{
    (void)state;
    char *text = frame(100, 400, "?");
    assert_shows(text, "sort: by the next column");
    assert_shows(text, "next mapping");
    assert_shows(text, "merged by KSM");
    assert_shows(text, "grows down, as a stack does");
    free(text);
    text = frame(100, 20, "2?q");
    assert_shows(text, "6 mappings");
    free(text);
}

static void test_ended(void **state)
{
    (void)state;
    struct fake f = {.head = 0};
    const struct ui_options o = {0};
    step(&f);
    struct record *r = record_create(RECORD_GONE, PID, 3);
    snprintf(r->gone.text, sizeof r->gone.text, "it exited");
    push(&f, r);
    char *text = frame_of(&f, &o, 80, 24, "2");
    assert_shows(text, "[ended: it exited]");
    assert_shows(text, "[stack]");
    free(text);
}

static void test_ascii(void **state)
{
    (void)state;
    const struct ui_options o = {.ascii = true};
    for (const char *view = "12345"; *view; view++) {
        struct fake f = {.head = 0};
        char keys[2] = {*view, '\0'};
        char *text = frame_of(&f, &o, 100, 30, keys);
        for (const char *p = text; *p; p++)
            assert_true((unsigned char)*p < 0x80);
        free(text);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    const struct ui_options o = {0};
    struct fake f = {.head = 0};
    struct ui_source s = make_source(&f);
    struct buf out = {0};
    struct err e = {0};
    assert_true(ui_headless(&o, &s, 80, 24, "j<Nope>", &out, &e) < 0);
    assert_non_null(strstr(e.text, "<Nope>"));
    assert_true(ui_headless(&o, &s, 0, 24, "", &out, &e) < 0);
    assert_true(ui_headless(&o, &s, 80, 100000, "", &out, &e) < 0);
    assert_int_equal(f.samples, 0);
    buf_deinit(&out);
}

int main(int argc, char **argv)
{
    if (argc == 4) { /* a frame to look at: COLS ROWS KEYS */
        char *text = frame((unsigned)atoi(argv[1]), (unsigned)atoi(argv[2]), argv[3]);
        fputs(text, stdout);
        free(text);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),     cmocka_unit_test(test_too_small),
        cmocka_unit_test(test_every_size), cmocka_unit_test(test_regions),
        cmocka_unit_test(test_sort),       cmocka_unit_test(test_search),
        cmocka_unit_test(test_freeze),     cmocka_unit_test(test_page),
        cmocka_unit_test(test_exec),       cmocka_unit_test(test_picker),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_tabs), cmocka_unit_test(test_help),
        cmocka_unit_test(test_ended),      cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
