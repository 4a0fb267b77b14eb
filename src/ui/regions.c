/* The table of regions. Rows are indices into the moment's region table, filtered and sorted; they
 * are made again when the regions, the filter or the order change. Totals cost a walk of the page
 * tree, so they are worked out for the rows on the screen, and for all rows only when the order
 * depends on them; both are kept as long as no page and no region changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ui/fit.h"
#include "ui/frame.h"
#include "ui/list.h"
#include "ui/search.h"

enum column {
    COL_RANGE, COL_SIZE, COL_RESIDENT, COL_ANON, COL_FILE, COL_SHMEM, COL_SWAP, COL_HUGE,
    COL_SHARED, COL_PERMS, COL_NAME, COL_FLAGS, COL_N
};

enum { MARK_COLS = 2, NAME_COLS = 20, NAME_MIN = 6, RANGE_COLS = 26, FLAGS_COLS = 24 };

/* `rank`: the order in which columns get their place. */
static const struct {
    const char *title;
    unsigned cols, rank;
    bool number;
} columns[COL_N] = {
    [COL_RANGE] = {"RANGE", RANGE_COLS, 1, false}, [COL_SIZE] = {"SIZE", 6, 2, true},
    [COL_RESIDENT] = {"RSS", 6, 3, true},          [COL_ANON] = {"ANON", 6, 5, true},
    [COL_FILE] = {"FILE", 6, 6, true},             [COL_SHMEM] = {"SHMEM", 6, 9, true},
    [COL_SWAP] = {"SWAP", 6, 7, true},             [COL_HUGE] = {"HUGE", 6, 8, true},
    [COL_SHARED] = {"SHARED", 7, 10, true},        [COL_PERMS] = {"PERM", 5, 0, false},
    [COL_NAME] = {"NAME", NAME_COLS, 4, false},    [COL_FLAGS] = {"FLAGS", FLAGS_COLS, 11, false},
};

struct row_totals {
    bool known;
    struct totals t;
};

struct regions_view {
    enum column sort;
    bool reverse;
    bool flags; /* asked for: they come before all numbers but size and resident */
    char filter[256];
    bool stale; /* filter or order changed */

    struct moment of; /* the moment that rows and totals belong to; zeroed: none */
    struct row_totals *totals; /* one a region, owned */
    size_t totals_cap;
    size_t *rows; /* owned; indices into the table, in the order shown */
    size_t rows_cap;
    struct list shown; /* of the rows; which one is selected follows from the cursor */
    unsigned title_end[COL_N]; /* where the title drawn last ends; 0: not shown */
};

enum action { OPEN_MAP = LIST_ACTION_N, SORT, SORT_BACK, REVERSE, FLAGS };

static const struct binding bindings[] = {
    {{KEY_CODE_ENTER}, "Enter", "show on the map", true, OPEN_MAP},
    {{'s', '>', 'o'}, "s >", "sort: by the next column (also o); or click on a title", true, SORT},
    {{'<'}, "<", "sort by the column before", false, SORT_BACK},
    {{'S'}, "S", "reverse: the order of rows", true, REVERSE},
    {{'v'}, "v", "flags: read those of all mappings (VmFlags) and show them, or not", true, FLAGS},
    LIST_BINDINGS(false, "one row up", "one row down", "first row", "last row"),
    {.label = NULL},
};

static void deinit(void *view)
{
    struct regions_view *v = view;
    moment_deinit(&v->of);
    free(v->totals);
    free(v->rows);
}

static const struct totals *totals_of(struct regions_view *v, const struct moment *m, size_t region)
{
    struct row_totals *r = &v->totals[region];
    if (!r->known) {
        totals_of_region(m, &m->regions->v[region], &r->t);
        r->known = true;
    }
    return &r->t;
}

/* The number of a column; *unknown when it cannot be told. */
static uint64_t number_of(const struct totals *t, enum column c, bool *unknown)
{
    *unknown = false;
    switch (c) {
    case COL_SIZE:
        return t->size;
    case COL_RESIDENT:
        *unknown = t->no_resident;
        return t->resident;
    case COL_ANON:
        *unknown = t->no_anon;
        return t->anon;
    case COL_FILE:
        *unknown = t->no_file;
        return t->file;
    case COL_SHMEM:
        *unknown = t->no_shmem;
        return t->shmem;
    case COL_SWAP:
        *unknown = t->no_swap;
        return t->swap;
    case COL_HUGE:
        *unknown = t->no_pmd_mapped;
        return t->pmd_mapped + t->hugetlb;
    case COL_SHARED:
        /* Of RSS: the zero page, which everybody shares, is not part of it. */
        *unknown = t->no_shared;
        return t->shared > t->zero ? t->shared - t->zero : 0;
    default:
        return 0;
    }
}

