/* The map view: the address space as a picture. This file has the state of the view, the plan of
 * its screen, its keys and its mouse; what is drawn where is in map_*.c.
 *
 * The cursor is an address, shared by all views; the view only knows which pixel holds it. While
 * the view fits (from the start, and after `0`) the scale follows the process, so that all of it
 * stays on the screen; zooming by hand ends that. On every change of scale or of the regions the
 * row of the cursor stays where it is on the screen. */
#include "ui/map_parts.h"

#include <stdio.h>
#include <string.h>

enum action {
    MAP_LEFT, MAP_RIGHT, MAP_UP, MAP_DOWN, MAP_PGUP, MAP_PGDN, MAP_FIRST, MAP_LAST, MAP_NEXT,
    MAP_PREV, MAP_IN, MAP_OUT, MAP_ENTER, MAP_FIT, MAP_STRIP, MAP_PANEL, MAP_FAULTS, MAP_HEAT
};

static const struct binding bindings[] = {
    {{KEY_CODE_LEFT, 'h'}, "Left h", "one cell back", false, MAP_LEFT},
    {{KEY_CODE_RIGHT, 'l'}, "Right l", "one cell on", false, MAP_RIGHT},
    {{KEY_CODE_UP, 'k'}, "Up k", "one row of cells up", false, MAP_UP},
    {{KEY_CODE_DOWN, 'j'}, "Down j", "one row of cells down", false, MAP_DOWN},
    {{KEY_CODE_PGUP}, "PgUp", "one screen up", false, MAP_PGUP},
    {{KEY_CODE_PGDN}, "PgDn", "one screen down", false, MAP_PGDN},
    {{'g', KEY_CODE_HOME}, "g Home", "the first mapping", false, MAP_FIRST},
    {{'G', KEY_CODE_END}, "G End", "the last mapping", false, MAP_LAST},
    {{'+', '='}, "+", "zoom in: a factor of 8, three steps are a level of the page table", true,
     MAP_IN},
    {{'-', '_', KEY_CODE_ESC}, "- Esc", "zoom out", true, MAP_OUT},
    {{KEY_CODE_ENTER}, "Enter", "zoom in, at last to the page", false, MAP_ENTER},
    {{'0'}, "0", "fit all: follow the process until you zoom", true, MAP_FIT},
    {{'n'}, "n", "next mapping", true, MAP_NEXT},
    {{'N'}, "N", "previous mapping", false, MAP_PREV},
    {{'H'}, "H", "heat: colour by the faults of the last 10 seconds, or by what pages are", true,
     MAP_HEAT},
    {{'F'}, "F", "faults: fold or unfold the latest", true, MAP_FAULTS},
    {{'w'}, "w", "strip: fold or unfold the strip of the whole space", true, MAP_STRIP},
    {{'i'}, "i", "panel: fold or unfold what is selected", true, MAP_PANEL},
    {{0}, NULL, NULL, false, 0},
};

enum { GUTTER = 15, GUTTER_BODY_MIN = 48, BODY_MIN = 59, STRIP_BODY_MIN = 63 };

/* Where the parts are, in the view's area. */
struct frame {
    unsigned rows;                  /* of the body */
    unsigned body, body_cols;       /* columns of the picture with its gutter */
    unsigned gutter, strip, panel;  /* columns, 0: not shown */
    unsigned top, detail, legend;   /* lines of their own */
    unsigned faults;                /* lines below all */
};

struct map_view {
    struct layout layout;
    uint64_t built; /* counts layouts */
    unsigned zoom;
    bool zoomed;      /* by hand; otherwise everything fits */
    bool scaled;      /* a scale is chosen */
    unsigned fit_rows; /* rows of the body that the scale was chosen for */
    uint64_t top;     /* first text row shown */
    uint64_t offset;  /* row of the cursor on the screen */
    uint64_t seen;    /* cursor when last drawn */
    unsigned goal;    /* column that vertical moves aim at */
    bool no_strip, no_panel, no_faults;
    struct frame frame;
    struct map_picture picture;
    struct map_marks marks;
    struct map_strip strip;
    uint64_t look_start, look_end;
};

