/* A process and its descendants as a tree, with what each of them has, and a panel below: what the
 * selected one shares with the others, where sharing was lost since fork, or the copies that are
 * made right now. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ui/family_parts.h"
#include "ui/frame.h"
#include "ui/list.h"

enum { MARK_COLS = 2, PID_COLS = 8, SIZE_COLS = 7, HEAD_ROWS = 2 };
static const uint64_t old_ns = UINT64_C(5000000000);

enum panel { PANEL_PAIRS, PANEL_DIVERGED, PANEL_BREAKS, PANEL_N };

enum column { COL_RSS, COL_PSS, COL_USS, COL_SHARE, COL_COW, COL_OWN, COL_NEW, COL_SWAP, COL_N };

/* `rank`: the order in which columns get their place. */
static const struct {
    const char *title;
    unsigned rank;
} columns[COL_N] = {
    [COL_RSS] = {"RSS", 0}, [COL_PSS] = {"PSS", 1},   [COL_USS] = {"USS", 2},
    [COL_SHARE] = {"SHARE", 3}, [COL_COW] = {"COW", 4}, [COL_OWN] = {"OWN", 5},
    [COL_NEW] = {"NEW", 6},     [COL_SWAP] = {"SWAP", 7},
};

struct family_view {
    pid_t asked;
    pid_t selected; /* 0: the root */
    struct list list;
    enum panel panel;
    bool panel_chosen;
    pid_t marked[UI_RELATIVES_MAX - 1];
    size_t *rows; /* owned: members in the order of the tree */
    size_t cap;
};

enum action { OPEN_SHARING = LIST_ACTION_N, MARK, NEXT_PANEL };

static const struct binding bindings[] = {
    {{KEY_CODE_ENTER}, "Enter", "compare: with its parent, or with those that are marked", true,
     OPEN_SHARING},
    {{'m'}, "m", "mark: to be compared", true, MARK},
    {{'p'}, "p", "panel: pairs, mappings that grew apart, copies as they are made", true,
     NEXT_PANEL},
    LIST_BINDINGS(false, "one process up", "one process down", "first process", "last process"),
    {.label = NULL},
};

static void deinit(void *view)
{
    struct family_view *v = view;
    free(v->rows);
}

/* --- the tree --- */

static void add_below(struct family_view *v, const struct family *f, size_t member)
{
    v->rows[v->list.count++] = member;
    for (size_t i = member + 1; i < f->count; i++)
        if (f->v[i].parent == member)
            add_below(v, f, i);
}

/* Children under their parents; who has lost its parent comes last. False: out of memory. */
static bool make_rows(struct family_view *v, const struct family *f)
{
    void *rows = v->rows;
    if (array_reserve(&rows, &v->cap, f->count, sizeof *v->rows))
        return false;
    v->rows = rows;
    v->list.count = 0;
    for (size_t i = 0; i < f->count; i++)
        if (f->v[i].parent == FAMILY_NONE)
            add_below(v, f, i);
    v->list.row = 0;
    for (size_t i = 0; i < v->list.count; i++)
        if (f->v[v->rows[i]].pid == v->selected)
            v->list.row = i;
    return true;
}

static struct known_bytes bytes_of(const struct family *before, const struct family_member *m,
                                   enum column c)
{
    const struct totals *t = &m->totals;
    bool read = m->moment.regions != NULL;
    size_t old;
    switch (c) {
    case COL_RSS:
        return (struct known_bytes){t->resident, read && !t->no_resident};
    case COL_PSS:
        return m->pss;
    case COL_USS:
        return m->uss;
    case COL_SHARE:
        return family_member_shared(m);
    case COL_COW:
        return (struct known_bytes){t->cow, read && !t->no_cow};
    case COL_OWN:
        return (struct known_bytes){m->own.own, m->own.known};
    case COL_NEW:
        old = before ? family_find(before, m->pid) : FAMILY_NONE;
        if (old == FAMILY_NONE || !before->v[old].own.known || !m->own.known)
            return (struct known_bytes){0, false};
        return (struct known_bytes){
            m->own.own > before->v[old].own.own ? m->own.own - before->v[old].own.own : 0, true};
    default:
        return (struct known_bytes){t->swap, read && !t->no_swap};
    }
}

/* Which columns there is room for, the name's 16 columns aside. */
static void choose_columns(unsigned cols, bool shown[COL_N])
{
    enum { NAME_LEAST = 16 };
    unsigned used = MARK_COLS + PID_COLS + NAME_LEAST;
    for (unsigned rank = 0; rank < COL_N; rank++)
        for (unsigned c = 0; c < COL_N; c++)
            if (columns[c].rank == rank) {
                shown[c] = used + SIZE_COLS <= cols;
                used += shown[c] ? SIZE_COLS : 0;
            }
}

