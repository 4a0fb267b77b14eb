/* The address space as rows of pixels: a pure function of a region table, a scale and a width.
 *
 * A pixel stands for 8^zoom pages, aligned to its size, so every third zoom it is one entry of one
 * page-table level. A pixel row holds `width` pixels, a text row one or two pixel rows. Items stand
 * below each other in the order of their addresses:
 *   - a region, beginning on a row of its own with the pixel that holds its first page;
 *   - a cluster: neighbours that are each too small for a row at this scale share their rows, and
 *     the small gaps between them keep their pixels (zoomed out far enough, everything is one);
 *   - a gap, one row, when it is at least LAYOUT_FOLD pixels wide. A smaller one takes no row.
 * Two items may touch the same pixel's addresses; each then shows its own part. So every page of
 * every region is in exactly one pixel of exactly one item. */
#ifndef VMSCOPE_MODEL_LAYOUT_H
#define VMSCOPE_MODEL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/region.h"

enum {
    LAYOUT_ZOOM_BITS = 3, /* one zoom step is a factor of 8 */
    LAYOUT_SMALL = 8,     /* zoomed out, regions of fewer pixels than this form clusters */
    LAYOUT_FOLD = 64      /* gaps of fewer pixels than this have no row */
};

struct layout_shape {
    unsigned page_shift;
    unsigned zoom;  /* a pixel is 8^zoom pages */
    unsigned width; /* pixels in a pixel row, at least 1 */
    unsigned stack; /* pixel rows in a text row: 1 or 2 */
    unsigned cols;  /* text columns of a row, at least width: labels may use them all */
    unsigned label; /* text columns that a label needs; 0: no labels */
};

struct layout_item {
    uint64_t start, end; /* addresses */
    uint64_t row;        /* its first text row, the header included */
    size_t region;       /* index of its first region; of a gap: of the region behind it */
    size_t regions;      /* how many; 0: a gap */
    bool header;         /* the label has a row of its own above the pixels */
    bool folded;         /* right before it lies a gap that has no row */
};

/* A zeroed struct layout is a valid empty one. */
struct layout {
    struct layout_shape shape;
    struct region_table *table; /* one reference */
    struct layout_item *v;      /* owned; ascending in address and row */
    size_t count, cap;
    uint64_t *pages_before; /* owned; [i]: mapped pages in the regions before the i-th */
    size_t pages_cap;
    uint64_t rows; /* text rows in all */
};

/* Lays out t, replacing what *l held; cost: one pass over the regions. 0 or -ENOMEM, and then *l is
 * as it was, or empty. */
int layout_build(struct layout *l, struct region_table *t, const struct layout_shape *shape);
void layout_deinit(struct layout *l);
/* True when *l already is what layout_build would make. */
bool layout_is(const struct layout *l, const struct region_table *t,
               const struct layout_shape *shape);

/* Takes another table with the same mappings, as far as their ranges go, in place of the one laid
 * out. False, with nothing changed, if they are not the same. */
bool layout_adopt(struct layout *l, struct region_table *t);

/* Bytes in a pixel, as a shift. */
unsigned layout_pixel_shift(const struct layout_shape *shape);

/* The item that holds an address, or the next one above; the last one if there is none above.
 * And the item of a text row (the last one for rows past the end). Not on an empty layout. */
size_t layout_find(const struct layout *l, uint64_t address);
size_t layout_item_of_row(const struct layout *l, uint64_t row);

/* Text rows of an item; its pixels (0 for a gap) and its pixel rows. */
uint64_t layout_item_rows(const struct layout *l, size_t item);
uint64_t layout_item_pixels(const struct layout *l, const struct layout_item *item);
uint64_t layout_item_pixel_rows(const struct layout *l, const struct layout_item *item);
/* Columns that pixels use in the last text row of an item. */
unsigned layout_item_last_cols(const struct layout *l, const struct layout_item *item);

/* The addresses of an item's pixel, clipped to the item. */
void layout_pixel_range(const struct layout *l, const struct layout_item *item, uint64_t pixel,
                        uint64_t *start, uint64_t *end);

/* Where a pixel stands. For a gap pixel, col and half are 0. */
struct layout_place {
    size_t item;
    uint64_t pixel; /* index in the item */
    uint64_t row;   /* text row */
    unsigned col;
    unsigned half;  /* 0, or with stack 2 also 1: which pixel row of the text row */
};
/* The place of an address (of the nearest one in an item); false only on an empty layout. */
bool layout_place_of(const struct layout *l, uint64_t address, struct layout_place *out);
/* The pixel nearest to a position: a header leads to the first pixel row below it, columns and
 * rows past the end to the last. False only on an empty layout. */
bool layout_place_at(const struct layout *l, uint64_t row, unsigned col, unsigned half,
                     struct layout_place *out);

/* Mapped pages in [start, end), and the lowest mapped address there (end if none). */
uint64_t layout_mapped(const struct layout *l, uint64_t start, uint64_t end);
uint64_t layout_first_mapped(const struct layout *l, uint64_t start, uint64_t end);

#endif
