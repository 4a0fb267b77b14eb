/* Step 1 of reading pages: where is something, and what does the page table say there. */
#include "probe/pages_raw.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "probe/abi.h"

enum { GAP_MAX = 64 }; /* pages: reading through costs less than another call */

/* A reader that takes mmap_lock again at once steals it from a target that waits to write; so after
 * a call that held it for long, stay away until the target can have had its turn. */
static void pages_pause(const struct page_reader *r, uint64_t began)
{
    enum { LONG_NS = 40000 };
    if (!r->pause_ns || io_now_ns() - began < LONG_NS)
        return;
    const struct timespec pause = {0, (long)r->pause_ns};
    nanosleep(&pause, NULL);
}

/* A populated piece of one region, waiting for its entries to be read. */
struct piece {
    uint64_t page, n;
    uint8_t categories, kind;
};

/* Pieces gathered so that near ones are read by one call. */
struct gather {
    struct page_reader *r;
    unsigned want;
    struct piece v[512];
    unsigned count;
};

static int raws_reserve(struct page_reader *r, size_t more)
{
    void *p = r->raws;
    int rc = array_reserve(&p, &r->raws_cap, r->raws_count + more, sizeof *r->raws);
    r->raws = p;
    return rc;
}

int pages_raw_push(struct page_reader *r, const struct pages_raw *raw)
{
    int rc = r->raws_count == r->raws_cap ? raws_reserve(r, 1) : 0;
    if (!rc)
        r->raws[r->raws_count++] = *raw;
    return rc;
}

static int push_plain(struct page_reader *r, uint64_t page, uint64_t n, uint8_t source)
{
    while (n) {
        uint32_t part = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
        struct pages_raw raw = {.page = page, .n = part, .flags_at = RAW_NONE,
                                .counts_at = RAW_NONE, .source = source};
        int rc = pages_raw_push(r, &raw);
        if (rc)
            return rc;
        page += part;
        n -= part;
    }
    return 0;
}

/* How many of the m entries from e on are like the first one: equal, or frames counting up. Whole
 * blocks are compared without a branch in the loop, which compilers turn into vector code. */
static uint32_t alike(const uint64_t *e, uint64_t m, bool has_pfn)
{
    enum { BLOCK = 64 };
    uint64_t step = has_pfn && *e & PM_PRESENT ? 1 : 0, n = 1;
    if (m > 1 && e[1] != e[0] + step)
        return 1;
    while (n + BLOCK <= m) {
        uint64_t differ = 0, first = e[0] + step * n;
        for (uint64_t i = 0; i < BLOCK; i++)
            differ |= e[n + i] ^ (first + step * i);
        if (differ)
            break;
        n += BLOCK;
    }
    while (n < m && e[n] == e[0] + step * n)
        n++;
    return (uint32_t)n;
}

/* Entries of one piece into raw runs. A huge mapping is cut at its block boundaries, so that each
 * part has one frame that speaks for it. */
static int push_entries(struct page_reader *r, const struct piece *p, const uint64_t *e)
{
    uint64_t block = (uint64_t)1 << (r->geometry.pmd_shift - r->geometry.page_shift);
    uint8_t source = RAW_ENTRY | (r->scan ? RAW_SCANNED : 0);
    int rc = raws_reserve(r, p->n);
    for (uint64_t i = 0; !rc && i < p->n;) {
        if (!e[i]) {
            i++;
            continue;
        }
        uint64_t m = p->n - i;
        if (p->categories & PAGE_IS_HUGE && m > block - (p->page + i) % block)
            m = block - (p->page + i) % block;
        struct pages_raw *raw = &r->raws[r->raws_count++];
        *raw = (struct pages_raw){.page = p->page + i, .entry = e[i],
                                  .n = alike(e + i, m, r->has_pfn), .flags_at = RAW_NONE,
                                  .counts_at = RAW_NONE, .categories = p->categories,
                                  .kind = p->kind, .source = source};
        i += raw->n;
    }
    return rc;
}

/* Reads the entries that all gathered pieces span, and empties the gathering. */
static int gather_flush(struct gather *g)
{
    struct page_reader *r = g->r;
    if (!g->count)
        return 0;
    uint64_t first = g->v[0].page, end = g->v[g->count - 1].page + g->v[g->count - 1].n;
    uint64_t began = r->pause_ns ? io_now_ns() : 0;
    ssize_t got = io_pread(r->pagemap_fd, r->entries, (end - first) * sizeof *r->entries,
                           first * sizeof *r->entries);
    pages_pause(r, began);
    if (got == -ESRCH || got == -ENOMEM)
        return (int)got;
    if (!got && r->real) /* what pagemap answers when the address space is no more */
        return -ESRCH;
    uint64_t have = got < 0 ? 0 : (uint64_t)got / sizeof *r->entries;
    r->pages_read += have;
    r->ranges_skipped += have < end - first;
    int rc = 0;
    for (unsigned i = 0; !rc && i < g->count; i++) {
        struct piece p = g->v[i];
        uint64_t at = p.page - first, can = at < have ? have - at : 0;
        if (can < p.n)
            rc = push_plain(r, p.page + can, p.n - can, RAW_UNREAD);
        p.n = can < p.n ? can : p.n;
        if (!rc && p.n)
            rc = push_entries(r, &p, r->entries + at);
    }
    g->count = 0;
    return rc;
}

