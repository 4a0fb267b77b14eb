/* Stepping through a program: its keys, and the line that says where it stands. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ui/app.h"
#include "ui/fault_text.h"
#include "ui/keys.h"

enum action {
    DO_EVENT, DO_FAULT, DO_CALL, DO_HERE, DO_UNTIL, DO_ON, DO_AUTO, DO_SLOWER, DO_FASTER, DO_ONLY,
    DO_LEAVE
};

const struct binding app_step_bindings[] = {
    {{'s'}, "s", "next event; stops a program that goes on", true, DO_EVENT},
    {{'t'}, "t", "next fault (touch)", true, DO_FAULT},
    {{'c'}, "c", "next call", true, DO_CALL},
    {{'r'}, "r", "next in this mapping (that of the cursor)", true, DO_HERE},
    {{'u'}, "u", "until: a number of events, an address 0x..., a mapping or a function", true,
     DO_UNTIL},
    {{'C'}, "C", "continue", true, DO_ON},
    {{'a'}, "a", "auto: one event after another, slowly", false, DO_AUTO},
    {{'<'}, "<", "slower", false, DO_SLOWER},
    {{'>'}, ">", "faster", false, DO_FASTER},
    {{'O'}, "O", "only this process on the screen, or again that of each event", false, DO_ONLY},
    {{'L'}, "L", "leave: it goes on alone, and is watched as any other", false, DO_LEAVE},
    {.label = NULL},
};

/* Events a second, by themselves. */
static const unsigned paces_ms[] = {2000, 1000, 500, 200, 100, 50, 20};
enum { PACES = sizeof paces_ms / sizeof *paces_ms };

bool app_steps(const struct app *a)
{
    return a->ui.source->stepper != NULL;
}

static enum engine_stepping standing(const struct app *a)
{
    return a->ui.engine ? (enum engine_stepping)a->ui.engine->stepping : STEPPING_NOT;
}

static void go(struct app *a, const struct step_goal *goal)
{
    struct ui_source *s = a->ui.source;
    a->auto_plays = false;
    if (standing(a) == STEPPING_ENDED)
        snprintf(a->message, sizeof a->message, "the program has ended");
    else
        s->stepper->go(s->ctx, goal);
}

static void go_to(struct app *a, enum goal_what what)
{
    struct step_goal goal = {.what = (uint8_t)what};
    go(a, &goal);
}

/* A program that goes on is stopped by the key that would step it. */
static void next_event(struct app *a)
{
    struct ui_source *s = a->ui.source;
    if (standing(a) != STEPPING_GOES) {
        go_to(a, GOAL_EVENT);
        return;
    }
    a->auto_plays = false;
    s->stepper->hold(s->ctx);
    snprintf(a->message, sizeof a->message, "stops at its next event");
}

static void next_here(struct app *a)
{
    const struct region *r =
        a->ui.now ? region_table_at(a->ui.now->regions, a->ui.cursor) : NULL;
    if (!r) {
        snprintf(a->message, sizeof a->message, "there is no mapping under the cursor");
        return;
    }
    struct step_goal goal = {.what = GOAL_RANGE, .start = r->start, .end = r->end};
    go(a, &goal);
}

static void set_pace(struct app *a)
{
    struct ui_source *s = a->ui.source;
    s->stepper->pace(s->ctx, a->auto_plays ? paces_ms[a->pace] : 0);
    if (a->auto_plays)
        snprintf(a->message, sizeof a->message, "%g events a second", 1000.0 / paces_ms[a->pace]);
}

static void keep_process(struct app *a)
{
    bool only = !a->ui.engine || !a->ui.engine->pinned;
    a->ui.source->stepper->pin(a->ui.source->ctx, only);
    snprintf(a->message, sizeof a->message,
             only ? "keeps to process %d" : "from process %d on, shows that of each event",
             (int)a->pid);
}

static void leave(struct app *a)
{
    struct err e;
    if (a->ui.source->stepper->leave(a->ui.source->ctx, &e))
        snprintf(a->message, sizeof a->message, "%.150s", e.text);
    else
        snprintf(a->message, sizeof a->message, "it goes on alone; stepping is over");
}

static void obey(struct app *a, int action)
{
    switch (action) {
    case DO_EVENT:
        next_event(a);
        break;
    case DO_FAULT:
        go_to(a, GOAL_FAULT);
        break;
    case DO_CALL:
        go_to(a, GOAL_CALL);
        break;
    case DO_HERE:
        next_here(a);
        break;
    case DO_UNTIL:
        app_ask(a, PROMPT_UNTIL);
        break;
    case DO_ON:
        go_to(a, GOAL_NEVER);
        break;
    case DO_AUTO:
        a->auto_plays = !a->auto_plays;
        set_pace(a);
        break;
    case DO_SLOWER:
    case DO_FASTER:
        if (action == DO_SLOWER ? a->pace > 0 : a->pace + 1 < PACES)
            a->pace = action == DO_SLOWER ? a->pace - 1 : a->pace + 1;
        set_pace(a);
        break;
    case DO_ONLY:
        keep_process(a);
        break;
    case DO_LEAVE:
        leave(a);
        break;
    }
}

