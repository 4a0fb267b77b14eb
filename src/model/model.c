/* The fold: records in, moments out. */
#include "model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/family.h"

struct model {
    struct moment next; /* grows with each record; regions and tree NULL before a target */
    struct moment now, before;
    bool has_now, has_before;
    bool whole;            /* the next sample is the first that is worth something to the spaces */
    uint64_t engine_ns;    /* since when events come */
    struct spaces *spaces;
    struct fault_log log;
    struct symbols *symbols;
    struct engine_state engine;
    struct page_detail *detail;
    struct perf_counts *counts;
    struct family *family, *family_before; /* or NULL */
    struct thp_settings *thp;
    struct file_caches *caches;
    struct physmem *machine;
    struct frame_detail frame;
    bool has_frame;
    bool gone;
    char gone_text[CAN_REASON_MAX];
};

void moment_copy(struct moment *to, const struct moment *from)
{
    *to = *from;
    if (to->regions)
        region_table_ref(to->regions);
    if (to->tree)
        pagetree_ref(to->tree);
}

void moment_deinit(struct moment *m)
{
    region_table_unref(m->regions);
    pagetree_unref(m->tree);
    m->regions = NULL;
    m->tree = NULL;
}

struct model *model_create(void)
{
    return calloc(1, sizeof(struct model));
}

void model_destroy(struct model *m)
{
    if (!m)
        return;
    moment_deinit(&m->next);
    moment_deinit(&m->now);
    moment_deinit(&m->before);
    spaces_destroy(m->spaces);
    fault_log_deinit(&m->log);
    symbols_destroy(m->symbols);
    free(m->detail);
    free(m->counts);
    family_unref(m->family);
    family_unref(m->family_before);
    free(m->thp);
    free(m->caches);
    physmem_destroy(m->machine);
    free(m);
}

static int ready_log(struct model *m)
{
    if (m->log.ring)
        return 0;
    const struct fault_log before = m->log;
    int rc = fault_log_init(&m->log);
    m->log.evidence = m->engine.evidence;
    m->log.on_added = before.on_added;
    m->log.on_settled = before.on_settled;
    m->log.on_counted = before.on_counted;
    m->log.ctx = before.ctx;
    return rc;
}

/* The spaces and the log outlive an exec: the engine goes on. */
static int follow_target(struct model *m, const struct target_info *info)
{
    if (m->spaces)
        return 0;
    int rc = ready_log(m);
    if (rc)
        return rc;
    m->symbols = symbols_create();
    m->spaces = spaces_create(&info->geometry, info->thp_always, info->thp_madvise);
    if (m->symbols && m->spaces) {
        spaces_set_no_calls(m->spaces, m->engine.no_calls);
        return 0;
    }
    symbols_destroy(m->symbols);
    spaces_destroy(m->spaces);
    m->symbols = NULL;
    m->spaces = NULL;
    return -ENOMEM;
}

static int fold_target(struct model *m, const struct target_info *info)
{
    int rc = follow_target(m, info);
    if (rc)
        return rc;
    spaces_target(m->spaces, info->pid);
    spaces_set_numa(m->spaces, info->numa_balancing);
    if (info->uffd && (rc = spaces_uffd_made(m->spaces, info->pid)))
        return rc;
    m->whole = true;
    struct region_table *regions = region_table_create();
    struct pagetree *tree = pagetree_create(info->geometry.levels);
    if (!regions || !tree) {
        region_table_unref(regions);
        pagetree_unref(tree);
        return -ENOMEM;
    }
    if (m->family && m->next.target.pid != info->pid) {
        family_unref(m->family);
        family_unref(m->family_before);
        m->family = m->family_before = NULL;
    }
    moment_deinit(&m->next);
    m->next = (struct moment){.target = *info, .regions = regions, .tree = tree};
    m->gone = false;
    free(m->detail);
    m->detail = NULL;
    return 0;
}

static int fold_pages(struct model *m, const struct record *r)
{
    struct pagetree *tree;
    int rc = pagetree_replace(m->next.tree, r->pages.start, r->pages.n, r->pages.runs,
                              r->pages.count, &tree);
    if (rc)
        return rc;
    pagetree_unref(m->next.tree);
    m->next.tree = tree;
    return 0;
}

/* Each mapping gets what was counted in it. */
static void fold_heat(struct model *m, const struct event *e)
{
    unsigned shift = m->next.target.geometry.page_shift;
    struct event rest = *e;
    while (rest.heat.pages) {
        struct fault_entry entry = {.event = rest};
        spaces_fold(m->spaces, &rest, &entry);
        fault_log_count(&m->log, &entry, shift);
        rest.heat.address += entry.event.heat.pages << shift;
        rest.heat.pages -= entry.event.heat.pages;
    }
}

