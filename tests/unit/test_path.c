/* The decision tree of page faults, row by row. What is expected comes from what Linux 6.18 was
 * seen to do (the numbers are rows of the project's table of kernel behaviour, letters its
 * sections), not from the tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/path.h"

static const uint64_t base = 0x700000000000;

enum {
    R = REGION_R, W = REGION_W, X = REGION_X, S = REGION_SHARED,
    E = PAGE_A_ENTRY, EX = PAGE_A_ENTRY | PAGE_A_EXCLUSIVE, WR = EX | PAGE_A_WRITABLE,
    PMD = PAGE_A_ENTRY | PAGE_A_PMD, UWP = PAGE_A_ENTRY | PAGE_A_UFFD_WP
};

/* What else there is. */
enum { THP = 1, BEYOND = 2, NUMA = 4, HOLE = 8, STACK_ABOVE = 16, KERNEL_HALF = 32, UNSURE = 64,
       WAITS = 128, ROOM = 256, NO_ROOM = 512 };

struct row {
    const char *name;
    uint8_t kind, perms, state;
    uint16_t attrs;
    uint8_t access, protection;
    unsigned with;
    uint8_t path, how, also;
    const char *vmflag;
};

#define NEW KNOWN_NO
#define OLD KNOWN_YES
#define ANON REGION_ANON
#define FILE_ REGION_FILE
#define SHMEM REGION_SHMEM