static void draw_titles(struct area a, const bool shown[COL_N])
{
    unsigned col = MARK_COLS + PID_COLS;
    area_printf(a, MARK_COLS, 0, STYLE(COLOR_TITLE), "%7s", "PID");
    for (unsigned c = 0; c < COL_N; c++) {
        if (!shown[c])
            continue;
        area_printf(a, col, 0, STYLE(COLOR_TITLE), "%6s", columns[c].title);
        col += SIZE_COLS;
    }
    area_text(a, col, 0, a.cols - col, "PROCESS", STYLE(COLOR_TITLE));
}

static bool is_marked(const struct family_view *v, pid_t pid)
{
    for (unsigned i = 0; i < UI_RELATIVES_MAX - 1; i++)
        if (v->marked[i] == pid)
            return true;
    return false;
}

static void draw_member(const struct family_view *v, const struct ui_state *ui, struct area line,
                        const struct family_member *m, const bool shown[COL_N], bool selected)
{
    struct style s = STYLE(selected ? COLOR_CURSOR : COLOR_DEFAULT);
    unsigned col = MARK_COLS + PID_COLS;
    char comm[128], text[TEXT_SIZE_MAX];
    area_fill(line, s, ' ');
    area_put(line, 0, 0, selected ? '>' : ' ', s);
    area_put(line, 1, 0, is_marked(v, m->pid) ? '*' : ' ', s);
    area_printf(line, MARK_COLS, 0, s, "%7d", m->pid);
    for (unsigned c = 0; c < COL_N; c++) {
        if (!shown[c])
            continue;
        struct known_bytes b = bytes_of(ui->family_before, m, (enum column)c);
        bool news = c == COL_NEW && b.known && b.bytes;
        struct style of = selected || !news ? s : STYLE(COLOR_FLASH);
        const char *none = c == COL_NEW || c == COL_OWN ? "." : "0";
        bool parentless = (c == COL_OWN || c == COL_NEW) && m->parent == FAMILY_NONE;
        area_printf(line, col, 0, of, "%6s",
                    parentless ? "-" : !b.known ? "?" : b.bytes ? text_size(text, b.bytes) : none);
        col += SIZE_COLS;
    }
    col += m->depth < 16 ? m->depth * 2 : 32;
    if (col >= line.cols)
        return;
    text_escape(comm, sizeof comm, m->moment.target.comm, strlen(m->moment.target.comm));
    col += area_text(line, col, 0, line.cols - col, comm, s);
    if (m->why[0] && col + 2 < line.cols)
        area_printf(line, col + 2, 0, STYLE(COLOR_DIM), "%s", m->why);
}

/* --- the lines above --- */

/* A sum that has no room is left out: half a number is a wrong one. */
static unsigned put_sum(struct area a, unsigned col, const char *name, struct known_bytes b)
{
    char size[TEXT_SIZE_MAX], text[64];
    int n = snprintf(text, sizeof text, "%s %s", name, b.known ? text_size(size, b.bytes) : "?");
    if (col + (unsigned)n > a.cols)
        return col;
    return col + 2 + area_printf(a, col, 0, STYLE(COLOR_DEFAULT), "%s", text);
}

static void draw_head(const struct ui_state *ui, struct area a)
{
    const struct family *f = ui->family;
    struct family_sums sums;
    family_sum(f, &sums);
    unsigned col = 3 + area_printf(a, 1, 0, STYLE(COLOR_TITLE), "%zu %s", f->count,
                                   f->count == 1 ? "process" : "processes");
    if (f->left_out || f->vanished)
        col += 2 + area_printf(a, col, 0, STYLE(COLOR_ALERT), "%zu not shown",
                               f->left_out + f->vanished);
    col = put_sum(a, col, "in memory", f->once);
    col = put_sum(a, col, "shared here", f->common);
    col = put_sum(a, col, "rss added up", sums.rss);
    put_sum(a, col, "pss", sums.pss);
}

/* --- the panel --- */

struct relative {
    size_t member;
    uint64_t shared;
};

static int by_falling_shared(const void *pa, const void *pb)
{
    const struct relative *a = pa, *b = pb;
    if (a->shared != b->shared)
        return a->shared < b->shared ? 1 : -1;
    return a->member < b->member ? -1 : a->member > b->member;
}

