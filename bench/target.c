/* A process of known shape for the benchmark to look at. It builds its memory, prints "ready PID"
 * and sleeps until it is killed; it dies with its parent.
 *
 *   dense SIZE [random]           4K anonymous pages, touched in order, or in random order
 *   thp SIZE                      2M anonymous pages
 *   sparse64 SIZE                 every 64th page of SIZE
 *   reserve SIZE TOUCHED [contiguous]  MAP_NORESERVE, touched in 64 blocks spread over it, or in 1
 *   maps N                        N mappings that do not merge, one page of each touched
 *   small                         nothing of its own
 *   workers N SIZE [OWN [random]] SIZE of 4K pages, shared with N forked children; each writes OWN
 *                                 of them, spread over all; or all touched at random, and each
 *                                 child writes others
 *   loop SIZE [PIECE]             keeps SIZE mapped and touched, and for ever unmaps its oldest
 *                                 PIECE and maps and touches a new one. SIGUSR1 prints one line of
 *                                 figures since the last such line and starts counting again. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench.h"

enum { BLOCKS = 64 };

static char *map(uint64_t size, int flags)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (p == MAP_FAILED)
        bench_die("mmap");
    return p;
}

static void touch(char *p, uint64_t size, uint64_t step)
{
    for (uint64_t i = 0; i < size; i += step)
        *(volatile char *)(p + i) = 1;
}

static char *map_small_pages(uint64_t size, int flags)
{
    char *p = map(size, flags);
    if (madvise(p, size, MADV_NOHUGEPAGE) && errno != EINVAL) /* EINVAL: a kernel without THP */
        bench_die("madvise");
    return p;
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Every page once, in random order, so that neighbours in memory have far-apart frames. */
static void touch_at_random(char *p, uint64_t size)
{
    uint64_t n = size / BENCH_PAGE, seed = 88172645463325252u;
    uint32_t *order = malloc(n * sizeof *order);
    if (!order)
        bench_die("malloc");
    for (uint64_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (uint64_t i = n; i > 1; i--) {
        uint64_t j = random_next(&seed) % i;
        uint32_t swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
    for (uint64_t i = 0; i < n; i++)
        *(volatile char *)(p + (uint64_t)order[i] * BENCH_PAGE) = 1;
    free(order);
}

static void ready(void)
{
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
}

static _Noreturn void stay(void)
{
    ready();
    for (;;)
        pause();
}

static void dense(uint64_t size, bool at_random)
{
    char *p = map_small_pages(size, 0);
    if (at_random)
        touch_at_random(p, size);
    else
        touch(p, size, BENCH_PAGE);
}

static void thp(uint64_t size)
{
    char *p = map(size + BENCH_HUGE, 0);
    p += -(uintptr_t)p % BENCH_HUGE;
    if (madvise(p, size, MADV_HUGEPAGE))
        bench_die("madvise");
    touch(p, size, BENCH_HUGE);
}

static void reserve(uint64_t size, uint64_t touched, bool contiguous)
{
    char *p = map_small_pages(size, MAP_NORESERVE);
    uint64_t blocks = contiguous ? 1 : BLOCKS;
    for (uint64_t i = 0; i < blocks; i++)
        touch(p + size / blocks * i, touched / blocks, BENCH_PAGE);
}

/* Neighbours differ in protection, so each pair of pages is a mapping of its own. */
static void maps(uint64_t n)
{
    uint64_t each = 2 * BENCH_PAGE;
    char *p = map_small_pages(n * each, MAP_NORESERVE);
    for (uint64_t i = 0; i < n; i++) {
        touch(p + i * each, BENCH_PAGE, BENCH_PAGE);
        if (i % 2 && mprotect(p + i * each, each, PROT_READ))
            bench_die("mprotect");
    }
}

static void touch_some(char *p, uint64_t size, uint64_t count, uint64_t seed)
{
    while (count--)
        *(volatile char *)(p + random_next(&seed) % (size / BENCH_PAGE) * BENCH_PAGE) = 1;
}

static void work(char *p, uint64_t size, uint64_t own, uint64_t seed, int done)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (seed)
        touch_some(p, size, own, seed);
    else if (own)
        touch(p, size, size / own);
    close(done);
    for (;;)
        pause();
}

/* Ready when all have written: then nobody has the pipe's end any more. */
static void workers(uint64_t n, uint64_t size, uint64_t own, bool at_random)
{
    char *p = map_small_pages(size, 0), byte;
    int done[2];
    if (at_random)
        touch_at_random(p, size);
    else
        touch(p, size, BENCH_PAGE);
    if (pipe(done))
        bench_die("pipe");
    for (uint64_t i = 0; i < n; i++) {
        pid_t pid = fork();
        if (pid < 0)
            bench_die("fork");
        if (!pid)
            work(p, size, own, at_random ? 0x9e3779b97f4a7c15u * (i + 1) : 0, done[1]);
    }
    close(done[1]);
    while (read(done[0], &byte, 1) > 0)
        ;
    close(done[0]);
}

/* Latencies in a histogram of 32 steps for each power of two: 3% wide, no allocation later. */
enum { STEP_BITS = 5, BUCKETS = 64 << STEP_BITS };

struct histogram {
    uint64_t n[BUCKETS], count, max, over_1ms;
};

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 1u << STEP_BITS)
        return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - STEP_BITS;
    return ((shift + 1) << STEP_BITS) + (unsigned)((ns >> shift) & ((1u << STEP_BITS) - 1));
}

