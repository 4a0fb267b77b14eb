/* Texts cut to the columns that they have; U+2026 stands for what is left out. Input and output are
 * valid, escaped UTF-8. */
#ifndef VMSCOPE_UI_FIT_H
#define VMSCOPE_UI_FIT_H

#include <stddef.h>

#include "ui/cells.h"

/* The beginning. Returns out, which has room for cap > 0 bytes. */
const char *fit_text(char *out, size_t cap, const char *utf8, unsigned cols);

/* A name keeps what tells it from others: of a path that is too long the last part is left (but all
 * of what is in /dev), of a deleted file that without " (deleted)", and then the beginning and the
 * end. */
const char *fit_name(char *out, size_t cap, const char *utf8, unsigned cols);

/* Draws foreign bytes as a name; returns the columns used. */
unsigned fit_draw_name(struct area a, unsigned col, unsigned row, unsigned cols, const char *raw,
                       struct style s);

#endif
