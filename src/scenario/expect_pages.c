/* Expectations of pages: states counted over a range, single frames, map counts, orders. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "scenario/expect_parts.h"

enum answer { NO, YES, UNKNOWN };

/* Kinds that only kpageflags tells apart: without it an anonymous page may be one of KSM. */
static bool kind_known(const struct moment *m, const struct page *p)
{
    if (p->state == PAGE_PRESENT)
        return false;
    bool anon = p->state == PAGE_ANON || p->state == PAGE_COW;
    return !anon || p->attrs & PAGE_A_FLAGS || !m->target.ksm_in_use;
}

static enum answer attr(const struct page *p, unsigned evidence, unsigned bit, bool wanted)
{
    if (!page_state_info(p->state)->present)
        return NO;
    if (!(p->attrs & evidence))
        return UNKNOWN;
    return ((p->attrs & bit) != 0) == wanted ? YES : NO;
}

static enum answer is(bool yes)
{
    return yes ? YES : NO;
}

/* A store marks the entry; a page of a file is told at once, others when the entry goes. */
static enum answer is_dirty(const struct page *p)
{
    enum answer flag = attr(p, PAGE_A_FLAGS, PAGE_A_DIRTY, true);
    if (p->state == PAGE_ZERO || p->state == PAGE_HUGE_ZERO)
        return NO;
    return flag == NO && p->state != PAGE_FILE ? UNKNOWN : flag;
}

static enum answer present_in(const struct moment *m, const struct page *p,
                              enum expect_state state)
{
    switch (state) {
    case PAGES_ANON:
        return p->state == PAGE_PRESENT ? UNKNOWN : is(page_state_info(p->state)->anon);
    case PAGES_FILE:
        return p->state == PAGE_PRESENT ? UNKNOWN : is(p->state == PAGE_FILE);
    case PAGES_SHMEM:
        return p->state == PAGE_PRESENT ? UNKNOWN : is(p->state == PAGE_SHMEM);
    case PAGES_ZERO:
        return p->state == PAGE_PRESENT ? UNKNOWN : is(p->state == PAGE_ZERO);
    case PAGES_HUGE_ZERO:
        return p->state == PAGE_PRESENT ? UNKNOWN : is(p->state == PAGE_HUGE_ZERO);
    case PAGES_HUGETLB:
        return p->state == PAGE_PRESENT ? UNKNOWN : is(p->state == PAGE_HUGETLB);
    case PAGES_COW:
        return kind_known(m, p) ? is(p->state == PAGE_COW) : UNKNOWN;
    case PAGES_KSM:
        return kind_known(m, p) ? is(p->state == PAGE_KSM) : UNKNOWN;
    case PAGES_EXCLUSIVE:
        return attr(p, PAGE_A_ENTRY, PAGE_A_EXCLUSIVE, true);
    case PAGES_SHARED:
        return attr(p, PAGE_A_ENTRY, PAGE_A_EXCLUSIVE, false);
    case PAGES_PMD_MAPPED:
        return m->target.scan.yes ? is(p->attrs & PAGE_A_PMD) : UNKNOWN;
    case PAGES_LOCKED:
        return attr(p, PAGE_A_FLAGS, PAGE_A_LOCKED, true);
    case PAGES_DIRTY:
        return is_dirty(p);
    default:
        return NO;
    }
}

static enum answer page_in(const struct moment *m, const struct page *p, enum expect_state state)
{
    const struct page_state_info *info = page_state_info(p->state);
    if (p->state == PAGE_UNKNOWN)
        return UNKNOWN;
    switch (state) {
    case PAGES_PRESENT:
        return is(info->present);
    case PAGES_ABSENT:
        return is(p->state == PAGE_ABSENT);
    case PAGES_SWAPPED:
        return is(p->state == PAGE_SWAP || p->state == PAGE_SHMEM_SWAP);
    case PAGES_GUARD:
        return is(p->state == PAGE_GUARD);
    default:
        return info->present ? present_in(m, p, state) : NO;
    }
}

struct counting {
    const struct moment *m;
    enum expect_state state;
    uint64_t yes, unknown;
};

static int count_run(void *ctx, const struct page_run *run)
{
    struct counting *c = ctx;
    enum answer a = page_in(c->m, &run->first, c->state);
    if (a == YES)
        c->yes += run->n;
    else if (a == UNKNOWN)
        c->unknown += run->n;
    return 0;
}

