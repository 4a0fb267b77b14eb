/* Reading and writing: whole files, procfs, pipes, short transfers, interruptions, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"

/* An anonymous file with this many bytes of a pattern. */
static int file_of(size_t size)
{
    char name[] = "/tmp/vmscope-io.XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    char *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + i / 256);
    assert_int_equal(io_write(fd, bytes, size), 0);
    free(bytes);
    return fd;
}

static void pread_ends_at_the_end(void **state)
{
    (void)state;
    int fd = file_of(1000);
    char out[600];
    assert_int_equal(io_pread(fd, out, sizeof out, 0), 600);
    assert_int_equal(io_pread(fd, out, sizeof out, 600), 400);
    assert_int_equal((unsigned char)out[0], (600 * 7 + 600 / 256) & 0xff);
    assert_int_equal(io_pread(fd, out, sizeof out, 1000), 0);
    assert_int_equal(io_pread(fd, out, sizeof out, UINT64_C(1) << 40), 0);
    assert_int_equal(io_pread(fd, out, 0, 0), 0);
    close(fd);
    assert_int_equal(io_pread(fd, out, sizeof out, 0), -EBADF);
}

static void whole_files_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4095, 4096, 16383, 16384, 16385, 1 << 20, 3000001};
    struct buf b = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int fd = file_of(sizes[i]); /* its position is at the end: the start is read all the same */
        assert_int_equal(io_read_fd(fd, &b), 0);
        assert_int_equal(b.len, sizes[i]);
        assert_int_equal(b.data[b.len], '\0');
        for (size_t k = 0; k < b.len; k += 1001)
            assert_int_equal((unsigned char)b.data[k], (k * 7 + k / 256) & 0xff);
        close(fd);
    }
    buf_deinit(&b);
}

static void files_of_proc_have_no_size_and_are_read_whole(void **state)
{
    (void)state;
    struct buf b = {0};
    int dir = open("/proc/self", O_RDONLY | O_DIRECTORY);
    assert_true(dir >= 0);
    assert_int_equal(io_read_at(dir, "maps", &b), 0);
    assert_non_null(strstr(b.data, "[stack]"));
    assert_int_equal(b.data[b.len - 1], '\n');
    assert_int_equal(io_read_at(dir, "no-such-file", &b), -ENOENT);
    assert_int_equal(io_read_at(dir, "fd", &b), -EISDIR);
    assert_int_equal(io_read_at(-1, "maps", &b), -EBADF);
    close(dir);
    buf_deinit(&b);
}

enum { PIPE_BYTES = 300000 };

static void *write_slowly(void *arg)
{
    int fd = *(int *)arg;
    char bytes[1000];
    memset(bytes, 'p', sizeof bytes);
    for (int i = 0; i < PIPE_BYTES / 1000; i++)
        if (io_write(fd, bytes, sizeof bytes))
            return arg;
    close(fd);
    return NULL;
}

static void pipes_are_read_to_their_end(void **state)
{
    (void)state;
    int fds[2];
    pthread_t writer;
    struct buf b = {0};
    void *bad;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_slowly, &fds[1]), 0);
    assert_int_equal(io_read_fd(fds[0], &b), 0);
    assert_int_equal(pthread_join(writer, &bad), 0);
    assert_null(bad);
    assert_int_equal(b.len, PIPE_BYTES);
    close(fds[0]);
    buf_deinit(&b);
}

static atomic_int interruptions;

static void interrupted(int sig)
{
    (void)sig;
    atomic_fetch_add(&interruptions, 1);
}

struct pest {
    pthread_t victim;
    atomic_bool stop;
    int fd;
};

/* Interrupts the victim, which blocks in a full pipe, again and again, then drains the pipe. */
static void *interrupt_and_drain(void *arg)
{
    struct pest *p = arg;
    char bytes[4096];
    size_t total = 0;
    ssize_t n;
    while (atomic_load(&interruptions) < 5)
        pthread_kill(p->victim, SIGUSR1);
    while ((n = read(p->fd, bytes, sizeof bytes)) > 0) {
        total += (size_t)n;
        if (!atomic_load(&p->stop))
            pthread_kill(p->victim, SIGUSR1);
    }
    return (void *)total;
}

static void interrupted_writes_go_on(void **state)
{
    (void)state;
    struct sigaction act = {.sa_handler = interrupted}, old; /* without SA_RESTART */
    assert_int_equal(sigaction(SIGUSR1, &act, &old), 0);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct pest pest = {.victim = pthread_self(), .fd = fds[0]};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_and_drain, &pest), 0);
    char *bytes = calloc(1, 1 << 20);
    int rc = io_write(fds[1], bytes, 1 << 20);
    atomic_store(&pest.stop, true);
    close(fds[1]);
    void *total;
    assert_int_equal(pthread_join(thread, &total), 0);
    sigaction(SIGUSR1, &old, NULL);
    free(bytes);
    close(fds[0]);
    assert_int_equal(rc, 0);
    assert_int_equal((size_t)total, 1 << 20);
    assert_true(atomic_load(&interruptions) >= 5);
}

static void write_errors_are_told(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY);
    if (fd < 0)
        skip();
    assert_int_equal(io_write(fd, "x", 1), -ENOSPC);
    assert_int_equal(io_write(fd, "", 0), 0);
    close(fd);
    assert_int_equal(io_write(-1, "x", 1), -EBADF);
}

static void clocks_go_forward(void **state)
{
    (void)state;
    uint64_t now = io_now_ns(), cpu = io_thread_cpu_ns(), all = io_process_cpu_ns();
    assert_true(now > 0 && cpu > 0 && all > 0);
    while (io_thread_cpu_ns() == cpu)
        ;
    assert_true(io_now_ns() > now);
    assert_true(io_process_cpu_ns() > all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pread_ends_at_the_end),
        cmocka_unit_test(whole_files_of_any_size),
        cmocka_unit_test(files_of_proc_have_no_size_and_are_read_whole),
        cmocka_unit_test(pipes_are_read_to_their_end),
        cmocka_unit_test(interrupted_writes_go_on),
        cmocka_unit_test(write_errors_are_told),
        cmocka_unit_test(clocks_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
