/* Counters by perf events, against what the counted process finds out about itself by getrusage,
 * and their words. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/counts.h"
#include "probe/counters.h"

enum { PAGES = 500, SLEEPS = 20, BURN_MS = 50 };

static struct {
    long faults, switches;
    uint64_t majors;
    double seconds;
} *self; /* what the target measured; shared with it */

static double cpu_seconds(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static void burn(void)
{
    struct timespec t;
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    while (t.tv_sec == 0 && t.tv_nsec < BURN_MS * 1000000);
}

/* In a child of the counted process: it is counted, too. */
static void work(void)
{
    struct rusage a, b;
    char *p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(p, PAGES * 4096, MADV_NOHUGEPAGE);
    getrusage(RUSAGE_SELF, &a);
    for (unsigned i = 0; i < PAGES; i++)
        p[i * 4096] = 1;
    for (unsigned i = 0; i < SLEEPS; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    burn();
    getrusage(RUSAGE_SELF, &b);
    self->faults = b.ru_minflt - a.ru_minflt;
    self->majors = (uint64_t)(b.ru_majflt - a.ru_majflt);
    self->switches = b.ru_nvcsw + b.ru_nivcsw - a.ru_nvcsw - a.ru_nivcsw;
    self->seconds = cpu_seconds(&b) - cpu_seconds(&a);
}

static pid_t start(int *go)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid) {
        close(fds[0]);
        *go = fds[1];
        return pid;
    }
    char c;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(fds[1]);
    if (read(fds[0], &c, 1) == 1 && !fork()) {
        work();
        _exit(0);
    }
    wait(NULL);
    _exit(0);
}

static const struct perf_count *find(const struct perf_counts *c, const char *name)
{
    for (unsigned i = 0; i < c->count; i++)
        if (!strcmp(c->v[i].name, name))
            return &c->v[i];
    fail_msg("there is no counter %s", name);
    return NULL;
}

static void test_counts(void **state)
{
    (void)state;
    struct perf_counts c;
    int go;
    pid_t pid = start(&go);
    struct counters_group *g = counters_open(pid, NULL);
    assert_non_null(g);
    assert_int_equal(write(go, "x", 1), 1);
    waitpid(pid, NULL, 0);
    counters_read(g, &c); /* also after its end */
    counters_close(g);
    close(go);
    if (!find(&c, "minor faults")->known)
        skip(); /* perf is not permitted here */
    assert_false(c.partial);
    uint64_t faults = find(&c, "minor faults")->value, ns = find(&c, "CPU time")->value;
    uint64_t switches = find(&c, "context switches")->value;
    assert_in_range(self->faults, PAGES, PAGES + 100);
    assert_in_range(faults, self->faults, self->faults + 1000); /* and fork's own */
    assert_true(self->switches >= SLEEPS);
    assert_true(switches >= (uint64_t)self->switches);
    assert_true((double)ns >= self->seconds * 0.5e9 && (double)ns < self->seconds * 3e9 + 1e9);
    assert_in_range(find(&c, "major faults")->value, self->majors, self->majors + 100);
}

static void test_what_cannot_be_counted(void **state)
{
    (void)state;
    struct perf_counts c;
    struct counters_group *g =
        counters_open(getpid(), "no:such\033event,,task-clock,PERF_COUNT_HW_CPU_CYCLES,");
    counters_read(g, &c);
    counters_close(g);
    assert_false(find(&c, "no:such\\x1bevent")->known);
    assert_non_null(strstr(find(&c, "no:such\\x1bevent")->why, "no event no:such\\x1bevent"));
    assert_true(find(&c, "task-clock")->known);
    const struct perf_count *cycles = find(&c, "PERF_COUNT_HW_CPU_CYCLES");
    assert_true(cycles->known ? cycles->value > 0 : cycles->why[0] != '\0');
    assert_int_equal(c.count, 5 + 3);
    g = counters_open(0x7ffffff0, NULL);
    counters_read(g, &c);
    counters_close(g);
    assert_string_equal(find(&c, "minor faults")->why, "the process has ended");
    counters_close(NULL);
}

static void test_many_names(void **state)
{
    (void)state;
    char list[2000] = "";
    for (unsigned i = 0; i < 100; i++)
        strcat(list, "task-clock,");
    struct perf_counts c;
    struct counters_group *g = counters_open(getpid(), list);
    counters_read(g, &c);
    counters_close(g);
    assert_int_equal(c.count, PERF_COUNTS_MAX);
}

static void test_words(void **state)
{
    (void)state;
    struct perf_counts c = {.count = 4};
    char text[100];
    unsigned next = 0;
    c.v[0] = (struct perf_count){.name = "switches", .known = true, .value = 12};
    c.v[1] = (struct perf_count){.name = "tlb", .why = "none here"};
    c.v[2] = (struct perf_count){.name = "walks", .why = "none here"};
    c.v[3] = (struct perf_count){.name = "time", .known = true, .is_time = true, .scaled = true,
                                 .value = 1500000000};
    assert_string_equal(counts_known(&c, text, sizeof text), "switches 12  time ~1.500 s");
    assert_true(counts_unknown(&c, &next, text, sizeof text));
    assert_string_equal(text, "tlb, walks: ? none here");
    assert_false(counts_unknown(&c, &next, text, sizeof text));
    c.partial = true;
    assert_string_equal(counts_known(&c, text, sizeof text), "switches 12+  time ~1.500 s+");
    for (size_t cap = 1; cap < 40; cap++) {
        next = 0;
        assert_true(strlen(counts_known(&c, text, cap)) < cap);
        counts_unknown(&c, &next, text, cap);
        assert_true(strlen(text) < cap);
    }
}

static int share(void **state)
{
    (void)state;
    self = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return self == MAP_FAILED ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_what_cannot_be_counted),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, share, NULL);
}
