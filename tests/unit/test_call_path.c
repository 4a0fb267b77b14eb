/* Why calls fail: each call is made here for real, and what the kernel answers must be explained by
 * the check that this case is about. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/call_path.h"
#include "probe/descriptor.h"

enum { PAGE = 4096 };

/* What the descriptor of a case is. */
enum given { NONE, READ_ONLY, WRITE_ONLY, READ_WRITE, PIPE_READ, PIPE_WRITE, DIRECTORY, PATH, SEALED };

static int open_given(enum given g, int pipe_fds[2])
{
    static const int modes[] = {[READ_ONLY] = O_RDONLY, [WRITE_ONLY] = O_WRONLY,
                                [READ_WRITE] = O_RDWR};
    switch (g) {
    case NONE:
        return -1;
    case PIPE_READ:
    case PIPE_WRITE:
        assert_int_equal(pipe(pipe_fds), 0);
        return pipe_fds[g == PIPE_WRITE];
    case DIRECTORY:
        return open("/tmp", O_RDONLY | O_DIRECTORY);
    case PATH:
        return open("/tmp", O_PATH);
    case SEALED: {
        int fd = memfd_create("test_call_path", MFD_ALLOW_SEALING);
        assert_int_equal(ftruncate(fd, PAGE), 0);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
        return fd;
    }
    default: {
        char name[] = "/tmp/test_call_path.XXXXXX";
        int made = mkstemp(name), fd = open(name, modes[g]);
        assert_int_equal(ftruncate(made, 4 * PAGE), 0);
        close(made);
        unlink(name);
        return fd;
    }
    }
}

static struct call_verdict explain(enum mm_call call, const uint64_t args[6], long result,
                                   unsigned known, unsigned is)
{
    static struct event e;
    e = (struct event){.type = EVENT_CALL};
    e.call.file_known = (uint16_t)known;
    e.call.file_is = (uint16_t)is;
    e.call.call = (uint8_t)call;
    e.call.has_args = 1;
    memcpy(e.call.args, args, sizeof e.call.args);
    e.call.result = result;
    const struct call_input in = {.call = &e, .page_size = PAGE,
                                  .huge_size = 2 << 20,
                                  .task_size = (UINT64_C(1) << 47) - PAGE};
    struct call_verdict v;
    call_explain(&in, &v);
    return v;
}

static long really(long number, const uint64_t args[6])
{
    long rc = syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
    return rc == -1 ? -errno : rc;
}

static const struct call_step *marked(const struct call_verdict *v, const char *what)
{
    for (unsigned i = 0; i < v->steps; i++)
        if (v->step[i].mark != CALL_PASSED && strstr(v->step[i].question, what))
            return &v->step[i];
    return NULL;
}

static void expect(const struct call_verdict *v, const char *name, int error, const char *what,
                   bool sure)
{
    assert_true(v->failed);
    if (v->error != error)
        fail_msg("%s: error %d, not %d", name, v->error, error);
    if (!marked(v, what))
        fail_msg("%s: \"%s\" is not marked", name, what);
    if (v->sure != sure)
        fail_msg("%s: %ssure", name, v->sure ? "" : "not ");
    assert_int_equal(marked(v, what)->mark, sure ? CALL_TAKEN : CALL_PERHAPS);
}

static uint64_t mapped; /* four pages that are there, a hole, and one more */

