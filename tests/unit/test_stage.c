/* Stages: faults counted to the last one, signals, ends of every kind, forks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "scenario/stage.h"

enum { PAGE = 4096 };
#define SECOND UINT64_C(1000000000)

static const struct stage_options ordinary = {.limit_ns = 60 * SECOND};

static struct stage *start(void)
{
    struct stage *s;
    struct err e = {0};
    if (stage_start(&ordinary, &s, &e))
        fail_msg("%s", e.text);
    return s;
}

static struct stage_result run(struct stage *s, struct stage_op op)
{
    struct stage_result r;
    struct err e = {0};
    if (stage_do(s, &op, &r, NULL, &e))
        fail_msg("%s", e.text);
    return r;
}

#define RUN(s, kind, ...) run(s, (struct stage_op){.what = (kind), .fd = -1, .args = {__VA_ARGS__}})

/* New anonymous memory in the stage; every other page of the test is a touch of it. */
static uint64_t map_pages(struct stage *s, uint64_t bytes, int prot)
{
    struct stage_result r = RUN(s, STAGE_CALL, SYS_mmap, 0, bytes, (uint64_t)prot,
                                MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0);
    assert_int_equal(r.error, 0);
    assert_int_equal(r.minor, 0);
    return (uint64_t)r.value;
}

static void check_counts(struct stage *s)
{
    static const uint64_t counts[] = {0, 1, 2, 16, 512, 5000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint64_t n = counts[i], a = map_pages(s, 10000 * PAGE, PROT_READ | PROT_WRITE);
        struct stage_result r = RUN(s, STAGE_WRITE, a, a + n * PAGE, PAGE, 7);
        assert_int_equal(r.value, n);
        assert_int_equal(r.minor, n);
        assert_int_equal(r.major, 0);
        assert_true(r.begin_ns && r.end_ns > r.begin_ns);
        r = RUN(s, STAGE_WRITE, a, a + n * PAGE, PAGE, 7);
        assert_int_equal(r.minor, 0);
        r = RUN(s, STAGE_READ, a + n * PAGE, a + 2 * n * PAGE, PAGE);
        assert_int_equal(r.minor, n);
        RUN(s, STAGE_CALL, SYS_munmap, a, 10000 * PAGE);
    }
}

static void counts_are_exact(void **state)
{
    (void)state;
    struct stage *s = start();
    for (int i = 0; i < 20; i++)
        assert_int_equal(RUN(s, STAGE_NOTHING).minor, 0);
    check_counts(s);
    stage_destroy(s);
}

static void kernel_mode_counts(void **state)
{
    (void)state;
    struct stage *s = start();
    uint64_t a = map_pages(s, 64 * PAGE, PROT_READ | PROT_WRITE);
    struct stage_result r = RUN(s, STAGE_FILL, a, a + 64 * PAGE);
    assert_int_equal(r.value, 64 * PAGE);
    assert_int_equal(r.minor, 64);
    r = RUN(s, STAGE_FILL, 16, 16 + PAGE);
    assert_int_equal(r.error, EFAULT);
    stage_destroy(s);
}

