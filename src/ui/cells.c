/* The grid of cells. A wide character takes two: its own and, right of it, one with ch 0. Whatever
 * overwrites one half blanks the other, so that a row always adds up to its width. */
#include "ui/cells.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/text.h"

static const struct cell blank = {' ', COLOR_DEFAULT, COLOR_DEFAULT, 0};

int grid_init(struct grid *g, unsigned cols, unsigned rows)
{
    struct cell *cells = calloc((size_t)cols * rows + 1, sizeof *cells);
    if (!cells)
        return -ENOMEM;
    *g = (struct grid){cols, rows, cells};
    grid_clear(g);
    return 0;
}

void grid_deinit(struct grid *g)
{
    free(g->cells);
    *g = (struct grid){0};
}

void grid_clear(struct grid *g)
{
    for (size_t i = 0, n = (size_t)g->cols * g->rows; i < n; i++)
        g->cells[i] = blank;
}

struct area grid_area(struct grid *g)
{
    return (struct area){g, 0, 0, g->cols, g->rows};
}

static unsigned at_most(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

struct area area_part(struct area a, unsigned col, unsigned row, unsigned cols, unsigned rows)
{
    col = at_most(col, a.cols);
    row = at_most(row, a.rows);
    return (struct area){a.grid, a.col + col, a.row + row, at_most(cols, a.cols - col),
                         at_most(rows, a.rows - row)};
}

/* The marks that views draw themselves take one column, also in a locale that does not know them:
 * there they are exchanged later. */
static bool is_own_mark(uint32_t ch)
{
    return ch == 0x2026 || (ch >= 0x2500 && ch < 0x2600);
}

/* Columns of a character: 0 for one that combines, -1 for one that must not be drawn. */
static int char_columns(uint32_t ch)
{
    if (is_own_mark(ch))
        return 1;
    if (ch < 0x7f)
        return ch >= 0x20 ? 1 : -1;
    if (ch > 0x10ffff)
        return -1;
    return wcwidth((wchar_t)ch);
}

static struct cell *cell_at(struct area a, unsigned col, unsigned row)
{
    size_t r = a.row + row, c = a.col + col;
    if (col >= a.cols || row >= a.rows || r >= a.grid->rows || c >= a.grid->cols)
        return NULL;
    return &a.grid->cells[r * a.grid->cols + c];
}

/* Makes sure that overwriting *cell leaves no half of a wide character beside it. */
static void part_wide(struct area a, struct cell *cell)
{
    size_t col = (size_t)(cell - a.grid->cells) % a.grid->cols;
    if (!cell->ch && col)
        cell[-1].ch = ' ';
    if (cell->ch && col + 1 < a.grid->cols && !cell[1].ch)
        cell[1].ch = ' ';
}

static void set_cell(struct area a, struct cell *cell, uint32_t ch, struct style s)
{
    part_wide(a, cell);
    *cell = (struct cell){ch, s.fg, s.bg, s.attr};
}

void area_put(struct area a, unsigned col, unsigned row, uint32_t ch, struct style s)
{
    struct cell *cell = cell_at(a, col, row);
    if (!cell)
        return;
    int columns = char_columns(ch);
    struct cell *right = columns == 2 ? cell_at(a, col + 1, row) : NULL;
    if (columns < 1 || (columns == 2 && !right)) {
        ch = '?';
        right = NULL;
    }
    set_cell(a, cell, ch, s);
    if (right)
        set_cell(a, right, 0, s);
}

void area_fill(struct area a, struct style s, uint32_t ch)
{
    for (unsigned row = 0; row < a.rows; row++)
        for (unsigned col = 0; col < a.cols; col++)
            area_put(a, col, row, ch, s);
}

unsigned area_text(struct area a, unsigned col, unsigned row, unsigned cols, const char *utf8,
                   struct style s)
{
    size_t len = strlen(utf8);
    unsigned used = 0;
    if (col >= a.cols)
        return 0;
    cols = at_most(cols, a.cols - col);
    for (size_t i = 0; i < len;) {
        uint32_t ch = '?';
        size_t n = text_utf8_decode(utf8 + i, len - i, &ch);
        int columns = n ? char_columns(ch) : -1;
        i += n ? n : 1;
        if (!columns)
            continue;
        if (columns < 0) {
            ch = '?';
            columns = 1;
        }
        if (used + (unsigned)columns > cols)
            break;
        area_put(a, col + used, row, ch, s);
        used += (unsigned)columns;
    }
    return used;
}

unsigned area_printf(struct area a, unsigned col, unsigned row, struct style s, const char *fmt,
                     ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return area_text(a, col, row, a.cols, text, s);
}

static int row_text(const struct cell *cells, unsigned cols, struct buf *out)
{
    unsigned end = cols;
    while (end && cells[end - 1].ch == ' ')
        end--;
    for (unsigned i = 0; i < end; i++) {
        char utf8[4];
        if (!cells[i].ch)
            continue;
        int rc = buf_append(out, utf8, text_utf8_encode(utf8, cells[i].ch));
        if (rc)
            return rc;
    }
    return buf_putc(out, '\n');
}

int grid_text(const struct grid *g, struct buf *out)
{
    for (unsigned row = 0; row < g->rows; row++) {
        int rc = row_text(g->cells + (size_t)row * g->cols, g->cols, out);
        if (rc)
            return rc;
    }
    return 0;
}

size_t text_line(const char *utf8, unsigned cols)
{
    size_t at = 0, space = 0, len = strlen(utf8);
    unsigned used = 0;
    while (at < len) {
        uint32_t ch = '?';
        size_t n = text_utf8_decode(utf8 + at, len - at, &ch);
        int columns = n ? char_columns(ch) : 1;
        n = n ? n : 1;
        used += columns < 0 ? 1 : (unsigned)columns;
        if (used > cols)
            return space ? space : at ? at : n;
        at += n;
        if (ch == ' ')
            space = at;
    }
    return at;
}
