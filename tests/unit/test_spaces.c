/* Address spaces followed by events: what a call or a fault does to the next prediction. Numbers
 * and letters in names are rows and sections of the project's table of kernel behaviour. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "model/spaces.h"

enum { ME = 100, CHILD = 101, GRANDCHILD = 102, PAGE = 4096 };
static const uint64_t base = 0x7f0000000000, huge = 0x200000;
static const struct geometry geometry = {12, 4, 21, {"PGD", "PUD", "PMD", "PTE"}};
static struct spaces *s;

/* --- small words for events --- */

static void call_of(int pid, enum mm_call call, int64_t result, const uint64_t args[6])
{
    struct event e = {.type = EVENT_CALL, .pid = pid, .tid = pid};
    e.call.call = (uint8_t)call;
    e.call.result = result;
    e.call.has_args = 1;
    memcpy(e.call.args, args, sizeof e.call.args);
    assert_false(spaces_fold(s, &e, NULL));
}

#define CALL(pid, call, result, ...)                                                               \
    call_of(pid, call, (int64_t)(result), (uint64_t[6]){__VA_ARGS__})

static uint64_t map_at(uint64_t at, uint64_t size, int prot, int flags)
{
    CALL(ME, CALL_MMAP, at, 0, size, (uint64_t)prot, (uint64_t)flags, (uint64_t)-1, 0);
    return at;
}

