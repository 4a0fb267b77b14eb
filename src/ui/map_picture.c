/* The picture: the pixels of the window, made once a sample or movement and kept, and the rows that
 * they are drawn in, with addresses, labels and gaps. */
#include "ui/map_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void map_picture_deinit(struct map_picture *p)
{
    free(p->v);
    pagetree_unref(p->now);
    pagetree_unref(p->before);
    *p = (struct map_picture){0};
}

void map_tally(const struct moment *m, const struct layout *l, const struct layout_item *item,
               uint64_t pixel, struct tally *out)
{
    *out = (struct tally){{0}};
    if (!item->regions)
        return;
    uint64_t start, end;
    layout_pixel_range(l, item, pixel, &start, &end);
    pagetree_tally(m->tree, moment_page(m, start), (end - start) >> l->shape.page_shift, out);
    if (item->regions == 1)
        return;
    /* In a cluster the pages between regions are no pages. */
    uint64_t mapped = layout_mapped(l, start, end), here = 0;
    for (unsigned s = 0; s < PAGE_STATE_N; s++)
        here += s == PAGE_ABSENT ? 0 : out->n[s];
    out->n[PAGE_ABSENT] = mapped > here ? mapped - here : 0;
}

/* The first pixel row of an item that the window can show. */
static uint64_t first_pixel_row(const struct map_window *w, const struct layout_item *item)
{
    uint64_t body = item->row + item->header;
    return body < w->top ? (w->top - body) * w->layout->shape.stack : 0;
}

/* The stored pixels of an item's pixel row; NULL below the window. */
static struct map_pixel *pixel_row(const struct map_picture *p, const struct map_window *w,
                                   const struct layout_item *item, uint64_t row)
{
    unsigned stack = w->layout->shape.stack;
    uint64_t at = item->row + item->header + row / stack - w->top;
    return at < w->rows ? p->v + (at * stack + row % stack) * p->width : NULL;
}

/* A row of an item at one page a pixel. */
static int put_run(void *ctx, const struct page_run *run)
{
    struct map_pixel **out = ctx;
    for (uint64_t i = 0; i < run->n; i++)
        *(*out)++ = (struct map_pixel){run->first.state, run->first.state, false};
    return 0;
}

/* Pixels [from, to) of an item. */
static void fill_row(struct map_pixel *out, const struct layout *l, const struct moment *m,
                     const struct layout_item *item, uint64_t from, uint64_t to)
{
    if (!l->shape.zoom) {
        uint64_t start, end;
        layout_pixel_range(l, item, from, &start, &end);
        pagetree_walk(m->tree, moment_page(m, start), to - from, put_run, &out);
        return;
    }
    for (uint64_t i = from; i < to; i++) {
        struct tally t;
        map_tally(m, l, item, i, &t);
        *out++ = map_pixel_of(&t);
    }
}

static void fill_item(struct map_picture *p, const struct map_window *w, const struct moment *m,
                      const struct layout_item *item)
{
    uint64_t pixels = layout_item_pixels(w->layout, item);
    uint64_t row = first_pixel_row(w, item);
    struct map_pixel *out;
    for (; row * p->width < pixels && (out = pixel_row(p, w, item, row)); row++) {
        uint64_t to = (row + 1) * p->width;
        fill_row(out, w->layout, m, item, row * p->width, to < pixels ? to : pixels);
    }
}

/* Something to do with each visible pixel that holds pages of a range. */
struct touch {
    struct map_picture *p;
    const struct map_window *w;
    const struct moment *m;
    bool refill; /* make it anew; otherwise mark it as changed */
    struct map_pixel *last;
};

static void touch_pixels(struct touch *k, const struct layout_item *item, uint64_t first,
                         uint64_t last)
{
    uint64_t width = k->p->width, visible = first_pixel_row(k->w, item) * width;
    for (uint64_t i = first < visible ? visible : first; i <= last; i++) {
        struct map_pixel *row = pixel_row(k->p, k->w, item, i / width);
        if (!row)
            return;
        struct map_pixel *pixel = row + i % width;
        if (k->refill && pixel != k->last)
            fill_row(pixel, k->w->layout, k->m, item, i, i + 1);
        else if (!k->refill)
            pixel->changed = true;
        k->last = pixel;
    }
}

