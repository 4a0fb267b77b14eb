/* Handlers do nothing but write(2), poll(2), tcsetattr(3), sigaction(2) and raise(3), all of which
 * POSIX lists as async-signal-safe. A crash is handled on a stack of its own, because the usual one
 * may be what overflowed. A second request to end, while the first is still waiting for the loop,
 * is treated like a crash: the loop is stuck. */
#include "ui/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS, SIGTRAP};
static const int requests[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};

enum { CRASH_N = sizeof crashes / sizeof *crashes, REQUEST_N = sizeof requests / sizeof *requests };

static struct sigaction former_crash[CRASH_N], former_request[REQUEST_N];
static int wake[2] = {-1, -1};
static volatile sig_atomic_t ending;
static _Alignas(16) char crash_stack[64 * 1024];

static struct {
    volatile sig_atomic_t armed;
    int fd;
    struct termios modes;
    char bytes[SIGNALS_RESTORE_MAX];
    size_t len;
} guard;

/* Safe in a handler. A terminal that takes no bytes must not keep us from ending. */
static void restore_terminal(void)
{
    if (!guard.armed)
        return;
    guard.armed = 0;
    signal(SIGTTOU, SIG_IGN);
    struct pollfd p = {.fd = guard.fd, .events = POLLOUT};
    if (poll(&p, 1, 200) > 0 && p.revents & POLLOUT) {
        ssize_t n = write(guard.fd, guard.bytes, guard.len);
        (void)n;
    }
    tcsetattr(guard.fd, TCSANOW, &guard.modes);
}

static void set_default(int sig)
{
    struct sigaction sa = {.sa_handler = SIG_DFL};
    sigemptyset(&sa.sa_mask);
    sigaction(sig, &sa, NULL);
}

/* The signal is blocked while this runs: what is raised here takes effect on return. */
static void on_crash(int sig)
{
    int saved = errno;
    restore_terminal();
    set_default(sig);
    raise(sig);
    errno = saved;
}

static bool is_ending(int sig)
{
    return sig == SIGTERM || sig == SIGHUP || sig == SIGINT || sig == SIGQUIT;
}

static void on_request(int sig)
{
    int saved = errno;
    unsigned char number = (unsigned char)sig;
    if (is_ending(sig) && ending) {
        on_crash(sig);
        return;
    }
    if (is_ending(sig))
        ending = 1;
    ssize_t n = write(wake[1], &number, 1);
    (void)n;
    errno = saved;
}

static void catch_crash(size_t i)
{
    struct sigaction sa = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    sigfillset(&sa.sa_mask);
    sigaction(crashes[i], &sa, &former_crash[i]);
}

/* A request that was ignored when we started stays ignored, as nohup wants it. */
static void catch_request(size_t i)
{
    struct sigaction sa = {.sa_handler = on_request, .sa_flags = SA_RESTART};
    sigfillset(&sa.sa_mask);
    sigaction(requests[i], NULL, &former_request[i]);
    if (former_request[i].sa_handler != SIG_IGN)
        sigaction(requests[i], &sa, NULL);
}

int signals_open(void)
{
    if (pipe2(wake, O_CLOEXEC | O_NONBLOCK))
        return -errno;
    stack_t stack = {.ss_sp = crash_stack, .ss_size = sizeof crash_stack};
    sigaltstack(&stack, NULL);
    ending = 0;
    for (size_t i = 0; i < CRASH_N; i++)
        catch_crash(i);
    for (size_t i = 0; i < REQUEST_N; i++)
        catch_request(i);
    return 0;
}

void signals_close(void)
{
    for (size_t i = 0; i < REQUEST_N; i++)
        sigaction(requests[i], &former_request[i], NULL);
    for (size_t i = 0; i < CRASH_N; i++)
        sigaction(crashes[i], &former_crash[i], NULL);
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    close(wake[0]);
    close(wake[1]);
    wake[0] = wake[1] = -1;
}

int signals_fd(void)
{
    return wake[0];
}

int signals_next(void)
{
    unsigned char number;
    ssize_t n;
    do
        n = read(wake[0], &number, 1);
    while (n < 0 && errno == EINTR);
    return n == 1 ? number : 0;
}

void signals_guard(int fd, const struct termios *modes, const char *bytes, size_t len)
{
    guard.armed = 0;
    guard.fd = fd;
    guard.modes = *modes;
    guard.len = len < sizeof guard.bytes ? len : sizeof guard.bytes;
    memcpy(guard.bytes, bytes, guard.len);
    guard.armed = 1;
}

void signals_unguard(void)
{
    guard.armed = 0;
}

void signals_stop(void)
{
    struct sigaction sa = {.sa_handler = SIG_DFL}, former;
    sigset_t only, before;
    sigemptyset(&sa.sa_mask);
    sigaction(SIGTSTP, &sa, &former);
    sigemptyset(&only);
    sigaddset(&only, SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &only, &before);
    raise(SIGTSTP);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGTSTP, &former, NULL);
}