static uint64_t map_anon(uint64_t at, uint64_t pages)
{
    return map_at(at, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
}

static void advise(uint64_t at, uint64_t pages, uint64_t advice)
{
    CALL(ME, CALL_MADVISE, 0, at, pages * PAGE, advice);
}

static struct fault_entry fault_of(int pid, uint64_t address, int access, int protection)
{
    static struct fault_entry out;
    struct event e = {.type = EVENT_FAULT, .pid = pid, .tid = pid, .fault = {.address = address}};
    e.fault.access = (uint8_t)access;
    e.fault.protection = (uint8_t)protection;
    memset(&out, 0xaa, sizeof out);
    assert_true(spaces_fold(s, &e, &out));
    return out;
}

static void expect(int line, const struct fault_entry *f, enum path path, enum path_how how,
                   bool sure)
{
    if (f->verdict.path == path && f->verdict.how == how && f->verdict.sure == sure)
        return;
    const struct path_verdict *v = &f->verdict;
    fail_msg("line %d: %s how %d sure %d, expected %s how %d sure %d; %s", line,
             path_name(v->path), v->how, v->sure, path_name(path), how, sure,
             v->step[v->steps - 1].answer);
}

/* A fault of this process; SURE or UNSURE is part of what is expected. */
#define FAULT(pid, address, access, there, path, how, sure)                                        \
    do {                                                                                           \
        struct fault_entry f_ = fault_of(pid, address, access, there);                             \
        expect(__LINE__, &f_, path, how, sure);                                                    \
    } while (0)
#define READ(address, path) FAULT(ME, address, ACCESS_READ, KNOWN_NO, path, 0, true)
#define WRITE(address, path) FAULT(ME, address, ACCESS_WRITE, KNOWN_NO, path, 0, true)
#define REWRITE(address, how) FAULT(ME, address, ACCESS_WRITE, KNOWN_YES, PATH_WP, how, true)

static enum page_state state_of(int pid, uint64_t address)
{
    return (enum page_state)pagetree_get(spaces_tree(s, pid), address >> 12).state;
}

static void fork_to(int pid, int child)
{
    struct event e = {.type = EVENT_FORK, .pid = pid, .tid = pid};
    e.fork.child_pid = e.fork.child_tid = child;
    spaces_fold(s, &e, NULL);
}

static void simple(enum event_type type, int pid)
{
    struct event e = {.type = (uint8_t)type, .pid = pid, .tid = pid};
    spaces_fold(s, &e, NULL);
}

static void sample(int pid, struct region *regions, size_t count, struct page_run *runs,
                   size_t run_count)
{
    struct region_table *t = region_table_create();
    t->count = count;
    t->v = calloc(count + 1, sizeof *t->v);
    if (count)
        memcpy(t->v, regions, count * sizeof *t->v);
    struct pagetree *empty = pagetree_create(4), *tree;
    assert_int_equal(
        pagetree_replace(empty, 0, (uint64_t)1 << 36, runs, run_count, &tree), 0);
    assert_int_equal(spaces_sampled(s, pid, t, tree), 0);
    region_table_unref(t);
    pagetree_unref(tree);
    pagetree_unref(empty);
}

static int setup(void **state)
{
    (void)state;
    s = spaces_create(&geometry, false, true);
    sample(ME, NULL, 0, NULL, 0);
    return !s;
}

static int teardown(void **state)
{
    (void)state;
    spaces_destroy(s);
    return 0;
}

/* --- tests --- */

static void test_18_19_anonymous(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    assert_int_equal(state_of(ME, a), PAGE_ANON);
    READ(a + PAGE, PATH_ANONYMOUS);
    assert_int_equal(state_of(ME, a + PAGE), PAGE_ZERO);
    REWRITE(a + PAGE, HOW_COPY);
    assert_int_equal(state_of(ME, a + PAGE), PAGE_ANON);
    assert_int_equal(state_of(ME, a + 2 * PAGE), PAGE_ABSENT);
}

static void test_35_bad_accesses(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    CALL(ME, CALL_MPROTECT, 0, a + PAGE, PAGE, PROT_NONE);
    CALL(ME, CALL_MPROTECT, 0, a + 2 * PAGE, PAGE, PROT_READ);
    READ(a + PAGE, PATH_BAD_ACCESS);
    WRITE(a + 2 * PAGE, PATH_BAD_ACCESS);
    READ(a + 2 * PAGE, PATH_ANONYMOUS);
    WRITE(a + 3 * PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MUNMAP, 0, a + 3 * PAGE, PAGE);
    READ(a + 3 * PAGE, PATH_BAD_AREA);
    assert_int_equal(state_of(ME, a + 3 * PAGE), PAGE_ABSENT);
    /* failed: up to the hole it was done, not behind it */
    CALL(ME, CALL_MPROTECT, -ENOMEM, a + 2 * PAGE, 3 * PAGE, PROT_NONE);
    READ(a + 2 * PAGE, PATH_BAD_ACCESS);
    WRITE(a + 4 * PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MPROTECT, -EACCES, a, 3 * PAGE, PROT_NONE);
    WRITE(a, PATH_ANONYMOUS);
}

/* Rights given back do not take the page's own away: exclusive pages become writable at once. */
static void test_mprotect_and_back(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 4);
    WRITE(a, PATH_ANONYMOUS);
    CALL(ME, CALL_MPROTECT, 0, a, 4 * PAGE, PROT_READ);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_YES, PATH_BAD_ACCESS, 0, true);
    CALL(ME, CALL_MPROTECT, 0, a, 4 * PAGE, PROT_READ | PROT_WRITE);
    assert_int_equal(state_of(ME, a), PAGE_ANON);
    assert_int_equal(spaces_regions(s, ME)->count, 1);
}

