/* Transparent huge pages: PMD-mapped, split, of smaller sizes, in shared memory and in files. */
#include "states.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RW = PROT_READ | PROT_WRITE, PRIVATE_ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static size_t pmd_pages(void)
{
    return pmd_bytes / page_bytes;
}

/* `n` huge pages of place with the advice, untouched. */
static char *advised(const char *name, size_t n)
{
    char *at = place_map(name, n * pmd_bytes, pmd_bytes, RW, PRIVATE_ANON, -1);
    if (at && madvise(at, n * pmd_bytes, MADV_HUGEPAGE) < 0)
        return state_failed(name, "madvise(MADV_HUGEPAGE)");
    return at;
}

/* One PMD-mapped huge page per PMD, or NULL. */
static char *huge(const char *name, size_t n)
{
    char *at = advised(name, n);
    if (!at)
        return NULL;
    for (size_t i = 0; i < n; i++)
        write_pages(at, i * pmd_pages(), 1);
    if (smaps_kb(at, "AnonHugePages:") == (long)(n * pmd_bytes / 1024))
        return at;
    state_absent(name, "no huge page to be had (transparent_hugepage/enabled)");
    return NULL;
}

static void thp_pmd(const char *name)
{
    char *at = huge(name, 2);
    if (at)
        state_made(name, at, 2 * pmd_bytes,
                   "run=anon-exclusive*%zu attr=pmd-mapped@0+%zu attr=large@0+%zu vmflag=hg",
                   2 * pmd_pages(), 2 * pmd_pages(), 2 * pmd_pages());
}

static void thp_beside_nothing(const char *name)
{
    char *at = advised(name, 3);
    if (!at)
        return;
    write_pages(at, pmd_pages() + 7, 1);
    if (smaps_kb(at, "AnonHugePages:") != (long)(pmd_bytes / 1024))
        state_absent(name, "no huge page to be had");
    else
        state_made(name, at, 3 * pmd_bytes, "run=absent*%zu run=anon-exclusive*%zu run=absent*%zu",
                   pmd_pages(), pmd_pages(), pmd_pages());
}

static void thp_zero(const char *name)
{
    char *at = advised(name, 2);
    if (!at)
        return;
    read_pages(at, 5, 1);
    if (!(page_entry(at + 100 * page_bytes) & ENTRY_PRESENT))
        state_absent(name, "no huge zero page (use_zero_page)");
    else
        state_made(name, at, 2 * pmd_bytes, "run=huge-zero*%zu run=absent*%zu", pmd_pages(),
                   pmd_pages());
}

static void thp_partial(const char *name)
{
    char *at = huge(name, 1);
    if (!at)
        return;
    madvise(at + 100 * page_bytes, 8 * page_bytes, MADV_DONTNEED);
    state_made(name, at, pmd_bytes,
               "run=anon-exclusive*100 run=absent*8 run=anon-exclusive*%zu attr=large@0+100 "
               "noattr=pmd-mapped@0+%zu",
               pmd_pages() - 108, pmd_pages());
}

static void thp_protected(const char *name)
{
    char *at = huge(name, 1);
    if (!at)
        return;
    mprotect(at + 64 * page_bytes, page_bytes, PROT_READ);
    state_made(name, at, pmd_bytes,
               "run=anon-exclusive*%zu split attr=large@0+64 noattr=pmd-mapped@0+%zu", pmd_pages(),
               pmd_pages());
}

/* Moved to where a PMD cannot map it. */
static void thp_moved(const char *name)
{
    char *from = huge(name, 1);
    char *to = from ? place(pmd_bytes, pmd_bytes) : NULL;
    if (!to)
        return;
    char *at = mremap(from, pmd_bytes, pmd_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to + page_bytes);
    if (at == MAP_FAILED)
        state_failed(name, "mremap");
    else
        state_made(name, at, pmd_bytes, "run=anon-exclusive*%zu noattr=pmd-mapped@0+%zu",
                   pmd_pages(), pmd_pages());
}

/* The child's write splits the child's mapping, and copies one page. Here nothing changes: the
 * PMD still maps all, and no page is exclusive, not even the one that has no other mapping now. */
