/* Reading in pieces by two threads. */
#include "sampler/split.h"

#include <pthread.h>
#include <stdatomic.h>

#include "probe/cpu.h"

enum {
    BATCH_PAGES = 1 << 18,
    RUNS_MAX = 1 << 16, /* runs that a piece keeps; what is left then the caller reads */
};

struct worker {
    struct split *split;
    struct page_reader *reader;
    const struct region_table *regions;
    unsigned want;
    atomic_uint *next;
};

static void read_piece(const struct worker *w, struct split_piece *p)
{
    p->stopped = p->start;
    while (!p->rc && p->stopped < p->end && p->runs.count < RUNS_MAX)
        p->rc = page_reader_read(w->reader, w->regions, p->stopped, p->end, w->want, BATCH_PAGES,
                                 &p->runs, &p->stopped);
}

static void *read_pieces(void *arg)
{
    const struct worker *w = arg;
    unsigned i;
    while ((i = atomic_fetch_add(w->next, 1)) < SPLIT_PIECES)
        read_piece(w, &w->split->piece[i]);
    return NULL;
}

/* Where the n-th of all mapped bytes lies, at a multiple of 2 MiB into its region. */
static uint64_t address_of(const struct region_table *t, uint64_t n)
{
    for (size_t i = 0; i < t->count; i++) {
        uint64_t size = t->v[i].end - t->v[i].start;
        if (n < size)
            return t->v[i].start + ((n >> 21) << 21);
        n -= size;
    }
    return UINT64_MAX;
}

static void cut(struct split *s, const struct region_table *t)
{
    uint64_t sum = 0, at = 0;
    for (size_t i = 0; i < t->count; i++)
        sum += t->v[i].end - t->v[i].start;
    for (unsigned i = 0; i < SPLIT_PIECES; i++) {
        uint64_t end = i + 1 < SPLIT_PIECES ? address_of(t, sum / SPLIT_PIECES * (i + 1))
                                            : UINT64_MAX;
        s->piece[i] = (struct split_piece){.start = at, .end = end, .stopped = at};
        at = end;
    }
}

bool split_read(struct split *s, struct page_reader *reader, const struct procdir *d,
                const struct target_info *info, const struct region_table *regions, unsigned want)
{
    struct target_info scratch = *info;
    struct page_reader other;
    atomic_uint next = 0;
    pthread_t thread;
    if (page_reader_init(&other, d, &scratch))
        return false;
    *s = (struct split){0};
    cut(s, regions);
    struct worker first = {s, reader, regions, want, &next}, second = first;
    second.reader = &other;
    bool started = cpu_start_elsewhere(&thread, read_pieces, &second);
    if (started) {
        read_pieces(&first);
        pthread_join(thread, NULL);
        s->pages_read = other.pages_read;
        s->ranges_skipped = other.ranges_skipped;
    }
    page_reader_deinit(&other);
    return started;
}

void split_deinit(struct split *s)
{
    for (unsigned i = 0; i < SPLIT_PIECES; i++)
        run_vec_deinit(&s->piece[i].runs);
}