static void map_deinit(void *view)
{
    struct map_view *v = view;
    layout_deinit(&v->layout);
    map_picture_deinit(&v->picture);
    map_marks_deinit(&v->marks);
    map_strip_deinit(&v->strip);
}

/* --- the plan of the screen --- */

static struct frame plan(const struct map_view *v, const struct ui_state *ui, struct area a)
{
    struct frame f = {.body_cols = a.cols};
    f.faults = v->no_faults ? 0 : map_faults_rows(ui, a.rows);
    f.rows = a.rows -= f.faults;
    if (!v->no_panel && a.rows >= 12 && a.cols >= BODY_MIN + MAP_PANEL_COLS + 1)
        f.panel = MAP_PANEL_COLS;
    f.body_cols -= f.panel ? f.panel + 1 : 0;
    if (!v->no_strip && a.rows >= 12 && f.body_cols >= STRIP_BODY_MIN + MAP_STRIP_COLS + 1)
        f.strip = MAP_STRIP_COLS;
    f.body = f.strip ? f.strip + 1 : 0;
    f.body_cols -= f.body;
    f.gutter = f.body_cols >= GUTTER_BODY_MIN ? GUTTER : 0;
    f.top = a.rows >= 3;
    f.detail = !f.panel && a.rows >= 4;
    if (ui->now && !f.panel && !f.strip && a.rows >= 14)
        f.legend = map_legend_lines(ui, v->marks.heat, area_part(a, 0, 0, a.cols, 0));
    if (f.legend > a.rows / 7)
        f.legend = a.rows / 7;
    f.rows -= f.top + f.detail + f.legend;
    return f;
}

static struct layout_shape shape_of(const struct frame *f, const struct ui_state *ui, unsigned zoom)
{
    unsigned cols = f->body_cols > f->gutter ? f->body_cols - f->gutter : 1;
    return (struct layout_shape){
        .page_shift = ui->now->target.geometry.page_shift,
        .zoom = zoom,
        .width = cols >= 16 ? cols / LAYOUT_SMALL * LAYOUT_SMALL : cols,
        .stack = look_has_halves(&ui->look) ? 2 : 1,
        .cols = cols,
        .label = cols >= 100 ? 36 : cols >= 56 ? 26 : cols >= 16 ? cols / 2 : 0,
    };
}

static unsigned zoom_max(const struct ui_state *ui)
{
    return (ui->now->target.geometry.levels - 1) * PAGETREE_FANOUT_BITS / LAYOUT_ZOOM_BITS;
}

static int build(struct map_view *v, const struct ui_state *ui)
{
    struct layout_shape shape = shape_of(&v->frame, ui, v->zoom);
    v->built++;
    return layout_build(&v->layout, ui->now->regions, &shape);
}

/* The finest scale at which everything is on the screen. Once it is chosen it gets finer only when
 * that leaves some room, so that a process that breathes does not make the picture jump. */
static int build_fit(struct map_view *v, const struct ui_state *ui)
{
    unsigned rows = v->frame.rows, most = zoom_max(ui);
    if (!v->scaled)
        v->zoom = 0;
    int rc = build(v, ui);
    bool shrunk = v->layout.rows > rows;
    while (!rc && v->layout.rows > rows && v->zoom < most) {
        v->zoom++;
        rc = build(v, ui);
    }
    while (!rc && !shrunk && v->zoom && v->layout.rows <= rows / 4 * 3) {
        v->zoom--;
        rc = build(v, ui);
        if (!rc && v->layout.rows > rows / 4 * 3) {
            v->zoom++;
            rc = build(v, ui);
            break;
        }
    }
    v->scaled = true;
    v->fit_rows = rows;
    return rc;
}

