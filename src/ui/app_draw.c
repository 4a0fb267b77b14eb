/* The frame: the header, the view, the footer. What does not fit into the header is left out, the
 * least important first. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "ui/app.h"
#include "ui/frame.h"
#include "ui/keys.h"

enum { SEGMENTS_MAX = 20, SEGMENT_MAX = 200, NS_PER_MS = 1000 * 1000 };
enum { HELP_AND_QUIT = 16, VIEWS_TOO = 26, VIEWS_TOO_COLS = 60 }; /* columns kept for these keys */
enum { STATE_PADDED_COLS = 80 };
enum { STEP_ROWS_MIN = 8, STEP_ROWS_TALL = 16, STEP_COLS_WIDE = 160 };

#define STYLE_HEADER ((struct style){COLOR_TITLE, COLOR_DEFAULT, CELL_REVERSE})

static const uint64_t ns_per_s = 1000 * 1000 * 1000;

/* A piece of the header. Rank 0 stays; of the others those with the highest rank go first. */
struct segment {
    char text[SEGMENT_MAX];
    unsigned rank;
    bool alert, right, gone;
    bool tabs; /* the views by number, if there is room for all; */
    bool name; /* otherwise the name of the one shown */
};

struct header {
    struct segment v[SEGMENTS_MAX];
    size_t count;
};

static struct segment *add(struct header *h, unsigned rank, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static struct segment *add(struct header *h, unsigned rank, const char *fmt, ...)
{
    struct segment *s = &h->v[h->count < SEGMENTS_MAX - 1 ? h->count++ : h->count];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->text, sizeof s->text, fmt, ap);
    va_end(ap);
    s->rank = rank;
    return s;
}

/* What is known is at least there, when more may be: "anon 6.7M+". Of nothing known that says
 * nothing. */
static void add_size(struct header *h, unsigned rank, const char *name, uint64_t bytes, bool more)
{
    char size[TEXT_SIZE_MAX];
    if (more && !bytes)
        add(h, rank, "%s ?", name);
    else
        add(h, rank, "%s %s%s", name, text_size(size, bytes), more ? "+" : "");
}

static void add_target(struct app *a, struct header *h, unsigned cols)
{
    const struct moment *m = a->ui.now;
    char comm[80], shown[80];
    add(h, 10, "vmscope");
    if (!m) {
        add(h, 0, "no process");
        return;
    }
    text_escape(comm, sizeof comm, m->target.comm, strnlen(m->target.comm, sizeof m->target.comm));
    snprintf(shown, sizeof shown, "%.*s", (int)text_line(comm, cols < 40 ? cols / 5 : 24), comm);
    add(h, 0, "%s %d", shown[0] ? shown : "?", (int)m->target.pid);
    if (app_steps(a) && a->ui.engine->pinned)
        add(h, 1, "only");
}

/* Totals are worked out when the regions or the pages have changed. With very many regions that is
 * dear, and then it waits until it costs no more than a fiftieth of the time. */
static const struct totals *current_totals(struct app *a)
{
    const struct moment *m = a->ui.now;
    if (a->has_totals && ((a->totalled.tree == m->tree && a->totalled.regions == m->regions) ||
                          a->clock_ns < a->totals_due_ns))
        return &a->totals;
    if (a->has_totals)
        moment_deinit(&a->totalled);
    moment_copy(&a->totalled, m);
    a->has_totals = true;
    uint64_t began = a->clock_ns ? io_thread_cpu_ns() : 0;
    totals_of_all(m, &a->totals);
    if (a->clock_ns)
        a->totals_due_ns = a->clock_ns + 50 * (io_thread_cpu_ns() - began);
    return &a->totals;
}

static void add_totals(struct app *a, struct header *h)
{
    const struct totals *t = current_totals(a);
    uint64_t huge = t->pmd_mapped + t->hugetlb, all = t->resident + t->hugetlb;
    add_size(h, 2, "rss", t->resident, t->no_resident);
    add_size(h, 4, "anon", t->anon, t->no_anon);
    add_size(h, 5, "file", t->file, t->no_file);
    add_size(h, 7, "shm", t->shmem, t->no_shmem);
    add_size(h, 5, "swap", t->swap, t->no_swap);
    if (t->no_pmd_mapped)
        add(h, 7, "huge ?");
    else
        add(h, 7, "huge %u%%", all ? (unsigned)(huge * 100 / all) : 0);
}

static void add_span(struct header *h, unsigned rank, const char *name, uint64_t ns)
{
    if (ns < NS_PER_MS)
        add(h, rank, "%s %uus", name, (unsigned)(ns / 1000));
    else if (ns < 10 * NS_PER_MS)
        add(h, rank, "%s %u.%ums", name, (unsigned)(ns / NS_PER_MS),
            (unsigned)(ns / (NS_PER_MS / 10) % 10));
    else if (ns < ns_per_s)
        add(h, rank, "%s %ums", name, (unsigned)(ns / NS_PER_MS));
    else
        add(h, rank, "%s %llu.%us", name, (unsigned long long)(ns / ns_per_s),
            (unsigned)(ns / (ns_per_s / 10) % 10));
}

