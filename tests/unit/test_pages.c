/* Reading the pages of a real process that is at rest: in pieces of any size, in part, and by
 * entries instead of scans, the same pages come out. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/maps.h"
#include "probe/pages.h"
#include "probe/stat.h"
#include "probe/sysinfo.h"

enum { PAGE = 4096, SMALL = 200 };

static pid_t child;
static struct procdir dir;
static struct page_reader reader;
static struct target_info info;
static struct region_table *regions;

/* Many small mappings, a THP, a hole, zero pages, a page of every kind that takes no privilege. */
static int be_child(void)
{
    for (unsigned i = 0; i < SMALL; i++) {
        char *p = mmap(NULL, 3 * PAGE, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (i % 2)
            (void)*(volatile char *)(p + PAGE);
        else
            p[i % 3 * PAGE] = 1;
    }
    char *huge = mmap(NULL, 6 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(huge, 6 << 20, MADV_HUGEPAGE);
    memset(huge, 1, 5 << 20);
    madvise(huge, 6 << 20, MADV_NOHUGEPAGE); /* or khugepaged would go on */
    char *shared = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < 1 << 20; i += 5 * PAGE)
        shared[i] = 1;
    if (write(STDOUT_FILENO, "!", 1) == 1)
        for (;;)
            pause();
    return 1;
}

/* Waits until the child sleeps in pause: on its way there it still maps pages of libc. */
static bool rests(void)
{
    struct buf text = {0};
    struct stat_line line = {.run_state = 'R'};
    while (line.run_state != 'S' && !procdir_read(&dir, "stat", &text) &&
           !stat_parse(text.data, text.len, &line))
        sched_yield();
    buf_deinit(&text);
    return line.run_state == 'S';
}

static int start(void **state)
{
    (void)state;
    int ready[2];
    char c;
    struct buf text = {0};
    if (pipe(ready) || sysinfo_geometry(&info.geometry))
        return -1;
    child = fork();
    if (!child) { /* by exec: it shares nothing with this test but pages of files */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ready[1], STDOUT_FILENO);
        execl("/proc/self/exe", "target", "rest", (char *)NULL);
        _exit(1);
    }
    if (read(ready[0], &c, 1) != 1 || procdir_open(NULL, child, &dir, NULL) || !rests() ||
        page_reader_init(&reader, &dir, &info) || procdir_read(&dir, "maps", &text) ||
        maps_parse(text.data, text.len, NULL, &regions))
        return -1;
    buf_deinit(&text);
    close(ready[0]);
    close(ready[1]);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    page_reader_deinit(&reader);
    procdir_close(&dir);
    region_table_unref(regions);
    kill(child, SIGKILL);
    return waitpid(child, NULL, 0) == child ? 0 : -1;
}

/* All of [start, end) in pieces of about so many populated pages, as a tree. */
static struct pagetree *read_all(uint64_t start, uint64_t end, unsigned want, uint64_t piece)
{
    struct pagetree *empty = pagetree_create(info.geometry.levels), *t;
    struct run_vec runs = {0};
    for (uint64_t at = start; at < end;) {
        uint64_t stopped = 0;
        assert_int_equal(page_reader_read(&reader, regions, at, end, want, piece, &runs, &stopped),
                         0);
        assert_true(stopped > at);
        at = stopped;
    }
    uint64_t all = UINT64_C(1) << (info.geometry.levels * PAGETREE_FANOUT_BITS);
    assert_int_equal(pagetree_replace(empty, 0, all, runs.v, runs.count, &t), 0);
    pagetree_unref(empty);
    run_vec_deinit(&runs);
    return t;
}

/* Pages of files are shared with this test, which maps more of them as it runs. */
static int differs(void *ctx, uint64_t start, uint64_t n)
{
    struct pagetree *const *t = ctx;
    for (uint64_t i = start; i < start + n; i++) {
        struct page a = pagetree_get(t[0], i), b = pagetree_get(t[1], i);
        if (a.state != b.state || a.frame != b.frame ||
            (a.state != PAGE_FILE && (a.attrs != b.attrs || a.order != b.order))) {
            print_error("page %#llx: %s attrs %#x order %u, %s attrs %#x order %u\n",
                        (unsigned long long)i, page_state_info(a.state)->name, a.attrs, a.order,
                        page_state_info(b.state)->name, b.attrs, b.order);
            return 1;
        }
    }
    return 0;
}

static void check_same(struct pagetree *a, struct pagetree *b)
{
    struct pagetree *two[] = {a, b};
    assert_int_equal(pagetree_diff(a, b, 0, UINT64_MAX, differs, two), 0);
}

