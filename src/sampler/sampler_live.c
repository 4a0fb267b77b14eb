/* Live watching within a CPU budget. A tick reads the counters, the mappings when they may have
 * changed, and then pages, as long as tokens (CPU time granted by the passing of time) last:
 *   1. what a quick sweep found to differ, in detail;
 *   2. while counters move: a quick sweep, which only scans and compares with what is known;
 *   3. the part that is looked at, in detail;
 *   4. a deep sweep, in detail, round and round: it finds what no counter tells (another process's
 *      copy-on-write, reclaim, khugepaged). On a target that does nothing it runs at a quarter.
 * So the cost follows change: an idle target costs a few small reads a tick. */
#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "sampler/sampler_state.h"

enum {
    CHUNK_PAGES = 16384,          /* populated pages between two looks at the budget */
    TOKENS_FIRST_NS = 60000000,   /* the first picture may cost this at once */
    TOKENS_MAX_NS = 30000000,     /* saved up at the most */
};
#define MAPS_EVERY_NS UINT64_C(1000000000)

/* What a scan alone can tell of a page, as far as it matters for comparing. */
static bool scan_agrees(const struct page *known, const struct page *scanned)
{
    if (scanned->state == PAGE_ABSENT) /* a userfaultfd marker is told from nothing, too */
        return page_follows(known, 0, scanned);
    if (scanned->state != PAGE_PRESENT)
        return known->state == scanned->state &&
               (scanned->state != PAGE_SWAP || known->frame == scanned->frame);
    const struct page_state_info *s = page_state_info(known->state);
    if (s->present && known->frame == scanned->frame && known->frame != PAGE_FRAME_UNKNOWN)
        return true; /* by entries, where there is no scan */
    return s->rss && (known->attrs & PAGE_A_PMD) == (scanned->attrs & PAGE_A_PMD);
}

static void pending_add(struct sampler *s, uint64_t page, uint64_t n)
{
    unsigned shift = s->target.geometry.page_shift;
    struct span span = {page << shift, (page + n) << shift};
    if (s->pending_count) {
        struct span *last = &s->pending[s->pending_count - 1];
        bool full = s->pending_count == PENDING_MAX;
        if (span.start >= last->start && (full || span.start - last->end < (uint64_t)64 << shift)) {
            last->end = span.end > last->end ? span.end : last->end;
            return;
        }
        if (full)
            return; /* the deep sweep comes by */
    }
    s->pending[s->pending_count++] = span;
}

static int collect_old(void *ctx, const struct page_run *run)
{
    struct sampler *s = ctx;
    return run_vec_push(&s->old, run->page, run->n, &run->first);
}

/* A scan found it present; what it is, its entry tells. */
static bool lacks_detail(const struct sampler *s, const struct page *p)
{
    return p->state == PAGE_PRESENT ||
           (page_state_info(p->state)->present && !(p->attrs & PAGE_A_ENTRY) &&
            s->options.want & PAGES_ENTRIES);
}

/* Lays the scanned runs over the known ones: where they agree the known value stays. */
static int overlay(struct sampler *s, uint64_t page, uint64_t end)
{
    size_t i = 0, j = 0;
    int rc = 0;
    s->merged.count = 0;
    for (uint64_t at = page; !rc && at < end;) {
        while (i < s->old.count && s->old.v[i].page + s->old.v[i].n <= at)
            i++;
        while (j < s->runs.count && s->runs.v[j].page + s->runs.v[j].n <= at)
            j++;
        const struct page_run *o = &s->old.v[i]; /* covers everything */
        const struct page_run *q = j < s->runs.count ? &s->runs.v[j] : NULL;
        bool absent = !q || q->page > at;
        uint64_t stop = o->page + o->n < end ? o->page + o->n : end;
        uint64_t other = !q ? end : absent ? q->page : q->page + q->n;
        stop = other < stop ? other : stop;
        struct page known = page_at(&o->first, at - o->page);
        struct page scanned = absent ? page_absent : page_at(&q->first, at - q->page);
        bool agrees = scan_agrees(&known, &scanned);
        const struct page *value = agrees ? &known : &scanned;
        if (lacks_detail(s, value))
            pending_add(s, at, stop - at);
        if (!page_follows(&page_absent, 0, value))
            rc = run_vec_push(&s->merged, at, stop - at, value);
        at = stop;
    }
    return rc;
}

