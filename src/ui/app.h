/* The application behind ui.h: one value that holds the model, the views and what all of them
 * share. loop.h drives it, with a terminal and without. */
#ifndef VMSCOPE_UI_APP_H
#define VMSCOPE_UI_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "ui/cells.h"
#include "ui/line_edit.h"
#include "ui/ui.h"
#include "ui/view.h"

enum {
    APP_MAP, APP_REGIONS, APP_PAGE, APP_FAULTS, APP_EXPLAIN, APP_FAMILY, APP_SHARING, APP_HUGE,
    APP_BACKING, /* so far by their numbers, 1 to 9 */
    APP_PHYSICAL, APP_KERNEL, APP_PICKER, APP_HELP, APP_VIEWS
};
enum { APP_COLS_MIN = 20, APP_ROWS_MIN = 5 };
enum app_prompt { PROMPT_NONE, PROMPT_SEARCH, PROMPT_FILTER, PROMPT_UNTIL };

/* The views by number, and the keys that mean the same in all of them. */
extern const struct view_ops *const app_views[APP_VIEWS];
extern const struct binding app_bindings[];
extern const struct binding app_step_bindings[]; /* before all others, while a program is stepped */

struct app {
    const struct ui_options *options;
    struct ui_state ui;
    struct model *model;
    struct asked_site asked[ASKED_SITES_MAX];
    struct perf_counts counts; /* those shown: the model's own go on while frozen */
    void *views[APP_VIEWS];
    size_t view, back; /* the view shown, and the one shown before it */

    struct moment held_now, held_before; /* what is shown while frozen */
    struct family *held_family, *held_family_before; /* or NULL */
    bool held, held_a_before;

    enum app_prompt prompt;
    struct line_edit line;               /* what is typed at the prompt */
    struct line_edit filters[APP_VIEWS]; /* the filter of each view */
    struct line_edit searched;           /* the last search */
    char message[160];              /* shown in place of the footer until the next key */

    struct totals totals;      /* of all regions */
    struct moment totalled;    /* the moment that they belong to, if has_totals */
    bool has_totals;
    uint64_t totals_due_ns;    /* not worked out again before this */
    uint64_t samples;          /* samples seen */
    uint64_t rated_ns;         /* end of the last sample, 0 before the first; and the counts then */
    struct event_rates rated;
    uint64_t dropped;          /* records that could not be folded */
    uint64_t start_ticks;      /* tells whether the target is still the same */
    pid_t pid;
    bool came;                 /* a target was announced and is not shown yet */

    uint64_t clock_ns; /* now; 0 in a headless run, which shows no times */
    uint64_t flash_end_ns; /* of what changed */
    uint64_t marks_end_ns; /* of the last faults; 0: none flash */
    bool auto_plays;    /* stepping: one event after another by itself */
    unsigned pace;      /* how fast, an index */
    uint64_t step_seen; /* entries of the log when the cursor followed last */
    unsigned tabs_col; /* where the views stand in the first line; 0: they do not */
    uint64_t step_at;   /* where the cursor goes when that is in the picture, or 0 */
    bool mouse;
    bool repaint; /* ^L: everything must be sent again */
    bool quit;
};

/* Creates the views and starts with the one that the options ask for. 0 or a negative errno with
 * *e set. `options` and `source` must outlive the application. */
int app_init(struct app *a, const struct ui_options *options, struct ui_source *source,
             struct look look, struct err *e);
void app_deinit(struct app *a);

/* Folds what waits in the source, until nothing does or io_now_ns passes `deadline_ns` (0: no
 * deadline). True when something was folded. */
bool app_fold(struct app *a, uint64_t deadline_ns);

/* Answer a key, and the mouse, in cells of the whole screen. True when the frame must be drawn. */
bool app_key(struct app *a, int key);
bool app_mouse(struct app *a, const struct mouse *m, unsigned cols, unsigned rows);

/* Lets time pass: what flashes fades. True when the frame must be drawn. */
bool app_tick(struct app *a, uint64_t now_ns);
/* When it next has something to fade, `latest_ns` at the latest. */
uint64_t app_next_tick(const struct app *a, uint64_t latest_ns);

/* Draws the frame into all of the grid. */
void app_draw(struct app *a, struct grid *g);

/* The part of a screen that belongs to the view. */
struct area app_view_area(struct grid *g);
struct area app_area(const struct app *a, struct grid *g); /* of this one's, now */
/* The view whose tab is in this column of the first line; APP_VIEWS if none is. */
size_t app_tab_at(const struct app *a, unsigned at);

/* Stepping: whether the program is stepped; a key of it, false if it is none; where to go on until,
 * as typed; the cursor follows when the program stands anew; and the line that says how it
 * stands. */
bool app_steps(const struct app *a);
bool app_step_key(struct app *a, int key);
void app_step_until(struct app *a, const char *text);
void app_step_arrived(struct app *a);
void app_step_draw(struct app *a, struct area rows);

/* The prompt: opens it, and gives it a key. */
void app_ask(struct app *a, enum app_prompt what);
void app_prompt_key(struct app *a, int key);
/* Shows everything again in this view. */
void app_clear_filter(struct app *a);
/* Searches for what was searched last, or says that there is nothing. */
void app_search_again(struct app *a, bool backwards);

#endif
