/* Pages of many processes, each different block once (pages_blocks.c). */
#include "probe/pages_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/abi.h"
#include "probe/pages_blocks.h"
#include "probe/pages_self.h"

enum { BATCH_PAGES = 1 << 14 }; /* collected, then taken into blocks: what a cache has room for */

struct pages_pool {
    struct page_reader reader; /* its raws are those of all blocks */
    struct pages_blocks blocks;
    uint64_t ignore; /* entry bits that change by themselves */
    /* While a process is added. */
    struct pages_raw pending; /* a run that may go on; n 0: none */
    size_t open;              /* where the block that is growing begins in raws */
    uint32_t *order;          /* numbers of its blocks */
    size_t order_count, order_cap;
};

struct pages_pool *pages_pool_create(const struct geometry *g)
{
    struct pages_pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->reader = (struct page_reader){.pagemap_fd = -1, .kpageflags_fd = -1, .kpagecount_fd = -1,
                                     .process_fd = -1, .geometry = *g};
    p->ignore = PM_SOFT_DIRTY;
    if (pages_blocks_init(&p->blocks, &p->reader)) {
        pages_pool_destroy(p);
        return NULL;
    }
    return p;
}

void pages_pool_destroy(struct pages_pool *p)
{
    if (!p)
        return;
    page_reader_deinit(&p->reader);
    pages_blocks_deinit(&p->blocks);
    free(p->order);
    free(p);
}

/* --- one process --- */

static int order_push(struct pages_pool *p, uint32_t block)
{
    void *v = p->order;
    int rc = array_reserve(&v, &p->order_cap, p->order_count + 1, sizeof *p->order);
    p->order = v;
    if (!rc)
        p->order[p->order_count++] = block;
    return rc;
}

static int close_block(struct pages_pool *p)
{
    uint32_t block;
    if (p->reader.raws_count == p->open)
        return 0;
    int rc = pages_blocks_add(&p->blocks, p->open, &block);
    if (rc)
        return rc;
    p->open = p->reader.raws_count;
    return order_push(p, block);
}

static int grow_block(struct pages_pool *p, const struct pages_raw *raw)
{
    bool other = p->reader.raws_count > p->open &&
                 p->reader.raws[p->open].page / PAGES_BLOCK != raw->page / PAGES_BLOCK;
    int rc = other ? close_block(p) : 0;
    return rc ? rc : pages_raw_push(&p->reader, raw);
}

/* The first n pages of *raw go into blocks, and *raw becomes the rest. */
static int take_part(struct pages_pool *p, struct pages_raw *raw, uint64_t n)
{
    struct pages_raw part = *raw;
    part.n = (uint32_t)n;
    raw->page += n;
    raw->n -= (uint32_t)n;
    raw->entry += pages_raw_counts_up(&p->reader, raw) ? n : 0;
    int rc = grow_block(p, &part);
    return !rc && n > PAGES_BLOCK ? close_block(p) : rc;
}

/* Cuts a run at the boundaries of blocks; whole blocks in its midst stay one. */
static int cut(struct pages_pool *p, struct pages_raw raw)
{
    const uint64_t block = PAGES_BLOCK, left = block - raw.page % block;
    int rc = 0;
    if (left < block && left < raw.n)
        rc = take_part(p, &raw, left);
    uint64_t whole = raw.page % block ? 0 : raw.n / block * block;
    if (!rc && whole && whole < raw.n)
        rc = take_part(p, &raw, whole);
    if (!rc)
        rc = grow_block(p, &raw);
    return !rc && raw.n > block ? close_block(p) : rc;
}

/* The raws are those of a known block: nothing is to be kept of them. */
static int take_known(struct pages_pool *p, uint32_t block)
{
    int rc = p->pending.n ? cut(p, p->pending) : 0;
    p->pending.n = 0;
    if (!rc)
        rc = close_block(p);
    return rc ? rc : order_push(p, block);
}

/* Where a process's runs are cut depends on how its reading was: they are joined again first, so
 * that alike processes come out alike. */
