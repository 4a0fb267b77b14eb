/* The faults and calls as they happen, newest first, and what most of them have in common. The list
 * is never copied: it is walked in the log from the selected entry, up and down, as far as the
 * screen reaches, past entries that the filter hides. So the selection stays on its entry while new
 * ones arrive above it; only as long as nothing is selected the newest is on top. The tops are in
 * faults_top.c. */
#include "ui/faults_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ui/fault_text.h"
#include "ui/fit.h"

enum action { OPEN_EXPLAIN = LIST_ACTION_N, OPEN_MAP, NEXT_KIND };

static const struct binding bindings[] = {
    {{KEY_CODE_ENTER}, "Enter", "explain: the way that the kernel went", true, OPEN_EXPLAIN},
    {{'p'}, "p", "top: the list, or counts by path, by site, by mapping", true, NEXT_KIND},
    {{'m'}, "m", "show on the map", true, OPEN_MAP},
    LIST_BINDINGS(false, "one row up, to newer ones", "one row down, to older ones",
                  "the newest, and stay with the newest", "the oldest that is kept"),
    {.label = NULL},
};

/* --- walking the log --- */

static bool fault_matches(const struct ui_state *ui, const struct fault_entry *f, const char *what)
{
    char text[FAULT_NAME_MAX];
    snprintf(text, sizeof text, "0x%llx", (unsigned long long)f->event.fault.address);
    if (strcasestr(text, what) || strcasestr(f->region, what))
        return true;
    fault_path(text, sizeof text, (enum path)f->verdict.path, (enum path_how)f->verdict.how,
               f->verdict.sure);
    if (strcasestr(text, what))
        return true;
    fault_where(text, ui, f->event.pid, f->program, f->event.fault.ip, UINT32_MAX);
    return strcasestr(text, what) != NULL;
}

/* A number means a thread or process too, if it is all of its number. */
static bool entry_matches(const struct ui_state *ui, const struct fault_entry *f, const char *what)
{
    char text[FAULT_CALL_MAX];
    if (!*what)
        return true;
    snprintf(text, sizeof text, "%d", (int)f->event.tid);
    if (!strcmp(text, what))
        return true;
    snprintf(text, sizeof text, "%d", (int)f->event.pid);
    if (!strcmp(text, what))
        return true;
    if (f->event.type == EVENT_FAULT)
        return fault_matches(ui, f, what);
    return strcasestr(fault_call(text, &f->event), what) != NULL;
}

/* The nearest entry below number n (older), or from n on (newer), that the filter shows. */
static bool find_older(const struct faults_view *v, const struct ui_state *ui, uint64_t n,
                       uint64_t *found)
{
    for (uint64_t oldest = fault_oldest(ui); n-- > oldest;) {
        const struct fault_entry *f = fault_entry(ui, n);
        if (f && entry_matches(ui, f, v->filter)) {
            *found = n;
            return true;
        }
    }
    return false;
}

static bool find_newer(const struct faults_view *v, const struct ui_state *ui, uint64_t n,
                       uint64_t *found)
{
    for (; n < ui->entries; n++) {
        const struct fault_entry *f = fault_entry(ui, n);
        if (f && entry_matches(ui, f, v->filter)) {
            *found = n;
            return true;
        }
    }
    return false;
}

/* The number of the selected entry, or of the nearest one that is there; false if there is none. */
static bool selected(const struct faults_view *v, const struct ui_state *ui, uint64_t *n)
{
    uint64_t last = ui->fault ? ui->fault : ui->entries;
    return find_older(v, ui, last, n) || find_newer(v, ui, last, n);
}

/* --- drawing --- */

enum column { COL_ADDRESS, COL_ACCESS, COL_PATH, COL_TIME, COL_TID, COL_REGION, COL_WHERE, COL_N };

enum { MARK_COLS = 2, PATH_COLS = 32, REGION_COLS = 40, WHERE_COLS = 32 };

/* In the order in which they get their place. */
static const struct {
    const char *title;
    unsigned cols;
} columns[COL_N] = {
    [COL_ADDRESS] = {"ADDRESS", 13}, [COL_ACCESS] = {"A", 2},   [COL_PATH] = {"PATH", 20},
    [COL_TIME] = {"TIME", 11},       [COL_TID] = {"TID", 8},    [COL_REGION] = {"REGION", 10},
    [COL_WHERE] = {"WHERE", 14},
};

