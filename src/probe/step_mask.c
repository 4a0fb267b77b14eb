/* Stopping a thread that blocks SIGTRAP. The signal of an event would wait, and the thread would
 * run on, and find in sigpending or sigwait what it was never sent. So SIGTRAP is unblocked while
 * the thread runs in user mode, and only then: what it blocks is its own again at each stop, the
 * entry of a system call among them, before it can be asked for, changed, inherited or saved for a
 * handler. What others send it meanwhile stops it before delivery; given back its mask, the kernel
 * lets the signal wait as it would have. While that waits SIGTRAP stays blocked, or it would come
 * again and again. */
#include <signal.h>
#include <sys/ptrace.h>

#include "probe/step_parts.h"

static uint64_t bit_of(int signal)
{
    return UINT64_C(1) << (signal - 1);
}

bool signal_stops(int signal)
{
    return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

void tracee_mask_back(struct tracee *x)
{
    if (x->lifted)
        ptrace(PTRACE_SETSIGMASK, x->tid, sizeof x->mask, &x->mask);
    x->lifted = false;
}

/* In sigsuspend and the like the kernel keeps a mask to go back to: ptrace shows that one, /proc
 * the one in force, and to set it would end that. The signal that ended the call comes next. */
static bool is_between_masks(const struct signal_sets *sets, uint64_t mask)
{
    return sets->blocked != mask;
}

/* False if it must stay blocked. */
static bool lift(struct tracee *x)
{
    struct signal_sets sets;
    uint64_t mask;
    if (x->open || ptrace(PTRACE_GETSIGMASK, x->tid, sizeof mask, &mask))
        return true;
    x->open = !(mask & bit_of(SIGTRAP));
    if (x->open)
        return true;
    tracee_signals(x, &sets);
    if (is_between_masks(&sets, mask))
        return true;
    if ((sets.pending | sets.shared) & bit_of(SIGTRAP) && tracee_trap_waits(x, false))
        return false;
    x->mask = mask;
    mask &= ~bit_of(SIGTRAP);
    x->lifted = !ptrace(PTRACE_SETSIGMASK, x->tid, sizeof mask, &mask);
    return true;
}

/* A handler blocks signals of its own: it is stopped at its beginning, to see whether ours is one
 * of them. Once it is known that it is not, it goes on. */
static void prepare_handler(struct tracee *x)
{
    bool calm = x->open && x->calm & bit_of(x->signal);
    if (calm || signal_stops(x->signal))
        return;
    x->handled = x->open ? x->signal : 0;
    x->open = false;
    x->interrupted |= !ptrace(PTRACE_INTERRUPT, x->tid, NULL, NULL);
}

void tracee_user_mode(struct tracer *t, struct tracee *x)
{
    if (x->signal) {
        prepare_handler(x);
        return;
    }
    bool deaf = !lift(x);
    if (x->handled && x->open)
        x->calm |= bit_of(x->handled);
    x->handled = 0;
    if (deaf == x->deaf)
        return;
    tracee_drain(t, x);
    x->deaf = deaf;
    tracee_arm(t, x);
}

void tracer_forget_handlers(const struct tracer *t, pid_t pid)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->v[i]->pid == pid)
            t->v[i]->calm = 0;
}
