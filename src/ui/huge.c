/* Huge pages: the mappings that could have some, what their memory is made of, and below, for the
 * selected one, why what could be huge is not. The settings and the orders of folios are asked for
 * when this view is first drawn; they cost more than the map needs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/huge.h"
#include "ui/list.h"
#include "ui/search.h"

enum { MARK_COLS = 2, RANGE_COLS = 13, SIZE_COLS = 7, BLOCKS_COLS = 12, PANEL_ROWS = 9 };

struct row {
    size_t region;
    struct huge_sum sum;
};

struct huge_view {
    struct moment of; /* the moment that the rows belong to; zeroed: none */
    struct thp_settings thp;
    struct row *rows; /* owned */
    size_t cap;
    struct huge_sum all;
    struct list shown;
    char filter[256];
    bool asked, stale;
};

enum action { OPEN_MAP = LIST_ACTION_N };

static const struct binding bindings[] = {
    {{KEY_CODE_ENTER}, "Enter", "show on the map", true, OPEN_MAP},
    LIST_BINDINGS(false, "one row up", "one row down", "first row", "last row"),
    {.label = NULL},
};

static void *create(void)
{
    return calloc(1, sizeof(struct huge_view));
}

static void destroy(void *view)
{
    struct huge_view *v = view;
    if (!v)
        return;
    moment_deinit(&v->of);
    free(v->rows);
    free(v);
}

static void make_rows(struct huge_view *v, const struct moment *m)
{
    v->shown.count = 0;
    for (size_t i = 0; i < m->regions->count; i++) {
        struct row *row = &v->rows[v->shown.count];
        row->region = i;
        huge_of_region(m, &m->regions->v[i], &v->thp, &row->sum);
        if (!huge_is_dull(&row->sum) && search_matches(&m->regions->v[i], v->filter))
            v->shown.count++;
    }
    huge_of_all(m, &v->thp, &v->all);
}

/* Brings the rows up to the moment shown. False when there was no memory for it. */
static bool refresh(struct huge_view *v, const struct ui_state *ui)
{
    const struct moment *m = ui->now;
    const struct thp_settings *thp = ui->thp ? ui->thp : &(struct thp_settings){0};
    bool same = v->of.regions == m->regions && v->of.tree == m->tree && !v->stale &&
                !memcmp(&v->thp, thp, sizeof v->thp);
    if (same)
        return true;
    void *rows = v->rows;
    int rc = array_reserve(&rows, &v->cap, m->regions->count + 1, sizeof *v->rows);
    v->rows = rows;
    if (rc)
        return false;
    moment_deinit(&v->of);
    moment_copy(&v->of, m);
    v->thp = *thp;
    make_rows(v, m);
    v->stale = false;
    return true;
}

/* The row of the cursor's region, or of the first behind it. */
static void select_cursor(struct huge_view *v, const struct ui_state *ui)
{
    size_t region = region_table_find(ui->now->regions, ui->cursor);
    size_t row = 0;
    while (row + 1 < v->shown.count && v->rows[row].region < region)
        row++;
    v->shown.row = row;
}

static void follow_row(const struct huge_view *v, struct ui_state *ui)
{
    const struct region *r = &ui->now->regions->v[v->rows[v->shown.row].region];
    if (ui->cursor < r->start || ui->cursor >= r->end)
        ui->cursor = r->start;
}

/* --- drawing --- */

enum { SIZE_N = 7, ROOMY_COLS = 92 };
static const char *const titles[SIZE_N] = {"SIZE", "PMD", "LARGE", "SMALL", "POOL", "ZERO", "?"};

static void sizes_of(uint64_t size, const struct huge_sum *s, uint64_t out[SIZE_N])
{
    const uint64_t sizes[SIZE_N] = {size, s->pmd, huge_large(s), s->small[0], huge_pool(s),
                                    s->zero, s->unread};
    memcpy(out, sizes, sizeof sizes);
}

