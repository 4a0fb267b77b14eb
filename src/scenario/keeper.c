#include "scenario/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "scenario/reexec.h"

#define KEEPER_NAME "vmscope-keeper"

enum { KEEPER_SOCKET = 3, UNDO_MAX = 512 };

/* What it says when all is done. */
struct report {
    int32_t error; /* the first failure, 0: none */
    uint32_t failed;
    struct undo first;
};

/* ---- inside ---- */

static void undo_all(const struct undo *v, size_t count, struct report *report)
{
    for (size_t i = count; i > 0; i--) {
        int rc = undo_one(&v[i - 1]);
        if (rc && !report->failed++) {
            report->error = rc;
            report->first = v[i - 1];
        }
    }
}

static void ignore_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (int i = 1; i <= SIGRTMAX; i++)
        sigaction(i, &ignore, NULL);
}

/* An empty message asks for the end; the end of the other side looks the same. */
static _Noreturn void keep(void)
{
    static struct undo v[UNDO_MAX];
    size_t count = 0;
    for (;;) {
        ssize_t n = recv(KEEPER_SOCKET, &v[count], sizeof v[count], 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != (ssize_t)sizeof v[count])
            break;
        char ok = count + 1 < UNDO_MAX;
        count += (size_t)ok;
        send(KEEPER_SOCKET, &ok, sizeof ok, MSG_NOSIGNAL);
    }
    struct report report = {0};
    undo_all(v, count, &report);
    send(KEEPER_SOCKET, &report, sizeof report, MSG_NOSIGNAL);
    _exit(0);
}

void keeper_main_if_asked(int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[0], KEEPER_NAME))
        return;
    setsid();
    ignore_signals();
    prctl(PR_SET_NAME, KEEPER_NAME);
    if (chdir("/"))
        _exit(1);
    char ready = 1;
    send(KEEPER_SOCKET, &ready, sizeof ready, MSG_NOSIGNAL);
    keep();
}

/* ---- outside ---- */

struct keeper {
    pid_t pid;
    int pidfd, socket;
    struct undo *told; /* to do it ourselves, should somebody kill the keeper */
    size_t count, cap;
};

static ssize_t hear(const struct keeper *k, void *out, size_t size)
{
    ssize_t n;
    do
        n = recv(k->socket, out, size, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

static int launch(struct keeper *k, int lock, struct err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        int rc = -errno;
        return err_set(e, rc, "cannot make a socket pair: %s", strerror(-rc));
    }
    k->socket = pair[0];
    struct reexec r = {
        .name = KEEPER_NAME, .argument = "", .fds = {pair[1], lock}, .fd_count = lock < 0 ? 1 : 2};
    int rc = reexec_start(&r, &k->pid, &k->pidfd, e);
    close(pair[1]);
    char ready;
    if (!rc && hear(k, &ready, sizeof ready) != sizeof ready)
        rc = err_set(e, -ECHILD,
                     "the process that would put the machine back did not start: may "
                     "this user execute vmscope again?");
    return rc;
}

static void forget(struct keeper *k)
{
    if (k->socket >= 0)
        close(k->socket);
    if (k->pidfd >= 0) {
        siginfo_t info;
        waitid(P_PIDFD, (id_t)k->pidfd, &info, WEXITED);
        close(k->pidfd);
    }
    free(k->told);
    free(k);
}

int keeper_start(int lock, struct keeper **out, struct err *e)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (!k)
        return err_set(e, -ENOMEM, "out of memory");
    k->socket = k->pidfd = -1;
    int rc = launch(k, lock, e);
    if (rc) {
        forget(k);
        return rc;
    }
    *out = k;
    return 0;
}

int keeper_tell(struct keeper *k, const struct undo *u, struct err *e)
{
    void *v = k->told;
    int rc = array_reserve(&v, &k->cap, k->count + 1, sizeof *u);
    k->told = v;
    if (rc)
        return err_set(e, rc, "out of memory");
    char ok = 0;
    if (send(k->socket, u, sizeof *u, MSG_NOSIGNAL) != (ssize_t)sizeof *u ||
        hear(k, &ok, sizeof ok) != sizeof ok)
        return err_set(e, -EPIPE,
                       "the process that would put the machine back is gone: who killed "
                       "it?");
    if (!ok)
        return err_set(e, -ENOSPC, "a scenario can make at most %d changes", UNDO_MAX - 1);
    k->told[k->count++] = *u;
    return 0;
}

static int complain(const struct report *r, struct err *e)
{
    return err_set(e, r->error, "the machine is not as it was: %s: %s%s", r->first.path,
                   strerror(-r->error), r->failed > 1 ? ", and more" : "");
}

int keeper_finish(struct keeper *k, struct err *e)
{
    if (!k)
        return 0;
    struct report report = {0};
    if (send(k->socket, "", 0, MSG_NOSIGNAL) < 0 ||
        hear(k, &report, sizeof report) != (ssize_t)sizeof report) {
        report = (struct report){0};
        undo_all(k->told, k->count, &report);
    }
    forget(k);
    return report.failed ? complain(&report, e) : 0;
}
