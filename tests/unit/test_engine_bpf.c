/* The bpf engine against real processes: every fault is told once, in order; calls have
 * their arguments and results; children, threads and new programs are followed; nothing stays
 * behind. The targets are forks of this program, which wait for a byte before they begin. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "followed.h"
#include "probe/engine.h"

enum {
    MANY = 100000,
    FEW = 500,
    PATIENCE_MS = 60000
};

/* --- targets --- */

static void touch_many(void)
{
    char *p = map_small_pages(MANY);
    notes->area = (uintptr_t)p;
    touch_pages(p, MANY);
}

static void read_write_and_ask(void)
{
    char *p = map_small_pages(FEW);
    int fd = memfd_create("target", 0);
    notes->area = (uintptr_t)p;
    (void)((volatile char *)p)[0]; /* the zero page */
    ((volatile char *)p)[0] = 1;   /* and a copy of it */
    if (fd < 0 || write(fd, "x", 1) != 1 || pread(fd, p + PAGE, 1, 0) != 1)
        _exit(3);
}

static void *touch_in_thread(void *area)
{
    notes->thread = (pid_t)syscall(SYS_gettid);
    touch_pages(area, FEW);
    return NULL;
}

static void *touch_half(void *half)
{
    touch_pages(half, MANY / 2);
    return NULL;
}

static void touch_at_once(void)
{
    pthread_t t;
    char *p = map_small_pages(MANY);
    notes->area = (uintptr_t)p;
    if (pthread_create(&t, NULL, touch_half, p + (size_t)MANY / 2 * PAGE))
        _exit(3);
    touch_pages(p, MANY / 2);
    pthread_join(t, NULL);
}

/* An area of three parts: for a grandchild, a thread, and a child by vfork that becomes another
 * program. */
static void have_a_family(void)
{
    pthread_t t;
    char *p = map_small_pages(3 * FEW);
    notes->area = (uintptr_t)p;
    pid_t child = fork();
    if (!child) {
        pid_t grandchild = fork();
        if (!grandchild)
            touch_pages(p, FEW);
        else
            waitpid(notes->grandchild = grandchild, NULL, 0);
        _exit(0);
    }
    notes->child = child;
    waitpid(child, NULL, 0);
    if (pthread_create(&t, NULL, touch_in_thread, p + FEW * PAGE) || pthread_join(t, NULL))
        _exit(3);
    execl("/bin/true", "true", (char *)NULL);
    _exit(3);
}

static void vfork_one(void)
{
    pid_t pid = vfork();
    if (!pid) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(3);
    }
    notes->child = pid;
    waitpid(pid, NULL, 0);
}

/* The leader is a zombie while a thread of its process goes on. */
static void *outlive_leader(void *unused)
{
    char path[32], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)getpid());
    while (state != 'Z') {
        FILE *f = fopen(path, "re");
        if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
            _exit(3);
        fclose(f);
        sched_yield();
    }
    return unused;
}

static void leader_ends_first(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, outlive_leader, NULL))
        _exit(3);
    syscall(SYS_exit, 0);
}

static uint64_t call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    long r = syscall(number, a, b, c, d, -1L, 0L);
    return r < 0 ? (uint64_t)-errno : (uint64_t)r;
}

enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static void call_all(void)
{
    uint64_t *r = notes->results, p;
    *r++ = p = call(SYS_mmap, 0, 4 * PAGE, RW, ANON);
    *r++ = call(SYS_mmap, 0, 0, RW, ANON);
    *r++ = call(SYS_mprotect, p, PAGE, PROT_READ, 0);
    *r++ = call(SYS_madvise, p, PAGE, MADV_NOHUGEPAGE, 0);
    *r++ = call(SYS_mlock, p, PAGE, 0, 0);
    *r++ = call(SYS_munlock, p, PAGE, 0, 0);
    *r++ = call(SYS_msync, p, PAGE, MS_ASYNC, 0);
    *r++ = p = call(SYS_mremap, p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    *r++ = call(SYS_munmap, p, 64 * PAGE, 0, 0);
    *r++ = call(SYS_munmap, 1, PAGE, 0, 0);
}

/* None of these can be mapped: shared and to be written, each asked for so. */
static void map_in_vain(void)
{
    int ends[2], pipes = pipe(ends);
    int sealed = memfd_create("sealed", MFD_ALLOW_SEALING);
    int fds[] = {open("/proc/self/exe", O_RDONLY), pipes ? -1 : ends[0], pipes ? -1 : ends[1],
                 sealed, open("/", O_PATH), 1000};
    if (ftruncate(sealed, PAGE) || fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE))
        _exit(1);
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (mmap(NULL, PAGE, RW, MAP_SHARED, fds[i], 0) == MAP_FAILED)
            notes->results[i] = (uint64_t)-errno;
}

