/* Faults on the picture: which pixels had one just now, and how many each had lately. The flashes
 * are found anew for each frame, from the newest mark back. The counts follow the marks as they
 * come and leave them when they grow old; only another window makes them from the beginning. */
#include "ui/map_parts.h"

#include <stdlib.h>
#include <string.h>

enum { FLASHES_MAX = 1 << 14 };
static const uint64_t heat_ns = UINT64_C(1000000000) * MAP_HEAT_S;

void map_marks_deinit(struct map_marks *k)
{
    free(k->flash);
    free(k->count);
    *k = (struct map_marks){0};
}

uint32_t map_heat_least(unsigned level)
{
    return level ? UINT32_C(1) << (3 * (level - 1)) : 0;
}

unsigned map_heat_level(uint64_t n)
{
    unsigned level = 0;
    while (level < MAP_HEAT_LEVELS && n >= map_heat_least(level + 1))
        level++;
    return level;
}

static const struct fault_mark *mark_at(const struct ui_state *ui, uint64_t n)
{
    return &ui->faults->marks[n % FAULT_MARKS_KEEP];
}

/* The first mark that is kept. */
static uint64_t oldest(const struct ui_state *ui)
{
    uint64_t ever = ui->faults->marks_n;
    return ever > FAULT_MARKS_KEEP ? ever - FAULT_MARKS_KEEP : 0;
}

/* The pixel of a mark in the window; false if it has none there. */
static bool pixel_of(const struct map_window *w, const struct ui_state *ui,
                     const struct fault_mark *m, size_t *out)
{
    const struct layout *l = w->layout;
    struct layout_place p;
    if (m->pid != ui->now->target.pid || !layout_place_of(l, m->address, &p))
        return false;
    const struct layout_item *item = &l->v[p.item];
    if (!item->regions || m->address < item->start || m->address >= item->end ||
        p.row < w->top || p.row >= w->top + w->rows)
        return false;
    *out = ((p.row - w->top) * l->shape.stack + p.half) * l->shape.width + p.col;
    return true;
}

static size_t pixels_of(const struct map_window *w)
{
    return (size_t)w->rows * w->layout->shape.stack * w->layout->shape.width;
}

static int find_flashes(struct map_marks *k, const struct map_window *w, const struct ui_state *ui)
{
    void *v = k->flash;
    size_t n = pixels_of(w), at;
    int rc = array_reserve(&v, &k->flash_cap, n, sizeof *k->flash);
    k->flash = v;
    if (rc)
        return rc;
    memset(k->flash, 0, n);
    uint64_t first = oldest(ui);
    for (uint64_t i = ui->marks, left = FLASHES_MAX; i-- > first && left; left--) {
        const struct fault_mark *m = mark_at(ui, i);
        if (m->t_ns + UI_FLASH_NS < ui->now_ns)
            break;
        if (pixel_of(w, ui, m, &at) && !k->flash[at])
            k->flash[at] = (uint8_t)(m->path + 1);
    }
    return 0;
}

static void add_marks(struct map_marks *k, const struct map_window *w, const struct ui_state *ui)
{
    size_t at;
    for (; k->next < ui->marks; k->next++)
        if (pixel_of(w, ui, mark_at(ui, k->next), &at))
            k->count[at] += mark_at(ui, k->next)->count;
}

/* False when marks that were counted are no longer kept. */
static bool drop_old(struct map_marks *k, const struct map_window *w, const struct ui_state *ui)
{
    size_t at;
    if (k->first < oldest(ui))
        return false;
    for (; k->first < k->next && mark_at(ui, k->first)->t_ns + heat_ns < ui->now_ns; k->first++)
        if (pixel_of(w, ui, mark_at(ui, k->first), &at))
            k->count[at] -= mark_at(ui, k->first)->count;
    return true;
}

static int count_all(struct map_marks *k, const struct map_window *w, const struct ui_state *ui)
{
    void *v = k->count;
    size_t n = pixels_of(w);
    int rc = array_reserve(&v, &k->count_cap, n, sizeof *k->count);
    k->count = v;
    if (rc)
        return rc;
    memset(k->count, 0, n * sizeof *k->count);
    k->first = oldest(ui);
    while (k->first < ui->marks && mark_at(ui, k->first)->t_ns + heat_ns < ui->now_ns)
        k->first++;
    k->next = k->first;
    add_marks(k, w, ui);
    k->built = w->built;
    k->top = w->top;
    k->rows = w->rows;
    return 0;
}

static int count_heat(struct map_marks *k, const struct map_window *w, const struct ui_state *ui)
{
    bool same = k->count && k->built == w->built && k->top == w->top && k->rows == w->rows;
    if (same && ui->frozen)
        return 0;
    if (!same || k->next > ui->marks || !drop_old(k, w, ui))
        return count_all(k, w, ui);
    add_marks(k, w, ui);
    return 0;
}

int map_marks_update(struct map_marks *k, const struct map_window *w, const struct ui_state *ui)
{
    if (!ui->faults)
        return 0;
    int rc = k->heat ? count_heat(k, w, ui) : find_flashes(k, w, ui);
    if (rc)
        map_marks_deinit(k);
    return rc;
}
