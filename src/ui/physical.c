/* The memory of the whole machine in the order of its frames, the watched process's frames lit.
 * What is drawn is what has been read so far, coarse first; how old it is stands beside it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ui/frame.h"
#include "ui/list.h"
#include "ui/physical_parts.h"

enum { ZOOM_MAX = 10, PANEL_LEAST_COLS = 96 };

struct physical_view {
    struct own_frames own;
    uint64_t cursor;   /* frame */
    uint64_t top;      /* first row shown */
    unsigned zoom;     /* a cell is 8^zoom frames */
    bool zoomed;       /* somebody chose a zoom; else all fits */
    uint64_t asked;    /* frame asked about, plus 1; 0: none */
    struct physical_window w; /* as drawn last */
};

enum action {
    MOVE_LEFT, MOVE_RIGHT, MOVE_UP, MOVE_DOWN, PAGE_UP, PAGE_DOWN, FIRST, LAST, ZOOM_IN, ZOOM_OUT,
    NEXT_OWN, OPEN_PAGE
};

static const struct binding bindings[] = {
    {{KEY_CODE_LEFT, 'h'}, "Left h", "left", false, MOVE_LEFT},
    {{KEY_CODE_RIGHT, 'l'}, "Right l", "right", false, MOVE_RIGHT},
    {{KEY_CODE_UP, 'k'}, "Up k", "up", false, MOVE_UP},
    {{KEY_CODE_DOWN, 'j'}, "Down j", "down", false, MOVE_DOWN},
    {{'+', '='}, "+", "zoom in, down to single frames", true, ZOOM_IN},
    {{'-', '_'}, "-", "zoom out", true, ZOOM_OUT},
    {{'o'}, "o", "next frame of the watched process", true, NEXT_OWN},
    {{KEY_CODE_ENTER}, "Enter", "zoom in, or show the page that has this frame", true, OPEN_PAGE},
    {{KEY_CODE_PGUP, KEY_CTRL('b')}, "PgUp", "a screen up", false, PAGE_UP},
    {{KEY_CODE_PGDN, KEY_CTRL('f')}, "PgDn", "a screen down", false, PAGE_DOWN},
    {{KEY_CODE_HOME, 'g'}, "g Home", "first frame", false, FIRST},
    {{KEY_CODE_END, 'G'}, "G End", "last frame", false, LAST},
    {.label = NULL},
};

static void deinit(void *view)
{
    struct physical_view *v = view;
    own_frames_deinit(&v->own);
}

static uint64_t cell_first(const struct physical_view *v)
{
    return v->cursor & ~(physical_cell(&v->w) - 1);
}

/* The smallest zoom at which everything is on the screen. */
static void fit_zoom(struct physical_view *v)
{
    v->w.zoom = 0;
    while (v->w.zoom < ZOOM_MAX && physical_rows(&v->w) > v->w.rows)
        v->w.zoom++;
    if (v->zoomed)
        v->w.zoom = v->zoom;
    v->zoom = v->w.zoom;
}

static void keep_cursor(struct physical_view *v)
{
    const struct physmem_info *info = v->w.info;
    const struct zone *last = info->zone_count ? &info->zones[info->zone_count - 1] : NULL;
    if (last && !physical_zone(info, v->cursor)) {
        for (unsigned i = info->zone_count; i-- > 0;)
            if (v->cursor < info->zones[i].start)
                last = &info->zones[i];
        v->cursor = v->cursor < last->start ? last->start : last->start + last->spanned - 1;
    }
    uint64_t row = physical_row_of(&v->w, v->cursor), rows = physical_rows(&v->w);
    if (row < v->top)
        v->top = row;
    if (row >= v->top + v->w.rows)
        v->top = row - v->w.rows + 1;
    uint64_t most = rows > v->w.rows ? rows - v->w.rows : 0;
    v->top = v->top < most ? v->top : most;
    if (v->top && row == v->top && row == 1)
        v->top = 0;
    v->w.top = v->top;
}

/* Frames on the screen. */
static struct frame_look look_of(const struct physical_view *v)
{
    struct frame_look look = {.each = physical_cell(&v->w) < FRAME_BLOCK};
    uint64_t start = UINT64_MAX, end = 0;
    for (unsigned i = 0; i < v->w.rows; i++) {
        const struct zone *zone;
        uint64_t first, frames;
        if (!physical_row(&v->w, v->w.top + i, &zone, &first, &frames))
            break;
        if (frames && first < start)
            start = first;
        if (frames && first + frames > end)
            end = first + frames;
    }
    if (start < end) {
        look.first = start;
        look.n = end - start;
    } else {
        look.n = 1;
    }
    return look;
}