#ifdef __x86_64__
static uint64_t call_compat(uint32_t number, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    uint64_t r;
    __asm__ volatile("push %%rbp\n"
                     "mov $3, %%ebp\n"
                     "int $0x80\n"
                     "pop %%rbp\n"
                     : "=a"(r)
                     : "a"((uint64_t)number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(-1)
                     : "memory", "r8", "r9", "r10", "r11");
    return (uint64_t)(int32_t)r;
}

static void call_by_32_bits(void)
{
    uint32_t *old = mmap(NULL, PAGE, RW, ANON | MAP_32BIT, -1, 0);
    if (old == MAP_FAILED)
        _exit(3);
    memcpy(old, (uint32_t[]){0, 2 * PAGE, RW, ANON, UINT32_MAX, 0}, 24);
    notes->results[0] = call_compat(192, 0, 4 * PAGE, RW, ANON);
    notes->results[1] = call_compat(91, (uint32_t)notes->results[0], 4 * PAGE, 0, 0);
    notes->results[2] = call_compat(90, (uint32_t)(uintptr_t)old, 0, 0, 0);
}
#endif

/* --- tests --- */

static void test_every_fault_once_in_order(void **state)
{
    (void)state;
    uint64_t before = io_now_ns();
    struct engine_stats stats = follow(touch_many, (struct engine_options){.kernel = true});
    size_t n = 0;
    for (size_t i = 0; i < seen->n; i++) {
        const struct event *e = &seen->v[i];
        if (!is_fault_in(e, 0, MANY))
            continue;
        n++;
        assert_int_equal(e->fault.access, ACCESS_WRITE);
        assert_int_equal(e->fault.protection, KNOWN_NO);
        assert_int_equal(e->fault.mode, MODE_USER);
        assert_in_range(e->fault.cpu, 1, sysconf(_SC_NPROCESSORS_CONF));
        assert_true(e->t_ns > before && e->t_ns < io_now_ns());
        if (stats.lost + stats.heat_faults == 0)
            assert_int_equal(e->fault.address, notes->area + (n - 1) * PAGE);
    }
    assert_true(n <= MANY && n + stats.lost + stats.heat_faults >= MANY);
    if (stats.lost + stats.heat_faults == 0)
        assert_int_equal(n, MANY);
}

static void test_two_processors(void **state)
{
    (void)state;
    struct engine_stats stats = follow(touch_at_once, (struct engine_options){.pid = 0});
    size_t n[2] = {0, 0}, counted_only = stats.lost + stats.heat_faults;
    for (size_t i = 0; i < seen->n; i++) {
        const struct event *e = &seen->v[i];
        if (!is_fault_in(e, 0, MANY))
            continue;
        bool second = is_fault_in(e, MANY / 2, MANY / 2);
        assert_true(second == (e->tid != e->pid));
        if (!counted_only)
            assert_int_equal(e->fault.address,
                             notes->area + (n[second] + (second ? MANY / 2 : 0)) * PAGE);
        n[second]++;
    }
    assert_true(n[0] + n[1] <= MANY && n[0] + n[1] + counted_only >= MANY);
}

static void test_kinds_of_faults(void **state)
{
    (void)state;
    follow(read_write_and_ask, (struct engine_options){.kernel = true});
    static const uint8_t wanted[3][3] = {
        {ACCESS_READ, KNOWN_NO, MODE_USER},
        {ACCESS_WRITE, KNOWN_YES, MODE_USER},
        {ACCESS_WRITE, KNOWN_NO, MODE_KERNEL},
    };
    size_t n = 0;
    uint64_t ip = 0;
    for (size_t i = 0; i < seen->n; i++) {
        const struct event *e = &seen->v[i];
        if (!is_fault_in(e, 0, FEW))
            continue;
        assert_true(n < 3);
        assert_int_equal(e->fault.access, wanted[n][0]);
        assert_int_equal(e->fault.protection, wanted[n][1]);
        assert_int_equal(e->fault.mode, wanted[n][2]);
        assert_true((int64_t)e->fault.ip > 0 && e->fault.ip != ip);
        ip = e->fault.ip;
        n++;
    }
    assert_int_equal(n, 3);
}

static void test_kernel_faults_only_when_asked(void **state)
{
    (void)state;
    follow(read_write_and_ask, (struct engine_options){.kernel = false});
    assert_int_equal(faults_of(seen->v[0].pid, seen->v[0].pid, 0, FEW), 2);
}

static void check_family_faults(pid_t pid, bool children)
{
    assert_int_equal(faults_of(notes->grandchild, notes->grandchild, 0, FEW), children ? FEW : 0);
    assert_int_equal(faults_of(pid, notes->thread, FEW, FEW), FEW);
}

static void test_family(void **state)
{
    (void)state;
    follow(have_a_family, (struct engine_options){.follow = true});
    pid_t pid = seen->v[0].pid;
    check_family_faults(pid, true);
    const struct event *fork_seen = find(EVENT_FORK, pid, pid);
    assert_int_equal(fork_seen->fork.child_pid, notes->child);
    assert_int_equal(fork_seen->fork.child_tid, notes->child);
    const struct event *second = find(EVENT_FORK, notes->child, notes->child);
    assert_int_equal(second->fork.child_pid, notes->grandchild);
    assert_true(find(EVENT_EXIT, notes->grandchild, notes->grandchild) <
                find(EVENT_EXIT, notes->child, notes->child));
    assert_non_null(find(EVENT_EXIT, pid, notes->thread));
    assert_string_equal(find(EVENT_EXEC, pid, pid)->exec.comm, "true");
    assert_ptr_equal(find(EVENT_EXIT, pid, pid), &seen->v[seen->n - 1]);
}

static void test_family_not_followed(void **state)
{
    (void)state;
    follow(have_a_family, (struct engine_options){.follow = false});
    check_family_faults(seen->v[0].pid, false);
    assert_non_null(find(EVENT_FORK, seen->v[0].pid, seen->v[0].pid));
    assert_null(find(EVENT_EXIT, notes->child, notes->child));
}

static void test_vfork(void **state)
{
    (void)state;
    follow(vfork_one, (struct engine_options){.follow = true});
    const struct event *e = find(EVENT_CALL, seen->v[0].pid, seen->v[0].pid);
    size_t calls = 0;
    for (; e < seen->v + seen->n; e++)
        if (e->type == EVENT_CALL && e->call.call == CALL_VFORK) {
            calls++;
            assert_int_equal(e->call.result, notes->child);
        }
    assert_int_equal(calls, 1);
    assert_string_equal(find(EVENT_EXEC, notes->child, notes->child)->exec.comm, "true");
    assert_non_null(find(EVENT_EXIT, notes->child, notes->child));
}

static void test_leader_ends_first(void **state)
{
    (void)state;
    follow(leader_ends_first, (struct engine_options){.follow = true});
    pid_t pid = seen->v[0].pid;
    size_t ends = 0, thread_ends = 0;
    for (size_t i = 0; i < seen->n; i++) {
        ends += seen->v[i].type == EVENT_EXIT && seen->v[i].tid == pid;
        thread_ends += seen->v[i].type == EVENT_EXIT && seen->v[i].tid != pid;
    }
    assert_int_equal(ends, 1);
    assert_int_equal(thread_ends, 1);
    assert_ptr_equal(find(EVENT_EXIT, pid, pid), &seen->v[seen->n - 1]);
}

static const struct event *next_call(const struct event *e)
{
    while (e < seen->v + seen->n && e->type != EVENT_CALL)
        e++;
    assert_true(e < seen->v + seen->n);
    return e;
}

static void test_calls(void **state)
{
    (void)state;
    follow(call_all, (struct engine_options){.follow = true});
    const uint64_t *r = notes->results, p = r[0], moved = r[7];
    const struct {
        enum mm_call call;
        uint64_t args[4];
    } wanted[] = {
        {CALL_MMAP, {0, 4 * PAGE, RW, ANON}},
        {CALL_MMAP, {0, 0, RW, ANON}},
        {CALL_MPROTECT, {p, PAGE, PROT_READ, 0}},
        {CALL_MADVISE, {p, PAGE, MADV_NOHUGEPAGE, 0}},
        {CALL_MLOCK, {p, PAGE, 0, 0}},
        {CALL_MUNLOCK, {p, PAGE, 0, 0}},
        {CALL_MSYNC, {p, PAGE, MS_ASYNC, 0}},
        {CALL_MREMAP, {p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE}},
        {CALL_MUNMAP, {moved, 64 * PAGE, 0, 0}},
        {CALL_MUNMAP, {1, PAGE, 0, 0}},
    };
    const struct event *e = next_call(seen->v);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++, e = next_call(e + 1)) {
        assert_int_equal(e->call.call, wanted[i].call);
        assert_memory_equal(e->call.args, wanted[i].args, sizeof wanted[i].args);
        assert_int_equal(e->call.args[4], -1);
        assert_int_equal(e->call.result, r[i]);
        assert_true(e->call.has_args && !e->call.compat);
        assert_true(e->call.entered_ns && e->call.entered_ns <= e->t_ns);
    }
    assert_int_equal((int64_t)r[9], -EINVAL);
    assert_int_equal(e->call.call, CALL_EXIT_GROUP);
}

