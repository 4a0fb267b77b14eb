/* What the bench programs share: sizes on the command line, time, and PAGEMAP_SCAN, which the
 * kernel headers of Debian 12 do not have yet. */
#ifndef VMSCOPE_BENCH_H
#define VMSCOPE_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BENCH_PAGE = 4096, BENCH_HUGE = 2 << 20 };

struct scan_region { /* struct page_region of linux/fs.h */
    uint64_t start, end, categories;
};

struct scan_arg { /* struct pm_scan_arg of linux/fs.h */
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
enum {
    SCAN_FILE = 1 << 2,
    SCAN_PRESENT = 1 << 3,
    SCAN_SWAPPED = 1 << 4,
    SCAN_PFNZERO = 1 << 5,
    SCAN_HUGE = 1 << 6,
};

static inline uint64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline _Noreturn void bench_die(const char *what)
{
    perror(what);
    exit(1);
}

/* "64", "16K", "2M", "4G" or "1T"; ends the program on anything else. */
static inline uint64_t bench_size(const char *text)
{
    static const char units[] = "KMGT";
    char *end;
    uint64_t n = strtoull(text, &end, 0);
    for (unsigned i = 0; *end && units[i]; i++)
        if (*end == units[i]) {
            n <<= 10 * (i + 1);
            end++;
            break;
        }
    if (*end || end == text) {
        fprintf(stderr, "%s: not a size\n", text);
        exit(2);
    }
    return n;
}

#endif
