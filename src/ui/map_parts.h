/* The parts of the map view: what one pixel shows, how pixels become cells, the picture, the strip
 * of the whole address space, the panel, and the words they share. Private to src/ui/map*.c. */
#ifndef VMSCOPE_UI_MAP_PARTS_H
#define VMSCOPE_UI_MAP_PARTS_H

#include "base/text.h"
#include "model/layout.h"
#include "ui/view.h"

/* --- map_cell.c: pixels to cells --- */

/* What one pixel shows. The rule: the state that most of its pages have, pages that are not present
 * left out; `other` is the same where all its pages are alike, otherwise not present if any page
 * is, else the runner-up. So a pixel with a single page in memory never looks empty. */
struct map_pixel {
    uint8_t state, other; /* enum page_state; MAP_NOTHING where nothing is mapped */
    bool changed;         /* since the last sample */
};
enum { MAP_NOTHING = PAGE_STATE_N };

struct map_pixel map_pixel_of(const struct tally *t);

/* Two pixels in a cell, above each other: where colours can tell states apart. */
static inline bool look_has_halves(const struct look *look)
{
    return look->colors >= 256 && !look->ascii;
}

/* The cell for two pixels above each other, or for one that fills the cell. cursor: 0 none, 1 on
 * the first pixel, 2 on the second. */
struct cell map_cell_pair(struct map_pixel upper, struct map_pixel lower, unsigned cursor);
struct cell map_cell_single(struct map_pixel p, const struct look *look, bool cursor);
/* A cell with a fault just now, and the heat of a cell with pages (or none: MAP_NOTHING). */
struct cell map_cell_fault(uint8_t path);
struct cell map_cell_heat(unsigned state, unsigned level, const struct look *look, bool cursor);
/* The swatch of a state in legends and lists. */
struct cell map_cell_swatch(unsigned state, const struct look *look);

/* --- map_text.c: words --- */

enum { MAP_ADDRESS_MAX = 24, MAP_NAME_MAX = 256, MAP_MIX_MAX = 512, MAP_SHARE_MAX = 8 };

/* "7f3a_4000_0000" */
const char *map_address(char out[MAP_ADDRESS_MAX], uint64_t address);
/* The short name of a region, escaped: the last part of a path, or its kind where it has none. */
const char *map_region_name(const struct region *r, char out[MAP_NAME_MAX]);
/* "libc.so.6 r-xp 1.6M" in at most cols columns (fewer words when it is narrow). */
const char *map_label(const struct layout *l, const struct layout_item *item, unsigned cols,
                      char out[MAP_NAME_MAX]);
/* "16 pages: 14 anon exclusive, 2 not present", most first. */
const char *map_mix(const struct tally *t, char out[MAP_MIX_MAX]);
/* States by falling count into order[]; how many occur. */
unsigned map_states(const struct tally *t, uint8_t order[PAGE_STATE_N]);
/* "47.3%"; a part that is not zero never reads as 0.0%, one that is not all never as 100%. */
const char *map_share(uint64_t part, uint64_t whole, char out[MAP_SHARE_MAX]);
/* "7f3a_4213_7000  PGD 254 > PUD 233 > PMD 0", down to the level that a pixel resolves. */
void map_breadcrumb(const struct moment *m, uint64_t address, unsigned zoom, char *out, size_t cap);
/* "1 pixel = 2M (one PMD entry)" */
void map_scale(const struct moment *m, unsigned zoom, bool half_cells, bool brief, char *out,
               size_t cap);
/* Draws text with line breaks between words in at most rows rows; the rows used. */
unsigned map_wrapped(struct area a, unsigned row, unsigned rows, const char *utf8, struct style s);

/* --- map_picture.c: the pixels of the window --- */

struct map_marks;

/* The pixels on the screen, kept while nothing that they depend on changes. Zeroed is empty. */
struct map_picture {
    struct map_pixel *v; /* owned: rows of layout.shape.width pixels */
    size_t cap;
    uint64_t pixel_rows, width;
    struct pagetree *now, *before; /* a reference each, or NULL */
    uint64_t top, rows, built;     /* window and layout that v was made for */
};
void map_picture_deinit(struct map_picture *p);

/* A window on a layout. */
struct map_window {
    const struct layout *layout;
    uint64_t built; /* changes whenever the layout does */
    uint64_t top;   /* first text row shown */
    unsigned rows;  /* text rows shown */
    unsigned gutter; /* columns for addresses before the pixels, 0: none */
};
/* The addresses from the first to behind the last pixel of the window. */
void map_window_range(const struct map_window *w, uint64_t *start, uint64_t *end);

