/* What stands behind the mappings: what of their files is in memory though not mapped, swap, KSM,
 * locks, guard markers, userfaultfd; below, in sentences, for the selected one. The files are asked
 * again with every sample while this view is drawn. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/backing.h"
#include "ui/fit.h"
#include "ui/frame.h"
#include "ui/search.h"
#include "ui/subset.h"

enum { MARK_COLS = 2, RANGE_COLS = 13, SIZE_COLS = 7, PANEL_ROWS = 6, COLUMNS = 10 };

/* Columns leave from the right when the screen is narrow, but those that hold something. */
static const char *const titles[COLUMNS] = {"SIZE", "HERE", "CACHED", "DIRTY", "SWAP",
                                            "KSM",  "LOCKED", "GUARD", "UFFD",  "COPIES"};

struct backing_view {
    struct subset list;
    uint64_t sums[COLUMNS];
    struct backing_sum lacks; /* has_cache, no_flags: of all together */
    uint64_t asked; /* the sample after which files were asked about last */
};

static const struct binding bindings[] = {
    SUBSET_BINDINGS,
    {.label = NULL},
};

static void deinit(void *view)
{
    struct backing_view *v = view;
    subset_deinit(&v->list);
}

static void numbers_of(const struct moment *m, const struct region *r, const struct backing_sum *s,
                       uint64_t out[COLUMNS])
{
    unsigned shift = m->target.geometry.page_shift;
    const uint64_t numbers[COLUMNS] = {
        r->end - r->start, s->here, s->cache.cached << shift, s->cache.dirty << shift, s->swap,
        s->ksm, s->locked, s->guard, s->uffd_wp, s->private_copies};
    memcpy(out, numbers, sizeof numbers);
}

struct making {
    struct backing_view *v;
    const struct file_caches *caches;
};

static bool keep(void *ctx, const struct moment *m, const struct region *r)
{
    struct making *mk = ctx;
    struct backing_sum sum;
    uint64_t numbers[COLUMNS];
    if (backing_of_region(m, r, mk->caches, &sum) || backing_is_dull(r, &sum))
        return false;
    numbers_of(m, r, &sum, numbers);
    mk->v->lacks.has_cache &= !sum.has_file || sum.has_cache;
    mk->v->lacks.no_flags |= sum.no_flags;
    mk->v->lacks.no_ksm |= sum.no_ksm;
    mk->v->lacks.no_swap |= sum.no_swap;
    for (unsigned i = 0; i < COLUMNS; i++)
        mk->v->sums[i] += numbers[i];
    return true;
}

static void refresh(struct backing_view *v, const struct ui_state *ui)
{
    struct making mk = {v, ui->caches};
    bool asked_anew = v->asked != ui->now->sample.number;
    if (asked_anew && ui->source->ask_caches && !ui->gone)
        ui->source->ask_caches(ui->source->ctx);
    v->asked = ui->now->sample.number;
    v->list.stale |= asked_anew;
    if (!subset_is_old(&v->list, ui))
        return;
    memset(v->sums, 0, sizeof v->sums);
    v->lacks = (struct backing_sum){.has_file = true, .has_cache = true};
    subset_refresh(&v->list, ui, keep, &mk);
}

static void choose_columns(const struct backing_view *v, unsigned cols, bool shown[COLUMNS])
{
    unsigned room = cols > MARK_COLS + RANGE_COLS + 12 ? cols - MARK_COLS - RANGE_COLS - 12 : 0;
    unsigned fit = room / SIZE_COLS;
    for (unsigned i = 0; i < COLUMNS; i++)
        shown[i] = false;
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < COLUMNS && fit; i++)
            if (!shown[i] && (pass || i < 3 || v->sums[i])) {
                shown[i] = true;
                fit--;
            }
}

static bool is_unknown(unsigned column, const struct backing_sum *s)
{
    switch (column) {
    case 2:
    case 3:
        return s->has_file && !s->has_cache;
    case 4:
        return s->no_swap;
    case 5:
        return s->no_ksm;
    default:
        return column == 6 && s->no_flags;
    }
}