static void test_20_shared_anonymous(void **state)
{
    (void)state;
    uint64_t a = map_at(base, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    READ(a, PATH_READ_FAULT);
    WRITE(a + PAGE, PATH_SHARED_FAULT);
    assert_int_equal(state_of(ME, a), PAGE_SHMEM);
    assert_int_equal(state_of(ME, a + 2 * PAGE), PAGE_UNKNOWN);
    advise(a, 64, MADV_DONTNEED);
    assert_int_equal(state_of(ME, a), PAGE_ABSENT);
    READ(a, PATH_READ_FAULT);
    assert_string_equal(spaces_regions(s, ME)->v[0].name, "/dev/zero (deleted)");
}

/* Which pages a read of a file maps besides is not known, but the processor tells. */
static void test_4_21_private_file(void **state)
{
    (void)state;
    struct region file = {.start = base, .end = base + 64 * PAGE, .inode = 7, .dev_major = 8,
                          .perms = REGION_R | REGION_W, .kind = REGION_FILE,
                          .name = "/usr/lib/libx.so"};
    sample(ME, &file, 1, NULL, 0);
    struct fault_entry f = fault_of(ME, base + 5 * PAGE, ACCESS_READ, KNOWN_NO);
    expect(__LINE__, &f, PATH_READ_FAULT, 0, true);
    assert_string_equal(f.region, "libx.so");
    assert_int_equal(f.region_start, base);
    assert_int_equal(state_of(ME, base + 5 * PAGE), PAGE_FILE);
    assert_int_equal(state_of(ME, base + 6 * PAGE), PAGE_UNKNOWN);
    REWRITE(base + 5 * PAGE, HOW_COPY);
    REWRITE(base + 6 * PAGE, HOW_COPY);
    WRITE(base + 7 * PAGE, PATH_COW_FAULT);
    READ(base + 8 * PAGE, PATH_READ_FAULT);
    FAULT(ME, base + 9 * PAGE, ACCESS_UNKNOWN, NOT_KNOWN, PATH_READ_FAULT, 0, false);
    assert_int_equal(spaces_file_size(s, &file, 12 * PAGE + 1), 0);
    READ(base + 12 * PAGE, PATH_READ_FAULT);
    READ(base + 13 * PAGE, PATH_SIGBUS);
}

static void test_mapped_descriptor_is_unsure(void **state)
{
    (void)state;
    CALL(ME, CALL_MMAP, base, 0, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 3, 0);
    FAULT(ME, base, ACCESS_READ, KNOWN_NO, PATH_READ_FAULT, 0, false);
    FAULT(ME, base, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, false);
    FAULT(ME, base + PAGE, ACCESS_WRITE, KNOWN_NO, PATH_COW_FAULT, 0, false);
}

static void test_22_hugetlb(void **state)
{
    (void)state;
    map_at(base, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
    WRITE(base + huge - 1, PATH_HUGETLB);
    READ(base + huge, PATH_BAD_AREA);
}

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
    REWRITE(a, HOW_REUSE); /* faults all the same */
    REWRITE(a + PAGE, HOW_COPY);
    FAULT(CHILD, a + PAGE, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_REUSE, true);
    FAULT(CHILD, a + 4 * PAGE, ACCESS_WRITE, KNOWN_NO, PATH_ANONYMOUS, 0, true);
    assert_int_equal(state_of(ME, a + 4 * PAGE), PAGE_ABSENT);
    /* one more generation: three share, until they end */
    fork_to(CHILD, GRANDCHILD);
    simple(EVENT_EXIT, CHILD);
    assert_null(spaces_tree(s, CHILD));
    FAULT(GRANDCHILD, a + 2 * PAGE, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, true);
    FAULT(GRANDCHILD, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_REUSE, true);
    REWRITE(a + 2 * PAGE, HOW_REUSE);
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

static void test_36_37_populate(void **state)
{
    (void)state;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    uint64_t a = map_at(base, 16 * PAGE, PROT_READ | PROT_WRITE, flags);
    uint64_t b = map_at(base + huge, 16 * PAGE, PROT_READ, flags);
    uint64_t c = map_at(base + 2 * huge, 16 * PAGE, PROT_READ | PROT_WRITE, flags | MAP_NONBLOCK);
    uint64_t d = map_at(base + 3 * huge, 16 * PAGE, PROT_NONE, flags);
    assert_int_equal(state_of(ME, a + 15 * PAGE), PAGE_ANON);
    assert_int_equal(state_of(ME, b), PAGE_ZERO);
    assert_int_equal(state_of(ME, c), PAGE_ABSENT);
    assert_int_equal(state_of(ME, d), PAGE_ABSENT);
    CALL(ME, CALL_MLOCK2, 0, c, 16 * PAGE, MLOCK_ONFAULT);
    assert_int_equal(state_of(ME, c), PAGE_ABSENT);
    CALL(ME, CALL_MLOCK, -ENOMEM, c, 32 * PAGE);
    assert_int_equal(state_of(ME, c), PAGE_UNKNOWN);
    FAULT(ME, c, ACCESS_WRITE, KNOWN_NO, PATH_ANONYMOUS, 0, false);
    CALL(ME, CALL_MLOCKALL, 0, MCL_FUTURE);
    uint64_t e = map_anon(base + 4 * huge, 16);
    assert_int_equal(state_of(ME, e), PAGE_ANON);
    CALL(ME, CALL_MUNLOCKALL, 0, 0);
    uint64_t f = map_anon(base + 5 * huge, 16);
    WRITE(f, PATH_ANONYMOUS);
    CALL(ME, CALL_MADVISE, 0, f, 4 * PAGE, 22); /* MADV_POPULATE_READ */
    assert_int_equal(state_of(ME, f), PAGE_ANON);
    assert_int_equal(state_of(ME, f + PAGE), PAGE_ZERO);
    CALL(ME, CALL_MADVISE, -EFAULT, f, 8 * PAGE, 23);
    assert_int_equal(state_of(ME, f + 6 * PAGE), PAGE_UNKNOWN);
}

static void test_51_brk(void **state)
{
    (void)state;
    uint64_t heap = 0x555555560000;
    CALL(ME, CALL_BRK, heap, 0);
    READ(heap, PATH_BAD_AREA);
    CALL(ME, CALL_BRK, heap + 33 * PAGE, heap + 33 * PAGE);
    WRITE(heap + 32 * PAGE, PATH_ANONYMOUS);
    assert_string_equal(spaces_regions(s, ME)->v[0].name, "[heap]");
    CALL(ME, CALL_BRK, heap + 40 * PAGE - 5, heap + 40 * PAGE - 5);
    assert_int_equal(spaces_regions(s, ME)->count, 1);
    WRITE(heap + 39 * PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_BRK, heap + 8 * PAGE, heap + 8 * PAGE);
    READ(heap + 32 * PAGE, PATH_BAD_AREA);
    CALL(ME, CALL_BRK, heap + 33 * PAGE, heap + 33 * PAGE);
    WRITE(heap + 32 * PAGE, PATH_ANONYMOUS);
}

static void test_48_stack(void **state)
{
    (void)state;
    struct region stack = {.start = base, .end = base + 33 * PAGE, .perms = REGION_R | REGION_W,
                           .kind = REGION_STACK, .name = "[stack]"};
    sample(ME, &stack, 1, NULL, 0);
    struct fault_entry f = fault_of(ME, base - 3 * PAGE + 8, ACCESS_WRITE, KNOWN_NO);
    expect(__LINE__, &f, PATH_ANONYMOUS, 0, false);
    assert_int_equal(f.verdict.also, PATH_EXPAND_STACK);
    assert_int_equal(spaces_regions(s, ME)->v[0].start, base - 3 * PAGE);
    WRITE(base - 2 * PAGE, PATH_ANONYMOUS);
    uint64_t a = map_at(base + huge, 16 * PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN);
    f = fault_of(ME, a - PAGE, ACCESS_WRITE, KNOWN_NO);
    expect(__LINE__, &f, PATH_ANONYMOUS, 0, false);
    assert_int_equal(f.verdict.also, PATH_EXPAND_STACK);
}

static void test_E_huge(void **state)
{
    (void)state;
    uint64_t a = map_anon(base + PAGE, 4 * 512) - PAGE + huge;
    WRITE(a, PATH_ANONYMOUS); /* not advised */
    advise(a - huge + PAGE, 4 * 512, MADV_HUGEPAGE);
    WRITE(a + PAGE, PATH_ANONYMOUS); /* there is a page table now */
    READ(a + huge + 5 * PAGE, PATH_HUGE_ANONYMOUS);
    assert_int_equal(state_of(ME, a + huge), PAGE_HUGE_ZERO);
    FAULT(ME, a + huge, ACCESS_WRITE, KNOWN_YES, PATH_HUGE_WP, 0, true);
    assert_int_equal(state_of(ME, a + huge + 511 * PAGE), PAGE_ANON);
    WRITE(a - huge + 5 * PAGE, PATH_ANONYMOUS);     /* the block sticks out of the mapping */
    WRITE(a + 3 * huge, PATH_ANONYMOUS);            /* this one too */
    fork_to(ME, CHILD);
    struct fault_entry f = fault_of(CHILD, a + huge + 3 * PAGE, ACCESS_WRITE, KNOWN_YES);
    expect(__LINE__, &f, PATH_WP, HOW_COPY, true);
    assert_int_equal(f.verdict.also, PATH_HUGE_WP);
    f = fault_of(CHILD, a + huge + 4 * PAGE, ACCESS_WRITE, KNOWN_YES);
    expect(__LINE__, &f, PATH_WP, HOW_COPY, true);
    assert_int_equal(f.verdict.also, PATH_UNKNOWN); /* its entry is split already */
    simple(EVENT_EXIT, CHILD);
    FAULT(ME, a + huge + 7 * PAGE, ACCESS_WRITE, KNOWN_YES, PATH_HUGE_WP, 0, true);
}

/* A partial MADV_DONTNEED splits; what is there now, an empty page table or none, is not known. */
static void test_E_huge_given_back(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 1024);
    advise(a, 1024, MADV_HUGEPAGE);
    WRITE(a, PATH_HUGE_ANONYMOUS);
    advise(a + 5 * PAGE, 1, MADV_DONTNEED);
    WRITE(a + 5 * PAGE, PATH_ANONYMOUS);
    assert_false(pagetree_get(spaces_tree(s, ME), a >> 12).attrs & PAGE_A_PMD);
    advise(a, 300, MADV_DONTNEED);
    advise(a + 300 * PAGE, 212, MADV_DONTNEED);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_NO, PATH_HUGE_ANONYMOUS, 0, false);
    assert_int_equal(state_of(ME, a), PAGE_ANON);
    assert_int_equal(state_of(ME, a + PAGE), PAGE_UNKNOWN);
    WRITE(a + PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MADVISE, 0, a, 512 * PAGE, 25); /* MADV_COLLAPSE */
    assert_true(pagetree_get(spaces_tree(s, ME), a >> 12).attrs & PAGE_A_PMD);
}

