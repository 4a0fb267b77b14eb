/* The maps of two to four processes side by side: a row is the same addresses in each of them. A
 * cell stands for 8^zoom pages and shows how most pages that this process has there stand to those
 * of the first one (of the first one: to those of the others): the same frame, a frame of its own,
 * or only here. Rows that nobody has a page in are left out. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ui/family_parts.h"
#include "ui/fit.h"
#include "ui/frame.h"
#include "ui/list.h"

enum {
    ADDRESS_COLS = 16, NAME_COLS = 18, NAME_LEAST = 100, ZOOM_BITS = 3, ZOOM_MAX = 10,
    LABEL_LEAST = 6, HEAD_ROWS = 1, FOOT_ROWS = 2, ROWS_MAX = 1 << 14, FIT_SCREENS = 3
};

enum shade { SHADE_NONE, SHADE_SAME, SHADE_OWN, SHADE_ONLY, SHADE_UNKNOWN, SHADE_N };

static const struct {
    uint32_t glyph;
    char letter, mixed;
    uint8_t color;
    const char *title;
} shades[SHADE_N] = {
    [SHADE_NONE] = {0xb7, '.', '.', COLOR_DIM, "no page"},
    [SHADE_SAME] = {0x2593, 'S', 's', ROLE_COW, "same frame"},
    [SHADE_OWN] = {0x2588, 'O', 'o', ROLE_ANON, "own frame"},
    [SHADE_ONLY] = {0x2592, 'H', 'h', ROLE_SHMEM, "only here"},
    [SHADE_UNKNOWN] = {'?', '?', '?', ROLE_UNKNOWN, "not known"},
};

/* Pages [page, page + n) in all processes. */
struct row {
    uint64_t page, n;
    bool first; /* of its mapping */
};

struct sharing_view {
    pid_t asked;
    bool zoomed; /* by hand: not fitted any more */
    unsigned zoom;
    struct row *rows; /* owned */
    size_t cap;
    struct list list;
    size_t member[UI_RELATIVES_MAX]; /* indices into the family */
    unsigned members, cells;         /* cells of each process in a row */
};

enum action { ZOOM_IN = LIST_ACTION_N, ZOOM_OUT, FIT, OPEN_MAP, BACK };

static const struct binding bindings[] = {
    {{'+', '='}, "+", "zoom in", true, ZOOM_IN},
    {{'-'}, "-", "zoom out", true, ZOOM_OUT},
    {{'0'}, "0", "fit", false, FIT},
    {{KEY_CODE_ENTER}, "Enter", "show on the map of the process that is watched", true, OPEN_MAP},
    {{KEY_CODE_ESC}, "Esc", "back to the family", true, BACK},
    LIST_BINDINGS(false, "one row up", "one row down", "first row", "last row"),
    {.label = NULL},
};

static void deinit(void *view)
{
    struct sharing_view *v = view;
    free(v->rows);
}

static const struct moment *moment_of(const struct sharing_view *v, const struct ui_state *ui,
                                      unsigned k)
{
    return &ui->family->v[v->member[k]].moment;
}

/* Those of ui->relatives that are there and were read; without a choice, the root and its first
 * child. */
static void choose_members(struct sharing_view *v, const struct ui_state *ui)
{
    const struct family *f = ui->family;
    v->members = 0;
    for (unsigned i = 0; i < UI_RELATIVES_MAX; i++) {
        size_t m = ui->relatives[i] ? family_find(f, ui->relatives[i]) : FAMILY_NONE;
        if (m != FAMILY_NONE && f->v[m].moment.tree)
            v->member[v->members++] = m;
    }
    for (size_t m = 0; v->members < 2 && !ui->relatives[0] && m < f->count; m++)
        if (f->v[m].moment.tree)
            v->member[v->members++] = m;
}

/* --- rows --- */

static bool push_row(struct sharing_view *v, uint64_t page, uint64_t n, bool first)
{
    void *rows = v->rows;
    if (v->list.count == ROWS_MAX ||
        array_reserve(&rows, &v->cap, v->list.count + 1, sizeof *v->rows))
        return false;
    v->rows = rows;
    v->rows[v->list.count++] = (struct row){page, n, first};
    return true;
}

