/* The user interface, entered from main. */
#ifndef VMSCOPE_UI_UI_H
#define VMSCOPE_UI_UI_H

#include <stdbool.h>

#include "base/err.h"
#include "ui/source.h"

enum ui_color { UI_COLOR_AUTO, UI_COLOR_ALWAYS, UI_COLOR_NEVER };

struct ui_options {
    enum ui_color color;
    bool ascii;    /* letters instead of blocks */
    bool no_mouse;
    bool pick;     /* begin in the process picker */
    bool family;   /* begin with the descendants */
    unsigned long samples; /* end after this many samples; 0: never */
    const char *command;   /* what was started, or NULL; raw foreign bytes: escape */
};

/* True when a terminal is there that can show the interface; otherwise *e says what is missing. */
bool ui_possible(struct err *e);

/* Runs until the user quits. 0; the number of the signal that ended it, for the caller to die of;
 * or a negative errno with *e set. The terminal is as it was before, on return and on every signal
 * that a program can survive to handle. */
int ui_run(const struct ui_options *options, struct ui_source *source, struct err *e);

/* Without a terminal: a screen of cols x rows, keys fed one after another, each after the stream
 * has been folded; the last frame as plain text goes to *out. 0, or a negative errno with *e set
 * (an unknown key name, an impossible size). */
struct buf;
int ui_headless(const struct ui_options *options, struct ui_source *source, unsigned cols,
                unsigned rows, const char *keys, struct buf *out, struct err *e);

#endif