static void scroll(struct map_view *v, const struct ui_state *ui, bool rebuilt)
{
    const struct layout *l = &v->layout;
    uint64_t rows = v->frame.rows;
    struct layout_place p;
    if (!layout_place_of(l, ui->cursor, &p))
        return;
    if (v->seen != ui->cursor)
        v->goal = p.col;
    if (rebuilt)
        v->top = p.row > v->offset ? p.row - v->offset : 0;
    if (p.row + rows < v->top || p.row >= v->top + 2 * rows)
        v->top = p.row > rows / 2 ? p.row - rows / 2 : 0;
    bool header = l->v[p.item].header && p.row == l->v[p.item].row + 1 && rows > 1;
    if (p.row < v->top + header)
        v->top = p.row - header;
    if (p.row >= v->top + rows)
        v->top = p.row - rows + 1;
    if (v->top + rows > l->rows)
        v->top = l->rows > rows ? l->rows - rows : 0;
    v->offset = p.row - v->top;
    v->seen = ui->cursor;
}

/* Brings layout, cursor and window up to date with the moment and the screen. */
static int settle(struct map_view *v, struct ui_state *ui)
{
    const struct region_table *t = ui->now->regions;
    if (v->zoom > zoom_max(ui))
        v->zoom = zoom_max(ui);
    struct layout_shape shape = shape_of(&v->frame, ui, v->zoom);
    layout_adopt(&v->layout, ui->now->regions);
    bool rebuild = !v->scaled || (!v->zoomed && v->fit_rows != v->frame.rows) ||
                   !layout_is(&v->layout, t, &shape);
    int rc = !rebuild ? 0 : v->zoomed ? build(v, ui) : build_fit(v, ui);
    if (rc)
        return rc;
    if (ui->cursor < t->v[0].start)
        ui->cursor = t->v[0].start;
    if (ui->cursor >= t->v[t->count - 1].end)
        ui->cursor = t->v[t->count - 1].end - 1;
    scroll(v, ui, rebuild);
    return 0;
}

static struct map_window window_of(const struct map_view *v)
{
    return (struct map_window){.layout = &v->layout, .built = v->built, .top = v->top,
                               .rows = v->frame.rows, .gutter = v->frame.gutter};
}

/* --- drawing --- */

static void draw_top(const struct map_view *v, const struct ui_state *ui, struct area a)
{
    char crumb[160], scale[80];
    const char *fit = v->zoomed ? "" : "  fit";
    bool half = v->layout.shape.stack == 2;
    map_breadcrumb(ui->now, ui->cursor, v->zoom, crumb, sizeof crumb);
    map_scale(ui->now, v->zoom, half, false, scale, sizeof scale);
    size_t left = strlen(crumb) + 2;
    if (left + strlen(scale) + strlen(fit) > a.cols)
        fit = "";
    if (left + strlen(scale) > a.cols)
        map_scale(ui->now, v->zoom, half, true, scale, sizeof scale);
    area_text(a, 0, 0, a.cols, crumb, STYLE(COLOR_TITLE));
    size_t right = strlen(scale) + strlen(fit);
    if (left + right > a.cols)
        return;
    unsigned col = a.cols - (unsigned)right;
    col += area_text(a, col, 0, a.cols - col, scale, STYLE(COLOR_DEFAULT));
    area_text(a, col, 0, a.cols - col, fit, STYLE(COLOR_DIM));
}

static void draw_strip(struct map_view *v, const struct ui_state *ui, const struct map_window *w,
                       struct area a)
{
    unsigned legend = map_legend_rows(ui, v->marks.heat);
    unsigned rows = a.rows > legend + 5 ? a.rows - legend - 2 : a.rows - 1;
    area_text(a, 1, 0, a.cols, "whole space", STYLE(COLOR_TITLE));
    if (map_strip_build(&v->strip, &v->layout, v->built, rows) == 0)
        map_strip_draw(&v->strip, w, ui, area_part(a, 0, 1, a.cols, rows));
    if (rows + 1 < a.rows)
        map_legend_draw(ui, v->marks.heat, area_part(a, 1, a.rows - legend, a.cols - 2, legend));
}

