/* Words for tests of address spaces that events change: calls, faults, forks and samples, each a
 * moment after the one before. */
#ifndef TESTS_UNIT_SPACED_H
#define TESTS_UNIT_SPACED_H

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
static uint64_t now_ns; /* of the last event or sample */
static uint16_t on_cpu = 1; /* where faults happen */

/* --- small words for events --- */

static inline void call_of(int pid, enum mm_call call, int64_t result, const uint64_t args[6])
{
    struct event e = {.t_ns = ++now_ns, .type = EVENT_CALL, .pid = pid, .tid = pid};
    e.call.call = (uint8_t)call;
    e.call.result = result;
    e.call.has_args = 1;
    memcpy(e.call.args, args, sizeof e.call.args);
    assert_false(spaces_fold(s, &e, NULL));
}

#define CALL(pid, call, result, ...)                                                               \
    call_of(pid, call, (int64_t)(result), (uint64_t[6]){__VA_ARGS__})

static inline uint64_t map_at(uint64_t at, uint64_t size, int prot, int flags)
{
    CALL(ME, CALL_MMAP, at, 0, size, (uint64_t)prot, (uint64_t)flags, (uint64_t)-1, 0);
    return at;
}

static inline uint64_t map_anon(uint64_t at, uint64_t pages)
{
    return map_at(at, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
}

static inline void advise(uint64_t at, uint64_t pages, uint64_t advice)
{
    CALL(ME, CALL_MADVISE, 0, at, pages * PAGE, advice);
}

static inline struct fault_entry fault_of(int pid, uint64_t address, int access, int protection)
{
    static struct fault_entry out;
    struct event e = {.t_ns = ++now_ns, .type = EVENT_FAULT, .pid = pid, .tid = pid,
                      .fault = {.address = address}};
    e.fault.access = (uint8_t)access;
    e.fault.protection = (uint8_t)protection;
    e.fault.cpu = on_cpu;
    memset(&out, 0xaa, sizeof out);
    assert_true(spaces_fold(s, &e, &out));
    return out;
}

static inline void expect(int line, const struct fault_entry *f, enum path path, enum path_how how,
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

static inline enum page_state state_of(int pid, uint64_t address)
{
    return (enum page_state)pagetree_get(spaces_tree(s, pid), address >> 12).state;
}

static inline void fork_to(int pid, int child)
{
    struct event e = {.t_ns = ++now_ns, .type = EVENT_FORK, .pid = pid, .tid = pid};
    e.fork.child_pid = e.fork.child_tid = child;
    spaces_fold(s, &e, NULL);
}

static inline void simple(enum event_type type, int pid)
{
    struct event e = {.t_ns = ++now_ns, .type = (uint8_t)type, .pid = pid, .tid = pid};
    spaces_fold(s, &e, NULL);
}

/* A sample that was read from one time to another. */
static inline void sample_of(int pid, struct region *regions, size_t count, struct page_run *runs,
                      size_t run_count, uint64_t start_ns, uint64_t end_ns)
{
    struct region_table *t = region_table_create();
    t->count = count;
    t->v = calloc(count + 1, sizeof *t->v);
    if (count)
        memcpy(t->v, regions, count * sizeof *t->v);
    struct pagetree *empty = pagetree_create(4), *tree;
    assert_int_equal(
        pagetree_replace(empty, 0, (uint64_t)1 << 36, runs, run_count, &tree), 0);
    const struct sampled found = {.regions = t, .tree = tree, .start_ns = start_ns,
                                  .end_ns = end_ns};
    assert_int_equal(spaces_sampled(s, pid, &found), 0);
    region_table_unref(t);
    pagetree_unref(tree);
    pagetree_unref(empty);
}

/* One that was read at once, now. */
static inline void sample(int pid, struct region *regions, size_t count, struct page_run *runs,
                   size_t run_count)
{
    now_ns++;
    sample_of(pid, regions, count, runs, run_count, now_ns, now_ns);
}

static inline int setup(void **state)
{
    (void)state;
    s = spaces_create(&geometry, false, true);
    now_ns = 0;
    spaces_target(s, ME);
    sample(ME, NULL, 0, NULL, 0);
    return !s;
}

static inline int teardown(void **state)
{
    (void)state;
    spaces_destroy(s);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