static bool has_pages(const struct sharing_view *v, const struct ui_state *ui, uint64_t page,
                      uint64_t n)
{
    struct tally t = {{0}};
    for (unsigned k = 0; k < v->members; k++)
        pagetree_tally(moment_of(v, ui, k)->tree, page, n, &t);
    return tally_present(&t) != 0;
}

/* Steps over pages from `page` on that nobody has, in time that does not follow their number. */
static uint64_t skip_empty(const struct sharing_view *v, const struct ui_state *ui, uint64_t page,
                           uint64_t end, uint64_t step)
{
    while (page < end && !has_pages(v, ui, page, step < end - page ? step : end - page)) {
        uint64_t wide = step;
        while (page + wide * 2 <= end && !has_pages(v, ui, page, wide * 2))
            wide *= 2;
        page += wide;
    }
    return page < end ? page : end;
}

/* The rows of [start, end), mappings that overlap in the processes. False when there are too
 * many. */
static bool add_span(struct sharing_view *v, const struct ui_state *ui, uint64_t start,
                     uint64_t end)
{
    const struct moment *m = moment_of(v, ui, 0);
    uint64_t step = (uint64_t)v->cells << (v->zoom * ZOOM_BITS);
    uint64_t page = moment_page(m, start);
    uint64_t stop = page + ((end - start) >> m->target.geometry.page_shift);
    bool first = true;
    while ((page = skip_empty(v, ui, page, stop, step)) < stop) {
        if (!push_row(v, page, step < stop - page ? step : stop - page, first))
            return false;
        first = false;
        page += step;
    }
    return true;
}

/* The next mapping of any of the processes that begins at or behind `at`. */
static bool next_span(const struct sharing_view *v, const struct ui_state *ui, uint64_t at,
                      uint64_t *start, uint64_t *end)
{
    bool found = false, grown;
    for (unsigned k = 0; k < v->members; k++) {
        const struct region_table *t = moment_of(v, ui, k)->regions;
        size_t i = region_table_find(t, at);
        if (i < t->count && (!found || t->v[i].start < *start)) {
            *start = t->v[i].start > at ? t->v[i].start : at;
            *end = t->v[i].end;
            found = true;
        }
    }
    do {
        grown = false;
        for (unsigned k = 0; found && k < v->members; k++) {
            const struct region *r = region_table_at(moment_of(v, ui, k)->regions, *end - 1);
            if (r && r->end > *end && r->start < *end) {
                *end = r->end;
                grown = true;
            }
        }
    } while (grown);
    return found;
}

static bool make_rows_at(struct sharing_view *v, const struct ui_state *ui)
{
    uint64_t at = 0, start = 0, end = 0;
    v->list.count = 0;
    while (next_span(v, ui, at, &start, &end) && !(start >> 63)) {
        if (!add_span(v, ui, start, end))
            return false;
        at = end;
    }
    return true;
}

/* Fitted: the smallest zoom at which a few screens hold all; where even the largest does not do
 * that, because each mapping takes a row, the smallest with as few rows as that. */
static void make_rows(struct sharing_view *v, const struct ui_state *ui, unsigned height)
{
    size_t most = SIZE_MAX;
    if (v->zoomed && make_rows_at(v, ui))
        return;
    if (!v->zoomed) {
        most = (size_t)height * FIT_SCREENS;
        v->zoom = ZOOM_MAX;
        if (make_rows_at(v, ui) && v->list.count > most)
            most = v->list.count;
        v->zoom = 0;
    }
    while ((!make_rows_at(v, ui) || v->list.count > most) && v->zoom < ZOOM_MAX)
        v->zoom++;
}

/* The row that holds the cursor, or the first behind it. */
static void select_cursor(struct sharing_view *v, const struct ui_state *ui)
{
    uint64_t page = moment_page(moment_of(v, ui, 0), ui->cursor);
    v->list.row = 0;
    while (v->list.row + 1 < v->list.count &&
           v->rows[v->list.row].page + v->rows[v->list.row].n <= page)
        v->list.row++;
}

static void follow_row(const struct sharing_view *v, struct ui_state *ui)
{
    const struct moment *m = moment_of(v, ui, 0);
    const struct row *r = &v->rows[v->list.row];
    uint64_t page = moment_page(m, ui->cursor);
    if (page < r->page || page >= r->page + r->n)
        ui->cursor = moment_address(m, r->page);
}

