/* Runs commands in turn, A B A B ..., and prints what each run cost:
 *
 *   pace ROUNDS CMD ARG... [::: CMD ARG...]...
 *
 * One line a run: the command's number, wall time from exec to exit in ns, CPU time in ns, largest
 * resident size in KiB, exit status (256 + signal), a tab, and the first line of its stderr. The
 * command's stdout goes to /dev/null. A child started by vfork shares this small program's memory
 * until it execs, so its peak resident size is its own, and it can note the time just before. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { COMMANDS_MAX = 8 };

static char **commands[COMMANDS_MAX];
static int nowhere, said;
static volatile uint64_t exec_ns;

static int split(char **argv)
{
    int n = 0;
    commands[n++] = argv;
    for (char **a = argv; *a; a++) {
        if (strcmp(*a, ":::") != 0)
            continue;
        *a = NULL;
        if (n == COMMANDS_MAX || !a[1])
            return -1;
        commands[n++] = a + 1;
    }
    return n;
}

static pid_t start(char **command)
{
    pid_t pid = vfork();
    if (pid < 0)
        bench_die("vfork");
    if (pid)
        return pid;
    dup2(nowhere, 0);
    dup2(nowhere, 1);
    dup2(said, 2);
    exec_ns = bench_now_ns();
    execvp(command[0], command);
    _exit(127);
}

static uint64_t cpu_ns(const struct rusage *u)
{
    long us = u->ru_utime.tv_usec + u->ru_stime.tv_usec;
    return (uint64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000000u + (uint64_t)us * 1000;
}

static void run(int which)
{
    static char line[4096];
    struct rusage usage;
    int status;
    if (ftruncate(said, 0) || lseek(said, 0, SEEK_SET))
        bench_die("memfd");
    pid_t pid = start(commands[which]);
    if (wait4(pid, &status, 0, &usage) != pid)
        bench_die("wait4");
    uint64_t wall = bench_now_ns() - exec_ns;
    ssize_t got = pread(said, line, sizeof line - 1, 0);
    line[got > 0 ? got : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    printf("%d %llu %llu %ld %d\t%s\n", which, (unsigned long long)wall,
           (unsigned long long)cpu_ns(&usage), usage.ru_maxrss,
           WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status), line);
}

int main(int argc, char **argv)
{
    long rounds = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    int n = rounds > 0 ? split(argv + 2) : -1;
    if (n < 0) {
        fprintf(stderr, "usage: pace ROUNDS CMD ARG... [::: CMD ARG...]...\n");
        return 2;
    }
    nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    said = memfd_create("stderr", MFD_CLOEXEC);
    if (nowhere < 0 || said < 0)
        bench_die("open");
    for (long i = 0; i < rounds; i++)
        for (int which = 0; which < n; which++)
            run(which);
    return 0;
}