static void draw_sides(struct map_view *v, const struct ui_state *ui, const struct map_window *w,
                       const struct map_selection *s, struct area a)
{
    const struct frame *f = &v->frame;
    uint32_t bar = 0x2502;
    if (f->strip) {
        draw_strip(v, ui, w, area_part(a, 0, 0, f->strip, a.rows));
        area_fill(area_part(a, f->strip, 0, 1, a.rows), STYLE(COLOR_DIM), bar);
    }
    if (!f->panel)
        return;
    unsigned at = a.cols - f->panel, legend = map_legend_rows(ui, v->marks.heat);
    area_fill(area_part(a, at - 1, 0, 1, a.rows), STYLE(COLOR_DIM), bar);
    struct area panel = area_part(a, at + 1, 0, f->panel - 1, a.rows);
    unsigned used = map_panel_draw(s, ui, panel);
    if (!f->strip && used + legend + 1 <= a.rows)
        map_legend_draw(ui, v->marks.heat,
                        area_part(panel, 0, a.rows - legend, panel.cols, legend));
}

static void draw_all(struct map_view *v, struct ui_state *ui, struct area a)
{
    const struct frame *f = &v->frame;
    struct map_window w = window_of(v);
    struct map_selection s;
    map_select(ui, &v->layout, &s);
    struct area body = area_part(a, f->body, f->top, f->body_cols, f->rows);
    if (map_marks_update(&v->marks, &w, ui) ||
        map_picture_draw(&v->picture, &v->marks, &w, ui, body))
        area_text(body, 0, 0, body.cols, "out of memory", STYLE(COLOR_ALERT));
    map_faults_draw(ui, area_part(a, 0, a.rows - f->faults, a.cols, f->faults));
    draw_sides(v, ui, &w, &s, area_part(a, 0, f->top, a.cols, a.rows - f->faults - f->top));
    unsigned row = f->top + f->rows;
    if (f->legend)
        map_legend_lines(ui, v->marks.heat, area_part(a, 0, row, a.cols, f->legend));
    if (f->detail)
        map_detail_line(&s, ui, area_part(a, f->body, row + f->legend, f->body_cols, 1));
    if (f->top)
        draw_top(v, ui, area_part(a, 0, 0, a.cols, 1));
}

/* Tells the source what is on the screen; the kernel's half ([vsyscall]) has nothing to look at. */
static void look(struct map_view *v, const struct ui_state *ui)
{
    const struct region_table *t = v->layout.table;
    struct map_window w = window_of(v);
    uint64_t start, end;
    map_window_range(&w, &start, &end);
    size_t halves = region_table_find(t, (uint64_t)INT64_MAX + 1);
    if (end > INT64_MAX)
        end = halves ? t->v[halves - 1].end : 0;
    bool same = start == v->look_start && end == v->look_end;
    if (start >= end || same || !ui->source || !ui->source->look)
        return;
    v->look_start = start;
    v->look_end = end;
    ui->source->look(ui->source->ctx, start, end);
}

static void map_draw(void *view, struct ui_state *ui, struct area a)
{
    struct map_view *v = view;
    const char *message = NULL;
    if (!a.rows || !a.cols)
        return;
    v->frame = plan(v, ui, a);
    if (!ui->now)
        message = ui->gone ? ui->gone : "waiting for the first sample";
    else if (!ui->now->regions->count)
        message = ui->gone ? ui->gone : "no mappings";
    else if (settle(v, ui))
        message = "out of memory";
    if (message) {
        area_text(a, 1, a.rows / 2, a.cols - 1, message, STYLE(COLOR_DEFAULT));
        return;
    }
    draw_all(v, ui, a);
    look(v, ui);
}

/* --- moving --- */

