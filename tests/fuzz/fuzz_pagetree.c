/* The page tree against a plain array: random replacements in a chain of shared trees, then every
 * way to read them. The array is a window of pages in an address space of several levels. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "model/pagetree.h"

enum { WINDOW = 2048, TREES = 3, RUNS_MAX = 12 };

struct twin {
    struct pagetree *tree;
    struct page pages[WINDOW];
};

static uint64_t origin; /* first page of the window */

static bool same(const struct page *a, const struct page *b)
{
    return page_follows(a, 0, b);
}

static size_t take_runs(struct feed *f, uint64_t start, uint64_t n, struct page_run *runs)
{
    size_t count = 0;
    uint64_t at = start;
    while (count < RUNS_MAX && at < start + n && !feed_empty(f)) {
        at += feed_u8(f) & 1 ? 0 : feed_below(f, 700);
        uint64_t len = 1 + (feed_u8(f) & 1 ? feed_below(f, 4) : feed_below(f, 900));
        if (at >= start + n)
            break;
        if (len > start + n - at)
            len = start + n - at;
        runs[count++] = (struct page_run){origin + at, len, feed_page(f)};
        at += len;
    }
    return count;
}

static void replace(struct feed *f, struct twin *t)
{
    uint64_t start = feed_below(f, WINDOW), n = 1 + feed_below(f, WINDOW - start);
    struct page_run runs[RUNS_MAX];
    size_t count = take_runs(f, start, n, runs);
    struct pagetree *next;
    DEMAND(pagetree_replace(t->tree, origin + start, n, runs, count, &next) == 0);
    pagetree_unref(t->tree);
    t->tree = next;
    for (uint64_t i = 0; i < n; i++)
        t->pages[start + i] = page_absent;
    for (size_t r = 0; r < count; r++)
        for (uint64_t i = 0; i < runs[r].n; i++)
            t->pages[runs[r].page - origin + i] = page_at(&runs[r].first, i);
}

/* Runs that are out of order or range must be refused and change nothing. */
static void replace_wrongly(struct feed *f, const struct twin *t)
{
    struct page_run runs[2] = {{origin + 10, 5, feed_page(f)}, {origin + 12, 5, feed_page(f)}};
    struct pagetree *next = NULL;
    DEMAND(pagetree_replace(t->tree, origin, 100, runs, 2, &next) < 0 && !next);
    DEMAND(pagetree_replace(t->tree, origin, 12, runs, 1, &next) < 0 && !next);
    DEMAND(pagetree_replace(t->tree, origin + 11, 12, runs, 1, &next) < 0 && !next);
}

struct walk {
    const struct twin *twin;
    uint64_t next;
    struct page last;
    bool any;
};

static int check_run(void *ctx, const struct page_run *run)
{
    struct walk *w = ctx;
    DEMAND(run->page == w->next && run->n > 0);
    DEMAND(!w->any || !page_follows(&w->last, 1, &run->first)); /* maximal */
    for (uint64_t i = 0; i < run->n; i++) {
        struct page p = page_at(&run->first, i);
        DEMAND(same(&p, &w->twin->pages[run->page - origin + i]));
    }
    w->last = page_at(&run->first, run->n - 1);
    w->any = true;
    w->next += run->n;
    return 0;
}

static void read_back(struct feed *f, const struct twin *t)
{
    uint64_t start = feed_below(f, WINDOW), n = 1 + feed_below(f, WINDOW - start);
    struct walk w = {.twin = t, .next = origin + start};
    DEMAND(pagetree_walk(t->tree, origin + start, n, check_run, &w) == 0);
    DEMAND(w.next == origin + start + n);
    struct tally sum = {{0}}, naive = {{0}};
    pagetree_tally(t->tree, origin + start, n, &sum);
    for (uint64_t i = 0; i < n; i++)
        tally_add_page(&naive, &t->pages[start + i], 1);
    DEMAND(memcmp(&sum, &naive, sizeof sum) == 0);
    struct page p = pagetree_get(t->tree, origin + start);
    DEMAND(same(&p, &t->pages[start]));
}

