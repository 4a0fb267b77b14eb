/* Samples and events are put in one order of time. A sample is read over a while, and comes before
 * or after the events of that while. So it waits until events have reached its end, and the events
 * that came during it are folded once more over what it found: each changes only what it would have
 * changed, and the last word on every page is the last event's.
 *
 * Of a sample only what differs from the sample before is taken over: a sampler that finds nothing
 * moving reads nothing, and what it read earlier must not undo what events told since. Nor does
 * what it found to be shared undo since which fork that is so: by it the others who share are
 * known. */
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "model/spaces_parts.h"

enum { KEPT_MAX = 1 << 14 };

/* --- events that a sample to come may have to be put under --- */

static struct kept *kept_at(const struct kept_events *k, size_t i)
{
    return &k->v[(k->first + i) % k->cap];
}

static int kept_grow(struct kept_events *k)
{
    size_t cap = k->cap ? k->cap * 2 : 64;
    struct kept *v = malloc(cap * sizeof *v);
    if (!v)
        return -ENOMEM;
    for (size_t i = 0; i < k->count; i++)
        v[i] = *kept_at(k, i);
    free(k->v);
    k->v = v;
    k->cap = cap;
    k->first = 0;
    return 0;
}

static void kept_drop_first(struct kept_events *k)
{
    k->first = (k->first + 1) % k->cap;
    k->count--;
}

void space_keep(const struct spaces *s, struct space *sp, const struct event *e)
{
    struct kept_events *k = &sp->kept;
    if (s->target != sp->pid && !sp->seen)
        return;
    if (k->count == k->cap && (k->cap == KEPT_MAX || kept_grow(k))) {
        k->dropped_ns = k->count ? kept_at(k, 0)->event.t_ns : e->t_ns;
        if (!k->count)
            return;
        kept_drop_first(k);
    }
    k->count++;
    *kept_at(k, k->count - 1) = (struct kept){*e, sp->last_fork};
}

/* --- what a sample found --- */

/* Whose descriptor it is cannot be seen: whoever made it may have given it away. */
static bool has_uffd(const struct region_table *t)
{
    const uint64_t any = vmflag("um") | vmflag("uw") | vmflag("ui");
    for (size_t i = 0; i < t->count; i++)
        if (t->v[i].smaps && t->v[i].smaps->vmflags & any)
            return true;
    return false;
}

static void take_regions(struct space *sp, struct region_table *regions)
{
    region_table_unref(sp->table);
    sp->table = region_table_ref(regions);
    sp->uffd |= has_uffd(regions);
    if (sp->vmas) {
        vmas_unref(sp->prior);
        sp->prior = sp->vmas;
        sp->vmas = NULL;
    }
    region_table_unref(sp->made);
    sp->made = NULL;
}

struct taking {
    struct spaces *s;
    struct space *sp;
    const struct pagetree *from; /* NULL: what was found is out of date, so nothing is known */
    int rc;
};

/* Shared since a fork that was followed: a sample that finds it shared still, says less. */
static bool says_more(const struct page *known, const struct page *found)
{
    bool alone = found->attrs & PAGE_A_COUNT && found->mapcount < 2;
    return known->state == PAGE_COW && !(known->attrs & PAGE_A_COUNT) && known->mapcount &&
           found->state == PAGE_COW && !alone;
}

static int take_run(void *ctx, const struct page_run *run)
{
    struct taking *t = ctx;
    unsigned shift = t->s->g.page_shift;
    if (run->first.state != PAGE_COW || !t->s->forks)
        return pagetree_put(&t->sp->tree, run->page, run->n, &run->first);
    int rc = pages_runs(t->s, t->sp, run->page << shift, (run->page + run->n) << shift);
    for (size_t i = 0; !rc && i < t->s->runs.count; i++) {
        const struct page_run *known = &t->s->runs.v[i];
        struct page found = run->first;
        if (found.frame != PAGE_FRAME_UNKNOWN)
            found.frame += known->page - run->page;
        if (!says_more(&known->first, &run->first))
            rc = pagetree_put(&t->sp->tree, known->page, known->n, &found);
    }
    return rc;
}

static int take_range(void *ctx, uint64_t start, uint64_t n)
{
    struct taking *t = ctx;
    struct page unknown = page_of(PAGE_UNKNOWN, 0);
    return t->from ? pagetree_walk(t->from, start, n, take_run, t)
                   : pagetree_put(&t->sp->tree, start, n, &unknown);
}

/* A run of the tree before: over what was found there, where it says more. */
static int keep_run(void *ctx, const struct page_run *run)
{
    struct taking *t = ctx;
    unsigned shift = t->s->g.page_shift;
    if (run->first.state != PAGE_COW)
        return 0;
    int rc = pages_runs(t->s, t->sp, run->page << shift, (run->page + run->n) << shift);
    for (size_t i = 0; !rc && i < t->s->runs.count; i++) {
        const struct page_run *found = &t->s->runs.v[i];
        if (says_more(&run->first, &found->first))
            rc = pagetree_put(&t->sp->tree, found->page, found->n, &run->first);
    }
    return rc;
}