/* The exact tally of one pixel of an item, of mapped pages only. */
void map_tally(const struct moment *m, const struct layout *l, const struct layout_item *item,
               uint64_t pixel, struct tally *out);

/* Draws the window into a. 0 or -ENOMEM, and then the pixels are missing. */
int map_picture_draw(struct map_picture *p, const struct map_marks *marks,
                     const struct map_window *w, const struct ui_state *ui, struct area a);

/* --- map_marks.c: faults on the picture --- */

enum { MAP_HEAT_S = 10, MAP_HEAT_LEVELS = 4 };

/* The faults of each pixel of the window. Zeroed is empty. */
struct map_marks {
    bool heat;        /* counts are wanted: the faults of the last MAP_HEAT_S seconds */
    uint8_t *flash;   /* owned: for each pixel 0, or the path + 1 of a fault just now */
    uint32_t *count;  /* owned: for each pixel its faults */
    size_t flash_cap, count_cap;
    uint64_t built, top, rows; /* the window of the counts */
    uint64_t first, next;      /* counted are these marks of the log */
};
void map_marks_deinit(struct map_marks *k);

/* Brings both up to date. 0 or -ENOMEM, and then there are none. */
int map_marks_update(struct map_marks *k, const struct map_window *w, const struct ui_state *ui);

/* The least faults of a level of heat, 1 to MAP_HEAT_LEVELS; the level of a pixel with n faults, 0
 * for none. */
uint32_t map_heat_least(unsigned level);
unsigned map_heat_level(uint64_t n);

/* --- map_faults.c: below the picture --- */

/* Rows for the latest faults below a picture of `rows`, 0 while none are followed. */
unsigned map_faults_rows(const struct ui_state *ui, unsigned rows);
/* The rates, and the latest faults. */
void map_faults_draw(const struct ui_state *ui, struct area a);
/* The last fault of the target in [start, end), or NULL. */
const struct fault_entry *map_last_fault(const struct ui_state *ui, uint64_t start, uint64_t end);

/* --- map_change.c: what changed --- */

/* True where `after` is not simply a better known `before`: another state, another frame, or
 * another attribute that both were asked for. */
bool map_page_changed(const struct page *before, const struct page *after);

/* Calls each for the page ranges of [start, start+n) that changed between the two trees. */
void map_changes(const struct pagetree *before, const struct pagetree *after, uint64_t start,
                 uint64_t n, pagetree_range_fn *each, void *ctx);

/* --- map_strip.c: the whole address space --- */

struct map_strip_entry {
    uint64_t start, end; /* addresses */
    uint64_t bytes;      /* mapped, or the size of the gap */
    size_t region;       /* the largest of the group */
    size_t regions;      /* 0: a gap */
    unsigned rows;       /* lines on the screen */
};
struct map_strip {
    struct map_strip_entry *v; /* owned */
    size_t count, cap;
    uint64_t built;
    unsigned rows;
};
void map_strip_deinit(struct map_strip *s);
enum { MAP_STRIP_COLS = 27 };

/* Groups the regions so that they fit `rows` lines. 0 or -ENOMEM. */
int map_strip_build(struct map_strip *s, const struct layout *l, uint64_t built, unsigned rows);
void map_strip_draw(struct map_strip *s, const struct map_window *w, const struct ui_state *ui,
                    struct area a);
/* The entry on a line of the strip, or NULL. */
const struct map_strip_entry *map_strip_at(const struct map_strip *s, unsigned line);

/* --- map_panel.c: what is selected, and the legend --- */

enum { MAP_PANEL_COLS = 36 };

/* What the cursor is on. */
struct map_selection {
    const struct layout *layout;
    struct layout_place place;
    const struct layout_item *item;
    const struct region *region; /* at the cursor, or NULL */
    uint64_t start, end;         /* addresses of the pixel */
    struct tally tally;
};
/* What lies at the cursor of *ui. */
void map_select(const struct ui_state *ui, const struct layout *l, struct map_selection *out);

/* Draw; the legend is of states, or of heat. The panel and the legend return the rows used.
 * map_legend_lines packs the legend into lines and returns how many it needs, also where the area
 * has fewer. */
unsigned map_panel_draw(const struct map_selection *s, const struct ui_state *ui, struct area a);
unsigned map_legend_draw(const struct ui_state *ui, bool heat, struct area a);
unsigned map_legend_lines(const struct ui_state *ui, bool heat, struct area a);
void map_detail_line(const struct map_selection *s, const struct ui_state *ui, struct area a);
/* Rows that the legend needs. */
unsigned map_legend_rows(const struct ui_state *ui, bool heat);

#endif
