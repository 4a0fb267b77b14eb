/* The player: what has been played, where the viewer is in it, and what each key means. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ui/keys.h"
#include "ui/loop.h"
#include "ui/player_parts.h"

enum action {
    DO_FORWARD = LIST_ACTION_N, DO_BACK, DO_BEGINNING, DO_NOW, DO_RESTART, DO_GO_TO, DO_PLAY,
    DO_FASTER, DO_SLOWER, DO_QUIZ, DO_EDIT, DO_RELOAD, DO_CHOOSE, DO_OPEN, DO_HELP, DO_MOUSE,
    DO_REPAINT, DO_QUIT
};

static const uint64_t ns_per_ms = 1000 * 1000;
enum { FLASH_MS = 900, PACE_USUAL = 3 };
const unsigned player_paces[] = {250, 500, 1000, 2000, 4000, 8000, 0};

/* The footer shows them in this order. */
static const struct binding play_bindings[] = {
    {{'?', KEY_CODE_F1}, "?", "help", true, DO_HELP},
    {{'q'}, "q", "quit", true, DO_QUIT},
    {{'n', KEY_CODE_ENTER, KEY_CODE_RIGHT, ' '}, "n", "step forward", true, DO_FORWARD},
    {{'b', KEY_CODE_LEFT, KEY_CODE_BACKSPACE}, "b", "back: the picture of the step before", true,
     DO_BACK},
    {{'a'}, "a", "auto: plays by itself, and stops again", true, DO_PLAY},
    {{'g'}, "g", "go to a line", true, DO_GO_TO},
    {{'z'}, "z", "quiz: say what will happen before it does", true, DO_QUIZ},
    {{'r'}, "r", "restart", true, DO_RESTART},
    {{'e'}, "e", "edit: your $EDITOR, then from the beginning", true, DO_EDIT},
    {{'R'}, "R", "reload the file, and begin anew", false, DO_RELOAD},
    {{'l'}, "l", "list: choose another scenario", true, DO_CHOOSE},
    {{KEY_CODE_END, 'N'}, "N End", "to the last step that was done", false, DO_NOW},
    {{KEY_CODE_HOME, '0'}, "0 Home", "to the beginning, without undoing anything", false,
     DO_BEGINNING},
    {{'+', '='}, "+", "auto: faster", false, DO_FASTER},
    {{'-'}, "-", "auto: slower", false, DO_SLOWER},
    {{KEY_CODE_UP, 'k'}, "Up k", "scroll the script up", false, LIST_UP},
    {{KEY_CODE_DOWN, 'j'}, "Down j", "scroll the script down", false, LIST_DOWN},
    {{KEY_CODE_PGUP, KEY_CTRL('b')}, "PgUp", "a screen up", false, LIST_PAGE_UP},
    {{KEY_CODE_PGDN, KEY_CTRL('f')}, "PgDn", "a screen down", false, LIST_PAGE_DOWN},
    {{'M'}, "M", "mouse on or off", false, DO_MOUSE},
    {{KEY_CTRL('l')}, "^L", "redraw", false, DO_REPAINT},
    {.label = NULL},
};

static const struct binding choice_bindings[] = {
    {{KEY_CODE_ENTER}, "Enter", "play", true, DO_OPEN},
    {{'?', KEY_CODE_F1}, "?", "help", true, DO_HELP},
    {{'q', KEY_CODE_ESC}, "q", "quit", true, DO_QUIT},
    LIST_BINDINGS(true, "up", "down", "first", "last"),
    {{KEY_CTRL('l')}, "^L", "redraw", false, DO_REPAINT},
    {.label = NULL},
};

static const struct binding help_bindings[] = {
    {{KEY_CODE_ESC, 'q', '?', KEY_CODE_F1}, "Esc q", "leave help", true, DO_HELP},
    LIST_BINDINGS(true, "up", "down", "beginning", "end"),
    {.label = NULL},
};