static void fold_event(struct model *m, const struct event *e)
{
    struct fault_entry entry = {.event = *e};
    if (e->type == EVENT_HEAT) {
        fold_heat(m, e);
        return;
    }
    if (e->type == EVENT_CALLERS) {
        fault_log_callers_add(&m->log, e);
        return;
    }
    if (e->type == EVENT_SAMPLE || e->type == EVENT_GAP) {
        fault_log_evidence(&m->log, e);
        return;
    }
    fault_log_passed(&m->log, e->tid);
    if (spaces_fold(m->spaces, e, &entry) || e->type == EVENT_CALL)
        fault_log_add(&m->log, &entry);
}

static void fold_events(struct model *m, const struct record *r)
{
    for (size_t i = 0; i < r->events.count; i++)
        fold_event(m, &r->events.v[i]);
    if (r->events.count)
        fault_log_settle_until(&m->log, r->events.v[r->events.count - 1].t_ns);
}

/* What a sample found is where predictions start from, if events are followed at all. */
static int start_from(struct model *m, const struct moment *found)
{
    const struct sample_info *info = &found->sample;
    bool early = info->start_ns < m->engine_ns;
    const struct sampled sampled = {.regions = found->regions, .tree = found->tree,
                                    .start_ns = info->start_ns,
                                    .end_ns = info->start_ns + info->span_ns,
                                    .whole = m->whole, .gaps = early};
    if (!m->engine.name[0])
        return 0;
    m->whole = early;
    return spaces_sampled(m->spaces, found->target.pid, &sampled);
}

static int fold_engine(struct model *m, const struct record *r)
{
    bool new = !m->engine.name[0] && r->engine->name[0];
    m->engine = *r->engine;
    m->log.evidence = m->engine.evidence;
    if (m->spaces) {
        spaces_set_no_calls(m->spaces, m->engine.no_calls);
        fault_log_settle_until(&m->log, r->t_ns);
    }
    if (!new)
        return 0;
    m->engine_ns = r->t_ns;
    return m->has_now ? start_from(m, &m->now) : 0;
}

static int fold_stack(struct model *m, struct record *r)
{
    int rc = ready_log(m);
    if (!rc)
        rc = fault_log_chain(&m->log, r->stack.number, r->stack.text);
    if (!rc)
        r->stack.text = NULL;
    return rc;
}

static int fold_sample(struct model *m, const struct record *r)
{
    m->next.engine = m->engine;
    m->next.sample = r->sample.info;
    int rc = start_from(m, &m->next);
    if (rc)
        return rc;
    m->next.counters = r->sample.counters;
    moment_deinit(&m->before);
    m->before = m->now;
    m->has_before = m->has_now && m->before.target.pid == m->next.target.pid &&
                    m->before.target.start_ticks == m->next.target.start_ticks;
    moment_copy(&m->now, &m->next);
    m->has_now = true;
    return 0;
}

/* Predictions for the descendants start from what was found of them; the process itself has samples
 * of its own. */
static int start_relatives(struct model *m, const struct family *f)
{
    int rc = 0;
    for (size_t i = 1; !rc && m->engine.name[0] && m->spaces && i < f->count; i++) {
        const struct moment *found = &f->v[i].moment;
        const struct sample_info *info = &found->sample;
        const struct sampled sampled = {.regions = found->regions, .tree = found->tree,
                                        .start_ns = info->start_ns,
                                        .end_ns = info->start_ns + info->span_ns,
                                        .gaps = info->start_ns < m->engine_ns};
        if (found->tree)
            rc = spaces_sampled(m->spaces, f->v[i].pid, &sampled);
    }
    return rc;
}

static int fold_machine(struct model *m, const struct record *r)
{
    if (r->type == RECORD_FRAME) {
        m->frame = r->frame;
        m->has_frame = true;
        return 0;
    }
    if (r->type == RECORD_FRAMES)
        return m->machine ? physmem_add(m->machine, r->frames.v, r->frames.count) : -EINVAL;
    if (!m->machine && !(m->machine = physmem_create()))
        return -ENOMEM;
    return physmem_set_info(m->machine, r->machine);
}

static int fold_family(struct model *m, struct record *r)
{
    struct family *f = r->family.made ? r->family.made : family_create(r->family.picture);
    r->family.made = NULL;
    if (!f)
        return -ENOMEM;
    int rc = start_relatives(m, f);
    if (r->family.part) {
        struct family *whole = m->family ? family_renew(m->family, f) : NULL;
        family_unref(f);
        if (!whole)
            return m->family ? -ENOMEM : rc;
        f = whole;
    }
    family_unref(m->family_before);
    m->family_before = m->family;
    m->family = f;
    return rc;
}

