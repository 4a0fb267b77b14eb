/* Address spaces followed by events: what fork and its kin share, copy and leave out. */
#include "spaced.h"

static void test_25_fork(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    WRITE(a + PAGE, PATH_ANONYMOUS);
    WRITE(a + 2 * PAGE, PATH_ANONYMOUS);
    READ(a + 3 * PAGE, PATH_ANONYMOUS);
    fork_to(ME, CHILD);
    assert_int_equal(state_of(ME, a), PAGE_COW);
    assert_int_equal(state_of(CHILD, a), PAGE_COW);
    assert_int_equal(state_of(CHILD, a + 3 * PAGE), PAGE_ZERO);
    FAULT(CHILD, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, true);
    now_ns += 2000000;
    REWRITE(a, HOW_REUSE); /* faults all the same */
    REWRITE(a + PAGE, HOW_COPY);
    FAULT(CHILD, a + PAGE, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_REUSE, false); /* just copied */
    FAULT(CHILD, a + 4 * PAGE, ACCESS_WRITE, KNOWN_NO, PATH_ANONYMOUS, 0, true);
    assert_int_equal(state_of(ME, a + 4 * PAGE), PAGE_ABSENT);
    /* one more generation: three share, until they end */
    fork_to(CHILD, GRANDCHILD);
    simple(EVENT_EXIT, CHILD);
    assert_null(spaces_tree(s, CHILD));
    FAULT(GRANDCHILD, a + 2 * PAGE, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, true);
    FAULT(GRANDCHILD, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_REUSE, false); /* just ended */
    now_ns += 200000000;
    REWRITE(a + 2 * PAGE, HOW_REUSE);
    fork_to(GRANDCHILD, CHILD);
    simple(EVENT_EXIT, CHILD);
    now_ns += 200000000;
    FAULT(GRANDCHILD, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_REUSE, true);
}

/* A page that was made on another processor lately may still be held there. */
static void test_pages_not_on_the_lists_yet(void **state)
{
    (void)state;
    const unsigned batch = 31; /* PAGEVEC_SIZE of the kernel */
    uint64_t a = map_anon(base, 512);
    WRITE(a, PATH_ANONYMOUS);
    on_cpu = 2;
    fork_to(ME, CHILD);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, false); /* the child was not heard of */
    now_ns += 2000000;
    FAULT(CHILD, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_REUSE, false);
    fork_to(ME, CHILD);
    simple(EVENT_EXIT, CHILD);
    now_ns += 200000000;
    FAULT(ME, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_REUSE, false); /* perhaps the first one */
    on_cpu = 1;
    for (unsigned i = 1; i < 3 * batch; i++)
        WRITE(a + i * PAGE, PATH_ANONYMOUS);
    on_cpu = 2;
    fork_to(ME, CHILD);
    simple(EVENT_EXIT, CHILD);
    now_ns += 200000000;
    FAULT(ME, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_REUSE, true);
    on_cpu = 1;
}

/* A call that fails says nothing of the fork before it, whose child may just be giving up its pages. */
static void test_fork_that_fails(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    fork_to(ME, CHILD);
    simple(EVENT_EXIT, CHILD);
    CALL(ME, CALL_CLONE3, -EINVAL, 0, 64);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_REUSE, false);
}

/* While one thread forks, another may find its page shared already. */
static void test_fork_by_another_thread(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    const struct event begins = {.t_ns = ++now_ns, .type = EVENT_FORKING, .pid = ME, .tid = ME + 1};
    WRITE(a, PATH_ANONYMOUS);
    fork_to(ME, CHILD);
    simple(EVENT_EXIT, CHILD);
    now_ns += 200000000;
    assert_false(spaces_fold(s, &begins, NULL));
    FAULT(ME, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_REUSE, false);
    const struct event forked = {.t_ns = ++now_ns, .type = EVENT_FORK, .pid = ME, .tid = ME + 1,
                                 .fork = {.child_pid = GRANDCHILD, .child_tid = GRANDCHILD}};
    assert_false(spaces_fold(s, &forked, NULL));
    simple(EVENT_EXEC, GRANDCHILD);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_REUSE, true);
}

