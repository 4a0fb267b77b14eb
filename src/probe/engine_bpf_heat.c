/* Heat mode: faults are only counted, by page. The kernel's side enters it when the ring is nearly
 * full; here it is left after a second in which events would have had room. */
#include "base/io.h"
#include "probe/engine_bpf.h"
#include "probe/engine_bpf_parts.h"

enum { SECOND = 1000000000 };

uint64_t engine_bpf_heat_count(const struct engine *engine)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < WIRE_CPUS; i++)
        sum += __atomic_load_n(&engine->state->cpu[i].heat, __ATOMIC_RELAXED);
    return sum;
}

/* A quiet second: twice as many faults would not have filled the ring. */
void engine_bpf_heat_check(struct engine *engine)
{
    if (!engine->state->heat || engine->heat_forced) {
        engine->heat_from_ns = 0;
        return;
    }
    uint64_t now = io_now_ns(), count = engine_bpf_heat_count(engine);
    if (engine->heat_from_ns && now - engine->heat_from_ns < SECOND)
        return;
    if (engine->heat_from_ns && (count - engine->heat_before) * 2 < 1u << engine->slots_shift)
        engine->state->heat = 0;
    engine->heat_from_ns = engine->state->heat ? now : 0;
    engine->heat_before = count;
}

static uint64_t unplaced(const struct engine *engine)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < WIRE_CPUS; i++)
        sum += __atomic_load_n(&engine->state->cpu[i].unplaced, __ATOMIC_RELAXED);
    return sum;
}

/* A place that was not counted in since the last look is given free: another page may take it. */
int engine_bpf_heat(struct engine *engine, engine_heat_sink *sink, void *ctx, uint64_t *elsewhere)
{
    for (size_t i = 0; i < WIRE_PAGES; i++) {
        struct wire_page *p = &engine->state->pages[i];
        uint64_t key = __atomic_load_n(&p->key, __ATOMIC_RELAXED);
        if (!key)
            continue;
        uint64_t count = __atomic_exchange_n(&p->count, 0, __ATOMIC_RELAXED);
        if (!count) {
            __atomic_store_n(&p->key, 0, __ATOMIC_RELAXED);
            continue;
        }
        struct engine_heat h = {
            .address = key >> WIRE_PID_BITS << 12,
            .pid = (int32_t)(key & ((1u << WIRE_PID_BITS) - 1)),
            .count = count,
        };
        int rc = sink(ctx, &h);
        if (rc)
            return rc;
    }
    *elsewhere = unplaced(engine);
    return 0;
}
