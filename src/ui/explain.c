/* Why a fault went the way it did: the questions that were answered on the way to the leaf, as a
 * tree of text, and what was known of the page. Of a call, what it was asked and what it said. The
 * fault is the one selected in the list, or the newest. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/call_path.h"
#include "ui/fault_text.h"
#include "ui/list.h"
#include "ui/pen.h"

enum { BESIDE_COLS = 150, CALLERS_FEW = 6 };

enum action { NEWER = LIST_ACTION_N, OLDER, OPEN_MAP, ALL, LEAVE };

struct explain {
    struct list lines;
    bool all; /* the whole tree, however long it is; else its end, where there is no room */
};

static const struct binding bindings[] = {
    {{KEY_CODE_LEFT, 'h'}, "Left", "newer fault", true, NEWER},
    {{KEY_CODE_RIGHT, 'l'}, "Right", "older fault", true, OLDER},
    {{'m'}, "m", "show on the map", true, OPEN_MAP},
    {{'o'}, "o", "all questions and callers, or what there is room for", false, ALL},
    {{KEY_CODE_ESC, KEY_CODE_ENTER}, "Esc", "back", true, LEAVE},
    LIST_BINDINGS(false, "up", "down", "beginning", "end"),
    {.label = NULL},
};

/* The next fault below number n (older), or from n on (newer); of a program that is stepped the
 * next event. */
static bool find_fault(const struct ui_state *ui, uint64_t n, bool newer, uint64_t *found)
{
    uint64_t oldest = fault_oldest(ui);
    while (newer ? n < ui->entries : n > oldest) {
        uint64_t at = newer ? n++ : --n;
        const struct fault_entry *f = fault_entry(ui, at);
        if (f && (f->event.type == EVENT_FAULT || ui->source->stepper)) {
            *found = at;
            return true;
        }
    }
    return false;
}

/* What to explain: the selected entry, which may be gone by now, or the newest fault; of a program
 * that is stepped the newest event, at which it stands. */
static const struct fault_entry *shown(const struct ui_state *ui, uint64_t *n)
{
    if (ui->fault)
        *n = ui->fault - 1;
    else if (ui->source->stepper && ui->entries)
        *n = ui->entries - 1;
    else if (!find_fault(ui, ui->entries, false, n))
        return NULL;
    return fault_entry(ui, *n);
}

/* --- drawing --- */

static const char *access_word(const struct fault_entry *f)
{
    switch (f->event.fault.access) {
    case ACCESS_READ:
        return "a read of";
    case ACCESS_WRITE:
        return "a write to";
    case ACCESS_EXEC:
        return "an instruction fetch from";
    default:
        return "an access (read or write is not known) to";
    }
}

static void put_where(struct pen *p, const struct ui_state *ui, const struct fault_entry *f)
{
    unsigned long long ip = f->event.fault.ip;
    const struct site_answer *a = fault_site(ui, f->event.pid, f->program, ip);
    if (!ip)
        pen_label(p, "by", "? the instruction is not known");
    else if (!a)
        pen_label(p, "by", "the instruction at %llx", ip);
    else if (!a->symbol[0])
        pen_label(p, "by", "the instruction at %llx: %s", ip, a->why);
    else if (!a->source[0])
        pen_label(p, "by", "%s, at %llx (no line: %s)", a->symbol, ip, a->why);
    else
        pen_label(p, "by", "%s, %s, at %llx", a->symbol, a->source, ip);
}

static void put_fault(struct pen *p, const struct ui_state *ui, const struct fault_entry *f)
{
    static const char *const protections[] = {
        [KNOWN_NO] = "no page was present", [KNOWN_YES] = "a page was present, but not for this",
        [NOT_KNOWN] = "whether a page was present is not known"};
    static const char *const modes[] = {
        [MODE_UNKNOWN] = "mode not known", [MODE_USER] = "in user mode",
        [MODE_KERNEL] = "by the kernel on the thread's behalf"};
    char time[32], text[PEN_TEXT_MAX];
    uint8_t mode = f->event.fault.mode, protection = f->event.fault.protection;
    snprintf(text, sizeof text, "%s %llx %s: %s", access_word(f),
             (unsigned long long)f->event.fault.address,
             modes[mode <= MODE_KERNEL ? mode : MODE_UNKNOWN],
             protections[protection <= NOT_KNOWN ? protection : NOT_KNOWN]);
    pen_put(p, 1, true, STYLE(COLOR_TITLE), text);
    pen_label(p, "who", "process %d, thread %d, at %s s", (int)f->event.pid, (int)f->event.tid,
         fault_time(time, ui, f->event.t_ns, sizeof time - 1));
    put_where(p, ui, f);
}

