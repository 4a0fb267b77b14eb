/* What the step means: the note, what came of the action, the way of its faults through the kernel,
 * predicted and observed, marks of the quiz, and expectations that did not hold. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/evidence.h"
#include "ui/fault_text.h"
#include "ui/map_parts.h"
#include "ui/player_parts.h"

enum { GROUPS_MAX = 8, BESIDE_COLS = 50 };

/* Where the next line goes. */
struct pen {
    struct area a;
    unsigned row;
};

static void put(struct pen *n, struct style s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void put(struct pen *n, struct style s, const char *fmt, ...)
{
    char text[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n->row < n->a.rows)
        n->row += map_wrapped(n->a, n->row, n->a.rows - n->row, text, s);
}

static void gap(struct pen *n)
{
    if (n->row)
        n->row++;
}

/* The last note up to the step shown; before the first, what the scenario is about. */
static const char *current_note(const struct player *p)
{
    for (size_t i = p->at; i > 0; i--)
        if (p->v[i - 1].step.note)
            return p->v[i - 1].step.note;
    return p->at ? "" : p->script->about;
}

static void put_result(struct pen *n, const struct player_step *s, const char *text)
{
    bool bad = s->failed || !s->ok;
    put(n, (struct style){COLOR_DEFAULT, COLOR_DEFAULT, CELL_BOLD}, "%s", text);
    if (!s->ran)
        return;
    char faults[80] = "; faults not known";
    if (s->counted)
        snprintf(faults, sizeof faults, "; %" PRIu64 " minor fault%s, %" PRIu64 " major", s->minor,
                 s->minor == 1 ? "" : "s", s->major);
    put(n, STYLE(bad ? COLOR_ALERT : COLOR_DEFAULT), "%s%s%s", s->result, faults,
        s->failed ? ". Nothing expects this failure: what follows means nothing" : "");
}

/* --- faults --- */

/* Faults that went the same way. */
struct group {
    const struct player_fault *first;
    size_t count;
};

static bool alike(const struct player_fault *a, const struct player_fault *b)
{
    const struct path_verdict *v = &a->entry.verdict, *w = &b->entry.verdict;
    const struct observation *o = &a->entry.observed, *q = &b->entry.observed;
    return v->path == w->path && v->how == w->how && v->also == w->also && v->sure == w->sure &&
           o->agreement == q->agreement && o->count == q->count && o->how == q->how &&
           !memcmp(o->seen, q->seen, sizeof o->seen);
}

static size_t group_faults(const struct player_step *s, struct group v[GROUPS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < s->fault_count; i++) {
        size_t k = 0;
        while (k < n && !alike(v[k].first, &s->faults[i]))
            k++;
        if (k == GROUPS_MAX)
            continue;
        if (k == n)
            v[n++] = (struct group){&s->faults[i], 0};
        v[k].count++;
    }
    return n;
}

static const char *observed_text(const struct observation *o, char *out, size_t cap)
{
    static const char *const hows[] = {"", " copy", " reuse"};
    size_t at = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < o->count && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%s", i ? ", " : "",
                               observed_name(o->seen[i]));
    if (o->count && at < cap)
        snprintf(out + at, cap - at, "%s", hows[o->how <= HOW_REUSE ? o->how : 0]);
    if (!o->count)
        snprintf(out, cap, "%s", o->agreement == AGREEMENT_UNASKED ? "not looked for"
                                                                   : "left no trace");
    return out;
}

static void put_groups(struct pen *n, const struct group *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char path[64], also[80] = "", seen[160], place[100];
        const struct fault_entry *f = &v[i].first->entry;
        if (f->verdict.also)
            snprintf(also, sizeof also, "%s, ", path_name(f->verdict.also));
        fault_path(path, sizeof path, f->verdict.path, f->verdict.how, f->verdict.sure);
        snprintf(place, sizeof place, "%s%s", v[i].first->place,
                 v[i].count > 1 && v[i].first->place[0] ? " ..." : "");
        put(n, STYLE((uint8_t)fault_color(f->verdict.path)), "%zu x %c %s", v[i].count,
            fault_access(f), place);
        put(n, STYLE(COLOR_DEFAULT), "predicted %s%s", also, path);
        put(n, STYLE(f->observed.agreement == DISAGREES ? COLOR_ALERT : COLOR_DEFAULT),
            "observed  %s%s", observed_text(&f->observed, seen, sizeof seen),
            f->observed.agreement == DISAGREES ? "  (disagrees)" : "");
    }
}

