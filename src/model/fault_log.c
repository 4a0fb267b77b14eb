/* The log of faults and calls. */
#include "model/fault_log_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fault_log_init(struct fault_log *l)
{
    *l = (struct fault_log){0};
    l->ring = malloc(FAULT_LOG_KEEP * sizeof *l->ring);
    l->site = calloc(FAULT_TOP_MAX, sizeof *l->site);
    l->region = calloc(FAULT_TOP_MAX, sizeof *l->region);
    l->marks = malloc(FAULT_MARKS_KEEP * sizeof *l->marks);
    if (l->ring && l->site && l->region && l->marks)
        return 0;
    fault_log_deinit(l);
    return -ENOMEM;
}

void fault_log_deinit(struct fault_log *l)
{
    free(l->ring);
    free(l->callers);
    free(l->marks);
    free(l->site);
    free(l->region);
    fault_log_forget_chains(l);
    *l = (struct fault_log){0};
}

/* Counts in a table of open addressing; what finds no place within a few slots is counted as
 * `others`. */
static void count(struct fault_top *table, uint64_t *others, uint64_t key,
                  const struct fault_entry *entry, uint64_t faults)
{
    enum { PROBES = 16 };
    uint64_t hash = (key ^ entry->program << 48) * UINT64_C(0x9e3779b97f4a7c15);
    for (unsigned i = 0; i < PROBES; i++) {
        struct fault_top *t = &table[((hash >> 40) + i) % FAULT_TOP_MAX];
        if (t->count && (t->key != key || t->program != entry->program))
            continue;
        if (!t->count) {
            t->key = key;
            t->pid = entry->event.pid;
            t->program = entry->program;
            memcpy(t->region, entry->region, sizeof t->region);
        }
        t->count += faults;
        return;
    }
    *others += faults;
}

static void mark(struct fault_log *l, const struct event *e, uint64_t address, uint8_t path,
                 uint64_t faults)
{
    l->marks[l->marks_n++ % FAULT_MARKS_KEEP] =
        (struct fault_mark){e->t_ns, address, e->pid, path,
                            (uint16_t)(faults < UINT16_MAX ? faults : UINT16_MAX)};
    l->marked_ns = e->t_ns;
}

static void count_fault(struct fault_log *l, const struct fault_entry *entry)
{
    l->faults++;
    mark(l, &entry->event, entry->event.fault.address, entry->verdict.path, 1);
    l->by_path[entry->verdict.path < PATH_N ? entry->verdict.path : PATH_UNKNOWN]
              [entry->verdict.how < 3 ? entry->verdict.how : 0]++;
    l->unsure += !entry->verdict.sure;
    count(l->site, &l->site_others, entry->event.fault.ip, entry, 1);
    count(l->region, &l->region_others, entry->region_start, entry, 1);
}

/* Marks that the next ones would push out at once are not made. */
void fault_log_count(struct fault_log *l, const struct fault_entry *entry, unsigned page_shift)
{
    const struct event *e = &entry->event;
    uint64_t faults = e->heat.pages * e->heat.count;
    uint64_t first = e->heat.pages > FAULT_MARKS_KEEP ? e->heat.pages - FAULT_MARKS_KEEP : 0;
    l->counted += faults;
    l->site_others += faults;
    count(l->region, &l->region_others, entry->region_start, entry, faults);
    for (uint64_t i = first; i < e->heat.pages; i++)
        mark(l, e, e->heat.address + (i << page_shift), PATH_UNKNOWN, e->heat.count);
    if (l->on_counted)
        l->on_counted(l->ctx, entry);
}

void fault_log_callers_add(struct fault_log *l, const struct event *e)
{
    for (unsigned i = 0; i < e->callers.count && l->coming_n < CALLERS_MAX; i++)
        l->coming.ip[l->coming_n++] = e->callers.ip[i];
}

/* Where memory has run out they are lost. */
static void take_callers(struct fault_log *l, struct fault_entry *new)
{
    unsigned n = l->coming_n;
    l->coming_n = 0;
    new->event.fault.callers_n = 0;
    if (n && !l->callers && !(l->callers = malloc(FAULT_LOG_KEEP * sizeof *l->callers))) {
        new->event.fault.callers = CALLERS_LOST;
        return;
    }
    if (n)
        memcpy(l->callers[new - l->ring].ip, l->coming.ip, n * sizeof *l->coming.ip);
    new->event.fault.callers_n = (uint8_t)n;
}

const uint64_t *fault_log_callers(const struct fault_log *l, const struct fault_entry *entry)
{
    bool some = l->callers && entry->event.type == EVENT_FAULT && entry->event.fault.callers_n;
    return some ? l->callers[entry - l->ring].ip : NULL;
}

void fault_log_add(struct fault_log *l, const struct fault_entry *entry)
{
    if (l->entries - l->settled == FAULT_LOG_KEEP)
        fault_log_settle_first(l);
    struct fault_entry *new = &l->ring[l->entries++ % FAULT_LOG_KEEP];
    *new = *entry;
    if (entry->event.type == EVENT_FAULT) {
        take_callers(l, new);
        count_fault(l, entry);
        if (l->evidence)
            new->observed.agreement = l->gap ? AGREEMENT_LOST : AGREEMENT_PENDING;
    } else {
        l->calls++;
    }
    if (l->on_added)
        l->on_added(l->ctx, new);
    if (!l->evidence)
        fault_log_settle(l);
}

const struct fault_entry *fault_log_at(const struct fault_log *l, uint64_t n)
{
    uint64_t kept = l->entries < FAULT_LOG_KEEP ? l->entries : FAULT_LOG_KEEP;
    return n < kept ? &l->ring[(l->entries - 1 - n) % FAULT_LOG_KEEP] : NULL;
}

const struct fault_entry *fault_log_get(const struct fault_log *l, uint64_t n)
{
    bool kept = n < l->entries && l->entries - n <= FAULT_LOG_KEEP;
    return kept ? &l->ring[n % FAULT_LOG_KEEP] : NULL;
}

size_t fault_log_top(const struct fault_top *table, struct fault_top *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < FAULT_TOP_MAX; i++) {
        if (!table[i].count || (n == cap && table[i].count <= out[n - 1].count))
            continue;
        size_t at = n < cap ? n++ : n - 1;
        for (; at && out[at - 1].count < table[i].count; at--)
            out[at] = out[at - 1];
        out[at] = table[i];
    }
    return n;
}
