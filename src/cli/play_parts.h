/* The parts of vmscope play: play.c is the source of the player, play_worker.c the thread in which
 * the scenario runs, play_step.c copies what a step came to, play_script.c the script, play_list.c
 * finds the scenarios that are shipped. */
#ifndef VMSCOPE_CLI_PLAY_PARTS_H
#define VMSCOPE_CLI_PLAY_PARTS_H

#include <pthread.h>

#include "cli/observe.h"
#include "cli/options.h"
#include "ui/player.h"

enum { PLAY_PATH_MAX = 4096 };

enum play_job {
    PLAY_IDLE,
    PLAY_BEGIN, /* ends the run and begins another one */
    PLAY_STEP,
    PLAY_END,   /* ends the run */
    PLAY_QUIT   /* the same, and the thread ends */
};

struct play_worker {
    pthread_t thread;
    pthread_mutex_t lock;     /* for what follows */
    pthread_cond_t changed;
    enum play_job job;        /* being done */
    bool done;                /* what came of it was not taken yet: */
    struct player_step step;
    struct err error;
    int rc;
    unsigned next;            /* the line of what comes next; 0: nothing */
    int fd;                   /* readable when done */
    int stop_fd;              /* written to: what is being done is given up */
};

struct play {
    const struct options *options;
    char *path;                 /* owned; of the script */
    struct script *script;      /* owned; NULL: none */
    struct player_script shown; /* of it */
    struct buf text;            /* behind shown.lines */
    char **names;               /* of mappings: in the script's statements; owned array */
    size_t name_count;
    struct play_worker worker;
    struct observe *watch;      /* these two belong to the worker */
    struct run *run;            /* NULL: it could not begin */
};

/* What the worker does. 0 or a negative errno with *e set. */
int play_run(struct play *p, enum play_job job, struct player_step *step, struct err *e);
/* The line of what comes next; 0: nothing does. */
unsigned play_next_line(const struct play *p);

/* 0 or a negative errno. */
int play_worker_init(struct play *p);
/* Begins to do it; nothing else is being done. */
void play_worker_begin(struct play *p, enum play_job job);
/* What came of it, once. */
bool play_worker_take(struct play *p, struct player_step *out, int *rc, struct err *e);
/* Gives up what is being done, does it, and waits for its end. 0 or a negative errno with *e
 * set. */
int play_worker_do(struct play *p, enum play_job job, struct err *e);
/* As play_next_line was when the last job was done. */
unsigned play_worker_next(struct play *p);
/* Ends the run: its error if it could not be put back. */
int play_worker_deinit(struct play *p, struct err *e);

/* Fills shown and names from script. 0 or -ENOMEM. */
int play_script_init(struct play *p);
void play_script_deinit(struct play *p);
/* A note or an action. */
bool play_is_step(const struct statement *st);

/* What an action came to. 0 or -ENOMEM. */
int play_add_outcome(struct play *p, struct player_step *out, const struct statement *st,
                     const struct outcome *done);
/* A statement behind it, an expectation or not. 0 or -ENOMEM. */
int play_add_check(struct player_step *out, const struct statement *st,
                   const struct outcome *done);
/* Pictures of all processes, and with them the places of the faults. 0 or a negative errno with *e
 * set. */
int play_add_processes(struct play *p, struct player_step *out, struct err *e);

/* player_source.list */
int play_list(void *ctx, struct player_list *out, struct err *e);
/* The file of a shipped scenario, named with or without its ending. */
bool play_find(const char *name, char *path, size_t cap);

#endif
