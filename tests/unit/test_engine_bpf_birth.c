/* The bpf engine and processes that are born while it attaches: from the first that it follows on
 * it follows all. */
#include <sched.h>

#include "base/io.h"
#include "followed.h"

enum { KIDS = 3000, EVERY_NS = 500000, LAST = 5 };

static int go[2];

/* It waits until all go, and then writes to its own page. */
static void have_child(void)
{
    char c;
    uint64_t n = *(volatile uint64_t *)&notes->results[1];
    pid_t pid = fork();
    if (!pid) {
        if (read(go[0], &c, 1) == 0)
            *(volatile char *)(notes->area + n * PAGE) = 1;
        _exit(0);
    }
    *(volatile uint64_t *)&notes->results[1] = n + (pid > 0);
}

/* Has a child every half millisecond until told to stop, and more seldom the more there are, since
 * attaching may take long; and a few when all are followed. */
static void have_children(void)
{
    close(go[1]);
    for (uint64_t next = 0, n = 0; n < KIDS && !*(volatile uint64_t *)&notes->results[0];) {
        if (io_now_ns() < next)
            continue;
        next = io_now_ns() + ((uint64_t)EVERY_NS << n / (KIDS / 8));
        have_child();
        n = *(volatile uint64_t *)&notes->results[1];
    }
    while (!*(volatile uint64_t *)&notes->results[0])
        sched_yield();
    for (int i = 0; i < LAST; i++)
        have_child();
    while (wait(NULL) > 0)
        continue;
}

static size_t faults_on(size_t page)
{
    size_t n = 0;
    for (size_t i = 0; i < seen->n; i++)
        n += is_fault_in(&seen->v[i], page, 1);
    return n;
}

static void test_no_child_is_missed(void **state)
{
    (void)state;
    notes->area = (uintptr_t)mmap(NULL, (KIDS + LAST) * PAGE, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uintptr_t area = notes->area;
    assert_int_equal(pipe(go), 0);
    struct engine_options o = {.pid = start(have_children), .follow = true};
    notes->area = area;
    close(go[0]);
    let_go();
    while (!*(volatile uint64_t *)&notes->results[1])
        sched_yield();
    struct engine *engine = open_or_skip(&o);
    *(volatile uint64_t *)&notes->results[0] = 1;
    close(go[1]);
    follow_to_end(engine, o.pid);
    engine_bpf.close(engine);
    size_t n = notes->results[1], first = 0;
    while (first < n && !faults_on(first))
        first++;
    assert_true(n > LAST && first <= n - LAST);
    print_message("%zu of %zu were there before\n", first, n);
    for (size_t i = first; i < n; i++)
        assert_int_equal(faults_on(i), 1);
}

static int setup(void **state)
{
    (void)state;
    const int rw = PROT_READ | PROT_WRITE;
    notes = mmap(NULL, sizeof *notes, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    seen = mmap(NULL, sizeof *seen, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return notes == MAP_FAILED || seen == MAP_FAILED;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_child_is_missed),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
