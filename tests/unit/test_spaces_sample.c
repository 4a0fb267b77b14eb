/* Address spaces followed by events: samples at their place among the events. */
#include "spaced.h"

/* After exec, and for who was never seen, nothing is claimed but what events tell. */
static void test_unknown_spaces(void **state)
{
    (void)state;
    FAULT(4711, base, ACCESS_WRITE, KNOWN_NO, PATH_UNKNOWN, 0, false);
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    simple(EVENT_EXEC, ME);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_NO, PATH_UNKNOWN, 0, false);
    map_anon(base + huge, 16);
    WRITE(base + huge, PATH_ANONYMOUS);
    CALL(ME, CALL_SHMAT, base + 3 * huge, 5);
    sample(ME, NULL, 0, NULL, 0);
    READ(base, PATH_BAD_AREA);
    CALL(ME, CALL_SHMAT, base + 3 * huge, 5);
    FAULT(ME, base + 3 * huge, ACCESS_WRITE, KNOWN_NO, PATH_UNKNOWN, 0, false);
    assert_null(spaces_regions(s, 12345));
}

/* What events told of flags outlives a sample that did not read them. */
static void test_flags_outlive_samples(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 1024);
    advise(a, 1024, MADV_HUGEPAGE);
    struct region r = {.start = a, .end = a + 1024 * PAGE, .perms = REGION_R | REGION_W,
                       .name = ""};
    sample(ME, &r, 1, NULL, 0);
    WRITE(a, PATH_HUGE_ANONYMOUS);
    r.start -= 1024 * PAGE;
    sample(ME, &r, 1, NULL, 0);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_NO, PATH_ANONYMOUS, 0, false);
}

/* --- samples that take time --- */

static const struct region anon16 = {.start = 0x7f0000000000, .end = 0x7f0000010000,
                                     .perms = REGION_R | REGION_W, .name = ""};

/* A sample of one anonymous mapping, in which these pages were present. */
static void sample_anon(uint64_t page, uint64_t n, uint64_t start_ns, uint64_t end_ns)
{
    struct region r = anon16;
    struct page_run run = {(base >> 12) + page, n,
                           {77, 0, PAGE_A_ENTRY | PAGE_A_EXCLUSIVE, PAGE_ANON, 0}};
    sample_of(ME, &r, 1, &run, n ? 1 : 0, start_ns, end_ns);
}

/* Events that are older than the sample are judged by what was known before it. */
static void test_older_events_come_later(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    sample_anon(0, 2, now_ns + 10, now_ns + 20);
    WRITE(a, PATH_ANONYMOUS);
    WRITE(a + PAGE, PATH_ANONYMOUS);
    now_ns += 20;
    REWRITE(a + PAGE, HOW_REUSE);
    assert_int_equal(pagetree_get(spaces_tree(s, ME), a >> 12).frame, 77);
}

/* What happened while it was read is put over it, whether it was folded before it came or not. */
static void test_events_during_a_sample(void **state)
{
    (void)state;
    sample_anon(0, 2, 100, 100);
    now_ns = 110;
    map_anon(base + huge, 4);
    WRITE(base + huge, PATH_ANONYMOUS);
    advise(base, 1, MADV_DONTNEED);
    sample_anon(0, 3, 105, 200);
    CALL(ME, CALL_MUNMAP, 0, base + 15 * PAGE, PAGE);
    now_ns = 200;
    READ(base + 15 * PAGE, PATH_BAD_AREA);
    WRITE(base, PATH_ANONYMOUS);
    assert_int_equal(state_of(ME, base + huge), PAGE_ANON);
    assert_int_equal(state_of(ME, base + 2 * PAGE), PAGE_ANON);
    WRITE(base + huge + PAGE, PATH_ANONYMOUS);
}

/* A program that was replaced while, or after, it was read. */
static void test_sample_of_the_program_before(void **state)
{
    (void)state;
    now_ns = 150;
    simple(EVENT_EXEC, ME);
    uint64_t a = map_anon(base + huge, 16);
    sample_anon(0, 2, 100, 200);
    now_ns = 300;
    WRITE(a, PATH_ANONYMOUS);
    FAULT(ME, base + 2 * PAGE, ACCESS_WRITE, KNOWN_NO, PATH_UNKNOWN, 0, false);
    sample_anon(0, 2, 400, 450); /* one that waits when the program is replaced */
    now_ns = 420;
    simple(EVENT_EXEC, ME);
    now_ns = 500;
    FAULT(ME, base + 2 * PAGE, ACCESS_WRITE, KNOWN_NO, PATH_UNKNOWN, 0, false);
}