static const struct mmap_case {
    const char *name;
    uint64_t addr, len, prot, flags;
    enum given given;
    uint64_t offset;
    int error;
    const char *what; /* part of the question */
    bool sure;        /* without knowing the file */
} mmaps[] = {
    {"offset", 0, PAGE, 1, MAP_PRIVATE, READ_ONLY, 1, EINVAL, "offset a multiple", true},
    {"offset anonymous", 0, PAGE, 1, MAP_PRIVATE | MAP_ANONYMOUS, NONE, 1, EINVAL,
     "offset a multiple", true},
    {"no descriptor", 0, PAGE, 1, MAP_PRIVATE, NONE, 0, EBADF, "open file", true},
    {"O_PATH", 0, PAGE, 1, MAP_PRIVATE, PATH, 0, EBADF, "open file", true},
    {"plain file huge", 0, 2 << 20, 1, MAP_PRIVATE | MAP_HUGETLB, READ_ONLY, 0, EINVAL,
     "hugetlbfs", true},
    {"huge pages of 4M", 0, 4 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 22u << 26,
     NONE, 0, EINVAL, "huge pages of this size", true},
    {"nothing", 0, 0, 1, MAP_PRIVATE | MAP_ANONYMOUS, NONE, 0, EINVAL, "length more", true},
    {"SIZE_MAX", 0, UINT64_MAX, 1, MAP_PRIVATE | MAP_ANONYMOUS, NONE, 0, ENOMEM, "fit a number",
     true},
    {"all addresses", 0, UINT64_C(1) << 47, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, NONE,
     0, ENOMEM, "room for it", true},
    {"fixed too high", UINT64_C(1) << 47, PAGE, 1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NONE,
     0, ENOMEM, "room for it", true},
    {"fixed between", 0x10000001, PAGE, 1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NONE, 0,
     EINVAL, "address a multiple of a page", true},
    {"in the way", 1 /* mapped */, PAGE, 1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
     NONE, 0, EEXIST, "nothing mapped there", true},
    {"far", 0, PAGE, 1, MAP_PRIVATE, READ_ONLY, UINT64_MAX - 4095, EOVERFLOW, "reach as far",
     true},
    {"type 0", 0, PAGE, 1, 0, READ_ONLY, 0, EINVAL, "type shared, private or shared_v", true},
    {"type 4", 0, PAGE, 1, 4, READ_ONLY, 0, EINVAL, "type shared, private or shared_v", true},
    {"type 0 anonymous", 0, PAGE, 1, MAP_ANONYMOUS, NONE, 0, EINVAL, "private or droppable", true},
    {"validated anonymous", 0, PAGE, 1, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, NONE, 0, EINVAL,
     "private or droppable", true},
    {"unknown flag", 0, PAGE, 1, MAP_SHARED_VALIDATE | 0x800000, READ_WRITE, 0, EOPNOTSUPP,
     "know all flags", true},
    {"shared, read only", 0, PAGE, 3, MAP_SHARED, READ_ONLY, 0, EACCES, "opened for writing?",
     false},
    {"shared, write only", 0, PAGE, 2, MAP_SHARED, WRITE_ONLY, 0, EACCES, "opened for reading",
     false},
    {"private, write only", 0, PAGE, 2, MAP_PRIVATE, WRITE_ONLY, 0, EACCES, "opened for reading",
     true},
    {"pipe, reading end", 0, PAGE, 1, MAP_PRIVATE, PIPE_READ, 0, ENODEV, "kind be mapped", true},
    {"pipe, writing end", 0, PAGE, 1, MAP_PRIVATE, PIPE_WRITE, 0, EACCES, "opened for reading",
     true},
    {"directory", 0, PAGE, 1, MAP_SHARED, DIRECTORY, 0, ENODEV, "kind be mapped", true},
    {"file that grows", 0, PAGE, 1, MAP_PRIVATE | MAP_GROWSDOWN, READ_ONLY, 0, EINVAL,
     "file to grow down", true},
    {"shared that grows", 0, PAGE, 1, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, NONE, 0, EINVAL,
     "is it private", true},
    {"huge that grows", 0, 2 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_GROWSDOWN,
     NONE, 0, EINVAL, "file to grow down", true},
    {"huge droppable", 0, 2 << 20, 3, 8 | MAP_ANONYMOUS | MAP_HUGETLB, NONE, 0, EINVAL,
     "type shared, private or shared_v", true},
    {"huge offset", 0, 2 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, NONE, PAGE, EINVAL,
     "offset a multiple of a huge", false},
    {"huge, too many", 0, UINT64_C(1) << 45, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, NONE, 0,
     ENOMEM, "pool have enough", false},
    {"droppable, locked", 0, PAGE, 3, 8 | MAP_ANONYMOUS | MAP_LOCKED, NONE, 0, EINVAL,
     "MAP_DROPPABLE", true},
    {"droppable, growing", 0, PAGE, 3, 8 | MAP_ANONYMOUS | MAP_GROWSDOWN, NONE, 0, EINVAL,
     "MAP_DROPPABLE", true},
    {"more than is promised", 0, UINT64_C(64) << 40, 3, MAP_PRIVATE | MAP_ANONYMOUS, NONE, 0,
     ENOMEM, "promise so much", false},
    {"shared, more than is promised", 0, UINT64_C(64) << 40, 1, MAP_SHARED | MAP_ANONYMOUS, NONE, 0,
     ENOMEM, "promise so much", false},
    {"sealed", 0, PAGE, 3, MAP_SHARED, SEALED, 0, EPERM, "sealed", true},
};

/* With vm.overcommit_memory 1 any amount is promised. */
static bool promises_all(void)
{
    char c = '0';
    int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY);
    if (fd >= 0 && read(fd, &c, 1) != 1)
        c = '0';
    close(fd);
    return c == '1';
}