static int touch_range(void *ctx, uint64_t start, uint64_t n)
{
    struct touch *k = ctx;
    const struct layout *l = k->w->layout;
    unsigned shift = layout_pixel_shift(&l->shape);
    uint64_t from = moment_address(k->m, start);
    uint64_t last = from + ((n << l->shape.page_shift) - 1);
    for (size_t i = layout_find(l, from); i < l->count && l->v[i].start <= last; i++) {
        const struct layout_item *item = &l->v[i];
        uint64_t lo = from > item->start ? from : item->start;
        uint64_t hi = last < item->end - 1 ? last : item->end - 1;
        if (item->row >= k->w->top + k->w->rows)
            break;
        if (item->regions && lo <= hi)
            touch_pixels(k, item, (lo >> shift) - (item->start >> shift),
                         (hi >> shift) - (item->start >> shift));
    }
    return 0;
}

void map_window_range(const struct map_window *w, uint64_t *start, uint64_t *end)
{
    const struct layout *l = w->layout;
    struct layout_place first, last;
    uint64_t bottom = w->top + w->rows < l->rows ? w->top + w->rows : l->rows;
    uint64_t none;
    layout_place_at(l, w->top, 0, 0, &first);
    layout_place_at(l, bottom - 1, UINT32_MAX, l->shape.stack - 1, &last);
    layout_pixel_range(l, &l->v[first.item], first.pixel, start, &none);
    layout_pixel_range(l, &l->v[last.item], last.pixel, &none, end);
}

/* The moment to compare with, or NULL: not while a first look was still under way. */
static const struct moment *comparable(const struct ui_state *ui)
{
    return ui->flash && ui->before && ui->before->sample.complete ? ui->before : NULL;
}

/* Makes all pixels of the window. */
static void fill(struct map_picture *p, const struct map_window *w, const struct moment *m)
{
    const struct layout *l = w->layout;
    for (size_t i = 0; i < w->rows * l->shape.stack * p->width; i++)
        p->v[i] = (struct map_pixel){MAP_NOTHING, MAP_NOTHING, false};
    for (size_t i = layout_item_of_row(l, w->top);
         i < l->count && l->v[i].row < w->top + w->rows; i++)
        fill_item(p, w, m, &l->v[i]);
}

/* Moves the pixels to a window a few rows away, and makes those that come in. */
static void shift(struct map_picture *p, const struct map_window *w, const struct moment *m)
{
    size_t line = w->layout->shape.stack * p->width;
    bool down = w->top > p->top;
    unsigned by = (unsigned)(down ? w->top - p->top : p->top - w->top), keep = w->rows - by;
    memmove(p->v + (down ? 0 : by * line), p->v + (down ? by * line : 0),
            keep * line * sizeof *p->v);
    struct map_window part = *w;
    struct map_picture strip = *p;
    part.top = down ? w->top + keep : w->top;
    part.rows = by;
    strip.v = p->v + (down ? keep * line : 0);
    fill(&strip, &part, m);
}

/* Visits what differs between two trees in the window: every difference, or true changes only. */
static void touch_differences(struct map_picture *p, const struct map_window *w,
                              const struct moment *m, struct pagetree *since, bool refill)
{
    uint64_t start, end;
    map_window_range(w, &start, &end);
    uint64_t first = moment_page(m, start), n = moment_page(m, end - 1) - first + 1;
    struct touch k = {p, w, m, refill, NULL};
    if (refill)
        pagetree_diff(since, m->tree, first, n, touch_range, &k);
    else
        map_changes(since, m->tree, first, n, touch_range, &k);
}

static int make_room(struct map_picture *p, const struct map_window *w)
{
    void *v = p->v;
    p->width = w->layout->shape.width;
    p->pixel_rows = (uint64_t)w->rows * w->layout->shape.stack;
    int rc = array_reserve(&v, &p->cap, p->pixel_rows * p->width, sizeof *p->v);
    p->v = v;
    return rc;
}

