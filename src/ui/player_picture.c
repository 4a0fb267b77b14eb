/* The picture beside the script: each named mapping of each process as a row of cells, a mark below
 * the pages that the step touched with a fault, and its pages in words. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ui/fault_text.h"
#include "ui/map_parts.h"
#include "ui/player_parts.h"

enum { LABEL_COLS = 14, CELLS_MAX = 64 };

/* A mapping on the screen. */
struct strip {
    const struct player *p;
    const struct player_step *step;
    const struct player_process *process;
    const struct player_mapping *mapping;
    unsigned cells;
    uint64_t per_cell; /* pages of the mapping's own size in each */
};

static uint64_t pages_of(const struct player_mapping *m)
{
    return m->page_size ? m->bytes / m->page_size : 0;
}

static void tally_bytes(const struct moment *m, uint64_t start, uint64_t bytes, struct tally *out)
{
    *out = (struct tally){0};
    if (!bytes)
        return;
    uint64_t first = moment_page(m, start), last = moment_page(m, start + bytes - 1);
    const struct region_table *t = m->regions;
    for (size_t i = region_table_find(t, start); i < t->count && t->v[i].start < start + bytes;
         i++) {
        uint64_t from = moment_page(m, t->v[i].start), to = moment_page(m, t->v[i].end - 1);
        from = from > first ? from : first;
        to = to < last ? to : last;
        pagetree_tally(m->tree, from, to - from + 1, out);
    }
}

static struct map_pixel pixel_at(const struct player_process *process,
                                 const struct player_mapping *m, uint64_t start, uint64_t bytes)
{
    struct tally t;
    uint64_t end = m->start + m->bytes;
    tally_bytes(&process->moment, start, start + bytes > end ? end - start : bytes, &t);
    return map_pixel_of(&t);
}

/* The path of a fault of this step in the range, plus 1; 0: none. */
static unsigned faulted(const struct strip *s, uint64_t start, uint64_t bytes)
{
    unsigned path = 0;
    for (size_t i = 0; i < s->step->fault_count; i++) {
        const struct fault_entry *f = &s->step->faults[i].entry;
        uint64_t at = f->event.fault.address;
        if (f->event.pid == s->process->moment.target.pid && at - start < bytes)
            path = f->verdict.path + 1u;
    }
    return path;
}

static void draw_cells(const struct strip *s, struct area a, unsigned row)
{
    uint64_t bytes = s->per_cell * s->mapping->page_size;
    bool flash = s->p->flash_end_ns != 0;
    for (unsigned i = 0; i < s->cells; i++) {
        uint64_t start = s->mapping->start + i * bytes;
        struct map_pixel pixel = pixel_at(s->process, s->mapping, start, bytes);
        unsigned path = flash ? faulted(s, start, bytes) : 0;
        struct cell c = path ? map_cell_fault((uint8_t)(path - 1))
                             : map_cell_single(pixel, &s->p->look, false);
        area_put(a, LABEL_COLS + i, row, c.ch, (struct style){c.fg, c.bg, c.attr});
    }
}

/* True when there was a mark. */
static bool draw_marks(const struct strip *s, struct area a, unsigned row)
{
    uint64_t bytes = s->per_cell * s->mapping->page_size;
    bool any = false;
    for (unsigned i = 0; i < s->cells; i++) {
        unsigned path = faulted(s, s->mapping->start + i * bytes, bytes);
        if (path)
            area_put(a, LABEL_COLS + i, row, '^',
                     (struct style){(uint8_t)fault_color((enum path)(path - 1)), COLOR_DEFAULT,
                                    CELL_BOLD});
        any |= path != 0;
    }
    return any;
}

/* "16 pages: 12 anon exclusive, 4 not present" */
static void words(const struct strip *s, char text[MAP_MIX_MAX])
{
    struct tally t;
    tally_bytes(&s->process->moment, s->mapping->start, s->mapping->bytes, &t);
    map_mix(&t, text);
    size_t len = strlen(text);
    if (s->per_cell > 1)
        snprintf(text + len, MAP_MIX_MAX - len, " (%llu a cell)", (unsigned long long)s->per_cell);
}

static void fit_cells(struct strip *s, unsigned cols)
{
    uint64_t pages = pages_of(s->mapping);
    unsigned most = cols > LABEL_COLS + 1 ? cols - LABEL_COLS - 1 : 1;
    most = most < CELLS_MAX ? most : CELLS_MAX;
    s->per_cell = pages ? (pages + most - 1) / most : 1;
    s->cells = (unsigned)((pages + s->per_cell - 1) / s->per_cell);
}

static unsigned draw_strip(struct strip *s, struct area a, unsigned row, bool first)
{
    char text[MAP_MIX_MAX];
    unsigned used = 1, half = LABEL_COLS / 2;
    fit_cells(s, a.cols);
    words(s, text);
    bool beside = LABEL_COLS + s->cells + 1 + text_columns(text) <= a.cols;
    if (first)
        area_text(a, 0, row, half, s->process->name,
                  (struct style){COLOR_TITLE, COLOR_DEFAULT, CELL_BOLD});
    area_text(a, half, row, LABEL_COLS - half - 1, s->mapping->name, STYLE(COLOR_DEFAULT));
    draw_cells(s, a, row);
    if (beside)
        area_text(a, LABEL_COLS + s->cells + 1, row, a.cols, text, STYLE(COLOR_DIM));
    if (row + used < a.rows && draw_marks(s, a, row + used))
        used++;
    struct area below = area_part(a, LABEL_COLS, row + used, a.cols, a.rows - row - used);
    if (!beside && below.rows)
        used += map_wrapped(below, 0, below.rows < 2 ? below.rows : 2, text, STYLE(COLOR_DIM));
    return used;
}

static unsigned draw_process(const struct player *p, const struct player_process *process,
                             struct area a, unsigned row)
{
    unsigned used = 0;
    const struct played *shown = player_shown(p);
    for (size_t i = 0; process->seen && i < process->count && row + used < a.rows; i++) {
        struct strip s = {.p = p, .step = &shown->step, .process = process,
                          .mapping = &process->mappings[i]};
        used += draw_strip(&s, a, row + used, i == 0);
    }
    if (used || row >= a.rows)
        return used;
    area_text(a, 0, row, LABEL_COLS - 1, process->name,
              (struct style){COLOR_TITLE, COLOR_DEFAULT, CELL_BOLD});
    area_text(a, LABEL_COLS, row, a.cols, process->ended ? "has ended" : "has no mapping yet",
              STYLE(COLOR_DIM));
    return 1;
}

unsigned player_draw_picture(const struct player *p, struct area a)
{
    const struct played *shown = player_shown(p);
    unsigned row = 0;
    for (size_t i = 0; shown && i < shown->step.process_count; i++)
        row += draw_process(p, &shown->step.processes[i], a, row);
    return row;
}