static int take(struct pages_pool *p, const struct pages_raw *raws, size_t count)
{
    int rc = 0;
    for (size_t i = 0, n; !rc && i < count; i += n) {
        const struct pages_raw *raw = &raws[i];
        uint32_t block;
        n = 1;
        if (pages_raw_goes_on(&p->reader, &p->pending, raw)) {
            p->pending.n += raw->n;
            continue;
        }
        bool begins = raw->page % PAGES_BLOCK == 0;
        size_t known = begins ? pages_blocks_find(&p->blocks, raw, count - i, &block) : 0;
        if (known) {
            rc = take_known(p, block);
            n = known;
        } else {
            rc = p->pending.n ? cut(p, p->pending) : 0;
            p->pending = *raw;
        }
    }
    return rc;
}

/* Takes out of the entries what changes by itself. */
static void clear_ignored(const struct pages_pool *p, struct pages_raw *raws, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (raws[i].source & RAW_ENTRY)
            raws[i].entry &= ~p->ignore;
}

static int read_all(struct pages_pool *p, struct page_reader *r, const struct region_table *regions)
{
    int rc = 0;
    for (uint64_t at = 0; !rc && at < UINT64_MAX;) {
        rc = page_reader_collect(r, regions, at, UINT64_MAX, PAGES_ENTRIES, BATCH_PAGES, &at);
        if (!rc) {
            clear_ignored(p, r->raws, r->raws_count);
            rc = take(p, r->raws, r->raws_count);
        }
    }
    if (!rc && p->pending.n)
        rc = cut(p, p->pending);
    return rc ? rc : close_block(p);
}

int pages_pool_add(struct pages_pool *p, struct page_reader *r, const struct region_table *regions,
                   struct family_picture *picture, size_t *count)
{
    p->reader.has_pfn = r->has_pfn;
    p->reader.scan = r->scan;
    p->reader.real = r->real;
    p->open = p->reader.raws_count;
    p->order_count = 0;
    p->pending = (struct pages_raw){0};
    int rc = read_all(p, r, regions);
    if (rc) {
        p->reader.raws_count = p->open;
        return rc;
    }
    void *v = picture->order;
    rc = array_reserve(&v, &picture->order_cap, picture->order_count + p->order_count,
                       sizeof *picture->order);
    picture->order = v;
    if (rc)
        return rc;
    if (p->order_count)
        memcpy(picture->order + picture->order_count, p->order, p->order_count * sizeof *p->order);
    picture->order_count += p->order_count;
    *count = p->order_count;
    return 0;
}

/* --- the end --- */

static int open_below(int dirfd, const char *name)
{
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : fd;
}

static void discount(struct pages_pool *p, const struct self_frames *self)
{
    for (size_t i = 0; self->count && i < p->reader.raws_count; i++) {
        const struct pages_raw *raw = &p->reader.raws[i];
        if (raw->counts_at == RAW_NONE || !(raw->entry & PM_FILE))
            continue;
        uint64_t *counts = p->reader.counts + raw->counts_at;
        for (uint32_t k = 0; k < raw->n; k++) {
            uint32_t times = self_frames_times(self, (raw->entry & PM_PFN_MASK) + k);
            if (counts[k] != FRAMES_UNREAD && counts[k] > times)
                counts[k] -= times;
        }
    }
}

/* Fetches what the frames say, and takes this process out of the map counts. Code that runs for the
 * first time maps pages of ours that the counts read before do not know of: then they are read
 * again. */
static int fetch_without_self(struct pages_pool *p, unsigned want)
{
    enum { TRIES = 3 };
    struct self_frames before = {0}, after = {0};
    bool counts = p->reader.real && p->reader.has_pfn && p->reader.kpagecount_fd >= 0;
    int rc = counts ? self_frames_read(&before, &p->reader.geometry) : 0;
    for (unsigned i = 0; !rc && i < TRIES; i++) {
        rc = pages_fetch(&p->reader, want);
        if (!rc && counts)
            rc = self_frames_read(&after, &p->reader.geometry);
        bool same = after.count == before.count;
        self_frames_deinit(&before);
        before = after;
        after = (struct self_frames){0};
        if (same)
            break;
    }
    if (!rc)
        discount(p, &before);
    p->reader.without_self = before.count != 0;
    self_frames_deinit(&before);
    return rc;
}

int pages_pool_finish(struct pages_pool *p, int proc_root_fd, unsigned want,
                      struct family_picture *picture)
{
    p->reader.kpageflags_fd = open_below(proc_root_fd, "kpageflags");
    p->reader.kpagecount_fd = open_below(proc_root_fd, "kpagecount");
    int rc = fetch_without_self(p, want);
    return rc ? rc : pages_blocks_emit(&p->blocks, want, picture);
}