/* Brings the stored pixels up to date with the least work. */
static int update(struct map_picture *p, const struct map_window *w, const struct ui_state *ui)
{
    const struct moment *m = ui->now, *before = comparable(ui);
    struct pagetree *was = before ? before->tree : NULL;
    bool kept = p->now && p->built == w->built && p->rows == w->rows;
    uint64_t moved = w->top > p->top ? w->top - p->top : p->top - w->top;
    if (kept && !moved && p->now == m->tree && p->before == was)
        return 0;
    int rc = make_room(p, w);
    if (rc)
        return rc;
    if (kept && !moved && pagetree_levels(p->now) == pagetree_levels(m->tree))
        touch_differences(p, w, m, p->now, true);
    else if (kept && moved < w->rows && p->now == m->tree)
        shift(p, w, m);
    else
        fill(p, w, m);
    for (size_t i = 0; i < p->pixel_rows * p->width; i++)
        p->v[i].changed = false;
    if (was)
        touch_differences(p, w, m, was, false);
    pagetree_ref(m->tree);
    pagetree_unref(p->now);
    pagetree_unref(p->before);
    p->now = m->tree;
    p->before = was ? pagetree_ref(was) : NULL;
    p->built = w->built;
    p->top = w->top;
    p->rows = w->rows;
    return 0;
}

/* A row while it is drawn. */
struct line {
    const struct map_picture *p;
    const struct map_marks *marks;
    const struct map_window *w;
    const struct ui_state *ui;
    const struct layout_item *item;
    const struct layout_place *cursor; /* NULL: not in this row */
    struct area pixels;                /* one row, without the gutter */
    struct area gutter;
    uint64_t row;
};

static void draw_ruler(const struct line *n, struct style s)
{
    area_fill(n->pixels, s, 0x2500);
}

static void draw_gap(const struct line *n)
{
    char size[TEXT_SIZE_MAX];
    struct style s = STYLE(COLOR_DIM);
    if (n->cursor)
        s = (struct style){COLOR_CURSOR, COLOR_DEFAULT, CELL_BOLD | CELL_REVERSE};
    draw_ruler(n, s);
    bool halves = n->item->start <= INT64_MAX && n->item->end > INT64_MAX;
    area_printf(n->pixels, 2, 0, s, " gap %s%s ", text_size(size, n->item->end - n->item->start),
                halves ? " to the kernel's half" : "");
}

/* True when a region came, grew, shrank or changed its permissions since the last sample. */
static bool region_changed(const struct ui_state *ui, const struct region *r)
{
    const struct moment *before = comparable(ui);
    if (!before || before->regions == ui->now->regions)
        return false;
    const struct region *was = region_table_at(before->regions, r->start);
    return !was || was->start != r->start || was->end != r->end || was->perms != r->perms;
}

static void draw_label(const struct line *n, unsigned cols, unsigned right)
{
    const struct region *r = &n->w->layout->table->v[n->item->region];
    char text[MAP_NAME_MAX];
    struct style s = STYLE(COLOR_DEFAULT);
    if (r->perms & REGION_W && r->perms & REGION_X)
        s = (struct style){COLOR_ALERT, COLOR_DEFAULT, CELL_BOLD};
    if (region_changed(n->ui, r))
        s = (struct style){COLOR_FLASH, COLOR_DEFAULT, CELL_BOLD | CELL_REVERSE};
    map_label(n->w->layout, n->item, cols, text);
    unsigned width = (unsigned)text_columns(text);
    if (width + right <= n->pixels.cols)
        area_text(n->pixels, n->pixels.cols - right - width, 0, width, text, s);
    if (right) /* on a ruler */
        area_put(n->pixels, n->pixels.cols - right, 0, ' ', s);
    if (right && width + right < n->pixels.cols)
        area_put(n->pixels, n->pixels.cols - right - width - 1, 0, ' ', s);
}

static void draw_header(const struct line *n)
{
    draw_ruler(n, STYLE(COLOR_DIM));
    unsigned right = n->pixels.cols >= 40 ? 3 : 0;
    if (n->pixels.cols > right + 2)
        draw_label(n, n->pixels.cols - right - 2, right);
}

