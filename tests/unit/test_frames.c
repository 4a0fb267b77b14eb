/* Fetching entries of a per-frame file, against direct look-ups in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/frames.h"

enum { ENTRIES = 150000, REQUESTS = 3000, RESULTS = 1 << 20 };

static uint64_t seed = 88172645463325252u;
static FILE *file;

static uint64_t rnd(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static uint64_t value_of(uint64_t pfn)
{
    return pfn < ENTRIES ? pfn * 0x9e3779b97f4a7c15u >> 1 : FRAMES_UNREAD;
}

/* A file of ENTRIES values and half of another. */
static int make_file(void **state)
{
    (void)state;
    file = tmpfile();
    if (!file)
        return -1;
    for (uint64_t i = 0; i < ENTRIES; i++) {
        uint64_t v = value_of(i);
        if (fwrite(&v, sizeof v, 1, file) != 1)
            return -1;
    }
    return fwrite("half", 4, 1, file) == 1 && fflush(file) == 0 ? 0 : -1;
}

static int drop_file(void **state)
{
    (void)state;
    return fclose(file);
}

static void check(const struct sort_item *requests, size_t count, struct frames_scratch *s)
{
    static uint64_t result[RESULTS];
    struct sort_item *mine = malloc((count + 1) * sizeof *mine);
    assert_non_null(mine);
    if (count)
        memcpy(mine, requests, count * sizeof *mine);
    memset(result, 0x5a, sizeof result);
    assert_int_equal(frames_fetch(fileno(file), mine, count, result, s), 0);
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < requests[i].n; k++)
            if (result[requests[i].at + k] != value_of(requests[i].key + k))
                fail_msg("request %zu of %zu, entry %u: %#llx", i, count, k,
                         (unsigned long long)result[requests[i].at + k]);
        end = requests[i].at + requests[i].n > end ? requests[i].at + requests[i].n : end;
    }
    assert_int_equal(result[end], 0x5a5a5a5a5a5a5a5a); /* nothing beyond */
    free(mine);
}

/* Requests that are near, far, the same, overlapping, and beyond the file; sorted or not. */
static size_t random_requests(struct sort_item *v)
{
    size_t count = 1 + rnd(REQUESTS);
    uint64_t pfn = rnd(ENTRIES), at = 0;
    unsigned style = (unsigned)rnd(4);
    for (size_t i = 0; i < count; i++) {
        uint64_t most = style == 3 && rnd(50) == 0 ? 20000 : style * 20 + 1;
        uint32_t n = (uint32_t)(1 + rnd(most));
        if (style == 0)
            pfn += rnd(4);
        else if (rnd(3))
            pfn = rnd(3) ? rnd(ENTRIES + 1000) : pfn;
        if (at + n >= RESULTS)
            return i;
        v[i] = (struct sort_item){pfn, n, (uint32_t)at};
        at += n;
    }
    return count;
}

static void test_random_requests(void **state)
{
    (void)state;
    static struct sort_item v[REQUESTS];
    struct frames_scratch s = {0};
    for (unsigned round = 0; round < 150; round++)
        check(v, random_requests(v), &s);
    frames_scratch_deinit(&s);
}

/* So many that a second thread takes its share. */
static void test_many_requests(void **state)
{
    (void)state;
    enum { MANY = 120000 };
    struct sort_item *v = malloc(MANY * sizeof *v);
    struct frames_scratch s = {0};
    assert_non_null(v);
    for (unsigned order = 0; order < 3; order++) {
        for (uint32_t i = 0; i < MANY; i++) {
            uint64_t pfn = order == 0 ? i : order == 1 ? MANY - i : rnd(2 * ENTRIES);
            v[i] = (struct sort_item){pfn, 1 + i % 2, 2 * i};
        }
        check(v, MANY, &s);
    }
    v[0] = (struct sort_item){1, ENTRIES + 5, 0}; /* one, larger than all others */
    v[1] = (struct sort_item){0, 3, ENTRIES + 5};
    check(v, 2, &s);
    frames_scratch_deinit(&s);
    free(v);
}

static void test_edges(void **state)
{
    (void)state;
    struct frames_scratch s = {0};
    const struct sort_item v[] = {
        {ENTRIES - 2, 5, 0},          /* across the end, with its half entry */
        {ENTRIES, 1, 5},              /* the half entry */
        {(UINT64_C(1) << 55) - 1, 2, 6}, /* the last frame that an entry can name */
        {0, 1, 8},
        {0, 1, 9},
        {7, 0, 10},                   /* nothing */
    };
    check(v, 0, &s);
    check(v, sizeof v / sizeof *v, &s);
    frames_scratch_deinit(&s);
    frames_scratch_deinit(&s);
}

static void test_what_cannot_be_read_is_unread(void **state)
{
    (void)state;
    struct frames_scratch s = {0};
    struct sort_item v[] = {{9, 2, 0}, {3, 1, 2}};
    uint64_t result[3] = {1, 2, 3};
    int fds[2];
    assert_int_equal(pipe(fds), 0); /* has no positions: ESPIPE */
    assert_int_equal(frames_fetch(fds[0], v, 2, result, &s), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(result[i] == FRAMES_UNREAD);
    close(fds[0]);
    close(fds[1]);
    frames_scratch_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_requests),
        cmocka_unit_test(test_many_requests),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_what_cannot_be_read_is_unread),
    };
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
