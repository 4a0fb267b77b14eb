/* The terminal. The only part of vmscope that knows curses. One terminal a process. */
#ifndef VMSCOPE_UI_TERM_H
#define VMSCOPE_UI_TERM_H

#include <stdbool.h>

#include "base/err.h"
#include "ui/cells.h"
#include "ui/ui.h"
#include "ui/view.h"

struct terminal;

/* A key, or something the mouse did, in cells of the screen. */
struct term_event {
    int key; /* KEY_CODE_NONE: then it is the mouse */
    struct mouse mouse;
};

/* 0 when a terminal is there that can show a grid; otherwise a negative errno, *e says why not. */
int term_check(struct err *e);

/* Takes the terminal over. signals_open comes first. 0 or a negative errno with *e set. */
int term_open(const struct ui_options *options, struct terminal **out, struct err *e);
/* Puts the terminal back as it was; NULL is fine. */
void term_close(struct terminal *t);

struct look term_look(const struct terminal *t);
/* Readable while keys wait. */
int term_fd(const struct terminal *t);
/* The size now; the screen follows it. Call it after SIGWINCH. */
void term_size(struct terminal *t, unsigned *cols, unsigned *rows);

/* Shows the grid, which has the size that term_size gave; only what changed is sent. */
void term_show(struct terminal *t, const struct grid *g);
/* The next term_show sends everything. */
void term_redraw(struct terminal *t);

/* The next event; false when none waits. Never waits for more than the rest of one key. */
bool term_event(struct terminal *t, struct term_event *out);

void term_set_mouse(struct terminal *t, bool on);

/* Leaves the terminal to others; term_resume takes it back. */
void term_leave(struct terminal *t);
void term_resume(struct terminal *t);

#endif
