/* Sorted, coalesced reading of per-frame files. */
#include "probe/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"

enum {
    INDEX_BITS = 24,
    DIGIT_BITS = 11,
    DIGITS = 1 << DIGIT_BITS,
    GAP_MAX = 3,          /* entries: reading through costs less than another call */
    WINDOW_MAX = 1 << 16, /* entries read at once, unless one request needs more */
};

void frames_scratch_deinit(struct frames_scratch *s)
{
    free(s->keys);
    free(s->sorted);
    free(s->window);
    *s = (struct frames_scratch){0};
}

static int reserve(uint64_t **array, size_t *cap, size_t need)
{
    void *p = *array;
    int rc = array_reserve(&p, cap, need, sizeof **array);
    *array = p;
    return rc;
}

static void radix_pass(const uint64_t *from, uint64_t *to, size_t count, unsigned shift)
{
    size_t at[DIGITS] = {0}, sum = 0;
    for (size_t i = 0; i < count; i++)
        at[from[i] >> shift & (DIGITS - 1)]++;
    for (size_t d = 0; d < DIGITS; d++) {
        size_t n = at[d];
        at[d] = sum;
        sum += n;
    }
    for (size_t i = 0; i < count; i++)
        to[at[from[i] >> shift & (DIGITS - 1)]++] = from[i];
}

/* Keys (frame number << INDEX_BITS | request index) in ascending order; NULL out of memory. */
static const uint64_t *sorted_keys(const struct frames_request *requests, size_t count,
                                   struct frames_scratch *s)
{
    if (reserve(&s->keys, &s->keys_cap, count) || reserve(&s->sorted, &s->sorted_cap, count))
        return NULL;
    uint64_t top = 0, last = 0;
    int in_order = 1;
    for (size_t i = 0; i < count; i++) {
        s->keys[i] = requests[i].pfn << INDEX_BITS | i;
        in_order &= s->keys[i] >= last;
        last = s->keys[i];
        top |= requests[i].pfn;
    }
    if (in_order)
        return s->keys;
    uint64_t *a = s->keys, *b = s->sorted;
    for (unsigned shift = INDEX_BITS; shift < 64 && top >> (shift - INDEX_BITS);
         shift += DIGIT_BITS) {
        radix_pass(a, b, count, shift);
        uint64_t *t = a;
        a = b;
        b = t;
    }
    return a;
}

static void read_window(int fd, uint64_t pfn, uint64_t n, uint64_t *out)
{
    ssize_t got = io_pread(fd, out, n * sizeof *out, pfn * sizeof *out);
    uint64_t have = got < 0 ? 0 : (uint64_t)got / sizeof *out;
    for (uint64_t i = have; i < n; i++)
        out[i] = FRAMES_UNREAD;
}

int frames_fetch(int fd, const struct frames_request *requests, size_t count, uint64_t *result,
                 struct frames_scratch *s)
{
    if (count > FRAMES_REQUESTS_MAX)
        return -EINVAL;
    if (!count)
        return 0;
    const uint64_t *keys = sorted_keys(requests, count, s);
    if (!keys)
        return -ENOMEM;
    const uint64_t index = ((uint64_t)1 << INDEX_BITS) - 1;
    for (size_t i = 0, j; i < count; i = j) {
        const struct frames_request *r = &requests[keys[i] & index];
        uint64_t start = r->pfn, end = start + r->n;
        for (j = i + 1; j < count; j++) {
            r = &requests[keys[j] & index];
            uint64_t stop = r->pfn + r->n > end ? r->pfn + r->n : end;
            if (r->pfn > end + GAP_MAX || stop - start > WINDOW_MAX)
                break;
            end = stop;
        }
        if (reserve(&s->window, &s->window_cap, end - start))
            return -ENOMEM;
        read_window(fd, start, end - start, s->window);
        for (size_t k = i; k < j; k++) {
            r = &requests[keys[k] & index];
            memcpy(result + r->at, s->window + (r->pfn - start), r->n * sizeof *result);
        }
    }
    return 0;
}
