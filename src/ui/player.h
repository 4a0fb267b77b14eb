/* The scenario player: the script, the picture of its processes and the explanation side by side,
 * step by step. A step is a note or an action, with the expectations behind it. What steps come to
 * is kept, so that earlier ones can be looked at again. Where steps come from, and how they run, is
 * the source's business: main wires it. Texts are valid UTF-8 that may be shown as they are. */
#ifndef VMSCOPE_UI_PLAYER_H
#define VMSCOPE_UI_PLAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/model.h"
#include "ui/ui.h"

enum { PLAYER_NAME_MAX = 32, PLAYER_TEXT_MAX = 400 };

/* What stands on a line of the script. */
enum player_kind {
    PLAYER_OTHER,  /* comments, blank lines, title, needs, repeat ... */
    PLAYER_NOTE,
    PLAYER_ACTION,
    PLAYER_TOUCH,  /* an action that touches pages: faults are to be expected */
    PLAYER_EXPECT
};
struct player_line {
    const char *text;
    uint8_t kind;
};

struct player_script {
    const char *file;           /* without its directories */
    const char *title, *about;  /* "" when there is none */
    struct player_line *lines;  /* lines[0] is line 1 */
    size_t count;
    size_t steps;               /* in all, what is repeated counted each time */
};

/* A named mapping of a process. */
struct player_mapping {
    char name[PLAYER_NAME_MAX];
    uint64_t start, bytes, page_size;
};

struct player_process {
    char name[PLAYER_NAME_MAX];
    bool ended;
    bool seen;            /* there is a picture: moment */
    struct moment moment;
    struct player_mapping *mappings; /* owned */
    size_t count;
};

struct player_fault {
    struct fault_entry entry;
    char *stack; /* owned: the kernel's functions, outermost first, separated by ';'; or NULL */
    char place[2 * PLAYER_NAME_MAX + 24]; /* "child:a[3]", "" outside of all named mappings */
};

enum player_verdict { PLAYER_HELD, PLAYER_FAILED, PLAYER_SKIPPED };
struct player_check {
    unsigned line;
    uint8_t verdict; /* enum player_verdict */
    char expected[PLAYER_TEXT_MAX], found[PLAYER_TEXT_MAX];
};

/* What a step came to. */
struct player_step {
    unsigned line, last_line; /* its note or action, and the last line that belongs to it */
    bool pause;               /* playing by itself stops here */
    const char *note;         /* the script's, or NULL */
    bool ran;                 /* an action: */
    bool ok, failed;          /* it succeeded; it did not, and nothing expects that */
    char result[PLAYER_TEXT_MAX]; /* "ok", "EINVAL (Invalid argument)", "SIGBUS BUS_ADRERR at a[3]" */
    char code[16];            /* "ok", "EINVAL", "SIGBUS": what a quiz asks for */
    bool counted;             /* it lived to tell */
    uint64_t minor, major;    /* faults that it was charged for, when counted */
    struct player_fault *faults;      /* owned */
    size_t fault_count;
    bool followed;            /* faults is all of them; else `why` no engine tells of them */
    char why[PLAYER_TEXT_MAX];
    struct player_check *checks;      /* owned */
    size_t check_count;
    struct player_process *processes; /* owned: after the step, in the order of their birth */
    size_t process_count;
};
void player_step_deinit(struct player_step *s);

/* A scenario to choose. */
struct player_choice {
    char *path, *name, *title; /* owned */
};
struct player_list {
    struct player_choice *v; /* owned */
    size_t count;
};
void player_list_deinit(struct player_list *l);

enum player_job {
    PLAYER_NO_JOB,
    PLAYER_RESTART, /* begins the run anew */
    PLAYER_STEP     /* does what comes next */
};

struct player_source {
    void *ctx;
    /* What is played, or NULL before `open`. Borrowed until `open` or `reload`. */
    const struct player_script *(*script)(void *ctx);
    /* The line of the note or action that comes next, when nothing is being done; 0: none, the
     * end. */
    unsigned (*next)(void *ctx);
    /* Begins a job; only one at a time. It is over when `fd` is readable, and then `take` is true
     * once: *rc is 0, or a negative errno with *e set, and the run cannot go on; *out is the step's
     * (now the caller's). */
    void (*begin)(void *ctx, enum player_job job);
    int (*fd)(void *ctx);
    bool (*take)(void *ctx, struct player_step *out, int *rc, struct err *e);
    /* Reads the file again and ends the run. On failure the script and its run stay as they are;
     * *message is what is wrong, in lines. Not while something is being done; nor are those
     * below. */
    int (*reload)(void *ctx, struct buf *message);
    /* The viewer's editor on the file, at a line. The terminal is free. */
    int (*edit)(void *ctx, unsigned line, struct err *e);
    /* All scenarios that are shipped; and the choice of one. */
    int (*list)(void *ctx, struct player_list *out, struct err *e);
    int (*open)(void *ctx, const char *path, struct buf *message);
};

/* As ui_run and ui_headless (ui.h). Where the source has a script, it is played, else the viewer
 * chooses one. */
int player_run(const struct ui_options *options, struct player_source *source, struct err *e);
int player_headless(const struct ui_options *options, struct player_source *source, unsigned cols,
                    unsigned rows, const char *keys, struct buf *out, struct err *e);

#endif
