/* The process picker: a list, narrowed by what is typed. Every typed character belongs to the
 * filter, so that its commands are keys that type nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ui/line_edit.h"
#include "ui/list.h"

enum { PID_COLS = 9, USER_COLS = 13, RSS_COLS = 7, USER_MIN = 40 };

struct picker_view {
    struct process_list list;
    bool listed;
    size_t *rows; /* owned; the processes that match, as indices into the list */
    size_t rows_cap;
    struct list shown; /* of the rows */
    struct line_edit typed;
    char problem[400]; /* why the last thing failed, or "" */
};

enum action { CHOOSE = LIST_ACTION_N, REFRESH, CANCEL };

static const struct binding bindings[] = {
    {{KEY_CODE_ENTER}, "Enter", "watch it", true, CHOOSE},
    {{KEY_CODE_F1 + 4, KEY_CTRL('r')}, "F5", "refresh the list", true, REFRESH},
    {{KEY_CODE_ESC}, "Esc", "leave; first it clears what was typed", true, CANCEL},
    {{KEY_CODE_UP}, "Up", "one row up", false, LIST_UP},
    {{KEY_CODE_DOWN}, "Down", "one row down", false, LIST_DOWN},
    {{KEY_CODE_PGUP}, "PgUp", "a screen up", false, LIST_PAGE_UP},
    {{KEY_CODE_PGDN}, "PgDn", "a screen down", false, LIST_PAGE_DOWN},
    {{KEY_CODE_HOME}, "Home", "first row", false, LIST_FIRST},
    {{KEY_CODE_END}, "End", "last row", false, LIST_LAST},
    {.label = NULL},
};

static void deinit(void *view)
{
    struct picker_view *v = view;
    process_list_deinit(&v->list);
    free(v->rows);
}

static bool matches(const struct process_entry *p, const char *what)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)p->pid);
    return strcasestr(p->name, what) || strcasestr(p->user, what) ||
           !strncmp(pid, what, strlen(what));
}

static void narrow(struct picker_view *v)
{
    size_t count = 0;
    for (size_t i = 0; i < v->list.count && i < v->rows_cap; i++)
        if (matches(&v->list.v[i], v->typed.text))
            v->rows[count++] = i;
    list_fit(&v->shown, count, v->shown.height);
}

static void refresh(struct picker_view *v, struct ui_state *ui)
{
    struct process_list list = {0};
    struct err e = {0};
    v->listed = true;
    v->problem[0] = '\0';
    if (!ui->source->list || ui->source->list(ui->source->ctx, &list, &e)) {
        snprintf(v->problem, sizeof v->problem, "%s", e.text[0] ? e.text : "no process list here");
        return;
    }
    void *rows = v->rows;
    if (array_reserve(&rows, &v->rows_cap, list.count, sizeof *v->rows))
        snprintf(v->problem, sizeof v->problem, "not enough memory for the whole list");
    v->rows = rows;
    process_list_deinit(&v->list);
    v->list = list;
    narrow(v);
}

static void draw_process(const struct process_entry *p, struct area line, bool selected)
{
    char name[600], user[80], size[TEXT_SIZE_MAX];
    struct style s = STYLE(COLOR_DEFAULT);
    if (selected)
        s.bg = COLOR_CURSOR;
    area_fill(line, s, ' ');
    text_escape(name, sizeof name, p->name, strnlen(p->name, sizeof p->name));
    text_escape(user, sizeof user, p->user, strnlen(p->user, sizeof p->user));
    text_size(size, p->rss);
    area_printf(line, 0, 0, s, "%c%7d", selected ? '>' : ' ', (int)p->pid);
    unsigned col = PID_COLS;
    if (line.cols >= USER_MIN) {
        area_text(line, col, 0, USER_COLS - 1, user, s);
        col += USER_COLS;
    }
    area_printf(line, col, 0, s, "%6s", size);
    area_text(line, col + RSS_COLS, 0, line.cols, name, s);
}

static void draw_titles(struct area line)
{
    bool user = line.cols >= USER_MIN;
    area_printf(line, 0, 0, STYLE(COLOR_TITLE), "%8s %s%6s %s", "PID",
                user ? "USER         " : "", "RSS", "COMMAND");
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct picker_view *v = view;
    if (!v->listed)
        refresh(v, ui);
    line_edit_draw(&v->typed, area_part(a, 1, 0, a.cols, 1), "process: ");
    if (v->problem[0])
        area_text(a, 1, 1, a.cols, v->problem, STYLE(COLOR_ALERT));
    else
        draw_titles(area_part(a, 0, 1, a.cols, 1));
    struct list *l = &v->shown;
    list_fit(l, l->count, a.rows > 2 ? a.rows - 2 : 0);
    for (unsigned i = 0; i < l->height && l->top + i < l->count; i++)
        draw_process(&v->list.v[v->rows[l->top + i]], area_part(a, 0, i + 2, a.cols, 1),
                     l->top + i == l->row);
    if (!l->count)
        area_text(a, 1, 2, a.cols, "no process matches", STYLE(COLOR_DIM));
}

static unsigned choose(struct picker_view *v, struct ui_state *ui)
{
    struct err e = {0};
    if (v->shown.row >= v->shown.count || !ui->source->attach)
        return UI_HANDLED;
    if (ui->source->attach(ui->source->ctx, v->list.v[v->rows[v->shown.row]].pid, &e)) {
        snprintf(v->problem, sizeof v->problem, "%s", e.text);
        return UI_REDRAW;
    }
    v->listed = false;
    v->problem[0] = '\0';
    ui->frozen = false;
    return UI_SHOW_MAP;
}

/* Esc takes one thing back: what was typed, or being here. */
static unsigned cancel(struct picker_view *v, const struct ui_state *ui)
{
    if (v->typed.len) {
        line_edit_set(&v->typed, "");
        narrow(v);
        return UI_REDRAW;
    }
    return ui->now ? UI_SHOW_BACK : UI_QUIT;
}

static unsigned act(void *view, struct ui_state *ui, int action)
{
    struct picker_view *v = view;
    switch (action) {
    case CHOOSE:
        return choose(v, ui);
    case REFRESH:
        refresh(v, ui);
        return UI_REDRAW;
    case CANCEL:
        return cancel(v, ui);
    default:
        list_move(&v->shown, action);
        return UI_REDRAW;
    }
}

static unsigned type(void *view, struct ui_state *ui, int key)
{
    struct picker_view *v = view;
    (void)ui;
    if (!line_edit_key(&v->typed, key))
        return UI_IGNORED;
    v->shown.row = 0;
    narrow(v);
    return UI_REDRAW;
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    struct picker_view *v = view;
    int action = list_wheel(m);
    if (action >= 0)
        return act(view, ui, action);
    if (m->row < 2 || !list_point(&v->shown, m->row - 2))
        return UI_HANDLED;
    return m->what == MOUSE_DOUBLE ? choose(v, ui) : UI_REDRAW;
}

static const char *status(void *view, const struct ui_state *ui, char *out, size_t cap)
{
    const struct picker_view *v = view;
    (void)ui;
    snprintf(out, cap, "%zu of %zu", v->shown.count, v->list.count);
    return out;
}

const struct view_ops view_picker = {
    .name = "processes",
    .about = "the processes of this machine; what is typed narrows them down",
    .bindings = bindings,
    .size = sizeof(struct picker_view),
    .deinit = deinit,
    .draw = draw,
    .act = act,
    .type = type,
    .mouse = mouse,
    .status = status,
};
