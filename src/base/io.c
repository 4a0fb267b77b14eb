/* Reading, writing, clocks. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

ssize_t io_pread(int fd, void *out, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (char *)out + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return done ? (ssize_t)done : -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int io_write(int fd, const void *bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write(fd, (const char *)bytes + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

/* Sequential read: FIFOs and other files without positions work too. */
static ssize_t read_some(int fd, char *out, size_t len)
{
    for (;;) {
        ssize_t n = read(fd, out, len);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return -errno;
    }
}

int io_read_fd(int fd, struct buf *out)
{
    buf_clear(out);
    if (lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE)
        return -errno;
    /* procfs answers at most a page or a seq buffer at a time; ask for plenty. */
    for (size_t chunk = 16384;; chunk = chunk < 1 << 20 ? chunk * 2 : chunk) {
        int rc = buf_reserve(out, chunk);
        if (rc)
            return rc;
        size_t room = out->cap - out->len - 1;
        ssize_t n = read_some(fd, out->data + out->len, room);
        if (n < 0)
            return (int)n;
        out->len += (size_t)n;
        out->data[out->len] = '\0';
        if (n == 0)
            return 0;
    }
}

int io_read_at(int dirfd, const char *name, struct buf *out)
{
    int fd;
    do
        fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -errno;
    int rc = io_read_fd(fd, out);
    close(fd);
    return rc;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

bool io_wait(int fd, int milliseconds)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, milliseconds) > 0;
}

uint64_t io_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t io_thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t io_process_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}
