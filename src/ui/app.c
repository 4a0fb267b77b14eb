/* The application: folding, and what each key means. A key goes to the prompt if it is open, then
 * to the view, then to the table of global keys below. */
#include "ui/app.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "model/family.h"
#include "ui/keys.h"

enum { FOLD_BATCH = 64 };

const struct view_ops *const app_views[APP_VIEWS] = {
    [APP_MAP] = &view_map,           [APP_REGIONS] = &view_regions, [APP_PAGE] = &view_page,
    [APP_FAULTS] = &view_faults,     [APP_EXPLAIN] = &view_explain, [APP_FAMILY] = &view_family,
    [APP_SHARING] = &view_sharing,   [APP_HUGE] = &view_huge,       [APP_BACKING] = &view_backing,
    [APP_PHYSICAL] = &view_physical, [APP_KERNEL] = &view_kernel,   [APP_PICKER] = &view_picker,
    [APP_HELP] = &view_help,
};

enum action {
    DO_NEXT_VIEW, DO_PREVIOUS_VIEW, DO_VIEW, DO_FREEZE, DO_NEXT, DO_PREVIOUS, DO_SEARCH, DO_AGAIN,
    DO_FILTER, DO_CLEAR, DO_FAMILY, DO_PHYSICAL, DO_KERNEL, DO_PICK, DO_HELP, DO_FOLLOW, DO_MOUSE,
    DO_REPAINT,
    DO_QUIT
};

/* The footer shows them in this order, so the first two are there on every screen. */
const struct binding app_bindings[] = {
    {{'?', KEY_CODE_F1}, "?", "help", true, DO_HELP},
    {{'q'}, "q", "quit", true, DO_QUIT},
    {{'1', '2', '3', '4', '5', '6', '7', '8', '9'}, "1-9", "view: the one with this number", true,
     DO_VIEW},
    {{KEY_CODE_TAB}, "Tab", "next view", false, DO_NEXT_VIEW},
    {{KEY_CODE_BACKTAB}, "S-Tab", "previous view", false, DO_PREVIOUS_VIEW},
    {{' '}, "Space", "freeze: keep what is shown, or go on", true, DO_FREEZE},
    {{'/'}, "/", "search: an address, a part of a name, or permissions as in r?xp", true,
     DO_SEARCH},
    {{KEY_CTRL('n')}, "^N", "search again", false, DO_AGAIN},
    {{'f'}, "f", "filter: show only what matches", true, DO_FILTER},
    {{KEY_CODE_ESC}, "Esc", "clear the filter", false, DO_CLEAR},
    {{'n'}, "n", "next mapping", false, DO_NEXT},
    {{'N'}, "N", "previous mapping", false, DO_PREVIOUS},
    {{'T'}, "T", "family tree: the process and its descendants", false, DO_FAMILY},
    {{'P'}, "P", "physical memory of the whole machine", false, DO_PHYSICAL},
    {{'K'}, "K", "the kernel's own memory", false, DO_KERNEL},
    {{'A'}, "A", "another process: choose one to watch", false, DO_PICK},
    {{'E'}, "E", "engine: follow faults and mm calls from now on", false, DO_FOLLOW},
    {{'M'}, "M", "mouse on or off", false, DO_MOUSE},
    {{KEY_CTRL('l')}, "^L", "redraw", false, DO_REPAINT},
    {.label = NULL},
};

int app_init(struct app *a, const struct ui_options *options, struct ui_source *source,
             struct look look, struct err *e)
{
    *a = (struct app){.options = options, .mouse = !options->no_mouse, .pace = 2};
    a->ui.source = source;
    a->ui.look = look;
    a->view = a->back = options->pick     ? APP_PICKER
                        : options->family ? APP_FAMILY
                                          : APP_MAP;
    a->ui.model = a->model = model_create();
    a->ui.asked = a->asked;
    bool complete = a->model != NULL;
    for (size_t i = 0; complete && i < APP_VIEWS; i++)
        complete = (a->views[i] = view_create(app_views[i])) != NULL;
    if (complete)
        return 0;
    app_deinit(a);
    return err_set(e, -ENOMEM, "not enough memory to start the screen");
}

static void release_held(struct app *a)
{
    if (a->held)
        moment_deinit(&a->held_now);
    if (a->held_a_before)
        moment_deinit(&a->held_before);
    family_unref(a->held_family);
    family_unref(a->held_family_before);
    a->held_family = a->held_family_before = NULL;
    a->held = a->held_a_before = false;
}