static const struct row rows[] = {
    {"18 first write", ANON, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, 0, PATH_ANONYMOUS, 0, 0, 0},
    {"18 heap", REGION_HEAP, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, 0, PATH_ANONYMOUS, 0, 0, 0},
    {"18 stack", REGION_STACK, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, 0, PATH_ANONYMOUS, 0, 0,
     0},
    {"19 read of untouched", ANON, R | W, PAGE_ABSENT, 0, ACCESS_READ, NEW, 0, PATH_ANONYMOUS, 0,
     0, 0},
    {"19 write to the zero page", ANON, R | W, PAGE_ZERO, E, ACCESS_WRITE, OLD, 0, PATH_WP,
     HOW_COPY, 0, 0},
    {"20 shared anonymous, read", SHMEM, R | W | S, PAGE_ABSENT, 0, ACCESS_READ, NEW, 0,
     PATH_READ_FAULT, 0, 0, 0},
    {"20 shared anonymous, write", SHMEM, R | W | S, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, 0,
     PATH_SHARED_FAULT, 0, 0, 0},
    {"21 file, read", FILE_, R | W, PAGE_ABSENT, 0, ACCESS_READ, NEW, 0, PATH_READ_FAULT, 0, 0, 0},
    {"21 file, instruction", FILE_, R | X, PAGE_ABSENT, 0, ACCESS_EXEC, NEW, 0, PATH_READ_FAULT, 0,
     0, 0},
    {"4 private file, write first", FILE_, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, 0,
     PATH_COW_FAULT, 0, 0, 0},
    {"4 private file, write after read", FILE_, R | W, PAGE_FILE, EX, ACCESS_WRITE, OLD, 0,
     PATH_WP, HOW_COPY, 0, 0},
    {"4 private tmpfs, write first", SHMEM, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, 0,
     PATH_COW_FAULT, 0, 0, 0},
    {"4 private tmpfs, write after read", SHMEM, R | W, PAGE_SHMEM, EX, ACCESS_WRITE, OLD, 0,
     PATH_WP, HOW_COPY, 0, 0},
    {"3 shared file, write first", FILE_, R | W | S, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, 0,
     PATH_SHARED_FAULT, 0, 0, 0},
    {"3 shared file, write after msync", FILE_, R | W | S, PAGE_FILE, EX, ACCESS_WRITE, OLD, 0,
     PATH_WP, HOW_REUSE, 0, 0},
    {"37 shared file, populated", FILE_, R | W | S, PAGE_FILE, E, ACCESS_WRITE, OLD, 0, PATH_WP,
     HOW_REUSE, 0, 0},
    {"22 hugetlb", REGION_HUGETLB, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, 0, PATH_HUGETLB, 0, 0,
     0},
    {"22 hugetlb, write after read", REGION_HUGETLB, R | W, PAGE_HUGETLB, E, ACCESS_WRITE, OLD, 0,
     PATH_HUGETLB, 0, 0, 0},
    {"22 hugetlb, shared", REGION_HUGETLB, R | W | S, PAGE_ABSENT, 0, ACCESS_READ, NEW, 0,
     PATH_HUGETLB, 0, 0, 0},
    {"24 swapped, read", ANON, R | W, PAGE_SWAP, E, ACCESS_READ, NEW, 0, PATH_SWAP, 0, 0, 0},
    {"24 swapped, write", ANON, R | W, PAGE_SWAP, E, ACCESS_WRITE, NEW, 0, PATH_SWAP, 0, 0, 0},
    {"24 swapped copy of a file", FILE_, R | W, PAGE_SWAP, E, ACCESS_WRITE, NEW, 0, PATH_SWAP, 0,
     0, 0},
    {"F2 shmem in swap", SHMEM, R | W | S, PAGE_SHMEM_SWAP, 0, ACCESS_READ, NEW, 0,
     PATH_READ_FAULT, 0, 0, 0},
    {"25 after fork, both", ANON, R | W, PAGE_COW, E, ACCESS_WRITE, OLD, 0, PATH_WP, HOW_COPY, 0,
     0},
    {"25 after fork, the last one", ANON, R | W, PAGE_ANON, EX, ACCESS_WRITE, OLD, 0, PATH_WP,
     HOW_REUSE, 0, 0},
    {"25 copy of a file after fork", FILE_, R | W, PAGE_COW, E, ACCESS_WRITE, OLD, 0, PATH_WP,
     HOW_COPY, 0, 0},
    {"35 read-only, write", ANON, R, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, 0, PATH_BAD_ACCESS, 0, 0,
     0},
    {"35 read-only, write, present", FILE_, R, PAGE_FILE, E, ACCESS_WRITE, OLD, 0,
     PATH_BAD_ACCESS, 0, 0, 0},
    {"35 PROT_NONE, read", ANON, 0, PAGE_ABSENT, 0, ACCESS_READ, NEW, 0, PATH_BAD_ACCESS, 0, 0, 0},
    {"35 PROT_NONE, page kept", ANON, 0, PAGE_ANON, EX, ACCESS_WRITE, NEW, 0, PATH_BAD_ACCESS, 0,
     0, 0},
    {"35 PROT_NONE, kind of access not known", ANON, 0, PAGE_ABSENT, 0, ACCESS_UNKNOWN, NOT_KNOWN,
     0, PATH_BAD_ACCESS, 0, 0, 0},
    {"35 no execution, present", ANON, R | W, PAGE_ANON, WR, ACCESS_EXEC, OLD, 0, PATH_BAD_ACCESS,
     0, 0, 0},
    {"35 beyond the end, read", FILE_, R | W, PAGE_ABSENT, 0, ACCESS_READ, NEW, BEYOND,
     PATH_SIGBUS, 0, 0, 0},
    {"35 beyond the end, write", FILE_, R | W | S, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, BEYOND,
     PATH_SIGBUS, 0, 0, 0},
    {"35 beyond the end, but not allowed", FILE_, R, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, BEYOND,
     PATH_BAD_ACCESS, 0, 0, 0},
    {"35 unmapped", ANON, 0, PAGE_ABSENT, 0, ACCESS_READ, NEW, HOLE, PATH_BAD_AREA, 0, 0, 0},
    {"35 non-canonical", ANON, 0, PAGE_ABSENT, 0, ACCESS_READ, NEW, HOLE | KERNEL_HALF,
     PATH_BAD_AREA, 0, 0, 0},
    {"48 below the stack", REGION_STACK, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW,
     HOLE | STACK_ABOVE | UNSURE, PATH_ANONYMOUS, 0, PATH_EXPAND_STACK, 0},
    {"48 below MAP_GROWSDOWN", ANON, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW,
     HOLE | STACK_ABOVE | UNSURE, PATH_ANONYMOUS, 0, PATH_EXPAND_STACK, "gd"},
    {"48 below a mapping that does not grow", ANON, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW,
     HOLE | STACK_ABOVE, PATH_BAD_AREA, 0, 0, "wr"},
    {"48 below one that nobody asked", ANON, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW,
     HOLE | STACK_ABOVE | UNSURE, PATH_BAD_AREA, 0, 0, 0},
    {"40 vsyscall, called", REGION_VSYSCALL, X, PAGE_UNKNOWN, 0, ACCESS_EXEC, NEW, KERNEL_HALF,
     PATH_UNKNOWN, 0, 0, 0},
    {"40 vsyscall, read", REGION_VSYSCALL, X, PAGE_UNKNOWN, 0, ACCESS_READ, NEW, KERNEL_HALF,
     PATH_BAD_AREA, 0, 0, 0},
    {"41 vvar", REGION_VVAR, R, PAGE_UNKNOWN, 0, ACCESS_READ, NEW, UNSURE, PATH_READ_FAULT, 0, 0,
     0},
    {"vdso", REGION_VDSO, R | X, PAGE_ABSENT, 0, ACCESS_EXEC, NEW, 0, PATH_READ_FAULT, 0, 0, 0},
    {"device", REGION_DEVICE, R | W | S, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, UNSURE,
     PATH_SHARED_FAULT, 0, 0, 0},
    {"E THP, write first", ANON, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, THP,
     PATH_HUGE_ANONYMOUS, 0, 0, 0},
    {"E THP, read first", ANON, R | W, PAGE_ABSENT, 0, ACCESS_READ, NEW, THP, PATH_HUGE_ANONYMOUS,
     0, 0, 0},
    {"E huge zero page, written", ANON, R | W, PAGE_HUGE_ZERO, PMD, ACCESS_WRITE, OLD, 0,
     PATH_HUGE_WP, 0, 0, 0},
    {"E THP after fork, child", ANON, R | W, PAGE_COW, PMD | PAGE_A_LARGE, ACCESS_WRITE, OLD, 0,
     PATH_WP, HOW_COPY, PATH_HUGE_WP, 0},
    {"E THP after the child ended", ANON, R | W, PAGE_ANON, PMD | EX, ACCESS_WRITE, OLD, 0,
     PATH_HUGE_WP, 0, 0, 0},
    {"E huge page in a file mapping: not this", FILE_, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW,
     THP, PATH_COW_FAULT, 0, 0, 0},
    {"E huge shmem page, private write", SHMEM, R | W, PAGE_SHMEM, PMD, ACCESS_WRITE, OLD, 0,
     PATH_COW_FAULT, 0, 0, 0},
    {"E KSM", ANON, R | W, PAGE_KSM, E, ACCESS_WRITE, OLD, 0, PATH_WP, HOW_COPY, 0, 0},
    {"E guard", ANON, R | W, PAGE_GUARD, E, ACCESS_READ, NEW, 0, PATH_BAD_AREA, 0, 0, 0},
    {"E guard in a file mapping", FILE_, R, PAGE_GUARD, E, ACCESS_READ, NEW, 0, PATH_BAD_AREA, 0,
     0, 0},
    {"E guard, not allowed anyway", ANON, R, PAGE_GUARD, E, ACCESS_WRITE, NEW, 0, PATH_BAD_ACCESS,
     0, 0, 0},
    {"E userfaultfd, missing", ANON, R | W, PAGE_ABSENT, 0, ACCESS_READ, NEW, 0, PATH_UFFD, 0, 0,
     "um"},
    {"E userfaultfd, missing, huge", ANON, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW, THP,
     PATH_UFFD, 0, 0, "um"},
    {"E userfaultfd, write-protected", ANON, R | W, PAGE_ANON, UWP | EX, ACCESS_WRITE, OLD, UNSURE,
     PATH_UFFD, 0, 0, "uw"},
    {"E userfaultfd, its handler is asked", ANON, R | W, PAGE_ANON, UWP | EX | PAGE_A_WRITABLE,
     ACCESS_WRITE, OLD, WAITS, PATH_UFFD, 0, 0, "uw"},
    {"48 below the stack, there is room", REGION_STACK, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW,
     HOLE | STACK_ABOVE | ROOM, PATH_ANONYMOUS, 0, PATH_EXPAND_STACK, 0},
    {"48 below the stack, beyond its limit", REGION_STACK, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, NEW,
     HOLE | STACK_ABOVE | NO_ROOM, PATH_BAD_AREA, 0, 0, 0},
    {"E userfaultfd, a stale bit", ANON, R | W, PAGE_ANON, UWP | EX, ACCESS_WRITE, OLD, 0, PATH_WP,
     HOW_REUSE, 0, "wr"},
    {"E userfaultfd, marker", ANON, R | W, PAGE_ABSENT, UWP, ACCESS_WRITE, NEW, 0, PATH_ANONYMOUS,
     0, PATH_SWAP, "uw"},
    {"F4 exclusive is not writable", ANON, R | W, PAGE_ANON, EX | PAGE_A_FLAGS, ACCESS_WRITE, OLD,
     0, PATH_WP, HOW_REUSE, 0, 0},
    {"NUMA", ANON, R | W, PAGE_ANON, WR, ACCESS_READ, NEW, NUMA | UNSURE, PATH_NUMA, 0, 0, 0},
    {"28 two threads at once", ANON, R | W, PAGE_ANON, PAGE_A_EXCLUSIVE | PAGE_A_WRITABLE,
     ACCESS_WRITE, OLD, UNSURE, PATH_WP, 0, 0, 0},
    {"28 two threads, perf", ANON, R | W, PAGE_ANON, PAGE_A_EXCLUSIVE | PAGE_A_WRITABLE,
     ACCESS_WRITE, NOT_KNOWN, UNSURE, PATH_ACCESS_FLAGS, 0, 0, 0},
    {"present and allowed", FILE_, R | X, PAGE_FILE, E, ACCESS_EXEC, NOT_KNOWN, 0,
     PATH_ACCESS_FLAGS, 0, 0, 0},
    {"memory of the page is stale: none there", ANON, R | W, PAGE_ANON, WR, ACCESS_WRITE, NEW,
     UNSURE, PATH_ANONYMOUS, 0, 0, 0},
    {"memory of the page is stale: one there", ANON, R | W, PAGE_ABSENT, 0, ACCESS_WRITE, OLD,
     UNSURE, PATH_WP, 0, 0, 0},
    {"unknown page, none there", ANON, R | W, PAGE_UNKNOWN, 0, ACCESS_WRITE, NEW, UNSURE,
     PATH_ANONYMOUS, 0, 0, 0},
    {"unknown page of a shared file, none there", FILE_, R | W | S, PAGE_UNKNOWN, 0, ACCESS_WRITE,
     NEW, 0, PATH_SHARED_FAULT, 0, 0, 0},
    {"unknown page of a shared file, one there", FILE_, R | W | S, PAGE_UNKNOWN, 0, ACCESS_WRITE,
     OLD, 0, PATH_WP, HOW_REUSE, 0, 0},
    {"perf: anonymous either way", ANON, R | W, PAGE_ABSENT, 0, ACCESS_UNKNOWN, NOT_KNOWN, 0,
     PATH_ANONYMOUS, 0, 0, 0},
    {"perf: file that may be written", FILE_, R | W, PAGE_ABSENT, 0, ACCESS_UNKNOWN, NOT_KNOWN,
     UNSURE, PATH_READ_FAULT, 0, 0, 0},
    {"perf: read-only", FILE_, R, PAGE_ABSENT, 0, ACCESS_UNKNOWN, NOT_KNOWN, UNSURE,
     PATH_READ_FAULT, 0, 0, 0},
    {"present page, access not known: it can only be a write", ANON, R | W, PAGE_ZERO, E,
     ACCESS_UNKNOWN, OLD, 0, PATH_WP, HOW_COPY, 0, 0},
    {"perf: unknown page", ANON, R | W, PAGE_UNKNOWN, 0, ACCESS_UNKNOWN, NOT_KNOWN, UNSURE,
     PATH_ANONYMOUS, 0, 0, 0},
};

