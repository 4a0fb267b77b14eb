/* Stepping: a program runs under ptrace and stops after every page fault and every mm system call.
 *
 * A process of its own is the tracer. A fault stops a thread by a SIGTRAP that is never delivered,
 * but would be, and would kill it, if its tracer died just then. So the tracer is no part of
 * vmscope: when that ends, however it does, the tracer notices, lets everything go on, and ends. */
#ifndef VMSCOPE_PROBE_STEP_H
#define VMSCOPE_PROBE_STEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "model/event.h"
#include "model/record.h"

struct step_options {
    pid_t pid;   /* a held child (spawn.h): stepping begins with its exec */
    bool follow; /* into child processes */
    bool run;    /* go on by itself after each event but exec */
};

/* How it can be stepped here, and what came of it. */
struct step_state {
    uint64_t events, faults, lost; /* so far */
    bool calls_only;  /* faults cannot be had: it stops at the calls */
    char blind[160];  /* what is not seen; "" if nothing */
    char why[400];    /* why not; "" if nothing */
};

enum step_kind {
    STEP_NOTHING,
    STEP_EVENTS,  /* what happened, in order */
    STEP_STOPPED, /* the target stands still and waits for step_go: in the middle of what was told */
    STEP_STATE,
    STEP_ENDED,   /* nothing is left to step */
    STEP_FAILED,  /* it cannot be: state.why */
};

enum { STEP_BATCH = 64 };

struct step_message {
    uint32_t kind; /* enum step_kind */
    uint32_t count;
    union {
        struct event events[STEP_BATCH];
        struct step_state state;
    };
};

struct step;

/* Starts the tracer, which waits for the child's exec. 0, or a negative errno with *e set. */
int step_start(const struct step_options *options, struct step **out, struct err *e);

int step_fd(const struct step *s); /* readable when step_next has something */

/* The next message, without waiting: its kind, or a negative errno when the tracer is gone. */
int step_next(struct step *s, struct step_message *out);

/* After STEP_STOPPED: goes on to the next event. While going on by itself only exec stops. */
void step_go(struct step *s);
/* Goes on by itself from now on, or no longer does. Does not replace step_go. */
void step_set_run(struct step *s, bool run);

/* As the engine that follows faults. */
void step_describe(const struct step_state *state, struct engine_state *out);

/* Lets the program go on alone, and frees everything. NULL is fine. */
void step_detach(struct step *s);

#endif