static const enum column shown_order[COL_N] = {
    COL_TIME, COL_TID, COL_ADDRESS, COL_ACCESS, COL_REGION, COL_PATH, COL_WHERE};

struct table {
    unsigned col[COL_N], width[COL_N]; /* width 0: no room */
};

static unsigned widen(struct table *t, enum column c, unsigned most, unsigned left)
{
    if (!t->width[c] || t->width[c] >= most)
        return left;
    unsigned more = most - t->width[c] < left ? most - t->width[c] : left;
    t->width[c] += more;
    return left - more;
}

static void place_columns(struct table *t, unsigned cols)
{
    unsigned left = cols > MARK_COLS ? cols - MARK_COLS : 0, col = MARK_COLS;
    *t = (struct table){0};
    for (unsigned c = 0; c < COL_N; c++) {
        unsigned width = columns[c].cols;
        if (c == COL_PATH && left < width)
            width = left;
        if (width > left)
            break;
        t->width[c] = width;
        left -= width;
    }
    left = widen(t, COL_REGION, 14, left);
    left = widen(t, COL_WHERE, WHERE_COLS, left);
    left = widen(t, COL_PATH, PATH_COLS - 8, left);
    left = widen(t, COL_REGION, REGION_COLS / 2, left);
    left = widen(t, COL_PATH, PATH_COLS, left);
    left = widen(t, COL_ADDRESS, 17, left);
    left = widen(t, COL_REGION, REGION_COLS, left);
    widen(t, COL_WHERE, 3 * WHERE_COLS, left);
    for (unsigned i = 0; i < COL_N; i++) {
        t->col[shown_order[i]] = col;
        col += t->width[shown_order[i]];
    }
}

/* Of an address that is too long its end is shown. */
static void address_text(char *out, size_t cap, uint64_t address, unsigned cols)
{
    int n = snprintf(out, cap, "%llx", (unsigned long long)address);
    unsigned more = n > 0 && (unsigned)n > cols && cols > 2 ? (unsigned)n - cols + 2 : 0;
    if (more) {
        memmove(out + 2, out + more, cols - 1);
        memcpy(out, "..", 2);
    }
}

static void cell_text(const struct ui_state *ui, const struct fault_entry *f, enum column c,
                      unsigned cols, char out[FAULT_NAME_MAX])
{
    const struct path_verdict *verdict = &f->verdict;
    switch (c) {
    case COL_TIME:
        fault_time(out, ui, f->event.t_ns, cols);
        break;
    case COL_TID:
        snprintf(out, FAULT_NAME_MAX, "%d", (int)f->event.tid);
        break;
    case COL_ADDRESS:
        address_text(out, FAULT_NAME_MAX, f->event.fault.address, cols);
        break;
    case COL_ACCESS:
        snprintf(out, FAULT_NAME_MAX, "%c", fault_access(f));
        break;
    case COL_REGION:
        fault_region(out, f->region, sizeof f->region, f->region_start);
        break;
    case COL_PATH:
        fault_path(out, FAULT_NAME_MAX, (enum path)verdict->path, (enum path_how)verdict->how,
                   verdict->sure);
        break;
    default:
        fault_where(out, ui, f->event.pid, f->program, f->event.fault.ip, cols);
    }
}

static bool under_cursor(const struct ui_state *ui, const struct fault_entry *f)
{
    unsigned shift = ui->now->target.geometry.page_shift;
    return f->event.type == EVENT_FAULT && f->event.fault.address >> shift == ui->cursor >> shift;
}

static bool is_bad(uint8_t path)
{
    return path == PATH_BAD_AREA || path == PATH_BAD_ACCESS || path == PATH_SIGBUS;
}

/* Whether the kernel was seen going the way that was predicted; '!' if another. */
static char mark_of(const struct fault_entry *f)
{
    switch (f->observed.agreement) {
    case AGREES:
        return '=';
    case DISAGREES:
        return '!';
    case AGREEMENT_CORRECTED:
        return '~';
    default:
        return ' ';
    }
}

