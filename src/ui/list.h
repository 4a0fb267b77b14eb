/* Scrolling and selecting, the same in all views: which row is selected, and which rows are on the
 * screen. A text that only scrolls has no selected row and uses the functions named list_text_*. */
#ifndef VMSCOPE_UI_LIST_H
#define VMSCOPE_UI_LIST_H

#include "ui/view.h"

/* Actions of a view's table; its own begin at LIST_ACTION_N. */
enum list_action {
    LIST_UP, LIST_DOWN, LIST_PAGE_UP, LIST_PAGE_DOWN, LIST_FIRST, LIST_LAST, LIST_ACTION_N
};

/* Their keys, for the end of a view's table: Enter goes down only where it was given no other
 * meaning before. */
#define LIST_BINDINGS(in_footer, up, down, first, last)                                   \
    {{KEY_CODE_UP, 'k'}, "Up k", up, in_footer, LIST_UP},                                 \
    {{KEY_CODE_DOWN, 'j', KEY_CODE_ENTER}, "Down j", down, in_footer, LIST_DOWN},         \
    {{KEY_CODE_PGUP, KEY_CTRL('b')}, "PgUp", "a screen up", in_footer, LIST_PAGE_UP},     \
    {{KEY_CODE_PGDN, KEY_CTRL('f')}, "PgDn", "a screen down", in_footer, LIST_PAGE_DOWN}, \
    {{KEY_CODE_HOME, 'g'}, "g Home", first, false, LIST_FIRST},                           \
    {{KEY_CODE_END, 'G'}, "G End", last, false, LIST_LAST}

/* A plain value; zeroed it is empty. row < count unless count is 0. */
struct list {
    size_t count;
    size_t row;      /* selected */
    size_t top;      /* first on the screen */
    unsigned height; /* rows on the screen, drawn last */
};

/* Moves the selected row. */
void list_move(struct list *l, int action);

/* Before drawing `count` rows on `height`: the selected one is among those shown, and no room is
 * left empty that rows above could use. */
void list_fit(struct list *l, size_t count, unsigned height);

/* Selects the row on a line of the screen, counted from the list's first; false if none is
 * there. */
bool list_point(struct list *l, unsigned line);

/* The same for a text of `count` lines. */
void list_text_move(struct list *l, int action);
void list_text_fit(struct list *l, size_t count, unsigned height);

/* LIST_UP or LIST_DOWN when the mouse's wheel turned, otherwise -1. */
int list_wheel(const struct mouse *m);

#endif