static void draw_pairs(const struct family *f, struct area a, size_t member)
{
    enum { CELL_COLS = 15 };
    static struct relative v[FAMILY_MAX];
    char text[TEXT_SIZE_MAX];
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++) {
        struct known_bytes b = family_shared(f, member, i);
        if (i != member && b.known)
            v[n++] = (struct relative){i, b.bytes};
    }
    if (!n) {
        area_text(a, 1, 0, a.cols, f->count > 1 ? f->pairs.why : "it has no descendants",
                  STYLE(COLOR_DIM));
        return;
    }
    qsort(v, n, sizeof *v, by_falling_shared);
    unsigned across = a.cols / CELL_COLS;
    for (size_t i = 0; i < n && across && i / across < a.rows; i++)
        area_printf(a, (unsigned)(i % across) * CELL_COLS, (unsigned)(i / across),
                    STYLE(COLOR_DEFAULT), "%7d %6s", f->v[v[i].member].pid,
                    text_size(text, v[i].shared));
}

static void draw_diverged(const struct family *f, struct area a)
{
    char size[TEXT_SIZE_MAX], name[256];
    for (size_t i = 0; i < f->broken_count && i < a.rows; i++) {
        const struct family_broken *b = &f->broken[i];
        text_escape(name, sizeof name, b->name, strlen(b->name));
        area_printf(a, 1, (unsigned)i, STYLE(COLOR_DEFAULT),
                    "%6s in %3zu %-9s  %012" PRIx64 "  %s", text_size(size, b->own), b->members,
                    b->members == 1 ? "process" : "processes", b->start,
                    name[0] ? name : region_kind_name((enum region_kind)b->kind));
    }
    const char *none = f->count == 1 ? "it has no descendants"
                       : f->pairs.yes ? "no process has a copy of its own of what its parent has"
                                      : f->pairs.why;
    if (!f->broken_count)
        area_text(a, 1, 0, a.cols, none, STYLE(COLOR_DIM));
}

static void draw_panel(struct family_view *v, struct ui_state *ui, struct area a)
{
    const struct family *f = ui->family;
    struct area rest = area_part(a, 0, 1, a.cols, a.rows ? a.rows - 1 : 0);
    size_t member = v->rows[v->list.row];
    char title[200], who[160];
    if (!v->panel_chosen)
        v->panel = ui->engine && ui->engine->name[0] ? PANEL_BREAKS : PANEL_DIVERGED;
    family_title(&f->v[member], who, sizeof who);
    if (v->panel == PANEL_PAIRS)
        snprintf(title, sizeof title, "%s shares with", who);
    else
        snprintf(title, sizeof title, "%s",
                 v->panel == PANEL_DIVERGED ? "copies of their own since fork, by mapping"
                                            : "copies as they are made: when, who, page, where");
    rule_draw(a, 2, "%s", title);
    if (v->panel == PANEL_PAIRS)
        draw_pairs(f, rest, member);
    else if (v->panel == PANEL_DIVERGED)
        draw_diverged(f, rest);
    else
        family_draw_breaks(ui, rest, NULL, 0);
}

/* The reason of the "?" in the rows; NULL: there is none, or it stands in its own row. */
static const char *why_unknown(const struct ui_state *ui, char *out, size_t cap)
{
    const struct family *f = ui->family;
    for (size_t i = 0; i < f->count; i++) {
        const struct family_member *m = &f->v[i];
        const struct target_info *t = &m->moment.target;
        const char *why = !t->pagemap.yes ? t->pagemap.why
                          : !t->pfn.yes   ? t->pfn.why
                                          : t->kpagecount.why;
        if (!m->moment.regions || (m->pss.known && m->uss.known && t->pfn.yes))
            continue;
        snprintf(out, cap, "?: %s", why);
        return out;
    }
    return ui->family_before || f->count == 1 ? NULL : "? NEW is known from the second reading on";
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct family_view *v = view;
    bool shown[COL_N];
    char text[CAN_REASON_MAX + 64];
    family_ask(ui, &v->asked);
    if (!ui->family || !make_rows(v, ui->family)) {
        family_draw_none(ui, a);
        return;
    }
    unsigned panel = a.rows >= 12 ? a.rows / 3 : 0;
    unsigned rows = a.rows > panel + HEAD_ROWS ? a.rows - panel - HEAD_ROWS : 0;
    if (panel && rows > v->list.count + 1) { /* what the tree does not need is the panel's */
        panel += rows - (unsigned)v->list.count - 1;
        rows = (unsigned)v->list.count + 1;
    }
    const char *why = rows > 1 ? why_unknown(ui, text, sizeof text) : NULL;
    rows -= why != NULL;
    list_fit(&v->list, v->list.count, rows);
    draw_head(ui, area_part(a, 0, 0, a.cols, 1));
    choose_columns(a.cols, shown);
    draw_titles(area_part(a, 0, 1, a.cols, 1), shown);
    for (unsigned i = 0; i < rows && v->list.top + i < v->list.count; i++)
        draw_member(v, ui, area_part(a, 0, HEAD_ROWS + i, a.cols, 1),
                    &ui->family->v[v->rows[v->list.top + i]], shown,
                    v->list.top + i == v->list.row);
    if (why)
        area_text(a, 1, HEAD_ROWS + rows++, a.cols, why, STYLE(COLOR_DIM));
    if (panel)
        draw_panel(v, ui, area_part(a, 0, HEAD_ROWS + rows, a.cols, panel));
}