static void test_E_guard(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    advise(a, 2, 102);
    READ(a, PATH_BAD_AREA);
    advise(a, 16, MADV_DONTNEED); /* leaves markers */
    READ(a + PAGE, PATH_BAD_AREA);
    fork_to(ME, CHILD);
    FAULT(CHILD, a, ACCESS_READ, KNOWN_NO, PATH_BAD_AREA, 0, true);
    advise(a, 1, 103);
    READ(a, PATH_ANONYMOUS);
    READ(a + PAGE, PATH_BAD_AREA);
}

static void test_E_swap_and_free(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    advise(a, 16, 21); /* MADV_PAGEOUT: perhaps */
    assert_int_equal(state_of(ME, a), PAGE_UNKNOWN);
    WRITE(a, PATH_SWAP);
    WRITE(a + PAGE, PATH_ANONYMOUS);
    advise(a, 16, 21);
    FAULT(ME, a, ACCESS_WRITE, NOT_KNOWN, PATH_ANONYMOUS, 0, false);
    advise(a, 16, MADV_FREE);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_NO, PATH_ANONYMOUS, 0, false);
    struct region r = {.start = a, .end = a + 16 * PAGE, .perms = REGION_R | REGION_W, .name = ""};
    struct page_run out = {a >> 12, 16, {77, 0, PAGE_A_ENTRY, PAGE_SWAP, 0}};
    sample(ME, &r, 1, &out, 1);
    READ(a, PATH_SWAP);
    WRITE(a + PAGE, PATH_SWAP);
    assert_int_equal(state_of(ME, a + PAGE), PAGE_ANON);
}