/* What the descriptor of a failed mmap was is told with it. */
static void test_descriptors(void **state)
{
    (void)state;
    const unsigned read = CALL_FILE_OPEN | CALL_FILE_READABLE, write = CALL_FILE_WRITABLE;
    const struct {
        int error;
        unsigned known, is; /* as far as it is the same everywhere */
    } wanted[] = {
        {EACCES, CALL_FILE_ALL & ~CALL_FILE_NOEXEC, read | CALL_FILE_MAPPABLE},
        {EACCES, CALL_FILE_MAPPABLE | read | write, read},
        {EACCES, CALL_FILE_MAPPABLE | read | write, CALL_FILE_OPEN | write},
        {EPERM, CALL_FILE_ALL & ~CALL_FILE_NOEXEC,
         read | write | CALL_FILE_MAPPABLE | CALL_FILE_SEALED},
        {EBADF, CALL_FILE_OPEN, 0},
        {EBADF, CALL_FILE_OPEN, 0},
    };
    follow(map_in_vain, (struct engine_options){.follow = true});
    const struct event *e = seen->v;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++, e++) {
        while (e < seen->v + seen->n && (e->type != EVENT_CALL || e->call.call != CALL_MMAP ||
                                         e->call.args[3] != MAP_SHARED))
            e++;
        assert_true(e < seen->v + seen->n);
        assert_int_equal(e->call.result, (int64_t)notes->results[i]);
        assert_int_equal(e->call.result, -wanted[i].error);
        assert_int_equal(e->call.file_known & wanted[i].known, wanted[i].known);
        assert_int_equal(e->call.file_is & wanted[i].known, wanted[i].is);
    }
}

