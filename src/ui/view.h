/* One view: a const table of operations over its own state. The application owns the loop, the
 * header, the footer and the prompt; a view draws into its area and answers keys. */
#ifndef VMSCOPE_UI_VIEW_H
#define VMSCOPE_UI_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "ui/cells.h"
#include "ui/source.h"

/* Keys: a Unicode code point, or one of these. */
enum key {
    KEY_CODE_NONE = 0,
    KEY_CODE_FIRST = 0x110000,
    KEY_CODE_UP, KEY_CODE_DOWN, KEY_CODE_LEFT, KEY_CODE_RIGHT,
    KEY_CODE_PGUP, KEY_CODE_PGDN, KEY_CODE_HOME, KEY_CODE_END,
    KEY_CODE_TAB, KEY_CODE_BACKTAB, KEY_CODE_ENTER, KEY_CODE_ESC, KEY_CODE_BACKSPACE,
    KEY_CODE_F1, /* F2 ... F12 follow */
    KEY_CODE_F12 = KEY_CODE_F1 + 11,
    KEY_CODE_WAIT /* headless only: fold one more sample */
};
#define KEY_CTRL(c) ((c) & 0x1f)

/* What the screen can show. */
struct look {
    unsigned colors; /* 256, 8, or 0 */
    bool ascii;      /* no characters beyond ASCII */
};

/* Per second, between two samples; UINT64_MAX where not known. */
struct event_rates {
    uint64_t faults, calls; /* as the engine saw them */
    uint64_t minor, major;  /* as the kernel counted them */
};

/* The last rates, one a sample. */
enum { RATES_KEEP = 256 };
struct rate_history {
    struct event_rates v[RATES_KEEP]; /* rate n is at v[n % RATES_KEEP] */
    uint64_t count;                   /* ever added */
};

/* An instruction that the source was asked for. */
struct asked_site {
    uint64_t program, ip;
    uint64_t t_ns; /* when */
};
enum { ASKED_SITES_MAX = 1024 };

enum { UI_RELATIVES_MAX = 4 };

/* How long something new stands out. */
enum { UI_FLASH_NS = 700 * 1000 * 1000 };

/* What every view sees and shares. */
struct ui_state {
    const struct model *model;
    struct asked_site *asked;    /* ASKED_SITES_MAX of them, each in the slot of its hash */
    const struct moment *now;    /* the moment shown, live or frozen; NULL before the first */
    const struct moment *before; /* the one before it, or NULL */
    const struct page_detail *detail; /* of the page under the cursor, or NULL */
    const struct thp_settings *thp;   /* the machine's, or NULL while nobody asked */
    const struct file_caches *caches;  /* of mapped files, or NULL while nobody asked */
    struct family *family, *family_before; /* likewise, or NULL while nobody asked */
    pid_t relatives[UI_RELATIVES_MAX]; /* that the view of sharing compares; 0: none more */
    const struct physmem *machine;     /* the physical side, or NULL while nobody asked */
    const struct frame_detail *frame;  /* of the frame asked about last, or NULL */
    const char *gone;            /* the target ended: a sentence; or NULL */
    const struct fault_log *faults;    /* NULL before the first target */
    const struct engine_state *engine; /* that follows them; name "" while there is none */
    uint64_t entries, marks;     /* of the log, those shown: while frozen no more than then */
    const struct perf_counts *counts; /* counters by perf events, or NULL */
    uint64_t first_event_ns;     /* times are shown from here */
    uint64_t fault;              /* selected entry of the log by its number, plus 1; 0: newest */
    struct rate_history rates;
    uint64_t now_ns;             /* CLOCK_MONOTONIC; without a terminal the time of the last event */
    uint64_t cursor;             /* selected address, shared by all views */
    const struct view_ops *left; /* the view shown before this one; NULL: none yet */
    bool frozen;
    bool flash;                  /* what differs between before and now shall stand out */
    struct look look;
    struct ui_source *source;
};

/* What a handler asks for; flag bits. */
enum ui_result {
    UI_IGNORED = 0,  /* not my key */
    UI_HANDLED = 1,  /* nothing to redraw */
    UI_REDRAW = 2,
    UI_QUIT = 4,
    UI_SHOW_MAP = 8, UI_SHOW_PAGE = 16, /* switch to that view */
    UI_SHOW_BACK = 32,                  /* switch to the view shown before this one */
    UI_SHOW_EXPLAIN = 64, UI_SHOW_SHARING = 128
};

/* A key of a view, for the dispatch, the footer and the generated help at once. */
struct binding {
    int keys[9];        /* up to nine keys, 0-ended if fewer */
    const char *label;  /* "+ -": as shown in help and footer */
    const char *help;   /* "zoom in": one clause */
    bool footer;        /* show in the footer when there is room */
    int action;         /* the view's own number */
};

struct mouse {
    unsigned col, row; /* in the view's area */
    enum { MOUSE_CLICK, MOUSE_DOUBLE, MOUSE_WHEEL_UP, MOUSE_WHEEL_DOWN } what;
};

struct view_ops {
    const char *name;              /* "map": tab title */
    const char *about;             /* what it shows: one clause */
    const struct binding *bindings; /* ended by one with label NULL */
    size_t size;                   /* of the view's state, which begins as zeros */
    void (*deinit)(void *view);    /* releases what the state owns; NULL: nothing */
    void (*draw)(void *view, struct ui_state *ui, struct area a);
    unsigned (*act)(void *view, struct ui_state *ui, int action); /* enum ui_result bits */
    /* Typed characters and Backspace, before any binding sees them. May be NULL. */
    unsigned (*type)(void *view, struct ui_state *ui, int key);
    unsigned (*mouse)(void *view, struct ui_state *ui, const struct mouse *m); /* may be NULL */
    /* Moves ui->cursor to the next match behind it (wraps). False if there is none. May be NULL:
     * then the application searches addresses, names and permissions itself. */
    bool (*search)(void *view, struct ui_state *ui, const char *what, bool backwards);
    /* Text typed after `f`; "" clears. May be NULL. */
    void (*filter)(void *view, const char *what);
    /* A short status for the header's right end ("zoom 3/10"), or NULL. */
    const char *(*status)(void *view, const struct ui_state *ui, char *out, size_t cap);
};

extern const struct view_ops view_map, view_regions, view_page, view_faults, view_explain,
    view_picker, view_help, view_huge, view_backing, view_physical, view_kernel, view_family,
    view_sharing;

/* The state of a view; NULL when out of memory. Destroying NULL does nothing. */
void *view_create(const struct view_ops *ops);
void view_destroy(const struct view_ops *ops, void *view);

/* Searches forward (or backward) from ui->cursor for an address ("7f3a40000000", "0x..." ), a
 * permission pattern of four characters ("rwxp", '?' matches any), or a part of a region's name;
 * moves ui->cursor. False if there is no match. */
bool ui_search(struct ui_state *ui, const char *what, bool backwards);

#endif