/* The cell of a pixel or, in half cells, of the two from `at` and `below` on. */
static struct cell cell_of(const struct line *n, size_t at, size_t below, unsigned cursor)
{
    const struct map_pixel *v = n->p->v;
    const struct map_marks *k = n->marks;
    if (k->heat && k->count) {
        uint64_t faults = (uint64_t)k->count[at] + (below != at ? k->count[below] : 0);
        unsigned state = v[at].state == MAP_NOTHING ? v[below].state : v[at].state;
        return map_cell_heat(state, map_heat_level(faults), &n->ui->look, cursor);
    }
    uint8_t flash = k->flash ? (k->flash[at] ? k->flash[at] : k->flash[below]) : 0;
    if (flash && !cursor)
        return map_cell_fault((uint8_t)(flash - 1));
    return below != at ? map_cell_pair(v[at], v[below], cursor)
                       : map_cell_single(v[at], &n->ui->look, cursor);
}

static void draw_pixels(const struct line *n)
{
    const struct layout *l = n->w->layout;
    size_t upper = (n->row - n->w->top) * l->shape.stack * n->p->width;
    size_t lower = l->shape.stack == 2 ? upper + n->p->width : upper;
    for (unsigned c = 0; c < n->p->width; c++) {
        unsigned cursor = n->cursor && n->cursor->col == c ? n->cursor->half + 1 : 0;
        struct cell cell = cell_of(n, upper + c, lower + c, cursor);
        area_put(n->pixels, c, 0, cell.ch, (struct style){cell.fg, cell.bg, cell.attr});
    }
}

/* The address of the row's first pixel, and a tick where a small gap lies before it. */
static void draw_gutter(const struct line *n)
{
    const struct layout *l = n->w->layout;
    char text[MAP_ADDRESS_MAX];
    struct layout_place first;
    uint64_t start, end;
    if (n->gutter.cols < 4)
        return;
    layout_place_at(l, n->row, 0, 0, &first);
    layout_pixel_range(l, n->item, first.pixel, &start, &end);
    map_address(text, start);
    unsigned len = (unsigned)strlen(text), room = n->gutter.cols - 1;
    struct style s = STYLE(n->cursor ? COLOR_DEFAULT : COLOR_DIM);
    s.attr = n->cursor ? CELL_BOLD : 0;
    if (len > room) /* the lower digits tell rows apart */
        text[len - room] = '~';
    area_text(n->gutter, len < room ? room - len : 0, 0, room,
              len > room ? text + len - room : text, s);
    if (n->item->folded && n->row == n->item->row + n->item->header)
        area_put(n->gutter, room, 0, 0x2506, STYLE(COLOR_DIM));
}

static void draw_line(const struct line *n, size_t item)
{
    const struct layout *l = n->w->layout;
    if (!n->item->regions) {
        draw_gap(n);
        return;
    }
    if (n->item->header && n->row == n->item->row) {
        draw_header(n);
        return;
    }
    draw_gutter(n);
    draw_pixels(n);
    if (!n->item->header && l->shape.label &&
        n->row + 1 == n->item->row + layout_item_rows(l, item))
        draw_label(n, n->pixels.cols - layout_item_last_cols(l, n->item) - 1, 0);
}

int map_picture_draw(struct map_picture *p, const struct map_marks *marks,
                     const struct map_window *w, const struct ui_state *ui, struct area a)
{
    const struct layout *l = w->layout;
    struct layout_place cursor;
    int rc = update(p, w, ui);
    if (rc || !layout_place_of(l, ui->cursor, &cursor))
        return rc;
    size_t i = layout_item_of_row(l, w->top);
    for (unsigned r = 0; r < w->rows && w->top + r < l->rows; r++) {
        uint64_t row = w->top + r;
        while (i + 1 < l->count && l->v[i + 1].row <= row)
            i++;
        struct line n = {.p = p, .marks = marks, .w = w, .ui = ui, .item = &l->v[i], .row = row,
                         .cursor = cursor.row == row ? &cursor : NULL,
                         .gutter = area_part(a, 0, r, w->gutter, 1),
                         .pixels = area_part(a, w->gutter, r, a.cols - w->gutter, 1)};
        draw_line(&n, i);
    }
    return 0;
}