static void test_pieces_of_any_size(void **state)
{
    (void)state;
    static const unsigned wants[] = {0, PAGES_ENTRIES, PAGES_ALL};
    for (unsigned i = 0; i < sizeof wants / sizeof *wants; i++) {
        struct pagetree *whole = read_all(0, UINT64_MAX, wants[i], UINT64_C(1) << 30);
        for (uint64_t piece = 3; piece < 20000; piece = piece * 13 + 1) {
            struct pagetree *t = read_all(0, UINT64_MAX, wants[i], piece);
            check_same(whole, t);
            pagetree_unref(t);
        }
        struct tally sum = {{0}};
        pagetree_tally(whole, 0, UINT64_MAX, &sum);
        assert_true(tally_present(&sum) > 1280);
        assert_int_equal(sum.n[PAGE_UNKNOWN], 0);
        pagetree_unref(whole);
    }
}

static void test_a_part_is_like_the_whole(void **state)
{
    (void)state;
    struct pagetree *whole = read_all(0, UINT64_MAX, PAGES_ALL, UINT64_C(1) << 30);
    for (size_t i = 0; i < regions->count; i += 1 + i / 40) {
        const struct region *r = &regions->v[i];
        if (r->start >> 63)
            continue;
        uint64_t half = (r->end - r->start) / 2 & ~(uint64_t)(PAGE - 1);
        struct pagetree *t = read_all(r->start + half, r->end, PAGES_ALL, UINT64_C(1) << 30), *cut;
        uint64_t first = (r->start + half) / PAGE, n = (r->end - r->start - half) / PAGE;
        struct pagetree *two[] = {whole, t};
        assert_int_equal(pagetree_diff(whole, t, first, n, differs, two), 0);
        assert_int_equal(pagetree_replace(t, first, n, NULL, 0, &cut), 0);
        struct tally sum = {{0}};
        pagetree_tally(cut, 0, UINT64_MAX, &sum);
        assert_int_equal(tally_present(&sum), 0); /* nothing beyond what was asked for */
        pagetree_unref(cut);
        pagetree_unref(t);
    }
    pagetree_unref(whole);
}

/* As on kernels before 6.7: the same pages, but for what only a scan tells. Not of the terabytes
 * that a sanitizer reserves. */
static void test_by_entries(void **state)
{
    (void)state;
    enum { MOST = 64 << 20 };
    struct tally sum[2] = {{{0}}, {{0}}};
    if (!reader.scan || reader.kpageflags_fd < 0)
        skip();
    for (unsigned by_scan = 0; by_scan < 2; by_scan++) {
        reader.scan = by_scan;
        for (size_t i = 0; i < regions->count; i++) {
            const struct region *r = &regions->v[i];
            if (r->end - r->start > MOST)
                continue;
            struct pagetree *t = read_all(r->start, r->end, PAGES_ALL, 1000);
            pagetree_tally(t, 0, UINT64_MAX, &sum[by_scan]);
            pagetree_unref(t);
        }
    }
    for (unsigned s = PAGE_ABSENT + 1; s < PAGE_STATE_N; s++)
        assert_int_equal(sum[0].n[s], sum[1].n[s]);
    assert_int_equal(sum[0].n[TALLY_PMD], 0);
}

/* An address space that is no more is a process that is gone, not one of unknown pages. */
static void test_a_dead_address_space(void **state)
{
    (void)state;
    struct run_vec runs = {0};
    uint64_t stopped = 1;
    siginfo_t died;
    kill(child, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)child, &died, WEXITED | WNOWAIT), 0);
    for (unsigned scan = 0; scan < 2; scan++) {
        reader.scan = scan && reader.scan;
        assert_int_equal(page_reader_read(&reader, regions, 0, UINT64_MAX, PAGES_ALL, 1 << 20,
                                          &runs, &stopped),
                         -ESRCH);
        assert_int_equal(stopped, 1);
        assert_int_equal(runs.count, 0);
    }
    struct page_reader late;
    int rc = page_reader_init(&late, &dir, &info); /* who has no privilege may not even open it */
    assert_true(rc == -ESRCH || (!rc && !info.pagemap.yes));
    page_reader_deinit(&late);
    run_vec_deinit(&runs);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "rest"))
        return be_child();
    alarm(900);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_of_any_size),
        cmocka_unit_test(test_a_part_is_like_the_whole),
        cmocka_unit_test(test_by_entries),
        cmocka_unit_test(test_a_dead_address_space),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
