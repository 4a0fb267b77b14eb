/* Memory in swap: anonymous and shared, whole and in part, and in the swap cache. */
#include "states.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { RW = PROT_READ | PROT_WRITE };
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

bool have_swap(const char *name)
{
    struct sysinfo info;
    if (sysinfo(&info) == 0 && info.freeswap * info.mem_unit > 16 * pmd_bytes)
        return true;
    state_absent(name, "no free swap");
    return false;
}

struct range {
    char *at;
    size_t first, n;
};

static bool all_out(void *ctx)
{
    const struct range *r = ctx;
    madvise(r->at + r->first * page_bytes, r->n * page_bytes, MADV_PAGEOUT);
    for (size_t i = r->first; i < r->first + r->n; i++)
        if (page_entry(r->at + i * page_bytes) & ENTRY_PRESENT)
            return false;
    return true;
}

bool swap_out(char *at, size_t first, size_t n)
{
    struct range r = {at, first, n};
    return wait_until(all_out, &r);
}

/* Anonymous pages, the first `out` of them in swap. */
static char *anon_out(const char *name, size_t pages, size_t out)
{
    char *at = have_swap(name) ? place_anon(name, pages) : NULL;
    if (!at)
        return NULL;
    write_pages(at, 0, pages);
    if (swap_out(at, 0, out))
        return at;
    state_absent(name, "swap does not take the pages");
    return NULL;
}

static void swap_anon(const char *name)
{
    char *at = anon_out(name, 64, 40);
    if (at)
        state_made(name, at, 64 * page_bytes, "run=swapped*40 run=anon-exclusive*24");
}

static void swap_anon_all(const char *name)
{
    char *at = anon_out(name, 16, 16);
    if (at)
        state_made(name, at, 16 * page_bytes, "run=swapped*16");
}

static void swap_across_fork(const char *name)
{
    char *at = anon_out(name, 16, 16);
    if (!at)
        return;
    in_child(at, 0, 4);
    state_made(name, at, 16 * page_bytes, "run=swapped*16");
}

static bool some_in_cache(void *ctx)
{
    const struct range *r = ctx;
    unsigned char in_core[64];
    madvise(r->at, r->n * page_bytes, MADV_WILLNEED);
    if (mincore(r->at, r->n * page_bytes, in_core) < 0)
        return false;
    for (size_t i = 0; i < r->n; i++)
        if (!(in_core[i] & 1))
            return false;
    return true;
}

static void swap_cached(const char *name)
{
    char *at = anon_out(name, 32, 32);
    struct range r = {at, 0, 32};
    if (!at)
        return;
    if (!wait_until(some_in_cache, &r)) {
        state_absent(name, "MADV_WILLNEED fills no swap cache");
        return;
    }
    read_pages(at, 0, 8);
    state_made(name, at, 32 * page_bytes, "run=anon-exclusive*8 run=swapped*24");
}

