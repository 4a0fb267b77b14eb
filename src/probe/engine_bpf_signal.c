/* How faults end: the BPF program reports the signals that they are given, each behind its fault,
 * with other threads' events between. The reader looks ahead for them, so that a fault is delivered
 * with its end, and leaves faults alone that are so young that their signal may not be there yet. */
#include "probe/arch_x86_64.h"
#include "probe/engine_bpf_parts.h"

/* Slots of a record, as engine_bpf_ring.c reads it. */
static uint32_t slots_of(const struct engine *engine, uint64_t position)
{
    const struct wire *w = engine_bpf_slot(engine, position);
    const struct wire_args *of = (const void *)engine_bpf_slot(engine, position + 2);
    switch (w->type) {
    case EVENT_FAULT:
        return 1 + (wire_callers(w->flags) + 3) / 4;
    case EVENT_CALL:
        return WIRE_CALL_SLOTS;
    case EVENT_SAMPLE:
        return 1 + (w->flags + 3u) / 4;
    case EVENT_MAPPING:
        if (w->flags & WIRE_LAST)
            return 1;
        return WIRE_MAPPING_SLOTS + (uint32_t)((of->v[3] & (WIRE_DELETED - 1)) + 31) / 32;
    default:
        return 1;
    }
}

static void note(struct signals *s, const struct wire *w, uint64_t at)
{
    struct last_fault *last = &s->last[(uint32_t)w->tid % SIGNAL_THREADS];
    if (w->type == EVENT_FAULT)
        *last = (struct last_fault){w->tid, at};
    else if (w->type == EVENT_SIGNAL && last->tid == w->tid)
        s->v[s->count++] = (struct signal_seen){last->position, w->a, w->detail};
}

static void forget_passed(struct signals *s, uint64_t tail)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < s->count; i++)
        if (s->v[i].fault >= tail)
            s->v[kept++] = s->v[i];
    s->count = kept;
}

void engine_bpf_look_for_signals(struct engine *engine)
{
    struct signals *s = &engine->signals;
    forget_passed(s, engine->tail);
    if (s->ahead < engine->tail)
        s->ahead = engine->tail;
    s->coming = __atomic_load_n(&engine->state->signals, __ATOMIC_ACQUIRE) != s->read;
    while (s->coming && s->count < SIGNALS_MAX) {
        const struct wire *w = engine_bpf_slot(engine, s->ahead);
        uint32_t lap = (uint32_t)(s->ahead >> engine->slots_shift) + 1;
        if (__atomic_load_n(&w->lap, __ATOMIC_ACQUIRE) != lap)
            break;
        note(s, w, s->ahead);
        s->ahead += slots_of(engine, s->ahead);
    }
}

static const struct signal_seen *seen_at(const struct engine *engine)
{
    const struct signals *s = &engine->signals;
    for (unsigned i = 0; i < s->count; i++)
        if (s->v[i].fault == engine->tail)
            return &s->v[i];
    return NULL;
}

static bool is_of_user(const struct wire *w)
{
    return w->type == EVENT_FAULT && (w->detail & WIRE_MODE) == MODE_USER;
}

enum fault_signal engine_bpf_signal_of(const struct engine *engine, const struct wire *w)
{
    const uint64_t within = 4095;
    const struct signal_seen *seen = seen_at(engine);
    if (!is_of_user(w) || engine->signals.lost)
        return SIGNAL_NOT_KNOWN;
    if (!seen)
        return SIGNAL_NONE;
    return (seen->address ^ w->a) > within ? SIGNAL_NOT_KNOWN : (enum fault_signal)seen->signal;
}

bool engine_bpf_must_wait(struct engine *engine, const struct wire *w)
{
    struct signals *s = &engine->signals;
    if (s->coming && engine->tail >= s->ahead)
        return true;
    if (!is_of_user(w) || w->t_ns + s->hold_ns <= s->now_ns || seen_at(engine))
        return false;
    s->held = true;
    return true;
}

void engine_bpf_begin_signals(struct engine *engine, uint64_t now_ns)
{
    struct signals *s = &engine->signals;
    s->now_ns = now_ns;
    s->held = s->lost = false;
    for (size_t i = 0; i < WIRE_CPUS; i++)
        s->lost |= __atomic_load_n(&engine->state->cpu[i].lost[EVENT_SIGNAL], __ATOMIC_RELAXED) > 0;
}