enum { ROWS = sizeof rows / sizeof *rows };

static void predict(const struct row *row, struct path_verdict *out)
{
    uint64_t start = row->with & KERNEL_HALF ? 0xffffffffff600000 : base;
    struct region_smaps smaps = {.flags_only = true};
    if (row->vmflag)
        smaps.vmflags = (uint64_t)1 << region_vmflag_bit(row->vmflag);
    struct region region = {.start = start, .end = start + 0x400000, .kind = row->kind,
                            .perms = row->perms, .name = "",
                            .smaps = row->vmflag ? &smaps : NULL};
    struct event fault = {.type = EVENT_FAULT, .fault = {.address = start + 0x5123}};
    fault.fault.access = row->access;
    fault.fault.protection = row->protection;
    if (row->with & STACK_ABOVE)
        fault.fault.address = start - 0x5123;
    struct path_input in = {
        .region = row->with & HOLE ? NULL : &region,
        .above = row->with & STACK_ABOVE ? &region : NULL,
        .before = {PAGE_FRAME_UNKNOWN, 0, row->attrs, row->state, PAGE_ORDER_UNKNOWN},
        .fault = &fault,
        .thp_possible = row->with & THP,
        .beyond_eof = row->with & BEYOND,
        .uffd_waits = row->with & WAITS,
        .room_known = row->with & (ROOM | NO_ROOM),
        .room = row->with & ROOM,
        .numa_balancing = row->with & NUMA,
    };
    path_predict(&in, out);
}