static void swap_thp(const char *name)
{
    if (!have_swap(name))
        return;
    char *at = place_map(name, pmd_bytes, pmd_bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    size_t pages = pmd_bytes / page_bytes;
    if (!at)
        return;
    madvise(at, pmd_bytes, MADV_HUGEPAGE);
    write_pages(at, 0, pages);
    if (swap_out(at, 0, pages))
        state_made(name, at, pmd_bytes, "run=swapped*%zu", pages);
    else
        state_absent(name, "swap does not take the pages");
}

/* A memfd of `pages` written pages; *all is a shared mapping of it. */
static int written_memfd(const char *name, size_t pages, char **all)
{
    int fd = have_swap(name) ? make_memfd(name, pages, 0) : -1;
    if (fd < 0)
        return -1;
    *all = place_map(name, pages * page_bytes, 0, RW, MAP_SHARED, fd);
    if (!*all) {
        close(fd);
        return -1;
    }
    write_pages(*all, 0, pages);
    return fd;
}

static void shared_out(const char *name, size_t pages, size_t first, size_t n, const char *expect)
{
    char *at;
    int fd = written_memfd(name, pages, &at);
    if (fd < 0)
        return;
    close(fd);
    if (swap_out(at, first, n))
        state_made(name, at, pages * page_bytes, "%s", expect);
    else
        state_absent(name, "swap does not take the pages");
}

static void swap_shmem_all(const char *name)
{
    shared_out(name, 32, 0, 32, "run=shmem-swapped*32");
}

static void swap_shmem_part(const char *name)
{
    shared_out(name, 32, 8, 16, "run=shmem*8 run=shmem-swapped*16 run=shmem*8");
}

static void swap_shmem_anon(const char *name)
{
    if (!have_swap(name))
        return;
    char *at = place_map(name, 16 * page_bytes, 0, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
    if (!at)
        return;
    write_pages(at, 0, 12);
    if (swap_out(at, 4, 4))
        state_made(name, at, 16 * page_bytes,
                   "run=shmem*4 run=shmem-swapped*4 run=shmem*4 run=absent*4");
    else
        state_absent(name, "swap does not take the pages");
}

/* A mapping of the middle of a file, never touched itself. */
static void swap_shmem_window(const char *name)
{
    char *all;
    int fd = written_memfd(name, 32, &all);
    char *at = place(16 * page_bytes, 0);
    if (fd < 0 || !at)
        return;
    at = mmap(at, 16 * page_bytes, RW, MAP_SHARED | MAP_FIXED, fd, (off_t)(8 * page_bytes));
    close(fd);
    if (at == MAP_FAILED)
        state_failed(name, "mmap");
    else if (!swap_out(all, 0, 16))
        state_absent(name, "swap does not take the pages");
    else
        state_made(name, at, 16 * page_bytes, "run=shmem-swapped*8 run=absent*8");
}

/* A private mapping of shared memory: four pages of its own, and below them and beside them pages
 * in swap. smaps counts those below only when the mapping is not writable. */
static void private_over_swap(const char *name, bool writable)
{
    char *all;
    int fd = written_memfd(name, 32, &all);
    if (fd < 0)
        return;
    char *at = place_map(name, 32 * page_bytes, 0, RW, MAP_PRIVATE, fd);
    close(fd);
    if (!at)
        return;
    write_pages(at, 0, 4);
    read_pages(all, 0, 4); /* swap takes only pages that are mapped where it is asked to */
    if (!swap_out(all, 0, 16)) {
        state_absent(name, "swap does not take the pages");
        return;
    }
    munmap(all, 32 * page_bytes);
    if (!writable)
        mprotect(at, 32 * page_bytes, PROT_READ);
    state_made(name, at, 32 * page_bytes,
               "run=anon-exclusive*4 run=shmem-swapped*12 run=absent*16 perms=%s",
               writable ? "rw-p" : "r--p");
}

static void swap_shmem_private(const char *name)
{
    private_over_swap(name, true);
}

static void swap_shmem_private_ro(const char *name)
{
    private_over_swap(name, false);
}

const struct maker makers_swap[] = {
    {"swap_across_fork", swap_across_fork, BEFORE_FORK},
    {"swap_anon", swap_anon, AFTER_FORK},
    {"swap_anon_all", swap_anon_all, AFTER_FORK},
    {"swap_cached", swap_cached, AFTER_FORK},
    {"swap_thp", swap_thp, AFTER_FORK},
    {"swap_shmem_all", swap_shmem_all, AFTER_FORK},
    {"swap_shmem_part", swap_shmem_part, AFTER_FORK},
    {"swap_shmem_anon", swap_shmem_anon, AFTER_FORK},
    {"swap_shmem_window", swap_shmem_window, AFTER_FORK},
    {"swap_shmem_private", swap_shmem_private, AFTER_FORK},
    {"swap_shmem_private_ro", swap_shmem_private_ro, AFTER_FORK},
    {0},
};
