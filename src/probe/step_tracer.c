/* The tracer: a loop over what its threads do (waitpid) and what the other side says (a socket,
 * which announces itself by SIGIO).
 *
 * Of each thread that stops the ring is read; other signals than our own SIGTRAP go on to it. While
 * the other side looks, all threads rest: those that run are interrupted, and what the others do
 * meanwhile is told next. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/audit.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "probe/descriptor.h"
#include "probe/step_parts.h"

enum { REST_MS = 20, IDLE_MS = 10, DELAY_MS = 20, ROUNDS = 64, NS_PER_MS = 1000000,
       LINK_BYTES = 4 << 20 };

void pending_add(struct tracer *t, const struct event *e)
{
    struct pending *p = &t->pending;
    void *v = p->v;
    int rc = array_reserve(&v, &p->cap, p->count + 1, sizeof *p->v);
    p->v = v;
    if (rc) {
        t->state.lost++;
        return;
    }
    size_t i = p->count++;
    for (; i && p->v[i - 1].t_ns > e->t_ns; i--)
        p->v[i] = p->v[i - 1];
    p->v[i] = *e;
    t->state.events++;
    t->state.faults += e->type == EVENT_FAULT;
}

void tracee_called(struct tracer *t, const struct tracee *x, struct event *e)
{
    if (x->stopped)
        descriptor_of_call(x->tid, e);
    pending_add(t, e);
}

static void say(const struct tracer *t, const void *message, size_t size)
{
    while (send(t->link, message, size, MSG_NOSIGNAL) < 0 && errno == EINTR)
        continue; /* that nobody listens any more, the next receiving tells */
}

static void tell(const struct tracer *t, enum step_kind kind)
{
    struct step_message m = {.kind = kind};
    bool state = kind == STEP_STATE || kind == STEP_FAILED;
    size_t size = state ? sizeof m : offsetof(struct step_message, events);
    if (state)
        m.state = t->state;
    say(t, &m, size);
}

static void tell_pending(struct tracer *t)
{
    struct pending *p = &t->pending;
    struct step_message m = {.kind = STEP_EVENTS};
    for (size_t at = 0; at < p->count; at += m.count) {
        m.count = (uint32_t)(p->count - at < STEP_BATCH ? p->count - at : STEP_BATCH);
        memcpy(m.events, p->v + at, m.count * sizeof *p->v);
        say(t, &m, offsetof(struct step_message, events) + m.count * sizeof *p->v);
    }
    p->count = 0;
}

/* --- threads --- */

static struct tracee *find(const struct tracer *t, pid_t tid)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->v[i]->tid == tid)
            return t->v[i];
    return NULL;
}

static struct tracee *add(struct tracer *t, pid_t tid)
{
    void *v = t->v;
    struct tracee *x = calloc(1, sizeof *x);
    if (!x || array_reserve(&v, &t->cap, t->count + 1, sizeof *t->v)) {
        free(x);
        return NULL;
    }
    t->v = v;
    x->tid = tid;
    x->call = -1;
    memset(x->fd, -1, sizeof x->fd);
    t->v[t->count++] = x;
    return x;
}

void tracer_drop(struct tracer *t, struct tracee *x)
{
    size_t i = 0;
    while (i < t->count && t->v[i] != x)
        i++;
    if (i < t->count)
        t->v[i] = t->v[--t->count];
    tracee_disarm(x);
    free(x);
}

static void resume(struct tracer *t, struct tracee *x)
{
    if (!x->inside)
        tracee_user_mode(t, x);
    int signal = x->signal;
    x->stopped = x->trapped = false;
    x->signal = 0;
    x->look = 0;
    /* A thread that was killed meanwhile cannot go on: its end is told by waitpid. */
    ptrace(PTRACE_SYSCALL, x->tid, NULL, signal);
}

static void emit(struct tracer *t, const struct tracee *x, struct event e)
{
    e.t_ns = io_now_ns();
    e.pid = x->pid;
    e.tid = x->tid;
    pending_add(t, &e);
}

/* The process of a thread, 0 if it has gone. */
static pid_t process_of(pid_t tid)
{
    char path[32];
    struct buf b = {0};
    uint64_t pid = 0;
    snprintf(path, sizeof path, "/proc/%d/status", tid);
    if (!io_read_at(AT_FDCWD, path, &b))
        text_field(b.data, b.len, "Tgid:", &pid);
    buf_deinit(&b);
    return (pid_t)pid;
}

