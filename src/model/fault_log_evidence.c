/* Evidence is tied to faults by the order of events: a sample belongs to the last fault of its
 * thread, unless the thread had another event since. Entries settle in their order: the oldest
 * waits until its thread goes on, or for half a second, and those behind it wait with it. */
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "model/fault_log_parts.h"

struct kernel_chain {
    char *text; /* owned */
    struct chain_says says;
};

static const uint64_t wait_ns = 500000000;

void fault_log_forget_chains(struct fault_log *l)
{
    for (size_t i = 0; i < l->chain_count; i++)
        free(l->chains[i].text);
    free(l->chains);
}

int fault_log_chain(struct fault_log *l, uint32_t number, char *text)
{
    void *v = l->chains;
    if (number != l->chain_count + 1)
        return -EINVAL;
    int rc = array_reserve(&v, &l->chain_cap, number, sizeof *l->chains);
    l->chains = v;
    if (rc)
        return rc;
    struct kernel_chain *new = &l->chains[l->chain_count++];
    new->text = text;
    chain_read(text, &new->says);
    return 0;
}

const char *fault_log_stack(const struct fault_log *l, uint32_t number)
{
    return number && number <= l->chain_count ? l->chains[number - 1].text : NULL;
}

/* The last entry of a thread that is not settled, or NULL. It is among the newest as a rule. */
static struct fault_entry *last_of(struct fault_log *l, pid_t tid)
{
    for (uint64_t n = l->entries; n-- > l->settled;) {
        struct fault_entry *e = &l->ring[n % FAULT_LOG_KEEP];
        if (e->event.tid == tid)
            return e;
    }
    return NULL;
}

static bool is_open(const struct fault_entry *e)
{
    return e->event.type == EVENT_FAULT && !e->observed.complete;
}

void fault_log_passed(struct fault_log *l, pid_t tid)
{
    struct fault_entry *e = l->evidence ? last_of(l, tid) : NULL;
    if (e)
        e->observed.complete = true;
}

static void mark_lost(struct fault_log *l)
{
    for (uint64_t n = l->settled; n < l->entries; n++) {
        struct fault_entry *e = &l->ring[n % FAULT_LOG_KEEP];
        if (is_open(e))
            e->observed.agreement = AGREEMENT_LOST;
    }
}

void fault_log_evidence(struct fault_log *l, const struct event *e)
{
    if (e->type == EVENT_GAP) {
        l->gap = !e->gap.ends;
        mark_lost(l);
        return;
    }
    struct fault_entry *fault = e->sample.for_call ? NULL : last_of(l, e->tid);
    if (!fault || !is_open(fault) || !fault_log_stack(l, e->sample.stack)) {
        l->loose++;
        return;
    }
    observation_add(&fault->observed, &fault->event, (enum sample_kind)e->sample.kind,
                    &l->chains[e->sample.stack - 1].says, e->sample.stack);
}

void fault_log_settle_first(struct fault_log *l)
{
    struct fault_entry *e = &l->ring[l->settled++ % FAULT_LOG_KEEP];
    if (e->event.type == EVENT_FAULT) {
        struct observation *o = &e->observed;
        if (o->agreement == AGREEMENT_PENDING)
            o->agreement = (uint8_t)observation_compare(o, &e->event, &e->verdict);
        l->agreed[o->agreement]++;
    }
    if (l->on_settled)
        l->on_settled(l->ctx, e);
}

void fault_log_settle_until(struct fault_log *l, uint64_t now_ns)
{
    while (l->settled < l->entries) {
        const struct fault_entry *e = &l->ring[l->settled % FAULT_LOG_KEEP];
        if (is_open(e) && e->observed.agreement == AGREEMENT_PENDING &&
            (now_ns < e->event.t_ns || now_ns - e->event.t_ns < wait_ns))
            return;
        fault_log_settle_first(l);
    }
}

void fault_log_settle(struct fault_log *l)
{
    while (l->settled < l->entries)
        fault_log_settle_first(l);
}