static int quick_chunk(struct sampler *s, sampler_sink *sink, void *ctx)
{
    unsigned shift = s->target.geometry.page_shift;
    uint64_t stopped, at = s->quick_at;
    const uint64_t half = (uint64_t)1
                          << (s->target.geometry.levels * PAGETREE_FANOUT_BITS + shift - 1);
    s->runs.count = s->old.count = 0;
    int rc = page_reader_read(&s->reader, s->regions, at, half, 0, CHUNK_PAGES, &s->runs, &stopped);
    if (!rc)
        rc = pagetree_walk(s->shadow, at >> shift, (stopped - at) >> shift, collect_old, s);
    if (!rc)
        rc = overlay(s, at >> shift, stopped >> shift);
    if (!rc)
        rc = sampler_send_pages(s, at, stopped, &s->merged, sink, ctx);
    if (!rc) {
        s->quick_at = stopped >= half ? 0 : stopped;
        s->quick_on = s->quick_at != 0;
    }
    return rc;
}

/* Reads [start, end) in detail, as far as one chunk goes. */
static int deep_chunk(struct sampler *s, uint64_t start, uint64_t end, uint64_t max_pages,
                      uint64_t *stopped, sampler_sink *sink, void *ctx)
{
    s->runs.count = 0;
    int rc = page_reader_read(&s->reader, s->regions, start, end, s->options.want, max_pages,
                              &s->runs, stopped);
    if (*stopped > end)
        *stopped = end;
    return rc ? rc : sampler_send_pages(s, start, *stopped, &s->runs, sink, ctx);
}

static int deep_sweep_chunk(struct sampler *s, uint64_t max_pages, sampler_sink *sink, void *ctx)
{
    uint64_t stopped = UINT64_MAX;
    if (!s->deep_at)
        s->deep_began_ns = io_now_ns();
    int rc = deep_chunk(s, s->deep_at, UINT64_MAX, max_pages, &stopped, sink, ctx);
    if (rc)
        return rc;
    s->deep_at = stopped == UINT64_MAX ? 0 : stopped;
    if (!s->deep_at)
        s->deep_before_ns = s->deep_began_ns;
    return 0;
}

/* CPU accounting of one tick. */
struct meter {
    uint64_t began;
    int64_t left; /* may be used in this tick */
};

static bool may_go_on(const struct meter *m)
{
    return (int64_t)(io_thread_cpu_ns() - m->began) < m->left;
}

static int read_pending(struct sampler *s, const struct meter *m, sampler_sink *sink, void *ctx)
{
    int rc = 0;
    while (!rc && s->pending_count && may_go_on(m)) {
        struct span span = s->pending[s->pending_count - 1];
        uint64_t stopped = span.end;
        rc = deep_chunk(s, span.start, span.end, CHUNK_PAGES, &stopped, sink, ctx);
        if (stopped >= span.end)
            s->pending_count--;
        else
            s->pending[s->pending_count - 1].start = stopped;
    }
    return rc;
}

static int read_look(struct sampler *s, const struct meter *m, sampler_sink *sink, void *ctx)
{
    uint64_t at = s->look.start, stopped;
    int rc = 0;
    while (!rc && at < s->look.end && may_go_on(m)) {
        stopped = s->look.end;
        rc = deep_chunk(s, at, s->look.end, CHUNK_PAGES, &stopped, sink, ctx);
        at = stopped;
    }
    return rc;
}

/* On an idle target what the deep sweep costs is charged four times. */
static int sweep(struct sampler *s, const struct meter *m, sampler_sink *sink, void *ctx)
{
    bool idle = !s->active && s->deep_before_ns;
    uint64_t cpu = io_thread_cpu_ns();
    int rc;
    do
        rc = deep_sweep_chunk(s, idle ? CHUNK_PAGES / 8 : CHUNK_PAGES, sink, ctx);
    while (!rc && s->deep_at && !idle && may_go_on(m));
    if (idle)
        s->tokens -= 3 * (int64_t)(io_thread_cpu_ns() - cpu);
    return rc;
}

/* The quick sweep leaves half of the time to the deep one, so that neither ever stands still. The
 * first one runs to its end: then the whole picture of residency is there. */
static int quick_sweep(struct sampler *s, const struct meter *m, sampler_sink *sink, void *ctx)
{
    bool first = !s->quick_done;
    const struct meter half = {m->began, m->left / 2};
    int rc = 0;
    if (!s->quick_on && (s->pages_moved || first)) {
        s->quick_on = true;
        s->pages_moved = false;
    }
    while (!rc && s->quick_on && (first || may_go_on(&half)))
        rc = quick_chunk(s, sink, ctx);
    s->quick_done |= !rc && !s->quick_on;
    return rc;
}

static int read_pages(struct sampler *s, const struct meter *m, uint64_t start,
                      sampler_sink *sink, void *ctx)
{
    bool first = !s->quick_done;
    int rc = read_pending(s, m, sink, ctx);
    if (!rc)
        rc = quick_sweep(s, m, sink, ctx);
    if (!rc && first)
        rc = sampler_send_sample(s, start, io_thread_cpu_ns() - m->began, 0, sink, ctx);
    if (!rc)
        rc = read_pending(s, m, sink, ctx);
    if (!rc && s->active)
        rc = read_look(s, m, sink, ctx);
    if (!rc && may_go_on(m))
        rc = sweep(s, m, sink, ctx);
    return rc;
}