/* A call takes the columns from the address on. */
static void draw_entry(const struct ui_state *ui, const struct table *t, struct area line,
                       const struct fault_entry *f, bool is_selected)
{
    bool call = f->event.type != EVENT_FAULT;
    bool alert = is_bad(f->verdict.path) || f->observed.agreement == DISAGREES;
    struct style s = STYLE(call ? COLOR_DIM : alert ? COLOR_ALERT : COLOR_DEFAULT);
    char text[FAULT_NAME_MAX], fitting[FAULT_NAME_MAX];
    if (is_selected)
        s.bg = COLOR_CURSOR;
    area_fill(line, s, ' ');
    area_put(line, 0, 0, is_selected ? '>' : ' ', s);
    area_put(line, 1, 0, under_cursor(ui, f) ? '*' : ' ', s);
    for (unsigned c = 0; c < COL_N; c++) {
        if (!t->width[c] || (call && c != COL_TIME && c != COL_TID))
            continue;
        unsigned room = t->width[c] - 1;
        cell_text(ui, f, (enum column)c, room, text);
        unsigned pad = c == COL_TIME && strlen(text) < room ? room - (unsigned)strlen(text) : 0;
        struct style own = s;
        if (c == COL_PATH && !is_selected)
            own.fg = (uint8_t)fault_color((enum path)f->verdict.path);
        (c == COL_REGION ? fit_name : fit_text)(fitting, sizeof fitting, text, room);
        area_text(line, t->col[c] + pad, 0, room, fitting, own);
    }
    if (!call && t->width[COL_PATH])
        area_put(line, t->col[COL_PATH] - 1, 0, (uint32_t)mark_of(f), s);
    if (call)
        area_text(line, t->col[COL_ADDRESS], 0, line.cols, fault_call(text, &f->event), s);
}

static void draw_titles(const struct table *t, struct area a)
{
    for (unsigned c = 0; c < COL_N; c++)
        if (t->width[c])
            area_text(a, t->col[c], 0, t->width[c] - 1, columns[c].title, STYLE(COLOR_TITLE));
}

/* How many rows lie above the selected one, when as many as possible of `rows` shall be in use. */
static unsigned place_selected(struct faults_view *v, const struct ui_state *ui, uint64_t at,
                               unsigned rows)
{
    uint64_t n = at, top = at;
    unsigned above = 0, below = 0;
    if (!ui->fault)
        v->above = 0;
    if (v->above >= rows)
        v->above = rows - 1;
    while (below + v->above + 1 < rows && find_older(v, ui, n, &n))
        below++;
    while (above < rows - 1 - below && find_newer(v, ui, top + 1, &top))
        above++;
    return v->above = above;
}

static void draw_list(struct faults_view *v, const struct ui_state *ui, struct area a)
{
    struct table t;
    uint64_t at, n;
    place_columns(&t, a.cols);
    if (!selected(v, ui, &at)) {
        if (v->filter[0] && ui->entries)
            area_printf(a, 1, 0, STYLE(COLOR_DIM), "nothing here matches \"%s\"", v->filter);
        else
            faults_draw_none(ui, a);
        return;
    }
    bool titles = a.rows >= 4;
    v->head += titles;
    if (titles)
        draw_titles(&t, a);
    struct area list = area_part(a, 0, titles, a.cols, a.rows - titles);
    v->height = list.rows;
    if (!list.rows)
        return;
    unsigned above = place_selected(v, ui, at, list.rows);
    n = at;
    for (unsigned i = 0; i < above; i++)
        find_newer(v, ui, n + 1, &n);
    unsigned row = 0;
    do
        draw_entry(ui, &t, area_part(list, 0, row, list.cols, 1), fault_entry(ui, n), n == at);
    while (++row < list.rows && find_older(v, ui, n, &n));
}

void faults_draw_latest(const struct ui_state *ui, struct area a)
{
    struct table t;
    place_columns(&t, a.cols);
    for (unsigned i = 0; i < a.rows; i++) {
        const struct fault_entry *f = ui->entries > i ? fault_entry(ui, ui->entries - 1 - i) : NULL;
        if (!f)
            return;
        draw_entry(ui, &t, area_part(a, 0, i, a.cols, 1), f, false);
    }
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct faults_view *v = view;
    unsigned head = faults_draw_head(ui, a);
    struct area rest = area_part(a, 0, head, a.cols, a.rows > head ? a.rows - head : 0);
    v->head = head;
    if (v->kind == KIND_LIST)
        draw_list(v, ui, rest);
    else
        faults_draw_top(v, ui, rest);
}