static void ask(struct physical_view *v, const struct ui_state *ui)
{
    struct frame_look look = {.n = 1};
    if (v->w.info && v->w.rows)
        look = look_of(v);
    if (ui->source->look_machine)
        ui->source->look_machine(ui->source->ctx, &look);
    if (ui->source->ask_frame && v->w.info && v->asked != v->cursor + 1) {
        v->asked = v->cursor + 1;
        ui->source->ask_frame(ui->source->ctx, v->cursor);
    }
}

static void draw_title(struct area a, unsigned row, const struct zone *z, unsigned shift)
{
    char size[TEXT_SIZE_MAX];
    rule_draw(area_part(a, 0, row, a.cols, 1), PHYSICAL_GUTTER, "node %u, zone %s, %s", z->node,
              z->name, text_size(size, z->present << shift));
}

static void draw_picture(struct physical_view *v, const struct ui_state *ui, struct area a)
{
    const struct physical_cell_input in = {ui->machine, &v->own, &ui->look};
    uint64_t cell = physical_cell(&v->w), selected = cell_first(v);
    unsigned shift = ui->now ? ui->now->target.geometry.page_shift : 12;
    for (unsigned i = 0; i < v->w.rows; i++) {
        const struct zone *zone;
        uint64_t first, frames;
        char address[24];
        if (!physical_row(&v->w, v->w.top + i, &zone, &first, &frames))
            return;
        if (!frames) {
            draw_title(a, i, zone, shift);
            continue;
        }
        area_printf(a, 0, i, STYLE(COLOR_DIM), "%11s", physical_address(address, first, shift));
        for (uint64_t f = 0; f < frames; f += cell) {
            struct cell c = physical_cell_draw(&in, first + f, cell);
            struct style s = {c.fg, c.bg, c.attr};
            if (first + f == selected)
                s = (struct style){COLOR_CURSOR, COLOR_DEFAULT, CELL_REVERSE};
            area_put(a, PHYSICAL_GUTTER + (unsigned)(f / cell), i, c.ch, s);
        }
    }
}

static void draw_head(const struct physical_view *v, const struct ui_state *ui, struct area a)
{
    char size[TEXT_SIZE_MAX], address[24];
    unsigned shift = ui->now ? ui->now->target.geometry.page_shift : 12;
    uint64_t cell = physical_cell(&v->w);
    area_printf(a, 1, 0, STYLE(COLOR_TITLE), "frame %" PRIx64 "  %s   1 cell = %s (%" PRIu64
                " frame%s)", v->cursor, physical_address(address, v->cursor, shift),
                text_size(size, cell << shift), cell, cell == 1 ? "" : "s");
}

/* Why there is nothing to draw. */
static bool draw_lack(const struct ui_state *ui, struct area a)
{
    const char *why = NULL;
    if (!ui->source->look_machine)
        why = "the machine's memory cannot be looked at here";
    else if (!ui->machine)
        why = "reading what the machine's memory is used for";
    else if (!physmem_info(ui->machine)->flags.yes)
        why = physmem_info(ui->machine)->flags.why;
    else if (!physmem_info(ui->machine)->zone_count)
        why = "this kernel tells of no zones (/proc/zoneinfo)";
    if (why)
        area_text(a, 1, 1, a.cols - 1, why, STYLE(COLOR_DIM));
    return why != NULL;
}

static uint64_t newest(const struct physmem *m, const struct ui_state *ui)
{
    (void)m;
    return ui->now ? ui->now->sample.start_ns + ui->now->sample.span_ns : 0;
}

/* Without a panel: what the colours mean, where the picture leaves room, and the cell in a line. */
static void draw_below(const struct physical_window *w, const struct physical_selection *s,
                       struct area a)
{
    unsigned used = 2 + (unsigned)physical_rows(w);
    if (a.rows > used + 1)
        physical_legend_draw(s, area_part(a, 1, used, a.cols - 1, a.rows - 1 - used));
    physical_line_draw(s, area_part(a, 1, a.rows - 1, a.cols - 1, 1));
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct physical_view *v = view;
    if (draw_lack(ui, a)) {
        ask(v, ui);
        return;
    }
    bool panel = a.cols >= PANEL_LEAST_COLS;
    unsigned cols = panel ? a.cols - PHYSICAL_PANEL_COLS - 2 : a.cols;
    v->w.info = physmem_info(ui->machine);
    v->w.rows = a.rows > 2 ? a.rows - 1 - !panel : 1;
    v->w.width = cols > PHYSICAL_GUTTER + 1 ? cols - PHYSICAL_GUTTER : 1;
    if (ui->now && own_frames_update(&v->own, ui->now, v->w.info->frames))
        return;
    fit_zoom(v);
    keep_cursor(v);
    ask(v, ui);
    draw_head(v, ui, a);
    draw_picture(v, ui, area_part(a, 0, 1, cols, v->w.rows));
    const struct physical_selection s = {ui->machine, &v->own, ui, ui->frame, v->cursor,
                                         cell_first(v), physical_cell(&v->w),
                                         newest(ui->machine, ui)};
    if (panel)
        physical_panel_draw(&s, area_part(a, cols + 2, 1, PHYSICAL_PANEL_COLS, a.rows - 1));
    else
        draw_below(&v->w, &s, a);
}

