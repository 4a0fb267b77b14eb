/* The player without a terminal, on a source that hands out steps made here. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "ui/player.h"

enum { PID = 77, BASE = 0x100000, PAGES = 8 };

static struct player_line lines[] = {
    {"title \"T\"", PLAYER_OTHER},      {"map a 32K rw private anon", PLAYER_ACTION},
    {"write a[2:4]", PLAYER_TOUCH},     {"expect faults 2", PLAYER_EXPECT},
    {"note \"N\"", PLAYER_NOTE},        {"read a[0]", PLAYER_TOUCH},
    {"expect faults 9", PLAYER_EXPECT}, {"protect a r", PLAYER_ACTION},
};
/* Lines of the steps. */
static const unsigned order[] = {2, 3, 5, 6, 8};
enum { STEPS = sizeof order / sizeof *order };

struct fake {
    struct player_script script;
    size_t next;
    enum player_job job;
    unsigned restarts, steps;
    int fd;
    size_t fail_at;     /* this step cannot be done; 0: all can */
    bool refuse;        /* restart fails */
    bool bad_edit;      /* reload finds a mistake */
    uint8_t agreement;
    const char *opened;
};

/* --- steps --- */

static struct moment make_moment(bool written)
{
    struct moment m = {.target = {.pid = PID, .geometry = {12, 4, 21, {"PGD", "PUD", "PMD", "PTE"}}}};
    m.regions = region_table_create();
    m.regions->v = calloc(1, sizeof *m.regions->v);
    m.regions->count = 1;
    m.regions->v[0] = (struct region){.start = BASE, .end = BASE + PAGES * 4096, .name = "",
                                      .perms = REGION_R | REGION_W};
    m.tree = pagetree_create(4);
    struct page_run run = {(BASE >> 12) + 2, 2, {.state = PAGE_ANON}};
    struct pagetree *tree;
    assert_int_equal(pagetree_replace(m.tree, BASE >> 12, PAGES, &run, written, &tree), 0);
    pagetree_unref(m.tree);
    m.tree = tree;
    return m;
}

static void add_process(struct player_step *s, bool written)
{
    s->processes = calloc(2, sizeof *s->processes);
    s->process_count = 2;
    s->processes[0] = (struct player_process){.name = "main", .seen = true,
                                              .moment = make_moment(written), .count = 1};
    s->processes[0].mappings = calloc(1, sizeof *s->processes[0].mappings);
    s->processes[0].mappings[0] = (struct player_mapping){"a", BASE, PAGES * 4096, 4096};
    s->processes[1] = (struct player_process){.name = "child", .ended = true};
}

static void add_faults(struct player_step *s, const struct fake *f)
{
    s->faults = calloc(2, sizeof *s->faults);
    s->fault_count = 2;
    for (size_t i = 0; i < 2; i++) {
        struct fault_entry *e = &s->faults[i].entry;
        e->event = (struct event){.pid = PID, .type = EVENT_FAULT};
        e->event.fault.address = BASE + (2 + i) * 4096;
        e->event.fault.access = ACCESS_WRITE;
        e->verdict = (struct path_verdict){.path = PATH_ANONYMOUS, .sure = true, .steps = 1,
                                           .step = {{"Is it new?", "yes"}}};
        e->observed = (struct observation){.seen = {1u << PATH_SWAP}, .count = 1,
                                           .agreement = f->agreement, .stack = 1};
        s->faults[i].stack = strdup("exc_page_fault;handle_mm_fault;do_swap_page");
        snprintf(s->faults[i].place, sizeof s->faults[i].place, "a[%zu]", 2 + i);
    }
}

static void add_check(struct player_step *s, unsigned line, uint8_t verdict)
{
    s->checks = calloc(1, sizeof *s->checks);
    s->check_count = 1;
    s->checks[0] = (struct player_check){line, verdict, "this", "that"};
    s->last_line = line;
}