const struct played *player_shown(const struct player *p)
{
    return p->at ? &p->v[p->at - 1] : NULL;
}

const struct played *player_before(const struct player *p)
{
    return p->at > 1 ? &p->v[p->at - 2] : NULL;
}

void player_step_deinit(struct player_step *s)
{
    for (size_t i = 0; i < s->process_count; i++) {
        if (s->processes[i].seen)
            moment_deinit(&s->processes[i].moment);
        free(s->processes[i].mappings);
    }
    for (size_t i = 0; i < s->fault_count; i++)
        free(s->faults[i].stack);
    free(s->processes);
    free(s->faults);
    free(s->checks);
    *s = (struct player_step){0};
}

void player_list_deinit(struct player_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->v[i].path);
        free(l->v[i].name);
        free(l->v[i].title);
    }
    free(l->v);
    *l = (struct player_list){0};
}

/* --- going through the steps --- */

static void forget(struct player *p)
{
    for (size_t i = 0; i < p->count; i++)
        player_step_deinit(&p->v[i].step);
    p->count = p->at = 0;
    p->queued = 0;
    p->go_to = 0;
    p->over = p->playing = p->scrolled = false;
    p->said[0] = '\0';
    p->quiz = (struct quiz){.on = p->quiz.on};
    p->flash_end_ns = 0;
}

static void begin(struct player *p, enum player_job job)
{
    p->job = job;
    p->source->begin(p->source->ctx, job);
}

static void run_is_over(struct player *p, const struct err *e)
{
    p->over = true;
    p->playing = false;
    p->queued = 0;
    p->go_to = 0;
    snprintf(p->said, sizeof p->said, "%s", e->text);
}

static void say_end(struct player *p)
{
    p->playing = false;
    if (p->quiz.asked)
        snprintf(p->message, sizeof p->message, "the end; of the quiz %u of %u were right",
                 p->quiz.right, p->quiz.asked);
    else
        snprintf(p->message, sizeof p->message, "the end; r plays it again");
}

/* A step is done. It is shown, unless the viewer went back meanwhile. */
static void keep_step(struct player *p, const struct player_step *step)
{
    void *v = p->v;
    int rc = array_reserve(&v, &p->cap, p->count + 1, sizeof *p->v);
    p->v = v;
    if (rc) {
        struct player_step lost = *step;
        player_step_deinit(&lost);
        run_is_over(p, &(struct err){rc, "out of memory"});
        return;
    }
    struct played *last = &p->v[p->count];
    *last = (struct played){.step = *step};
    last->mark_count = quiz_mark_step(&p->quiz, &last->step, last->marks);
    bool follows = p->at == p->count;
    p->count++;
    if (!follows)
        return;
    p->at = p->count;
    p->scrolled = false;
    p->flash_end_ns = p->clock_ns ? p->clock_ns + FLASH_MS * ns_per_ms : 0;
}

static const struct player_line *next_line(const struct player *p)
{
    unsigned line = p->source->next(p->source->ctx);
    return line && line <= p->script->count ? &p->script->lines[line - 1] : NULL;
}

static void forward(struct player *p)
{
    if (p->at < p->count) {
        p->at++;
        p->scrolled = false;
        return;
    }
    if (p->job != PLAYER_NO_JOB) {
        p->queued++;
        return;
    }
    const struct player_line *next = p->over ? NULL : next_line(p);
    if (p->over)
        p->playing = false;
    else if (!next)
        say_end(p);
    else if (p->quiz.on && next->kind != PLAYER_NOTE)
        quiz_begin(&p->quiz, next);
    else
        begin(p, PLAYER_STEP);
}

/* What was asked for before this was done. */
static void go_on(struct player *p)
{
    unsigned next = p->over ? 0 : p->source->next(p->source->ctx);
    if (p->go_to && next && next < p->go_to) {
        begin(p, PLAYER_STEP);
        return;
    }
    p->go_to = 0;
    if (p->queued && p->quiz.question == QUIZ_NOTHING) {
        p->queued--;
        forward(p);
    }
}

