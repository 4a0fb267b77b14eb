/* A list of some of the mappings. */
#include "ui/subset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/search.h"

void subset_deinit(struct subset *s)
{
    moment_deinit(&s->of);
    free(s->rows);
    *s = (struct subset){0};
}

bool subset_is_old(const struct subset *s, const struct ui_state *ui)
{
    return s->stale || s->of.regions != ui->now->regions || s->of.tree != ui->now->tree;
}

bool subset_refresh(struct subset *s, const struct ui_state *ui, subset_fn *keep, void *ctx)
{
    const struct moment *m = ui->now;
    void *rows = s->rows;
    if (!subset_is_old(s, ui))
        return false;
    s->shown.count = 0;
    int rc = array_reserve(&rows, &s->cap, m->regions->count + 1, sizeof *s->rows);
    s->rows = rows;
    if (rc)
        return true;
    moment_deinit(&s->of);
    moment_copy(&s->of, m);
    s->stale = false;
    for (size_t i = 0; i < m->regions->count; i++) {
        const struct region *r = &m->regions->v[i];
        if (keep(ctx, m, r) && search_matches(r, s->filter))
            s->rows[s->shown.count++] = i;
    }
    return true;
}

static void select_row(struct subset *s, const struct ui_state *ui)
{
    size_t region = region_table_find(ui->now->regions, ui->cursor), row = 0;
    while (row + 1 < s->shown.count && s->rows[row] < region)
        row++;
    s->shown.row = row;
}

unsigned subset_fit(struct subset *s, const struct ui_state *ui, unsigned height, unsigned panel)
{
    size_t count = s->shown.count;
    unsigned below = height > 2 * panel ? panel : height / 2;
    unsigned rows = height > below + 2 ? height - below - 2 : 0;
    if (rows > count)
        rows = count ? (unsigned)count : 1;
    select_row(s, ui);
    list_fit(&s->shown, count, rows);
    return rows;
}

void subset_draw_none(const struct subset *s, struct area a, const char *why)
{
    if (!s->shown.count)
        area_text(a, 1, 1, a.cols - 1, s->filter[0] ? "no mapping matches the filter" : why,
                  STYLE(COLOR_DIM));
}

const struct region *subset_region(const struct subset *s, size_t row)
{
    return &s->of.regions->v[s->rows[row]];
}

static void follow_row(const struct subset *s, struct ui_state *ui)
{
    const struct region *r = subset_region(s, s->shown.row);
    if (ui->cursor < r->start || ui->cursor >= r->end)
        ui->cursor = r->start;
}

unsigned subset_act(struct subset *s, struct ui_state *ui, int action)
{
    if (!ui->now || !s->shown.count || subset_is_old(s, ui))
        return UI_HANDLED;
    select_row(s, ui);
    if (action != SUBSET_OPEN_MAP)
        list_move(&s->shown, action);
    follow_row(s, ui);
    return action == SUBSET_OPEN_MAP ? UI_SHOW_MAP : UI_REDRAW;
}

unsigned subset_mouse(struct subset *s, struct ui_state *ui, const struct mouse *m, unsigned head)
{
    int action = list_wheel(m);
    if (action >= 0)
        return subset_act(s, ui, action);
    if (!ui->now || subset_is_old(s, ui) || m->row < head || !list_point(&s->shown, m->row - head))
        return UI_HANDLED;
    follow_row(s, ui);
    return m->what == MOUSE_DOUBLE ? UI_REDRAW | UI_SHOW_MAP : UI_REDRAW;
}

void subset_filter(struct subset *s, const char *what)
{
    snprintf(s->filter, sizeof s->filter, "%s", what);
    s->stale = true;
}

unsigned subset_text(struct area a, unsigned line, const struct buf *text)
{
    const char *p = text->len ? text->data : "";
    while (*p && line < a.rows) {
        const char *end = strchr(p, '\n');
        char one[400];
        snprintf(one, sizeof one, "%.*s", end ? (int)(end - p) : (int)strlen(p), p);
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