static void test_E_ksm(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    advise(a, 16, MADV_MERGEABLE);
    WRITE(a, PATH_ANONYMOUS);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, false);
}

static void test_E_mremap(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16), b = base + 64 * PAGE, c = base + 256 * PAGE;
    WRITE(a + PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MREMAP, b, a, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE);
    READ(a, PATH_BAD_AREA);
    assert_int_equal(state_of(ME, b + PAGE), PAGE_ANON);
    WRITE(b + 20 * PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MREMAP, b, b, 32 * PAGE, 8 * PAGE, 0);
    READ(b + 20 * PAGE, PATH_BAD_AREA);
    CALL(ME, CALL_MREMAP, b, b, 8 * PAGE, 40 * PAGE, 0);
    WRITE(b + 39 * PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MREMAP, c, b, 40 * PAGE, 40 * PAGE, MREMAP_MAYMOVE | 4); /* DONTUNMAP */
    WRITE(b + PAGE, PATH_ANONYMOUS);
    assert_int_equal(state_of(ME, c + PAGE), PAGE_ANON);
    assert_int_equal(state_of(ME, b + 39 * PAGE), PAGE_ABSENT);
    CALL(ME, CALL_MREMAP, -ENOMEM, c, 40 * PAGE, 80 * PAGE, 0);
    READ(c + 41 * PAGE, PATH_BAD_AREA);
}

