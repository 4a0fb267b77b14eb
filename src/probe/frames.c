/* Sorted, coalesced reading of per-frame files. */
#include "probe/frames.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "probe/cpu.h"

enum {
    GAP_MAX = 2,           /* entries: reading through costs less than another call */
    WINDOW_MAX = 1 << 13,  /* entries read at once, unless one request needs more */
    BLOCKS = 64,           /* that the requests are shared out in */
    SHARE_LEAST = 1 << 14, /* entries that are worth a second thread */
};

void frames_scratch_deinit(struct frames_scratch *s)
{
    free(s->sorted);
    free(s->windows[0].v);
    free(s->windows[1].v);
    *s = (struct frames_scratch){0};
}

/* The requests in ascending order of frames, in one of the two arrays; NULL out of memory. */
static const struct sort_item *sort(struct sort_item *requests, size_t count,
                                    struct frames_scratch *s)
{
    void *p = s->sorted;
    int rc = array_reserve(&p, &s->sorted_cap, count, sizeof *requests);
    s->sorted = p;
    return rc ? NULL : sort_items(requests, s->sorted, count);
}

/* Sorted requests and how far they have been taken. Threads take a block at a time, so that one
 * that gets no CPU for a while holds up the other by a block at most. */
struct work {
    int fd;
    const struct sort_item *v;
    size_t count, block;
    _Atomic size_t next;
    uint64_t *result;
};

struct worker {
    struct work *work;
    struct frames_window *window;
    int rc;
};

static int window_reserve(struct frames_window *w, size_t need)
{
    void *p = w->v;
    int rc = array_reserve(&p, &w->cap, need, sizeof *w->v);
    w->v = p;
    return rc;
}

static void window_read(int fd, uint64_t pfn, uint64_t n, uint64_t *out)
{
    ssize_t got = io_pread(fd, out, n * sizeof *out, pfn * sizeof *out);
    for (uint64_t i = got < 0 ? 0 : (uint64_t)got / sizeof *out; i < n; i++)
        out[i] = FRAMES_UNREAD;
}

/* How many requests from v on one read serves; *end is where it ends. */
static size_t near(const struct sort_item *v, size_t count, uint64_t *end)
{
    uint64_t start = v[0].key;
    size_t n = 1;
    *end = start + v[0].n;
    for (; n < count; n++) {
        uint64_t stop = v[n].key + v[n].n > *end ? v[n].key + v[n].n : *end;
        if (v[n].key > *end + GAP_MAX || stop - start > WINDOW_MAX)
            break;
        *end = stop;
    }
    return n;
}

static int read_block(struct worker *me, const struct sort_item *v, size_t count)
{
    const struct work *work = me->work;
    for (size_t i = 0; i < count;) {
        uint64_t start = v[i].key, end;
        size_t n = near(v + i, count - i, &end);
        int rc = window_reserve(me->window, end - start);
        if (rc)
            return rc;
        uint64_t *window = me->window->v;
        window_read(work->fd, start, end - start, window);
        for (const struct sort_item *r = v + i, *stop = r + n; r < stop; r++) {
            if (r->n == 1)
                work->result[r->at] = window[r->key - start];
            else
                memcpy(work->result + r->at, window + (r->key - start), r->n * sizeof *window);
        }
        i += n;
    }
    return 0;
}

static void *read_blocks(void *arg)
{
    struct worker *me = arg;
    struct work *work = me->work;
    size_t at;
    while (!me->rc && (at = atomic_fetch_add(&work->next, work->block)) < work->count) {
        size_t left = work->count - at;
        me->rc = read_block(me, work->v + at, left < work->block ? left : work->block);
    }
    return NULL;
}

static uint64_t entries_of(const struct sort_item *v, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += v[i].n;
    return sum;
}

int frames_fetch(int fd, struct sort_item *requests, size_t count, uint64_t *result,
                 struct frames_scratch *s)
{
    if (!count)
        return 0;
    const struct sort_item *v = sort(requests, count, s);
    if (!v)
        return -ENOMEM;
    struct work work = {fd, v, count, count / BLOCKS + 1, 0, result};
    struct worker first = {&work, &s->windows[0], 0}, second = {&work, &s->windows[1], 0};
    pthread_t thread;
    bool helped = entries_of(v, count) >= SHARE_LEAST &&
                  cpu_start_elsewhere(&thread, read_blocks, &second);
    read_blocks(&first);
    if (helped)
        pthread_join(thread, NULL);
    return first.rc ? first.rc : second.rc;
}