/* The faults of a process as the kernel counts them in /proc, from outside. */
static uint64_t minor_faults(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    uint64_t v;
    assert_int_equal(sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %lu", &v), 1);
    return v;
}

static void nothing_else_faults(void **state)
{
    (void)state;
    struct stage *s = start();
    uint64_t a = map_pages(s, 1024 * PAGE, PROT_READ | PROT_WRITE),
             before = minor_faults(stage_pid(s));
    for (uint64_t i = 0; i < 1000; i++)
        RUN(s, STAGE_WRITE, a + i * PAGE, a + (i + 1) * PAGE, PAGE, 1);
    assert_int_equal(minor_faults(stage_pid(s)) - before, 1000);
    stage_destroy(s);
}

static void expect_signal(struct stage_result r, int number, int code, uint64_t address)
{
    assert_false(r.gone);
    assert_int_equal(r.signal, number);
    assert_int_equal(r.code, code);
    assert_int_equal(r.address, address);
}

static void signals_are_told(void **state)
{
    (void)state;
    struct stage *s = start();
    uint64_t a = map_pages(s, 4 * PAGE, PROT_READ);
    expect_signal(RUN(s, STAGE_WRITE, a, a + 1, PAGE), SIGSEGV, SEGV_ACCERR, a);
    RUN(s, STAGE_CALL, SYS_munmap, a + 2 * PAGE, 2 * PAGE);
    struct stage_result r = RUN(s, STAGE_READ, a, a + 4 * PAGE, PAGE);
    expect_signal(r, SIGSEGV, SEGV_MAPERR, a + 2 * PAGE);
    assert_int_equal(r.value, 2);
    assert_int_equal(r.minor, 2); /* the zero pages; one that ends in a signal is not counted */
    expect_signal(RUN(s, STAGE_EXEC, a + 16), SIGSEGV, SEGV_ACCERR, a + 16);
    expect_signal(RUN(s, STAGE_READ, UINT64_C(1) << 62, (UINT64_C(1) << 62) + 1, PAGE), SIGSEGV,
                  SI_KERNEL, 0);
    check_counts(s); /* and goes on as before */
    stage_destroy(s);
}

static void bus_error(void **state)
{
    (void)state;
    struct stage *s = start();
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0 && !ftruncate(fd, PAGE));
    struct stage_result r = run(s, (struct stage_op){.what = STAGE_TAKE, .fd = fd});
    assert_int_equal(r.value, 3); /* the first that a script gets */
    r = RUN(s, STAGE_CALL, SYS_mmap, 0, 2 * PAGE, PROT_READ, MAP_SHARED, 3, 0);
    uint64_t a = (uint64_t)r.value;
    assert_int_equal(RUN(s, STAGE_READ, a, a + 1, PAGE).minor, 1);
    expect_signal(RUN(s, STAGE_READ, a + PAGE, a + PAGE + 1, PAGE), SIGBUS, BUS_ADRERR, a + PAGE);
    close(fd);
    stage_destroy(s);
}

static void executes_one_instruction(void **state)
{
    (void)state;
    struct stage *s = start();
    uint64_t a = map_pages(s, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    struct stage_result r = RUN(s, STAGE_EXEC, a + 16); /* zeros */
    assert_int_equal(r.signal, 0);
    assert_int_equal(r.minor, 1);
    RUN(s, STAGE_WRITE, a + PAGE, a + PAGE + 1, PAGE, 0xc3);
    r = RUN(s, STAGE_EXEC, a + PAGE);
    assert_int_equal(r.signal, 0);
    assert_int_equal(r.minor, 0);
    RUN(s, STAGE_WRITE, a + PAGE, a + PAGE + 1, PAGE, 0x06); /* no instruction in 64-bit mode */
    assert_int_equal(RUN(s, STAGE_EXEC, a + PAGE).signal, SIGILL);
    stage_destroy(s);
}

static struct stage *fork_of(struct stage *s)
{
    struct stage *child = NULL;
    struct stage_result r;
    struct err e = {0};
    if (stage_do(s, &(struct stage_op){.what = STAGE_FORK}, &r, &child, &e))
        fail_msg("%s", e.text);
    assert_int_equal(r.error, 0);
    assert_int_equal(r.minor, 0);
    assert_int_equal(r.value, stage_pid(child));
    return child;
}

static void forks(void **state)
{
    (void)state;
    struct stage *s = start();
    uint64_t a = map_pages(s, 8 * PAGE, PROT_READ | PROT_WRITE);
    RUN(s, STAGE_WRITE, a, a + 8 * PAGE, PAGE, 1);
    struct stage *child = fork_of(s), *grandchild = fork_of(child);
    check_counts(s);
    check_counts(child);
    check_counts(grandchild);
    assert_int_equal(RUN(child, STAGE_READ, a, a + 8 * PAGE, PAGE).minor, 0);
    assert_int_equal(RUN(child, STAGE_WRITE, a, a + PAGE, PAGE, 2).minor, 1);      /* a copy */
    assert_int_equal(RUN(s, STAGE_WRITE, a, a + PAGE, PAGE, 2).minor, 1);          /* a copy */
    assert_int_equal(RUN(grandchild, STAGE_WRITE, a, a + PAGE, PAGE, 2).minor, 1); /* its own now */

    struct stage_result r = RUN(child, STAGE_VM_READ, (uint64_t)stage_pid(s), a, a + PAGE);
    assert_int_equal(r.value, PAGE);
    r = RUN(child, STAGE_MEM_WRITE, (uint64_t)stage_pid(s), a, a + 2 * PAGE, 9);
    assert_int_equal(r.value, 2 * PAGE);
    r = RUN(child, STAGE_VM_READ, (uint64_t)stage_pid(s), 16, 32);
    assert_int_equal(r.error, EFAULT);

    r = RUN(grandchild, STAGE_EXIT, 3);
    assert_true(r.gone);
    assert_int_equal(r.status, 3 << 8);
    r = RUN(child, STAGE_WAIT, (uint64_t)stage_pid(grandchild));
    assert_int_equal(r.value, 3 << 8);
    stage_destroy(grandchild);
    stage_destroy(child);
    check_counts(s);
    stage_destroy(s);
}

static void ends_are_observed(void **state)
{
    (void)state;
    struct stage *s = start();
    struct stage_result r = RUN(s, STAGE_EXIT, 5);
    assert_true(r.gone);
    assert_true(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 5);
    assert_true(RUN(s, STAGE_NOTHING).gone);
    stage_destroy(s);

    static const int numbers[] = {SIGKILL, SIGTERM, SIGSEGV};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        s = start();
        pid_t pid = stage_pid(s);
        r = RUN(s, STAGE_CALL, SYS_kill, (uint64_t)pid, (uint64_t)numbers[i]);
        assert_true(r.gone);
        assert_true(WIFSIGNALED(r.status));
        assert_int_equal(WTERMSIG(r.status), numbers[i]);
        int status;
        assert_int_equal(stage_wait_end(s, &status), 0);
        assert_int_equal(status, r.status);
        stage_destroy(s);
        assert_int_equal(kill(pid, 0), -1);
    }
}

