/* Reading pages in three steps: collect raw runs from scan and pagemap, fetch what the frames say,
 * emit runs. Here: what can be opened, and the call that ties the steps together. */
#include "probe/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/abi.h"
#include "probe/pages_raw.h"

/* What one scan may cost the target, which waits for mmap_lock if it maps or unmaps meanwhile. */
enum {
    SCAN_PAGES = 16384,   /* populated pages of one scan */
    RAWS_MAX = 1 << 19,   /* raw runs kept at a time */
};
#define SCAN_SPAN ((uint64_t)64 << 30) /* bytes of address space of one scan */

static void cannot(struct can *c, const char *what, int error, const char *remedy)
{
    c->yes = false;
    snprintf(c->why, sizeof c->why, "%s: %s; %s", what, strerror(-error), remedy);
}

static int open_or_say(int fd, struct can *c, const char *what, const char *remedy)
{
    c->yes = fd >= 0;
    if (fd < 0)
        cannot(c, what, fd, remedy);
    return fd < 0 ? -1 : fd;
}

/* A scan of nothing tells whether the ioctl exists, and whether the address space still does. */
static int probe_scan(struct page_reader *r, struct can *c)
{
    struct pm_scan_arg arg = {.size = sizeof arg, .category_anyof_mask = PAGE_IS_PRESENT,
                              .return_mask = PAGE_IS_PRESENT};
    r->scan = r->pagemap_fd >= 0 && ioctl(r->pagemap_fd, PAGEMAP_SCAN, &arg) >= 0;
    int error = r->scan ? 0 : r->pagemap_fd < 0 ? -EACCES : -errno;
    c->yes = r->scan;
    if (!r->scan)
        cannot(c, "PAGEMAP_SCAN", error, "needs Linux 6.7 or newer; every page is read instead");
    return error == -ESRCH ? -ESRCH : 0;
}

/* Frame numbers read as 0 without CAP_SYS_ADMIN in the opener (since 4.2): a page of our own that
 * is surely present tells. A stand-in root is believed. */
static void probe_pfn(struct page_reader *r, const struct procdir *d, struct can *c)
{
    uint64_t entry = 0, page = (uint64_t)(uintptr_t)&entry >> r->geometry.page_shift;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    bool shown = fd >= 0 && io_pread(fd, &entry, sizeof entry, page * 8) == sizeof entry &&
                 entry & PM_PFN_MASK;
    if (fd >= 0)
        close(fd);
    r->has_pfn = r->pagemap_fd >= 0 && (shown || !d->real);
    c->yes = r->has_pfn;
    if (!c->yes)
        cannot(c, "frame numbers", -EPERM, "needs CAP_SYS_ADMIN: run with sudo");
}

static bool swap_in_use(void)
{
    struct sysinfo si;
    return sysinfo(&si) < 0 || si.freeswap != si.totalswap;
}

int page_reader_init(struct page_reader *r, const struct procdir *d, struct target_info *info)
{
    *r = (struct page_reader){.pagemap_fd = -1, .kpageflags_fd = -1, .kpagecount_fd = -1,
                              .process_fd = d->fd, .geometry = info->geometry,
                              .real = d->real};
    r->found = malloc(FOUND_MAX * sizeof *r->found);
    r->entries = malloc(ENTRIES_MAX * sizeof *r->entries);
    if (!r->found || !r->entries) {
        page_reader_deinit(r);
        return -ENOMEM;
    }
    const char *sudo = "run with sudo";
    int fd = procdir_open_file(d, "pagemap");
    r->pagemap_fd = open_or_say(fd, &info->pagemap, "pagemap",
                                "needs your own process, or run with sudo");
    if (fd == -ESRCH || probe_scan(r, &info->scan)) {
        page_reader_deinit(r);
        return -ESRCH;
    }
    probe_pfn(r, d, &info->pfn);
    r->kpageflags_fd = open_or_say(procdir_open_root_file(d, "kpageflags"), &info->kpageflags,
                                   "kpageflags", sudo);
    r->kpagecount_fd = open_or_say(procdir_open_root_file(d, "kpagecount"), &info->kpagecount,
                                   "kpagecount", sudo);
    r->swap_in_use = d->real && swap_in_use();
    return 0;
}

