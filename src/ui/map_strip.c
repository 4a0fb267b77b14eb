/* The strip: the whole address space in a few lines, a line or more for each group of mappings and
 * for each large gap, larger ones longer by the logarithm of their size. Neighbouring mappings form
 * a group unless the boundary between them scores at least a threshold: the logarithm of the gap,
 * or 1 where two files meet. The threshold is the lowest whose groups fit. */
#include "ui/fit.h"
#include "ui/map_parts.h"

#include <stdlib.h>
#include <string.h>

enum { GAP_LINE_BITS = 20, SCORES = 65, ROWS_MAX = 5, GAP_ROWS_MAX = 3 };

void map_strip_deinit(struct map_strip *s)
{
    free(s->v);
    *s = (struct map_strip){0};
}

static unsigned log2_of(uint64_t v)
{
    return v ? 63 - (unsigned)__builtin_clzll(v) : 0;
}

/* How strongly regions i-1 and i are apart. */
static unsigned score(const struct region_table *t, size_t i)
{
    const struct region *a = &t->v[i - 1], *b = &t->v[i];
    if (b->start > a->end)
        return log2_of(b->start - a->end);
    return a->inode == b->inode && strcmp(a->name, b->name) == 0 ? 0 : 1;
}

static unsigned threshold(const struct region_table *t, unsigned rows)
{
    size_t lines[SCORES] = {0};
    for (size_t i = 1; i < t->count; i++) {
        unsigned s = score(t, i);
        lines[s] += s >= GAP_LINE_BITS ? 2 : 1;
    }
    size_t sum = 1;
    unsigned at = SCORES;
    while (at > 1 && sum + lines[at - 1] <= rows)
        sum += lines[--at];
    return at;
}

static int add(struct map_strip *s, struct map_strip_entry e)
{
    void *v = s->v;
    int rc = array_reserve(&v, &s->cap, s->count + 1, sizeof *s->v);
    s->v = v;
    if (!rc)
        s->v[s->count++] = e;
    return rc;
}

static struct map_strip_entry group_of(const struct region_table *t, size_t first, size_t next)
{
    struct map_strip_entry e = {.start = t->v[first].start, .end = t->v[next - 1].end,
                                .region = first, .regions = next - first, .rows = 1};
    for (size_t i = first; i < next; i++) {
        const struct region *largest = &t->v[e.region], *r = &t->v[i];
        e.bytes += r->end - r->start;
        if (r->end - r->start > largest->end - largest->start)
            e.region = i;
    }
    return e;
}

static int add_groups(struct map_strip *s, const struct region_table *t, unsigned least)
{
    for (size_t i = 0, next; i < t->count; i = next) {
        next = i + 1;
        while (next < t->count && score(t, next) < least)
            next++;
        int rc = add(s, group_of(t, i, next));
        if (!rc && next < t->count && score(t, next) >= GAP_LINE_BITS) {
            uint64_t from = t->v[next - 1].end, to = t->v[next].start;
            rc = add(s, (struct map_strip_entry){
                            .start = from, .end = to, .bytes = to - from, .rows = 1});
        }
        if (rc)
            return rc;
    }
    return 0;
}

/* Gives spare rows to the large. */
static void stretch(struct map_strip *s, unsigned rows)
{
    unsigned weights = 0, spare = rows > s->count ? rows - (unsigned)s->count : 0;
    for (size_t i = 0; i < s->count; i++)
        weights += log2_of(s->v[i].bytes);
    for (size_t i = 0; i < s->count && weights; i++) {
        s->v[i].rows += spare * log2_of(s->v[i].bytes) / weights;
        unsigned most = s->v[i].regions ? ROWS_MAX : GAP_ROWS_MAX;
        if (s->v[i].rows > most)
            s->v[i].rows = most;
    }
}

int map_strip_build(struct map_strip *s, const struct layout *l, uint64_t built, unsigned rows)
{
    if (s->count && s->built == built && s->rows == rows)
        return 0;
    s->count = 0;
    int rc = add_groups(s, l->table, threshold(l->table, rows));
    if (rc) {
        s->count = 0;
        return rc;
    }
    stretch(s, rows);
    s->built = built;
    s->rows = rows;
    return 0;
}

/* The state that most present pages of a group have. */
static unsigned state_of(const struct moment *m, const struct map_strip_entry *e)
{
    struct tally t = {{0}};
    pagetree_tally(m->tree, moment_page(m, e->start),
                   (e->end - e->start) >> m->target.geometry.page_shift, &t);
    return map_pixel_of(&t).state;
}

enum here { ELSEWHERE, IN_WINDOW, UNDER_CURSOR };

static void draw_bar(const struct map_strip_entry *e, const struct ui_state *ui, struct area a,
                     enum here here)
{
    struct cell bar = map_cell_swatch(e->regions ? state_of(ui->now, e) : PAGE_ABSENT, &ui->look);
    if (!e->regions)
        bar.ch = 0x2506;
    for (unsigned r = 0; r < e->rows; r++) {
        area_put(a, 1, r, bar.ch, (struct style){bar.fg, bar.bg, bar.attr});
        if (here != ELSEWHERE)
            area_put(a, 0, r, 0x2502, STYLE(COLOR_DIM));
    }
    if (here == UNDER_CURSOR)
        area_put(a, 0, 0, '>', STYLE(COLOR_TITLE));
}

static void draw_entry(const struct map_strip_entry *e, const struct layout *l,
                       const struct ui_state *ui, struct area a, enum here here)
{
    char name[MAP_NAME_MAX] = "gap", fitting[MAP_NAME_MAX], size[TEXT_SIZE_MAX];
    struct style s = STYLE(e->regions ? COLOR_DEFAULT : COLOR_DIM);
    if (here == UNDER_CURSOR)
        s.attr = CELL_BOLD;
    text_size(size, e->bytes);
    if (e->regions)
        map_region_name(&l->table->v[e->region], name);
    unsigned right = (unsigned)strlen(size), room = a.cols > right + 5 ? a.cols - right - 5 : 0;
    fit_name(fitting, sizeof fitting, name, room);
    unsigned used = area_text(a, 3, 0, room, fitting, s);
    if (e->regions > 1 && used + 6 < room)
        area_printf(a, 4 + used, 0, STYLE(COLOR_DIM), "+%zu", e->regions - 1);
    area_text(a, 4 + room, 0, right, size, s);
    draw_bar(e, ui, a, here);
}

void map_strip_draw(struct map_strip *s, const struct map_window *w, const struct ui_state *ui,
                    struct area a)
{
    uint64_t start, end;
    map_window_range(w, &start, &end);
    for (unsigned i = 0, row = 0; i < s->count && row < a.rows; row += s->v[i++].rows) {
        const struct map_strip_entry *e = &s->v[i];
        enum here here = e->start < end && start < e->end ? IN_WINDOW : ELSEWHERE;
        if (e->start <= ui->cursor && ui->cursor < e->end)
            here = UNDER_CURSOR;
        draw_entry(e, w->layout, ui, area_part(a, 0, row, a.cols, e->rows), here);
    }
}

const struct map_strip_entry *map_strip_at(const struct map_strip *s, unsigned line)
{
    for (size_t i = 0; i < s->count; i++) {
        if (line < s->v[i].rows)
            return &s->v[i];
        line -= s->v[i].rows;
    }
    return NULL;
}