static void test_mmap(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mmaps / sizeof *mmaps; i++) {
        const struct mmap_case *c = &mmaps[i];
        if (strstr(c->what, "promise") && promises_all())
            continue;
        int pipe_fds[2] = {-1, -1}, fd = open_given(c->given, pipe_fds);
        const uint64_t args[6] = {c->addr == 1 ? mapped : c->addr, c->len, c->prot, c->flags,
                                  (uint64_t)fd, c->offset};
        long result = really(SYS_mmap, args);
        if (result != -c->error)
            fail_msg("%s: the kernel says %ld", c->name, result);
        struct call_verdict v = explain(CALL_MMAP, args, result, 0, 0);
        expect(&v, c->name, c->error, c->what, c->sure);
        struct event e = {.type = EVENT_CALL};
        e.call.call = CALL_MMAP;
        e.call.has_args = 1;
        e.call.result = result;
        memcpy(e.call.args, args, sizeof args);
        descriptor_of_call(getpid(), &e);
        v = explain(CALL_MMAP, args, result, e.call.file_known, e.call.file_is);
        expect(&v, c->name, c->error, c->what, c->sure || c->given != NONE); /* the file is known */
        close(fd);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
    }
}

/* What is known of the file decides between checks with the same error. */
static void test_known_file(void **state)
{
    (void)state;
    const unsigned known = CALL_FILE_ALL, read_only = CALL_FILE_OPEN | CALL_FILE_READABLE |
                                                      CALL_FILE_MAPPABLE;
    const unsigned append = CALL_FILE_APPEND_ONLY, log = read_only | CALL_FILE_WRITABLE | append;
    const uint64_t args[6] = {0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0};
    struct call_verdict v = explain(CALL_MMAP, args, -EACCES, known, read_only);
    expect(&v, "read only", EACCES, "opened for writing?", true);
    assert_null(marked(&v, "reading"));
    v = explain(CALL_MMAP, args, -EACCES, known, log);
    expect(&v, "append only", EACCES, "append-only", true);
    v = explain(CALL_MMAP, args, -EACCES, known & ~append, log & ~append);
    expect(&v, "append only, perhaps", EACCES, "append-only", true);
    v = explain(CALL_MMAP, args, -EPERM, known, read_only | CALL_FILE_WRITABLE | CALL_FILE_SEALED);
    expect(&v, "sealed", EPERM, "sealed", true);
    v = explain(CALL_MMAP, args, -EACCES, 0, 0);
    assert_false(v.sure);
    assert_non_null(marked(&v, "append-only"));
    assert_non_null(marked(&v, "reading"));
    for (unsigned i = 1; i < v.steps; i++) /* behind the first that may have ended it */
        assert_true(v.step[i].mark != CALL_PASSED || v.step[i - 1].mark == CALL_PASSED);
    v = explain(CALL_MMAP, args, -ENOMEM, known, read_only | CALL_FILE_WRITABLE | CALL_FILE_HUGETLB);
    assert_non_null(marked(&v, "pool have enough"));
    assert_null(marked(&v, "promise"));
    const uint64_t over[6] = {1 << 20, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                              UINT64_MAX, 0};
    v = explain(CALL_MMAP, over, -EPERM, 0, 0);
    expect(&v, "over a sealed mapping", EPERM, "sealed (mseal)", true);
}

static void test_success_and_the_unexplained(void **state)
{
    (void)state;
    const uint64_t good[6] = {0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0};
    const uint64_t odd[6] = {0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 1};
    struct call_verdict v = explain(CALL_MMAP, good, 0x7f0000000000, 0, 0);
    assert_false(v.failed);
    assert_true(v.sure && v.steps > 3);
    for (unsigned i = 0; i < v.steps; i++)
        assert_int_equal(v.step[i].mark, CALL_PASSED);
    v = explain(CALL_MMAP, odd, 0x7f0000000000, 0, 0); /* the kernel would not */
    assert_int_equal(v.steps, 0);
    v = explain(CALL_MMAP, good, -EXDEV, 0, 0);
    assert_true(v.failed && !v.sure);
    assert_int_equal(v.steps, 0);
    v = explain(CALL_MUNMAP, good, -EXDEV, 0, 0);
    assert_true(v.failed && !v.sure);
    assert_int_equal(v.steps, 0);
    v = explain(CALL_MUNMAP, good, 0, 0, 0);
    assert_true(!v.failed && v.sure);
}