/* Grants CPU time for the time that has passed. What the other threads of ours used comes off it,
 * but never more than three quarters. */
static void give_tokens(struct sampler *s, uint64_t now)
{
    uint64_t cpu = io_process_cpu_ns();
    if (!s->last_tick_ns) {
        s->tokens = TOKENS_FIRST_NS;
        s->cpu_window_at_ns = now;
        s->cpu_window_ns = cpu;
    } else {
        /* A tenth is left to what is not measured here: starting, the end of each tick. */
        uint64_t grant = (now - s->last_tick_ns) / 10 * 9 * s->options.cpu_permille / 1000;
        uint64_t others = cpu - s->last_cpu_ns;
        others = others > s->tick_cpu_ns ? others - s->tick_cpu_ns : 0;
        s->tokens += (int64_t)(grant - (others < grant * 3 / 4 ? others : grant * 3 / 4));
        if (s->tokens > TOKENS_MAX_NS)
            s->tokens = TOKENS_MAX_NS;
    }
    s->last_tick_ns = now;
    s->last_cpu_ns = cpu;
}

void sampler_renew(struct sampler *s)
{
    s->stale = true;
    s->last_tick_ns = 0;
}

/* Our own CPU share, all threads, over windows of about two seconds. */
static void measure_share(struct sampler *s, uint64_t now)
{
    uint64_t cpu = io_process_cpu_ns(), wall = now - s->cpu_window_at_ns;
    if (wall < 2000000000)
        return;
    s->cpu_permille = (cpu - s->cpu_window_ns) * 1000 / wall;
    s->cpu_window_ns = cpu;
    s->cpu_window_at_ns = now;
}

static bool maps_may_differ(const struct sampler *s, uint64_t now)
{
    return !s->regions || s->maps_moved || s->flags_asked || now >= s->maps_due_ns || !s->maps.len;
}

/* New mappings of a small target get their VmFlags unasked: smaps costs 2.6 us a mapping and 12 ns
 * a page, under the target's mmap_lock. */
static bool wants_flags(const struct sampler *s, const struct region_table *before)
{
    const uint64_t most_ns = 300000;
    uint64_t pages = s->counters.rss >> s->target.geometry.page_shift;
    if (s->options.smaps || s->flags_asked)
        return !s->options.smaps;
    return s->regions != before && s->dir.real && s->counters.rss != UINT64_MAX &&
           s->regions->count * 2600 + pages * 12 < most_ns;
}

int sampler_read_mappings(struct sampler *s, sampler_sink *sink, void *ctx)
{
    const struct region_table *before = s->regions;
    int rc = sampler_read_regions(s, sink, ctx);
    if (rc || !wants_flags(s, before))
        return rc;
    rc = sampler_read_flags(s);
    return rc ? rc : sampler_read_regions(s, sink, ctx);
}

static int tick_once(struct sampler *s, uint64_t start, sampler_sink *sink, void *ctx)
{
    struct meter m = {.began = io_thread_cpu_ns(), .left = s->tokens};
    int rc = sampler_freshen(s);
    if (!rc)
        rc = sampler_read_counters(s);
    if (!rc)
        rc = sampler_send_target(s, sink, ctx);
    bool read_maps = maps_may_differ(s, start) && (m.left > 0 || !s->regions);
    if (!rc && read_maps) {
        rc = sampler_read_mappings(s, sink, ctx);
        s->maps_due_ns = start + MAPS_EVERY_NS;
        s->maps_moved = false;
    }
    if (!rc && may_go_on(&m))
        rc = read_pages(s, &m, start, sink, ctx);
    uint64_t cpu = io_thread_cpu_ns() - m.began;
    s->tokens -= (int64_t)cpu;
    s->tick_cpu_ns = cpu;
    if (rc)
        return rc;
    return sampler_send_sample(s, start, cpu, s->deep_before_ns, sink, ctx);
}

int sampler_tick(struct sampler *s, sampler_sink *sink, void *ctx, struct err *e)
{
    uint64_t now = io_now_ns();
    give_tokens(s, now);
    measure_share(s, now);
    int rc = tick_once(s, now, sink, ctx);
    /* An exec gave the process a new address space; if another follows at once, the next tick will
     * see that. */
    if (rc == -ESRCH && sampler_read_counters(s) == 0) {
        s->stale = true;
        rc = tick_once(s, now, sink, ctx);
        if (rc == -ESRCH && sampler_read_counters(s) == 0) {
            s->stale = true;
            rc = 0;
        }
    }
    if (rc == -ESRCH || rc == -EACCES || rc == -EPERM)
        return sampler_send_gone(s, rc, sink, ctx);
    if (rc)
        err_set(e, rc, "cannot read process %d: %s", s->dir.pid, strerror(-rc));
    return rc;
}