/* How many callers there are until the first that cannot be one, as far as that is known by now. */
static unsigned callers_of(const struct ui_state *ui, const struct fault_entry *f,
                           const uint64_t *ip)
{
    unsigned n = 0;
    for (; ip && n < f->event.fault.callers_n; n++) {
        const struct site_answer *a = fault_site(ui, f->event.pid, f->program, ip[n] - 1);
        if (a && a->ends_call == KNOWN_NO)
            break;
    }
    return n;
}

/* Innermost first; of many these first ones. */
static void put_callers(struct pen *p, const struct ui_state *ui, const struct fault_entry *f,
                        unsigned most)
{
    const char *label = "called by";
    const uint64_t *ip = fault_log_callers(ui->faults, f);
    unsigned n = callers_of(ui, f, ip), few = n <= most + 1 ? n : most;
    if (f->event.fault.callers == CALLERS_UNASKED)
        return;
    if (f->event.fault.callers == CALLERS_LOST)
        pen_label(p, label, "? there was no room for the chain");
    else if (!n)
        pen_label(p, label, "? no frame pointer leads to a caller");
    for (unsigned i = 0; i < few; i++, label = "") {
        char text[FAULT_NAME_MAX];
        pen_label(p, label, "%s",
                  fault_where(text, ui, f->event.pid, f->program, ip[i] - 1, UINT32_MAX));
    }
    if (few < n)
        pen_label(p, "", "and %u more: o shows them", n - few);
}

static void put_tree(struct pen *p, const struct path_verdict *v)
{
    unsigned steps = v->steps < PATH_STEPS_MAX ? v->steps : PATH_STEPS_MAX, widest = 0;
    char leaf[128], text[256];
    for (unsigned i = 0; i < steps; i++)
        if (strlen(v->step[i].question) > widest)
            widest = (unsigned)strlen(v->step[i].question);
    unsigned beside = pen_beside(p, widest);
    p->line++;
    pen_put(p, 1, true, STYLE(COLOR_TITLE), "page fault");
    for (unsigned i = pen_folded(p, steps); i < steps; i++)
        pen_branch(p, v->step[i].question, v->step[i].answer, beside,
                   STYLE(i + 1 == steps ? COLOR_FLASH : COLOR_DEFAULT));
    fault_path(leaf, sizeof leaf, (enum path)v->path, (enum path_how)v->how, v->sure);
    snprintf(text, sizeof text, "%s%s%s  <- %s", v->also ? path_name((enum path)v->also) : "",
             v->also ? ", then " : "", leaf, v->sure ? "taken" : "taken, most likely");
    pen_leaf(p, text);
}

static const char *agreement_text(const struct observation *o)
{
    switch (o->agreement) {
    case AGREES:
        return "<- agrees";
    case DISAGREES:
        return "<- DISAGREES with what was predicted";
    case AGREEMENT_CORRECTED:
        return "<- corrects what was predicted without certainty";
    case AGREEMENT_NONE:
        return "nothing: this way leaves no trace that tells";
    case AGREEMENT_LOST:
        return "? samples were lost that may have been of this fault";
    case AGREEMENT_PENDING:
        return "nothing yet";
    default:
        return "";
    }
}

static void put_stack(struct pen *p, const char *stack)
{
    while (*stack) {
        char name[128];
        size_t len = strcspn(stack, ";");
        bool tells = chain_function_tells(stack, len);
        snprintf(name, sizeof name, "%.*s", (int)len, stack);
        pen_put(p, 3, true, STYLE(tells ? COLOR_FLASH : COLOR_DEFAULT), name);
        stack += len + (stack[len] == ';');
    }
}

/* What the kernel showed, as the call chain that tells most. */
static void put_evidence(struct pen *p, const struct ui_state *ui, const struct fault_entry *f)
{
    const struct observation *o = &f->observed;
    const char *stack = fault_log_stack(ui->faults, o->stack);
    char seen[160], text[256];
    if (o->agreement == AGREEMENT_UNASKED)
        return;
    snprintf(text, sizeof text, "observed: %s%s%s", observation_text(o, seen, sizeof seen),
             o->count ? "  " : "", agreement_text(o));
    p->line++;
    pen_put(p, 1, true, STYLE(o->agreement == DISAGREES ? COLOR_ALERT : COLOR_TITLE), text);
    if (stack)
        put_stack(p, stack);
}