#ifdef __x86_64__
static void test_calls_of_32_bits(void **state)
{
    (void)state;
    follow(call_by_32_bits, (struct engine_options){.follow = true});
    const uint64_t *r = notes->results;
    if (notes->results[0] == 0)
        skip(); /* this kernel runs no 32-bit programs: the target was ended */
    const struct event *e = next_call(next_call(seen->v) + 1);
    assert_int_equal(e->call.call, CALL_MMAP);
    assert_true(e->call.compat && e->call.has_args);
    assert_int_equal(e->call.args[1], 4 * PAGE);
    assert_int_equal(e->call.args[5], 3 * 4096);
    assert_int_equal((int32_t)e->call.result, (int32_t)r[0]);
    e = next_call(e + 1);
    assert_int_equal(e->call.call, CALL_MUNMAP);
    assert_int_equal(e->call.args[0], (uint32_t)r[0]);
    e = next_call(e + 1);
    assert_int_equal(e->call.call, CALL_MMAP);
    const uint64_t args[] = {0, 2 * PAGE, RW, ANON, UINT32_MAX, 0};
    assert_memory_equal(e->call.args, args, sizeof args);
    assert_int_equal((int32_t)e->call.result, (int32_t)r[2]);
}
#endif

/* --- what stays behind --- */

