/* Reading and writing: the one place where EINTR and short transfers are retried. */
#ifndef VMSCOPE_BASE_IO_H
#define VMSCOPE_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* Reads until `len` bytes or end of file. Bytes read (may be fewer at EOF) or negative errno;
 * an error after some bytes were read returns those bytes. */
ssize_t io_pread(int fd, void *out, size_t len, uint64_t offset);

/* Writes all. 0 or negative errno. */
int io_write(int fd, const void *bytes, size_t len);

/* Reads the whole of an open file from its start by pread (procfs included), replacing *out.
 * 0 or negative errno. */
int io_read_fd(int fd, struct buf *out);

/* Opens `name` below dirfd read-only, O_CLOEXEC, reads all of it and closes it. 0 or negative
 * errno. */
int io_read_at(int dirfd, const char *name, struct buf *out);

/* Waits at most so many milliseconds until something can be read, or all of them when fd is -1.
 * True when there is something. A signal ends the waiting. */
bool io_wait(int fd, int milliseconds);

/* Monotonic time, CPU time of this thread, and CPU time of this process, in nanoseconds. */
uint64_t io_now_ns(void);
uint64_t io_thread_cpu_ns(void);
uint64_t io_process_cpu_ns(void);

#endif
