/* Parts of a frame that the application and the player share. */
#ifndef VMSCOPE_UI_FRAME_H
#define VMSCOPE_UI_FRAME_H

#include "ui/list.h"
#include "ui/view.h"

/* Draws keys for a footer, from column `col` on, those that fit before `end`, but for keys that
 * mean something else in the table `over` (may be NULL). Returns the column behind them. */
unsigned bindings_draw(const struct binding *table, const struct binding *over, struct area row,
                       unsigned col, unsigned end);

/* Draws a table of keys with what each does, scrolled by *lines. */
void bindings_help(struct list *lines, struct area a, const char *title,
                   const struct binding *table);

/* The style of a number in a row of style s: "." for none stands back. */
struct style number_style(struct style s, const char *number);

/* A rule across the first row of an area, with a title in it from column `col` on. */
void rule_draw(struct area a, unsigned col, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Where only ASCII can be shown: rules, branches and other marks become their nearest character,
 * whatever else is not ASCII a question mark. */
void grid_only_ascii(struct grid *g);

#endif