static void hang_is_ended(void **state)
{
    (void)state;
    struct stage *s;
    struct err e = {0};
    uint64_t limit_ns = SECOND / 5; /* to begin, it may need more */
    while (stage_start(&(struct stage_options){.limit_ns = limit_ns}, &s, &e))
        assert_true((limit_ns *= 2) < 60 * SECOND);
    pid_t pid = stage_pid(s);
    struct stage_result r;
    struct stage_op op = {.what = STAGE_CALL, .args = {SYS_pause}};
    assert_int_equal(stage_do(s, &op, &r, NULL, &e), -ETIMEDOUT);
    assert_int_equal(kill(pid, 0), -1);
    stage_destroy(s);
}

static void heap_and_stack(void **state)
{
    (void)state;
    struct stage *s = start();
    uint64_t heap = (uint64_t)RUN(s, STAGE_BRK, 0).value;
    struct stage_result r = RUN(s, STAGE_BRK, 16 * PAGE);
    assert_int_equal(r.value, heap + 16 * PAGE);
    assert_int_equal(RUN(s, STAGE_WRITE, heap, heap + 16 * PAGE, PAGE, 1).minor, 16);
    assert_int_equal(RUN(s, STAGE_BRK, UINT64_C(1) << 46).error, ENOMEM);
    r = RUN(s, STAGE_GROW_STACK, 200 * PAGE);
    assert_int_equal(r.value, 200);
    assert_int_equal(r.minor, 200);
    assert_int_equal(RUN(s, STAGE_GROW_STACK, 200 * PAGE).minor, 0);
    assert_int_equal(RUN(s, STAGE_GROW_STACK, 201 * PAGE).minor, 1);
    r = RUN(s, STAGE_GROW_STACK, UINT64_C(1) << 30);
    assert_int_equal(r.signal, SIGSEGV);
    assert_int_equal(r.code, SEGV_MAPERR);
    r = RUN(s, STAGE_MALLOC, 1 << 20);
    assert_int_equal(r.error, 0);
    uint64_t p = (uint64_t)r.value;
    assert_int_equal(RUN(s, STAGE_WRITE, p, p + (1 << 20), PAGE, 1).value, 257); /* not aligned */
    assert_int_equal(RUN(s, STAGE_FREE, p).signal, 0);
    stage_destroy(s);
}