bool app_step_key(struct app *a, int key)
{
    const struct binding *b = app_steps(a) && !app_views[a->view]->type
                                  ? binding_find(app_step_bindings, key)
                                  : NULL;
    if (b)
        obey(a, b->action);
    return b != NULL;
}

void app_step_until(struct app *a, const char *text)
{
    struct step_goal goal;
    if (goal_parse(text, a->ui.now ? a->ui.now->regions : NULL, &goal))
        go(a, &goal);
}

static uint64_t place_of(const struct event *e)
{
    if (e->type == EVENT_CALL && e->call.call == CALL_MMAP)
        return (uint64_t)e->call.result;
    return e->type == EVENT_FAULT ? e->fault.address & ~UINT64_C(0xfff) : 0;
}

/* It stands: the cursor goes to where it was, once there is a picture of its mapping. */
void app_step_arrived(struct app *a)
{
    const struct fault_log *l = a->ui.faults;
    const struct fault_entry *last = l ? fault_log_at(l, 0) : NULL;
    if (a->held || standing(a) != STEPPING_STANDS || !last || last->event.pid != a->pid)
        return;
    if (l->entries != a->step_seen) {
        a->step_seen = l->entries;
        a->step_at = place_of(&last->event);
        a->ui.fault = 0;
    }
    if (a->step_at && a->ui.now && region_table_at(a->ui.now->regions, a->step_at)) {
        a->ui.cursor = a->step_at;
        a->step_at = 0;
    }
}

/* What happened, and by what. */
struct words {
    char what[FAULT_CALL_MAX + 160], by[2 * FAULT_NAME_MAX + 32];
};

/* "thread 12", or "process 11" where it is not the one that is shown. */
static const char *who(const struct app *a, const struct event *e, char out[static 48])
{
    if (a->ui.now && e->pid != a->ui.now->target.pid)
        snprintf(out, 48, "process %d%s", (int)e->pid,
                 a->ui.engine->pinned ? " (not shown: O)" : "");
    else
        snprintf(out, 48, "thread %d", (int)e->tid);
    return out;
}

static void put_fault(const struct app *a, const struct fault_entry *f, struct words *w)
{
    static const char *const access[] = {"access to", "read of", "write to", "execution at"};
    char region[FAULT_NAME_MAX], where[FAULT_NAME_MAX], path[64], by[48];
    const struct event *e = &f->event;
    fault_path(path, sizeof path, f->verdict.path, f->verdict.how, f->verdict.sure);
    fault_region(region, f->region, sizeof f->region, f->region_start);
    fault_where(where, &a->ui, e->pid, f->program, e->fault.ip, 60);
    snprintf(w->what, sizeof w->what, "fault %" PRIu64 " of %s: %s %" PRIx64 ", %s",
             a->ui.faults->faults, who(a, e, by), access[e->fault.access < 4 ? e->fault.access : 0],
             e->fault.address, path);
    snprintf(w->by, sizeof w->by, "%sby %s, in %s",
             e->fault.mode == MODE_KERNEL ? "in the kernel for a call " : "", where, region);
}

static void put_call(const struct app *a, const struct fault_entry *f, struct words *w)
{
    char call[FAULT_CALL_MAX], by[48];
    snprintf(w->what, sizeof w->what, "call %" PRIu64 " of %s: %s", a->ui.faults->calls,
             who(a, &f->event, by), fault_call(call, &f->event));
}

void app_step_draw(struct app *a, struct area rows)
{
    static const char *const states[] = {
        [STEPPING_NOT] = "starts", [STEPPING_STANDS] = "stopped at ",
        [STEPPING_GOES] = "goes on (s stops it); last ", [STEPPING_ENDED] = "has ended; last "};
    const struct fault_log *l = a->ui.faults;
    const struct fault_entry *last = l ? fault_log_at(l, 0) : NULL;
    struct words w = {"its first instruction", ""};
    enum engine_stepping how = standing(a);
    if (last && last->event.type == EVENT_FAULT)
        put_fault(a, last, &w);
    else if (last)
        put_call(a, last, &w);
    area_fill(rows, STYLE(COLOR_DEFAULT), ' ');
    unsigned col = area_text(rows, 1, 0, rows.cols, states[how], STYLE(COLOR_FLASH)) + 1;
    if (how == STEPPING_NOT)
        return;
    col += area_text(rows, col, 0, rows.cols - col, w.what, STYLE(COLOR_FLASH));
    if (rows.rows > 1)
        area_text(rows, 3, 1, rows.cols - 3, w.by, STYLE(COLOR_FLASH));
    else if (w.by[0] && col + 2 < rows.cols)
        area_text(rows, col + 1, 0, rows.cols - col - 1, w.by, STYLE(COLOR_FLASH));
}