static uint64_t bucket_ns(unsigned bucket)
{
    if (bucket < 1u << STEP_BITS)
        return bucket;
    unsigned shift = (bucket >> STEP_BITS) - 1;
    return ((1ull << STEP_BITS) + (bucket & ((1u << STEP_BITS) - 1))) << shift;
}

static void histogram_add(struct histogram *h, uint64_t ns)
{
    h->n[bucket_of(ns)]++;
    h->count++;
    h->over_1ms += ns > 1000000;
    if (ns > h->max)
        h->max = ns;
}

static uint64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t left = (uint64_t)((double)h->count * share);
    for (unsigned i = 0; i < BUCKETS; i++) {
        if (h->n[i] > left)
            return bucket_ns(i);
        left -= h->n[i];
    }
    return h->max;
}

static volatile sig_atomic_t report_wanted;

static void on_usr1(int sig)
{
    (void)sig;
    report_wanted = 1;
}

static void report(const struct histogram *h, uint64_t rounds, uint64_t ns)
{
    printf("rounds=%llu ns=%llu rate=%.2f calls=%llu p50=%llu p99=%llu p999=%llu max=%llu "
           "over_1ms=%llu\n",
           (unsigned long long)rounds, (unsigned long long)ns, (double)rounds * 1e9 / (double)ns,
           (unsigned long long)h->count, (unsigned long long)histogram_at(h, .5),
           (unsigned long long)histogram_at(h, .99), (unsigned long long)histogram_at(h, .999),
           (unsigned long long)h->max, (unsigned long long)h->over_1ms);
    fflush(stdout);
}

/* Unmaps the piece at p and maps and touches another in its place. The two system calls are timed,
 * each by itself: they are what waits for mmap_lock. */
static void renew(char *p, uint64_t piece, struct histogram *h)
{
    uint64_t before = bench_now_ns();
    munmap(p, piece);
    uint64_t between = bench_now_ns();
    char *q = mmap(p, piece, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    histogram_add(h, bench_now_ns() - between);
    histogram_add(h, between - before);
    if (q != p)
        bench_die("mmap");
    touch(p, piece, BENCH_PAGE);
}

static _Noreturn void loop(uint64_t size, uint64_t piece)
{
    static struct histogram h;
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    char *p = map(size, 0);
    touch(p, size, BENCH_PAGE);
    struct sigaction act = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &act, NULL);
    ready();
    uint64_t rounds = 0, start = bench_now_ns();
    for (uint64_t at = 0;; at = at + 2 * piece > size ? 0 : at + piece) {
        renew(p + at, piece, &h);
        rounds++;
        if (!report_wanted)
            continue;
        report_wanted = 0;
        report(&h, rounds, bench_now_ns() - start);
        memset(&h, 0, sizeof h);
        rounds = 0;
        start = bench_now_ns();
    }
}

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: target dense|thp|sparse64|reserve|maps|small|workers|loop ...\n");
    exit(2);
}

int main(int argc, char **argv)
{
    uint64_t a = argc > 2 ? bench_size(argv[2]) : 0;
    uint64_t b = argc > 3 && argv[3][0] >= '0' && argv[3][0] <= '9' ? bench_size(argv[3]) : 0;
    const char *shape = argc > 1 ? argv[1] : "", *last = argc > 2 ? argv[argc - 1] : "";
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!strcmp(shape, "dense") && a)
        dense(a, !strcmp(last, "random"));
    else if (!strcmp(shape, "thp") && a)
        thp(a);
    else if (!strcmp(shape, "sparse64") && a)
        touch(map_small_pages(a, 0), a, 64 * BENCH_PAGE);
    else if (!strcmp(shape, "reserve") && a && b)
        reserve(a, b, !strcmp(last, "contiguous"));
    else if (!strcmp(shape, "maps") && a)
        maps(a);
    else if (!strcmp(shape, "workers") && a && b)
        workers(a, b, argc > 4 ? bench_size(argv[4]) : 0, !strcmp(last, "random"));
    else if (!strcmp(shape, "loop") && a)
        loop(a, b ? b : 64u << 20);
    else if (strcmp(shape, "small") != 0)
        usage();
    stay();
}
