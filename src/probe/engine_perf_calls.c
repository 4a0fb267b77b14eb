/* mm system calls from the tracepoints raw_syscalls:sys_enter and sys_exit, which see 32-bit tasks
 * too (the tracepoints of single system calls do not). A filter in the kernel passes only the
 * numbers of interest; a beginning waits here for its end by thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/engine_perf.h"
#include "probe/engine_perf_arch.h"

enum { PENDING = 4096 }; /* a power of two */

static const struct {
    const struct arch_call *v;
    size_t count;
} tables[] = {
    {arch_calls, sizeof arch_calls / sizeof *arch_calls},
    {arch_calls_compat, sizeof arch_calls_compat / sizeof *arch_calls_compat},
};

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

void perf_calls_find(struct perf_wish *wish)
{
    wish->calls = PERF_ARCH_CALLS &&
                  perf_tracepoint("raw_syscalls/sys_enter", &wish->tracepoint[PERF_ENTER]) &&
                  perf_tracepoint("raw_syscalls/sys_exit", &wish->tracepoint[PERF_LEAVE]);
}

/* exit never returns: the task record tells of it. The numbers of fork and remap_file_pages for
 * 32-bit tasks are those of open and openat for others, which would flood the rings. */
static bool is_passed(const struct arch_call *c, bool compat)
{
    return c->call != CALL_EXIT && c->call != CALL_EXIT_GROUP &&
           !(compat && (c->call == CALL_FORK || c->call == CALL_REMAP_FILE_PAGES));
}

const char *perf_calls_filter(char *out, size_t cap)
{
    size_t len = 0;
    for (unsigned t = 0; t < 2; t++)
        for (size_t i = 0; i < tables[t].count; i++)
            if (len < cap && is_passed(&tables[t].v[i], t == 1))
                len += (size_t)snprintf(out + len, cap - len, "%sid==%u", len ? "||" : "",
                                        tables[t].v[i].number);
    return out;
}

static const struct arch_call *call_of(int64_t number, bool compat)
{
    for (size_t i = 0; i < tables[compat].count; i++)
        if (tables[compat].v[i].number == number)
            return &tables[compat].v[i];
    return NULL;
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

static bool splits(unsigned call)
{
    return call == CALL_FORK || call == CALL_VFORK || call == CALL_CLONE || call == CALL_CLONE3;
}

static void add_args(const struct pending *p, const struct arch_call *c, struct event *out)
{
    out->call.entered_ns = p->t_ns;
    out->call.has_args = !(c->flags & WIRE_CALL_MEMORY); /* those are in the target's memory */
    if (!out->call.has_args)
        return;
    memcpy(out->call.args, p->args, sizeof p->args);
    if (c->flags & WIRE_CALL_PAGES)
        out->call.args[CALL_ARGS - 1] <<= ARCH_MMAP2_SHIFT;
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
    const struct arch_call *c = call_of(seen->call.number, compat);
    if (!c || (!begun && splits(c->call) && !seen->call.result))
        return false; /* not of interest, or the child's side of a fork */
    *out = (struct event){.t_ns = seen->t_ns, .pid = seen->call.pid, .tid = seen->call.tid,
                          .type = EVENT_CALL};
    out->call.call = c->call;
    out->call.compat = compat;
    out->call.result = seen->call.result;
    if (begun)
        add_args(p, c, out);
    p->tid = begun ? 0 : p->tid;
    return true;
}
