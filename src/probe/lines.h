/* What instruction lies at an address of a process, in words: its function and its source line. The
 * target's memory is never read, only the file that is mapped there, its debug information (in the
 * file itself, or apart, by build id or .gnu_debuglink, in the target's root and in ours), and the
 * map that a JIT compiler writes to /tmp/perf-PID.map. */
#ifndef VMSCOPE_PROBE_LINES_H
#define VMSCOPE_PROBE_LINES_H

#include <stdint.h>
#include <sys/types.h>

#include "model/record.h"
#include "model/region.h"

struct lines; /* what the files asked about last say; belongs to one thread */

struct lines *lines_create(void); /* NULL when out of memory */
void lines_destroy(struct lines *l); /* NULL is fine */

struct line_answer {
    char symbol[PAGE_DETAIL_TEXT_MAX]; /* "main+0x1c"; escaped; "" if not known */
    char source[PAGE_DETAIL_TEXT_MAX]; /* "t.c:12"; escaped; "" if not known */
    char why[CAN_REASON_MAX];          /* why one of them is empty; "" when both are known */
};

/* Looks up ip, which lies in *r, a region of the process whose directory is open as process_fd
 * (/proc/PID). May take seconds for large debug information, and block as its filesystem does. */
void lines_find(struct lines *l, int process_fd, pid_t pid, const struct region *r, uint64_t ip,
                struct line_answer *out);

/* The same for a process named by its pid below proc_root (NULL: /proc). One that has ended can no
 * longer be asked for its files: then those of our own root are looked at, which device and inode
 * identify. */
void lines_find_of(struct lines *l, const char *proc_root, pid_t pid, const struct region *r,
                   uint64_t ip, struct line_answer *out);

#endif
