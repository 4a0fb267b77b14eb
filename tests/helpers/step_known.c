/* A program that knows what it does to its memory, for step mode. Threads, a child and the program
 * that it becomes by exec touch pages one after another and say which, in their order:
 *
 *     touch PID TID ADDRESS
 *
 * Meanwhile a timer runs, and signals come: a SIGTRAP of its own, one while it is blocked, a child
 * that is stopped and continued. What came of them is told in lines that begin with "result" and
 * are the same in every run.
 *
 *     step_known                the whole program; ends with status 7
 *     step_known blocked        with all signals blocked, and what it then knows of them
 *     step_known refused        asks for a mapping that its own file is not opened for
 *     step_known forever FLAG DONE   touches pages until FLAG exists, then makes DONE: status 0
 *     step_known forever-blocked FLAG DONE   with all signals blocked; makes DONE only if they still
 *                                            are, and none waits */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 48, THREADS = 4, RW = PROT_READ | PROT_WRITE };

struct touched {
    pid_t tid;
    char *at;
};

static volatile sig_atomic_t alarms, traps;
static size_t page;
static pthread_barrier_t together;

static char *map(size_t pages)
{
    char *p = mmap(NULL, pages * page, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || madvise(p, pages * page, MADV_NOHUGEPAGE))
        exit(1);
    return p;
}

static void touch(struct touched *t)
{
    t->tid = (pid_t)syscall(SYS_gettid);
    for (size_t i = 0; i < PAGES; i++)
        *(volatile char *)(t->at + i * page) = 1;
}

static void say(const struct touched *t)
{
    for (size_t i = 0; i < PAGES; i++)
        printf("touch %d %d %lx\n", (int)getpid(), (int)t->tid,
               (unsigned long)(uintptr_t)(t->at + i * page));
    fflush(stdout);
}

static void on_alarm(int signal)
{
    (void)signal;
    alarms++;
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    traps += info->si_pid == getpid() ? 1 : 100;
}

static void *work(void *arg)
{
    pthread_barrier_wait(&together);
    touch(arg);
    return NULL;
}

/* A thread that takes no signals at all. */
static void *work_deaf(void *arg)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return work(arg);
}

static void run_threads(void)
{
    pthread_t thread[THREADS];
    struct touched t[THREADS];
    pthread_barrier_init(&together, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        t[i].at = map(PAGES);
        if (pthread_create(&thread[i], NULL, i ? work : work_deaf, &t[i]))
            exit(1);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        say(&t[i]);
    }
}

static void run_signals(void)
{
    struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigset_t one, waiting;
    sigaction(SIGTRAP, &trap, NULL);
    raise(SIGTRAP);
    sigemptyset(&one);
    sigaddset(&one, SIGTRAP);
    sigprocmask(SIG_BLOCK, &one, NULL);
    raise(SIGTRAP);
    sigpending(&waiting);
    printf("result blocked %d\n", sigismember(&waiting, SIGTRAP));
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    printf("result traps %d\n", (int)traps);
}

/* A child that stops itself, is continued, touches its pages and becomes another program. Nobody
 * would continue it if we were killed meanwhile. */
static void run_child(char *self)
{
    int status, stopped, continued, seen[2]; /* seen: that it was continued, before it may end */
    char byte = 0;
    fflush(stdout);
    if (pipe2(seen, O_CLOEXEC))
        exit(1);
    pid_t own = getpid(), pid = fork();
    if (!pid) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != own)
            _exit(1);
        struct touched t = {.at = map(PAGES)};
        raise(SIGSTOP);
        if (read(seen[0], &byte, 1) != 1)
            _exit(1);
        touch(&t);
        say(&t);
        execl(self, self, "second", (char *)NULL);
        _exit(1);
    }
    stopped = waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status);
    kill(pid, SIGCONT);
    continued = waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status);
    if (write(seen[1], &byte, 1) != 1)
        exit(1);
    waitpid(pid, &status, 0);
    printf("result child %d %d %d\n", stopped, continued,
           WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static bool all_blocked_and_none_waits(void)
{
    sigset_t blocked, waiting;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    sigpending(&waiting);
    return sigismember(&blocked, SIGTRAP) == 1 && sigisemptyset(&waiting);
}

static void run_forever(const char *flag, const char *done, bool block)
{
    sigset_t all;
    sigfillset(&all);
    if (block)
        sigprocmask(SIG_SETMASK, &all, NULL);
    struct touched t = {.at = map(PAGES)};
    while (access(flag, F_OK)) {
        touch(&t);
        madvise(t.at, PAGES * page, MADV_DONTNEED);
    }
    if (!block || all_blocked_and_none_waits())
        close(open(done, O_CREAT | O_WRONLY, 0600));
}

/* What the thread blocks, as it sees it, and what waits for it. */
static void say_signals(const char *when)
{
    sigset_t blocked, waiting;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    sigpending(&waiting);
    printf("result %s: blocks trap %d usr2 %d, trap waits %d\n", when,
           sigismember(&blocked, SIGTRAP), sigismember(&blocked, SIGUSR2),
           sigismember(&waiting, SIGTRAP));
}

static struct touched in_handler;

static void on_user(int signal)
{
    (void)signal;
    touch(&in_handler);
    say_signals("handler");
}

static void take_one(const sigset_t *set, const char *when)
{
    const struct timespec soon = {0, 1000000};
    siginfo_t info = {0};
    int got = sigtimedwait(set, &info, &soon);
    printf("result %s: %d code %d own %d\n", when, got, info.si_code, info.si_pid == getpid());
}

/* Touches between all that could show a signal of another's making. */
static void run_blocked(void)
{
    struct sigaction user = {.sa_handler = on_user};
    struct touched t[4];
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    for (size_t i = 0; i < 4; i++)
        t[i].at = map(PAGES);
    in_handler.at = map(PAGES);
    sigaction(SIGUSR1, &user, NULL);
    sigprocmask(SIG_SETMASK, &all, NULL);
    touch(&t[0]);
    say_signals("blocked");
    touch(&t[1]);
    take_one(&all, "none sent");
    raise(SIGTRAP);
    touch(&t[2]);
    take_one(&all, "raised");
    take_one(&all, "no second");
    kill(getpid(), SIGTRAP);
    touch(&t[3]);
    take_one(&all, "sent");
    take_one(&all, "no second");
    raise(SIGUSR1);
    sigsuspend(&none);
    say_signals("suspended");
    sigfillset(&user.sa_mask);
    sigaction(SIGUSR1, &user, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    raise(SIGUSR1);
    say_signals("at last");
    for (size_t i = 0; i < 4; i++)
        say(&t[i]);
}

int main(int argc, char **argv)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    if (argc == 4 && !strncmp(argv[1], "forever", 7)) {
        run_forever(argv[2], argv[3], argv[1][7] != '\0');
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "blocked")) {
        run_blocked();
        return 3;
    }
    if (argc == 2 && !strcmp(argv[1], "refused"))
        return mmap(NULL, page, RW, MAP_SHARED, open(argv[0], O_RDONLY), 0) != MAP_FAILED;
    struct touched t = {.at = map(PAGES)};
    if (argc > 1) { /* the second program */
        touch(&t);
        say(&t);
        return 9;
    }
    struct itimerval soon = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    struct sigaction alarm = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &alarm, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    touch(&t);
    say(&t);
    run_threads();
    while (alarms < 3)
        pause();
    setitimer(ITIMER_REAL, &never, NULL);
    run_signals();
    run_child(argv[0]);
    printf("result alarms %s\n", alarms >= 3 ? "yes" : "no");
    return 7;
}