/* What watching costs and how old its answers are: only on a live screen. */
static void add_clocks(const struct app *a, struct header *h)
{
    const struct sample_info *s = &a->ui.now->sample;
    uint64_t end = s->start_ns + s->span_ns;
    uint64_t since = a->clock_ns > end ? a->clock_ns - end : 0;
    add(h, 6, "%u.%u%% cpu", (unsigned)(s->cpu_permille / 10), (unsigned)(s->cpu_permille % 10));
    add_span(h, 9, "span", s->span_ns);
    if (s->sweep_ns == UINT64_MAX)
        add(h, 8, "age ?");
    else
        add_span(h, 8, "age", s->sweep_ns + since);
}

/* Everything that makes the picture less than the whole truth. */
static void add_honesty(struct app *a, struct header *h)
{
    const struct moment *m = a->ui.now;
    const struct engine_state *engine = a->ui.engine;
    add(h, 6, "faults: %s%s", engine->name[0] ? engine->name : "none", engine->heat ? " heat" : "");
    if (engine->lost)
        add(h, 3, "%llu events lost", (unsigned long long)engine->lost)->alert = true;
    if (m->sample.ranges_skipped)
        add(h, 3, "%llu skipped", (unsigned long long)m->sample.ranges_skipped)->alert = true;
    if (m->regions->skipped)
        add(h, 3, "%zu lines unread", m->regions->skipped)->alert = true;
    if (a->dropped)
        add(h, 3, "%llu records lost", (unsigned long long)a->dropped)->alert = true;
}

/* Padded to one width: nothing else moves when it changes with each sample. */
static const char *state_of(const struct app *a, unsigned cols)
{
    const struct moment *m = a->ui.now;
    if (a->ui.frozen)
        return "[frozen]";
    if (!m || !m->sample.complete)
        return m ? "[reading]" : "[waiting]";
    return cols >= STATE_PADDED_COLS ? "   [live]" : "[live]";
}

static void add_tabs(struct header *h)
{
    struct segment *s = add(h, 8, "%s", "");
    size_t len = 0;
    for (size_t i = 0; i <= APP_BACKING; i++)
        len += (size_t)snprintf(s->text + len, sizeof s->text - len, "%s%zu %s", i ? "  " : "",
                                i + 1, app_views[i]->name);
    s->right = s->tabs = true;
}

static void add_state(struct app *a, struct header *h, unsigned cols)
{
    const struct view_ops *ops = app_views[a->view];
    char status[64];
    const char *s = ops->status ? ops->status(a->views[a->view], &a->ui, status, sizeof status)
                                : NULL;
    add_tabs(h);
    bool numbered = a->view <= APP_BACKING;
    struct segment *name = numbered ? add(h, 4, "%zu %s", a->view + 1, ops->name)
                                    : add(h, 4, "%s", ops->name);
    name->right = true;
    name->name = numbered;
    if (s)
        add(h, 3, "%s", s)->right = true;
    struct segment *state;
    if (a->ui.gone && text_columns(a->ui.gone) < cols / 2)
        state = add(h, 0, "[ended: %s]", a->ui.gone);
    else if (a->ui.gone)
        state = add(h, 0, "[ended]");
    else
        state = add(h, 0, "%s", state_of(a, cols));
    state->right = true;
    state->alert = a->ui.gone || a->ui.frozen;
}

static size_t header_width(const struct header *h)
{
    size_t width = 1;
    for (size_t i = 0; i < h->count; i++)
        if (!h->v[i].gone)
            width += text_columns(h->v[i].text) + 2;
    return width;
}

static void fit(struct header *h, unsigned cols)
{
    while (header_width(h) > cols) {
        struct segment *last = NULL;
        for (size_t i = 0; i < h->count; i++)
            if (!h->v[i].gone && h->v[i].rank && (!last || h->v[i].rank >= last->rank))
                last = &h->v[i];
        if (!last)
            return;
        last->gone = true;
    }
    bool tabs = false;
    for (size_t i = 0; i < h->count; i++) {
        tabs |= h->v[i].tabs && !h->v[i].gone;
        h->v[i].gone |= h->v[i].name && tabs;
    }
}

/* The tab of the view shown stands out of the line. */
static void draw_tabs(struct app *a, const struct segment *s, struct area row, unsigned col)
{
    area_text(row, col, 0, row.cols, s->text, STYLE_HEADER);
    a->tabs_col = col;
    for (size_t i = 0; i <= APP_BACKING; i++) {
        char text[SEGMENT_MAX];
        snprintf(text, sizeof text, "%zu %s", i + 1, app_views[i]->name);
        if (i == a->view)
            area_text(row, col, 0, row.cols, text, STYLE(COLOR_TITLE));
        col += (unsigned)strlen(text) + 2;
    }
}

size_t app_tab_at(const struct app *a, unsigned at)
{
    unsigned col = a->tabs_col;
    for (size_t i = 0; col && i <= APP_BACKING; i++) {
        unsigned end = col + 2 + (unsigned)strlen(app_views[i]->name);
        if (at >= col && at < end)
            return i;
        col = end + 2;
    }
    return APP_VIEWS;
}