static void check_steps(const struct path_verdict *v)
{
    assert_in_range(v->steps, 1, PATH_STEPS_MAX);
    for (unsigned i = 0; i < v->steps; i++) {
        assert_non_null(v->step[i].question);
        assert_non_null(v->step[i].answer);
    }
    const char *last = v->step[v->steps - 1].question;
    assert_true(v->sure == (strcmp(last, "Is that certain?") != 0));
}

static void test_rows(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (unsigned i = 0; i < ROWS; i++) {
        struct path_verdict v;
        predict(&rows[i], &v);
        check_steps(&v);
        bool sure = !(rows[i].with & UNSURE);
        if (v.path == rows[i].path && v.how == rows[i].how && v.also == rows[i].also &&
            v.sure == sure)
            continue;
        wrong++;
        print_error("%s: %s how %d also %s sure %d, expected %s how %d also %s sure %d\n",
                    rows[i].name, path_name(v.path), v.how, path_name(v.also), v.sure,
                    path_name(rows[i].path), rows[i].how, path_name(rows[i].also), sure);
    }
    assert_int_equal(wrong, 0);
}

/* Every leaf of the tree is reached by some row. */
static void test_leaves(void **state)
{
    (void)state;
    bool seen[PATH_N] = {false};
    for (unsigned i = 0; i < ROWS; i++) {
        seen[rows[i].path] = true;
        seen[rows[i].also] = true;
    }
    for (unsigned p = 0; p < PATH_N; p++)
        assert_true(seen[p] || p == PATH_POPULATE);
}