/* On a narrow screen columns that hold nothing make room for the name. */
static void choose_columns(const struct huge_view *v, unsigned cols, bool shown[SIZE_N])
{
    uint64_t sums[SIZE_N];
    sizes_of(1, &v->all, sums);
    for (unsigned i = 0; i < SIZE_N; i++)
        shown[i] = i < 4 || cols >= ROOMY_COLS || sums[i];
}

static unsigned put_sizes(const struct huge_view *v, struct area a, unsigned line, uint64_t size,
                          const struct huge_sum *s, struct style style)
{
    uint64_t sizes[SIZE_N];
    bool shown[SIZE_N];
    char text[TEXT_SIZE_MAX], blocks[48];
    unsigned col = MARK_COLS + RANGE_COLS;
    sizes_of(size, s, sizes);
    choose_columns(v, a.cols, shown);
    for (unsigned i = 0; i < SIZE_N; i++) {
        const char *none = i == 1 && s->no_pmd ? "?" : ".";
        if (!shown[i])
            continue;
        area_printf(a, col, line, style, "%6s", sizes[i] ? text_size(text, sizes[i]) : none);
        col += SIZE_COLS;
    }
    area_printf(a, col, line, style, "%11s", huge_share(s, blocks, sizeof blocks));
    return col + BLOCKS_COLS;
}

static void draw_titles(const struct huge_view *v, struct area a)
{
    bool shown[SIZE_N];
    unsigned col = MARK_COLS + RANGE_COLS;
    choose_columns(v, a.cols, shown);
    area_text(a, MARK_COLS, 0, RANGE_COLS, "START", STYLE(COLOR_TITLE));
    for (unsigned i = 0; i < SIZE_N; i++) {
        if (!shown[i])
            continue;
        area_printf(a, col, 0, STYLE(COLOR_TITLE), "%6s", titles[i]);
        col += SIZE_COLS;
    }
    area_printf(a, col, 0, STYLE(COLOR_TITLE), "%11s", "HUGE/BLOCKS");
    area_text(a, col + BLOCKS_COLS, 0, 4, "NAME", STYLE(COLOR_TITLE));
}

static void draw_row(const struct huge_view *v, const struct moment *m, struct area a,
                     unsigned line, size_t index, bool selected)
{
    const struct region *r = &m->regions->v[v->rows[index].region];
    struct style s = STYLE(selected ? COLOR_CURSOR : COLOR_DEFAULT);
    char name[1024];
    if (selected)
        area_fill(area_part(a, 0, line, a.cols, 1), s, ' ');
    area_text(a, 0, line, 1, selected ? ">" : " ", s);
    area_printf(a, MARK_COLS, line, s, "%" PRIx64, r->start);
    unsigned col = put_sizes(v, a, line, r->end - r->start, &v->rows[index].sum, s);
    const char *shown = search_region_name(r);
    text_escape(name, sizeof name, shown, strlen(shown));
    if (col < a.cols)
        area_text(a, col, line, a.cols - col, name, s);
}

/* Lines of a text, broken to fit; answers the first line that is free. */
static unsigned draw_lines(struct area a, unsigned line, const struct buf *text)
{
    const char *p = text->len ? text->data : "";
    while (*p && line < a.rows) {
        const char *end = strchr(p, '\n');
        char one[400];
        size_t n = end ? (size_t)(end - p) : strlen(p);
        n = n < sizeof one ? n : sizeof one - 1;
        memcpy(one, p, n);
        one[n] = '\0';
        size_t fits = text_line(one, a.cols - 1);
        one[fits] = '\0';
        area_text(a, 1, line++, a.cols - 1, one, STYLE(COLOR_DEFAULT));
        p += fits;
        while (*p == ' ')
            p++;
        if (*p == '\n')
            p++;
    }
    return line;
}