/* --- keys --- */

static void toggle_mark(struct family_view *v, pid_t pid)
{
    enum { N = UI_RELATIVES_MAX - 1 };
    for (unsigned i = 0; i < N; i++)
        if (v->marked[i] == pid) {
            v->marked[i] = 0;
            return;
        }
    for (unsigned i = 0; i < N; i++)
        if (!v->marked[i]) {
            v->marked[i] = pid;
            return;
        }
    memmove(v->marked, v->marked + 1, (N - 1) * sizeof *v->marked);
    v->marked[N - 1] = pid;
}

/* The marked ones and the selected one; alone, it is shown beside its parent, the root beside its
 * first child. */
static unsigned open_sharing(const struct family_view *v, struct ui_state *ui)
{
    const struct family *f = ui->family;
    const struct family_member *m = &f->v[v->rows[v->list.row]];
    unsigned n = 0;
    memset(ui->relatives, 0, sizeof ui->relatives);
    for (unsigned i = 0; i < UI_RELATIVES_MAX - 1; i++)
        if (v->marked[i] && v->marked[i] != m->pid && family_find(f, v->marked[i]) != FAMILY_NONE)
            ui->relatives[n++] = v->marked[i];
    if (!n && m->parent != FAMILY_NONE)
        ui->relatives[n++] = f->v[m->parent].pid;
    ui->relatives[n++] = m->pid;
    if (n == 1 && f->count > 1)
        ui->relatives[n] = f->v[m->pid == f->v[0].pid ? 1 : 0].pid;
    return UI_SHOW_SHARING;
}

static unsigned act(void *view, struct ui_state *ui, int action)
{
    struct family_view *v = view;
    if (action == NEXT_PANEL) {
        v->panel = (v->panel + 1) % PANEL_N;
        v->panel_chosen = true;
        return UI_REDRAW;
    }
    if (!ui->family || !make_rows(v, ui->family))
        return UI_HANDLED;
    if (action == OPEN_SHARING)
        return open_sharing(v, ui);
    if (action == MARK)
        toggle_mark(v, ui->family->v[v->rows[v->list.row]].pid);
    else
        list_move(&v->list, action);
    v->selected = ui->family->v[v->rows[v->list.row]].pid;
    return UI_REDRAW;
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    struct family_view *v = view;
    int action = list_wheel(m);
    if (action >= 0)
        return act(view, ui, action);
    if (!ui->family || !make_rows(v, ui->family) || m->row < HEAD_ROWS ||
        !list_point(&v->list, m->row - HEAD_ROWS))
        return UI_HANDLED;
    v->selected = ui->family->v[v->rows[v->list.row]].pid;
    return m->what == MOUSE_DOUBLE ? open_sharing(v, ui) : UI_REDRAW;
}

static const char *status(void *view, const struct ui_state *ui, char *out, size_t cap)
{
    (void)view;
    if (!ui->family || !ui->now)
        return NULL;
    uint64_t at = ui->family->sample.start_ns, now = ui->now->sample.start_ns;
    if (now < at + old_ns) /* it is not read with every sample */
        return NULL;
    snprintf(out, cap, "read %" PRIu64 " s ago%s", (now - at) / 1000000000,
             ui->family->again_ns ? ", what moved since" : "");
    return out;
}

const struct view_ops view_family = {
    .name = "family",
    .about = "the process and its descendants: what each uses, and how much of it they share",
    .bindings = bindings,
    .size = sizeof(struct family_view),
    .deinit = deinit,
    .draw = draw,
    .act = act,
    .mouse = mouse,
    .status = status,
};