static void make_step(const struct fake *f, unsigned line, struct player_step *s)
{
    *s = (struct player_step){.line = line, .last_line = line, .followed = true, .ran = line != 5,
                              .counted = line != 8, .ok = line != 8, .failed = line == 8,
                              .note = line == 5 ? "N" : NULL};
    snprintf(s->code, sizeof s->code, "%s", line == 8 ? "EACCES" : "ok");
    snprintf(s->result, sizeof s->result, "%s", line == 8 ? "EACCES (Denied)" : "ok");
    s->minor = line == 3 ? 2 : 0;
    add_process(s, line >= 3);
    if (line == 3) {
        add_faults(s, f);
        add_check(s, 4, PLAYER_HELD);
    }
    if (line == 6)
        add_check(s, 7, PLAYER_FAILED);
}

/* --- the source --- */

static const struct player_script *fake_script(void *ctx)
{
    struct fake *f = ctx;
    return f->script.lines ? &f->script : NULL;
}

static unsigned fake_next(void *ctx)
{
    struct fake *f = ctx;
    return f->next < STEPS ? order[f->next] : 0;
}

static void fake_begin(void *ctx, enum player_job job)
{
    struct fake *f = ctx;
    assert_int_equal(f->job, PLAYER_NO_JOB);
    f->job = job;
    eventfd_write(f->fd, 1);
}

static int fake_fd(void *ctx)
{
    return ((struct fake *)ctx)->fd;
}

static bool fake_take(void *ctx, struct player_step *out, int *rc, struct err *e)
{
    struct fake *f = ctx;
    eventfd_t n;
    assert_int_not_equal(f->job, PLAYER_NO_JOB);
    eventfd_read(f->fd, &n);
    *out = (struct player_step){0};
    *rc = 0;
    if (f->job == PLAYER_RESTART) {
        f->restarts++;
        f->next = 0;
        if (f->refuse)
            *rc = err_set(e, -ENOTSUP, "cannot run here");
    } else {
        f->steps++;
        make_step(f, order[f->next], out);
        if (f->fail_at && f->next + 1 == f->fail_at)
            *rc = err_set(e, -EIO, "the stage is gone");
        else
            f->next++;
    }
    f->job = PLAYER_NO_JOB;
    return true;
}

static int fake_reload(void *ctx, struct buf *message)
{
    struct fake *f = ctx;
    if (!f->bad_edit)
        return 0;
    buf_puts(message, "t.vms:3:4: a mistake\n    wrte a\n    ^^^^");
    return -EINVAL;
}

static int fake_edit(void *ctx, unsigned line, struct err *e)
{
    (void)ctx;
    (void)line;
    (void)e;
    return 0;
}

static int fake_list(void *ctx, struct player_list *out, struct err *e)
{
    (void)ctx;
    (void)e;
    out->v = calloc(2, sizeof *out->v);
    out->count = 2;
    out->v[0] = (struct player_choice){strdup("/x/one.vms"), strdup("one"), strdup("The first")};
    out->v[1] = (struct player_choice){strdup("/x/two.vms"), strdup("two"), strdup("The second")};
    return 0;
}

static int fake_open(void *ctx, const char *path, struct buf *message)
{
    struct fake *f = ctx;
    (void)message;
    f->opened = strstr(path, "two") ? "two" : "one";
    f->script.lines = lines;
    return 0;
}

static void fake_init(struct fake *f)
{
    *f = (struct fake){.script = {"t.vms", "T", "About", lines, sizeof lines / sizeof *lines, STEPS},
                       .fd = eventfd(0, EFD_CLOEXEC), .agreement = AGREES};
}

static char *frame_of(struct fake *f, const char *keys, unsigned cols, unsigned rows)
{
    struct player_source source = {f, fake_script, fake_next, fake_begin, fake_fd, fake_take,
                                   fake_reload, fake_edit, fake_list, fake_open};
    struct ui_options options = {0};
    struct buf out = {0};
    struct err e;
    if (player_headless(&options, &source, cols, rows, keys, &out, &e))
        fail_msg("%s", e.text);
    close(f->fd);
    return out.data;
}

