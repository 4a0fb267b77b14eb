/* Frames of our own, in a hash table. */
#include "probe/pages_self.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe/abi.h"
#include "probe/maps.h"
#include "probe/pages_raw.h"

void self_frames_deinit(struct self_frames *s)
{
    free(s->slots);
    *s = (struct self_frames){0};
}

static struct self_frame *slot_of(const struct self_frames *s, uint64_t pfn)
{
    size_t at = (pfn * 0x9e3779b97f4a7c15u >> 32) & (s->cap - 1);
    while (s->slots[at].times && s->slots[at].pfn != pfn)
        at = (at + 1) & (s->cap - 1);
    return &s->slots[at];
}

uint32_t self_frames_times(const struct self_frames *s, uint64_t pfn)
{
    return s->count ? slot_of(s, pfn)->times : 0;
}

static int grow(struct self_frames *s)
{
    enum { CAP_FIRST = 4096 };
    struct self_frames more = {.cap = s->cap ? s->cap * 2 : CAP_FIRST, .count = s->count};
    more.slots = calloc(more.cap, sizeof *more.slots);
    if (!more.slots)
        return -ENOMEM;
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i].times)
            *slot_of(&more, s->slots[i].pfn) = s->slots[i];
    free(s->slots);
    *s = more;
    return 0;
}

static int add(struct self_frames *s, uint64_t pfn)
{
    int rc = s->count * 2 >= s->cap ? grow(s) : 0;
    if (rc)
        return rc;
    struct self_frame *f = slot_of(s, pfn);
    s->count += !f->times;
    f->pfn = pfn;
    f->times++;
    return 0;
}

static int add_raws(struct self_frames *s, const struct page_reader *r)
{
    int rc = 0;
    for (size_t i = 0; i < r->raws_count; i++) {
        const struct pages_raw *raw = &r->raws[i];
        bool file = raw->source & RAW_ENTRY && raw->entry & PM_PRESENT && raw->entry & PM_FILE;
        for (uint32_t k = 0; !rc && file && k < raw->n; k++)
            rc = add(s, (raw->entry & PM_PFN_MASK) + k);
    }
    return rc;
}

static int read_regions(struct self_frames *s, struct page_reader *r, const struct procdir *d)
{
    struct buf text = {0};
    struct region_table *regions = NULL;
    int rc = procdir_read(d, "maps", &text);
    if (!rc)
        rc = maps_parse(text.data, text.len, NULL, &regions);
    for (uint64_t at = 0; !rc && at < UINT64_MAX;) {
        rc = page_reader_collect(r, regions, at, UINT64_MAX, PAGES_ENTRIES, 1 << 16, &at);
        if (!rc)
            rc = add_raws(s, r);
    }
    region_table_unref(regions);
    buf_deinit(&text);
    return rc;
}

int self_frames_read(struct self_frames *s, const struct geometry *g)
{
    struct target_info info = {.geometry = *g};
    struct page_reader r;
    struct procdir d;
    struct err e;
    if (procdir_open(NULL, getpid(), &d, &e))
        return 0;
    int rc = page_reader_init(&r, &d, &info);
    if (!rc) {
        if (r.has_pfn)
            rc = read_regions(s, &r, &d);
        page_reader_deinit(&r);
    }
    procdir_close(&d);
    return rc == -ENOMEM ? rc : 0;
}
