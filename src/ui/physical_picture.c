/* Rows and cells of the physical picture.
 *
 * A cell has the colour of the use that most of its used frames have, and a shade for how much of
 * it is in use: a dot where all is free. Frames of the watched process are lit: a diamond, filled
 * where all that is used in the cell is its own. Without colours or in ASCII the letter of the use,
 * and '#' for own frames. */
#include <inttypes.h>
#include <stdio.h>

#include "ui/physical_parts.h"

uint64_t physical_cell(const struct physical_window *w)
{
    return (uint64_t)1 << (3 * w->zoom);
}

static uint64_t zone_first(const struct physical_window *w, const struct zone *z)
{
    return z->start & ~(physical_cell(w) - 1);
}

static uint64_t zone_rows(const struct physical_window *w, const struct zone *z)
{
    uint64_t row = physical_cell(w) * w->width;
    return (z->start + z->spanned - zone_first(w, z) + row - 1) / row;
}

uint64_t physical_rows(const struct physical_window *w)
{
    uint64_t rows = 0;
    for (unsigned i = 0; i < w->info->zone_count; i++)
        rows += 1 + zone_rows(w, &w->info->zones[i]);
    return rows;
}

const struct zone *physical_zone(const struct physmem_info *info, uint64_t frame)
{
    for (unsigned i = 0; i < info->zone_count; i++)
        if (frame >= info->zones[i].start && frame - info->zones[i].start < info->zones[i].spanned)
            return &info->zones[i];
    return NULL;
}

uint64_t physical_row_of(const struct physical_window *w, uint64_t frame)
{
    uint64_t row = 0;
    for (unsigned i = 0; i < w->info->zone_count; i++) {
        const struct zone *z = &w->info->zones[i];
        if (frame >= z->start && frame - z->start < z->spanned)
            return row + 1 + (frame - zone_first(w, z)) / (physical_cell(w) * w->width);
        row += 1 + zone_rows(w, z);
    }
    return 0;
}

bool physical_row(const struct physical_window *w, uint64_t r, const struct zone **zone,
                  uint64_t *first, uint64_t *frames)
{
    for (unsigned i = 0; i < w->info->zone_count; i++) {
        const struct zone *z = &w->info->zones[i];
        uint64_t rows = 1 + zone_rows(w, z);
        if (r >= rows) {
            r -= rows;
            continue;
        }
        uint64_t per_row = physical_cell(w) * w->width, end = z->start + z->spanned;
        *zone = z;
        *first = r ? zone_first(w, z) + (r - 1) * per_row : z->start;
        *frames = !r ? 0 : end - *first < per_row ? end - *first : per_row;
        return true;
    }
    return false;
}

/* The use that most of the used frames have. */
static enum frame_use main_use(const struct frame_tally *t, uint64_t *used)
{
    unsigned best = FRAME_FREE;
    uint64_t most = 0;
    *used = 0;
    for (unsigned u = 0; u < FRAME_USE_N; u++) {
        if (u == FRAME_NONE || u == FRAME_FREE)
            continue;
        *used += t->n[u];
        if (t->n[u] > most) {
            most = t->n[u];
            best = u;
        }
    }
    return (enum frame_use)best;
}

static uint32_t shade(uint64_t used, uint64_t all)
{
    return used == all ? 0x2588 : used * 5 > all * 3 ? 0x2593 : used * 4 > all ? 0x2592 : 0x2591;
}

struct cell physical_cell_draw(const struct physical_cell_input *in, uint64_t first, uint64_t n)
{
    struct frame_tally t;
    physmem_tally(in->machine, first, n, &t);
    uint64_t used, known = 0;
    enum frame_use use = main_use(&t, &used);
    for (unsigned u = 0; u < FRAME_USE_N; u++)
        known += u == FRAME_NONE ? 0 : t.n[u];
    uint64_t own = in->own->bits ? own_frames_count(in->own, first, n) : 0;
    const struct frame_use_info *info = frame_use_info(use);
    bool letters = in->look->ascii || !in->look->colors;
    uint8_t role = (uint8_t)info->role;
    if (own)
        return (struct cell){letters ? '#' : own >= used ? 0x25c6 : 0x25c7, role, COLOR_DEFAULT,
                             CELL_BOLD};
    if (!known)
        return (struct cell){t.unread ? '?' : ' ', COLOR_DIM, COLOR_DEFAULT, 0};
    if (!used)
        return (struct cell){in->look->ascii ? '.' : 0xb7, ROLE_ABSENT, COLOR_DEFAULT, 0};
    return (struct cell){letters ? (unsigned char)info->letter : shade(used, known), role,
                         COLOR_DEFAULT, 0};
}

const char *physical_address(char out[24], uint64_t frame, unsigned page_shift)
{
    uint64_t a = frame << page_shift;
    snprintf(out, 24, "%" PRIx64 "_%04" PRIx64 "_%04" PRIx64, a >> 32, a >> 16 & 0xffff, a & 0xffff);
    return out;
}