static unsigned put_numbers(struct area a, unsigned line, const bool shown[COLUMNS],
                            const uint64_t numbers[COLUMNS], const struct backing_sum *s,
                            struct style style)
{
    unsigned col = MARK_COLS + RANGE_COLS;
    char text[TEXT_SIZE_MAX];
    for (unsigned i = 0; i < COLUMNS; i++) {
        bool unknown = is_unknown(i, s);
        if (!shown[i])
            continue;
        const char *number = unknown ? "?" : numbers[i] ? text_size(text, numbers[i]) : ".";
        area_printf(a, col, line, number_style(style, number), "%6s", number);
        col += SIZE_COLS;
    }
    return col;
}

static void draw_titles(const bool shown[COLUMNS], struct area a)
{
    unsigned col = MARK_COLS + RANGE_COLS;
    area_text(a, MARK_COLS, 0, RANGE_COLS, "START", STYLE(COLOR_TITLE));
    for (unsigned i = 0; i < COLUMNS; i++)
        if (shown[i]) {
            area_printf(a, col, 0, STYLE(COLOR_TITLE), "%6s", titles[i]);
            col += SIZE_COLS;
        }
    area_text(a, col, 0, 4, "NAME", STYLE(COLOR_TITLE));
}

static void draw_row(const struct backing_view *v, const struct ui_state *ui,
                     const bool shown[COLUMNS], struct area a, unsigned line, size_t row)
{
    const struct region *r = subset_region(&v->list, row);
    bool selected = row == v->list.shown.row;
    struct style s = STYLE(selected ? COLOR_CURSOR : COLOR_DEFAULT);
    struct backing_sum sum;
    uint64_t numbers[COLUMNS];
    if (backing_of_region(&v->list.of, r, ui->caches, &sum))
        return;
    numbers_of(&v->list.of, r, &sum, numbers);
    if (selected)
        area_fill(area_part(a, 0, line, a.cols, 1), s, ' ');
    area_text(a, 0, line, 1, selected ? ">" : " ", s);
    area_printf(a, MARK_COLS, line, s, "%" PRIx64, r->start);
    unsigned col = put_numbers(a, line, shown, numbers, &sum, s);
    if (col < a.cols)
        fit_draw_name(a, col, line, a.cols - col, search_region_name(r), s);
}

static void draw_panel(const struct backing_view *v, const struct ui_state *ui, struct area a)
{
    struct buf text = {0};
    struct backing_sum sum;
    if (!v->list.shown.count)
        return;
    const struct region *r = subset_region(&v->list, v->list.shown.row);
    rule_draw(a, 2, "%" PRIx64 "-%" PRIx64, r->start, r->end);
    if (!backing_of_region(&v->list.of, r, ui->caches, &sum))
        backing_sentences(&v->list.of, r, ui->caches, &sum, &text);
    subset_text(a, 1, &text);
    buf_deinit(&text);
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct backing_view *v = view;
    struct list *l = &v->list.shown;
    bool shown[COLUMNS];
    if (!ui->now)
        return;
    refresh(v, ui);
    unsigned rows = subset_fit(&v->list, ui, a.rows, PANEL_ROWS);
    choose_columns(v, a.cols, shown);
    draw_titles(shown, a);
    for (unsigned i = 0; i < rows && l->top + i < l->count; i++)
        draw_row(v, ui, shown, a, i + 1, l->top + i);
    if (rows)
        subset_draw_none(&v->list, a, "nothing stands behind these mappings but their pages");
    area_text(a, MARK_COLS, rows + 1, RANGE_COLS, "total", STYLE(COLOR_TITLE));
    put_numbers(a, rows + 1, shown, v->sums, &v->lacks, STYLE(COLOR_TITLE));
    draw_panel(v, ui, area_part(a, 0, rows + 2, a.cols, a.rows));
}

static unsigned act(void *view, struct ui_state *ui, int action)
{
    return subset_act(&((struct backing_view *)view)->list, ui, action);
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    return subset_mouse(&((struct backing_view *)view)->list, ui, m, 1);
}

static void filter(void *view, const char *what)
{
    subset_filter(&((struct backing_view *)view)->list, what);
}

const struct view_ops view_backing = {
    .name = "backing",
    .about = "what stands behind the mappings: page cache, swap, KSM, locks",
    .bindings = bindings,
    .size = sizeof(struct backing_view),
    .deinit = deinit,
    .draw = draw,
    .act = act,
    .mouse = mouse,
    .filter = filter,
};
