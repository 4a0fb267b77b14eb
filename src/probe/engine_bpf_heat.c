/* Heat mode: faults are only counted, by page. The kernel's side enters it when the ring is nearly
 * full; here it is left after a second in which events would have had room. */
#include "base/io.h"
#include "probe/engine_bpf_parts.h"

enum { SECOND = 1000000000, TOLD_MAX = 1 << 16 };

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

/* A place that was not counted in since the last look is given free: another page may take it. */
static uint64_t take_count(uint64_t *place, uint64_t word)
{
    if (word & WIRE_COUNT_MASK)
        return __atomic_exchange_n(place, word & ~(uint64_t)WIRE_COUNT_MASK, __ATOMIC_RELAXED) &
               WIRE_COUNT_MASK;
    __atomic_compare_exchange_n(place, &word, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return 0;
}

/* Pages that follow each other and were counted equally often. */
struct run {
    struct engine *engine;
    engine_sink *sink;
    void *ctx;
    size_t n, told; /* in the batch; ever */
    int rc;
};

static void deliver(struct run *r)
{
    if (!r->rc && r->n)
        r->rc = r->sink(r->ctx, r->engine->heat_batch, r->n);
    r->engine->stats.events += r->n;
    r->n = 0;
}

static void add(struct run *r, int32_t pid, uint64_t address, uint64_t count)
{
    struct event *e = r->n ? &r->engine->heat_batch[r->n - 1] : NULL;
    if (e && e->pid == pid && e->heat.count == count &&
        e->heat.address + (e->heat.pages << WIRE_PAGE_SHIFT) == address) {
        e->heat.pages++;
        return;
    }
    if (r->n == BATCH)
        deliver(r);
    r->engine->heat_batch[r->n++] = (struct event){
        .t_ns = r->engine->last_ns, .pid = pid, .type = EVENT_HEAT,
        .heat = {.address = address, .pages = 1, .count = count}};
    r->told++;
}

/* Looks at places from the one where it stopped last, until all were looked at or `most` runs are
 * told. */
static int tell(struct engine *engine, size_t most, engine_sink *sink, void *ctx)
{
    struct run r = {.engine = engine, .sink = sink, .ctx = ctx};
    uint32_t looked = 0;
    for (; looked < WIRE_PAGES && r.told < most && !r.rc; looked++) {
        uint32_t i = engine->heat_next++ % WIRE_PAGES;
        uint64_t *place = &engine->state->pages[i];
        uint64_t word = __atomic_load_n(place, __ATOMIC_RELAXED);
        uint64_t count = word ? take_count(place, word) : 0, tag = word >> WIRE_COUNT_BITS;
        if (count)
            add(&r, (int32_t)wire_pid(tag), wire_page(i, tag) << WIRE_PAGE_SHIFT, count);
    }
    deliver(&r);
    engine->heat_waits = looked < WIRE_PAGES;
    return r.rc;
}

static int tell_now(struct engine *engine, size_t most, engine_sink *sink, void *ctx)
{
    uint64_t count = engine_bpf_heat_count(engine), now = io_now_ns();
    if (engine->heat_held || (count == engine->heat_told && !engine->heat_waits))
        return 0;
    engine->heat_due_ns = now + SECOND / 4;
    engine->heat_told = count;
    if (now > engine->last_ns)
        engine->last_ns = now;
    return tell(engine, most, sink, ctx);
}

int engine_bpf_heat_tell(struct engine *engine, engine_sink *sink, void *ctx)
{
    bool due = engine->heat_due_ns <= io_now_ns();
    return due ? tell_now(engine, TOLD_MAX, sink, ctx) : 0;
}

int engine_bpf_heat_rest(struct engine *engine, engine_sink *sink, void *ctx)
{
    return tell_now(engine, SIZE_MAX, sink, ctx);
}