static void back(struct player *p, size_t to)
{
    p->at = to;
    p->playing = p->scrolled = false;
    p->flash_end_ns = 0;
}

/* Up to where a line comes next, for the first time at or behind it. */
static void go_to(struct player *p, uint64_t line)
{
    p->at = p->count;
    p->go_to = line;
    go_on(p);
}

static void restart(struct player *p)
{
    forget(p);
    begin(p, PLAYER_RESTART);
}

/* `message` has lines: what fits is kept. */
static void keep_message(struct player *p, const struct buf *message)
{
    snprintf(p->said, sizeof p->said, "%s", message->data ? message->data : "out of memory");
}

static void reload(struct player *p)
{
    struct buf message = {0};
    int rc = p->source->reload(p->source->ctx, &message);
    if (!rc)
        restart(p);
    else
        keep_message(p, &message);
    p->script = p->source->script(p->source->ctx);
    buf_deinit(&message);
}

static unsigned line_to_edit(const struct player *p)
{
    const struct played *shown = player_shown(p);
    return shown ? shown->step.line : 1;
}

static void edit(struct player *p)
{
    struct err e = {0};
    if (p->source->edit(p->source->ctx, line_to_edit(p), &e))
        snprintf(p->message, sizeof p->message, "%.150s", e.text);
    else
        reload(p);
}

/* --- choosing --- */

static void choose(struct player *p)
{
    struct err e = {0};
    struct player_list list = {0};
    if (p->source->list(p->source->ctx, &list, &e)) {
        snprintf(p->message, sizeof p->message, "%.150s", e.text);
        return;
    }
    player_list_deinit(&p->choices);
    p->choices = list;
    p->choice_list = (struct list){.count = list.count};
    p->playing = false;
    p->script = NULL;
}

static void open_choice(struct player *p)
{
    struct buf message = {0};
    if (!p->choices.count)
        return;
    const char *path = p->choices.v[p->choice_list.row].path;
    if (p->source->open(p->source->ctx, path, &message)) {
        snprintf(p->message, sizeof p->message, "%.*s",
                 message.data ? (int)strcspn(message.data, "\n") : 0,
                 message.data ? message.data : "");
    } else {
        p->script = p->source->script(p->source->ctx);
        restart(p);
    }
    buf_deinit(&message);
}

/* --- keys --- */

static void play(struct player *p)
{
    p->playing = !p->playing;
    p->due_ns = p->clock_ns;
    if (p->playing)
        p->at = p->count;
}

static void change_pace(struct player *p, int by)
{
    if ((by < 0 && p->pace) || (by > 0 && player_paces[p->pace + 1]))
        p->pace = (unsigned)((int)p->pace + by);
    snprintf(p->message, sizeof p->message, "a step every %.2g s", player_paces[p->pace] / 1000.0);
}

static void toggle_quiz(struct player *p)
{
    p->quiz.on = !p->quiz.on;
    snprintf(p->message, sizeof p->message, "quiz %s", p->quiz.on ? "on" : "off");
}

static void obey_moving(struct player *p, int action)
{
    switch (action) {
    case DO_FORWARD:
        p->playing = false;
        forward(p);
        break;
    case DO_BACK:
        back(p, p->at ? p->at - 1 : 0);
        break;
    case DO_BEGINNING:
        back(p, 0);
        break;
    case DO_NOW:
        back(p, p->count);
        break;
    case DO_GO_TO:
        p->prompt = PLAYER_GO_TO;
        line_set(&p->line, "");
        break;
    case DO_PLAY:
        play(p);
        break;
    case DO_RESTART:
        restart(p);
        break;
    case DO_FASTER:
    case DO_SLOWER:
        change_pace(p, action == DO_FASTER ? -1 : 1);
        break;
    default:
        p->scrolled = true;
        list_text_move(&p->script_list, action);
    }
}

