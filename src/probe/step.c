/* Our side of stepping: it starts the tracer's process and talks with it over a socket. */
#include "probe/step.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "probe/step_parts.h"

enum { START_MS = 10000 };

struct step {
    int link;
    pid_t tracer;
    bool early; /* what the tracer said when it was ready is not told yet */
    struct step_message first;
};

static void reap(struct step *s)
{
    close(s->link);
    while (waitpid(s->tracer, NULL, 0) < 0 && errno == EINTR)
        continue;
    free(s);
}

/* What refused it, and what to do. */
static const char *remedy(void)
{
    struct buf b = {0};
    const char *path = "/proc/sys/kernel/yama/ptrace_scope";
    char scope = io_read_at(-1, path, &b) || !b.len ? 0 : b.data[0];
    buf_deinit(&b);
    if (scope == '2')
        return "kernel.yama.ptrace_scope is 2, so only root may trace: run as root, or sudo sysctl "
               "kernel.yama.ptrace_scope=1";
    if (scope == '3')
        return "kernel.yama.ptrace_scope is 3, so nobody may trace until the next boot";
    return "is vmscope or the program traced by another, or ptrace forbidden in this container?";
}

/* The tracer's first word: how it can step, or why it cannot. */
static int wait_ready(struct step *s, struct err *e)
{
    struct pollfd p = {.fd = s->link, .events = POLLIN};
    int n;
    while ((n = poll(&p, 1, START_MS)) < 0 && errno == EINTR)
        continue;
    int kind = n > 0 ? step_next(s, &s->first) : -ETIMEDOUT;
    if (kind == STEP_STATE) {
        s->early = true;
        return 0;
    }
    const char *why = kind == STEP_FAILED && s->first.state.why[0] ? s->first.state.why
                                                                   : "the tracer did not start";
    return err_set(e, kind < 0 ? kind : -EPERM,
                   "the program cannot be stepped: ptrace: %s; %s", why, remedy());
}

int step_start(const struct step_options *options, struct step **out, struct err *e)
{
    int pair[2];
    struct step *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, -ENOMEM, "out of memory");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        int rc = -errno;
        free(s);
        return err_set(e, rc, "cannot start the tracer: %s", strerror(-rc));
    }
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    s->link = pair[0];
    s->tracer = fork();
    if (s->tracer == 0) {
        close(pair[0]);
        tracer_main(options, pair[1]);
    }
    int rc = s->tracer < 0 ? -errno : 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close(pair[1]);
    if (rc) {
        close(s->link);
        free(s);
        return err_set(e, rc, "cannot start the tracer: %s", strerror(-rc));
    }
    rc = wait_ready(s, e);
    if (rc) {
        reap(s);
        return rc;
    }
    *out = s;
    return 0;
}

int step_fd(const struct step *s)
{
    return s->link;
}

int step_next(struct step *s, struct step_message *out)
{
    if (s->early) {
        s->early = false;
        *out = s->first;
        return (int)out->kind;
    }
    ssize_t n;
    while ((n = recv(s->link, out, sizeof *out, MSG_DONTWAIT)) < 0 && errno == EINTR)
        continue;
    if (n < 0)
        return errno == EAGAIN ? STEP_NOTHING : -errno;
    return n < (ssize_t)sizeof out->kind ? -EPIPE : (int)out->kind;
}

static void command(const struct step *s, enum step_ask what)
{
    char byte = (char)what;
    while (send(s->link, &byte, 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
        continue;
}

void step_go(struct step *s)
{
    command(s, ASK_GO);
}

void step_set_run(struct step *s, bool run)
{
    command(s, run ? ASK_RUN : ASK_STEP);
}

void step_describe(const struct step_state *state, struct engine_state *out)
{
    *out = (struct engine_state){
        .name = "step", .events = state->events, .faults = state->faults, .lost = state->lost};
    snprintf(out->blind, sizeof out->blind, "%s", state->blind);
    snprintf(out->why, sizeof out->why, "%s", state->why);
}

void step_detach(struct step *s)
{
    if (s)
        reap(s);
}