static void count_pages(const struct span *s, enum expect_state state, struct counting *c)
{
    unsigned shift = s->now->target.geometry.page_shift;
    uint64_t each = s->page_size >> shift;
    *c = (struct counting){s->now, state, 0, 0};
    pagetree_walk(s->now->tree, moment_page(s->now, s->start), (s->end - s->start) >> shift,
                  count_run, c);
    c->yes /= each ? each : 1;
    c->unknown = each ? (c->unknown + each - 1) / each : c->unknown;
}

/* Pages that count in Rss. */
static uint64_t resident_pages(const struct span *s, uint64_t start, uint64_t end)
{
    struct span part = *s;
    struct counting present, zero;
    part.start = start > s->start ? start : s->start;
    part.end = end < s->end ? end : s->end;
    part.page_size = (uint64_t)1 << s->now->target.geometry.page_shift;
    count_pages(&part, PAGES_PRESENT, &present);
    count_pages(&part, PAGES_ZERO, &zero);
    return present.yes - zero.yes;
}

/* smaps counts dirty entries, of whole mappings: that tells of all pages of one, or of any if all or
 * none of it are dirty. */
static void count_dirty_by_smaps(const struct span *s, struct counting *c)
{
    unsigned shift = s->now->target.geometry.page_shift;
    const struct region_table *t = s->now->regions;
    uint64_t pages = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct region *r = &t->v[i];
        if (r->end <= s->start || r->start >= s->end)
            continue;
        if (!r->smaps || r->smaps->flags_only)
            return;
        uint64_t dirty = r->smaps->private_dirty + r->smaps->shared_dirty;
        bool whole = r->start >= s->start && r->end <= s->end;
        if (!whole && dirty && dirty != r->smaps->rss)
            return;
        pages += whole || !dirty ? dirty >> shift : resident_pages(s, r->start, r->end);
    }
    c->yes = pages;
    c->unknown = 0;
}

/* Why something of pages cannot be known. */
static const char *missing(const struct moment *m, enum expect_state state)
{
    const struct target_info *t = &m->target;
    if (!t->pagemap.yes)
        return t->pagemap.why;
    if (state == PAGES_PMD_MAPPED && !t->scan.yes)
        return t->scan.why;
    if (state == PAGES_DIRTY && t->kpageflags.yes)
        return "only part of the mapping is dirty, and the kernel does not tell which";
    return t->kpageflags.yes ? "the page could not be read" : t->kpageflags.why;
}

static void wants_pages(struct judging *j, const struct span *s)
{
    char text[320];
    int n = 0;
    for (unsigned i = 0; i < j->ex->state_count && n >= 0 && (size_t)n < sizeof text; i++) {
        const struct state_count *c = &j->ex->states[i];
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%s %s %" PRId64, i ? ", " : "",
                      expect_state_name(c->state), compare_name(c->op), c->n);
    }
    expect_wants(j, "pages of %s: %s", s->name, text);
}

int expect_pages(struct judging *j, struct err *e)
{
    struct span s;
    char found[320] = "";
    int n = 0, rc = expect_span(j, &j->ex->a, &s, e);
    bool holds = true;
    if (rc)
        return rc < 0 ? rc : 0;
    wants_pages(j, &s);
    for (unsigned i = 0; i < j->ex->state_count; i++) {
        const struct state_count *want = &j->ex->states[i];
        struct counting c;
        count_pages(&s, want->state, &c);
        if (c.unknown && want->state == PAGES_DIRTY)
            count_dirty_by_smaps(&s, &c);
        if (c.unknown)
            return expect_unknown(j, "%" PRIu64 " pages of %s: %s", c.unknown, s.name,
                                  missing(s.now, want->state));
        holds &= compare_holds(want->op, (int64_t)c.yes, want->n);
        if (n >= 0 && (size_t)n < sizeof found)
            n += snprintf(found + n, sizeof found - (size_t)n, "%s%s %" PRIu64, i ? ", " : "",
                          expect_state_name(want->state), c.yes);
    }
    return expect_verdict(j, holds, "%s", found);
}

/* --- single pages --- */

static struct page first_page(const struct span *s)
{
    return pagetree_get(s->now->tree, moment_page(s->now, s->start));
}

static const char *why_no(const struct can *c, const char *otherwise)
{
    return c->yes ? otherwise : c->why;
}