/* The prediction, and what was observed: side by side, where there is room. */
static void put_both(struct pen *p, const struct ui_state *ui, const struct fault_entry *f)
{
    struct pen left = *p, right = *p;
    if (f->observed.agreement == AGREEMENT_UNASKED || p->a.cols < BESIDE_COLS) {
        put_tree(p, &f->verdict);
        put_evidence(p, ui, f);
        return;
    }
    left.a = area_part(p->a, 0, 0, p->a.cols * 3 / 5, p->a.rows);
    right.a = area_part(p->a, left.a.cols, 0, p->a.cols - left.a.cols, p->a.rows);
    put_tree(&left, &f->verdict);
    put_evidence(&right, ui, f);
    p->line = left.line > right.line ? left.line : right.line;
}

static void put_region(struct pen *p, const struct ui_state *ui, const struct fault_entry *f)
{
    char name[FAULT_NAME_MAX], perms[5], size[TEXT_SIZE_MAX];
    fault_region(name, f->region, sizeof f->region, f->region_start);
    const struct region *r = region_table_at(ui->now->regions, f->event.fault.address);
    if (!f->region_start) {
        pen_label(p, "region", "none: the address lay in a gap");
    } else if (r && r->start == f->region_start && f->event.pid == ui->now->target.pid) {
        region_perms_text(r->perms, perms);
        pen_label(p, "region", "%s, %s of %s from %llx, as it is now", name, perms,
             text_size(size, r->end - r->start), (unsigned long long)r->start);
    } else {
        pen_label(p, "region", "%s from %llx", name, (unsigned long long)f->region_start);
    }
}

static void put_before(struct pen *p, const struct fault_entry *f)
{
    const struct page_state_info *info = page_state_info(f->before.state);
    pen_label(p, "before", "%s: %s", info->title, info->sentence);
    if (info->present && f->before.attrs & PAGE_A_COUNT)
        pen_label(p, "map count", "%u", (unsigned)f->before.mapcount);
    if (info->present && f->before.frame != PAGE_FRAME_UNKNOWN)
        pen_label(p, "frame", "%llx", (unsigned long long)f->before.frame);
}

static void put_checks(struct pen *p, const struct call_verdict *v, const char *leaf)
{
    unsigned widest = 0;
    for (unsigned i = 0; i < v->steps; i++)
        if (strlen(v->step[i].question) > widest)
            widest = (unsigned)strlen(v->step[i].question);
    unsigned beside = pen_beside(p, widest);
    for (unsigned i = pen_folded(p, v->steps); i < v->steps; i++) {
        char text[PEN_TEXT_MAX];
        const struct call_step *step = &v->step[i];
        bool passed = step->mark == CALL_PASSED;
        snprintf(text, sizeof text, "%s%s", step->mark == CALL_PERHAPS ? "perhaps " : "",
                 step->answer);
        pen_branch(p, step->question, text, beside, STYLE(passed ? COLOR_DEFAULT : COLOR_FLASH));
    }
    pen_leaf(p, leaf);
}

/* The checks that the kernel made, and where they ended. */
static void put_verdict(struct pen *p, const struct ui_state *ui, const struct event *e)
{
    struct call_verdict v;
    char leaf[160];
    call_explain_here(e, &ui->now->target.geometry, &v);
    const char *name = v.error ? strerrorname_np(v.error) : NULL;
    if (!v.failed)
        snprintf(leaf, sizeof leaf, "done");
    else if (!name)
        snprintf(leaf, sizeof leaf, "not done");
    else
        snprintf(leaf, sizeof leaf, "%s: %s%s", name, strerrordesc_np(v.error),
                 v.sure || !v.steps ? "" : ", for one of these reasons");
    p->line++;
    pen_put(p, 1, true, STYLE(COLOR_TITLE), mm_call_name((enum mm_call)e->call.call));
    put_checks(p, &v, leaf);
}

static void put_call(struct pen *p, const struct ui_state *ui, const struct fault_entry *f)
{
    char text[FAULT_CALL_MAX], time[32], words[PEN_TEXT_MAX];
    const struct event *e = &f->event;
    pen_put(p, 1, true, STYLE(COLOR_TITLE), fault_call(text, e));
    if (*call_words(words, sizeof words, e))
        pen_label(p, "asked for", "%s", words);
    pen_label(p, "who", "process %d, thread %d, returned at %s s", (int)e->pid, (int)e->tid,
              fault_time(time, ui, e->t_ns, sizeof time - 1));
    if (e->call.entered_ns && e->call.entered_ns <= e->t_ns)
        pen_label(p, "took", "%llu us", (unsigned long long)(e->t_ns - e->call.entered_ns) / 1000);
    if (e->call.compat)
        pen_label(p, "call", "of a 32-bit task");
    if (!e->call.has_args)
        pen_label(p, "arguments", "? its beginning was not seen");
    put_verdict(p, ui, e);
}