/* --- cells --- */

/* How member k's pages stand to the others', in pages by shade. */
static void shades_of(const struct family *f, const size_t *member, unsigned members, unsigned k,
                      uint64_t page, uint64_t n, uint64_t out[SHADE_N])
{
    uint64_t sum[RELATION_N] = {0};
    memset(out, 0, SHADE_N * sizeof *out);
    if (k)
        family_compare(&f->v[member[0]].moment, &f->v[member[k]].moment, page, n, sum);
    for (unsigned i = 1; !k && i < members; i++)
        family_compare(&f->v[member[0]].moment, &f->v[member[i]].moment, page, n, sum);
    out[SHADE_SAME] = sum[RELATION_SAME];
    out[SHADE_OWN] = sum[RELATION_OWN];
    out[SHADE_ONLY] = sum[k ? RELATION_ONLY_B : RELATION_ONLY_A];
    out[SHADE_UNKNOWN] = sum[RELATION_UNKNOWN];
    out[SHADE_NONE] = sum[RELATION_NONE] + sum[k ? RELATION_ONLY_A : RELATION_ONLY_B];
}

/* More frames of its own than in the sample before: sharing was just broken here. */
static bool is_news(const struct sharing_view *v, const struct ui_state *ui, unsigned k,
                    uint64_t page, uint64_t n, uint64_t own)
{
    const struct family *before = ui->family_before;
    uint64_t old[SHADE_N];
    size_t member[UI_RELATIVES_MAX];
    if (!before || !ui->flash || !own || !k)
        return false;
    for (unsigned i = 0; i < v->members; i++) {
        member[i] = family_find(before, ui->family->v[v->member[i]].pid);
        if (member[i] == FAMILY_NONE || !before->v[member[i]].moment.tree)
            return false;
    }
    shades_of(before, member, v->members, k, page, n, old);
    return own > old[SHADE_OWN];
}

/* In letters where nothing else can be told apart; in full colour where there are enough
 * colours. */
static uint32_t glyph_of(enum shade shade, const struct look *look)
{
    enum { GLYPH_FULL = 0x2588 };
    if (look->ascii || !look->colors)
        return (unsigned char)shades[shade].letter;
    bool block = shade == SHADE_SAME || shade == SHADE_OWN || shade == SHADE_ONLY;
    return block && look->colors >= 256 ? GLYPH_FULL : shades[shade].glyph;
}

static struct cell cell_of(const struct ui_state *ui, const uint64_t sum[SHADE_N], bool news)
{
    enum { GLYPH_MIXED = 0x259a };
    unsigned most = SHADE_NONE, kinds = 0;
    for (unsigned i = 0; i < SHADE_N; i++) {
        kinds += sum[i] != 0;
        if (i != SHADE_NONE && sum[i] && (most == SHADE_NONE || sum[i] > sum[most]))
            most = i;
    }
    bool letters = ui->look.ascii || !ui->look.colors;
    if (news)
        return (struct cell){(unsigned char)shades[SHADE_OWN].letter, COLOR_FLASH, COLOR_DEFAULT,
                             CELL_BOLD | CELL_REVERSE};
    uint32_t ch = kinds < 2 ? glyph_of(most, &ui->look)
                  : letters ? (uint32_t)(unsigned char)shades[most].mixed
                            : GLYPH_MIXED;
    return (struct cell){ch, shades[most].color, COLOR_DEFAULT, 0};
}

static void draw_cells(const struct sharing_view *v, const struct ui_state *ui, struct area line,
                       unsigned k, const struct row *row)
{
    uint64_t step = (uint64_t)1 << (v->zoom * ZOOM_BITS), sum[SHADE_N];
    for (unsigned i = 0; i < v->cells && i * step < row->n; i++) {
        uint64_t page = row->page + i * step, n = row->n - i * step;
        n = n < step ? n : step;
        shades_of(ui->family, v->member, v->members, k, page, n, sum);
        struct cell c = cell_of(ui, sum, is_news(v, ui, k, page, n, sum[SHADE_OWN]));
        area_put(line, i, 0, c.ch, (struct style){c.fg, c.bg, c.attr});
    }
}