static int gather_add(struct gather *g, struct piece p)
{
    while (p.n) {
        uint64_t n = p.n > ENTRIES_MAX ? ENTRIES_MAX : p.n;
        if (g->count) {
            const struct piece *last = &g->v[g->count - 1];
            bool full = g->count == sizeof g->v / sizeof *g->v ||
                        p.page + n - g->v[0].page > ENTRIES_MAX;
            if (full || p.page - (last->page + last->n) > GAP_MAX) {
                int rc = gather_flush(g);
                if (rc)
                    return rc;
            }
        }
        g->v[g->count++] = (struct piece){p.page, n, p.categories, p.kind};
        p.page += n;
        p.n -= n;
    }
    return 0;
}

static int add_populated(struct gather *g, const struct piece *p)
{
    bool present = p->categories & PAGE_IS_PRESENT;
    if (!g->r->scan || g->want & PAGES_ENTRIES || !present)
        return gather_add(g, *p);
    int rc = gather_flush(g);
    if (rc)
        return rc;
    g->r->pages_read += p->n;
    for (uint64_t at = 0; !rc && at < p->n;) {
        uint64_t n = p->n - at > UINT32_MAX ? UINT32_MAX : p->n - at;
        struct pages_raw raw = {.page = p->page + at, .n = (uint32_t)n, .flags_at = RAW_NONE,
                                .counts_at = RAW_NONE, .categories = p->categories,
                                .kind = p->kind, .source = RAW_SCANNED};
        rc = pages_raw_push(g->r, &raw);
        at += n;
    }
    return rc;
}

static bool has_no_pages(const struct region *region)
{
    static int pf = -1;
    if (pf < 0)
        pf = region_vmflag_bit("pf");
    return region->kind == REGION_VVAR || region->kind == REGION_VSYSCALL ||
           region->kind == REGION_DEVICE || (region->smaps && region->smaps->vmflags >> pf & 1);
}

/* [from, to) of the region has no page-table entries: what does that mean here? */
static int add_hole(struct gather *g, const struct region *region, uint64_t from, uint64_t to)
{
    struct page_reader *r = g->r;
    unsigned shift = r->geometry.page_shift;
    bool device = has_no_pages(region);
    bool shmem = r->swap_in_use && region->kind == REGION_SHMEM;
    if (from >= to || (!device && !shmem))
        return 0;
    int rc = gather_flush(g);
    if (rc)
        return rc;
    if (device)
        return push_plain(r, from >> shift, (to - from) >> shift, RAW_DEVICE);
    return pages_shmem_swap(r, region, from, to);
}

/* Walks regions and scan results side by side. */
struct merge {
    const struct region_table *regions;
    size_t at;       /* region that the next piece may fall into */
    uint64_t filled; /* up to here holes have been dealt with */
};

/* Deals with everything of the regions up to `to`, a piece that begins there excluded. */
static int merge_holes(struct merge *m, struct gather *g, uint64_t to)
{
    int rc = 0;
    while (!rc && m->at < m->regions->count) {
        const struct region *region = &m->regions->v[m->at];
        uint64_t from = region->start > m->filled ? region->start : m->filled;
        if (from >= to)
            break;
        rc = add_hole(g, region, from, region->end < to ? region->end : to);
        if (region->end > to)
            break;
        m->at++;
    }
    m->filled = to > m->filled ? to : m->filled;
    return rc;
}

static int merge_found(struct merge *m, struct gather *g, const struct page_region *found)
{
    unsigned shift = g->r->geometry.page_shift;
    int rc = merge_holes(m, g, found->start);
    for (size_t i = m->at; !rc && i < m->regions->count; i++) {
        const struct region *region = &m->regions->v[i];
        uint64_t from = region->start > m->filled ? region->start : m->filled;
        from = from > found->start ? from : found->start;
        uint64_t to = region->end < found->end ? region->end : found->end;
        if (region->start >= found->end)
            break;
        if (from < to) {
            struct piece p = {from >> shift, (to - from) >> shift,
                              (uint8_t)(found->categories & 0xff), region->kind};
            rc = add_populated(g, &p);
            m->filled = to;
        }
        if (region->end <= found->end)
            m->at = i + 1;
    }
    return rc;
}

