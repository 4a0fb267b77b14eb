/* A line of text that is being typed: the prompt's and the picker's. */
#ifndef VMSCOPE_UI_LINE_EDIT_H
#define VMSCOPE_UI_LINE_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "ui/cells.h"

enum { LINE_MAX_BYTES = 256 };

/* A plain value; zeroed it is an empty line. */
struct line_edit {
    char text[LINE_MAX_BYTES]; /* valid UTF-8 without control characters, NUL-terminated */
    size_t len;                /* bytes */
    size_t at;                 /* the byte before which the next character goes */
};

/* Replaces the text; the cursor goes to its end. */
void line_edit_set(struct line_edit *l, const char *text);

/* Edits by a key: characters, Backspace, arrows, Home, End, ^A ^E ^U ^W. False when the key means
 * nothing here. */
bool line_edit_key(struct line_edit *l, int key);

/* Draws a label and the line, with its cursor, into the first row of an area. */
void line_edit_draw(const struct line_edit *l, struct area a, const char *label);

#endif
