/* The sampler against real processes: what it shows after a target has come to rest is what a fresh
 * look shows, and no race with a target that maps, unmaps, execs and ends makes it fail or lie. The
 * targets are this program again, told what to do by bytes on a pipe. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watched.h"

enum { PAGE = 4096, PAGES = 64, HUGE = 2 << 20, SECONDS = 60 };

/* --- the target --- */

static char *area, *huge, *file, *shared;
static pid_t fork_of_it;
static int to_fork[2];

static void touch(char *at, size_t bytes, size_t step)
{
    for (size_t i = 0; i < bytes; i += step)
        ((volatile char *)at)[i] = 1;
}

static void look_at(const char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += PAGE)
        (void)((const volatile char *)at)[i];
}

static char *map(size_t bytes, int prot, int flags, int fd)
{
    char *p = mmap(NULL, bytes, prot, flags, fd, 0);
    if (p == MAP_FAILED)
        _exit(3);
    return p;
}

static void map_all(void)
{
    int fd = memfd_create("target", 0);
    if (fd < 0 || ftruncate(fd, PAGES * PAGE) || write(fd, "x", 1) != 1)
        _exit(3);
    area = map(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    huge = map(4 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    huge = (char *)(((uintptr_t)huge + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
    shared = map(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    close(fd);
    FILE *self = fopen("/proc/self/exe", "re");
    if (!self)
        _exit(3);
    file = map(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(self));
    fclose(self);
}

/* Shares all memory copy-on-write until it is told to write to the area, and then to end. */
static void be_forked(void)
{
    char c;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(to_fork[1]);
    if (write(STDOUT_FILENO, "c", 1) != 1)
        _exit(3);
    while (read(to_fork[0], &c, 1) == 1 && c == 'b') {
        touch(area, PAGES / 4 * PAGE, PAGE);
        if (write(STDOUT_FILENO, "b", 1) != 1)
            break;
    }
    _exit(0);
}

static void fork_it(void)
{
    if (pipe(to_fork))
        _exit(3);
    fork_of_it = fork();
    if (!fork_of_it)
        be_forked();
}

static void obey(char c)
{
    switch (c) {
    case 'm': touch(area, PAGES / 2 * PAGE, PAGE); break;
    case 'r': look_at(area + PAGES / 2 * PAGE, PAGES / 4 * PAGE); break;
    case 't':
        madvise(huge, 2 * HUGE, MADV_HUGEPAGE);
        touch(huge, 2 * HUGE, PAGE);
        break;
    case 'T': /* what khugepaged must not mend */
        madvise(huge, 2 * HUGE, MADV_NOHUGEPAGE);
        madvise(huge, 3 * PAGE, MADV_DONTNEED);
        break;
    case 'f': look_at(file, PAGES * PAGE); break;
    case 'F': touch(file, PAGES / 2 * PAGE, PAGE); break;
    case 's': touch(shared, PAGES / 2 * PAGE, PAGE); break;
    case 'c': fork_it(); return; /* the fork answers */
    case 'w': touch(area, PAGES / 8 * PAGE, PAGE); break;
    case 'd': madvise(area, 4 * PAGE, MADV_DONTNEED); break;
    case 'u': munmap(area + PAGES / 4 * PAGE, PAGES / 4 * PAGE); break;
    case 'p': mprotect(shared, 4 * PAGE, PROT_READ); break;
    case 'g': madvise(area, 2 * PAGE, 102); break; /* MADV_GUARD_INSTALL, 6.13+ */
    case 'x': execl("/proc/self/exe", "target", "obey", (char *)NULL); _exit(3);
    case 'b':
        if (write(to_fork[1], "b", 1) != 1)
            _exit(3);
        return;
    case 'k':
        close(to_fork[1]);
        waitpid(fork_of_it, NULL, 0);
        break;
    default: _exit(0);
    }
    if (write(STDOUT_FILENO, &c, 1) != 1)
        _exit(3);
}

static int be_obedient(void)
{
    char c;
    map_all();
    if (write(STDOUT_FILENO, "!", 1) != 1)
        return 3;
    while (read(STDIN_FILENO, &c, 1) == 1)
        obey(c);
    return 0;
}

/* Maps, touches, protects and unmaps at random, begins again by exec, ends after some of these. */
static int be_wild(unsigned seed, unsigned execs)
{
    char *v[16] = {0}, text[2][16];
    size_t size[16];
    for (unsigned i = 0; i < 4000; i++) {
        unsigned k = (unsigned)rand_r(&seed) % 16, what = (unsigned)rand_r(&seed) % 8;
        if (!v[k]) {
            size[k] = (size_t)(1 + (unsigned)rand_r(&seed) % (what ? 100 : 2000)) * PAGE;
            v[k] = map(size[k], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        } else if (what == 0) {
            mprotect(v[k], PAGE, PROT_READ);
            munmap(v[k], size[k]);
            v[k] = NULL;
        } else if (what == 1) {
            madvise(v[k], size[k], MADV_DONTNEED);
        } else if (what < 4) {
            look_at(v[k], size[k]);
        } else if (mprotect(v[k], size[k], PROT_READ | PROT_WRITE) == 0) {
            touch(v[k], size[k], PAGE * (what - 3));
        }
    }
    if (!execs)
        return 0;
    snprintf(text[0], sizeof text[0], "%u", seed);
    snprintf(text[1], sizeof text[1], "%u", execs - 1);
    execl("/proc/self/exe", "target", "wild", text[0], text[1], (char *)NULL);
    return 3;
}

/* --- the tests --- */

struct target {
    pid_t pid;
    int in, out;
};

static struct target start(const char *how, unsigned seed, unsigned execs)
{
    int in[2], out[2];
    char text[2][16];
    snprintf(text[0], sizeof text[0], "%u", seed);
    snprintf(text[1], sizeof text[1], "%u", execs);
    assert_int_equal(pipe(in) | pipe(out), 0);
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        execl("/proc/self/exe", "target", how, text[0], text[1], (char *)NULL);
        _exit(3);
    }
    assert_true(pid > 0);
    close(in[0]);
    close(out[1]);
    return (struct target){pid, in[1], out[0]};
}

static void wait_for(const struct target *t, char expect)
{
    char c = 0;
    assert_int_equal(read(t->out, &c, 1), 1);
    assert_int_equal(c, expect);
}

static void tell(const struct target *t, char c)
{
    assert_int_equal(write(t->in, &c, 1), 1);
    wait_for(t, c == 'x' ? '!' : c);
}

static void stop(struct target *t)
{
    close(t->in);
    close(t->out);
    kill(t->pid, SIGKILL);
    waitpid(t->pid, NULL, 0);
}

static struct sampler_options options_for(pid_t pid)
{
    return (struct sampler_options){.pid = pid, .want = PAGES_ALL, .cpu_permille = AMPLE_PERMILLE};
}

/* What must agree of a page in two looks at a target at rest. Who else maps pages of files, this
 * test changes itself. */
static bool same_page(const struct page *a, const struct page *b)
{
    unsigned mask = PAGE_A_PMD | PAGE_A_UFFD_WP | PAGE_A_ENTRY;
    if (page_state_info(a->state)->anon)
        mask |= PAGE_A_EXCLUSIVE | PAGE_A_WRITABLE | PAGE_A_FLAGS;
    return a->state == b->state && !((a->attrs ^ b->attrs) & mask) && a->frame == b->frame;
}

struct comparison {
    const struct pagetree *a, *b;
    uint64_t differ;
    bool say;
};

static int compare_range(void *ctx, uint64_t start, uint64_t n)
{
    struct comparison *c = ctx;
    for (uint64_t i = start; i < start + n; i++) {
        struct page a = pagetree_get(c->a, i), b = pagetree_get(c->b, i);
        if (same_page(&a, &b))
            continue;
        c->differ++;
        if (c->say && c->differ < 10)
            print_error("page %#llx: %s attrs %#x frame %#llx, fresh %s attrs %#x frame %#llx\n",
                        (unsigned long long)i, page_state_info(a.state)->name, a.attrs,
                        (unsigned long long)a.frame, page_state_info(b.state)->name, b.attrs,
                        (unsigned long long)b.frame);
    }
    return 0;
}

static uint64_t difference(const struct moment *a, const struct moment *b, bool say)
{
    struct comparison c = {a->tree, b->tree, 0, say};
    assert_int_equal(pagetree_diff(a->tree, b->tree, 0, UINT64_MAX, compare_range, &c), 0);
    if (a->regions->count != b->regions->count)
        return c.differ + 1;
    for (size_t i = 0; i < a->regions->count; i++)
        c.differ += a->regions->v[i].start != b->regions->v[i].start ||
                    a->regions->v[i].end != b->regions->v[i].end ||
                    a->regions->v[i].perms != b->regions->v[i].perms;
    return c.differ;
}

/* Ticks until all that is shown was read after now, and compares with a fresh, complete look. What
 * moves no counter, as mprotect, is seen when mappings are read next: every second. */
static void check_converges(struct watched *live, char after)
{
    const uint64_t second = 1000000000;
    uint64_t rest = io_now_ns(), deadline = rest + SECONDS * second;
    if (after == 'p')
        rest += second;
    struct moment now;
    do {
        assert_int_equal(watched_tick(live), 0);
        assert_true(io_now_ns() < deadline);
        now = *model_now(live->model);
    } while (!now.sample.complete || now.sample.start_ns < rest ||
             now.sample.start_ns + now.sample.span_ns - now.sample.sweep_ns < rest);
    struct watched fresh;
    struct sampler_options o = options_for(now.target.pid);
    assert_int_equal(watched_open(&fresh, &o, NULL), 0);
    assert_int_equal(watched_full(&fresh), 0);
    if (difference(&now, model_now(fresh.model), true))
        fail_msg("after '%c' the live picture differs from a fresh one", after);
    watched_close(&fresh);
}

static void test_ticks_converge_to_a_full_sample(void **state)
{
    (void)state;
    const char *acts = "mrtTfFscwbkdupgxmcbk";
    struct target t = start("obey", 0, 0);
    struct sampler_options o = options_for(t.pid);
    struct watched live;
    wait_for(&t, '!');
    assert_int_equal(watched_open(&live, &o, NULL), 0);
    check_converges(&live, '!');
    for (const char *act = acts; *act; act++) {
        tell(&t, *act);
        check_converges(&live, *act);
        if (act - acts == 10) /* several changes between two ticks */
            tell(&t, 'm');
    }
    assert_int_equal(live.records[RECORD_TARGET], 2); /* one exec */
    watched_close(&live);
    stop(&t);
}

/* Nothing of the target's own tells that another process has broken the sharing. */
static void test_deep_sweep_finds_what_others_do(void **state)
{
    (void)state;
    struct target t = start("obey", 0, 0);
    struct sampler_options o = options_for(t.pid);
    struct watched live;
    wait_for(&t, '!');
    tell(&t, 'm');
    tell(&t, 'c');
    assert_int_equal(watched_open(&live, &o, NULL), 0);
    check_converges(&live, 'c');
    struct totals before, after;
    totals_of_all(model_now(live.model), &before);
    tell(&t, 'b');
    check_converges(&live, 'b');
    totals_of_all(model_now(live.model), &after);
    assert_true(before.cow >= PAGES / 2 * PAGE);
    assert_true(before.cow - after.cow >= PAGES / 4 * PAGE);
    watched_close(&live);
    stop(&t);
}

/* A complete picture of a living process is never an empty or unreadable one. (In the midst of an
 * exec there may be little more than a stack, on its way to its place.) */
static void check_complete(const struct moment *m)
{
    struct totals t;
    totals_of_all(m, &t);
    assert_true(m->regions->count > 0);
    assert_int_equal(t.unknown, 0);
}

static void race(unsigned seed, unsigned execs, bool full)
{
    struct target t = start("wild", seed, execs);
    struct sampler_options o = options_for(t.pid);
    struct watched w;
    struct err e = {0};
    uint64_t deadline = io_now_ns() + (uint64_t)SECONDS * 1000000000;
    o.smaps = seed % 3 == 1;
    o.once = seed % 3 == 2 && full;
    int rc = watched_open(&w, &o, &e);
    assert_true(rc == 0 || rc == -ESRCH);
    while (!rc && !sampler_gone(w.sampler)) {
        rc = full ? watched_full(&w) : watched_tick(&w);
        if (rc == -EAGAIN && full) /* execs faster than it can be read: said, not an end */
            rc = 0;
        assert_int_equal(rc, 0);
        assert_true(io_now_ns() < deadline);
        if (full && !sampler_gone(w.sampler))
            check_complete(model_now(w.model));
        if (seed % 4 == 3 && w.records[RECORD_SAMPLE] > seed % 50)
            kill(t.pid, SIGKILL);
    }
    if (!rc) {
        assert_non_null(model_gone(w.model));
        assert_int_equal(w.records[RECORD_GONE], 1);
        watched_close(&w);
    }
    stop(&t);
}

static void test_full_samples_of_a_wild_process(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 12; seed++)
        race(seed, seed % 3 * 2, true);
}

static void test_ticks_of_a_wild_process(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 12; seed++)
        race(seed, seed % 3 * 2, false);
}

static void test_a_zombie_is_gone(void **state)
{
    (void)state;
    for (unsigned full = 0; full < 2; full++) {
        struct target t = start("obey", 0, 0);
        struct sampler_options o = options_for(t.pid);
        struct watched w;
        siginfo_t info;
        wait_for(&t, '!');
        assert_int_equal(watched_open(&w, &o, NULL), 0);
        assert_int_equal(watched_full(&w), 0);
        kill(t.pid, SIGKILL);
        assert_int_equal(waitid(P_PID, (id_t)t.pid, &info, WEXITED | WNOWAIT), 0);
        assert_int_equal(full ? watched_full(&w) : watched_tick(&w), 0);
        assert_true(sampler_gone(w.sampler));
        assert_non_null(strstr(model_gone(w.model), "has ended"));
        struct watched late;
        struct err e = {0};
        assert_int_equal(watched_open(&late, &o, &e), -ESRCH);
        assert_non_null(strstr(e.text, "ended"));
        stop(&t);
        assert_int_equal(watched_open(&late, &o, &e), -ESRCH);
        watched_close(&w);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "obey"))
        return be_obedient();
    if (argc > 3 && !strcmp(argv[1], "wild"))
        return be_wild((unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]));
    alarm(15 * SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks_converge_to_a_full_sample),
        cmocka_unit_test(test_deep_sweep_finds_what_others_do),
        cmocka_unit_test(test_full_samples_of_a_wild_process),
        cmocka_unit_test(test_ticks_of_a_wild_process),
        cmocka_unit_test(test_a_zombie_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