static int fold_one(struct model *m, struct record *r)
{
    if (r->type == RECORD_TARGET)
        return fold_target(m, r->target);
    if (r->type == RECORD_GONE) {
        m->gone = true;
        memcpy(m->gone_text, r->gone.text, sizeof m->gone_text);
        return 0;
    }
    if (r->type == RECORD_ENGINE)
        return fold_engine(m, r);
    if (r->type == RECORD_PHYSMEM || r->type == RECORD_FRAMES || r->type == RECORD_FRAME)
        return fold_machine(m, r);
    if (r->type == RECORD_FAMILY)
        return fold_family(m, r);
    if (r->type == RECORD_STACK)
        return fold_stack(m, r);
    if (r->type == RECORD_CACHES) {
        free(m->caches);
        m->caches = r->caches;
        r->caches = NULL;
        return 0;
    }
    if (r->type == RECORD_THP) {
        free(m->thp);
        m->thp = r->thp;
        r->thp = NULL;
        return 0;
    }
    if (!m->next.tree)
        return -EINVAL;
    switch (r->type) {
    case RECORD_REGIONS:
        region_table_unref(m->next.regions);
        m->next.regions = region_table_ref(r->regions);
        return 0;
    case RECORD_PAGES:
        return fold_pages(m, r);
    case RECORD_SAMPLE:
        return fold_sample(m, r);
    case RECORD_EVENTS:
        fold_events(m, r);
        return 0;
    case RECORD_COUNTS:
        free(m->counts);
        m->counts = r->counts;
        r->counts = NULL;
        return 0;
    case RECORD_SYMBOL:
        return symbols_put(m->symbols, r->site);
    case RECORD_DETAIL:
        free(m->detail);
        m->detail = r->detail;
        r->detail = NULL;
        return 0;
    default:
        return -EINVAL;
    }
}

int model_fold(struct model *m, struct record *r)
{
    int rc = fold_one(m, r);
    record_destroy(r);
    return rc;
}

const struct moment *model_now(const struct model *m)
{
    return m->has_now ? &m->now : NULL;
}

const struct moment *model_before(const struct model *m)
{
    return m->has_before ? &m->before : NULL;
}

const struct file_caches *model_caches(const struct model *m)
{
    return m->caches;
}

const struct thp_settings *model_thp(const struct model *m)
{
    return m->thp;
}

const struct physmem *model_physmem(const struct model *m)
{
    return m->machine;
}

const struct frame_detail *model_frame(const struct model *m)
{
    return m->has_frame ? &m->frame : NULL;
}

const struct page_detail *model_detail(const struct model *m)
{
    return m->detail;
}

const struct fault_log *model_faults(const struct model *m)
{
    return m->spaces ? &m->log : NULL;
}

const struct perf_counts *model_counts(const struct model *m)
{
    return m->counts;
}

const struct symbols *model_symbols(const struct model *m)
{
    return m->symbols;
}

const struct engine_state *model_engine(const struct model *m)
{
    return &m->engine;
}

void model_on_event(struct model *m, fault_log_fn *added, fault_log_fn *settled,
                    fault_log_fn *counted, void *ctx)
{
    m->log.on_counted = counted;
    m->log.on_added = added;
    m->log.on_settled = settled;
    m->log.ctx = ctx;
}

struct family *model_family(const struct model *m)
{
    return m->family;
}

struct family *model_family_before(const struct model *m)
{
    return m->family_before;
}

void model_settle(struct model *m)
{
    if (m->spaces)
        fault_log_settle(&m->log);
}

struct spaces *model_spaces(const struct model *m)
{
    return m->spaces;
}

const char *model_gone(const struct model *m)
{
    return m->gone ? m->gone_text : NULL;
}

uint64_t moment_page(const struct moment *m, uint64_t address)
{
    const struct geometry *g = &m->target.geometry;
    unsigned bits = g->levels * PAGETREE_FANOUT_BITS + g->page_shift;
    if (bits < 64)
        address &= ((uint64_t)1 << bits) - 1;
    return address >> g->page_shift;
}

uint64_t moment_address(const struct moment *m, uint64_t page)
{
    const struct geometry *g = &m->target.geometry;
    unsigned bits = g->levels * PAGETREE_FANOUT_BITS + g->page_shift;
    uint64_t address = page << g->page_shift;
    if (bits < 64 && address >> (bits - 1) & 1)
        address |= ~(uint64_t)0 << bits;
    return address;
}
