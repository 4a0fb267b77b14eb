/* mm system calls from the tracepoints raw_syscalls:sys_enter and sys_exit, which see 32-bit tasks
 * too (the tracepoints of single system calls do not). A filter in the kernel passes only the
 * numbers of interest; a beginning waits here for its end by thread. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "probe/engine_perf.h"
#include "probe/engine_perf_arch.h"

enum { PENDING = 4096, NONE = -1 }; /* PENDING: a power of two */

/* Numbers of a call here, and for 32-bit tasks (arch/x86/entry/syscalls/syscall_32.tbl). */
static const struct call_number {
    uint8_t call;
    int16_t native, compat;
} numbers[] = {
    {CALL_MMAP, SYS_mmap, 192},
    {CALL_MUNMAP, SYS_munmap, 91},
    {CALL_BRK, SYS_brk, 45},
    {CALL_MPROTECT, SYS_mprotect, 125},
    {CALL_MREMAP, SYS_mremap, 163},
    {CALL_MADVISE, SYS_madvise, 219},
    {CALL_MLOCK, SYS_mlock, 150},
    {CALL_MLOCK2, SYS_mlock2, 376},
    {CALL_MLOCKALL, SYS_mlockall, 152},
    {CALL_MUNLOCK, SYS_munlock, 151},
    {CALL_MUNLOCKALL, SYS_munlockall, 153},
    {CALL_REMAP_FILE_PAGES, SYS_remap_file_pages, 257},
    {CALL_MSYNC, SYS_msync, 144},
    {CALL_PROCESS_MADVISE, 440, 440},
    {CALL_SHMAT, SYS_shmat, 397},
    {CALL_SHMDT, SYS_shmdt, 398},
    {CALL_MSEAL, 462, 462},
    {CALL_PKEY_MPROTECT, SYS_pkey_mprotect, 380},
#ifdef SYS_fork
    {CALL_FORK, SYS_fork, 2},
    {CALL_VFORK, SYS_vfork, 190},
#endif
    {CALL_CLONE, SYS_clone, 120},
    {CALL_CLONE3, 435, 435},
    {CALL_EXECVE, SYS_execve, 11},
    {CALL_EXECVEAT, SYS_execveat, 358},
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

struct pending {
    int32_t tid; /* 0: none */
    bool compat;
    int64_t number;
    uint64_t args[CALL_ARGS], t_ns;
};

struct perf_calls {
    struct pending pending[PENDING]; /* by the low bits of tid; the younger one stays */
};

struct perf_calls *perf_calls_create(void)
{
    return calloc(1, sizeof(struct perf_calls));
}

void perf_calls_destroy(struct perf_calls *calls)
{
    free(calls);
}

static bool read_id(const char *name, uint64_t *out)
{
    static const char *const roots[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
    struct buf b = {0};
    bool found = false;
    for (unsigned i = 0; !found && i < 2; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/events/raw_syscalls/%s/id", roots[i], name);
        if (io_read_at(AT_FDCWD, path, &b))
            continue;
        const char *at = b.data;
        found = text_dec(&at, b.data + b.len, out);
    }
    buf_deinit(&b);
    return found;
}

void perf_calls_find(struct perf_wish *wish)
{
    wish->calls = PERF_ARCH_IP_MASK != 0 && read_id("sys_enter", &wish->tracepoint[PERF_ENTER]) &&
                  read_id("sys_exit", &wish->tracepoint[PERF_LEAVE]);
}

/* The numbers of fork and remap_file_pages for 32-bit tasks are those of open and openat for
 * others, which would flood the rings; 32-bit forks are told by their task record anyway. */
static bool worth_passing(const struct call_number *n)
{
    return PERF_ARCH_COMPAT && n->call != CALL_FORK && n->call != CALL_REMAP_FILE_PAGES;
}

const char *perf_calls_filter(char *out, size_t cap)
{
    size_t len = 0;
    for (unsigned i = 0; i < NUMBERS; i++) {
        const struct call_number *n = &numbers[i];
        if (len < cap)
            len += (size_t)snprintf(out + len, cap - len, "%sid==%d", len ? "||" : "", n->native);
        if (len < cap && worth_passing(n) && n->compat != n->native)
            len += (size_t)snprintf(out + len, cap - len, "||id==%d", n->compat);
    }
    return out;
}

static int call_of(int64_t number, bool compat)
{
    for (unsigned i = 0; i < NUMBERS; i++)
        if (number == (compat ? numbers[i].compat : numbers[i].native))
            return numbers[i].call;
    return NONE;
}

static void begin(struct perf_calls *calls, const struct perf_seen *seen)
{
    struct pending *p = &calls->pending[(uint32_t)seen->call.tid % PENDING];
    *p = (struct pending){
        .tid = seen->call.tid,
        .compat = seen->call.compat,
        .number = seen->call.number,
        .t_ns = seen->t_ns,
    };
    memcpy(p->args, seen->call.args, sizeof p->args);
}

static bool splits(int call)
{
    return call == CALL_FORK || call == CALL_VFORK || call == CALL_CLONE || call == CALL_CLONE3;
}

bool perf_calls_fold(struct perf_calls *calls, const struct perf_seen *seen, struct event *out)
{
    if (seen->what == PERF_IS_ENTER) {
        begin(calls, seen);
        return false;
    }
    struct pending *p = &calls->pending[(uint32_t)seen->call.tid % PENDING];
    bool begun = p->tid == seen->call.tid && p->tid && p->number == seen->call.number;
    bool compat = begun ? p->compat : seen->call.compat; /* execve may have changed it */
    int call = call_of(seen->call.number, compat);
    if (call == NONE || (!begun && splits(call) && !seen->call.result))
        return false; /* not of interest, or the child's side of a fork */
    *out = (struct event){.t_ns = seen->t_ns, .pid = seen->call.pid, .tid = seen->call.tid,
                          .type = EVENT_CALL};
    out->call.call = (uint8_t)call;
    out->call.compat = compat;
    out->call.result = seen->call.result;
    out->call.has_args = begun;
    if (begun) {
        out->call.entered_ns = p->t_ns;
        memcpy(out->call.args, p->args, sizeof p->args);
        if (compat && call == CALL_MMAP)
            out->call.args[5] <<= 12; /* mmap2 counts in 4096 bytes, whatever a page is */
        p->tid = 0;
    }
    return true;
}
