/* Huge pages: the mappings that could have some, what their memory is made of, and below, for the
 * selected one, why what could be huge is not. The settings and the orders of folios are asked for
 * when this view is first drawn; they cost more than the map needs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/huge.h"
#include "ui/fit.h"
#include "ui/frame.h"
#include "ui/search.h"
#include "ui/subset.h"

enum { MARK_COLS = 2, RANGE_COLS = 13, SIZE_COLS = 7, BLOCKS_COLS = 12, PANEL_ROWS = 9 };

struct huge_view {
    struct thp_settings thp;
    struct huge_sum all;
    struct subset list;
    bool asked;
};

static const struct binding bindings[] = {
    SUBSET_BINDINGS,
    {.label = NULL},
};

static void deinit(void *view)
{
    struct huge_view *v = view;
    subset_deinit(&v->list);
}

static bool keep(void *ctx, const struct moment *m, const struct region *r)
{
    struct huge_view *v = ctx;
    struct huge_sum sum;
    huge_of_region(m, r, &v->thp, &sum);
    huge_add(&v->all, &sum);
    return !huge_is_dull(&sum);
}

static void refresh(struct huge_view *v, const struct ui_state *ui)
{
    static const struct thp_settings unknown;
    const struct thp_settings *thp = ui->thp ? ui->thp : &unknown;
    v->list.stale |= memcmp(&v->thp, thp, sizeof v->thp) != 0;
    if (!subset_is_old(&v->list, ui))
        return;
    v->thp = *thp;
    v->all = (struct huge_sum){0};
    subset_refresh(&v->list, ui, keep, v);
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
        const char *number = sizes[i] ? text_size(text, sizes[i]) : none;
        area_printf(a, col, line, number_style(style, number), "%6s", number);
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

static void draw_row(const struct huge_view *v, struct area a, unsigned line, size_t row)
{
    const struct region *r = subset_region(&v->list, row);
    bool selected = row == v->list.shown.row;
    struct style s = STYLE(selected ? COLOR_CURSOR : COLOR_DEFAULT);
    struct huge_sum sum;
    huge_of_region(&v->list.of, r, &v->thp, &sum);
    if (selected)
        area_fill(area_part(a, 0, line, a.cols, 1), s, ' ');
    area_text(a, 0, line, 1, selected ? ">" : " ", s);
    area_printf(a, MARK_COLS, line, s, "%" PRIx64, r->start);
    unsigned col = put_sizes(v, a, line, r->end - r->start, &sum, s);
    if (col < a.cols)
        fit_draw_name(a, col, line, a.cols - col, search_region_name(r), s);
}

static void draw_panel(const struct huge_view *v, const struct ui_state *ui, struct area a)
{
    const struct moment *m = ui->now;
    unsigned shift = m->target.geometry.page_shift;
    struct buf text = {0};
    if (v->list.shown.count) {
        const struct region *r = subset_region(&v->list, v->list.shown.row);
        struct huge_sum sum;
        huge_of_region(m, r, &v->thp, &sum);
        rule_draw(a, 2, "%" PRIx64 "-%" PRIx64, r->start, r->end);
        huge_sentences(&sum, shift, "", &text);
        if (!text.len && !text.error)
            buf_puts(&text, "all of it is huge\n");
    }
    unsigned line = subset_text(a, 1, &text);
    buf_clear(&text);
    if (!m->target.kpageflags.yes)
        buf_printf(&text, "sizes of folios are not known: %s\n", m->target.kpageflags.why);
    if (ui->thp)
        thp_sentences(ui->thp, shift, &text);
    else
        buf_puts(&text, "the machine's settings are being read\n");
    subset_text(a, line, &text);
    buf_deinit(&text);
}

static void ask(struct huge_view *v, struct ui_state *ui)
{
    if (!v->asked && ui->source->ask_huge)
        ui->source->ask_huge(ui->source->ctx);
    v->asked = true;
}

static void draw_total(const struct huge_view *v, const struct moment *m, struct area a,
                       unsigned line)
{
    uint64_t size = 0;
    for (size_t i = 0; i < m->regions->count; i++)
        size += m->regions->v[i].end - m->regions->v[i].start;
    area_text(a, MARK_COLS, line, RANGE_COLS, "total", STYLE(COLOR_TITLE));
    put_sizes(v, a, line, size, &v->all, STYLE(COLOR_TITLE));
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct huge_view *v = view;
    struct list *l = &v->list.shown;
    ask(v, ui);
    if (!ui->now)
        return;
    refresh(v, ui);
    unsigned rows = subset_fit(&v->list, ui, a.rows, PANEL_ROWS);
    draw_titles(v, a);
    for (unsigned i = 0; i < rows && l->top + i < l->count; i++)
        draw_row(v, a, i + 1, l->top + i);
    if (rows)
        subset_draw_none(&v->list, a, "no mapping is large enough for a huge page");
    draw_total(v, ui->now, a, rows + 1);
    draw_panel(v, ui, area_part(a, 0, rows + 2, a.cols, a.rows));
}

static unsigned act(void *view, struct ui_state *ui, int action)
{
    return subset_act(&((struct huge_view *)view)->list, ui, action);
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    return subset_mouse(&((struct huge_view *)view)->list, ui, m, 1);
}

static void filter(void *view, const char *what)
{
    subset_filter(&((struct huge_view *)view)->list, what);
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
    .about = "where huge pages are, where they could be, and why they are not",
    .bindings = bindings,
    .size = sizeof(struct huge_view),
    .deinit = deinit,
    .draw = draw,
    .act = act,
    .mouse = mouse,
    .filter = filter,
    .status = status,
};