static void test_23_remap_file_pages(void **state)
{
    (void)state;
    uint64_t a = map_at(base, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    CALL(ME, CALL_REMAP_FILE_PAGES, 0, a + 2 * PAGE, PAGE, 0, 7, 0);
    assert_int_equal(state_of(ME, a + 2 * PAGE), PAGE_SHMEM);
    assert_int_equal(spaces_regions(s, ME)->count, 3);
    assert_int_equal(spaces_regions(s, ME)->v[1].offset, 7 * PAGE);
}

static void test_fixed_drops_silently(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a + 3 * PAGE, PATH_ANONYMOUS);
    map_at(a + 3 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
    READ(a + 3 * PAGE, PATH_ANONYMOUS);
    FAULT(ME, a + 3 * PAGE, ACCESS_WRITE, KNOWN_YES, PATH_BAD_ACCESS, 0, true);
}

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

static void test_call_without_arguments(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    struct event e = {.type = EVENT_CALL, .pid = ME, .tid = ME, .call = {.call = CALL_MUNMAP}};
    spaces_fold(s, &e, NULL);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_NO, PATH_ANONYMOUS, 0, false);
    e.call.call = CALL_MSYNC;
    spaces_fold(s, &e, NULL);
    assert_int_equal(state_of(ME, a), PAGE_ANON);
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

/* 40,000 mappings and as many calls against a plain array of pages. */
static void test_many_mappings(void **state)
{
    (void)state;
    enum { N = 4096 };
    static uint8_t mapped[N];
    memset(mapped, 0, sizeof mapped);
    unsigned x = 1;
    for (unsigned i = 0; i < 40000; i++) {
        x = x * 1664525 + 1013904223;
        uint64_t at = x >> 8 & (N - 1), n = 1 + (x >> 24) % 8;
        n = at + n > N ? N - at : n;
        bool map = x >> 5 & 1;
        memset(mapped + at, map ? 1 + (int)(x >> 30) : 0, n);
        if (map)
            map_at(base + at * PAGE, n * PAGE, (int)(x >> 30), MAP_PRIVATE | MAP_ANONYMOUS);
        else
            CALL(ME, CALL_MUNMAP, 0, base + at * PAGE, n * PAGE);
    }
    const struct region_table *t = spaces_regions(s, ME);
    for (size_t i = 1; i < t->count; i++)
        assert_true(t->v[i - 1].end <= t->v[i].start && t->v[i].start < t->v[i].end);
    for (unsigned i = 0; i < N; i++) {
        const struct region *r = region_table_at(t, base + i * PAGE);
        assert_int_equal(mapped[i] ? mapped[i] - 1 : -1, r ? r->perms & 3 : -1);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_18_19_anonymous), TEST(test_35_bad_accesses), TEST(test_mprotect_and_back),
        TEST(test_20_shared_anonymous), TEST(test_4_21_private_file),
        TEST(test_mapped_descriptor_is_unsure), TEST(test_22_hugetlb), TEST(test_25_fork),
        TEST(test_fork_not_followed), TEST(test_34_what_fork_copies), TEST(test_fork_flags),
        TEST(test_vfork_shares), TEST(test_threads_are_no_forks), TEST(test_36_37_populate),
        TEST(test_51_brk), TEST(test_48_stack), TEST(test_E_huge), TEST(test_E_huge_given_back),
        TEST(test_E_guard), TEST(test_E_swap_and_free), TEST(test_E_ksm), TEST(test_E_mremap),
        TEST(test_23_remap_file_pages), TEST(test_fixed_drops_silently),
        TEST(test_unknown_spaces), TEST(test_call_without_arguments),
        TEST(test_flags_outlive_samples), TEST(test_many_mappings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