/* --- keys --- */

static void move_by(struct physical_view *v, int64_t frames)
{
    if (frames < 0 && (uint64_t)-frames > v->cursor)
        v->cursor = 0;
    else
        v->cursor = (uint64_t)((int64_t)v->cursor + frames);
}

static unsigned zoom_by(struct physical_view *v, int by)
{
    if ((by < 0 && !v->zoom) || (by > 0 && v->zoom == ZOOM_MAX))
        return UI_HANDLED;
    v->zoom = (unsigned)((int)v->zoom + by);
    v->zoomed = true;
    return UI_REDRAW;
}

static unsigned next_own(struct physical_view *v)
{
    uint64_t found = own_frames_next(&v->own, cell_first(v) + physical_cell(&v->w));
    if (found == v->own.frames)
        found = own_frames_next(&v->own, 0);
    if (found < v->own.frames)
        v->cursor = found;
    return UI_REDRAW;
}

static unsigned open_page(struct physical_view *v, struct ui_state *ui)
{
    uint64_t address;
    if (v->zoom)
        return zoom_by(v, -1);
    if (!ui->now || !own_frames_address(ui->now, v->cursor, &address))
        return UI_HANDLED;
    ui->cursor = address;
    return UI_SHOW_PAGE;
}

static unsigned act(void *view, struct ui_state *ui, int action)
{
    struct physical_view *v = view;
    if (!ui->machine || !v->w.info || !v->w.info->zone_count)
        return UI_HANDLED;
    int64_t cell = (int64_t)physical_cell(&v->w), row = cell * v->w.width;
    switch (action) {
    case MOVE_LEFT:
        move_by(v, -cell);
        break;
    case MOVE_RIGHT:
        move_by(v, cell);
        break;
    case MOVE_UP:
        move_by(v, -row);
        break;
    case MOVE_DOWN:
        move_by(v, row);
        break;
    case PAGE_UP:
        move_by(v, -row * v->w.rows);
        break;
    case PAGE_DOWN:
        move_by(v, row * v->w.rows);
        break;
    case FIRST:
        v->cursor = 0;
        break;
    case LAST:
        v->cursor = v->w.info->frames - 1;
        break;
    case ZOOM_IN:
        return zoom_by(v, -1);
    case ZOOM_OUT:
        return zoom_by(v, 1);
    case NEXT_OWN:
        return next_own(v);
    case OPEN_PAGE:
        return open_page(v, ui);
    }
    return UI_REDRAW;
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    struct physical_view *v = view;
    const struct zone *zone;
    uint64_t first, frames;
    if (m->what == MOUSE_WHEEL_UP || m->what == MOUSE_WHEEL_DOWN)
        return act(view, ui, m->what == MOUSE_WHEEL_UP ? MOVE_UP : MOVE_DOWN);
    if (!ui->machine || !v->w.info || !m->row || m->col < PHYSICAL_GUTTER ||
        !physical_row(&v->w, v->w.top + m->row - 1, &zone, &first, &frames))
        return UI_HANDLED;
    uint64_t at = (m->col - PHYSICAL_GUTTER) * physical_cell(&v->w);
    if (at >= frames)
        return UI_HANDLED;
    v->cursor = first + at;
    return m->what == MOUSE_DOUBLE ? zoom_by(v, -1) : UI_REDRAW;
}

static const char *status(void *view, const struct ui_state *ui, char *out, size_t cap)
{
    uint64_t frames = ui->machine ? physmem_info(ui->machine)->frames : 0;
    (void)view;
    if (!frames)
        return NULL;
    uint64_t unread = physmem_all(ui->machine)->unread;
    if (unread)
        snprintf(out, cap, "%" PRIu64 "%% read", (frames - unread) * 100 / frames);
    else
        snprintf(out, cap, "all frames read");
    return out;
}

const struct view_ops view_physical = {
    .name = "physical",
    .about = "the memory of the whole machine, frame by frame, and what it is used for",
    .bindings = bindings,
    .size = sizeof(struct physical_view),
    .deinit = deinit,
    .draw = draw,
    .act = act,
    .mouse = mouse,
    .status = status,
};