static const struct other_case {
    const char *name;
    enum mm_call call;
    long number;
    uint64_t at; /* added to the address of the mapping */
    uint64_t args[5];
    int error;
    const char *what;
    bool sure;
} others[] = {
    {"munmap", CALL_MUNMAP, SYS_munmap, 1, {PAGE}, EINVAL, "multiple of a page", true},
    {"munmap nothing", CALL_MUNMAP, SYS_munmap, 0, {0}, EINVAL, "more than 0", true},
    {"munmap outside", CALL_MUNMAP, SYS_munmap, 0, {UINT64_C(1) << 60}, EINVAL, "user space",
     true},
    {"mprotect", CALL_MPROTECT, SYS_mprotect, 1, {PAGE, 1}, EINVAL, "multiple of a page", true},
    {"mprotect both", CALL_MPROTECT, SYS_mprotect, 1, {PAGE, 1 | PROT_GROWSDOWN | PROT_GROWSUP},
     EINVAL, "one direction", true},
    {"mprotect hole", CALL_MPROTECT, SYS_mprotect, 0, {6 * PAGE, 1}, ENOMEM, "all of the range",
     false},
    {"mprotect beyond all", CALL_MPROTECT, SYS_mprotect, 0, {UINT64_MAX, 1}, ENOMEM, "end behind its beginning", true},
    {"mprotect unknown", CALL_MPROTECT, SYS_mprotect, 0, {PAGE, 0x100000}, EINVAL,
     "bits of the protection", true},
    {"mprotect down", CALL_MPROTECT, SYS_mprotect, 0, {PAGE, 1 | PROT_GROWSDOWN}, EINVAL,
     "in this direction", false},
    {"mremap hole", CALL_MREMAP, SYS_mremap, 4 * PAGE, {PAGE, 2 * PAGE, 1}, EFAULT,
     "hold the old range", true},
    {"mremap flags", CALL_MREMAP, SYS_mremap, 0, {PAGE, PAGE, 64}, EINVAL, "flags known", true},
    {"mremap between", CALL_MREMAP, SYS_mremap, 1, {PAGE, PAGE, 1}, EINVAL, "the address a", true},
    {"mremap fixed", CALL_MREMAP, SYS_mremap, 0, {PAGE, PAGE, 2, 1 << 20}, EINVAL, "may it move",
     true},
    {"mremap nothing", CALL_MREMAP, SYS_mremap, 0, {PAGE, 0, 1}, EINVAL, "new length", true},
    {"mremap all", CALL_MREMAP, SYS_mremap, 0, {PAGE, UINT64_C(1) << 60, 1}, EINVAL,
     "end in user space", true},
    {"mremap to the end", CALL_MREMAP, SYS_mremap, 0, {PAGE, PAGE, 3, UINT64_C(1) << 47}, EINVAL,
     "end in user space", true},
    {"mremap to between", CALL_MREMAP, SYS_mremap, 0, {PAGE, PAGE, 3, (1 << 20) + 1}, EINVAL,
     "new address a multiple", true},
    {"mremap kept, longer", CALL_MREMAP, SYS_mremap, 0, {PAGE, 2 * PAGE, 5}, EINVAL,
     "keep its length", true},
    {"mremap from nothing", CALL_MREMAP, SYS_mremap, 0, {0, PAGE, 1}, EINVAL, "shared mapping",
     false},
    {"mremap in place", CALL_MREMAP, SYS_mremap, 0, {PAGE, UINT64_C(1) << 46, 0}, ENOMEM,
     "place behind it", false},
    {"mremap more than is promised", CALL_MREMAP, SYS_mremap, 0, {PAGE, UINT64_C(1) << 46, 1},
     ENOMEM, "promise so much", false},
    {"madvise", CALL_MADVISE, SYS_madvise, 1, {PAGE, MADV_DONTNEED}, EINVAL, "multiple", true},
    {"madvise unknown", CALL_MADVISE, SYS_madvise, 0, {PAGE, 77}, EINVAL, "advice known", true},
    {"madvise hole", CALL_MADVISE, SYS_madvise, 0, {6 * PAGE, MADV_DONTNEED}, ENOMEM,
     "all of the range", true},
    {"madvise remove", CALL_MADVISE, SYS_madvise, 0, {PAGE, MADV_REMOVE}, EINVAL, "punch", true},
    {"madvise beyond all", CALL_MADVISE, SYS_madvise, 0, {UINT64_MAX, MADV_NORMAL}, EINVAL,
     "end behind its beginning", true},
    {"mlock hole", CALL_MLOCK, SYS_mlock, 4 * PAGE, {PAGE}, ENOMEM, "all of the range", false},
    {"mlock2", CALL_MLOCK2, SYS_mlock2, 0, {PAGE, 8}, EINVAL, "flags known", true},
    {"mlock2 hole", CALL_MLOCK2, SYS_mlock2, 4 * PAGE, {PAGE, 1}, ENOMEM, "all of the range",
     false},
    {"mlockall nothing", CALL_MLOCKALL, SYS_mlockall, 0, {0}, EINVAL, "not 0", true},
    {"munlock hole", CALL_MUNLOCK, SYS_munlock, 4 * PAGE, {PAGE}, ENOMEM, "all of the range",
     false},
    {"msync", CALL_MSYNC, SYS_msync, 0, {PAGE, MS_SYNC | MS_ASYNC}, EINVAL, "MS_SYNC or", true},
    {"msync flags", CALL_MSYNC, SYS_msync, 1, {PAGE, 64}, EINVAL, "flags known", true},
    {"msync hole", CALL_MSYNC, SYS_msync, 4 * PAGE, {PAGE, MS_SYNC}, ENOMEM, "all of the range",
     true},
    {"remap_file_pages", CALL_REMAP_FILE_PAGES, SYS_remap_file_pages, 0, {PAGE, 0, 0, 0}, EINVAL,
     "shared mapping", true},
};