int expect_page_number(struct judging *j, struct err *e)
{
    struct span s;
    bool order = j->ex->kind == EX_ORDER;
    int rc = expect_span(j, &j->ex->a, &s, e);
    if (rc)
        return rc < 0 ? rc : 0;
    struct page p = first_page(&s);
    const char *what = order ? "order" : "mapcount";
    expect_wants(j, "%s %s %s %" PRId64, what, s.name, compare_name(j->ex->op), j->ex->n);
    if (p.state == PAGE_UNKNOWN)
        return expect_unknown(j, "%s", why_no(&s.now->target.pagemap, "the page was not read"));
    if (!page_state_info(p.state)->present)
        return expect_verdict(j, false, "%s is %s", s.name, page_state_info(p.state)->name);
    if (order ? p.order == PAGE_ORDER_UNKNOWN : !(p.attrs & PAGE_A_COUNT))
        return expect_unknown(j, "%s", order ? why_no(&s.now->target.kpageflags, "order not read")
                                             : why_no(&s.now->target.kpagecount, "not counted"));
    int64_t found = order ? p.order : (int64_t)p.mapcount;
    return expect_verdict(j, compare_holds(j->ex->op, found, j->ex->n), "%s %" PRId64, what,
                          found);
}

/* A frame, or in the verdict why there is none (then true is returned). */
static bool no_frame(struct judging *j, const struct span *s, const struct moment *m,
                     uint64_t address, const char *when, uint64_t *frame)
{
    struct page p = m ? pagetree_get(m->tree, moment_page(m, address)) : page_absent;
    if (!m) {
        expect_unknown(j, "there is no picture from before");
    } else if (p.state == PAGE_UNKNOWN) {
        expect_unknown(j, "%s", why_no(&m->target.pagemap, "the page was not read"));
    } else if (!page_state_info(p.state)->present) {
        expect_verdict(j, false, "%s%s is %s", s->name, when, page_state_info(p.state)->name);
    } else if (p.frame == PAGE_FRAME_UNKNOWN) {
        expect_unknown(j, "%s", why_no(&m->target.pfn, "frame numbers cannot be read"));
    } else {
        *frame = p.frame;
        return false;
    }
    return true;
}

/* Where the page was before the last statement, which may have moved its mapping. */
static uint64_t address_before(const struct judging *j, const struct span *s)
{
    const struct last_action *last = &s->process->last;
    const struct statement *st = last->valid ? &j->run->script->v[last->at] : NULL;
    bool moved = st && s->process == j->run->actor && st->kind == ST_REMAP &&
                 !strcmp(st->name, j->ex->a.name);
    return moved ? s->start - (uint64_t)last->moved : s->start;
}

/* Of two pages in one picture each; or of one page before and after. A page that was not there
 * before has a new frame in any case. */
int expect_frames(struct judging *j, struct err *e)
{
    enum expect_kind kind = j->ex->kind;
    bool two = kind == EX_SAME_FRAME || kind == EX_DIFFERENT_FRAME;
    bool same = kind == EX_SAME_FRAME || kind == EX_KEPT_FRAME;
    struct span a, b;
    uint64_t x, y;
    int rc = expect_span(j, &j->ex->a, &a, e);
    if (!rc && two)
        rc = expect_span(j, &j->ex->b, &b, e);
    if (rc)
        return rc < 0 ? rc : 0;
    if (two)
        expect_wants(j, "%s and %s have %s", a.name, b.name, same ? "the same frame"
                                                                  : "different frames");
    else
        expect_wants(j, "%s %s", a.name, same ? "keeps its frame" : "has a new frame");
    if (no_frame(j, &a, a.now, a.start, "", &x))
        return 0;
    const struct moment *before = two ? NULL : expect_picture_before(j->run, a.process);
    if (two ? no_frame(j, &b, b.now, b.start, "", &y)
            : no_frame(j, &a, before, address_before(j, &a), " before", &y)) {
        if (kind == EX_NEW_FRAME && before && j->out->verdict == VERDICT_FAIL)
            return expect_verdict(j, true, "a frame, where there was none");
        return 0;
    }
    return expect_verdict(j, (x == y) == same, x == y ? "frame 0x%" PRIx64 " in both"
                                                      : "frames 0x%" PRIx64 " and 0x%" PRIx64,
                          x, y);
}
