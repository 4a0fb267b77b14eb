/* Driving a stage: one request, one reply, with a time limit; its end is noticed by a pidfd, and
 * faults that are registered with userfaultfd are answered while we wait for the reply. */
#include "scenario/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "scenario/reexec.h"
#include "scenario/stage_uffd.h"
#include "scenario/stage_wire.h"

enum { KILL_SECONDS = 5 };

struct stage {
    pid_t pid;
    int pidfd, socket;
    int death;         /* while we hold this, the stages of this family live; -1 in a forked one */
    bool is_our_child; /* its status is ours to reap */
    bool reaped;
    int status;
    uint64_t limit_ns;
    int stop_fd;
    struct stage_layout layout;
    struct stage_uffds *uffds; /* of its whole family */
    const struct stage_op *op; /* that is waited for, or NULL */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

pid_t stage_pid(const struct stage *s)
{
    return s->pid;
}

const struct stage_layout *stage_layout(const struct stage *s)
{
    return &s->layout;
}

static struct stage *new_stage(uint64_t limit_ns, int stop_fd, struct stage_uffds *uffds)
{
    struct stage *s = uffds ? calloc(1, sizeof *s) : NULL;
    if (!s) {
        stage_uffds_destroy(uffds);
        return NULL;
    }
    *s = (struct stage){
        .pid = -1, .pidfd = -1, .socket = -1, .death = -1, .limit_ns = limit_ns,
        .stop_fd = stop_fd ? stop_fd : -1, .status = -1, .uffds = uffds};
    return s;
}

/* ---- the end of a stage ---- */

static int status_of(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return (info->si_status & 0xff) << 8;
    return info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

/* The exit code of a zombie of somebody else's: the last field of /proc/PID/stat; -1 when its
 * parent has taken it already, or when we may not know. */
static int status_of_zombie(pid_t pid)
{
    char path[32];
    struct buf b = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int status = -1;
    if (!io_read_at(AT_FDCWD, path, &b) && b.len) {
        const char *comm_end = strrchr(b.data, ')'), *last = strrchr(b.data, ' ');
        if (comm_end && comm_end[1] && comm_end[2] == 'Z' && last)
            status = atoi(last + 1);
    }
    buf_deinit(&b);
    return status;
}

/* After its end. */
static void reap(struct stage *s)
{
    if (s->reaped)
        return;
    siginfo_t info = {0};
    if (!s->is_our_child)
        s->status = status_of_zombie(s->pid);
    else if (!waitid(P_PIDFD, (id_t)s->pidfd, &info, WEXITED))
        s->status = status_of(&info);
    s->reaped = true;
}

int stage_wait_end(struct stage *s, int *status)
{
    if (!s->reaped && !reexec_ended(s->pidfd, io_now_ns() + s->limit_ns))
        return -ETIMEDOUT;
    reap(s);
    *status = s->status;
    return 0;
}

static void kill_stage(struct stage *s)
{
    if (s->reaped || s->pidfd < 0)
        return;
    syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
    if (reexec_ended(s->pidfd, io_now_ns() + KILL_SECONDS * UINT64_C(1000000000)))
        reap(s);
}

void stage_destroy(struct stage *s)
{
    if (!s)
        return;
    kill_stage(s);
    stage_uffds_destroy(s->uffds);
    close_fd(&s->socket);
    close_fd(&s->death);
    close_fd(&s->pidfd);
    free(s);
}

/* ---- messages ---- */

static int send_request(struct stage *s, const struct stage_request *request, int fd)
{
    struct iovec io = {(void *)(uintptr_t)request, sizeof *request};
    struct stage_control control = {0};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_len = CMSG_LEN(sizeof fd);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t n;
    do
        n = sendmsg(s->socket, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* Takes a message of exactly `size` bytes; beside it a userfaultfd may come. 0, or -EPIPE when the
 * other end is gone. */
static int take_message(struct stage *s, void *out, size_t size)
{
    struct iovec io = {out, size};
    struct stage_control control = {0};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n;
    do
        n = recvmsg(s->socket, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)size)
        return -EPIPE;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_RIGHTS) {
        int fd;
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
        stage_uffds_add(s->uffds, fd, s->op && s->op->what == STAGE_UFFD && s->op->args[3]);
    }
    return 0;
}

enum { WAIT_MESSAGE, WAIT_END, WAIT_STOP, WAIT_UFFDS };

/* Waits for a message or the end. 0; -EPIPE: it has ended; -ETIMEDOUT; -ECANCELED. */
static int wait_message(struct stage *s, uint64_t deadline_ns)
{
    struct pollfd p[WAIT_UFFDS + STAGE_UFFDS_MAX] = {
        [WAIT_MESSAGE] = {.fd = s->socket, .events = POLLIN},
        [WAIT_END] = {.fd = s->pidfd, .events = POLLIN},
        [WAIT_STOP] = {.fd = s->stop_fd, .events = POLLIN}};
    size_t count = WAIT_UFFDS + stage_uffds_poll(s->uffds, p + WAIT_UFFDS);
    unsigned together = s->op && s->op->what == STAGE_RACE ? 2 : 1;
    for (;;) {
        uint64_t now = io_now_ns();
        if (now >= deadline_ns)
            return -ETIMEDOUT;
        int n = poll(p, count, (int)((deadline_ns - now + 999999) / 1000000));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n <= 0)
            continue;
        if (p[WAIT_MESSAGE].revents & POLLIN)
            return 0;
        if (p[WAIT_MESSAGE].revents || p[WAIT_END].revents)
            return -EPIPE;
        if (p[WAIT_STOP].revents)
            return -ECANCELED;
        if (stage_uffds_answer(s->uffds, p + WAIT_UFFDS, together))
            syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
    }
}

static int receive(struct stage *s, void *out, size_t size)
{
    int rc = wait_message(s, io_now_ns() + s->limit_ns);
    return rc ? rc : take_message(s, out, size);
}

/* ---- the beginning ---- */

static int link_pair(int pair[2], struct err *e)
{
    if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return 0;
    int rc = -errno;
    return err_set(e, rc, "cannot make a socket pair: %s", strerror(-rc));
}

static int greet(struct stage *s, struct err *e)
{
    struct stage_hello hello;
    int rc = receive(s, &hello, sizeof hello);
    if (!rc) {
        s->pid = hello.pid;
        s->layout = hello.layout;
        return 0;
    }
    kill_stage(s);
    if (rc != -EPIPE)
        return err_set(e, rc, "a process for the scenario does not answer: %s", strerror(-rc));
    if (s->status >= 0 && WIFEXITED(s->status) && WEXITSTATUS(s->status) == 127)
        return err_set(e, -EACCES,
                       "cannot execute vmscope again as the process of a scenario: may "
                       "its user read and execute the program?");
    return err_set(e, -ENOTSUP,
                   "a process for the scenario ended while it began (status %#x): is "
                   "this machine one that scenarios know (x86-64)?",
                   (unsigned)s->status);
}

static int launch(struct stage *s, const struct stage_options *o, int socket, int death,
                  struct err *e)
{
    struct identity id = {0};
    int rc = o->keep_root ? 0 : identity_find(NULL, &id, e);
    if (rc)
        return rc;
    struct reexec r = {.name = STAGE_NAME,
                       .argument = o->thp ? "thp" : "no-thp",
                       .fds = {socket, death},
                       .fd_count = 2,
                       .identity = id.change ? &id : NULL};
    s->is_our_child = true;
    rc = reexec_start(&r, &s->pid, &s->pidfd, e);
    identity_deinit(&id);
    return rc;
}

static int start_with(struct stage *s, const struct stage_options *o, struct err *e)
{
    int pair[2], death[2];
    if (pipe2(death, O_CLOEXEC)) {
        int rc = -errno;
        return err_set(e, rc, "cannot make a pipe: %s", strerror(-rc));
    }
    s->death = death[1];
    int rc = link_pair(pair, e);
    if (!rc) {
        s->socket = pair[0];
        rc = launch(s, o, pair[1], death[0], e);
        close(pair[1]);
    }
    close(death[0]);
    return rc ? rc : greet(s, e);
}

int stage_start(const struct stage_options *o, struct stage **out, struct err *e)
{
    struct stage *s = new_stage(o->limit_ns, o->stop_fd, stage_uffds_create());
    if (!s)
        return err_set(e, -ENOMEM, "out of memory");
    int rc = start_with(s, o, e);
    if (rc) {
        stage_destroy(s);
        return rc;
    }
    *out = s;
    return 0;
}

/* ---- operations ---- */

static void take_reply(const struct stage_reply *reply, struct stage_result *out)
{
    *out = (struct stage_result){.value = reply->value,
                                 .error = reply->error,
                                 .signal = reply->signal,
                                 .code = reply->code,
                                 .address = reply->address,
                                 .minor = reply->minor,
                                 .major = reply->major,
                                 .begin_ns = reply->begin_ns,
                                 .end_ns = reply->end_ns,
                                 .tid = reply->tid};
}

/* A request and what came of it, the end of the stage included. */
static int exchange(struct stage *s, const struct stage_op *op, int fd, struct stage_result *out,
                    struct err *e)
{
    struct stage_request request = {.what = op->what};
    struct stage_reply reply;
    memcpy(request.args, op->args, sizeof request.args);
    int rc = s->reaped ? -EPIPE : send_request(s, &request, fd);
    s->op = op;
    if (!rc)
        rc = receive(s, &reply, sizeof reply);
    s->op = NULL;
    if (!rc) {
        take_reply(&reply, out);
        return 0;
    }
    if (rc == -ETIMEDOUT) {
        kill_stage(s);
        return err_set(e, rc,
                       "the statement did not end within %.3g seconds, and its process was "
                       "killed: what does it wait for?",
                       (double)s->limit_ns / 1e9);
    }
    if (rc == -ECANCELED) {
        kill_stage(s);
        return err_set(e, rc, "the statement was given up");
    }
    int status;
    if (rc != -EPIPE && rc != -ECONNRESET)
        return err_set(e, rc, "lost the process of the scenario: %s", strerror(-rc));
    if (stage_wait_end(s, &status)) {
        kill_stage(s);
        status = s->status;
    }
    *out = (struct stage_result){.gone = true, .status = status};
    return 0;
}

/* The stage that a fork made: its hello comes by the other end of `socket`. */
static int adopt(const struct stage *parent, int socket, pid_t pid, struct stage **out,
                 struct err *e)
{
    struct stage *s =
        new_stage(parent->limit_ns, parent->stop_fd, stage_uffds_share(parent->uffds));
    if (!s) {
        close(socket);
        return err_set(e, -ENOMEM, "out of memory");
    }
    s->socket = socket;
    s->pid = pid;
    s->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int rc = s->pidfd < 0 ? -errno : 0;
    if (rc)
        err_set(e, rc, "cannot follow a process of the scenario: pidfd_open: %s", strerror(-rc));
    else
        rc = greet(s, e);
    if (rc) {
        stage_destroy(s);
        return rc;
    }
    *out = s;
    return 0;
}

static int do_fork(struct stage *s, const struct stage_op *op, struct stage_result *result,
                   struct stage **child, struct err *e)
{
    int pair[2];
    int rc = link_pair(pair, e);
    if (rc)
        return rc;
    struct stage_result got;
    rc = exchange(s, op, pair[1], &got, e);
    close(pair[1]);
    if (rc || got.gone || got.error)
        close(pair[0]);
    else
        rc = adopt(s, pair[0], (pid_t)got.value, child, e);
    if (!rc)
        *result = got;
    return rc;
}

int stage_do(struct stage *s, const struct stage_op *op, struct stage_result *result,
             struct stage **child, struct err *e)
{
    if (op->what == STAGE_FORK)
        return do_fork(s, op, result, child, e);
    return exchange(s, op, op->what == STAGE_TAKE ? op->fd : -1, result, e);
}