static void test_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct other_case *c = &others[i];
        if (strstr(c->what, "promise") && promises_all())
            continue;
        uint64_t args[6] = {mapped + c->at};
        memcpy(args + 1, c->args, sizeof c->args);
        long result = really(c->number, args);
        if (result != -c->error)
            fail_msg("%s: the kernel says %ld", c->name, result);
        struct call_verdict v = explain(c->call, args, result, 0, 0);
        expect(&v, c->name, c->error, c->what, c->sure);
    }
}

static void test_brk(void **state)
{
    (void)state;
    uint64_t args[6] = {1};
    long now = syscall(SYS_brk, 1);
    struct call_verdict v = explain(CALL_BRK, args, now, 0, 0);
    expect(&v, "brk", 0, "end of the heap", true);
    args[0] = 0; /* only asks */
    v = explain(CALL_BRK, args, now, 0, 0);
    assert_false(v.failed);
    args[0] = (uint64_t)now;
    v = explain(CALL_BRK, args, now, 0, 0);
    assert_false(v.failed);
}

static void expect_words(enum mm_call call, const uint64_t args[6], const char *words)
{
    char out[300];
    struct event e = {.type = EVENT_CALL};
    e.call.call = (uint8_t)call;
    e.call.has_args = 1;
    memcpy(e.call.args, args, sizeof e.call.args);
    assert_string_equal(call_words(out, sizeof out, &e), words);
    for (size_t cap = 1; cap < sizeof out; cap += 7)
        assert_true(strlen(call_words(out, cap, &e)) < cap);
}

static void test_words(void **state)
{
    (void)state;
    expect_words(CALL_MMAP, (uint64_t[6]){0, PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, 0, 0},
                 "4096 bytes, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_STACK");
    expect_words(CALL_MMAP, (uint64_t[6]){0, 1, 0, MAP_SHARED_VALIDATE | 0x800000, 0xffffffff, PAGE},
                 "1 bytes, PROT_NONE, MAP_SHARED_VALIDATE|0x800000, descriptor -1, from 4096 on");
    expect_words(CALL_MPROTECT, (uint64_t[6]){0, 8, 4, 0, 0, 0}, "8 bytes, PROT_EXEC");
    expect_words(CALL_MADVISE, (uint64_t[6]){0, 8, 4, 0, 0, 0}, "8 bytes, MADV_DONTNEED");
    expect_words(CALL_MADVISE, (uint64_t[6]){0, 8, 1000, 0, 0, 0}, "8 bytes, advice 1000");
    expect_words(CALL_MREMAP, (uint64_t[6]){0, 8, 9, 1, 0, 0}, "8 bytes to become 9, MREMAP_MAYMOVE");
    expect_words(CALL_BRK, (uint64_t[6]){0}, "");
}

static int make_mapping(void **state)
{
    (void)state;
    char *p = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return -1;
    munmap(p + 4 * PAGE, PAGE);
    mapped = (uint64_t)(uintptr_t)p;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mmap),   cmocka_unit_test(test_known_file),
        cmocka_unit_test(test_success_and_the_unexplained),
        cmocka_unit_test(test_others), cmocka_unit_test(test_brk),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, make_mapping, NULL);
}