static int take_all(struct taking *t, struct pagetree *tree)
{
    struct pagetree *before = t->sp->tree;
    t->sp->tree = pagetree_ref(tree);
    int rc = t->s->forks && !t->sp->lost
                 ? pagetree_walk(before, 0, (uint64_t)1 << (PAGETREE_FANOUT_BITS * t->s->g.levels),
                                 keep_run, t)
                 : 0;
    pagetree_unref(before);
    return rc;
}

static int take_pages(struct spaces *s, struct space *sp, struct pagetree *tree, bool whole,
                      bool in_time)
{
    struct taking t = {s, sp, in_time ? tree : NULL, 0};
    if (!whole)
        return pagetree_diff(sp->seen, tree, 0,
                             (uint64_t)1 << (PAGETREE_FANOUT_BITS * s->g.levels), take_range, &t);
    return take_all(&t, tree);
}

static int redo(struct spaces *s, struct space *sp, const struct kept *k)
{
    struct fault_entry again;
    const struct event *e = &k->event;
    if (e->type == EVENT_FAULT) {
        space_fault(s, sp, e, &again);
        return 0;
    }
    if (e->type == EVENT_FORK && e->fork.child_pid != e->pid)
        return space_fork_again(s, sp, e->fork.child_pid, k->fork);
    if (e->type == EVENT_NAME || e->type == EVENT_MAPPING)
        return space_told(s, sp, e);
    return e->type == EVENT_CALL ? space_returned(s, sp, e) : 0;
}

static void waiting_forget(struct sample_waiting *w)
{
    region_table_unref(w->regions);
    pagetree_unref(w->tree);
    *w = (struct sample_waiting){0};
}

static int take_over(struct spaces *s, struct space *sp)
{
    struct sample_waiting *w = &sp->waiting;
    struct kept_events *k = &sp->kept;
    bool whole = w->whole || !sp->seen || sp->lost || sp->gaps;
    bool in_time = !k->dropped_ns || w->start_ns > k->dropped_ns;
    int rc = take_pages(s, sp, w->tree, whole, in_time);
    if (!rc && (whole || (w->regions != sp->table && in_time))) {
        take_regions(sp, w->regions);
        sp->complete = in_time && !w->gaps;
    }
    pagetree_unref(sp->seen);
    sp->seen = pagetree_ref(w->tree);
    sp->lost = false;
    sp->gaps = w->gaps;
    while (k->count && kept_at(k, 0)->event.t_ns < w->start_ns)
        kept_drop_first(k);
    for (size_t i = 0; !rc && in_time && i < k->count; i++)
        rc = redo(s, sp, kept_at(k, i));
    while (k->count && kept_at(k, 0)->event.t_ns < w->end_ns)
        kept_drop_first(k);
    waiting_forget(w);
    return rc;
}

int space_arrive(struct spaces *s, struct space *sp, uint64_t t_ns)
{
    if (sp->complete_ns && t_ns >= sp->complete_ns) {
        sp->complete = true;
        sp->complete_ns = 0;
    }
    return sp->waiting.tree && t_ns >= sp->waiting.end_ns ? take_over(s, sp) : 0;
}

void space_forget_samples(struct space *sp)
{
    waiting_forget(&sp->waiting);
    pagetree_unref(sp->seen);
    free(sp->kept.v);
}

/* --- from outside --- */

void spaces_target(struct spaces *s, pid_t pid)
{
    s->target = pid;
}

int spaces_sampled(struct spaces *s, pid_t pid, const struct sampled *found)
{
    struct space *sp = spaces_get(s, pid);
    if (!sp)
        return -ENOMEM;
    if (found->start_ns < sp->began_ns)
        return 0; /* of the program before this one */
    struct sample_waiting w = {
        .regions = region_table_ref(found->regions),
        .tree = pagetree_ref(found->tree),
        .start_ns = sp->waiting.tree ? sp->waiting.start_ns : found->start_ns,
        .end_ns = found->end_ns,
        .whole = found->whole || sp->waiting.whole,
        .gaps = found->gaps,
    };
    waiting_forget(&sp->waiting);
    sp->waiting = w;
    int rc = space_arrive(s, sp, s->now_ns);
    if (rc)
        sp->lost = true;
    return rc;
}

int spaces_begun(struct spaces *s, pid_t pid, struct region_table *regions, uint64_t t_ns)
{
    struct space *sp = spaces_get(s, pid);
    if (!sp)
        return -ENOMEM;
    take_regions(sp, regions);
    sp->complete = false;
    sp->complete_ns = t_ns;
    return 0;
}