/* --- keys --- */

static void move_by(struct faults_view *v, struct ui_state *ui, uint64_t at, int rows)
{
    uint64_t n = at;
    for (; rows < 0 && find_newer(v, ui, n + 1, &n); rows++)
        v->above -= v->above > 0;
    for (; rows > 0 && find_older(v, ui, n, &n); rows--)
        v->above++;
    ui->fault = n + 1;
}

static unsigned act_on_list(struct faults_view *v, struct ui_state *ui, int action)
{
    int screen = v->height > 1 ? (int)v->height : 1;
    uint64_t at;
    if (!selected(v, ui, &at))
        return UI_HANDLED;
    const struct fault_entry *f = fault_entry(ui, at);
    switch (action) {
    case LIST_UP:
    case LIST_DOWN:
        move_by(v, ui, at, action == LIST_UP ? -1 : 1);
        break;
    case LIST_PAGE_UP:
    case LIST_PAGE_DOWN:
        move_by(v, ui, at, action == LIST_PAGE_UP ? -screen : screen);
        break;
    case LIST_FIRST:
        ui->fault = 0;
        break;
    case LIST_LAST:
        if (find_newer(v, ui, fault_oldest(ui), &at))
            ui->fault = at + 1;
        v->above = UINT32_MAX;
        break;
    case OPEN_EXPLAIN:
        ui->fault = at + 1;
        return UI_SHOW_EXPLAIN;
    case OPEN_MAP:
        if (f->event.type != EVENT_FAULT)
            return UI_HANDLED;
        ui->cursor = f->event.fault.address;
        return UI_SHOW_MAP;
    }
    return UI_REDRAW;
}

static unsigned act_on_top(struct faults_view *v, struct ui_state *ui, int action)
{
    if (action >= LIST_ACTION_N)
        return faults_top_address(v, &ui->cursor) ? UI_SHOW_MAP : UI_HANDLED;
    list_move(&v->top, action);
    return UI_REDRAW;
}

static unsigned act(void *view, struct ui_state *ui, int action)
{
    struct faults_view *v = view;
    if (action == NEXT_KIND) {
        v->kind = v->kind + 1 < KIND_N ? v->kind + 1 : KIND_LIST;
        v->top = (struct list){0};
        return UI_REDRAW;
    }
    return v->kind == KIND_LIST ? act_on_list(v, ui, action) : act_on_top(v, ui, action);
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    struct faults_view *v = view;
    uint64_t at;
    int action = list_wheel(m);
    if (action >= 0)
        return act(view, ui, action);
    if (m->row < v->head)
        return UI_HANDLED;
    if (v->kind != KIND_LIST)
        return list_point(&v->top, m->row - v->head) ? UI_REDRAW : UI_HANDLED;
    if (m->row - v->head >= v->height || !selected(v, ui, &at))
        return UI_HANDLED;
    move_by(v, ui, at, (int)(m->row - v->head) - (int)v->above);
    return m->what == MOUSE_DOUBLE ? act(view, ui, OPEN_EXPLAIN) : UI_REDRAW;
}

static void filter(void *view, const char *what)
{
    struct faults_view *v = view;
    snprintf(v->filter, sizeof v->filter, "%s", what);
}

static const char *status(void *view, const struct ui_state *ui, char *out, size_t cap)
{
    const struct faults_view *v = view;
    (void)ui;
    static const char *const kinds[] = {
        [KIND_LIST] = "list", [KIND_PATH] = "by path", [KIND_SITE] = "by site",
        [KIND_REGION] = "by mapping"};
    snprintf(out, cap, "%s", v->kind == KIND_LIST && v->filter[0] ? "filtered" : kinds[v->kind]);
    return out;
}

const struct view_ops view_faults = {
    .name = "faults",
    .about = "page faults and mm calls as they happen, and where most of them come from",
    .bindings = bindings,
    .size = sizeof(struct faults_view),
    .draw = draw,
    .act = act,
    .mouse = mouse,
    .filter = filter,
    .status = status,
};
