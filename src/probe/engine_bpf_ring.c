/* Reads the ring and turns its records into events. Wake-ups are dear to the watched process: the
 * bell is rung only when a good part of the ring is full; the reader also looks by the clock. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "probe/arch_x86_64.h"
#include "probe/engine_bpf_parts.h"

enum { DRAIN_MAX = 1 << 18 };
/* Room that a record needs in a batch. */
enum {
    FAULT_EVENTS = CALLERS_MAX / CALLERS_PART + 2,
    RECORD_EVENTS = (int)MAPPING_EVENTS > (int)FAULT_EVENTS ? (int)MAPPING_EVENTS : (int)FAULT_EVENTS,
};

const struct wire *engine_bpf_slot(const struct engine *engine, uint64_t position)
{
    return &engine->slots[position & ((1u << engine->slots_shift) - 1)];
}

/* Of hugetlbfs the BPF program does not know where seals are. */
static void read_file(struct event *e, uint16_t flags)
{
    if (!(flags & WIRE_FILE))
        return;
    e->call.file_is = (uint16_t)(flags >> WIRE_FILE_SHIFT);
    e->call.file_known = !(e->call.file_is & CALL_FILE_OPEN)     ? CALL_FILE_OPEN
                         : e->call.file_is & CALL_FILE_HUGETLB ? CALL_FILE_ALL & ~CALL_FILE_SEALED
                                                               : CALL_FILE_ALL;
}

static void read_call(const struct engine *engine, struct event *e, const struct wire *w)
{
    const struct wire_args *low = (const void *)engine_bpf_slot(engine, engine->tail + 1),
                           *high = (const void *)engine_bpf_slot(engine, engine->tail + 2);
    e->call.call = (uint8_t)((w->detail & WIRE_CALL_MASK) - 1);
    e->call.compat = (w->flags & WIRE_COMPAT) != 0;
    e->call.has_args = (w->flags & WIRE_ARGS) != 0;
    e->call.result = (int64_t)w->a;
    e->call.entered_ns = w->b;
    read_file(e, w->flags);
    memcpy(e->call.args, low->v, CALL_ARGS / 2 * sizeof *low->v);
    memcpy(e->call.args + CALL_ARGS / 2, high->v, CALL_ARGS / 2 * sizeof *high->v);
    if (w->detail & WIRE_CALL_PAGES)
        e->call.args[CALL_ARGS - 1] <<= ARCH_MMAP2_SHIFT;
}

/* The callers from number i on, as one event. */
static void read_callers(const struct engine *engine, struct event *e, uint32_t i, uint32_t count)
{
    e->type = EVENT_CALLERS;
    e->callers.count = 0;
    for (; i < count && e->callers.count < CALLERS_PART; i++) {
        const struct wire_frames *f =
            (const void *)engine_bpf_slot(engine, engine->tail + 1 + i / 4);
        e->callers.ip[e->callers.count++] = f->ip[i % 4];
    }
}

static enum fault_callers callers_told(uint16_t flags)
{
    switch (flags >> WIRE_CALLERS_SHIFT) {
    case 0:
        return CALLERS_UNASKED;
    case WIRE_CALLERS_NONE:
        return CALLERS_NONE;
    case WIRE_CALLERS_LOST:
        return CALLERS_LOST;
    default:
        return CALLERS_TOLD;
    }
}

static void read_fault(const struct engine *engine, struct event *e, const struct wire *w)
{
    e->fault.callers = (uint8_t)callers_told(w->flags);
    e->fault.callers_n = (uint8_t)wire_callers(w->flags);
    e->fault.address = w->a;
    e->fault.ip = wire_ip(w->b);
    e->fault.access = (uint8_t)arch_fault_access(w->flags);
    e->fault.protection = (uint8_t)arch_fault_protection(w->flags);
    e->fault.mode = w->detail & WIRE_MODE;
    e->fault.asks = w->detail >> WIRE_ASKS_SHIFT & WIRE_ASKS_MASK;
    e->fault.in_exec = w->detail & WIRE_IN_EXEC ? KNOWN_YES : KNOWN_NO;
    e->fault.signal = (uint8_t)engine_bpf_signal_of(engine, w);
    e->fault.cpu = (uint16_t)(w->b >> WIRE_IP_BITS);
}

/* Two processors may read the clock and then take their slots in opposite order, and in a burst a
 * fault has an earlier one's time: the order of slots is the true one, so time never goes back. */
static void read_common(struct engine *engine, struct event *e, const struct wire *w)
{
    if (w->t_ns > engine->last_ns)
        engine->last_ns = w->t_ns;
    e->t_ns = engine->last_ns;
    e->pid = w->pid;
    e->tid = w->tid;
    e->type = w->type;
}

/* As events[*n] and on: parts of the chain of its callers, then the fault. The slots that it filled. */
static uint32_t read_fault_record(struct engine *engine, const struct wire *w,
                                  struct event *events, size_t *n)
{
    uint32_t count = wire_callers(w->flags);
    for (uint32_t i = 0; i < count; i += CALLERS_PART) {
        read_common(engine, &events[*n], w);
        read_callers(engine, &events[(*n)++], i, count);
    }
    read_common(engine, &events[*n], w);
    read_fault(engine, &events[(*n)++], w);
    engine->stats.faults++;
    engine->stats.chains += callers_told(w->flags) == CALLERS_TOLD;
    return 1 + (count + 3) / 4;
}

