/* Between fork and exec there are system calls only: other threads may hold locks. */
#include "scenario/reexec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

enum { FIRST_FD = 3, MOVED_FD = 100, ENV_MAX = 8 };

extern char **environ;

static bool is_passed_on(const char *entry)
{
    static const char *const names[] = {"LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strncmp(entry, names[i], strlen(names[i])))
            return true;
    return false;
}

static void build_env(char *env[ENV_MAX])
{
    static char bind[] = "LD_BIND_NOW=1", tunables[] = "GLIBC_TUNABLES=glibc.pthread.rseq=0";
    size_t n = 0;
    env[n++] = bind;
    env[n++] = tunables;
    for (char **e = environ; e && *e && n + 1 < ENV_MAX; e++)
        if (is_passed_on(*e))
            env[n++] = *e;
    env[n] = NULL;
}

/* In the child. The descriptors are first moved out of each other's way. */
static int take_fds(const struct reexec *r)
{
    int moved[REEXEC_FDS], null = open("/dev/null", O_RDWR);
    for (size_t i = 0; i < r->fd_count; i++)
        if ((moved[i] = fcntl(r->fds[i], F_DUPFD, MOVED_FD)) < 0)
            return -errno;
    for (int i = 0; i < FIRST_FD; i++)
        if (null < 0 || dup2(null, i) < 0)
            return -errno;
    for (size_t i = 0; i < r->fd_count; i++)
        if (dup2(moved[i], FIRST_FD + (int)i) < 0)
            return -errno;
    return close_range(FIRST_FD + (unsigned)r->fd_count, ~0u, 0) ? -errno : 0;
}

/* What the kernel keeps for each processor, such as new pages on their way to a list, stays where
 * the next statement finds it: MADV_PAGEOUT passes over pages that wait at another one. */
static void stay_on_this_cpu(void)
{
    cpu_set_t one;
    int cpu = sched_getcpu();
    CPU_ZERO(&one);
    if (cpu >= 0 && cpu < CPU_SETSIZE) {
        CPU_SET((size_t)cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
    }
}

static _Noreturn void run_child(const struct reexec *r, char *const *argv, char *const *env)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    stay_on_this_cpu();
    /* Opened by our own name for it before we become somebody who may not reach its path. */
    if (!take_fds(r) && (!r->identity || !identity_assume(r->identity)))
        execve("/proc/self/exe", argv, env);
    _exit(127);
}

static void keep_child_status(void)
{
    struct sigaction chld;
    if (!sigaction(SIGCHLD, NULL, &chld) && chld.sa_handler == SIG_IGN)
        signal(SIGCHLD, SIG_DFL);
}

int reexec_start(const struct reexec *r, pid_t *pid, int *pidfd, struct err *e)
{
    char *env[ENV_MAX];
    char *argv[] = {(char *)(uintptr_t)r->name, (char *)(uintptr_t)r->argument, NULL};
    build_env(env);
    keep_child_status();
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t child = fork();
    if (child == 0)
        run_child(r, argv, env);
    int rc = child < 0 ? -errno : 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc)
        return err_set(e, rc, "cannot start a process: %s", strerror(-rc));
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    if (fd < 0) {
        rc = -errno;
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        return err_set(e, rc, "cannot follow a process of our own: pidfd_open: %s", strerror(-rc));
    }
    *pid = child;
    *pidfd = fd;
    return 0;
}

bool reexec_ended(int pidfd, uint64_t deadline_ns)
{
    for (;;) {
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        uint64_t now = io_now_ns();
        int ms = now >= deadline_ns ? 0 : (int)((deadline_ns - now + 999999) / 1000000);
        int n = poll(&p, 1, ms);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
        if (n == 0 && io_now_ns() >= deadline_ns)
            return false;
    }
}