static size_t programs_of(pid_t pid, uint32_t *ids, size_t cap)
{
    size_t n = 0;
    for (int fd = 0; fd < 256 && n < cap; fd++) {
        char path[64], line[128];
        snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)pid, fd);
        FILE *f = fopen(path, "re");
        while (f && fgets(line, sizeof line, f))
            if (sscanf(line, "prog_id: %u", &ids[n]) == 1) {
                n++;
                break;
            }
        if (f)
            fclose(f);
    }
    return n;
}

static bool program_exists(uint32_t id)
{
    enum { GET_NEXT_ID = 11 }; /* BPF_PROG_GET_NEXT_ID */
    struct {
        uint32_t start, next, flags;
    } attr = {.start = id - 1};
    return !syscall(SYS_bpf, GET_NEXT_ID, &attr, sizeof attr) && attr.next == id;
}

static void test_killed_engine_leaves_nothing(void **state)
{
    (void)state;
    uint32_t ids[32];
    int opened[2];
    char c = 0;
    assert_int_equal(pipe(opened), 0);
    struct engine_options o = {.pid = start(touch_many), .follow = true, .kernel = true};
    pid_t watcher = fork();
    if (!watcher) {
        struct engine *engine;
        c = engine_bpf.open(&o, &engine, NULL) ? 'n' : 'y';
        if (write(opened[1], &c, 1) == 1)
            pause();
        _exit(0);
    }
    assert_int_equal(read(opened[0], &c, 1), 1);
    close(opened[0]);
    close(opened[1]);
    size_t n = programs_of(watcher, ids, 32);
    kill(watcher, SIGKILL);
    waitpid(watcher, NULL, 0);
    end(o.pid);
    if (c == 'n')
        skip();
    assert_true(n >= 7);
    uint64_t deadline = io_now_ns() + PATIENCE_MS * 1000000ull;
    for (size_t i = 0; i < n; i++)
        while (program_exists(ids[i]) && io_now_ns() < deadline)
            sched_yield(); /* the kernel frees them by and by */
    for (size_t i = 0; i < n; i++)
        assert_false(program_exists(ids[i]));
}

static void test_no_such_process(void **state)
{
    (void)state;
    pid_t pid = start(touch_many);
    struct engine_options o = {.pid = pid};
    engine_bpf.close(open_or_skip(&o));
    end(pid);
    struct engine *engine = NULL;
    struct err e = {0};
    assert_int_equal(engine_bpf.open(&o, &engine, &e), -ESRCH);
    assert_true(strlen(e.text) > 0);
    assert_null(engine);
    engine_bpf.close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fault_once_in_order),
        cmocka_unit_test(test_two_processors),
        cmocka_unit_test(test_kinds_of_faults),
        cmocka_unit_test(test_kernel_faults_only_when_asked),
        cmocka_unit_test(test_family),
        cmocka_unit_test(test_family_not_followed),
        cmocka_unit_test(test_vfork),
        cmocka_unit_test(test_leader_ends_first),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_descriptors),
#ifdef __x86_64__
        cmocka_unit_test(test_calls_of_32_bits),
#endif
        cmocka_unit_test(test_killed_engine_leaves_nothing),
        cmocka_unit_test(test_no_such_process),
    };
    return cmocka_run_group_tests(tests, followed_prepare, followed_tidy);
}