static void calls_of_32_bits(void **state)
{
    (void)state;
    struct stage *s = start();
    for (uint64_t way = 1; way <= 2; way++) {
        struct stage_result r = RUN(s, STAGE_MMAP_32, way, 0, 2 * PAGE, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0);
        if (r.signal)
            skip();
        assert_int_equal(r.error, 0);
        assert_int_equal((uint64_t)r.value >> 32, 0);
        uint64_t a = (uint64_t)r.value;
        assert_int_equal(RUN(s, STAGE_WRITE, a, a + 2 * PAGE, PAGE, 1).minor, 2);
    }
    /* Its offset counts in bytes. */
    struct stage_result r = RUN(s, STAGE_MMAP_32, 2, 0, PAGE, PROT_READ, MAP_PRIVATE, 200, 1);
    assert_int_equal(r.error, EINVAL);
    stage_destroy(s);
}

static void faults_are_answered(void **state)
{
    (void)state;
    struct stage *s = start();
    uint64_t a = map_pages(s, 4 * PAGE, PROT_READ | PROT_WRITE);
    struct stage_result r = RUN(s, STAGE_UFFD, a, a + 2 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
    if (r.error == ENOSYS || r.error == EPERM)
        skip();
    assert_int_equal(r.error, 0);
    assert_int_equal(RUN(s, STAGE_READ, a, a + 2 * PAGE, PAGE).value, 2);
    RUN(s, STAGE_WRITE, a + 2 * PAGE, a + 4 * PAGE, PAGE, 1);
    r = RUN(s, STAGE_UFFD, a + 2 * PAGE, a + 4 * PAGE, UFFDIO_REGISTER_MODE_WP);
    assert_int_equal(r.error, 0);
    assert_int_equal(RUN(s, STAGE_READ, a + 2 * PAGE, a + 4 * PAGE, PAGE).minor, 0);
    r = RUN(s, STAGE_WRITE, a + 2 * PAGE, a + 4 * PAGE, PAGE, 1);
    assert_int_equal(r.value, 2);
    assert_true(r.minor >= 2);
    stage_destroy(s);
}

/* Whoever waits for the page: another stage is served, or killed, as well. */
static void outsiders_are_answered(void **state)
{
    (void)state;
    struct stage *s = start(), *child = fork_of(s);
    uint64_t a = map_pages(s, 4 * PAGE, PROT_READ | PROT_WRITE);
    struct stage_result r = RUN(s, STAGE_UFFD, a, a + 2 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
    if (r.error == ENOSYS || r.error == EPERM || geteuid())
        skip();
    assert_int_equal(r.error, 0);
    r = RUN(child, STAGE_VM_READ, (uint64_t)stage_pid(s), a, a + 2 * PAGE);
    assert_int_equal(r.value, 2 * PAGE);
    r = RUN(s, STAGE_UFFD, a + 3 * PAGE, a + 4 * PAGE, UFFDIO_REGISTER_MODE_MISSING, 1);
    assert_int_equal(r.error, 0);
    r = RUN(child, STAGE_VM_READ, (uint64_t)stage_pid(s), a, a + 4 * PAGE);
    assert_true(r.gone && WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGKILL);
    assert_int_equal(RUN(s, STAGE_WRITE, a + 2 * PAGE, a + 3 * PAGE, PAGE, 1).value, 1);
    r = RUN(s, STAGE_WRITE, a + 2 * PAGE, a + 4 * PAGE, PAGE, 1);
    assert_true(r.gone && WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGKILL);
    stage_destroy(child);
    stage_destroy(s);
}

static void two_threads_race(void **state)
{
    (void)state;
    struct stage *s = start();
    uint64_t pages = 256, a = map_pages(s, pages * PAGE, PROT_READ | PROT_WRITE);
    struct stage_result r = RUN(s, STAGE_RACE, a, a + pages * PAGE, PAGE, 1);
    assert_int_equal(r.value, pages);
    assert_in_range(r.minor, pages, 2 * pages);
    assert_int_equal(RUN(s, STAGE_RACE, a, a + pages * PAGE, PAGE, 1).minor, 0);
    uint64_t b = map_pages(s, 4 * PAGE, PROT_NONE);
    for (int i = 0; i < 20; i++)
        expect_signal(RUN(s, STAGE_RACE, b, b + PAGE, PAGE, 1), SIGSEGV, SEGV_ACCERR, b);
    struct stage *child = fork_of(s);
    assert_in_range(RUN(child, STAGE_RACE, a, a + PAGE, PAGE, 1).minor, 1, 2);
    stage_destroy(child);
    uint64_t c = map_pages(s, 8 * PAGE, PROT_READ | PROT_WRITE);
    r = RUN(s, STAGE_UFFD, c, c + 8 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
    if (!r.error)
        assert_int_equal(RUN(s, STAGE_RACE, c, c + 8 * PAGE, PAGE, 1).minor, 16);
    stage_destroy(s);
}

static void ends_with_its_driver(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid_t driver = fork();
    if (driver == 0) {
        struct stage *s = start(), *child = fork_of(s);
        pid_t pids[2] = {stage_pid(s), stage_pid(child)};
        if (write(pipes[1], pids, sizeof pids) != sizeof pids)
            _exit(1);
        struct stage_result r;
        struct stage_op loop = {.what = STAGE_CALL, .args = {SYS_pause}};
        stage_do(child, &loop, &r, NULL, NULL);
        _exit(0);
    }
    pid_t pids[2];
    assert_int_equal(read(pipes[0], pids, sizeof pids), sizeof pids);
    int fds[2];
    for (int i = 0; i < 2; i++)
        assert_true((fds[i] = (int)syscall(SYS_pidfd_open, pids[i], 0)) >= 0);
    kill(driver, SIGKILL);
    waitpid(driver, NULL, 0);
    for (int i = 0; i < 2; i++) {
        struct {
            int fd;
            short events, revents;
        } p = {fds[i], 1, 0};
        assert_int_equal(syscall(SYS_poll, &p, 1, 10000), 1);
        close(fds[i]);
    }
    close(pipes[0]);
    close(pipes[1]);
}

static void brings_nothing_along(void **state)
{
    (void)state;
    setenv("VMSCOPE_TEST", "1", 1);
    struct stage *s = start();
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)stage_pid(s));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(n >= 0);
    assert_null(memmem(text, (size_t)n, "VMSCOPE_TEST", 12));
    for (int i = 0; i < 20; i++) {
        char link[64];
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)stage_pid(s), i);
        n = readlink(path, link, sizeof link - 1);
        if (i > 2)
            assert_int_equal(n, -1);
        else
            assert_memory_equal(link, "/dev/null", 9);
    }
    stage_destroy(s);
}

