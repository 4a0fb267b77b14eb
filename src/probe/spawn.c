/* Starting a command to watch. Everything that allocates or looks something up happens before the
 * fork: other threads may hold locks, and the child until exec is system calls only. The child
 * tells over a socket that exec closes what went wrong; end of file means that exec succeeded. */
#include "probe/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "probe/identity.h"

enum { FORWARD_MS = 50, KILL_MS = 1000, COPY_CHUNK = 65536 };

/* The step of the child that failed. */
enum step { STEP_IO, STEP_IDENTITY, STEP_EXEC };

struct failure {
    enum step step;
    int error; /* errno */
};

/* What the child needs, prepared before the fork. */
struct plan {
    const struct spawn_options *options;
    struct identity identity;
    int stdio[3]; /* what becomes descriptors 0 to 2; -1: as it is */
    int link[2];  /* ours, the child's */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void spawn_init(struct spawn *s)
{
    *s = (struct spawn){.pid = -1, .pidfd = -1, .link = -1, .file = {-1, -1}};
}

void spawn_deinit(struct spawn *s)
{
    close_fd(&s->pidfd);
    close_fd(&s->link);
    if (s->file[1] != s->file[0])
        close_fd(&s->file[1]);
    close_fd(&s->file[0]);
    spawn_init(s);
}

/* The two codes that spawn_start has given a meaning do not come from anything else. */
static int untried(int rc)
{
    return rc == -ENOENT || rc == -ENOEXEC ? -EIO : rc;
}

/* Moves a descriptor out of the way of 0 to 2, which may be closed when we start. */
static int above_stdio(int fd)
{
    if (fd < 0)
        return -errno;
    if (fd > 2)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int rc = moved < 0 ? -errno : moved;
    close(fd);
    return rc;
}

static int temp_file_in(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0)
        return above_stdio(fd);
    char path[4096]; /* a filesystem without O_TMPFILE */
    if ((size_t)snprintf(path, sizeof path, "%s/vmscope.XXXXXX", dir) >= sizeof path)
        return -ENAMETOOLONG;
    fd = above_stdio(mkostemp(path, O_APPEND | O_CLOEXEC));
    if (fd >= 0)
        unlink(path);
    return fd;
}