/* What execve writes before it is heard of is in the program that begins. */
static void test_writes_of_execve(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    struct fault_entry f;
    struct event e = {.t_ns = ++now_ns, .type = EVENT_FAULT, .pid = ME, .tid = ME};
    e.fault.address = a;
    e.fault.access = ACCESS_WRITE;
    e.fault.mode = MODE_KERNEL;
    e.fault.in_exec = KNOWN_YES;
    assert_true(spaces_fold(s, &e, &f));
    assert_int_equal(f.verdict.path, PATH_UNKNOWN);
    assert_false(f.verdict.sure);
    assert_int_equal(state_of(ME, a), PAGE_ABSENT);
    e.fault.access = ACCESS_READ; /* arguments, out of the old one */
    assert_true(spaces_fold(s, &e, &f));
    assert_int_equal(f.verdict.path, PATH_ANONYMOUS);
}

/* A child that has never been heard of may have ended long ago. */
static void test_fork_not_followed(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    fork_to(ME, CHILD);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, false);
}

static void test_34_what_fork_copies(void **state)
{
    (void)state;
    struct region r[] = {
        {.start = base, .end = base + 8 * PAGE, .inode = 7, .perms = REGION_R | REGION_W,
         .kind = REGION_FILE, .name = "f"},
        {.start = base + 8 * PAGE, .end = base + 16 * PAGE, .inode = 8,
         .perms = REGION_R | REGION_W | REGION_SHARED, .kind = REGION_FILE, .name = "g"},
    };
    struct page file = {PAGE_FRAME_UNKNOWN, 0, PAGE_A_ENTRY, PAGE_FILE, 0};
    struct page_run runs[] = {{base >> 12, 16, file}};
    sample(ME, r, 2, runs, 1);
    fork_to(ME, CHILD);
    assert_int_equal(state_of(CHILD, base), PAGE_UNKNOWN); /* copied if it was ever written */
    assert_int_equal(state_of(CHILD, base + 8 * PAGE), PAGE_ABSENT);
    FAULT(CHILD, base, ACCESS_READ, KNOWN_NO, PATH_READ_FAULT, 0, true);
    FAULT(CHILD, base + PAGE, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, true);
    FAULT(CHILD, base + 9 * PAGE, ACCESS_WRITE, KNOWN_NO, PATH_SHARED_FAULT, 0, true);
    REWRITE(base, HOW_COPY); /* from now on the page table is copied */
    fork_to(ME, GRANDCHILD);
    assert_int_equal(state_of(GRANDCHILD, base), PAGE_COW);
    assert_int_equal(state_of(GRANDCHILD, base + PAGE), PAGE_FILE);
}

static void test_fork_flags(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    CALL(ME, CALL_MLOCK, 0, a, 16 * PAGE);
    assert_int_equal(state_of(ME, a + 5 * PAGE), PAGE_ANON);
    advise(a, 4, MADV_DONTFORK);
    advise(a + 4 * PAGE, 4, MADV_WIPEONFORK);
    fork_to(ME, CHILD);
    FAULT(CHILD, a, ACCESS_READ, KNOWN_NO, PATH_BAD_AREA, 0, true);
    FAULT(CHILD, a + 4 * PAGE, ACCESS_READ, KNOWN_NO, PATH_ANONYMOUS, 0, true);
    assert_int_equal(state_of(CHILD, a + 8 * PAGE), PAGE_COW);
    const struct region_table *t = spaces_regions(s, CHILD);
    assert_int_equal(t->v[0].start, a + 4 * PAGE);
    assert_false(t->v[0].smaps->vmflags >> region_vmflag_bit("lo") & 1);
}

static void test_vfork_shares(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    fork_to(ME, CHILD);
    simple(EVENT_EXEC, CHILD);
    CALL(ME, CALL_VFORK, CHILD, 0);
    assert_int_equal(state_of(ME, a), PAGE_ANON);
    fork_to(ME, CHILD);
    CALL(ME, CALL_CLONE, CHILD, 17); /* SIGCHLD: as fork() */
    assert_int_equal(state_of(ME, a), PAGE_COW);
}

static void test_threads_are_no_forks(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    struct event e = {.type = EVENT_FORK, .pid = ME, .tid = ME};
    e.fork.child_pid = ME;
    e.fork.child_tid = 999;
    spaces_fold(s, &e, NULL);
    e = (struct event){.type = EVENT_EXIT, .pid = ME, .tid = 999};
    spaces_fold(s, &e, NULL);
    assert_int_equal(state_of(ME, a), PAGE_ANON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_25_fork),
        TEST(test_pages_not_on_the_lists_yet),
        TEST(test_fork_that_fails),
        TEST(test_fork_by_another_thread),
        TEST(test_writes_of_execve),
        TEST(test_fork_not_followed),
        TEST(test_34_what_fork_copies),
        TEST(test_fork_flags),
        TEST(test_vfork_shares),
        TEST(test_threads_are_no_forks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
