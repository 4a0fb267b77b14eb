/* Where a screen's records come from: a sampler in its thread, or one that samples when asked. */
#ifndef VMSCOPE_CLI_SOURCE_H
#define VMSCOPE_CLI_SOURCE_H

#include "cli/options.h"
#include "sampler/family.h"
#include "sampler/follow.h"
#include "sampler/physmem_watch.h"
#include "sampler/lookup.h"
#include "sampler/stepping.h"
#include "sampler/watch.h"
#include "ui/source.h"

/* Live: watches o->pid (0: nothing until someone attaches). */
struct live_source {
    const struct options *options;
    struct queue *queue; /* of the watched process; NULL while there is none */
    struct watch *watch;
    struct physmem_watch *machine; /* once somebody looked; else NULL */
    struct follow *follow; /* with --engine, or once it was asked for; else NULL */
    pid_t pid;
    struct stepping *stepping; /* vmscope step, until it is left; then watch is NULL */
    struct lookup *lookup; /* once it was asked; else NULL */
    bool late; /* headless: an answer did not come in time, and none is waited for any more */
    bool begun; /* a command that was held has been let go */
    struct ui_source ui;
};
/* 0, or a negative errno with *e set. */
int live_source_init(struct live_source *s, const struct options *o, struct err *e);
/* Waits until the engine, if one was asked for, misses nothing of a command that is let go now. */
void live_source_ready(struct live_source *s);
/* The command that was held has been let go. */
void live_source_begun(struct live_source *s);
void live_source_deinit(struct live_source *s);

/* Headless: samples on demand, completely, in this thread. Faults, where they are followed, come in
 * the time of one refresh between two samples. */
struct step_source {
    const struct options *options;
    struct sampler *sampler;
    struct family_sampler *family; /* once it was asked for; else NULL */
    pid_t pid;
    struct physmem_sampler *machine; /* once somebody looked; else NULL */
    bool look_machine;        /* at the next step */
    struct queue *events;     /* where faults are followed, as follow and lookup; else NULL */
    struct follow *follow;
    struct lookup *lookup;
    bool sampled;             /* this process, once at least */
    bool late;                /* as in live_source */
    struct record **queue; /* owned ring-less queue */
    size_t head, count, cap;
    struct ui_source ui;
};
/* 0, or a negative errno with *e set. */
int step_source_init(struct step_source *s, const struct options *o, struct err *e);
void step_source_deinit(struct step_source *s);

/* What a sampler is asked for by these options. */
struct sampler_options source_sampler_options(const struct options *o);

#endif
