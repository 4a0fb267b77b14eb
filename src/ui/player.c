/* The player: what each key means, and what a loop drives. */
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
enum { PACE_USUAL = 3 };
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
    LIST_BINDINGS(false, "up", "down", "first", "last"),
    {{KEY_CTRL('l')}, "^L", "redraw", false, DO_REPAINT},
    {.label = NULL},
};

static const struct binding help_bindings[] = {
    {{KEY_CODE_ESC, 'q', '?', KEY_CODE_F1}, "Esc q", "leave help", true, DO_HELP},
    LIST_BINDINGS(true, "up", "down", "beginning", "end"),
    {.label = NULL},
};

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
        player_restart(p);
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
        player_forward(p);
        break;
    case DO_BACK:
        player_back(p, p->at ? p->at - 1 : 0);
        break;
    case DO_BEGINNING:
        player_back(p, 0);
        break;
    case DO_NOW:
        player_back(p, p->count);
        break;
    case DO_GO_TO:
        p->prompt = PLAYER_GO_TO;
        line_edit_set(&p->line, "");
        break;
    case DO_PLAY:
        play(p);
        break;
    case DO_RESTART:
        player_restart(p);
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
        player_reload(p);
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
        player_go_to(p, line);
    else if (key == KEY_CODE_ENTER && p->line.len)
        snprintf(p->message, sizeof p->message, "a number of a line is needed");
    else if (key != KEY_CODE_ESC && key != KEY_CODE_ENTER)
        line_edit_key(&p->line, key);
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
        player_forward(p);
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
            player_begin(p, PLAYER_STEP);
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
    player_forward(p);
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
        player_restart(p);
    else
        choose(p);
    return 0;
}

static void player_deinit(void *ctx)
{
    struct player *p = ctx;
    player_forget(p);
    free(p->v);
    player_list_deinit(&p->choices);
}

static int player_fd(void *ctx)
{
    const struct player *p = ctx;
    return p->source->fd(p->source->ctx);
}

static bool player_fold(void *ctx, uint64_t deadline_ns)
{
    (void)deadline_ns;
    return player_take(ctx);
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
    player_edit(ctx);
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