static void begin(struct tracer *t, struct tracee *x)
{
    x->pid = process_of(x->tid);
    tracee_arm(t, x);
}

/* A thread or process was created by x; its own first stop comes before or after this. */
static void on_birth(struct tracer *t, const struct tracee *x)
{
    unsigned long tid = 0;
    ptrace(PTRACE_GETEVENTMSG, x->tid, NULL, &tid);
    struct tracee *child = find(t, (pid_t)tid);
    if (!child)
        child = add(t, (pid_t)tid);
    if (!child)
        return;
    child->born = true;
    begin(t, child);
    struct event e = {.type = EVENT_FORK,
                      .fork = {child->pid ? child->pid : child->tid, child->tid}};
    emit(t, x, e);
    if (child->started && !t->stopped)
        resume(t, child);
}

static void read_comm(pid_t pid, char out[16])
{
    char path[32];
    struct buf b = {0};
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    if (!io_read_at(AT_FDCWD, path, &b))
        snprintf(out, 16, "%.*s", (int)strcspn(b.data, "\n"), b.data);
    buf_deinit(&b);
}

/* The thread that called exec goes on under the number of its process; the others are gone. */
static struct tracee *on_exec(struct tracer *t, struct tracee *x)
{
    unsigned long former = 0;
    pid_t tid = x->tid;
    ptrace(PTRACE_GETEVENTMSG, tid, NULL, &former);
    struct tracee *caller = find(t, (pid_t)former);
    if (caller && caller != x) {
        tracee_drain(t, caller);
        tracer_drop(t, caller);
    }
    tracee_drain(t, x);
    for (size_t i = t->count; i-- > 0;)
        if (t->v[i] != x && t->v[i]->pid == tid)
            tracer_drop(t, t->v[i]);
    x->pid = tid;
    x->inside = true;
    x->calm = 0;
    struct event e = {.type = EVENT_EXEC};
    read_comm(tid, e.exec.comm);
    emit(t, x, e);
    tracee_arm(t, x);
    return x;
}

static void on_end(struct tracer *t, struct tracee *x)
{
    tracee_drain(t, x);
    if (x->pid)
        emit(t, x, (struct event){.type = EVENT_EXIT});
    tracer_drop(t, x);
}

/* Stopped by job control, by our wish, or newly born. */
static void on_stop(struct tracee *x, int signal)
{
    x->listening = signal_stops(signal);
    x->inside = false;
    if (x->listening) {
        x->stopped = false;
        ptrace(PTRACE_LISTEN, x->tid, NULL, NULL);
    } else {
        x->interrupted = false;
        x->started = true;
    }
}

/* The thread enters or leaves a system call. Where tracepoints are permitted, they tell which. */
static void on_call(struct tracer *t, struct tracee *x)
{
    struct __ptrace_syscall_info info;
    struct perf_seen seen = {.t_ns = io_now_ns()};
    struct event e;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, x->tid, sizeof info, &info) <= 0)
        return;
    x->inside = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (x->inside && (info.arch == AUDIT_ARCH_I386 || info.entry.nr == SYS_rt_sigaction))
        tracer_forget_handlers(t, x->pid);
    if (!t->by_stops)
        return;
    seen.call.pid = x->pid;
    seen.call.tid = x->tid;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        seen.what = PERF_IS_ENTER;
        seen.call.number = x->call = (int64_t)info.entry.nr;
        seen.call.compat = info.arch == AUDIT_ARCH_I386;
        memcpy(seen.call.args, info.entry.args, sizeof seen.call.args);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && x->call >= 0) {
        seen.what = PERF_IS_LEAVE;
        seen.call.number = x->call;
        seen.call.result = info.exit.rval;
        x->call = -1;
    } else {
        return;
    }
    if (perf_calls_fold(t->calls, &seen, &e))
        tracee_called(t, x, &e);
}

static void on_signal(struct tracee *x, int signal)
{
    x->trapped = signal == SIGTRAP && tracee_is_trap(x);
    x->signal = x->trapped ? 0 : signal;
}

static bool is_stop(const struct event *e)
{
    return e->type == EVENT_FAULT || e->type == EVENT_CALL || e->type == EVENT_EXEC;
}

static bool has_stop(const struct tracer *t)
{
    for (size_t i = 0; i < t->pending.count; i++)
        if (is_stop(&t->pending.v[i]))
            return true;
    return false;
}