static char *play(const char *keys)
{
    struct fake f;
    fake_init(&f);
    return frame_of(&f, keys, 110, 30);
}

#define HAS(frame, text) \
    do { \
        if (!strstr(frame, text)) \
            fail_msg("no \"%s\" in:\n%s", text, frame); \
    } while (0)
#define HAS_NOT(frame, text) \
    do { \
        if (strstr(frame, text)) \
            fail_msg("\"%s\" in:\n%s", text, frame); \
    } while (0)

static void check(const char *keys, const char *text)
{
    char *frame = play(keys);
    HAS(frame, text);
    free(frame);
}

static void same(const char *keys, const char *other)
{
    char *a = play(keys), *b = play(other);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

/* --- tests --- */

static void test_picture(void **state)
{
    (void)state;
    char *frame = play("n");
    HAS(frame, "········");
    HAS(frame, "has ended");
    HAS(frame, ">  2 map a");
    free(frame);
    frame = play("nn");
    HAS(frame, "··██····");
    HAS(frame, "  ^^");
    HAS(frame, "2 anon exclusive");
    HAS(frame, "2 x w a[2] ...");
    HAS(frame, "predicted do_anonymous_page");
    HAS(frame, "Is it new? yes");
    HAS(frame, "do_swap_page");
    free(frame);
    frame = play("nnn");
    HAS_NOT(frame, "^^");
    free(frame);
    frame = play("nnnnn");
    HAS(frame, "EACCES (Denied); faults not known");
    HAS_NOT(frame, "minor");
    free(frame);
}

static void test_disagreement_is_shown(void **state)
{
    (void)state;
    struct fake f;
    fake_init(&f);
    f.agreement = DISAGREES;
    char *frame = frame_of(&f, "nn", 110, 30);
    HAS(frame, "observed  do_swap_page  (disagrees)");
    free(frame);
}

static void test_back_is_no_run(void **state)
{
    (void)state;
    struct fake f;
    fake_init(&f);
    char *frame = frame_of(&f, "nnnbbbbbnnn", 110, 30);
    assert_int_equal(f.steps, 3);
    assert_int_equal(f.restarts, 1);
    HAS(frame, "[now]");
    free(frame);
    check("nnnb", "[past: step 3 is now]");
    check("nnnbb", "step 1 of 5");
    check("nnnbbb", "step 0 of 5");
    same("nnnbb<End>", "nnn");
    same("nnn<Home>n", "nnnbb");
}

/* Verdicts of steps that are not shown are not shown either. */
static void test_verdicts_of_the_past(void **state)
{
    (void)state;
    char *frame = play("nnnn");
    HAS(frame, "FAIL");
    HAS(frame, "line 7: expected this; found that");
    HAS(frame, "1 held, some FAILED");
    free(frame);
    frame = play("nnnnb");
    HAS_NOT(frame, "FAIL");
    HAS(frame, "1 held");
    free(frame);
}

static void test_restart_forgets(void **state)
{
    (void)state;
    struct fake f;
    fake_init(&f);
    char *frame = frame_of(&f, "nnnr", 110, 30);
    assert_int_equal(f.restarts, 2);
    HAS(frame, "step 0 of 5");
    HAS(frame, "[now]");
    free(frame);
}

static void test_go_to(void **state)
{
    (void)state;
    check("g6<Enter>", "step 3 of 5");
    check("g7<Enter>", "step 4 of 5");
    check("g99<Enter>", "step 5 of 5");
    check("g6<Esc>", "step 0 of 5");
    check("nng1<Enter>", "step 2 of 5");
}

static void test_end(void **state)
{
    (void)state;
    check("nnnnn", "[end]");
    check("nnnnnn", "the end; r plays it again");
    check("nnnnn", "Nothing expects");
}

static void test_run_that_breaks(void **state)
{
    (void)state;
    struct fake f;
    fake_init(&f);
    f.fail_at = 3;
    char *frame = frame_of(&f, "nnnnnn", 110, 30);
    HAS(frame, "the stage is gone");
    HAS(frame, "[stopped]");
    HAS(frame, "step 2 of 5");
    assert_int_equal(f.steps, 3);
    free(frame);
    fake_init(&f);
    f.refuse = true;
    frame = frame_of(&f, "nn", 110, 30);
    HAS(frame, "cannot run here");
    HAS(frame, "[stopped]");
    assert_int_equal(f.steps, 0);
    free(frame);
}

static void test_auto(void **state)
{
    (void)state;
    check("a<Wait><Wait>", "step 2 of 5");
    check("a<Wait>a<Wait>", "step 1 of 5");
    /* A failure stops it. */
    check("a<Wait><Wait><Wait><Wait><Wait><Wait><Wait>", "[end]");
}

static void test_quiz(void **state)
{
    (void)state;
    check("zna", "quiz 1 of 1");
    check("zna", "you said ok: right");
    check("znb", "you said EINVAL: it was ok");
    check("znb", "quiz 0 of 1");
    check("znk", "you said another end: it was ok");
    check("znan", "How many page faults");
    check("zn", "a letter: the answer   Esc: no answer");
    check("znan", "a number and Enter: the answer   Esc: no answer");
    check("znan2<Enter>", "Which way will the first fault go?");
    check("znan2<Enter>a", "you said do_anonymous_page: right");
    check("znan2<Enter>b", "it was do_anonymous_page");
    check("znan2<Enter>a", "quiz 3 of 3");
    check("znan0<Enter>", "you said 0 faults: it was 2");
    check("znan0<Enter>", "quiz 1 of 2");
    check("znan<Enter>", "How many page faults");
    /* No answer is no mark; a note asks nothing. */
    check("zn<Esc>n<Esc><Esc>n", "quiz 0 of 0");
    check("zn<Esc>n<Esc><Esc>n", "step 3 of 5");
    /* The step that fails: its error is asked for. */
    check("nnnnznc", "you said EACCES: right");
}

static void test_reload(void **state)
{
    (void)state;
    struct fake f;
    fake_init(&f);
    char *frame = frame_of(&f, "nnR", 110, 30);
    HAS(frame, "step 0 of 5");
    free(frame);
    fake_init(&f);
    f.bad_edit = true;
    frame = frame_of(&f, "nne", 110, 30);
    HAS(frame, "t.vms:3:4: a mistake");
    HAS(frame, "    ^^^^");
    HAS(frame, "step 2 of 5");
    assert_int_equal(f.restarts, 1);
    free(frame);
}

static void test_choosing(void **state)
{
    (void)state;
    struct fake f;
    fake_init(&f);
    f.script.lines = NULL;
    char *frame = frame_of(&f, "", 80, 24);
    HAS(frame, "> one");
    HAS(frame, "The second");
    free(frame);
    fake_init(&f);
    f.script.lines = NULL;
    frame = frame_of(&f, "jj<Enter>n", 80, 24);
    assert_string_equal(f.opened, "two");
    HAS(frame, "step 1 of 5");
    free(frame);
    check("nl", "The second");
}

static void test_every_size(void **state)
{
    (void)state;
    static const unsigned sizes[][2] = {{1, 1}, {20, 5}, {21, 6}, {69, 9}, {70, 9}, {80, 24}, {300, 90}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct fake f;
        fake_init(&f);
        free(frame_of(&f, "nnnzn", sizes[i][0], sizes[i][1]));
        fake_init(&f);
        free(frame_of(&f, "nn?", sizes[i][0], sizes[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_disagreement_is_shown),
        cmocka_unit_test(test_back_is_no_run),
        cmocka_unit_test(test_verdicts_of_the_past),
        cmocka_unit_test(test_restart_forgets),
        cmocka_unit_test(test_go_to),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_run_that_breaks),
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_quiz),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_choosing),
        cmocka_unit_test(test_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
