/* For tests of the sampler: a model that is fed by it, checked at every step. */
#ifndef VMSCOPE_TESTS_UNIT_WATCHED_H
#define VMSCOPE_TESTS_UNIT_WATCHED_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/io.h"
#include "model/model.h"
#include "sampler/sampler.h"

/* Ticks here follow one another without a rest: their counters alone use a whole CPU. */
enum { AMPLE_PERMILLE = 100000 };

struct watched {
    struct sampler *sampler;
    struct model *model;
    unsigned records[RECORD_GONE + 1]; /* how many of each type came */
    unsigned emptied;                  /* records that say that pages are gone */
};

static inline void check_pages_record(const struct record *r)
{
    uint64_t at = r->pages.start;
    for (size_t i = 0; i < r->pages.count; i++) {
        const struct page_run *run = &r->pages.runs[i];
        assert_true(run->n > 0 && run->page >= at);
        assert_true(run->page + run->n <= r->pages.start + r->pages.n);
        at = run->page + run->n;
    }
}

static inline int watched_sink(void *ctx, struct record *r)
{
    struct watched *w = ctx;
    w->records[r->type]++;
    if (r->type == RECORD_PAGES) {
        check_pages_record(r);
        w->emptied += !r->pages.count;
    }
    assert_int_equal(model_fold(w->model, r), 0);
    return 0;
}

/* What the numbers of any moment must satisfy, whatever the target does. */
static inline void check_moment(const struct moment *m)
{
    unsigned shift = m->target.geometry.page_shift;
    struct tally mapped = {{0}}, all = {{0}};
    uint64_t above = 0;
    for (size_t i = 0; i < m->regions->count; i++) {
        const struct region *r = &m->regions->v[i];
        assert_true(r->start < r->end && r->start >= above);
        above = r->end;
        pagetree_tally(m->tree, moment_page(m, r->start), (r->end - r->start) >> shift, &mapped);
    }
    pagetree_tally(m->tree, 0, UINT64_MAX, &all);
    for (unsigned s = PAGE_ABSENT + 1; s < PAGE_STATE_N; s++)
        assert_int_equal(all.n[s], mapped.n[s]); /* nothing outside mappings */
    struct totals t;
    totals_of_all(m, &t);
    assert_int_equal(t.resident, t.anon + t.file + t.shmem + (all.n[PAGE_PRESENT] << shift));
    assert_int_equal(t.exclusive + t.shared, tally_present(&all) << shift);
    assert_true(t.cow <= t.shared && t.pmd_mapped <= t.resident);
}

static inline int watched_open(struct watched *w, const struct sampler_options *o, struct err *e)
{
    *w = (struct watched){.model = model_create()};
    assert_non_null(w->model);
    int rc = sampler_create(o, &w->sampler, e);
    if (rc) {
        model_destroy(w->model);
        w->model = NULL;
    }
    return rc;
}

static inline void watched_close(struct watched *w)
{
    sampler_destroy(w->sampler);
    model_destroy(w->model);
}

static inline int watched_full(struct watched *w)
{
    struct err e = {0};
    int rc = sampler_full(w->sampler, watched_sink, w, &e);
    if (model_now(w->model))
        check_moment(model_now(w->model));
    return rc;
}

static inline int watched_tick(struct watched *w)
{
    struct err e = {0};
    int rc = sampler_tick(w->sampler, watched_sink, w, &e);
    if (model_now(w->model))
        check_moment(model_now(w->model));
    return rc;
}

#endif
