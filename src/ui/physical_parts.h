/* The parts of the physical view: rows and cells, and the panel. Private to src/ui/physical*.c.
 *
 * Zones follow one another; each begins on a row of its own below its title. A cell stands for
 * 8^zoom frames, aligned, so three steps are one level of a page table. */
#ifndef VMSCOPE_UI_PHYSICAL_PARTS_H
#define VMSCOPE_UI_PHYSICAL_PARTS_H

#include "base/text.h"
#include "model/physmem.h"
#include "ui/view.h"

enum { PHYSICAL_GUTTER = 12, PHYSICAL_PANEL_COLS = 36 };

/* Frames that the watched process maps, one bit each. */
struct own_frames {
    uint64_t *bits;  /* owned */
    uint64_t frames; /* bits there are */
    uint64_t total;  /* bits set */
    struct pagetree *tree; /* that they were taken from; a reference, or NULL */
    bool known;      /* frame numbers can be seen */
};
void own_frames_deinit(struct own_frames *o);
/* Brings them up to the moment. 0 or -ENOMEM. */
int own_frames_update(struct own_frames *o, const struct moment *m, uint64_t frames);
uint64_t own_frames_count(const struct own_frames *o, uint64_t frame, uint64_t n);
/* The next one at or behind a frame; o->frames if there is none. */
uint64_t own_frames_next(const struct own_frames *o, uint64_t frame);
/* Where a moment maps a frame; false if nowhere. */
bool own_frames_address(const struct moment *m, uint64_t frame, uint64_t *address);

/* The window: which frames are where. */
struct physical_window {
    const struct physmem_info *info;
    unsigned zoom;  /* a cell is 8^zoom frames */
    unsigned width; /* cells a row */
    unsigned rows;  /* on the screen */
    uint64_t top;   /* first row shown */
};
uint64_t physical_cell(const struct physical_window *w); /* frames a cell */
uint64_t physical_rows(const struct physical_window *w); /* rows of everything */
uint64_t physical_row_of(const struct physical_window *w, uint64_t frame);
/* What row r shows: a zone's title (*frames 0), or frames from *first on. False behind the last. */
bool physical_row(const struct physical_window *w, uint64_t r, const struct zone **zone,
                  uint64_t *first, uint64_t *frames);
/* The zone that holds a frame, or NULL. */
const struct zone *physical_zone(const struct physmem_info *info, uint64_t frame);

struct physical_cell_input {
    const struct physmem *machine;
    const struct own_frames *own;
    const struct look *look;
};
struct cell physical_cell_draw(const struct physical_cell_input *in, uint64_t first, uint64_t n);

/* "6_4000_0000" */
const char *physical_address(char out[24], uint64_t frame, unsigned page_shift);

/* What the panel tells of. */
struct physical_selection {
    const struct physmem *machine;
    const struct own_frames *own;
    const struct ui_state *ui;
    const struct frame_detail *detail; /* of the cursor's frame, or NULL */
    uint64_t frame, first, n;          /* cursor; the cell around it */
    uint64_t now_ns;                   /* of the newest read, to tell ages by; 0: not known */
};
void physical_panel_draw(const struct physical_selection *s, struct area a);
/* What all memory is used for, packed into lines; the lines used. */
unsigned physical_legend_draw(const struct physical_selection *s, struct area a);
void physical_line_draw(const struct physical_selection *s, struct area a);

#endif
