/* Memory from the hugetlb pool. */
#include "states.h"

#include <fcntl.h>
#include <linux/mman.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RW = PROT_READ | PROT_WRITE, POOL = MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB };
enum { HUGE = 2 << 20 };

static size_t huge_pages(void)
{
    return HUGE / page_bytes;
}

static char *from_pool(const char *name, size_t n, int flags)
{
    return place_map(name, n * HUGE, HUGE, RW, flags | POOL, -1);
}

static long pool_number(const char *leaf)
{
    char path[128];
    long n = 0;
    snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/hugepages-2048kB/%s", leaf);
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%ld", &n) != 1)
        n = 0;
    if (f)
        fclose(f);
    return n;
}

/* Huge pages that nobody has or has reserved. */
static long pool_free(void)
{
    return pool_number("free_hugepages") - pool_number("resv_hugepages");
}

static void hugetlb_private(const char *name)
{
    char *at = from_pool(name, 2, MAP_PRIVATE);
    if (!at)
        return;
    write_pages(at, 0, 1);
    state_made(name, at, 2 * HUGE,
               "run=hugetlb*%zu run=absent*%zu vmflag=ht kind=hugetlb attr=exclusive@0+%zu "
               "name=/anon_hugepage%%20(deleted)",
               huge_pages(), huge_pages(), huge_pages());
}

static void hugetlb_read(const char *name)
{
    char *at = from_pool(name, 1, MAP_PRIVATE);
    if (!at)
        return;
    read_pages(at, 9, 1);
    state_made(name, at, HUGE, "run=hugetlb*%zu", huge_pages());
}

static void hugetlb_shared(const char *name)
{
    char *at = from_pool(name, 1, MAP_SHARED);
    if (!at)
        return;
    write_pages(at, 0, 1);
    state_made(name, at, HUGE, "run=hugetlb*%zu vmflag=sh vmflag=ht", huge_pages());
}

static void hugetlb_reserved(const char *name)
{
    char *at = from_pool(name, 1, MAP_PRIVATE);
    if (at)
        state_made(name, at, HUGE, "run=absent*%zu kind=hugetlb", huge_pages());
}

static void hugetlb_memfd(const char *name)
{
    int fd = make_memfd(name, 2 * huge_pages(), MFD_HUGETLB | MAP_HUGE_2MB);
    if (fd < 0) {
        state_failed(name, "memfd_create");
        return;
    }
    char *at = place_map(name, 2 * HUGE, HUGE, RW, MAP_SHARED, fd);
    close(fd);
    if (!at)
        return;
    write_pages(at, huge_pages(), 1);
    state_made(name, at, 2 * HUGE, "run=absent*%zu run=hugetlb*%zu kind=hugetlb", huge_pages(),
               huge_pages());
}

static void hugetlb_cow(const char *name)
{
    char *at = from_pool(name, 2, MAP_PRIVATE);
    if (!at)
        return;
    write_pages(at, 0, 1);
    write_pages(at, huge_pages(), 1);
    in_child(at, 0, 1);
    state_made(name, at, 2 * HUGE,
               "run=hugetlb*%zu attr=exclusive@0+%zu noattr=exclusive@%zu+%zu", 2 * huge_pages(),
               huge_pages(), huge_pages(), huge_pages());
}

/* Two mappings of a whole gigabyte share the table of its huge pages: each page counts one
 * mapping, and still is not exclusive. */
static void hugetlb_shared_table(const char *name)
{
    size_t gib = (size_t)1 << 30;
    if (pool_free() < 1) { /* a fault without a page to be had is SIGBUS */
        state_absent(name, "the pool is empty");
        return;
    }
    int fd = make_memfd(name, gib / page_bytes, MFD_HUGETLB | MAP_HUGE_2MB);
    if (fd < 0) {
        state_failed(name, "memfd_create");
        return;
    }
    char *a = place_map(name, gib, gib, RW, MAP_SHARED | MAP_NORESERVE, fd);
    char *b = a ? place_map(name, gib, gib, RW, MAP_SHARED | MAP_NORESERVE, fd) : NULL;
    close(fd);
    if (!b)
        return;
    write_pages(a, 3 * huge_pages(), 1);
    read_pages(b, 3 * huge_pages(), 1);
    state_made(name, a, gib,
               "run=absent*%zu run=hugetlb*%zu run=absent*%zu noattr=exclusive@%zu+%zu",
               3 * huge_pages(), huge_pages(), gib / page_bytes - 4 * huge_pages(),
               3 * huge_pages(), huge_pages());
}

static void hugetlb_gigantic(const char *name)
{
    size_t gib = (size_t)1 << 30;
    char *at = place_map(name, gib, gib, RW,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_1GB, -1);
    if (!at)
        return;
    write_pages(at, 0, 1);
    state_made(name, at, gib, "run=hugetlb*%zu attr=pmd-mapped@0+%zu", gib / page_bytes,
               gib / page_bytes);
}

/* With the pool empty, the parent's write takes the page from the child. */
static void hugetlb_stolen(const char *name)
{
    char *at = from_pool(name, 1, MAP_PRIVATE);
    if (!at)
        return;
    write_pages(at, 0, 1);
    if (fork_sleeper("robbed", NULL) < 0) {
        state_failed(name, "fork");
        return;
    }
    long left = pool_free();
    char *hog = left > 0 ? from_pool(name, (size_t)left, MAP_PRIVATE) : NULL;
    if (left > 0 && !hog)
        return;
    for (long i = 0; i < left; i++)
        write_pages(hog, (size_t)i * huge_pages(), 1);
    write_pages(at, 0, 1);
    if (hog)
        munmap(hog, (size_t)left * HUGE);
    state_made(name, at, HUGE, "run=hugetlb*%zu attr=exclusive@0+%zu", huge_pages(), huge_pages());
}

const struct maker makers_hugetlb[] = {
    {"hugetlb_cow", hugetlb_cow, BEFORE_FORK},
    {"hugetlb_private", hugetlb_private, AFTER_FORK},
    {"hugetlb_read", hugetlb_read, AFTER_FORK},
    {"hugetlb_shared", hugetlb_shared, AFTER_FORK},
    {"hugetlb_reserved", hugetlb_reserved, AFTER_FORK},
    {"hugetlb_memfd", hugetlb_memfd, AFTER_FORK},
    {"hugetlb_shared_table", hugetlb_shared_table, AFTER_FORK},
    {"hugetlb_gigantic", hugetlb_gigantic, AFTER_FORK},
    {"hugetlb_stolen", hugetlb_stolen, ON_REQUEST},
    {0},
};