/* Puts the cursor on a pixel: on its first mapped page, where it has one. */
static void go(const struct map_view *v, struct ui_state *ui, size_t item, uint64_t pixel)
{
    uint64_t start, end;
    layout_pixel_range(&v->layout, &v->layout.v[item], pixel, &start, &end);
    uint64_t mapped = layout_first_mapped(&v->layout, start, end);
    ui->cursor = mapped < end ? mapped : start;
}

static void step(struct map_view *v, struct ui_state *ui, const struct layout_place *p, bool on)
{
    const struct layout *l = &v->layout;
    if (on && p->pixel + 1 < layout_item_pixels(l, &l->v[p->item]))
        go(v, ui, p->item, p->pixel + 1);
    else if (!on && p->pixel)
        go(v, ui, p->item, p->pixel - 1);
    else if (on && p->item + 1 < l->count)
        go(v, ui, p->item + 1, 0);
    else if (!on && p->item) {
        uint64_t pixels = layout_item_pixels(l, &l->v[p->item - 1]);
        go(v, ui, p->item - 1, pixels ? pixels - 1 : 0);
    }
}

/* The pixel of a pixel row that is nearest to the column vertical moves aim at. */
static void go_row(struct map_view *v, struct ui_state *ui, size_t item, uint64_t row)
{
    const struct layout *l = &v->layout;
    uint64_t pixels = layout_item_pixels(l, &l->v[item]);
    uint64_t pixel = row * l->shape.width + v->goal;
    go(v, ui, item, pixel < pixels ? pixel : pixels ? pixels - 1 : 0);
    v->seen = ui->cursor; /* keeps the goal */
}

static void climb(struct map_view *v, struct ui_state *ui, const struct layout_place *p, bool down)
{
    const struct layout *l = &v->layout;
    uint64_t row = p->pixel / l->shape.width;
    uint64_t rows = layout_item_pixel_rows(l, &l->v[p->item]);
    if (down && row + 1 < rows)
        go_row(v, ui, p->item, row + 1);
    else if (!down && row)
        go_row(v, ui, p->item, row - 1);
    else if (down && p->item + 1 < l->count)
        go_row(v, ui, p->item + 1, 0);
    else if (!down && p->item) {
        rows = layout_item_pixel_rows(l, &l->v[p->item - 1]);
        go_row(v, ui, p->item - 1, rows ? rows - 1 : 0);
    }
}

static void page(struct map_view *v, struct ui_state *ui, const struct layout_place *p, bool down)
{
    uint64_t rows = v->frame.rows > 1 ? v->frame.rows - 1 : 1;
    uint64_t to = down ? p->row + rows : p->row > rows ? p->row - rows : 0;
    if (to >= v->layout.rows)
        to = v->layout.rows - 1;
    struct layout_place q;
    layout_place_at(&v->layout, to, v->goal, p->half, &q);
    uint64_t top = down ? v->top + rows : v->top > rows ? v->top - rows : 0;
    go(v, ui, q.item, q.pixel);
    v->seen = ui->cursor;
    v->top = top;
}

static void go_region(const struct map_view *v, struct ui_state *ui, bool next)
{
    const struct region_table *t = v->layout.table;
    size_t i = region_table_find(t, ui->cursor);
    bool inside = i < t->count && t->v[i].start <= ui->cursor;
    if (next && i + inside < t->count)
        ui->cursor = t->v[i + inside].start;
    else if (!next && i)
        ui->cursor = t->v[i - 1].start;
}

static void zoom(struct map_view *v, const struct ui_state *ui, bool in)
{
    if (in ? !v->zoom : v->zoom >= zoom_max(ui))
        return;
    v->zoom += in ? -1u : 1u;
    v->zoomed = true;
}

static void move(struct map_view *v, struct ui_state *ui, enum action action)
{
    const struct region_table *t = v->layout.table;
    struct layout_place p;
    if (!layout_place_of(&v->layout, ui->cursor, &p))
        return;
    if (action == MAP_LEFT || action == MAP_RIGHT)
        step(v, ui, &p, action == MAP_RIGHT);
    else if (action == MAP_UP || action == MAP_DOWN)
        climb(v, ui, &p, action == MAP_DOWN);
    else if (action == MAP_PGUP || action == MAP_PGDN)
        page(v, ui, &p, action == MAP_PGDN);
    else if (action == MAP_NEXT || action == MAP_PREV)
        go_region(v, ui, action == MAP_NEXT);
    else
        ui->cursor = t->v[action == MAP_FIRST ? 0 : t->count - 1].start;
}

