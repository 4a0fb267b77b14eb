/* The second reader. */
#include "sampler/second.h"

#include "probe/cpu.h"

enum {
    BATCH_PAGES = 1 << 18,
    RUNS_MAX = 1 << 19, /* runs kept until they are joined; what is left then the caller reads */
};

static void *read_half(void *arg)
{
    struct second *s = arg;
    s->stopped = s->start;
    while (!s->rc && s->stopped < UINT64_MAX && s->runs.count < RUNS_MAX)
        s->rc = page_reader_read(&s->reader, s->regions, s->stopped, UINT64_MAX, s->want, BATCH_PAGES,
                                 &s->runs, &s->stopped);
    return NULL;
}

/* The middle of the mapped bytes, at a multiple of 2 MiB into its region. */
static uint64_t middle(const struct region_table *t)
{
    uint64_t sum = 0, half = 0;
    for (size_t i = 0; i < t->count; i++)
        sum += t->v[i].end - t->v[i].start;
    for (size_t i = 0; i < t->count; i++) {
        uint64_t size = t->v[i].end - t->v[i].start;
        if (half + size >= sum / 2)
            return t->v[i].start + (((sum / 2 - half) >> 21) << 21);
        half += size;
    }
    return UINT64_MAX;
}

bool second_start(struct second *s, const struct procdir *d, const struct target_info *info,
                  const struct region_table *regions, unsigned want)
{
    struct target_info scratch = *info;
    *s = (struct second){.regions = regions, .want = want, .start = middle(regions)};
    if (page_reader_init(&s->reader, d, &scratch))
        return false;
    bool started = cpu_start_elsewhere(&s->thread, read_half, s);
    if (!started)
        page_reader_deinit(&s->reader);
    return started;
}

void second_join(struct second *s)
{
    pthread_join(s->thread, NULL);
}

void second_deinit(struct second *s)
{
    page_reader_deinit(&s->reader);
    run_vec_deinit(&s->runs);
}