/* The slots that the record filled. */
static uint32_t read_record(struct engine *engine, struct event *e, const struct wire *w)
{
    read_common(engine, e, w);
    switch (w->type) {
    case EVENT_CALL:
        read_call(engine, e, w);
        return WIRE_CALL_SLOTS;
    case EVENT_FORK:
        e->fork.child_pid = (int32_t)w->a;
        e->fork.child_tid = (int32_t)w->b;
        break;
    case EVENT_EXEC:
        memcpy(e->exec.comm, &w->a, sizeof w->a);
        memcpy(e->exec.comm + sizeof w->a, &w->b, sizeof w->b);
        e->exec.told = false; /* whether its mappings follow, the next events show */
        engine->heat_held = false;
        break;
    case EVENT_SAMPLE:
        return engine_bpf_read_sample(engine, e, w);
    default:
        break;
    }
    return 1;
}

/* Fills the batch with what is complete, and gives its slots back. */
static size_t read_batch(struct engine *engine)
{
    size_t n = 0;
    engine_bpf_look_for_signals(engine);
    while (n + RECORD_EVENTS <= BATCH) {
        const struct wire *w = engine_bpf_slot(engine, engine->tail);
        uint32_t lap = (uint32_t)(engine->tail >> engine->slots_shift) + 1;
        if (__atomic_load_n(&w->lap, __ATOMIC_ACQUIRE) != lap)
            break;
        if (engine_bpf_must_wait(engine, w))
            break;
        if (w->type == EVENT_SIGNAL) {
            engine->signals.read++;
            engine->tail++;
        } else if (w->type == EVENT_MAPPING) {
            read_common(engine, &engine->batch[n], w);
            engine->tail += engine_bpf_read_mapping(engine, w, engine->batch, &n);
        } else if (w->type == EVENT_FAULT) {
            engine->tail += read_fault_record(engine, w, engine->batch, &n);
        } else {
            engine->tail += read_record(engine, &engine->batch[n++], w);
        }
    }
    __atomic_store_n(&engine->state->tail, engine->tail, __ATOMIC_RELEASE);
    engine->stats.events += n;
    return n;
}

static int bell_heard(void *ctx, void *record, size_t size)
{
    (void)ctx;
    (void)record;
    (void)size;
    return 0;
}

/* An event of our own, that tells where samples may be missing. */
static int tell_gap(const struct engine *engine, bool ends, engine_sink *sink, void *ctx)
{
    const struct event e = {.t_ns = engine->last_ns, .type = EVENT_GAP, .gap.ends = ends};
    return sink(ctx, &e, 1);
}

/* How many events of the batch come before the end of a process. */
static size_t before_end(const struct engine *engine, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct event *e = &engine->batch[i];
        if (e->type == EVENT_EXIT && e->tid == e->pid)
            return i;
    }
    return n;
}

/* What was counted in a process is told before it ends. */
static int deliver_batch(struct engine *engine, size_t n, engine_sink *sink, void *ctx)
{
    size_t first = engine_bpf_heat_count(engine) == engine->heat_told ? n : before_end(engine, n);
    int rc = first ? sink(ctx, engine->batch, first) : 0;
    if (!rc && first < n)
        rc = engine_bpf_heat_rest(engine, sink, ctx);
    return !rc && first < n ? sink(ctx, engine->batch + first, n - first) : rc;
}

static int deliver(struct engine *engine, size_t n, engine_sink *sink, void *ctx)
{
    bool gap = engine_bpf_gap(engine);
    int rc = gap ? tell_gap(engine, false, sink, ctx) : 0;
    if (!rc)
        rc = deliver_batch(engine, n, sink, ctx);
    return !rc && gap ? tell_gap(engine, true, sink, ctx) : rc;
}

/* Never more than DRAIN_MAX events and some: a caller has other things to do. */
int engine_bpf_drain(struct engine *engine, engine_sink *sink, void *ctx)
{
    int rc = engine->lib->ring_buffer__consume(engine->bell);
    if (rc < 0)
        return rc;
    __atomic_store_n(&engine->state->woken, 0, __ATOMIC_RELAXED);
    engine_bpf_begin_signals(engine, io_now_ns());
    for (size_t drained = 0; drained < DRAIN_MAX;) {
        uint64_t from = engine->tail;
        size_t n = read_batch(engine);
        if (n && (rc = deliver(engine, n, sink, ctx)))
            return rc;
        if (engine->tail == from)
            break;
        drained += n;
    }
    engine_bpf_heat_check(engine);
    return engine_bpf_heat_tell(engine, sink, ctx);
}

int engine_bpf_rest(struct engine *engine, engine_sink *sink, void *ctx)
{
    const struct timespec old_enough = {.tv_nsec = (long)engine->signals.hold_ns};
    int rc = 0;
    if (engine->signals.held && !nanosleep(&old_enough, NULL))
        rc = engine_bpf_drain(engine, sink, ctx);
    return rc ? rc : engine_bpf_heat_rest(engine, sink, ctx);
}

int engine_bpf_ring_open(struct engine *engine, int bell_fd, struct err *e)
{
    engine->bell = engine->lib->ring_buffer__new(bell_fd, bell_heard, NULL, NULL);
    if (!engine->bell)
        return err_set(e, -errno, "the ring of events cannot be waited for: %s", strerror(errno));
    return 0;
}