struct order {
    struct regions_view *view;
    const struct moment *m;
};

static int compare(const void *pa, const void *pb, void *ctx)
{
    const struct order *o = ctx;
    size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
    const struct region *ra = &o->m->regions->v[a], *rb = &o->m->regions->v[b];
    int by = 0;
    if (o->view->sort == COL_NAME) {
        by = strcmp(search_region_name(ra), search_region_name(rb));
    } else if (o->view->sort == COL_PERMS) {
        by = (rb->perms > ra->perms) - (rb->perms < ra->perms);
    } else if (o->view->sort != COL_RANGE) {
        bool unknown;
        uint64_t na = number_of(totals_of(o->view, o->m, a), o->view->sort, &unknown);
        uint64_t nb = number_of(totals_of(o->view, o->m, b), o->view->sort, &unknown);
        by = (nb > na) - (nb < na);
    }
    if (!by)
        by = (a > b) - (a < b);
    return o->view->reverse ? -by : by;
}

static int adopt_moment(struct regions_view *v, const struct moment *m)
{
    void *totals = v->totals, *rows = v->rows;
    int rc = array_reserve(&totals, &v->totals_cap, m->regions->count, sizeof *v->totals);
    v->totals = totals;
    if (!rc)
        rc = array_reserve(&rows, &v->rows_cap, m->regions->count, sizeof *v->rows);
    v->rows = rows;
    if (rc)
        return rc;
    for (size_t i = 0; i < m->regions->count; i++)
        v->totals[i].known = false;
    moment_deinit(&v->of);
    moment_copy(&v->of, m);
    return 0;
}

static void make_rows(struct regions_view *v, const struct moment *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->regions->count; i++)
        if (search_matches(&m->regions->v[i], v->filter))
            v->rows[count++] = i;
    struct order o = {v, m};
    if (count && (v->sort != COL_RANGE || v->reverse))
        qsort_r(v->rows, count, sizeof *v->rows, compare, &o);
    v->shown.count = count;
    v->stale = false;
}

/* Brings the rows up to the moment shown. False when there was no memory for it. */
static bool refresh(struct regions_view *v, const struct moment *m)
{
    bool other_table = v->of.regions != m->regions;
    bool other = other_table || v->of.tree != m->tree;
    bool by_totals = v->sort != COL_RANGE && v->sort != COL_NAME && v->sort != COL_PERMS;
    if (other && adopt_moment(v, m))
        return false;
    if (other_table || v->stale || (other && by_totals))
        make_rows(v, m);
    return true;
}

/* The row of the cursor's region, or of the nearest one at or behind it in the order of addresses;
 * the count when there are no rows. */
static size_t selected_row(const struct regions_view *v, const struct moment *m, uint64_t cursor)
{
    size_t want = region_table_find(m->regions, cursor), best = v->shown.count;
    size_t nearest = SIZE_MAX;
    for (size_t i = 0; i < v->shown.count; i++) {
        if (v->rows[i] == want)
            return i;
        size_t away = v->rows[i] > want ? v->rows[i] - want : want - v->rows[i];
        if (away < nearest) {
            nearest = away;
            best = i;
        }
    }
    return best;
}

struct table {
    bool shown[COL_N];
    unsigned width[COL_N];
};

/* The columns of a column; a narrow screen has room for the beginning of a range only, and for a
 * part of a name. */
static unsigned column_cols(enum column c, unsigned cols, unsigned left)
{
    if (c == COL_RANGE && cols < 60)
        return RANGE_COLS / 2;
    if (c == COL_NAME && left < NAME_COLS && left >= NAME_MIN)
        return left;
    return columns[c].cols;
}

/* Gives a column its place, unless it has one or there is no room; answers what is left then. */
static unsigned place_column(struct table *t, enum column c, unsigned cols, unsigned left)
{
    unsigned width = column_cols(c, cols, left);
    if (t->shown[c] || width > left)
        return left;
    t->width[c] = width;
    t->shown[c] = true;
    return left - width;
}