/* Whether a thread that has stopped waits. */
static bool waits(const struct tracer *t, const struct tracee *x)
{
    return !x->born || !x->started || x->look || t->stopped || (!t->options.run && has_stop(t));
}

/* After these the other side reads the mappings: they tell it less than it must know. */
static bool wants_look(const struct event *e)
{
    return e->type == EVENT_EXEC ||
           (e->type == EVENT_CALL && e->call.call == CALL_MMAP && e->call.has_args &&
            (int32_t)e->call.args[4] >= 0 && (e->call.result >= 0 || e->call.result < -4095));
}

static unsigned looks(const struct pending *p, pid_t tid)
{
    unsigned n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += (!tid || p->v[i].tid == tid) && wants_look(&p->v[i]);
    return n;
}

static void handle(struct tracer *t, pid_t tid, int status)
{
    struct tracee *x = find(t, tid);
    if (!x && WIFSTOPPED(status))
        x = add(t, tid);
    if (!x)
        return;
    if (!WIFSTOPPED(status)) {
        on_end(t, x);
        return;
    }
    int signal = WSTOPSIG(status), event = status >> 16;
    x->stopped = true;
    x->listening = false;
    x->open &= !event && !(signal & 0x80);
    tracee_mask_back(x);
    if (event == PTRACE_EVENT_STOP)
        on_stop(x, signal);
    else if (event == PTRACE_EVENT_EXEC)
        x = on_exec(t, x);
    else if (event)
        on_birth(t, x);
    else if (signal == (SIGTRAP | 0x80))
        on_call(t, x);
    else
        on_signal(x, signal);
    tracee_drain(t, x);
    if (t->options.run && x->stopped && looks(&t->pending, x->tid))
        x->look = ++t->looks;
    if (x->stopped && !waits(t, x))
        resume(t, x);
}

bool tracer_collect(struct tracer *t)
{
    int status;
    pid_t tid;
    bool any = false;
    while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
        handle(t, tid, status);
        any = true;
    }
    return any;
}

/* --- standing still --- */

/* Until a thread does something, or time has passed. */
static void wait_signal(unsigned ms)
{
    sigset_t set;
    struct timespec timeout = {.tv_nsec = (long)ms * NS_PER_MS};
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigtimedwait(&set, NULL, &timeout);
}

/* From the delivery of our SIGTRAP into a stop that nothing comes of if we die in it. */
static void make_safe(struct tracee *x)
{
    if (ptrace(PTRACE_INTERRUPT, x->tid, NULL, NULL) || ptrace(PTRACE_CONT, x->tid, NULL, 0))
        return;
    x->interrupted = true;
    x->stopped = x->trapped = false;
}

static bool all_rest(struct tracer *t)
{
    bool rest = true;
    for (size_t i = 0; i < t->count; i++) {
        struct tracee *x = t->v[i];
        if (x->trapped)
            make_safe(x);
        if (!x->stopped && !x->listening && (x->interrupted || tracee_interrupt(x)))
            rest = false;
    }
    return rest;
}

/* A thread that went to sleep just when it was asked to stop does so later: not waited for. */
static void come_to_rest(struct tracer *t)
{
    uint64_t until = io_now_ns() + REST_MS * NS_PER_MS;
    t->stopped = true;
    while (!all_rest(t) && io_now_ns() < until)
        if (!tracer_collect(t))
            wait_signal(1);
}

static void release(struct tracer *t)
{
    t->stopped = false;
    for (size_t i = 0; i < t->count; i++) {
        struct tracee *x = t->v[i];
        if (x->stopped && x->born && x->started)
            resume(t, x);
    }
}

static void release_next(struct tracer *t)
{
    struct tracee *first = NULL;
    for (size_t i = 0; i < t->count; i++)
        if (t->v[i]->look && t->v[i]->stopped && (!first || t->v[i]->look < first->look))
            first = t->v[i];
    if (first)
        resume(t, first);
}

/* What other threads have written is told in its place in time. */
static void drain_all(struct tracer *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (tracee_has_news(t->v[i]))
            tracee_drain(t, t->v[i]);
}

/* Tells what waits, in run mode only if it is much or if all is asked for. */
static void deliver(struct tracer *t, bool all)
{
    bool run = t->options.run;
    if (!t->pending.count || (!run && t->stopped))
        return;
    unsigned stops = run ? looks(&t->pending, 0) : has_stop(t);
    if (run && !stops && !all && t->pending.count < STEP_BATCH &&
        io_now_ns() - t->pending.v[0].t_ns < DELAY_MS * NS_PER_MS)
        return; /* they are told together */
    if (stops && !run)
        come_to_rest(t);
    if (t->count > 1)
        drain_all(t);
    tell_pending(t);
    if (stops)
        tell(t, STEP_STATE);
    while (stops--)
        tell(t, STEP_STOPPED);
}