static unsigned map_act(void *view, struct ui_state *ui, int action)
{
    struct map_view *v = view;
    if (!ui->now || !v->layout.count)
        return UI_HANDLED;
    switch ((enum action)action) {
    case MAP_ENTER:
        if (!v->zoom && region_table_at(v->layout.table, ui->cursor))
            return UI_SHOW_PAGE | UI_REDRAW;
        zoom(v, ui, true);
        break;
    case MAP_IN:
    case MAP_OUT:
        zoom(v, ui, action == MAP_IN);
        break;
    case MAP_FIT:
        v->zoomed = v->scaled = false;
        break;
    case MAP_STRIP:
        v->no_strip = !v->no_strip;
        break;
    case MAP_PANEL:
        v->no_panel = !v->no_panel;
        break;
    case MAP_FAULTS:
        v->no_faults = !v->no_faults;
        break;
    case MAP_HEAT:
        v->marks.heat = !v->marks.heat;
        break;
    default:
        move(v, ui, (enum action)action);
    }
    return UI_REDRAW;
}

/* --- the mouse --- */

static unsigned click_strip(struct map_view *v, struct ui_state *ui, unsigned row)
{
    const struct map_strip_entry *e = row ? map_strip_at(&v->strip, row - 1) : NULL;
    if (!e)
        return UI_IGNORED;
    ui->cursor = e->start;
    return UI_REDRAW;
}

/* The pixel under the pointer. A cell has two with half blocks: a click on the one that is selected
 * goes to the other. */
static void point(const struct map_view *v, struct ui_state *ui, unsigned col, unsigned row,
                  bool toggle)
{
    struct layout_place was, to;
    layout_place_of(&v->layout, ui->cursor, &was);
    layout_place_at(&v->layout, v->top + row, col, 0, &to);
    bool same = was.row == to.row && was.col == to.col;
    if (same && toggle && v->layout.shape.stack == 2)
        layout_place_at(&v->layout, v->top + row, col, !was.half, &to);
    if (!same || toggle)
        go(v, ui, to.item, to.pixel);
}

static unsigned map_mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    struct map_view *v = view;
    const struct frame *f = &v->frame;
    if (!ui->now || !v->layout.count || m->row < f->top)
        return UI_IGNORED;
    unsigned row = m->row - f->top;
    if (m->col < f->body && m->what == MOUSE_CLICK)
        return click_strip(v, ui, row);
    if (m->col < f->body || m->col >= f->body + f->body_cols || row >= f->rows)
        return UI_IGNORED;
    unsigned left = f->body + f->gutter;
    point(v, ui, m->col > left ? m->col - left : 0, row, m->what == MOUSE_CLICK);
    if (m->what != MOUSE_CLICK)
        zoom(v, ui, m->what != MOUSE_WHEEL_DOWN);
    v->offset = row;
    return UI_REDRAW;
}

static const char *map_status(void *view, const struct ui_state *ui, char *out, size_t cap)
{
    const struct map_view *v = view;
    if (!ui->now || !v->layout.count)
        return NULL;
    unsigned most = zoom_max(ui);
    snprintf(out, cap, "%szoom %u/%u", v->marks.heat ? "heat  " : "", most - v->zoom + 1,
             most + 1);
    return out;
}

const struct view_ops view_map = {
    .name = "map",
    .about = "every page of the address space in its place; the first line says how many are one cell",
    .bindings = bindings,
    .size = sizeof(struct map_view),
    .deinit = map_deinit,
    .draw = map_draw,
    .act = map_act,
    .mouse = map_mouse,
    .status = map_status,
};