/* All columns in the order of rank; the name takes what is left. */
static void place_columns(struct table *t, unsigned cols, bool has_flags, bool flags_first)
{
    unsigned left = cols - MARK_COLS;
    for (unsigned rank = 0; rank < COL_N; rank++) {
        if (flags_first && rank == columns[COL_NAME].rank)
            left = place_column(t, COL_FLAGS, cols, left);
        for (unsigned c = 0; c < COL_N; c++)
            if (columns[c].rank == rank && (c != COL_FLAGS || has_flags))
                left = place_column(t, (enum column)c, cols, left);
    }
    if (t->shown[COL_NAME])
        t->width[COL_NAME] += left;
}

static void flags_text(const struct region *r, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned i = 0; region_vmflag_name(i); i++)
        if (r->smaps->vmflags >> i & 1 && len + 4 < cap)
            len += (size_t)snprintf(out + len, cap - len, "%s ", region_vmflag_name(i));
}

/* A column's text; numbers that cannot be known are '?', and nothing at all is a dot. */
static void cell_text(const struct region *r, const struct totals *t, enum column c, unsigned cols,
                      char *out, size_t cap)
{
    char size[TEXT_SIZE_MAX], perms[5];
    bool unknown;
    switch (c) {
    case COL_RANGE:
        if (cols < RANGE_COLS)
            snprintf(out, cap, "%llx", (unsigned long long)r->start);
        else
            snprintf(out, cap, "%llx-%llx", (unsigned long long)r->start,
                     (unsigned long long)r->end);
        break;
    case COL_PERMS:
        region_perms_text(r->perms, perms);
        snprintf(out, cap, "%s", perms);
        break;
    case COL_FLAGS:
        if (r->smaps)
            flags_text(r, out, cap);
        else
            snprintf(out, cap, "?");
        break;
    default: {
        uint64_t n = number_of(t, c, &unknown);
        snprintf(out, cap, "%s", unknown ? "?" : n ? text_size(size, n) : ".");
    }
    }
}

static void draw_titles(struct regions_view *v, const struct table *t, struct area a)
{
    unsigned col = MARK_COLS;
    for (unsigned c = 0; c < COL_N; c++) {
        v->title_end[c] = t->shown[c] ? col + t->width[c] : 0;
        if (!t->shown[c])
            continue;
        struct style s = STYLE(COLOR_TITLE);
        char text[16];
        const char *mark = v->sort != c ? "" : v->reverse ? "\u25b4" : "\u25be";
        snprintf(text, sizeof text, "%s%s", mark, columns[c].title);
        s.attr = *mark ? CELL_UNDERLINE : 0;
        unsigned pad = columns[c].number ? t->width[c] - 1 - (unsigned)text_columns(text) : 0;
        area_text(a, col + pad, 0, t->width[c], text, s);
        col += t->width[c];
    }
}

static bool is_wx(const struct region *r)
{
    return (r->perms & (REGION_W | REGION_X)) == (REGION_W | REGION_X);
}

static void draw_row(struct regions_view *v, const struct moment *m, const struct table *t,
                     struct area line, size_t index, bool selected)
{
    const struct region *r = &m->regions->v[index];
    const struct totals *totals = totals_of(v, m, index);
    struct style s = STYLE(is_wx(r) ? COLOR_ALERT : COLOR_DEFAULT);
    if (selected)
        s.bg = COLOR_CURSOR;
    area_fill(line, s, ' ');
    area_put(line, 0, 0, selected ? '>' : ' ', s);
    area_put(line, 1, 0, is_wx(r) ? '!' : ' ', s);
    unsigned col = MARK_COLS;
    for (unsigned c = 0; c < COL_N; c++) {
        char text[256];
        if (!t->shown[c])
            continue;
        unsigned room = t->width[c] - 1;
        if (c == COL_NAME) {
            fit_draw_name(line, col, 0, room, search_region_name(r), s);
        } else {
            cell_text(r, totals, (enum column)c, t->width[c], text, sizeof text);
            size_t len = strlen(text);
            unsigned pad = columns[c].number && len < room ? room - (unsigned)len : 0;
            area_text(line, col + pad, 0, room, text, number_style(s, text));
        }
        col += t->width[c];
    }
}