/* The questions on the way to the path, and the last answers. */
static void draw_questions(struct area a, const struct path_verdict *v)
{
    struct pen n = {.a = a};
    put(&n, STYLE(COLOR_DIM), "the kernel asks");
    for (unsigned i = 0; i < v->steps; i++)
        put(&n, STYLE(COLOR_DEFAULT), "%s %s", v->step[i].question, v->step[i].answer);
}

/* Innermost first. */
static void draw_stack(struct area a, const char *stack)
{
    const char *end = stack + strlen(stack);
    unsigned row = 0;
    area_text(a, 0, row++, a.cols, "the kernel's own stack", STYLE(COLOR_DIM));
    while (end > stack && row < a.rows) {
        const char *at = end;
        char name[80];
        while (at > stack && at[-1] != ';')
            at--;
        snprintf(name, sizeof name, "%.*s", (int)(end - at), at);
        area_text(a, 0, row++, a.cols, name, STYLE(COLOR_DEFAULT));
        end = at > stack ? at - 1 : stack;
    }
}

static void draw_evidence(struct pen *n, const struct player_fault *f)
{
    if (n->row + 3 > n->a.rows)
        return;
    n->row++;
    unsigned half = f->stack && n->a.cols >= BESIDE_COLS ? n->a.cols / 2 : n->a.cols;
    struct area a = area_part(n->a, 0, n->row, n->a.cols, n->a.rows - n->row);
    draw_questions(area_part(a, 0, 0, half - 1, a.rows), &f->entry.verdict);
    if (half < n->a.cols)
        draw_stack(area_part(a, half, 0, a.cols - half, a.rows), f->stack);
    n->row = n->a.rows;
}

static void put_failures(struct pen *n, const struct player_step *s)
{
    for (size_t i = 0; i < s->check_count; i++) {
        const struct player_check *c = &s->checks[i];
        if (c->verdict == PLAYER_FAILED)
            put(n, STYLE(COLOR_ALERT), "line %u: expected %s; found %s", c->line, c->expected,
                c->found);
    }
}

/* What was skipped, once for each reason. */
static void put_skipped(struct pen *n, const struct player_step *s)
{
    for (size_t i = 0; i < s->check_count; i++) {
        const struct player_check *c = &s->checks[i];
        bool said = c->verdict != PLAYER_SKIPPED;
        for (size_t k = 0; k < i; k++)
            said |= s->checks[k].verdict == PLAYER_SKIPPED && !strcmp(s->checks[k].found, c->found);
        if (!said)
            put(n, STYLE(COLOR_DIM), "skipped: %s", c->found);
    }
}

static void put_faults(struct pen *n, const struct player_step *s)
{
    struct group v[GROUPS_MAX];
    size_t count = group_faults(s, v);
    if (!s->followed && s->ran && s->minor + s->major)
        put(n, STYLE(COLOR_DIM), "which way they went is not known: %s", s->why);
    put_groups(n, v, count);
    put_skipped(n, s);
    if (count)
        draw_evidence(n, v[0].first);
}

static void put_marks(struct pen *n, const struct played *shown)
{
    for (unsigned i = 0; i < shown->mark_count; i++)
        put(n, STYLE(shown->marks[i].right ? COLOR_KEY : COLOR_ALERT), "%s", shown->marks[i].text);
}

static void put_step(struct pen *n, const struct player *p, const struct played *shown)
{
    const struct player_step *s = &shown->step;
    gap(n);
    if (!s->note)
        put_result(n, s, p->script->lines[s->line - 1].text);
    put_marks(n, shown);
    put_failures(n, s);
    put_faults(n, s);
}

/* A mistake in the script comes in lines, with a caret below the place: they stay lines. */
static void put_said(struct pen *n, const char *said)
{
    if (!strchr(said, '\n'))
        put(n, STYLE(COLOR_ALERT), "%s", said);
    else
        for (const char *at = said; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
            area_printf(n->a, 0, n->row++, STYLE(COLOR_ALERT), "%.*s", (int)strcspn(at, "\n"), at);
    gap(n);
}

void player_draw_explanation(const struct player *p, struct area a)
{
    struct pen n = {.a = a};
    const struct played *shown = player_shown(p);
    if (p->said[0])
        put_said(&n, p->said);
    if (!shown)
        put(&n, (struct style){COLOR_DEFAULT, COLOR_DEFAULT, CELL_BOLD}, "%s", p->script->title);
    put(&n, STYLE(COLOR_TITLE), "%s", current_note(p));
    if (shown)
        put_step(&n, p, shown);
    else if (!p->said[0])
        put(&n, STYLE(COLOR_DIM), "n takes the first step.");
}
