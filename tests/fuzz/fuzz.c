/* Shared parts of the fuzz targets. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: demanded: %s\n", file, line, what);
    abort();
}

bool feed_empty(const struct feed *f)
{
    return f->at == f->end;
}

uint8_t feed_u8(struct feed *f)
{
    return f->at < f->end ? *f->at++ : 0;
}

uint64_t feed_u64(struct feed *f)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v = v << 8 | feed_u8(f);
    return v;
}

uint64_t feed_below(struct feed *f, uint64_t below)
{
    uint64_t v = 0;
    for (uint64_t most = below - 1; most; most >>= 8)
        v = v << 8 | feed_u8(f);
    return v % below;
}

struct page feed_page(struct feed *f)
{
    unsigned how = feed_u8(f);
    struct page p = {.frame = PAGE_FRAME_UNKNOWN, .order = PAGE_ORDER_UNKNOWN};
    p.state = (uint8_t)(how % PAGE_STATE_N);
    if (p.state == PAGE_ABSENT)
        return page_absent;
    if (how & 0x40)
        p.frame = feed_u8(f) * 512u;
    if (how & 0x80) {
        unsigned more = feed_u8(f);
        p.attrs = (uint16_t)(more & 1 ? PAGE_A_ENTRY | PAGE_A_EXCLUSIVE : PAGE_A_ENTRY);
        p.attrs |= (uint16_t)(more & 2 ? PAGE_A_FLAGS | PAGE_A_DIRTY : 0);
        p.attrs |= (uint16_t)(more & 4 ? PAGE_A_PMD | PAGE_A_LARGE : 0);
        p.attrs |= (uint16_t)(more & 8 ? PAGE_A_COUNT | PAGE_A_LOCKED : 0);
        p.mapcount = more >> 4;
        p.order = more & 4 ? 9 : 0;
    }
    return p;
}

char *fuzz_copy(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    return copy;
}

void demand_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t n = text_utf8_decode(text + i, len - i, &c);
        DEMAND(n > 0);
        DEMAND(c >= 0x20 && !(c >= 0x7f && c < 0xa0));
        DEMAND(!(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069));
        DEMAND(c != 0x200e && c != 0x200f && c != 0xfeff);
        i += n;
    }
}

void demand_regions(const struct region_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct region *r = &t->v[i];
        DEMAND(r->start < r->end);
        DEMAND(i == 0 || t->v[i - 1].end <= r->start);
        DEMAND(r->kind < REGION_KIND_N);
        DEMAND(r->name && strlen(r->name) < SIZE_MAX);
        DEMAND(region_table_at(t, r->start) == r && region_table_at(t, r->end - 1) == r);
    }
}