/* A fifth of all combinations of all there is: a verdict comes within its room. */
static void test_never_too_long(void **state)
{
    (void)state;
    static const char *const flags[] = {NULL, "wr", "um", "uw", "gd"};
    static const uint16_t attrs[] = {0, E, WR, PMD, UWP, PMD | UWP, PAGE_A_WRITABLE};
    struct row row = {0};
    for (row.kind = 0; row.kind < REGION_KIND_N; row.kind++)
        for (row.state = 0; row.state < PAGE_STATE_N; row.state++)
            for (unsigned i = 0; i < 16 * 4 * 3 * 64; i += 5)
                for (unsigned k = 0; k < 7 * 5; k += 1 + i % 5) {
                    row.perms = i % 16;
                    row.access = (uint8_t)(i / 16 % 4);
                    row.protection = (uint8_t)(i / 64 % 3);
                    row.with = i / 192;
                    row.attrs = attrs[k % 7];
                    row.vmflag = flags[k / 7];
                    struct path_verdict v;
                    predict(&row, &v);
                    check_steps(&v);
                }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(path_name(PATH_ANONYMOUS), "do_anonymous_page");
    assert_string_equal(path_name(PATH_POPULATE), "populate");
    assert_string_equal(path_name(PATH_N), "unknown");
    assert_string_equal(mm_call_name(CALL_MMAP), "mmap");
    assert_string_equal(mm_call_name(CALL_EXIT_GROUP), "exit_group");
    assert_string_equal(mm_call_name(CALL_N), "unknown");
}

/* The questions come in the kernel's order, and say what was found. */
static void test_steps(void **state)
{
    (void)state;
    struct path_verdict v;
    predict(&rows[4], &v);
    assert_string_equal(v.step[0].question, "Is it an address of user space?");
    assert_string_equal(v.step[1].question, "Is there a mapping?");
    assert_string_equal(v.step[1].answer, "yes");
    assert_string_equal(v.step[v.steps - 1].question,
                        "Is it an anonymous page that nobody else uses?");
    assert_string_equal(v.step[v.steps - 1].answer,
                        "no, the zero page: a new page takes its place");
    assert_true(v.sure);
    path_doubt(&v, "first");
    path_doubt(&v, "second");
    assert_false(v.sure);
    assert_string_equal(v.step[v.steps - 1].answer, "first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_never_too_long),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
