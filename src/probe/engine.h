/* Engines: ways to follow faults and mm calls of a process and its children as they happen. One
 * interface, three rungs: bpf, perf, poll. */
#ifndef VMSCOPE_PROBE_ENGINE_H
#define VMSCOPE_PROBE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "model/event.h"

struct engine; /* private to each */

struct engine_options {
    pid_t pid;
    bool follow;       /* children too, from their birth */
    bool family;       /* and the descendants that are there already, where the engine can */
    bool held;         /* the process rests before its first exec: heat begins with that */
    bool heat;         /* count faults by page instead of reporting each (bpf only) */
    bool kernel;       /* faults in kernel mode too, where permitted */
    bool evidence;     /* kernel call chains of what it did for a fault, where they can be had */
    bool calls_too;    /* with evidence: and of bringing pages in for calls */
    bool callers;      /* of the functions that fault: chains by frame pointers */
    bool rests;        /* the processes rest whenever events are drained: none is kept back */
    size_t ring_bytes; /* 0: the engine's default */
    struct engine *loaded; /* of engine_bpf_load, used up by the opening; or NULL */
};

struct engine_stats {
    uint64_t events; /* delivered */
    uint64_t faults; /* of them, faults */
    uint64_t lost;   /* events that the kernel or we could not keep; exact where the engine can */
    uint64_t heat_faults; /* faults only counted, while in heat mode */
    bool heat;       /* counting only, now */
    const char *blind; /* what it cannot see here, where that is not the rung's own; or NULL */
    bool no_calls;   /* mm calls are not seen */
    bool evidence;   /* samples are taken */
    const char *evidence_why; /* why not, if they were asked for; or NULL; valid while open */
    uint64_t samples, samples_lost;
    bool callers;    /* chains of callers are told */
    uint64_t callers_lost; /* chains without room, of faults that were told */
};

/* Takes `count` events in kernel order; they are the engine's. 0, or a negative errno that ends the
 * draining. */
typedef int engine_sink(void *ctx, const struct event *events, size_t count);

struct engine_ops {
    const char *name; /* "bpf", "perf", "poll" */
    const char *blind; /* what this rung cannot see, one clause; "" if nothing */
    bool family;       /* takes descendants that are there already */
    uint64_t settle_ns; /* an event is delivered when it is so old; 0: as soon as it is there */
    /* Starts following. 0, or a negative errno with *e set to the reason why this rung cannot be
     * had here. Must be safe to give up by close at any moment; when the process dies nothing of
     * it stays in the kernel. */
    int (*open)(const struct engine_options *options, struct engine **out, struct err *e);
    void (*close)(struct engine *engine); /* NULL is fine */
    /* Whether privileges, kernel and libraries seem to allow it for this process. Takes less than a
     * millisecond, follows nothing and leaves nothing behind. */
    bool (*permitted)(pid_t pid);
    int (*fd)(const struct engine *engine); /* becomes readable when events wait; -1: poll by time */
    /* Delivers what waits. Never blocks and never reads the target's /proc (poll rung excepted). */
    int (*drain)(struct engine *engine, engine_sink *sink, void *ctx);
    /* Delivers what drain keeps back for a while: once, before close. NULL: nothing. */
    int (*rest)(struct engine *engine, engine_sink *sink, void *ctx);
    void (*stats)(const struct engine *engine, struct engine_stats *out);
    /* The kernel's call chain with this number, from 1 on without gaps, as struct record has it;
     * NULL if there is none (yet). Borrowed while open. The member is NULL where samples are never
     * taken. */
    const char *(*stack)(const struct engine *engine, uint32_t number);
};

extern const struct engine_ops engine_bpf, engine_perf, engine_poll;

/* The first rung that opens (or the named one: "bpf", "perf", "poll"; NULL or "auto": any). The
 * reasons why higher rungs were not taken are appended to `why`, one sentence each, cut at cap.
 * 0, or a negative errno with *e set. */
int engine_open(const char *name, const struct engine_options *options,
                const struct engine_ops **ops, struct engine **out, char *why, size_t cap,
                struct err *e);

/* The name of the best rung that seems to be permitted. */
const char *engine_permitted(pid_t pid);

#endif