/* A sampler does not read again what did not seem to move: that does not undo an event. */
static void test_only_differences_count(void **state)
{
    (void)state;
    sample_anon(0, 2, 100, 100);
    now_ns = 200;
    WRITE(base + 5 * PAGE, PATH_ANONYMOUS);
    sample_anon(0, 3, 300, 300);
    now_ns = 300;
    assert_int_equal(state_of(ME, base + 5 * PAGE), PAGE_ANON);
    REWRITE(base + 2 * PAGE, HOW_REUSE);
}

/* A fork during it: the child keeps its own, and who shares with whom stays known. */
static void test_fork_during_a_sample(void **state)
{
    (void)state;
    sample_anon(0, 2, 1, 1);
    now_ns = 100;
    fork_to(ME, CHILD);
    sample_anon(0, 3, 50, 150);
    now_ns = 150;
    FAULT(CHILD, base, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, true);
    now_ns += 2000000;
    REWRITE(base, HOW_REUSE);
    REWRITE(base + PAGE, HOW_COPY);
    assert_int_equal(state_of(ME, base + 2 * PAGE), PAGE_COW);
}

/* That the parent's pages are shared a sample finds too: since which fork, it does not know. */
static void test_sample_after_a_fork(void **state)
{
    (void)state;
    struct region r = anon16;
    struct page_run found[] = {
        {base >> 12, 2, {77, 2, PAGE_A_ENTRY | PAGE_A_COUNT, PAGE_COW, 0}},
        {(base >> 12) + 2, 1, {79, 1, PAGE_A_ENTRY | PAGE_A_EXCLUSIVE, PAGE_ANON, 0}},
    };
    sample_anon(0, 3, 1, 1);
    now_ns = 100;
    fork_to(ME, CHILD);
    FAULT(CHILD, base + 2 * PAGE, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, true);
    now_ns += 2000000;
    sample(ME, &r, 1, found, 2);
    FAULT(CHILD, base, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, true);
    assert_int_equal(state_of(ME, base), PAGE_COW);
    sample(CHILD, &r, 1, found, 2); /* the first of this process */
    fork_to(ME, GRANDCHILD);
    FAULT(GRANDCHILD, base + 2 * PAGE, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, true);
    FAULT(CHILD, base + PAGE, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, true);
    FAULT(GRANDCHILD, base + PAGE, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, true);
    now_ns += 2000000;
    REWRITE(base + PAGE, HOW_REUSE);
}

/* More events during it than are kept: then what it found differs for reasons not known. */
static void test_too_many_events_during_a_sample(void **state)
{
    (void)state;
    sample_anon(0, 2, 1, 1);
    now_ns = 100;
    for (unsigned i = 0; i < 20000; i++)
        advise(base + 4 * PAGE, 1, MADV_DONTNEED);
    sample_anon(0, 3, 50, now_ns);
    now_ns++;
    assert_int_equal(state_of(ME, base), PAGE_ANON);
    WRITE(base + 3 * PAGE, PATH_ANONYMOUS);
    assert_int_equal(state_of(ME, base + 2 * PAGE), PAGE_UNKNOWN);
}

/* Mappings of a program that has begun serve at once, and are all once events reach the reading. */
static void test_program_begun(void **state)
{
    (void)state;
    simple(EVENT_EXEC, ME);
    struct region_table *t = region_table_create();
    t->v = malloc(sizeof *t->v);
    t->v[t->count++] = anon16;
    assert_int_equal(spaces_begun(s, ME, t, now_ns + 10), 0);
    region_table_unref(t);
    WRITE(base, PATH_ANONYMOUS);
    FAULT(ME, base + huge, ACCESS_WRITE, KNOWN_NO, PATH_UNKNOWN, 0, false);
    now_ns += 10;
    WRITE(base + huge, PATH_BAD_AREA);
}

