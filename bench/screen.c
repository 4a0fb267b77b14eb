/* Runs a full-screen program under a pseudo-terminal of its own and measures it from outside:
 *
 *   screen [options] COLSxROWS CMD ARG...
 *     -w TEXT     the first frame is complete when TEXT has been written (may be repeated)
 *     -s SECONDS  let it settle for so long, unmeasured, after the first frame
 *     -i SECONDS  then watch it idle for so long
 *     -k KEY -n N then send N keys, each after the answer to the last one has ended; with several
 *                 -k they take turns
 *     -q KEY      how to leave it (default "q")
 *
 * Prints NAME=VALUE words: first_ns (exec to complete first frame), first_bytes, first_cpu_ns,
 * idle_ns, idle_bytes, idle_cpu_ns, idle_writes, keys, key_bytes, key_cpu_ns, key_answer_ns (median
 * time from key to the first byte of the answer), ended (how it ended: exit status or 256 +
 * signal). CPU is that of all threads of the program, from the kernel's clock of it. SIGTERM ends
 * it early and prints what was measured so far. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include "bench.h"

enum { NEEDLES_MAX = 8, SEEN_MAX = 1 << 20, KEYS_MAX = 10000 };
enum { FIRST_FRAME_MS = 5000, ANSWER_MS = 200, QUIET_MS = 40, LEAVE_MS = 2000 };

static struct {
    const char *needles[NEEDLES_MAX], *key[NEEDLES_MAX], *quit;
    unsigned needle_count, key_count, keys;
    double settle, idle;
    struct winsize size;
} opt = {.quit = "q"};

static struct {
    int fd;
    pid_t pid;
    clockid_t clock;
    uint64_t exec_ns, bytes, writes;
    char seen[SEEN_MAX + 1];
    size_t seen_len;
} s;
static volatile sig_atomic_t stop;

static void on_term(int sig)
{
    (void)sig;
    stop = 1;
}

/* Keeps what was written, without escape sequences: curses may send them inside a word. */
static void remember(const char *bytes, size_t n)
{
    static enum { TEXT, ESCAPE, CHARSET, CSI } state;
    for (size_t i = 0; i < n; i++) {
        char c = bytes[i];
        if (c == '\x1b')
            state = ESCAPE;
        else if (state == ESCAPE)
            state = c == '[' ? CSI : c == '(' ? CHARSET : TEXT;
        else if (state == CHARSET || (state == CSI && c >= '@' && c <= '~'))
            state = TEXT;
        else if (state == TEXT && s.seen_len < SEEN_MAX)
            s.seen[s.seen_len++] = c;
    }
}

