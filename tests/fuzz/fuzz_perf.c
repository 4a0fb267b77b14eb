/* A ring of perf records, in every layout that is asked for: whatever stands in it is read to its
 * end or given up, within its bounds, and what comes out is an event or nothing. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "probe/engine_perf.h"

enum { RING = 4096 };

/* Read, so that it lies in the record. */
static uint64_t caller(const struct perf_seen *seen, unsigned i)
{
    uint64_t ip;
    memcpy(&ip, seen->callers + i * sizeof ip, sizeof ip);
    return ip;
}

static void check(const struct perf_seen *seen, struct perf_calls *calls)
{
    struct event call;
    DEMAND(seen->what <= PERF_IS_MAPPING);
    if (seen->what == PERF_IS_MAPPING) {
        struct event out[PERF_RECORD_EVENTS];
        size_t n = perf_mapping_events(seen, NULL, MAPPED_SEEN, out);
        DEMAND(n && n < PERF_RECORD_EVENTS && out[n - 1].type == EVENT_MAPPING);
        DEMAND(out[n - 1].mapping.start < out[n - 1].mapping.end);
        return;
    }
    if (seen->what == PERF_IS_EVENT) {
        const struct event *e = &seen->event;
        DEMAND(e->type == EVENT_FAULT || e->type == EVENT_FORK || e->type == EVENT_EXEC ||
               e->type == EVENT_EXIT);
        DEMAND(e->t_ns == seen->t_ns);
        DEMAND(e->type != EVENT_FAULT || e->fault.mode <= MODE_KERNEL);
        for (unsigned i = 0; e->type == EVENT_FAULT && i < e->fault.callers_n; i++)
            DEMAND(caller(seen, i) >= 4096 && caller(seen, i) >> 47 == 0);
        DEMAND(e->type != EVENT_EXEC || memchr(e->exec.comm, '\0', sizeof e->exec.comm));
    } else if (seen->what == PERF_IS_ENTER || seen->what == PERF_IS_LEAVE) {
        if (perf_calls_fold(calls, seen, &call))
            DEMAND(call.type == EVENT_CALL && call.call.call < CALL_N);
    }
}

static void one_by_one(const struct perf_layout *layout, const char *bytes, size_t len,
                       struct perf_calls *calls)
{
    struct perf_seen seen;
    for (size_t at = 0; at < len;) {
        int size = perf_record_parse(layout, bytes + at, len - at, &seen);
        if (size < 0)
            break;
        DEMAND(size >= 8 && (size_t)size <= len - at);
        check(&seen, calls);
        at += (size_t)size;
    }
}

/* The same bytes in a ring, beginning somewhere, so that records wrap around. */
static void in_a_ring(const struct perf_layout *layout, const char *bytes, size_t len, uint64_t at,
                      struct perf_calls *calls)
{
    struct perf_event_mmap_page control = {.data_head = at + len};
    char *data = malloc(RING), *joined = malloc(1 << 16);
    if (!data || !joined)
        abort();
    memset(data, 0, RING);
    for (size_t i = 0; i < len && i < RING; i++)
        data[(at + i) % RING] = bytes[i];
    struct perf_ring ring = {
        .page = &control, .data = data, .size = RING, .tail = at, .joined = joined};
    perf_ring_refresh(&ring, layout);
    while (ring.has_next) {
        check(&ring.next, calls);
        perf_ring_advance(&ring, layout);
    }
    perf_ring_release(&ring);
    DEMAND(ring.tail == ring.head && control.data_tail == control.data_head);
    free(data);
    free(joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct perf_id ids[] = {
        {1, PERF_FAULT}, {2, PERF_ENTER}, {3, PERF_LEAVE}, {4, PERF_KERNEL_FAULT}};
    if (size < 2)
        return 0;
    struct perf_layout layout = {.user_ip = data[0] & 1, .callers = data[0] & 4};
    if (data[0] & 2) {
        layout.ids = ids;
        layout.id_count = sizeof ids / sizeof *ids;
    }
    struct perf_calls *calls = perf_calls_create();
    char *bytes = fuzz_copy(data + 2, size - 2);
    if (!calls)
        abort();
    one_by_one(&layout, bytes, size - 2, calls);
    in_a_ring(&layout, bytes, size - 2, data[1] * 8u, calls);
    free(bytes);
    perf_calls_destroy(calls);
    return 0;
}
