/* Letting go. A SIGTRAP of ours that is on its way to a thread would kill it once it is not traced:
 * so the events end first, then each thread that runs is stopped, and what waits for it of ours is
 * taken away. A thread that sleeps in a system call has none coming: it is left to sleep, and the
 * end of the tracer's process lets it go. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "probe/step_parts.h"

enum { PATIENCE_MS = 200, NS_PER_MS = 1000000, SIGNALS_MAX = 64 };

static bool may_have_trap(const struct tracee *x)
{
    struct signal_sets sets;
    tracee_signals(x, &sets);
    return sets.pending & UINT64_C(1) << (SIGTRAP - 1);
}

static void rest_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

/* Waits for the next stop of a thread; false when it did not come, or the thread has ended. */
static bool next_stop(const struct tracee *x)
{
    uint64_t until = io_now_ns() + PATIENCE_MS * (uint64_t)NS_PER_MS;
    int status;
    pid_t got;
    while (!(got = waitpid(x->tid, &status, __WALL | WNOHANG)) && io_now_ns() < until)
        rest_a_little();
    return got == x->tid && WIFSTOPPED(status);
}

/* The signal that a stopped thread was about to take goes with it; ours that waits is taken from it
 * by letting it be delivered, to us. */
static void take_trap(struct tracee *x)
{
    uint64_t mask = 0, open;
    siginfo_t info;
    bool has_info = x->signal && !ptrace(PTRACE_GETSIGINFO, x->tid, NULL, &info);
    if (ptrace(PTRACE_GETSIGMASK, x->tid, sizeof mask, &mask))
        return;
    open = mask & ~(UINT64_C(1) << (SIGTRAP - 1));
    ptrace(PTRACE_SETSIGMASK, x->tid, sizeof open, &open);
    bool stopped = !ptrace(PTRACE_CONT, x->tid, NULL, 0) && next_stop(x);
    if (!stopped)
        return;
    ptrace(PTRACE_SETSIGMASK, x->tid, sizeof mask, &mask);
    if (has_info)
        ptrace(PTRACE_SETSIGINFO, x->tid, NULL, &info);
}

static void let_go(struct tracer *t, struct tracee *x)
{
    if (may_have_trap(x) && tracee_trap_waits(x, true))
        take_trap(x);
    ptrace(PTRACE_DETACH, x->tid, NULL, x->signal);
    tracer_drop(t, x);
}

/* True when it has to stop before we may leave. */
static bool must_stop(struct tracee *x)
{
    if (x->listening)
        return false;
    if (tracee_interrupt(x))
        return true;
    if (!x->interrupted && (x->lifted || may_have_trap(x)))
        x->interrupted = !ptrace(PTRACE_INTERRUPT, x->tid, NULL, NULL);
    return x->interrupted;
}

void tracer_detach(struct tracer *t)
{
    uint64_t until = io_now_ns() + PATIENCE_MS * (uint64_t)NS_PER_MS;
    bool waiting;
    t->stopped = true;
    t->kinds_n = 0; /* no new events from now on */
    for (size_t i = 0; i < t->count; i++)
        tracee_disarm(t->v[i]);
    do {
        waiting = false;
        while (tracer_collect(t))
            continue;
        for (size_t i = t->count; i-- > 0;) {
            struct tracee *x = t->v[i];
            if (x->stopped)
                let_go(t, x);
            else
                waiting |= must_stop(x);
        }
        if (waiting)
            rest_a_little();
    } while (waiting && io_now_ns() < until);
}