static unsigned column_of(const struct sharing_view *v, unsigned k)
{
    return ADDRESS_COLS + k * (v->cells + 1);
}

static void draw_row(const struct sharing_view *v, const struct ui_state *ui, struct area line,
                     size_t at)
{
    const struct moment *m = moment_of(v, ui, 0);
    const struct row *row = &v->rows[at];
    bool selected = at == v->list.row;
    struct style s = STYLE(selected ? COLOR_CURSOR : row->first ? COLOR_DEFAULT : COLOR_DIM);
    uint64_t address = moment_address(m, row->page);
    area_printf(line, 0, 0, s, "%c%012" PRIx64, selected ? '>' : ' ', address);
    for (unsigned k = 0; k < v->members; k++)
        draw_cells(v, ui, area_part(line, column_of(v, k), 0, v->cells, 1), k, row);
    unsigned col = column_of(v, v->members);
    if (!row->first || col + LABEL_LEAST > line.cols)
        return;
    const struct region *r = NULL;
    for (unsigned k = 0; k < v->members && !r; k++)
        r = region_table_at(moment_of(v, ui, k)->regions, address);
    if (!r)
        return;
    const char *name = r->name[0] ? region_last_part(r->name)
                                  : region_kind_name((enum region_kind)r->kind);
    fit_draw_name(line, col, 0, line.cols - col, name, s);
}

/* --- around them --- */

static void draw_names(const struct sharing_view *v, const struct ui_state *ui, struct area line)
{
    char scale[32], size[TEXT_SIZE_MAX], name[160];
    unsigned shift = moment_of(v, ui, 0)->target.geometry.page_shift;
    snprintf(scale, sizeof scale, "1 cell %s",
             text_size(size, (uint64_t)1 << (v->zoom * ZOOM_BITS + shift)));
    area_text(line, 1, 0, ADDRESS_COLS - 2, scale, STYLE(COLOR_DIM));
    for (unsigned k = 0; k < v->members; k++) {
        family_title(&ui->family->v[v->member[k]], name, sizeof name);
        area_text(line, column_of(v, k), 0, v->cells, name, STYLE(COLOR_TITLE));
    }
}

/* Of pages that two processes have: whose frame numbers are missing. */
static const char *why_unknown(const struct sharing_view *v, const struct ui_state *ui)
{
    for (unsigned k = 0; k < v->members; k++)
        if (!moment_of(v, ui, k)->target.pfn.yes)
            return moment_of(v, ui, k)->target.pfn.why;
    return "they were on their way to another frame";
}

/* What the selected row holds in the last of the processes, and what the colours mean. */
static void draw_foot(const struct sharing_view *v, const struct ui_state *ui, struct area a)
{
    uint64_t sum[SHADE_N];
    unsigned col = 1;
    const struct row *row = &v->rows[v->list.row];
    unsigned last = v->members - 1;
    shades_of(ui->family, v->member, v->members, last, row->page, row->n, sum);
    col += area_printf(a, col, 0, STYLE(COLOR_DEFAULT), "this row in %d:",
                       ui->family->v[v->member[last]].pid);
    for (unsigned i = 0; i < SHADE_N; i++)
        if (sum[i])
            col += area_printf(a, col, 0, STYLE(COLOR_DEFAULT), " %" PRIu64 " %s", sum[i],
                               shades[i].title);
    if (sum[SHADE_UNKNOWN])
        area_printf(a, col, 0, STYLE(COLOR_DIM), ": %s", why_unknown(v, ui));
    col = 1;
    for (unsigned i = 0; i < SHADE_N; i++) {
        area_put(a, col, 1, glyph_of(i, &ui->look), STYLE(shades[i].color));
        col += 4 + area_text(a, col + 2, 1, a.cols, shades[i].title, STYLE(COLOR_DIM));
    }
    struct cell mixed = cell_of(ui, (uint64_t[SHADE_N]){1, 1}, false);
    area_put(a, col, 1, mixed.ch, STYLE(mixed.fg));
    col += 4 + area_text(a, col + 2, 1, a.cols, "mixed", STYLE(COLOR_DIM));
    struct cell news = cell_of(ui, (uint64_t[SHADE_N]){0}, true);
    if (glyph_of(SHADE_OWN, &ui->look) == news.ch || col + 5 > a.cols)
        return;
    area_put(a, col, 1, news.ch, (struct style){news.fg, news.bg, news.attr});
    area_text(a, col + 2, 1, a.cols, "new", STYLE(COLOR_DIM));
}