/* --- the other side --- */

static void go(struct tracer *t)
{
    if (t->options.run && !t->stopped) {
        release_next(t);
        return;
    }
    t->stopped = false;
    if (!t->options.run && has_stop(t))
        deliver(t, true); /* others did something while this was looked at */
    else
        release(t);
}

/* False when nobody is there any more. */
static bool obey(struct tracer *t)
{
    char command;
    ssize_t n;
    while ((n = recv(t->link, &command, 1, MSG_DONTWAIT)) > 0) {
        if (command == ASK_GO)
            go(t);
        else
            t->options.run = command == ASK_RUN;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Deaf threads do not stop by themselves: they are asked to, when they have done something. */
static void look_for_deaf(struct tracer *t)
{
    for (size_t i = 0; i < t->count; i++) {
        struct tracee *x = t->v[i];
        if (x->stopped || !x->deaf || !tracee_has_news(x))
            continue;
        tracee_drain(t, x);
        tracee_interrupt(x);
    }
}

static int attach(struct tracer *t)
{
    long what = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE;
    if (t->options.follow)
        what |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    struct tracee *x = add(t, t->options.pid);
    t->calls = perf_calls_create();
    if (!x || !t->calls)
        return -ENOMEM;
    x->born = x->started = true;
    x->pid = x->tid;
    if (ptrace(PTRACE_SEIZE, x->tid, NULL, what))
        return -errno;
    tracee_find_settings(t, x->tid);
    /* It goes on by PTRACE_SYSCALL, and stops at its execve. */
    x->interrupted = !ptrace(PTRACE_INTERRUPT, x->tid, NULL, NULL);
    return 0;
}

/* A signal that comes just before waitpid does not end it: the next tick does. waitpid, and not a
 * wait for SIGCHLD, because a stopping thread hands its processor over to who waits so. */
static void run(struct tracer *t)
{
    bool there = true;
    for (unsigned round = 1; t->count && there; round++) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0 && errno != EINTR)
            break;
        if (tid > 0)
            handle(t, tid, status);
        deliver(t, tid < 0);
        if (tid > 0 && round % ROUNDS)
            continue;
        there = obey(t);
        if (!t->stopped)
            look_for_deaf(t);
    }
    deliver(t, true);
}

static void on_wake(int signal)
{
    (void)signal;
}

/* SIGIO when the other side says something, SIGALRM now and then; all others are blocked. */
static void wake_by_signals(void)
{
    const struct sigaction wake = {.sa_handler = on_wake};
    const struct itimerval tick = {{0, IDLE_MS * 1000}, {0, IDLE_MS * 1000}};
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGIO);
    sigaddset(&some, SIGALRM);
    sigaction(SIGIO, &wake, NULL);
    sigaction(SIGALRM, &wake, NULL);
    sigprocmask(SIG_UNBLOCK, &some, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
}

/* A process with nothing of its parent's but the link. */
static void settle_in(int link)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGCHLD, SIG_DFL); /* or stops would not be announced */
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3 && null >= 0; i++)
        dup2(null, i);
    if (link != 3)
        dup2(link, 3);
    close_range(4, ~0u, 0);
    setsid();
    prctl(PR_SET_NAME, "vmscope-step");
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int room = LINK_BYTES; /* the kernel gives less to who is not root */
    if (setsockopt(3, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room))
        setsockopt(3, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    fcntl(3, F_SETOWN, getpid());
    fcntl(3, F_SETFL, O_RDWR | O_ASYNC);
}

_Noreturn void tracer_main(const struct step_options *options, int link)
{
    struct tracer t = {.link = 3, .options = *options};
    settle_in(link);
    int rc = attach(&t);
    if (rc) {
        snprintf(t.state.why, sizeof t.state.why, "%s", strerror(-rc));
        tell(&t, STEP_FAILED);
        _exit(1);
    }
    tell(&t, STEP_STATE);
    wake_by_signals();
    run(&t);
    tracer_detach(&t);
    tell(&t, STEP_STATE);
    tell(&t, STEP_ENDED);
    _exit(0);
}