/* These need the run, or end it. */
static bool must_wait(const struct player *p, int action)
{
    bool needs = action == DO_RESTART || action == DO_EDIT || action == DO_RELOAD ||
                 action == DO_CHOOSE || action == DO_GO_TO;
    return needs && p->job != PLAYER_NO_JOB;
}

static void obey(struct player *p, int action)
{
    if (must_wait(p, action)) {
        snprintf(p->message, sizeof p->message, "not before this step is done");
        return;
    }
    switch (action) {
    case DO_HELP:
        p->help = !p->help;
        break;
    case DO_QUIT:
        p->quit = true;
        break;
    case DO_REPAINT:
        p->repaint = true;
        break;
    case DO_MOUSE:
        p->mouse = !p->mouse;
        break;
    case DO_QUIZ:
        toggle_quiz(p);
        break;
    case DO_EDIT:
        p->away = true;
        break;
    case DO_RELOAD:
        reload(p);
        break;
    case DO_CHOOSE:
        choose(p);
        break;
    case DO_OPEN:
        open_choice(p);
        break;
    default:
        if (p->script)
            obey_moving(p, action);
        else
            list_move(&p->choice_list, action);
    }
}

static void key_prompt(struct player *p, int key)
{
    const char *at = p->line.text, *end = at + p->line.len;
    uint64_t line;
    if (key == KEY_CODE_ESC || key == KEY_CODE_ENTER)
        p->prompt = PLAYER_NO_PROMPT;
    if (key == KEY_CODE_ENTER && text_dec(&at, end, &line) && at == end)
        go_to(p, line);
    else if (key == KEY_CODE_ENTER && p->line.len)
        snprintf(p->message, sizeof p->message, "a number of a line is needed");
    else if (key != KEY_CODE_ESC && key != KEY_CODE_ENTER)
        line_key(&p->line, key);
}

const struct binding *player_keys_below(const struct player *p)
{
    return p->script ? play_bindings : choice_bindings;
}

const struct binding *player_keys(const struct player *p)
{
    return p->help ? help_bindings : player_keys_below(p);
}

/* Headless, <Wait> is the time of one step by itself. */
static void wait_a_step(struct player *p)
{
    if (p->playing && p->quiz.question == QUIZ_NOTHING && p->job == PLAYER_NO_JOB)
        forward(p);
}

static bool player_key(void *ctx, int key)
{
    struct player *p = ctx;
    p->message[0] = '\0';
    const struct binding *b = binding_find(player_keys(p), key);
    if (key == KEY_CODE_WAIT)
        wait_a_step(p);
    else if (p->help && b && b->action != DO_HELP)
        list_text_move(&p->help_list, b->action);
    else if (p->prompt != PLAYER_NO_PROMPT)
        key_prompt(p, key);
    else if (p->quiz.question != QUIZ_NOTHING) {
        if (quiz_key(&p->quiz, key))
            begin(p, PLAYER_STEP);
    } else if (b)
        obey(p, b->action);
    return true;
}

static bool player_mouse(void *ctx, const struct mouse *m, unsigned cols, unsigned rows)
{
    struct player *p = ctx;
    (void)cols;
    (void)rows;
    int wheel = list_wheel(m);
    if (wheel >= 0 && !p->help)
        obey(p, wheel);
    else if (wheel < 0 && !p->script && m->row >= 2 && list_point(&p->choice_list, m->row - 2) &&
             m->what == MOUSE_DOUBLE)
        open_choice(p);
    return true;
}

/* --- time --- */

static bool may_go_on(const struct player *p)
{
    const struct played *last = player_shown(p);
    return !last || !(last->step.pause || last->step.failed);
}