/* One scan of [start, end); the number of results or negative errno; *stopped as the kernel
 * says. */
static int scan(struct page_reader *r, uint64_t start, uint64_t end, uint64_t max_pages,
                uint64_t *stopped)
{
    const uint64_t all = PAGE_IS_PRESENT | PAGE_IS_SWAPPED;
    struct pm_scan_arg arg = {.size = sizeof arg, .start = start, .end = end,
                              .vec = (uintptr_t)r->found, .vec_len = FOUND_MAX,
                              .max_pages = max_pages, .category_anyof_mask = all,
                              .return_mask = all | PAGE_IS_PFNZERO | PAGE_IS_HUGE};
    int n;
    uint64_t began = r->pause_ns ? io_now_ns() : 0;
    do
        n = ioctl(r->pagemap_fd, PAGEMAP_SCAN, &arg);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    pages_pause(r, began);
    *stopped = n == FOUND_MAX || arg.walk_end < end ? arg.walk_end : end;
    return n;
}

static int collect_scanned(struct gather *g, struct merge *m, uint64_t start, uint64_t end,
                           uint64_t max_pages, uint64_t *stopped)
{
    int n = scan(g->r, start, end, max_pages, stopped);
    if (n < 0)
        return n;
    int rc = 0;
    for (int i = 0; !rc && i < n; i++)
        rc = merge_found(m, g, &g->r->found[i]);
    return rc;
}

/* Without PAGEMAP_SCAN: every page of every region has to be read. */
static int collect_by_entries(struct gather *g, struct merge *m, uint64_t start, uint64_t end,
                              uint64_t max_pages, uint64_t *stopped)
{
    unsigned shift = g->r->geometry.page_shift;
    uint64_t left = max_pages;
    *stopped = end;
    for (size_t i = region_table_find(m->regions, start); i < m->regions->count && left; i++) {
        const struct region *region = &m->regions->v[i];
        uint64_t from = region->start > start ? region->start : start;
        uint64_t to = region->end < end ? region->end : end;
        if (from >= end)
            break;
        if (has_no_pages(region))
            continue;
        if ((to - from) >> shift > left)
            to = from + (left << shift);
        left -= (to - from) >> shift;
        struct page_region all = {.start = from, .end = to};
        int rc = merge_found(m, g, &all);
        if (rc)
            return rc;
        if (!left)
            *stopped = to;
    }
    return 0;
}

/* Nothing of the page table can be read: every region is unknown. */
static int collect_unknown(struct page_reader *r, const struct region_table *regions,
                           uint64_t start, uint64_t end)
{
    unsigned shift = r->geometry.page_shift;
    int rc = 0;
    for (size_t i = region_table_find(regions, start); !rc && i < regions->count; i++) {
        uint64_t from = regions->v[i].start > start ? regions->v[i].start : start;
        uint64_t to = regions->v[i].end < end ? regions->v[i].end : end;
        if (from >= to)
            break;
        rc = push_plain(r, from >> shift, (to - from) >> shift,
                        has_no_pages(&regions->v[i]) ? RAW_DEVICE : RAW_UNREAD);
    }
    return rc;
}

int pages_collect(struct page_reader *r, const struct region_table *regions, uint64_t start,
                  uint64_t end, unsigned want, uint64_t max_pages, uint64_t *stopped)
{
    *stopped = end;
    if (r->pagemap_fd < 0)
        return collect_unknown(r, regions, start, end);
    struct gather g = {.r = r, .want = want};
    struct merge m = {regions, region_table_find(regions, start), start};
    int rc;
    /* The kernel's own half (vsyscall) lies beyond what a scan may be asked for. */
    if (start >> 63)
        rc = 0;
    else if (r->scan)
        rc = collect_scanned(&g, &m, start, end, max_pages, stopped);
    else
        rc = collect_by_entries(&g, &m, start, end, max_pages, stopped);
    if (!rc)
        rc = merge_holes(&m, &g, *stopped);
    return rc ? rc : gather_flush(&g);
}

int pages_collect_small(struct page_reader *r, const struct region_table *regions, uint64_t start,
                        uint64_t end, unsigned want, uint64_t max_pages, uint64_t *stopped)
{
    struct gather g = {.r = r, .want = want};
    struct merge m = {regions, region_table_find(regions, start), start};
    int rc = collect_by_entries(&g, &m, start, end, max_pages, stopped);
    if (!rc)
        rc = merge_holes(&m, &g, *stopped);
    return rc ? rc : gather_flush(&g);
}