/* Tells the sampler which part of the address space is on the screen. */
static void look(const struct regions_view *v, struct ui_state *ui)
{
    uint64_t start = UINT64_MAX, end = 0;
    const struct list *l = &v->shown;
    for (size_t i = l->top; i < l->count && i < l->top + l->height; i++) {
        const struct region *r = &ui->now->regions->v[v->rows[i]];
        start = r->start < start ? r->start : start;
        end = r->end > end ? r->end : end;
    }
    if (start < end && ui->source->look)
        ui->source->look(ui->source->ctx, start, end);
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct regions_view *v = view;
    struct table t = {0};
    if (!refresh(v, ui->now)) {
        area_text(a, 1, 0, a.cols, "not enough memory for this table", STYLE(COLOR_ALERT));
        return;
    }
    place_columns(&t, a.cols, ui->now->regions->smaps != NULL, v->flags);
    struct list *l = &v->shown;
    l->row = selected_row(v, ui->now, ui->cursor);
    list_fit(l, l->count, a.rows - 1);
    draw_titles(v, &t, a);
    for (unsigned i = 0; i < l->height && l->top + i < l->count; i++)
        draw_row(v, ui->now, &t, area_part(a, 0, i + 1, a.cols, 1), v->rows[l->top + i],
                 l->top + i == l->row);
    if (!l->count)
        area_printf(a, 1, 1, STYLE(COLOR_DIM), "no mapping matches \"%s\"", v->filter);
    look(v, ui);
}

/* Inside the row's region the cursor stays where it is. */
static void select_row(const struct regions_view *v, struct ui_state *ui, size_t row)
{
    const struct region *r = &ui->now->regions->v[v->rows[row]];
    if (ui->cursor < r->start || ui->cursor >= r->end)
        ui->cursor = r->start;
}

static void move(struct regions_view *v, struct ui_state *ui, int action)
{
    v->shown.row = selected_row(v, ui->now, ui->cursor);
    list_move(&v->shown, action);
    select_row(v, ui, v->shown.row);
}

/* In a new order the first rows are what one wants to see. */
static unsigned reorder(struct regions_view *v, struct ui_state *ui)
{
    v->stale = true;
    if (ui->now && refresh(v, ui->now) && v->shown.count)
        select_row(v, ui, 0);
    return UI_REDRAW;
}

/* A click on the title of the column that decides already reverses it. */
static unsigned sort_by_title(struct regions_view *v, struct ui_state *ui, unsigned col)
{
    enum column c = COL_RANGE;
    while (c < COL_FLAGS && col >= v->title_end[c])
        c++;
    if (c == COL_FLAGS)
        return UI_HANDLED;
    v->reverse = c == v->sort && !v->reverse;
    v->sort = c;
    return reorder(v, ui);
}

static unsigned act(void *view, struct ui_state *ui, int action)
{
    struct regions_view *v = view;
    switch (action) {
    case SORT:
        v->sort = v->sort == COL_NAME ? COL_RANGE : v->sort + 1;
        return reorder(v, ui);
    case SORT_BACK:
        v->sort = v->sort == COL_RANGE ? COL_NAME : v->sort - 1;
        return reorder(v, ui);
    case REVERSE:
        v->reverse = !v->reverse;
        return reorder(v, ui);
    case FLAGS:
        v->flags = !v->flags;
        if (v->flags && ui->source->ask_flags)
            ui->source->ask_flags(ui->source->ctx);
        return UI_REDRAW;
    default:
        if (!ui->now || !refresh(v, ui->now) || !v->shown.count)
            return UI_HANDLED;
        move(v, ui, action);
        return action == OPEN_MAP ? UI_SHOW_MAP : UI_REDRAW;
    }
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    struct regions_view *v = view;
    int action = list_wheel(m);
    if (action >= 0)
        return act(view, ui, action);
    if (ui->now && !m->row)
        return sort_by_title(v, ui, m->col);
    if (!ui->now || !refresh(v, ui->now) || !list_point(&v->shown, m->row - 1))
        return UI_HANDLED;
    select_row(v, ui, v->shown.row);
    return m->what == MOUSE_DOUBLE ? UI_REDRAW | UI_SHOW_MAP : UI_REDRAW;
}

static void filter(void *view, const char *what)
{
    struct regions_view *v = view;
    snprintf(v->filter, sizeof v->filter, "%s", what);
    v->stale = true;
}

static const char *status(void *view, const struct ui_state *ui, char *out, size_t cap)
{
    struct regions_view *v = view;
    if (!ui->now || !refresh(v, ui->now))
        return NULL;
    if (v->filter[0])
        snprintf(out, cap, "%zu of %zu", v->shown.count, ui->now->regions->count);
    else
        snprintf(out, cap, "%zu mappings", v->shown.count);
    return out;
}

const struct view_ops view_regions = {
    .name = "regions",
    .about = "one row a mapping: how large it is, and what of it is resident, of which kind",
    .bindings = bindings,
    .size = sizeof(struct regions_view),
    .deinit = deinit,
    .draw = draw,
    .act = act,
    .mouse = mouse,
    .filter = filter,
    .status = status,
};