static uint64_t cpu_now(void)
{
    struct timespec t;
    if (clock_gettime(s.clock, &t))
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Takes what the program writes within `ms`. False if it wrote nothing, or has ended. */
static bool take(int ms)
{
    char chunk[65536];
    struct pollfd p = {.fd = s.fd, .events = POLLIN};
    if (poll(&p, 1, ms < 0 ? 0 : ms) <= 0)
        return false;
    ssize_t got = read(s.fd, chunk, sizeof chunk);
    if (got <= 0) {
        stop = 1;
        return false;
    }
    s.bytes += (size_t)got;
    s.writes++;
    remember(chunk, (size_t)got);
    return true;
}

static void take_for(double seconds)
{
    uint64_t end = bench_now_ns() + (uint64_t)(seconds * 1e9);
    for (uint64_t now; !stop && (now = bench_now_ns()) < end;)
        take((int)((end - now + 999999) / 1000000));
}

static bool first_frame_complete(void)
{
    for (unsigned i = 0; i < opt.needle_count; i++)
        if (!memmem(s.seen, s.seen_len, opt.needles[i], strlen(opt.needles[i])))
            return false;
    return s.seen_len > 0;
}

static void first_frame(void)
{
    uint64_t end = s.exec_ns + FIRST_FRAME_MS * 1000000ull;
    while (!stop && !first_frame_complete() && bench_now_ns() < end)
        take(10);
    uint64_t now = bench_now_ns();
    if (first_frame_complete())
        printf("first_ns=%llu ", (unsigned long long)(now - s.exec_ns));
    printf("first_bytes=%llu first_cpu_ns=%llu ", (unsigned long long)s.bytes,
           (unsigned long long)cpu_now());
}

static void idle(void)
{
    uint64_t cpu = cpu_now(), bytes = s.bytes, writes = s.writes, start = bench_now_ns();
    take_for(opt.idle);
    uint64_t ns = bench_now_ns() - start;
    printf("idle_ns=%llu idle_bytes=%llu idle_cpu_ns=%llu idle_writes=%llu ",
           (unsigned long long)ns, (unsigned long long)(s.bytes - bytes),
           (unsigned long long)(cpu_now() - cpu), (unsigned long long)(s.writes - writes));
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void press(void)
{
    static uint64_t answers[KEYS_MAX];
    unsigned answered = 0, sent = 0;
    while (take(QUIET_MS))
        ;
    uint64_t cpu = cpu_now(), bytes = s.bytes;
    for (; sent < opt.keys && !stop; sent++) {
        uint64_t start = bench_now_ns();
        const char *key = opt.key[sent % opt.key_count];
        if (write(s.fd, key, strlen(key)) < 0)
            break;
        if (take(ANSWER_MS))
            answers[answered++] = bench_now_ns() - start;
        while (take(QUIET_MS))
            ;
    }
    qsort(answers, answered, sizeof answers[0], by_value);
    printf("keys=%u key_bytes=%llu key_cpu_ns=%llu key_answer_ns=%llu ", sent,
           (unsigned long long)(s.bytes - bytes), (unsigned long long)(cpu_now() - cpu),
           (unsigned long long)(answered ? answers[answered / 2] : 0));
}

static void leave(void)
{
    int status = 0;
    if (write(s.fd, opt.quit, strlen(opt.quit)) < 0)
        kill(s.pid, SIGTERM);
    uint64_t end = bench_now_ns() + LEAVE_MS * 1000000ull;
    while (waitpid(s.pid, &status, WNOHANG) == 0) {
        if (bench_now_ns() > end)
            kill(s.pid, SIGKILL);
        take(5);
    }
    printf("ended=%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status));
}

static void begin(char **command)
{
    int slave;
    if (openpty(&s.fd, &slave, NULL, NULL, &opt.size))
        bench_die("openpty");
    fcntl(s.fd, F_SETFD, FD_CLOEXEC);
    s.exec_ns = bench_now_ns();
    s.pid = fork();
    if (s.pid < 0)
        bench_die("fork");
    if (!s.pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        login_tty(slave);
        execvp(command[0], command);
        _exit(127);
    }
    close(slave);
    if (clock_getcpuclockid(s.pid, &s.clock))
        bench_die("clock_getcpuclockid");
}

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: screen [-w TEXT] [-s S] [-i S] [-k KEY -n N] [-q KEY] COLSxROWS CMD\n");
    exit(2);
}

static void options(int argc, char **argv)
{
    for (int o; (o = getopt(argc, argv, "+w:s:i:k:n:q:")) != -1;) {
        if (o == 'w' && opt.needle_count < NEEDLES_MAX)
            opt.needles[opt.needle_count++] = optarg;
        else if (o == 's')
            opt.settle = strtod(optarg, NULL);
        else if (o == 'i')
            opt.idle = strtod(optarg, NULL);
        else if (o == 'k' && opt.key_count < NEEDLES_MAX)
            opt.key[opt.key_count++] = optarg;
        else if (o == 'q')
            opt.quit = optarg;
        else if (o == 'n')
            opt.keys = (unsigned)strtoul(optarg, NULL, 10);
        else
            usage();
    }
    if (argc - optind < 2 || opt.keys > KEYS_MAX ||
        sscanf(argv[optind], "%hux%hu", &opt.size.ws_col, &opt.size.ws_row) != 2)
        usage();
}

int main(int argc, char **argv)
{
    options(argc, argv);
    struct sigaction act = {.sa_handler = on_term};
    sigaction(SIGTERM, &act, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    begin(argv + optind + 1);
    first_frame();
    fflush(stdout);
    take_for(opt.settle);
    if (opt.idle > 0)
        idle();
    if (opt.key_count && opt.keys)
        press();
    leave();
    return 0;
}