static void put_all(struct pen *p, const struct ui_state *ui, const struct fault_entry *f,
                    unsigned callers)
{
    if (f->event.type != EVENT_FAULT) {
        put_call(p, ui, f);
        return;
    }
    put_fault(p, ui, f);
    put_callers(p, ui, f, callers);
    put_region(p, ui, f);
    put_before(p, f);
    put_both(p, ui, f);
}

static void draw_nothing(const struct ui_state *ui, struct area a)
{
    const struct engine_state *engine = ui->engine;
    struct pen p = {.a = a};
    char text[PEN_TEXT_MAX];
    snprintf(text, sizeof text, "No fault to explain, because none are followed: %s",
             engine && engine->why[0] ? engine->why : "press E, or start with --engine auto");
    if (ui->fault)
        pen_put(&p, 1, true, STYLE(COLOR_DIM), "this fault is no longer in the log");
    else if (engine && engine->name[0])
        pen_put(&p, 1, true, STYLE(COLOR_DIM), "no fault to explain yet");
    else
        pen_put(&p, 1, true, STYLE(COLOR_DEFAULT), text);
}

/* Lines of all of it, with so many branches left out. */
static unsigned measure(const struct ui_state *ui, const struct fault_entry *f, struct area a,
                        unsigned callers, unsigned fold)
{
    struct pen p = {.a = area_part(a, 0, 0, a.cols, 0), .fold = fold};
    put_all(&p, ui, f, callers);
    return p.line;
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct explain *x = view;
    unsigned fold = 0, room = a.rows / 4 > CALLERS_FEW ? a.rows / 4 : CALLERS_FEW;
    unsigned callers = x->all ? CALLERS_MAX : room;
    uint64_t n;
    const struct fault_entry *f = shown(ui, &n);
    if (!f) {
        draw_nothing(ui, a);
        return;
    }
    while (!x->all && fold < CALL_STEPS_MAX && measure(ui, f, a, callers, fold) > a.rows)
        fold++;
    list_text_fit(&x->lines, measure(ui, f, a, callers, fold), a.rows);
    struct pen p = {.a = a, .top = (unsigned)x->lines.top, .fold = fold};
    put_all(&p, ui, f, callers);
}

/* From an entry that is gone, the oldest one that is left is next. */
static unsigned step(struct explain *x, struct ui_state *ui, bool newer)
{
    uint64_t n = 0;
    if (!shown(ui, &n) && !ui->fault)
        return UI_HANDLED;
    if (find_fault(ui, newer ? n + 1 : n, newer, &n) ||
        (!fault_entry(ui, n) && find_fault(ui, fault_oldest(ui), true, &n)))
        ui->fault = n + 1;
    x->lines.top = 0;
    return UI_REDRAW;
}

static unsigned act(void *view, struct ui_state *ui, int action)
{
    struct explain *x = view;
    uint64_t n;
    const struct fault_entry *f;
    switch (action) {
    case NEWER:
    case OLDER:
        return step(x, ui, action == NEWER);
    case ALL:
        x->all = !x->all;
        x->lines.top = 0;
        return UI_REDRAW;
    case OPEN_MAP:
        f = shown(ui, &n);
        if (!f || f->event.type != EVENT_FAULT)
            return UI_HANDLED;
        ui->cursor = f->event.fault.address;
        return UI_SHOW_MAP;
    case LEAVE:
        return UI_SHOW_BACK;
    default:
        list_text_move(&x->lines, action);
        return UI_REDRAW;
    }
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    int action = list_wheel(m);
    return action < 0 ? UI_HANDLED : act(view, ui, action);
}

static const char *status(void *view, const struct ui_state *ui, char *out, size_t cap)
{
    uint64_t n;
    (void)view;
    if (!shown(ui, &n))
        return NULL;
    if (ui->fault)
        snprintf(out, cap, "event %llu", (unsigned long long)n + 1);
    else
        snprintf(out, cap, ui->source->stepper ? "last event" : "newest fault");
    return out;
}

const struct view_ops view_explain = {
    .name = "explain",
    .about = "why the selected fault or call went the way it did: the kernel's questions and the answers",
    .bindings = bindings,
    .size = sizeof(struct explain),
    .draw = draw,
    .act = act,
    .mouse = mouse,
    .status = status,
};
