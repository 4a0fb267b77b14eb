/* Parts of the tracer: its threads, and the messages of its two sides. Private to step*.c. */
#ifndef VMSCOPE_PROBE_STEP_PARTS_H
#define VMSCOPE_PROBE_STEP_PARTS_H

#include "probe/engine_perf.h"
#include "probe/step.h"

/* What the other side says, one byte each. */
enum step_ask { ASK_GO = 'g', ASK_RUN = 'r', ASK_STEP = 's' };

enum { TRACEE_EVENTS = 4 };

/* A thread that is traced. */
struct tracee {
    pid_t tid, pid;   /* pid 0: not known yet */
    bool born;        /* its parent's stop told of it; the first one has none */
    bool started;     /* its own first stop was seen */
    bool stopped;     /* in a stop, ours to end */
    bool trapped;     /* in one that would kill it if we died: see step.h */
    bool listening;   /* stopped by job control: only SIGCONT ends that */
    bool inside;      /* between entry and exit of a system call */
    bool open;        /* known not to block SIGTRAP */
    bool lifted;      /* has it unblocked by us: see step_mask.c */
    bool deaf;        /* blocks it for now: armed without sigtrap, its ring announces itself */
    uint64_t mask;    /* its own, once it was lifted */
    uint64_t calm;    /* signals whose handlers are known to leave SIGTRAP open */
    int handled;      /* the signal whose handler it is stopped at the beginning of, or 0 */
    bool interrupted; /* a stop that we asked for is on its way */
    uint64_t look;    /* waits until its mappings were read: its turn; 0: does not */
    int signal;       /* to give it when it goes on */
    int64_t call;     /* system call it is in, where calls are stopped at; -1: none */
    int fd[TRACEE_EVENTS]; /* its events, -1 beyond the last */
    struct perf_id id[TRACEE_EVENTS];
    struct perf_layout layout;
    struct perf_ring ring; /* of all of them */
};

/* Events that wait to be told, by time. */
struct pending {
    struct event *v;
    size_t count, cap;
};

struct tracer {
    int link;
    struct step_options options;
    bool stopped;  /* the target stands still; the other side looks at it */
    bool by_stops; /* system calls are known by their stops: tracepoints are not permitted */
    uint64_t looks; /* turns given */
    struct perf_wish wish;
    uint8_t kinds[TRACEE_EVENTS]; /* of the events of each thread */
    unsigned kinds_n;
    char filter[1024];
    struct perf_calls *calls;
    struct tracee **v; /* owned */
    size_t count, cap;
    struct pending pending;
    struct step_state state;
};

/* The tracer's whole life, in its own process. */
_Noreturn void tracer_main(const struct step_options *options, int link);

/* Finds out which events are permitted on a thread of the target. */
void tracee_find_settings(struct tracer *t, pid_t tid);
/* Opens the events of a thread, anew after exec; what fails is counted in t->state. Of one that is
 * deaf they send no signal, the ring is large, and SIGIO comes before it is full. */
void tracee_arm(struct tracer *t, struct tracee *x);
void tracee_disarm(struct tracee *x);
/* Takes what its events have written into t->pending. */
void tracee_drain(struct tracer *t, struct tracee *x);
/* Whether it wrote anything that was not taken yet. */
bool tracee_has_news(const struct tracee *x);
/* True when a stop by SIGTRAP is one of ours; when one of ours, or of others, waits to be
 * delivered. */
bool tracee_is_trap(const struct tracee *x);
bool tracee_trap_waits(const struct tracee *x, bool ours);

/* Of a stopped thread that goes on in user mode now: unless it is marked as deaf by this, SIGTRAP
 * will stop it there. Of one that has stopped, whatever for: what it blocks is again its own. */
void tracee_user_mode(struct tracer *t, struct tracee *x);
void tracee_mask_back(struct tracee *x);
/* A thread of the process may have changed what its handlers block. */
void tracer_forget_handlers(const struct tracer *t, pid_t pid);
bool signal_stops(int signal); /* one of job control */

/* Adds by time. Without memory the event is counted as lost. */
void pending_add(struct tracer *t, const struct event *e);

/* Adds a call of this thread. */
void tracee_called(struct tracer *t, const struct tracee *x, struct event *e);

/* Deals with what threads did; true if there was something. */
bool tracer_collect(struct tracer *t);
/* Forgets a thread and frees what it has. */
void tracer_drop(struct tracer *t, struct tracee *x);
/* Lets all threads go, with no trace of us left in them. */
void tracer_detach(struct tracer *t);

/* Asks a thread to stop if it is running on a processor (one that sleeps in a system call stands
 * still, and some calls would end early); true if it was asked. */
bool tracee_interrupt(struct tracee *x);
/* The bits of SigPnd, ShdPnd and SigBlk of /proc/TID/status; 0 if it has gone. */
struct signal_sets {
    uint64_t pending, shared, blocked;
};
void tracee_signals(const struct tracee *x, struct signal_sets *out);

#endif
