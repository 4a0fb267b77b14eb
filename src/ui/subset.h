/* A list of some of the mappings, one row each, for views that tell one thing about them. Which are
 * listed is decided again when the moment, the filter or what the view knows changes; the selected
 * row is that of the cursor. */
#ifndef VMSCOPE_UI_SUBSET_H
#define VMSCOPE_UI_SUBSET_H

#include "ui/list.h"

enum { SUBSET_OPEN_MAP = LIST_ACTION_N };

/* The keys of such a view, for its table. */
#define SUBSET_BINDINGS                                                                   \
    {{KEY_CODE_ENTER}, "Enter", "show on the map", true, SUBSET_OPEN_MAP},                \
    LIST_BINDINGS(false, "one row up", "one row down", "first row", "last row")

/* A plain value; zeroed it is empty. */
struct subset {
    struct moment of; /* the moment that the rows belong to; zeroed: none */
    size_t *rows;     /* owned; indices of regions, ascending */
    size_t cap;
    struct list shown;
    char filter[256];
    bool stale;       /* make the rows again */
};
void subset_deinit(struct subset *s);

/* Whether a region is listed; called for every one when the rows are made, in order. */
typedef bool subset_fn(void *ctx, const struct moment *m, const struct region *r);

/* Brings the rows up to the moment shown; true when that made them anew. With no memory for it the
 * list is empty. */
bool subset_refresh(struct subset *s, const struct ui_state *ui, subset_fn *keep, void *ctx);
/* True when rows have to be made: the caller empties what it sums up. */
bool subset_is_old(const struct subset *s, const struct ui_state *ui);

/* Selects the row of the cursor's mapping, or of the first behind it, and scrolls to it. Returns
 * the rows of the list on a screen of `height` rows that also has titles, a line of sums, and the
 * sentences in `panel` rows, which follow the last row. */
unsigned subset_fit(struct subset *s, const struct ui_state *ui, unsigned height, unsigned panel);
/* In place of a list that is empty: the filter, or `why`. */
void subset_draw_none(const struct subset *s, struct area a, const char *why);
/* The region of a row, which must be one of shown.rows; borrowed from the moment. */
const struct region *subset_region(const struct subset *s, size_t row);

/* Answer keys, the mouse (with `head` lines above the first row) and the filter. */
unsigned subset_act(struct subset *s, struct ui_state *ui, int action);
unsigned subset_mouse(struct subset *s, struct ui_state *ui, const struct mouse *m, unsigned head);
void subset_filter(struct subset *s, const char *what);

/* Below such a list: the lines of a text, each broken to fit, from a line on; answers the first
 * line that is free. */
unsigned subset_text(struct area a, unsigned line, const struct buf *text);

#endif