static void draw_panel(const struct sharing_view *v, struct ui_state *ui, struct area a)
{
    pid_t pids[UI_RELATIVES_MAX];
    for (unsigned k = 0; k < v->members; k++)
        pids[k] = ui->family->v[v->member[k]].pid;
    rule_draw(a, 2, "copies as they are made: when, who, page, where");
    family_draw_breaks(ui, area_part(a, 0, 1, a.cols, a.rows - 1), pids, v->members);
}

static bool prepare(struct sharing_view *v, const struct ui_state *ui, struct area a,
                    unsigned height)
{
    unsigned names = a.cols >= NAME_LEAST ? NAME_COLS : 0;
    choose_members(v, ui);
    if (v->members < 2 || a.cols < ADDRESS_COLS + names + v->members * 4)
        return false;
    v->cells = (a.cols - ADDRESS_COLS - names) / v->members - 1;
    make_rows(v, ui, height);
    return v->list.count != 0;
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct sharing_view *v = view;
    family_ask(ui, &v->asked);
    unsigned panel = a.rows >= 16 ? a.rows / 4 : 0;
    unsigned used = HEAD_ROWS + FOOT_ROWS + panel, rows = a.rows > used ? a.rows - used : 0;
    if (!ui->family) {
        family_draw_none(ui, a);
        return;
    }
    if (!prepare(v, ui, a, rows)) {
        area_text(a, 1, a.rows / 2, a.cols, v->members < 2 ? "one process alone: sharing is told of two and more"
                                                           : "too narrow",
                  STYLE(COLOR_DIM));
        return;
    }
    select_cursor(v, ui);
    list_fit(&v->list, v->list.count, rows);
    draw_names(v, ui, area_part(a, 0, 0, a.cols, 1));
    for (unsigned i = 0; i < rows && v->list.top + i < v->list.count; i++)
        draw_row(v, ui, area_part(a, 0, HEAD_ROWS + i, a.cols, 1), v->list.top + i);
    draw_foot(v, ui, area_part(a, 0, HEAD_ROWS + rows, a.cols, FOOT_ROWS));
    if (panel)
        draw_panel(v, ui, area_part(a, 0, HEAD_ROWS + rows + FOOT_ROWS, a.cols, panel));
}

/* --- keys --- */

static unsigned act(void *view, struct ui_state *ui, int action)
{
    struct sharing_view *v = view;
    switch (action) {
    case BACK:
        return UI_SHOW_BACK;
    case OPEN_MAP:
        return UI_SHOW_MAP;
    case FIT:
        v->zoomed = false;
        return UI_REDRAW;
    case ZOOM_IN:
    case ZOOM_OUT:
        v->zoomed = true;
        if (action == ZOOM_OUT)
            v->zoom += v->zoom < ZOOM_MAX;
        else
            v->zoom -= v->zoom > 0;
        return UI_REDRAW;
    }
    if (!ui->family || v->members < 2 || !v->list.count)
        return UI_HANDLED;
    list_move(&v->list, action);
    follow_row(v, ui);
    return UI_REDRAW;
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    struct sharing_view *v = view;
    int action = list_wheel(m);
    if (action >= 0)
        return act(view, ui, action);
    if (!ui->family || m->row < HEAD_ROWS || !list_point(&v->list, m->row - HEAD_ROWS))
        return UI_HANDLED;
    follow_row(v, ui);
    return UI_REDRAW;
}

static const char *status(void *view, const struct ui_state *ui, char *out, size_t cap)
{
    const struct sharing_view *v = view;
    (void)ui;
    if (v->members < 2)
        return NULL;
    snprintf(out, cap, "zoom %u/%d", v->zoom, ZOOM_MAX);
    return out;
}

const struct view_ops view_sharing = {
    .name = "sharing",
    .about = "two to four processes page by page: one frame for all, or copies of their own",
    .bindings = bindings,
    .size = sizeof(struct sharing_view),
    .deinit = deinit,
    .draw = draw,
    .act = act,
    .mouse = mouse,
    .status = status,
};
