/* A page of text with labels and branches of a tree, drawn from some line on: all of it is written,
 * lines are counted, and what falls on the screen is drawn. */
#ifndef VMSCOPE_UI_PEN_H
#define VMSCOPE_UI_PEN_H

#include <stdbool.h>

#include "ui/cells.h"

enum { PEN_TEXT_MAX = 700 };

struct pen {
    struct area a;
    unsigned top;  /* the line that is first on the screen */
    unsigned line; /* the next one to be written */
    unsigned fold; /* so many branches of a tree to leave out at its beginning, all but the last */
};

/* Text from a column on in as many lines as it needs; `first` false: it goes on beside what is
 * drawn on the last line. */
void pen_put(struct pen *p, unsigned col, bool first, struct style s, const char *text);

/* A label and, beside it, text. */
void pen_label(struct pen *p, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The column for answers beside questions of which the longest has `widest` bytes; 0: the page is
 * too narrow, each answer goes below its question. */
unsigned pen_beside(const struct pen *p, unsigned widest);

/* The first branch to draw, of so many; says how many are left out. */
unsigned pen_folded(struct pen *p, unsigned branches);

/* One branch of a tree: a question, and its answer in the column that pen_beside said. */
void pen_branch(struct pen *p, const char *question, const char *answer, unsigned beside,
                struct style s);

/* What the tree comes to. */
void pen_leaf(struct pen *p, const char *text);

#endif