static bool player_tick(void *ctx, uint64_t now_ns)
{
    struct player *p = ctx;
    bool drawn = p->flash_end_ns && now_ns >= p->flash_end_ns;
    p->clock_ns = now_ns;
    if (drawn)
        p->flash_end_ns = 0;
    if (!p->playing || now_ns < p->due_ns || p->quiz.question != QUIZ_NOTHING ||
        p->job != PLAYER_NO_JOB)
        return drawn;
    forward(p);
    p->due_ns = now_ns + player_paces[p->pace] * ns_per_ms;
    return true;
}

static uint64_t player_next_tick(void *ctx, uint64_t latest_ns)
{
    const struct player *p = ctx;
    if (p->flash_end_ns && p->flash_end_ns < latest_ns)
        latest_ns = p->flash_end_ns;
    bool waits = p->playing && p->quiz.question == QUIZ_NOTHING && p->job == PLAYER_NO_JOB;
    return waits && p->due_ns < latest_ns ? p->due_ns : latest_ns;
}

/* --- what a loop drives --- */

static int player_init(void *ctx, struct look look, struct err *e)
{
    (void)e;
    struct player *p = ctx;
    p->look = look;
    p->pace = PACE_USUAL;
    p->mouse = !p->options->no_mouse;
    p->script = p->source->script(p->source->ctx);
    if (p->script)
        restart(p);
    else
        choose(p);
    return 0;
}

static void player_deinit(void *ctx)
{
    struct player *p = ctx;
    forget(p);
    free(p->v);
    player_list_deinit(&p->choices);
}

static int player_fd(void *ctx)
{
    const struct player *p = ctx;
    return p->source->fd(p->source->ctx);
}

/* Takes what is done. */
static bool player_fold(void *ctx, uint64_t deadline_ns)
{
    (void)deadline_ns;
    struct player *p = ctx;
    struct player_step step;
    struct err e = {0};
    int rc;
    if (p->job == PLAYER_NO_JOB || !p->source->take(p->source->ctx, &step, &rc, &e))
        return false;
    bool stepped = p->job == PLAYER_STEP;
    p->job = PLAYER_NO_JOB;
    if (rc) {
        player_step_deinit(&step);
        run_is_over(p, &e);
        return true;
    }
    if (stepped)
        keep_step(p, &step);
    p->playing = p->playing && may_go_on(p);
    go_on(p);
    return true;
}

static void player_draw_frame(void *ctx, struct grid *g)
{
    player_draw(ctx, g);
}

static void player_wish(void *ctx, struct screen_wish *out)
{
    struct player *p = ctx;
    *out = (struct screen_wish){.quit = p->quit, .repaint = p->repaint, .away = p->away,
                                .mouse = p->mouse};
    p->repaint = p->away = false;
}

static void player_away(void *ctx)
{
    edit(ctx);
}

static void player_settle(void *ctx)
{
    struct player *p = ctx;
    while (p->job != PLAYER_NO_JOB) {
        struct pollfd done = {.fd = player_fd(p), .events = POLLIN};
        poll(&done, 1, -1);
        player_fold(p, 0);
    }
}

static const struct screen_ops ops = {
    .init = player_init, .deinit = player_deinit, .fd = player_fd, .fold = player_fold,
    .tick = player_tick, .next_tick = player_next_tick, .key = player_key,
    .mouse = player_mouse, .draw = player_draw_frame, .wish = player_wish, .away = player_away,
    .settle = player_settle,
};

int player_run(const struct ui_options *options, struct player_source *source, struct err *e)
{
    struct player p = {.options = options, .source = source};
    return loop_run(&ops, &p, options, e);
}

int player_headless(const struct ui_options *options, struct player_source *source, unsigned cols,
                    unsigned rows, const char *keys, struct buf *out, struct err *e)
{
    struct player p = {.options = options, .source = source};
    return loop_headless(&ops, &p, options, cols, rows, keys, out, e);
}
