/* A process that does nothing but fault and map, and says how long that took: run it bare and
 * followed, in turn, and divide.
 *
 *   touch PAGES           touches PAGES anonymous 4K pages of a fresh mapping, each once
 *   mmap LOOPS [PAGES]    LOOPS times: maps PAGES (default 16), touches each, unmaps
 *   calls LOOPS           LOOPS times: maps and unmaps one page, untouched
 *   getppid LOOPS         LOOPS system calls that map nothing
 *
 * -w S pages of warm-up first, unmeasured: memory that a host has taken back is dear the first
 * time. -r R prints R lines, one a repetition. -p waits for a byte on stdin before it begins,
 * having printed "ready PID". Each line is the elapsed nanoseconds. */
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

static char *map(uint64_t pages)
{
    void *p =
        mmap(NULL, pages * BENCH_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        bench_die("mmap");
    return p;
}

static void touch(char *p, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++)
        ((volatile char *)p)[i * BENCH_PAGE] = 1;
}

static uint64_t touch_once(uint64_t pages)
{
    char *p = map(pages);
    if (madvise(p, pages * BENCH_PAGE, MADV_NOHUGEPAGE))
        bench_die("madvise");
    uint64_t start = bench_now_ns();
    touch(p, pages);
    uint64_t elapsed = bench_now_ns() - start;
    munmap(p, pages * BENCH_PAGE);
    return elapsed;
}

static uint64_t map_often(uint64_t loops, uint64_t pages)
{
    uint64_t start = bench_now_ns();
    for (uint64_t i = 0; i < loops; i++) {
        char *p = map(pages);
        touch(p, pages);
        munmap(p, pages * BENCH_PAGE);
    }
    return bench_now_ns() - start;
}

static uint64_t call_often(uint64_t loops)
{
    uint64_t start = bench_now_ns();
    for (uint64_t i = 0; i < loops; i++)
        munmap(map(1), BENCH_PAGE);
    return bench_now_ns() - start;
}

static uint64_t getppid_often(uint64_t loops)
{
    uint64_t start = bench_now_ns();
    for (uint64_t i = 0; i < loops; i++)
        syscall(SYS_getppid);
    return bench_now_ns() - start;
}

static uint64_t once(const char *what, uint64_t n, uint64_t pages)
{
    if (!strcmp(what, "touch"))
        return touch_once(n);
    if (!strcmp(what, "mmap"))
        return map_often(n, pages);
    if (!strcmp(what, "calls"))
        return call_often(n);
    if (!strcmp(what, "getppid"))
        return getppid_often(n);
    fprintf(stderr, "%s: not one of touch, mmap, calls, getppid\n", what);
    exit(2);
}

int main(int argc, char **argv)
{
    uint64_t warm = 0, repeat = 1;
    bool wait = false;
    for (int o; (o = getopt(argc, argv, "+w:r:p")) != -1;) {
        if (o == 'w')
            warm = bench_size(optarg);
        else if (o == 'r')
            repeat = bench_size(optarg);
        else if (o == 'p')
            wait = true;
        else
            return 2;
    }
    if (argc - optind < 2) {
        fprintf(stderr,
                "usage: faults [-w PAGES] [-r N] [-p] touch|mmap|calls|getppid N [PAGES]\n");
        return 2;
    }
    if (warm)
        touch_once(warm);
    if (wait) {
        char c;
        printf("ready %d\n", (int)getpid());
        fflush(stdout);
        if (read(STDIN_FILENO, &c, 1) != 1)
            return 1;
    }
    for (uint64_t i = 0; i < repeat; i++) {
        uint64_t pages = argc - optind > 2 ? bench_size(argv[optind + 2]) : 16;
        printf("%lu\n", once(argv[optind], bench_size(argv[optind + 1]), pages));
    }
    return 0;
}