/* The uids of a process as the kernel tells them. */
static void uids_of(pid_t pid, unsigned out[4])
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    int n = 0;
    while (n != 4 && fgets(line, sizeof line, f))
        n = sscanf(line, "Uid: %u %u %u %u", &out[0], &out[1], &out[2], &out[3]);
    fclose(f);
    assert_int_equal(n, 4);
}

static void is_who_and_what_was_asked(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    setenv("SUDO_UID", "65534", 1);
    setenv("SUDO_GID", "65534", 1);
    for (unsigned keep = 0; keep < 2; keep++) {
        struct stage_options o = {.limit_ns = 60 * SECOND, .keep_root = keep, .thp = keep};
        struct stage *s;
        struct err e = {0};
        unsigned uids[4];
        if (stage_start(&o, &s, &e))
            fail_msg("%s", e.text);
        uids_of(stage_pid(s), uids);
        for (int i = 0; i < 4; i++)
            assert_int_equal(uids[i], keep ? 0 : 65534);
        struct stage_result r = RUN(s, STAGE_CALL, SYS_prctl, PR_GET_THP_DISABLE);
        assert_int_equal(r.value, keep ? 0 : 1);
        r = RUN(s, STAGE_CALL, SYS_setuid, 0);
        assert_int_equal(r.error, keep ? 0 : EPERM);
        check_counts(s);
        stage_destroy(s);
    }
    unsetenv("SUDO_UID");
    unsetenv("SUDO_GID");
}

int main(int argc, char **argv)
{
    stage_main_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_exact),
        cmocka_unit_test(kernel_mode_counts),
        cmocka_unit_test(nothing_else_faults),
        cmocka_unit_test(signals_are_told),
        cmocka_unit_test(bus_error),
        cmocka_unit_test(executes_one_instruction),
        cmocka_unit_test(forks),
        cmocka_unit_test(ends_are_observed),
        cmocka_unit_test(hang_is_ended),
        cmocka_unit_test(heap_and_stack),
        cmocka_unit_test(calls_of_32_bits),
        cmocka_unit_test(faults_are_answered),
        cmocka_unit_test(outsiders_are_answered),
        cmocka_unit_test(two_threads_race),
        cmocka_unit_test(ends_with_its_driver),
        cmocka_unit_test(brings_nothing_along),
        cmocka_unit_test(is_who_and_what_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
