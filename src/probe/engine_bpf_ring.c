/* Reads the ring buffer and turns its records into events.
 *
 * The kernel wakes the reader only when a good part of the ring is full, for wake-ups are dear to
 * the watched process; so the reader also looks by the clock. A poll of the ring itself would
 * answer "readable" for a single record: the descriptor given out is an epoll set that becomes
 * readable with each wake-up (edge-triggered), and is reset by draining. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "probe/arch_x86_64.h"
#include "probe/engine_bpf_parts.h"

enum { DRAIN_MAX = 1 << 17, STOP = -ECANCELED };

static void read_fault(struct event *e, const struct wire_fault *f)
{
    e->fault.address = f->address;
    e->fault.ip = f->ip;
    e->fault.access = (uint8_t)arch_fault_access(f->w.error);
    e->fault.protection = (uint8_t)arch_fault_protection(f->w.error);
    e->fault.mode = f->w.detail;
}

static void read_call(struct event *e, const struct wire_call *c)
{
    e->call.call = (uint8_t)((c->w.detail & WIRE_CALL_MASK) - 1);
    e->call.compat = c->w.compat;
    e->call.has_args = c->w.has_args;
    e->call.result = c->result;
    e->call.entered_ns = c->entered_ns;
    if (c->w.has_args)
        memcpy(e->call.args, c->args, sizeof e->call.args);
    if (c->w.detail & WIRE_CALL_PAGES)
        e->call.args[CALL_ARGS - 1] <<= ARCH_MMAP2_SHIFT;
}

static void read_record(struct event *e, const struct wire *w)
{
    *e = (struct event){.t_ns = w->t_ns, .pid = w->pid, .tid = w->tid, .type = w->type};
    switch (w->type) {
    case EVENT_FAULT:
        read_fault(e, (const struct wire_fault *)w);
        break;
    case EVENT_CALL:
        read_call(e, (const struct wire_call *)w);
        break;
    case EVENT_FORK:
        e->fork.child_pid = ((const struct wire_fork *)w)->child_pid;
        e->fork.child_tid = ((const struct wire_fork *)w)->child_tid;
        break;
    case EVENT_EXEC:
        memcpy(e->exec.comm, ((const struct wire_exec *)w)->comm, sizeof e->exec.comm);
        break;
    default:
        break;
    }
}

/* Two processors may take the time and then their places in the ring in opposite order. */
static void sort_by_time(struct event *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct event late = v[i];
        size_t at = i;
        for (; at && v[at - 1].t_ns > late.t_ns; at--)
            v[at] = v[at - 1];
        if (at != i)
            v[at] = late;
    }
}

static int deliver(struct engine *engine)
{
    size_t n = engine->batched;
    engine->batched = 0;
    if (!n)
        return 0;
    sort_by_time(engine->batch, n);
    engine->stats.events += n;
    return engine->sink(engine->sink_ctx, engine->batch, n);
}

static int take(void *ctx, void *record, size_t size)
{
    struct engine *engine = ctx;
    struct event *e = &engine->batch[engine->batched++];
    (void)size;
    read_record(e, record);
    engine->stats.faults += e->type == EVENT_FAULT;
    if (engine->batched == BATCH)
        engine->sink_rc = deliver(engine);
    return engine->sink_rc || ++engine->drained == DRAIN_MAX ? STOP : 0;
}

/* Never more than DRAIN_MAX events: a caller has other things to do. */
int engine_bpf_drain(struct engine *engine, engine_sink *sink, void *ctx)
{
    struct epoll_event woken;
    epoll_wait(engine->epoll_fd, &woken, 1, 0);
    engine->state->woken = 0;
    engine->sink = sink;
    engine->sink_ctx = ctx;
    engine->sink_rc = 0;
    engine->drained = 0;
    int rc = engine->lib->ring_buffer__consume(engine->ring);
    engine_bpf_heat_check(engine);
    if (rc < 0 && rc != STOP)
        return rc;
    return engine->sink_rc ? engine->sink_rc : deliver(engine);
}

int engine_bpf_ring_open(struct engine *engine, struct err *e)
{
    const struct bpf_map *map = engine->lib->bpf_object__find_map_by_name(engine->object, "ring");
    int fd = engine->lib->bpf_map__fd(map);
    struct epoll_event edge = {.events = EPOLLIN | EPOLLET};
    engine->ring = engine->lib->ring_buffer__new(fd, take, engine, NULL);
    if (!engine->ring)
        return err_set(e, -errno, "the ring buffer cannot be mapped: %s", strerror(errno));
    engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (engine->epoll_fd < 0 || epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, fd, &edge))
        return err_set(e, -errno, "the ring buffer cannot be waited for: %s", strerror(errno));
    return 0;
}
