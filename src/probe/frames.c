/* Sorted, coalesced reading of per-frame files. */
#include "probe/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "probe/cpu.h"

enum {
    DIGIT_BITS = 11,
    DIGITS = 1 << DIGIT_BITS,
    GAP_MAX = 2,           /* entries: reading through costs less than another call */
    WINDOW_MAX = 1 << 13,  /* entries read at once, unless one request needs more */
    SHARE_LEAST = 1 << 14, /* entries that are worth a second thread */
};

void frames_scratch_deinit(struct frames_scratch *s)
{
    free(s->sorted);
    free(s->windows[0].v);
    free(s->windows[1].v);
    *s = (struct frames_scratch){0};
}

static void radix_pass(const struct frames_request *from, struct frames_request *to, size_t count,
                       unsigned shift)
{
    size_t at[DIGITS] = {0}, sum = 0;
    for (size_t i = 0; i < count; i++)
        at[from[i].pfn >> shift & (DIGITS - 1)]++;
    for (size_t d = 0; d < DIGITS; d++) {
        size_t n = at[d];
        at[d] = sum;
        sum += n;
    }
    for (size_t i = 0; i < count; i++)
        to[at[from[i].pfn >> shift & (DIGITS - 1)]++] = from[i];
}

/* The requests in ascending order of frames, in one of the two arrays; NULL out of memory. */
static const struct frames_request *sort(struct frames_request *requests, size_t count,
                                         struct frames_scratch *s)
{
    uint64_t top = 0, last = 0;
    int in_order = 1;
    for (size_t i = 0; i < count; i++) {
        in_order &= requests[i].pfn >= last;
        last = requests[i].pfn;
        top |= last;
    }
    if (in_order)
        return requests;
    void *p = s->sorted;
    int rc = array_reserve(&p, &s->sorted_cap, count, sizeof *requests);
    s->sorted = p;
    if (rc)
        return NULL;
    struct frames_request *a = requests, *b = s->sorted;
    for (unsigned shift = 0; shift < 64 && top >> shift; shift += DIGIT_BITS) {
        radix_pass(a, b, count, shift);
        struct frames_request *t = a;
        a = b;
        b = t;
    }
    return a;
}

/* A share of sorted requests, read by one thread. */
struct share {
    int fd;
    const struct frames_request *v;
    size_t count;
    uint64_t *result;
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
static size_t near(const struct frames_request *v, size_t count, uint64_t *end)
{
    uint64_t start = v[0].pfn;
    size_t n = 1;
    *end = start + v[0].n;
    for (; n < count; n++) {
        uint64_t stop = v[n].pfn + v[n].n > *end ? v[n].pfn + v[n].n : *end;
        if (v[n].pfn > *end + GAP_MAX || stop - start > WINDOW_MAX)
            break;
        *end = stop;
    }
    return n;
}

static void *read_share(void *arg)
{
    struct share *s = arg;
    for (size_t i = 0; i < s->count && !s->rc;) {
        uint64_t start = s->v[i].pfn, end;
        size_t n = near(s->v + i, s->count - i, &end);
        s->rc = window_reserve(s->window, end - start);
        if (s->rc)
            break;
        uint64_t *window = s->window->v;
        window_read(s->fd, start, end - start, window);
        for (const struct frames_request *r = s->v + i, *stop = r + n; r < stop; r++) {
            if (r->n == 1)
                s->result[r->at] = window[r->pfn - start];
            else
                memcpy(s->result + r->at, window + (r->pfn - start), r->n * sizeof *window);
        }
        i += n;
    }
    return NULL;
}

static uint64_t entries_of(const struct frames_request *v, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += v[i].n;
    return sum;
}

/* How many of the requests make up half of the entries. */
static size_t half_of(const struct frames_request *v, size_t count, uint64_t entries)
{
    uint64_t sum = 0;
    size_t n = 0;
    while (n < count && sum < entries / 2)
        sum += v[n++].n;
    return n;
}

int frames_fetch(int fd, struct frames_request *requests, size_t count, uint64_t *result,
                 struct frames_scratch *s)
{
    if (!count)
        return 0;
    const struct frames_request *v = sort(requests, count, s);
    if (!v)
        return -ENOMEM;
    struct share all = {fd, v, count, result, &s->windows[0], 0}, rest = all;
    uint64_t entries = entries_of(v, count);
    pthread_t thread;
    if (entries >= SHARE_LEAST) {
        size_t n = half_of(v, count, entries);
        rest = (struct share){fd, v + n, count - n, result, &s->windows[1], 0};
        if (cpu_start_elsewhere(&thread, read_share, &rest)) {
            all.count = n;
            read_share(&all);
            pthread_join(thread, NULL);
            return all.rc ? all.rc : rest.rc;
        }
    }
    read_share(&all);
    return all.rc;
}