static void draw_panel(const struct huge_view *v, const struct ui_state *ui, struct area a)
{
    const struct moment *m = ui->now;
    unsigned shift = m->target.geometry.page_shift;
    struct buf text = {0};
    const struct row *row = v->shown.count ? &v->rows[v->shown.row] : NULL;
    area_fill(area_part(a, 0, 0, a.cols, 1), STYLE(COLOR_DIM), ui->look.ascii ? '-' : 0x2500);
    if (row) {
        const struct region *r = &m->regions->v[row->region];
        area_printf(a, 2, 0, STYLE(COLOR_TITLE), " %" PRIx64 "-%" PRIx64 " ", r->start, r->end);
        huge_sentences(&row->sum, shift, "", &text);
        if (!text.len && !text.error)
            buf_puts(&text, "all of it is huge\n");
    }
    unsigned line = draw_lines(a, 1, &text);
    buf_clear(&text);
    if (!m->target.kpageflags.yes)
        buf_printf(&text, "sizes of folios are not known: %s\n", m->target.kpageflags.why);
    if (ui->thp)
        thp_sentences(ui->thp, shift, &text);
    else
        buf_puts(&text, "the machine's settings are being read\n");
    draw_lines(a, line, &text);
    buf_deinit(&text);
}

static void ask(struct huge_view *v, struct ui_state *ui)
{
    if (!v->asked && ui->source->ask_huge)
        ui->source->ask_huge(ui->source->ctx);
    v->asked = true;
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct huge_view *v = view;
    ask(v, ui);
    if (!ui->now || !refresh(v, ui))
        return;
    unsigned panel = a.rows > 2 * PANEL_ROWS ? PANEL_ROWS : a.rows / 2;
    unsigned rows = a.rows > panel + 2 ? a.rows - panel - 2 : 0;
    select_cursor(v, ui);
    list_fit(&v->shown, v->shown.count, rows);
    draw_titles(v, a);
    for (unsigned i = 0; i < rows && v->shown.top + i < v->shown.count; i++)
        draw_row(v, ui->now, a, i + 1, v->shown.top + i, v->shown.top + i == v->shown.row);
    if (!v->shown.count && rows)
        area_text(a, 1, 1, a.cols - 1, v->filter[0] ? "no mapping matches the filter"
                                                    : "no mapping is large enough for a huge page",
                  STYLE(COLOR_DIM));
    uint64_t size = 0;
    for (size_t i = 0; i < ui->now->regions->count; i++)
        size += ui->now->regions->v[i].end - ui->now->regions->v[i].start;
    area_text(a, MARK_COLS, rows + 1, RANGE_COLS, "total", STYLE(COLOR_TITLE));
    put_sizes(v, a, rows + 1, size, &v->all, STYLE(COLOR_TITLE));
    draw_panel(v, ui, area_part(a, 0, rows + 2, a.cols, panel));
}

/* --- keys --- */

static unsigned act(void *view, struct ui_state *ui, int action)
{
    struct huge_view *v = view;
    if (!ui->now || !refresh(v, ui) || !v->shown.count)
        return UI_HANDLED;
    select_cursor(v, ui);
    if (action != OPEN_MAP)
        list_move(&v->shown, action);
    follow_row(v, ui);
    return action == OPEN_MAP ? UI_SHOW_MAP : UI_REDRAW;
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    struct huge_view *v = view;
    int action = list_wheel(m);
    if (action >= 0)
        return act(view, ui, action);
    if (!ui->now || !refresh(v, ui) || !m->row || !list_point(&v->shown, m->row - 1))
        return UI_HANDLED;
    follow_row(v, ui);
    return m->what == MOUSE_DOUBLE ? UI_REDRAW | UI_SHOW_MAP : UI_REDRAW;
}

static void filter(void *view, const char *what)
{
    struct huge_view *v = view;
    snprintf(v->filter, sizeof v->filter, "%s", what);
    v->stale = true;
}

static const char *status(void *view, const struct ui_state *ui, char *out, size_t cap)
{
    const struct huge_view *v = view;
    uint64_t could = huge_blocks(&v->all);
    (void)ui;
    if (!could || v->all.no_pmd)
        return NULL;
    snprintf(out, cap, "%" PRIu64 "%% of blocks huge", v->all.blocks[BLOCK_HUGE] * 100 / could);
    return out;
}

const struct view_ops view_huge = {
    .name = "huge",
    .bindings = bindings,
    .create = create,
    .destroy = destroy,
    .draw = draw,
    .act = act,
    .mouse = mouse,
    .filter = filter,
    .status = status,
};