void page_reader_deinit(struct page_reader *r)
{
    int fds[] = {r->pagemap_fd, r->kpageflags_fd, r->kpagecount_fd};
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(r->found);
    free(r->entries);
    free(r->raws);
    free(r->requests);
    free(r->flags);
    free(r->counts);
    frames_scratch_deinit(&r->scratch);
    *r = (struct page_reader){.pagemap_fd = -1, .kpageflags_fd = -1, .kpagecount_fd = -1};
}

/* Where the next scan may begin: gaps between regions are passed over. */
static uint64_t next_region(const struct region_table *regions, uint64_t at, uint64_t end)
{
    size_t i = region_table_find(regions, at);
    if (i == regions->count || regions->v[i].start >= end)
        return end;
    return regions->v[i].start > at ? regions->v[i].start : at;
}

/* A scan may not be asked for addresses beyond the user's half: it ends with the last mapping. */
static uint64_t scan_end(const struct region_table *regions, uint64_t at, uint64_t end)
{
    const uint64_t half = (uint64_t)1 << 63;
    uint64_t limit = at < half && end > half ? half : end;
    size_t i = region_table_find(regions, limit - 1);
    bool inside = i < regions->count && regions->v[i].start < limit;
    uint64_t last = inside ? limit : i ? regions->v[i - 1].end : at;
    return last - at > SCAN_SPAN ? at + SCAN_SPAN : last;
}

/* If many small mappings follow one another from `at` on: where they end; else `at`. */
static uint64_t small_end(const struct page_reader *r, const struct region_table *regions,
                          uint64_t at, uint64_t end, unsigned want)
{
    enum { SMALL_PAGES = 64, LEAST = 32, MOST = 4096 };
    const uint64_t small = (uint64_t)SMALL_PAGES << r->geometry.page_shift;
    size_t first = region_table_find(regions, at), i = first;
    if (!r->scan || !r->has_pfn || r->kpageflags_fd < 0 || !(want & PAGES_FLAGS))
        return at;
    while (i < regions->count && i - first < MOST && regions->v[i].end <= end &&
           regions->v[i].end - regions->v[i].start <= small &&
           regions->v[i].kind != REGION_HUGETLB && !(regions->v[i].start >> 63))
        i++;
    return i - first < LEAST ? at : regions->v[i - 1].end;
}

/* A scan of an address space that was given up, by exec or at the end, finds nothing and does not
 * fail; pagemap answers 0 bytes then. */
static bool space_is_gone(const struct page_reader *r)
{
    uint64_t entry;
    return r->real && r->pagemap_fd >= 0 && io_pread(r->pagemap_fd, &entry, sizeof entry, 0) == 0;
}

int page_reader_collect(struct page_reader *r, const struct region_table *regions, uint64_t start,
                        uint64_t end, unsigned want, uint64_t max_pages, uint64_t *stopped)
{
    uint64_t at = next_region(regions, start, end), done = r->pages_read + max_pages;
    int rc = 0;
    r->raws_count = 0;
    while (!rc && at < end && r->pages_read < done && r->raws_count < RAWS_MAX) {
        uint64_t most = done - r->pages_read < SCAN_PAGES ? done - r->pages_read : SCAN_PAGES;
        uint64_t small = small_end(r, regions, at, end, want);
        if (small > at)
            rc = pages_collect_small(r, regions, at, small, want, most, &at);
        else
            rc = pages_collect(r, regions, at, scan_end(regions, at, end), want, most, &at);
        if (!rc)
            at = next_region(regions, at, end);
    }
    if (!rc && space_is_gone(r))
        rc = -ESRCH;
    if (!rc)
        rc = pages_fetch(r, want);
    if (!rc)
        *stopped = at;
    return rc;
}

int page_reader_read(struct page_reader *r, const struct region_table *regions, uint64_t start,
                     uint64_t end, unsigned want, uint64_t max_pages, struct run_vec *out,
                     uint64_t *stopped)
{
    uint64_t at, upto;
    int rc = page_reader_collect(r, regions, start, end, want, max_pages, &at);
    if (!rc)
        rc = page_reader_emit(r, want, SIZE_MAX / 2, out, at, &upto);
    if (!rc)
        *stopped = at;
    return rc;
}