void app_deinit(struct app *a)
{
    release_held(a);
    if (a->has_totals)
        moment_deinit(&a->totalled);
    for (size_t i = 0; i < APP_VIEWS; i++)
        view_destroy(app_views[i], a->views[i]);
    model_destroy(a->model);
    *a = (struct app){0};
}

/* Another program than before: what was selected means nothing in it, or after exec hardly. */
static void meet_target(struct app *a, const struct moment *now)
{
    bool same = a->pid == now->target.pid && a->start_ticks == now->target.start_ticks;
    if (same && (!a->came || region_table_at(now->regions, a->ui.cursor)))
        return;
    a->pid = now->target.pid;
    a->start_ticks = now->target.start_ticks;
    a->totals_due_ns = 0;
    a->ui.fault = 0;
    a->ui.cursor = now->regions->count ? now->regions->v[0].start : 0;
}

static void show_counts(struct app *a)
{
    const struct perf_counts *counts = model_counts(a->model);
    if (counts)
        a->counts = *counts;
    a->ui.counts = counts ? &a->counts : NULL;
}

/* The log goes on while frozen; what came since then is not shown. */
static void show_events(struct app *a)
{
    const struct fault_log *l = model_faults(a->model);
    uint64_t entries = l ? l->entries : 0;
    a->ui.faults = l;
    a->ui.engine = model_engine(a->model);
    if (!a->held)
        show_counts(a);
    if (!a->held || a->ui.entries > entries) {
        const struct fault_entry *last = l ? fault_log_at(l, 0) : NULL;
        a->ui.entries = entries;
        a->ui.marks = l ? l->marks_n : 0;
        a->ui.now_ns = a->clock_ns ? a->clock_ns : last ? last->event.t_ns : 0;
        if (!a->clock_ns && l && l->marked_ns > a->ui.now_ns)
            a->ui.now_ns = l->marked_ns;
    }
    if (a->ui.fault > a->ui.entries)
        a->ui.fault = 0;
}

/* Per second, of a counter that went from `before` to `now` in ns. */
static uint64_t per_second(uint64_t now, uint64_t before, uint64_t ns)
{
    if (now == UINT64_MAX || before == UINT64_MAX || now < before)
        return UINT64_MAX;
    return (uint64_t)((double)(now - before) * 1e9 / (double)ns + 0.5);
}

/* Between samples there is no telling how long a burst lasted. */
static void rate_events(struct app *a)
{
    const struct fault_log *l = model_engine(a->model)->name[0] ? model_faults(a->model) : NULL;
    const struct moment *m = model_now(a->model);
    uint64_t end = m->sample.start_ns + m->sample.span_ns;
    bool same = model_before(a->model) && a->rated_ns && end > a->rated_ns;
    struct event_rates now = {l ? l->faults + l->counted : UINT64_MAX, l ? l->calls : UINT64_MAX,
                              m->counters.min_flt, m->counters.maj_flt};
    const struct event_rates *was = &a->rated;
    struct rate_history *h = &a->ui.rates;
    uint64_t ns = end - a->rated_ns;
    if (same)
        h->v[h->count++ % RATES_KEEP] = (struct event_rates){
            per_second(now.faults, was->faults, ns), per_second(now.calls, was->calls, ns),
            per_second(now.minor, was->minor, ns), per_second(now.major, was->major, ns)};
    else if (!app_steps(a)) /* where the process of the event is shown, it is now this, now that */
        h->count = 0;
    a->rated_ns = end;
    a->rated = now;
}

/* Points the shared state at the moment to show, live or held. */
static void show_moment(struct app *a)
{
    show_events(a);
    a->ui.now = a->held ? &a->held_now : model_now(a->model);
    a->ui.before = a->held ? (a->held_a_before ? &a->held_before : NULL) : model_before(a->model);
    a->ui.detail = model_detail(a->model);
    a->ui.thp = model_thp(a->model);
    a->ui.caches = model_caches(a->model);
    a->ui.machine = model_physmem(a->model);
    a->ui.frame = model_frame(a->model);
    a->ui.gone = model_gone(a->model);
    a->ui.family = a->held ? a->held_family : model_family(a->model);
    a->ui.family_before = a->held ? a->held_family_before : model_family_before(a->model);
    if (a->ui.now)
        meet_target(a, a->ui.now);
}