static unsigned draw_segment(const struct segment *s, struct area row, unsigned col, unsigned end)
{
    struct style style = STYLE_HEADER;
    if (s->alert)
        style.fg = COLOR_ALERT;
    return area_text(row, col, 0, end - col, s->text, style) + 2;
}

/* The right part first: of a long name on its left the end is cut. */
static void draw_segments(struct app *a, const struct header *h, struct area row)
{
    unsigned width = 0, col;
    for (size_t i = 0; i < h->count; i++)
        if (h->v[i].right && !h->v[i].gone)
            width += (unsigned)text_columns(h->v[i].text) + 2;
    unsigned most = row.cols > 12 ? row.cols - 12 : row.cols;
    unsigned left = row.cols - (width < most ? width : most);
    col = left;
    for (size_t i = 0; i < h->count; i++)
        if (h->v[i].right && !h->v[i].gone) {
            unsigned used = draw_segment(&h->v[i], row, col, row.cols);
            if (h->v[i].tabs)
                draw_tabs(a, &h->v[i], row, col);
            col += used;
        }
    col = 1;
    for (size_t i = 0; i < h->count; i++)
        if (!h->v[i].right && !h->v[i].gone && col + 1 < left)
            col += draw_segment(&h->v[i], row, col, left - 1);
}

static void draw_header(struct app *a, struct area row)
{
    struct header h = {.count = 0};
    add_target(a, &h, row.cols);
    if (a->ui.now) {
        add_totals(a, &h);
        add_honesty(a, &h);
        if (a->clock_ns)
            add_clocks(a, &h);
    }
    add_state(a, &h, row.cols);
    fit(&h, row.cols);
    area_fill(row, STYLE_HEADER, ' ');
    a->tabs_col = 0;
    draw_segments(a, &h, row);
}

static void draw_footer(struct app *a, struct area row)
{
    if (a->prompt != PROMPT_NONE) {
        line_edit_draw(&a->line, row,
                  a->prompt == PROMPT_SEARCH  ? "search: "
                  : a->prompt == PROMPT_UNTIL ? "run until: "
                                              : "filter: ");
    } else if (a->message[0]) {
        area_text(row, 1, 0, row.cols, a->message, STYLE(COLOR_ALERT));
    } else {
        const struct binding *own = app_views[a->view]->bindings;
        bool typing = app_views[a->view]->type != NULL;
        unsigned kept = row.cols >= VIEWS_TOO_COLS ? VIEWS_TOO : HELP_AND_QUIT;
        unsigned end = row.cols > kept && !typing ? row.cols - kept : row.cols;
        unsigned col = 1;
        if (!typing && app_steps(a))
            col = bindings_draw(app_step_bindings, NULL, row, col, end);
        col = bindings_draw(own, app_steps(a) ? app_step_bindings : NULL, row, col, end);
        if (!typing)
            bindings_draw(app_bindings, own, row, col, row.cols);
    }
}

static void draw_waiting(struct app *a, struct area area)
{
    const char *why = a->ui.gone ? a->ui.gone : "waiting for the first sample";
    area_text(area, 1, area.rows / 2, area.cols, why, STYLE(COLOR_DEFAULT));
}

struct area app_view_area(struct grid *g)
{
    return area_part(grid_area(g), 0, 1, g->cols, g->rows > 2 ? g->rows - 2 : 0);
}

/* Above the footer, where a program is stepped and there is room: two where one is too short. */
static unsigned step_rows(const struct app *a, const struct grid *g)
{
    if (!app_steps(a) || g->rows < STEP_ROWS_MIN)
        return 0;
    return g->cols < STEP_COLS_WIDE && g->rows >= STEP_ROWS_TALL ? 2 : 1;
}

struct area app_area(const struct app *a, struct grid *g)
{
    struct area area = app_view_area(g);
    area.rows -= step_rows(a, g);
    return area;
}

static void draw_all(struct app *a, struct grid *g)
{
    struct area all = grid_area(g), area = app_area(a, g);
    if (a->ui.now || a->view == APP_PICKER || a->view == APP_HELP)
        app_views[a->view]->draw(a->views[a->view], &a->ui, area);
    else
        draw_waiting(a, area);
    draw_header(a, area_part(all, 0, 0, g->cols, 1)); /* the view knows its status by now */
    unsigned rows = step_rows(a, g);
    if (rows)
        app_step_draw(a, area_part(all, 0, g->rows - 1 - rows, g->cols, rows));
    draw_footer(a, area_part(all, 0, g->rows - 1, g->cols, 1));
}

void app_draw(struct app *a, struct grid *g)
{
    grid_clear(g);
    if (g->cols < APP_COLS_MIN || g->rows < APP_ROWS_MIN)
        area_printf(grid_area(g), 0, 0, STYLE(COLOR_DEFAULT), "needs %dx%d", APP_COLS_MIN,
                    APP_ROWS_MIN);
    else
        draw_all(a, g);
    if (a->ui.look.ascii)
        grid_only_ascii(g);
}
