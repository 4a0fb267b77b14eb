/* Parts of a frame that the application and the player share. */
#ifndef VMSCOPE_UI_FRAME_H
#define VMSCOPE_UI_FRAME_H

#include "ui/list.h"
#include "ui/view.h"

/* Draws keys for a footer, from column `col` on, those that fit before `end`, but for keys that mean
 * something else in the table `over` (may be NULL). Returns the column behind them. */
unsigned bindings_draw(const struct binding *table, const struct binding *over, struct area row,
                       unsigned col, unsigned end);

/* Draws a table of keys with what each does, scrolled by *lines. */
void bindings_help(struct list *lines, struct area a, const char *title,
                   const struct binding *table);

/* Where only ASCII can be shown: nothing else is left. */
void grid_only_ascii(struct grid *g);

#endif
