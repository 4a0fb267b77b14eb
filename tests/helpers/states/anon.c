/* Anonymous memory: untouched, exclusive, shared by fork, zero page, reserved, growing. */
#include "states.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { PRIVATE_ANON = MAP_PRIVATE | MAP_ANONYMOUS };
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

static void anon_untouched(const char *name)
{
    char *at = place_anon(name, 64);
    if (at)
        state_made(name, at, 64 * page_bytes, "run=absent*64 perms=rw-p kind=anon name=");
}

static void anon_exclusive(const char *name)
{
    char *at = place_anon(name, 64);
    if (!at)
        return;
    write_pages(at, 0, 64);
    state_made(name, at, 64 * page_bytes,
               "run=anon-exclusive*64 mapcount=1 attr=exclusive@0+64 attr=anon-exclusive@0+64");
}

static void anon_holes(const char *name)
{
    char *at = place_anon(name, 1024);
    if (!at)
        return;
    write_pages(at, 3, 1);
    write_pages(at, 510, 4); /* across a page-table boundary wherever the place is */
    write_pages(at, 1023, 1);
    state_made(name, at, 1024 * page_bytes,
               "run=absent*3 run=anon-exclusive*1 run=absent*506 run=anon-exclusive*4 "
               "run=absent*509 run=anon-exclusive*1");
}

static void anon_cow(const char *name)
{
    char *at = place_anon(name, 16);
    if (!at)
        return;
    write_pages(at, 0, 16);
    in_child(at, 2, 4);
    state_made(name, at, 16 * page_bytes,
               "run=anon-shared*2 run=anon-exclusive*4 run=anon-shared*10 "
               "noattr=anon-exclusive@0+16 noattr=exclusive@0+2 attr=exclusive@2+4");
}

static void anon_cow_dead(const char *name)
{
    char *at = place_anon(name, 16);
    if (!at)
        return;
    write_pages(at, 0, 16);
    fork_and_reap();
    madvise(at, 16 * page_bytes, MADV_DONTFORK);
    state_made(name, at, 16 * page_bytes,
               "run=anon-exclusive*16 attr=exclusive@0+16 noattr=anon-exclusive@0+16 vmflag=dc");
}

static void anon_zero(const char *name)
{
    char *at = place_anon(name, 16);
    if (!at)
        return;
    read_pages(at, 0, 8);
    write_pages(at, 3, 1);
    state_made(name, at, 16 * page_bytes,
               "run=zero*3 run=anon-exclusive*1 run=zero*4 run=absent*8");
}

static void anon_prot_none(const char *name)
{
    char *at = place_anon(name, 16);
    if (!at)
        return;
    write_pages(at, 4, 8);
    mprotect(at, 16 * page_bytes, PROT_NONE);
    state_made(name, at, 16 * page_bytes,
               "run=absent*4 run=anon-exclusive*8 run=absent*4 perms=---p no-vmflag=rd");
}

static void anon_read_only(const char *name)
{
    char *at = place_anon(name, 8);
    if (!at)
        return;
    write_pages(at, 0, 8);
    mprotect(at, 8 * page_bytes, PROT_READ);
    state_made(name, at, 8 * page_bytes, "run=anon-exclusive*8 perms=r--p no-vmflag=wr");
}

static void anon_wx(const char *name)
{
    char *at = place_map(name, 4 * page_bytes, 0, PROT_READ | PROT_WRITE | PROT_EXEC,
                         PRIVATE_ANON, -1);
    if (!at)
        return;
    madvise(at, 4 * page_bytes, MADV_NOHUGEPAGE);
    write_pages(at, 0, 2);
    state_made(name, at, 4 * page_bytes, "run=anon-exclusive*2 run=absent*2 perms=rwxp");
}

static void anon_merged(const char *name)
{
    char *at = place(16 * page_bytes, 0);
    for (size_t half = 0; at && half < 2; half++)
        if (mmap(at + half * 8 * page_bytes, 8 * page_bytes, PROT_READ | PROT_WRITE,
                 PRIVATE_ANON | MAP_FIXED, -1, 0) == MAP_FAILED)
            at = state_failed(name, "mmap");
    if (!at)
        return;
    madvise(at, 16 * page_bytes, MADV_NOHUGEPAGE);
    write_pages(at, 7, 2);
    state_made(name, at, 16 * page_bytes, "run=absent*7 run=anon-exclusive*2 run=absent*7");
}

static void anon_named(const char *name)
{
    char *at = place_anon(name, 4);
    if (!at)
        return;
    if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, at, 4 * page_bytes, "two words [heap]") < 0 &&
        prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, at, 4 * page_bytes, "two words (heap)") < 0) {
        state_failed(name, "prctl(PR_SET_VMA)");
        return;
    }
    write_pages(at, 0, 1);
    state_made(name, at, 4 * page_bytes, "run=anon-exclusive*1 run=absent*3 kind=anon");
}

static void anon_terabyte(const char *name)
{
    size_t gib = (size_t)1 << 30, size = gib << 10;
    char *at = place_map(name, size, gib, PROT_READ | PROT_WRITE, PRIVATE_ANON | MAP_NORESERVE, -1);
    if (!at)
        return;
    madvise(at, size, MADV_NOHUGEPAGE);
    state_made(name, at, size, "run=absent*%zu vmflag=nr", size / page_bytes);
}

/* The lowest address of the mapping that ends at `end`. */
static char *mapping_start(const char *end)
{
    char line[4096];
    unsigned long first, last, found = 0;
    FILE *f = fopen("/proc/self/maps", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%lx-%lx", &first, &last) == 2 && last == (unsigned long)end)
            found = first;
    if (f)
        fclose(f);
    return (char *)found;
}

static void anon_grows_down(const char *name)
{
    size_t size = 8 * page_bytes, below = 1024 * page_bytes;
    char *hole = place(below + size, 0);
    char *at = hole + below;
    if (!hole || munmap(hole, below + size) < 0) {
        state_failed(name, "place");
        return;
    }
    if (mmap(at, size, PROT_READ | PROT_WRITE, PRIVATE_ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0) ==
        MAP_FAILED) {
        state_failed(name, "mmap");
        return;
    }
    write_pages(at, 7, 1);
    write_pages(at - 5 * page_bytes, 0, 1);
    char *start = mapping_start(at + size);
    if (start != at - 5 * page_bytes)
        state_absent(name, "did not grow to the page that was touched");
    else
        state_made(name, start, size + 5 * page_bytes,
                   "run=anon-exclusive*1 run=absent*11 run=anon-exclusive*1 vmflag=gd");
}

const struct maker makers_anon[] = {
    {"anon_cow_dead", anon_cow_dead, BEFORE_FORK},
    {"anon_cow", anon_cow, BEFORE_FORK},
    {"anon_untouched", anon_untouched, AFTER_FORK},
    {"anon_exclusive", anon_exclusive, AFTER_FORK},
    {"anon_holes", anon_holes, AFTER_FORK},
    {"anon_zero", anon_zero, AFTER_FORK},
    {"anon_prot_none", anon_prot_none, AFTER_FORK},
    {"anon_read_only", anon_read_only, AFTER_FORK},
    {"anon_wx", anon_wx, AFTER_FORK},
    {"anon_merged", anon_merged, AFTER_FORK},
    {"anon_named", anon_named, AFTER_FORK},
    {"anon_terabyte", anon_terabyte, AFTER_FORK},
    {"anon_grows_down", anon_grows_down, AFTER_FORK},
    {0},
};