static void fold_record(struct app *a, struct record *r)
{
    bool sample = r->type == RECORD_SAMPLE, gone = r->type == RECORD_GONE;
    bool target = r->type == RECORD_TARGET, events = r->type == RECORD_EVENTS;
    if (events && r->events.count && !a->ui.first_event_ns)
        a->ui.first_event_ns = r->events.v[0].t_ns;
    if (model_fold(a->model, r)) {
        a->dropped++;
        return;
    }
    if (events)
        a->marks_end_ns = a->clock_ns + UI_FLASH_NS;
    if (gone) /* the header may have no room for the reason */
        snprintf(a->message, sizeof a->message, "%s", model_gone(a->model));
    if (target)
        a->came = true;
    if (!sample)
        return;
    if (!a->held) {
        rate_events(a);
        show_moment(a);
    }
    a->came = a->came && a->held;
    a->samples++;
    a->flash_end_ns = a->clock_ns + UI_FLASH_NS;
    a->ui.flash = true;
}

bool app_fold(struct app *a, uint64_t deadline_ns)
{
    struct ui_source *source = a->ui.source;
    struct record *r;
    unsigned n = 0;
    while ((r = source->take(source->ctx))) {
        fold_record(a, r);
        if (++n % FOLD_BATCH == 0 && deadline_ns && io_now_ns() >= deadline_ns)
            break;
    }
    if (n)
        show_moment(a);
    if (n && app_steps(a))
        app_step_arrived(a);
    return n != 0;
}

uint64_t app_next_tick(const struct app *a, uint64_t latest_ns)
{
    if (a->ui.flash && a->flash_end_ns < latest_ns)
        latest_ns = a->flash_end_ns;
    return a->marks_end_ns && a->marks_end_ns < latest_ns ? a->marks_end_ns : latest_ns;
}

bool app_tick(struct app *a, uint64_t now_ns)
{
    a->clock_ns = now_ns;
    if (a->ui.frozen)
        return false;
    a->ui.now_ns = now_ns;
    bool marks = a->marks_end_ns && now_ns >= a->marks_end_ns;
    bool changes = a->ui.flash && now_ns >= a->flash_end_ns;
    if (marks)
        a->marks_end_ns = 0;
    if (changes)
        a->ui.flash = false;
    return marks || changes;
}

static void show_view(struct app *a, size_t view)
{
    if (view >= APP_VIEWS || view == a->view)
        return;
    if (view == APP_PICKER && !a->ui.source->list) {
        snprintf(a->message, sizeof a->message, "there are no processes to choose from here");
        return;
    }
    a->back = a->view;
    a->view = view;
    a->ui.left = app_views[a->back];
}

static void step_view(struct app *a, size_t by)
{
    size_t view = (a->view + by) % APP_VIEWS;
    if (view == APP_PICKER && !a->ui.source->list)
        view = (view + by) % APP_VIEWS;
    show_view(a, view);
}

/* Keeps the moment shown while the stream goes on, or goes back to the stream. */
static void set_frozen(struct app *a, bool frozen)
{
    if (frozen && a->ui.now) {
        moment_copy(&a->held_now, a->ui.now);
        if (a->ui.before)
            moment_copy(&a->held_before, a->ui.before);
        a->held_family = a->ui.family ? family_ref(a->ui.family) : NULL;
        a->held_family_before = a->ui.family_before ? family_ref(a->ui.family_before) : NULL;
        a->held = true;
        a->held_a_before = a->ui.before != NULL;
    } else {
        release_held(a);
    }
    a->totals_due_ns = 0;
    a->ui.frozen = a->held;
    show_moment(a);
}

/* Moves to the beginning of the next mapping, or to that of this one and then the one before. */
static void next_mapping(struct app *a, bool backwards)
{
    if (!a->ui.now || !a->ui.now->regions->count)
        return;
    const struct region_table *t = a->ui.now->regions;
    size_t i = region_table_find(t, a->ui.cursor);
    if (backwards) {
        while (i && (i >= t->count || t->v[i].start >= a->ui.cursor))
            i--;
    } else if (i < t->count && t->v[i].start <= a->ui.cursor) {
        i++;
    }
    if (i < t->count)
        a->ui.cursor = t->v[i].start;
}

static void follow_faults(struct app *a)
{
    const struct ui_source *source = a->ui.source;
    const struct engine_state *engine = model_engine(a->model);
    struct err e = {0};
    if (engine->name[0])
        snprintf(a->message, sizeof a->message, "faults are followed already, by %s", engine->name);
    else if (!a->ui.now)
        snprintf(a->message, sizeof a->message, "there is no process to follow yet");
    else if (!source->follow)
        snprintf(a->message, sizeof a->message, "faults cannot be followed here");
    else if (source->follow(source->ctx, &e))
        snprintf(a->message, sizeof a->message, "%.*s", (int)sizeof a->message - 1, e.text);
}