/* --- mappings that the kernel told of --- */

static void told(struct region r, const char *name, uint64_t size, enum mapping_told how)
{
    struct event e = {.t_ns = ++now_ns, .pid = ME, .tid = ME, .type = EVENT_NAME};
    for (size_t at = 0; at < strlen(name); at += EVENT_NAME_MAX) {
        memset(e.name.text, 0, sizeof e.name.text);
        memcpy(e.name.text, name + at, strnlen(name + at, EVENT_NAME_MAX));
        spaces_fold(s, &e, NULL);
    }
    e.type = EVENT_MAPPING;
    memset(&e.mapping, 0, sizeof e.mapping);
    e.mapping.start = r.start;
    e.mapping.end = r.end;
    e.mapping.offset = r.offset;
    e.mapping.inode = r.inode;
    e.mapping.perms = r.perms;
    e.mapping.kind = r.kind;
    e.mapping.size = size;
    e.mapping.told = (uint8_t)how;
    spaces_fold(s, &e, NULL);
}

#define LONG_NAME "/a/name/that/does/not/fit/into/one/event/because/it/is/longer/than/that/libx.so"

/* A program of which the kernel told: nothing is unknown, and no name is cut. */
static void test_program_told(void **state)
{
    (void)state;
    struct region text = {.start = base, .end = base + 16 * PAGE, .inode = 7,
                          .perms = REGION_R | REGION_X, .kind = REGION_FILE};
    struct region stack = {.start = base + huge, .end = base + huge + 33 * PAGE,
                           .perms = REGION_R | REGION_W, .kind = REGION_STACK};
    simple(EVENT_EXEC, ME);
    told(text, LONG_NAME, 16 * PAGE, MAPPED_AT_EXEC);
    told(stack, "[stack]", UINT64_MAX, MAPPED_AT_EXEC);
    FAULT(ME, base + 64 * PAGE, ACCESS_READ, KNOWN_NO, PATH_UNKNOWN, 0, false);
    told((struct region){0}, "", 0, MAPPED_ALL);
    struct fault_entry f = fault_of(ME, base, ACCESS_READ, KNOWN_NO);
    expect(__LINE__, &f, PATH_READ_FAULT, 0, true);
    assert_string_equal(f.region, "libx.so");
    assert_string_equal(spaces_regions(s, ME)->v[0].name, LONG_NAME);
    READ(base + 2 * huge, PATH_BAD_AREA);
    WRITE(base + huge, PATH_ANONYMOUS);
    /* the kernel wrote the arguments: that page is there without a fault */
    assert_int_equal(state_of(ME, base + huge + 32 * PAGE), PAGE_UNKNOWN);
}

/* What a call mapped is told by the same thread just before it returns; another's is not taken. */
static void test_mapped_file_told(void **state)
{
    (void)state;
    struct region r = {.start = base, .end = base + 16 * PAGE, .inode = 7,
                       .perms = REGION_R | REGION_W, .kind = REGION_SHMEM};
    told(r, "/memfd:x (deleted)", 4 * PAGE, MAPPED_BY_CALL);
    CALL(ME, CALL_MMAP, base, 0, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0);
    READ(base, PATH_READ_FAULT);
    assert_int_equal(state_of(ME, base), PAGE_SHMEM);
    assert_string_equal(spaces_regions(s, ME)->v[0].name, "/memfd:x (deleted)");
    FAULT(ME, base + 4 * PAGE, ACCESS_READ, KNOWN_NO, PATH_SIGBUS, 0, false);
    CALL(ME, CALL_MMAP, base + huge, 0, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0);
    FAULT(ME, base + huge, ACCESS_READ, KNOWN_NO, PATH_READ_FAULT, 0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unknown_spaces),
        TEST(test_flags_outlive_samples),
        TEST(test_older_events_come_later),
        TEST(test_events_during_a_sample),
        TEST(test_sample_of_the_program_before),
        TEST(test_only_differences_count),
        TEST(test_fork_during_a_sample), TEST(test_sample_after_a_fork),
        TEST(test_too_many_events_during_a_sample),
        TEST(test_program_begun),
        TEST(test_program_told),
        TEST(test_mapped_file_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