/* The command may open /dev/stdout anew, so the file is its own. */
static int temp_file(const struct identity *id)
{
    const char *dir = secure_getenv("TMPDIR");
    int fd = dir ? temp_file_in(dir) : -ENOENT;
    if (fd < 0)
        fd = temp_file_in("/tmp");
    if (fd >= 0 && id->change && fchown(fd, id->uid, id->gid)) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

static bool same_terminal(int a, int b)
{
    struct stat x, y;
    return !fstat(a, &x) && !fstat(b, &y) && x.st_rdev == y.st_rdev;
}

static int plan_capture(struct plan *p, struct spawn *s)
{
    if (isatty(STDIN_FILENO)) {
        p->stdio[0] = above_stdio(open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (p->stdio[0] < 0)
            return p->stdio[0];
    }
    for (int i = 0; i < 2; i++) {
        if (!isatty(STDOUT_FILENO + i))
            continue;
        bool same = i == 1 && s->file[0] >= 0 && same_terminal(STDOUT_FILENO, STDERR_FILENO);
        int fd = same ? s->file[0] : temp_file(&p->identity);
        if (fd < 0)
            return fd;
        s->file[i] = p->stdio[STDOUT_FILENO + i] = fd;
    }
    return 0;
}

static int plan_link(struct plan *p)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return -errno;
    for (int i = 0; i < 2; i++)
        p->link[i] = above_stdio(pair[i]);
    return p->link[0] < 0 ? p->link[0] : p->link[1] < 0 ? p->link[1] : 0;
}

static int plan_init(struct plan *p, const struct spawn_options *o, struct spawn *s, struct err *e)
{
    *p = (struct plan){.options = o, .stdio = {-1, -1, -1}, .link = {-1, -1}};
    int rc = identity_find(o->user, &p->identity, e);
    if (rc)
        return untried(rc);
    rc = plan_link(p);
    if (rc)
        return err_set(e, untried(rc), "cannot start the command: %s", strerror(-rc));
    rc = o->capture ? plan_capture(p, s) : 0;
    if (rc)
        return err_set(e, untried(rc), "cannot keep the command's output in a file: %s: set TMPDIR",
                       strerror(-rc));
    return 0;
}

static void plan_deinit(struct plan *p)
{
    identity_deinit(&p->identity);
    close_fd(&p->stdio[0]); /* the other two belong to the spawn */
    close_fd(&p->link[0]);
    close_fd(&p->link[1]);
}

/* In the child: handlers are gone after exec anyhow, what was ignored is not. */
static void reset_signals(void)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig <= SIGRTMAX; sig++)
        sigaction(sig, &dfl, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int take_stdio(const struct plan *p)
{
    if (p->options->output_to_error && dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return -errno;
    for (int i = 0; i < 3; i++)
        if (p->stdio[i] >= 0 && dup2(p->stdio[i], i) < 0)
            return -errno;
    return 0;
}

/* True when told to go; false when whoever started us is gone. */
static bool wait_for_go(int fd)
{
    char go;
    ssize_t n;
    do
        n = read(fd, &go, 1);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

static _Noreturn void fail_child(int fd, enum step step, int rc)
{
    struct failure f = {step, -rc};
    if (send(fd, &f, sizeof f, MSG_NOSIGNAL) < 0)
        _exit(125);
    _exit(127);
}

static _Noreturn void run_child(const struct plan *p)
{
    int fd = p->link[1], rc;
    close(p->link[0]); /* or the end of our parent would go unnoticed */
    reset_signals();
    if (p->options->capture)
        setsid();
    if ((rc = take_stdio(p)))
        fail_child(fd, STEP_IO, rc);
    if ((rc = identity_assume(&p->identity)))
        fail_child(fd, STEP_IDENTITY, rc);
    /* All that we open closes on exec; this is for what libraries open, and for what we inherited.
     * Linux 5.11+. */
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    if (p->options->traced && getppid() > 1)
        prctl(PR_SET_PTRACER, (unsigned long)getppid(), 0, 0, 0); /* fails where there is no Yama */
    if (p->options->hold && !wait_for_go(fd))
        _exit(125);
    execvpe(p->options->argv[0], p->options->argv, p->identity.env);
    fail_child(fd, STEP_EXEC, -errno);
}

/* Whether a directory of PATH has an entry of this name. exec answers EACCES also for a directory
 * that may not be searched, such as one of root's, with nothing of that name anywhere. */
static bool is_in_path(const char *name)
{
    char path[4096];
    const char *dirs = getenv("PATH");
    while (dirs && *dirs) {
        size_t len = strcspn(dirs, ":");
        snprintf(path, sizeof path, "%.*s/%s", len ? (int)len : 1, len ? dirs : ".", name);
        if (!access(path, F_OK))
            return true;
        dirs += len + (dirs[len] == ':');
    }
    return false;
}

static int exec_failure(const char *command, int error, struct err *e)
{
    char name[128];
    text_escape(name, sizeof name, command, strlen(command));
    bool bare = !strchr(command, '/');
    if (error == EACCES && (!bare || is_in_path(command)))
        return err_set(e, -ENOEXEC,
                       "cannot execute %s: permission denied: is it a program, and "
                       "executable by the user who runs it (ls -l)?",
                       name);
    if (error != ENOENT && error != EACCES)
        return err_set(e, -ENOEXEC, "cannot execute %s: %s", name, strerror(error));
    if (bare)
        return err_set(e, -ENOENT, "%s: command not found in PATH: give its path",
                       *name ? name : "''");
    if (!access(command, F_OK))
        return err_set(e, -ENOENT, "cannot execute %s: its interpreter or loader is missing", name);
    return err_set(e, -ENOENT, "%s: no such file: check the path", name);
}

/* 0 when the child has exec'ed, otherwise why it has not. */
static int read_outcome(int fd, const struct spawn_options *o, struct err *e)
{
    struct failure f = {0};
    size_t got = 0;
    while (got < sizeof f) {
        ssize_t n = read(fd, (char *)&f + got, sizeof f - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    if (got < sizeof f)
        return 0;
    if (f.step == STEP_EXEC)
        return exec_failure(o->argv[0], f.error, e);
    const char *what = f.step == STEP_IO ? "redirect its output" : "become the user to run it as";
    return err_set(e, untried(-f.error), "cannot start the command: cannot %s: %s", what,
                   strerror(f.error));
}

int spawn_release(struct spawn *s, const struct spawn_options *options, struct err *e)
{
    /* A child that has ended meanwhile is no failure of this call: its status tells. */
    if (options->hold)
        send(s->link, "g", 1, MSG_NOSIGNAL);
    int rc = read_outcome(s->link, options, e);
    close_fd(&s->link);
    if (!rc)
        return 0;
    int status;
    spawn_wait(s, &status);
    spawn_deinit(s);
    return rc;
}

/* With all signals blocked, so that no handler of ours runs in the child. Whoever started us may
 * have ignored SIGCHLD, and then the kernel would keep the child's status from us. */
static int fork_child(const struct plan *p, struct spawn *s)
{
    struct sigaction chld;
    if (!sigaction(SIGCHLD, NULL, &chld) && chld.sa_handler == SIG_IGN)
        signal(SIGCHLD, SIG_DFL);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    s->pid = fork();
    if (s->pid == 0)
        run_child(p);
    int rc = s->pid < 0 ? -errno : 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc)
        return rc;
    s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
    if (s->pidfd >= 0)
        return 0;
    rc = -errno;
    kill(s->pid, SIGKILL);
    spawn_wait(s, &(int){0});
    return rc;
}

int spawn_start(const struct spawn_options *options, struct spawn *out, struct err *e)
{
    struct spawn s;
    struct plan p;
    spawn_init(&s);
    int rc = plan_init(&p, options, &s, e);
    if (!rc) {
        rc = untried(fork_child(&p, &s));
        if (rc)
            err_set(e, rc, "cannot start a process: %s", strerror(-rc));
        s.link = p.link[0];
        p.link[0] = -1;
    }
    plan_deinit(&p);
    if (!rc && !options->hold)
        rc = spawn_release(&s, options, e);
    if (rc) {
        spawn_deinit(&s);
        return rc;
    }
    *out = s;
    return 0;
}

int spawn_failure_status(int rc)
{
    return rc == -ENOENT ? 127 : rc == -ENOEXEC ? 126 : 1;
}

int spawn_wait(struct spawn *s, int *status)
{
    while (!s->reaped) {
        if (waitpid(s->pid, &s->status, 0) == s->pid)
            s->reaped = true;
        else if (errno != EINTR)
            return -errno;
    }
    *status = s->status;
    return 0;
}

/* What was copied is given back to the filesystem where it can be, or a long run would fill it. */
static int copy_out(int from, uint64_t *copied, int to)
{
    char chunk[COPY_CHUNK];
    struct stat st;
    if (!fstat(from, &st) && (uint64_t)st.st_size < *copied)
        *copied = 0; /* the command has truncated its output */
    for (;;) {
        ssize_t n = io_pread(from, chunk, sizeof chunk, *copied);
        if (n <= 0)
            return (int)n;
        int rc = io_write(to, chunk, (size_t)n);
        if (rc)
            return rc;
        fallocate(from, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)*copied, n);
        *copied += (uint64_t)n;
    }
}

int spawn_output_flush(struct spawn *s)
{
    int first = 0;
    for (int i = 0; i < 2; i++) {
        if (s->file[i] < 0 || (i == 1 && s->file[1] == s->file[0]))
            continue;
        int rc = copy_out(s->file[i], &s->copied[i], STDOUT_FILENO + i);
        first = first ? first : rc;
    }
    return first;
}

/* Whether the child has ended within `ms`. */
static bool ended_within(const struct spawn *s, int ms)
{
    uint64_t until = io_now_ns() + (uint64_t)ms * 1000000u;
    for (;;) {
        struct pollfd p = {.fd = s->pidfd, .events = POLLIN};
        int n = poll(&p, 1, ms);
        if (n >= 0 || errno != EINTR)
            return n > 0;
        uint64_t now = io_now_ns();
        ms = now < until ? (int)((until - now) / 1000000u) : 0;
    }
}

int spawn_wait_forward(struct spawn *s, int *status)
{
    bool captured = s->file[0] >= 0 || s->file[1] >= 0;
    while (captured && !s->reaped && !ended_within(s, FORWARD_MS))
        captured = !spawn_output_flush(s);
    int rc = spawn_wait(s, status);
    spawn_output_flush(s);
    return rc;
}

static int send_signal(const struct spawn *s, int sig)
{
    if (syscall(SYS_pidfd_send_signal, s->pidfd, sig, NULL, 0) && errno != ESRCH)
        return -errno;
    return 0;
}

int spawn_kill(struct spawn *s)
{
    if (s->reaped)
        return 0;
    int rc = send_signal(s, SIGTERM);
    if (!rc)
        rc = send_signal(s, SIGCONT);
    if (!rc && !ended_within(s, KILL_MS))
        rc = send_signal(s, SIGKILL);
    return rc ? rc : spawn_wait(s, &(int){0});
}

_Noreturn void spawn_end_like(int status)
{
    if (!WIFSIGNALED(status))
        exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    fflush(NULL);
    /* The core, if one was wanted, is the child's. A core handler that the kernel runs ignores the
     * limit but not dumpable. */
    int sig = WTERMSIG(status);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    signal(sig, SIG_DFL);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, sig);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    raise(sig);
    _exit(128 + sig);
}