static void obey(struct app *a, int action, int key)
{
    switch (action) {
    case DO_NEXT_VIEW:
        step_view(a, 1);
        break;
    case DO_PREVIOUS_VIEW:
        step_view(a, APP_VIEWS - 1);
        break;
    case DO_VIEW:
        show_view(a, (size_t)(key - '1'));
        break;
    case DO_FREEZE:
        set_frozen(a, !a->ui.frozen);
        break;
    case DO_NEXT:
    case DO_PREVIOUS:
        next_mapping(a, action == DO_PREVIOUS);
        break;
    case DO_SEARCH:
        app_ask(a, PROMPT_SEARCH);
        break;
    case DO_FILTER:
        app_ask(a, PROMPT_FILTER);
        break;
    case DO_CLEAR:
        app_clear_filter(a);
        break;
    case DO_AGAIN:
        app_search_again(a, false);
        break;
    case DO_FAMILY:
        show_view(a, APP_FAMILY);
        break;
    case DO_PHYSICAL:
        show_view(a, APP_PHYSICAL);
        break;
    case DO_KERNEL:
        show_view(a, APP_KERNEL);
        break;
    case DO_PICK:
        show_view(a, APP_PICKER);
        break;
    case DO_HELP:
        show_view(a, APP_HELP);
        break;
    case DO_FOLLOW:
        follow_faults(a);
        break;
    case DO_MOUSE:
        a->mouse = !a->mouse;
        snprintf(a->message, sizeof a->message, "mouse %s", a->mouse ? "on" : "off");
        break;
    case DO_REPAINT:
        a->repaint = true;
        break;
    case DO_QUIT:
        a->quit = true;
        break;
    }
}

/* What a view asked for. */
static bool follow(struct app *a, unsigned result)
{
    if (result & UI_QUIT)
        a->quit = true;
    if (result & UI_SHOW_MAP)
        show_view(a, APP_MAP);
    if (result & UI_SHOW_PAGE)
        show_view(a, APP_PAGE);
    if (result & UI_SHOW_EXPLAIN)
        show_view(a, APP_EXPLAIN);
    if (result & UI_SHOW_SHARING)
        show_view(a, APP_SHARING);
    if (result & UI_SHOW_BACK)
        show_view(a, a->back);
    if (a->held && !a->ui.frozen)
        set_frozen(a, false);
    return result & ~(unsigned)UI_HANDLED;
}

static unsigned view_key(struct app *a, int key)
{
    const struct view_ops *ops = app_views[a->view];
    void *view = a->views[a->view];
    bool typed = (key >= 0x20 && key < KEY_CODE_FIRST) || key == KEY_CODE_BACKSPACE;
    if (ops->type && typed)
        return ops->type(view, &a->ui, key);
    const struct binding *b = binding_find(ops->bindings, key);
    return b ? ops->act(view, &a->ui, b->action) : UI_IGNORED;
}

bool app_key(struct app *a, int key)
{
    bool said = a->message[0];
    a->message[0] = '\0';
    if (a->prompt != PROMPT_NONE) {
        app_prompt_key(a, key);
        return true;
    }
    if (app_step_key(a, key))
        return true;
    unsigned result = view_key(a, key);
    if (result != UI_IGNORED)
        return follow(a, result) || said;
    const struct binding *b = binding_find(app_bindings, key);
    if (b)
        obey(a, b->action, key);
    return b || said;
}

bool app_mouse(struct app *a, const struct mouse *m, unsigned cols, unsigned rows)
{
    const struct view_ops *ops = app_views[a->view];
    struct grid screen = {cols, rows, NULL};
    struct area area = app_area(a, &screen);
    if (!m->row && m->what == MOUSE_CLICK && app_tab_at(a, m->col) < APP_VIEWS &&
        a->prompt == PROMPT_NONE) {
        show_view(a, app_tab_at(a, m->col));
        return true;
    }
    if (!ops->mouse || a->prompt != PROMPT_NONE || m->row < area.row ||
        m->row >= area.row + area.rows || m->col >= cols)
        return false;
    struct mouse inside = {m->col, m->row - area.row, m->what};
    return follow(a, ops->mouse(a->views[a->view], &a->ui, &inside));
}