static void thp_cow(const char *name)
{
    char *at = huge(name, 1);
    if (!at)
        return;
    in_child(at, 3, 1);
    state_made(name, at, pmd_bytes,
               "run=anon-shared*%zu attr=pmd-mapped@0+%zu noattr=exclusive@0+%zu", pmd_pages(),
               pmd_pages(), pmd_pages());
}

static void mthp_of(const char *name, size_t bytes)
{
    size_t pages = bytes / page_bytes;
    char *at = place_map(name, bytes, bytes, RW, PRIVATE_ANON, -1);
    if (!at)
        return;
    madvise(at, bytes, MADV_HUGEPAGE);
    write_pages(at, pages / 2, 1);
    if (!(page_entry(at) & ENTRY_PRESENT) ||
        !(page_entry(at + (pages - 1) * page_bytes) & ENTRY_PRESENT))
        state_absent(name, "a fault maps no folio of this size (hugepages-*/enabled)");
    else
        state_made(name, at, bytes,
                   "run=anon-exclusive*%zu attr=large@0+%zu noattr=pmd-mapped@0+%zu", pages, pages,
                   pages);
}

static void mthp(const char *name)
{
    const char *dir = "/sys/kernel/mm/transparent_hugepage";
    DIR *d = opendir(dir);
    if (!d) {
        state_failed(name, dir);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        char one[64], path[512];
        unsigned long kb;
        if (sscanf(e->d_name, "hugepages-%lukB", &kb) != 1 || kb * 1024 >= pmd_bytes)
            continue;
        snprintf(path, sizeof path, "%s/%s/enabled", dir, e->d_name);
        snprintf(one, sizeof one, "%s_%lukB", name, kb);
        if (access(path, F_OK) == 0) /* some sizes exist for shared memory only */
            mthp_of(one, kb * 1024);
    }
    closedir(d);
}

static void thp_shmem(const char *name)
{
    int fd = make_memfd(name, 2 * pmd_pages(), 0);
    char *at = place_map(name, 2 * pmd_bytes, pmd_bytes, RW, MAP_SHARED, fd);
    close(fd);
    if (!at)
        return;
    madvise(at, 2 * pmd_bytes, MADV_HUGEPAGE);
    write_pages(at, 1, 1);
    if (smaps_kb(at, "ShmemPmdMapped:") != (long)(pmd_bytes / 1024))
        state_absent(name, "no huge page to be had (transparent_hugepage/shmem_enabled)");
    else
        state_made(name, at, 2 * pmd_bytes,
                   "run=shmem*%zu run=absent*%zu attr=pmd-mapped@0+%zu noattr=pmd-mapped@%zu+%zu",
                   pmd_pages(), pmd_pages(), pmd_pages(), pmd_pages(), pmd_pages());
}

static void thp_file(const char *name)
{
    int fd = make_file(name, 2 * pmd_pages());
    if (fd < 0) {
        state_failed(name, "file");
        return;
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    char *at = place_map(name, 2 * pmd_bytes, pmd_bytes, PROT_READ, MAP_SHARED, fd);
    close(fd);
    if (!at)
        return;
    madvise(at, 2 * pmd_bytes, MADV_HUGEPAGE);
    read_pages(at, 0, 2 * pmd_pages());
    if (smaps_kb(at, "FilePmdMapped:") <= 0)
        state_absent(name, "the file system gives no huge page");
    else
        state_made(name, at, 2 * pmd_bytes, "run=file*%zu", 2 * pmd_pages());
}

const struct maker makers_huge[] = {
    {"thp_cow", thp_cow, BEFORE_FORK},
    {"thp_pmd", thp_pmd, AFTER_FORK},
    {"thp_beside_nothing", thp_beside_nothing, AFTER_FORK},
    {"thp_zero", thp_zero, AFTER_FORK},
    {"thp_partial", thp_partial, AFTER_FORK},
    {"thp_protected", thp_protected, AFTER_FORK},
    {"thp_moved", thp_moved, AFTER_FORK},
    {"thp_shmem", thp_shmem, AFTER_FORK},
    {"thp_file", thp_file, AFTER_FORK},
    {"mthp", mthp, AFTER_FORK},
    {0},
};