/* Of all of the address space, or of a part that holds the window: the tallies of inner nodes. */
static void tally_whole(struct feed *f, const struct twin *t)
{
    uint64_t pages = (uint64_t)1 << 9 * pagetree_levels(t->tree);
    uint64_t before = origin, after = pages - origin - WINDOW;
    if (feed_u8(f) & 1) {
        before = feed_below(f, before + 1);
        after = feed_below(f, after + 1);
    }
    struct tally sum = {{0}}, naive = {{0}};
    pagetree_tally(t->tree, origin - before, before + WINDOW + after, &sum);
    tally_add_page(&naive, &page_absent, before + after);
    for (uint64_t i = 0; i < WINDOW; i++)
        tally_add_page(&naive, &t->pages[i], 1);
    DEMAND(memcmp(&sum, &naive, sizeof sum) == 0);
}

struct changes {
    unsigned char seen[WINDOW];
    uint64_t next;
};

static int note_change(void *ctx, uint64_t start, uint64_t n)
{
    struct changes *c = ctx;
    DEMAND(start >= c->next && n > 0);
    c->next = start + n;
    memset(c->seen + (start - origin), 1, n);
    return 0;
}

static void compare(struct feed *f, const struct twin *a, const struct twin *b)
{
    static struct changes c;
    uint64_t start = feed_below(f, WINDOW), n = 1 + feed_below(f, WINDOW - start);
    memset(&c, 0, sizeof c);
    DEMAND(pagetree_diff(a->tree, b->tree, origin + start, n, note_change, &c) == 0);
    for (uint64_t i = 0; i < WINDOW; i++) {
        bool inside = i >= start && i < start + n;
        DEMAND(inside || !c.seen[i]);
        /* Ranges are exact to the run, so an equal page may be named; a changed one must be. */
        DEMAND(!inside || c.seen[i] || same(&a->pages[i], &b->pages[i]));
    }
}

static void copy_twin(struct twin *to, const struct twin *from)
{
    struct pagetree *old = to->tree;
    to->tree = pagetree_ref(from->tree);
    memcpy(to->pages, from->pages, sizeof to->pages);
    pagetree_unref(old);
}

static void begin(struct feed *f, struct twin *twins)
{
    unsigned levels = 2 + feed_u8(f) % (PAGETREE_LEVELS_MAX - 1);
    unsigned shift = 9 * levels;
    uint64_t pages = (uint64_t)1 << shift;
    origin = feed_u64(f) % (pages - WINDOW + 1);
    for (unsigned i = 0; i < TREES; i++) {
        twins[i].tree = pagetree_create(levels);
        DEMAND(twins[i].tree && pagetree_levels(twins[i].tree) == levels);
        for (unsigned k = 0; k < WINDOW; k++)
            twins[i].pages[k] = page_absent;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct twin twins[TREES];
    struct feed f = feed_of(data, size);
    begin(&f, twins);
    for (unsigned step = 0; step < 64 && !feed_empty(&f); step++) {
        unsigned what = feed_u8(&f);
        struct twin *t = &twins[(what >> 4 & 3) % TREES], *u = &twins[(what >> 6) % TREES];
        switch (what & 7) {
        case 0:
            copy_twin(t, u);
            break;
        case 1:
            replace_wrongly(&f, t);
            break;
        case 2:
            compare(&f, t, u);
            break;
        case 3:
            read_back(&f, t);
            tally_whole(&f, t);
            break;
        default:
            replace(&f, t);
        }
    }
    for (unsigned i = 0; i < TREES; i++) {
        read_back(&f, &twins[i]);
        tally_whole(&f, &twins[i]);
        pagetree_unref(twins[i].tree);
        twins[i].tree = NULL;
    }
    return 0;
}
