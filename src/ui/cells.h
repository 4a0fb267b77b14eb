/* A grid of character cells that exists without any terminal. Views draw into it; term.c puts what
 * changed on a real screen; headless runs print it. */
#ifndef VMSCOPE_UI_CELLS_H
#define VMSCOPE_UI_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/page.h"

/* What a colour is for. The theme decides how it looks in 256, 8 and no colours; the page roles of
 * the model come first, with the same numbers. */
enum color {
    COLOR_PAGE_FIRST = 0, /* enum page_role */
    COLOR_DEFAULT = ROLE_PAGE_N,
    COLOR_DIM,    /* rulers, gaps, secondary text */
    COLOR_TITLE,  /* header and footer lines */
    COLOR_KEY,    /* key names in the footer */
    COLOR_ALERT,  /* W+X, loss, errors */
    COLOR_CURSOR, /* the selected row or cell */
    COLOR_FLASH,  /* changed since the last sample */
    COLOR_HEAT_FIRST, /* four levels, the least first */
    COLOR_HEAT_LAST = COLOR_HEAT_FIRST + 3,
    COLOR_N
};

enum { CELL_BOLD = 1, CELL_REVERSE = 2, CELL_UNDERLINE = 4 };

struct cell {
    uint32_t ch; /* Unicode; 0 is the right half of a wide character */
    uint8_t fg, bg; /* enum color; bg COLOR_DEFAULT is the terminal's own */
    uint8_t attr;
};

struct style {
    uint8_t fg, bg, attr;
};
#define STYLE(color) ((struct style){(color), COLOR_DEFAULT, 0})

struct grid {
    unsigned cols, rows;
    struct cell *cells; /* rows * cols, owned */
};

int grid_init(struct grid *g, unsigned cols, unsigned rows); /* blank; 0 or -ENOMEM */
void grid_deinit(struct grid *g);
void grid_clear(struct grid *g);

/* A rectangle of a grid. Drawing outside it is cut off. */
struct area {
    struct grid *grid;
    unsigned col, row, cols, rows;
};
struct area grid_area(struct grid *g);
/* The part of a that begins at (col,row) of it and is at most cols x rows. */
struct area area_part(struct area a, unsigned col, unsigned row, unsigned cols, unsigned rows);

void area_put(struct area a, unsigned col, unsigned row, uint32_t ch, struct style s);
void area_fill(struct area a, struct style s, uint32_t ch);
/* Draws valid, already escaped UTF-8 at most `cols` columns wide; returns the columns used. Never
 * sends control characters: they are drawn as '?'. */
unsigned area_text(struct area a, unsigned col, unsigned row, unsigned cols, const char *utf8,
                   struct style s);
unsigned area_printf(struct area a, unsigned col, unsigned row, struct style s, const char *fmt,
                     ...) __attribute__((format(printf, 5, 6)));

/* The bytes of the first line of a text that is broken to fit `cols` columns: up to a space if
 * there is one, and at least one character. */
size_t text_line(const char *utf8, unsigned cols);

/* The grid as text: one line a row, trailing blanks cut. 0 or -ENOMEM. */
int grid_text(const struct grid *g, struct buf *out);

#endif
