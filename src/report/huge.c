/* Huge pages as a table and as JSON. */
#include "report/huge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* --- JSON --- */

static void put_known(struct json *j, const char *key, uint64_t v)
{
    json_key(j, key);
    if (v == UINT64_MAX)
        json_put_null(j);
    else
        json_put_u64(j, v);
}

void huge_json(struct json *j, const struct huge_sum *sum)
{
    json_open_object(json_key(j, "huge"));
    json_put_u64(json_key(j, "pmd"), sum->pmd);
    json_put_u64(json_key(j, "zero"), sum->zero);
    json_put_u64(json_key(j, "unread"), sum->unread);
    json_put_u64(json_key(j, "crooked"), sum->crooked);
    json_open_array(json_key(j, "small"));
    for (unsigned order = 0; order < HUGE_ORDERS; order++) {
        if (!sum->small[order])
            continue;
        json_open_object(j);
        json_put_u64(json_key(j, "order"), order);
        json_put_u64(json_key(j, "bytes"), sum->small[order]);
        if (order) {
            json_put_u64(json_key(j, "folios"), sum->folios[order]);
            json_put_u64(json_key(j, "partial"), sum->partial[order]);
        }
        json_close_object(j);
    }
    json_close_array(j);
    json_open_array(json_key(j, "hugetlb"));
    for (unsigned order = 0; order < HUGE_ORDERS; order++)
        if (sum->hugetlb[order]) {
            json_open_object(j);
            json_put_u64(json_key(j, "order"), order);
            json_put_u64(json_key(j, "bytes"), sum->hugetlb[order]);
            json_close_object(j);
        }
    json_close_array(j);
    json_put_u64(json_key(j, "block"), sum->block_bytes);
    json_open_object(json_key(j, "blocks"));
    for (unsigned b = 0; b < BLOCK_N; b++)
        json_put_u64(json_key(j, huge_block_name((enum huge_block)b)), sum->blocks[b]);
    json_close_object(j);
    json_put_u64(json_key(j, "edges"), sum->edges);
    json_close_object(j);
}

static void put_mode(struct json *j, const char *key, unsigned mode)
{
    json_key(j, key);
    if (mode == THP_UNKNOWN)
        json_put_null(j);
    else
        json_put_string(j, thp_mode_name((enum thp_mode)mode));
}

void huge_json_settings(struct json *j, const struct thp_settings *thp, unsigned page_shift)
{
    json_open_object(json_key(j, "thp"));
    put_mode(j, "anon", thp->anon);
    put_mode(j, "shmem", thp->shmem);
    json_open_array(json_key(j, "sizes"));
    for (unsigned order = 0; order < HUGE_ORDERS; order++) {
        if (thp->size[order] == THP_UNKNOWN)
            continue;
        json_open_object(j);
        json_put_u64(json_key(j, "order"), order);
        json_put_u64(json_key(j, "bytes"), (uint64_t)1 << (order + page_shift));
        put_mode(j, "mode", thp->size[order]);
        put_known(j, "nr_anon", thp->folios[order]);
        put_known(j, "nr_anon_partially_mapped", thp->partial[order]);
        json_close_object(j);
    }
    json_close_array(j);
    put_known(j, "max_ptes_none", thp->max_none);
    put_known(j, "max_ptes_swap", thp->max_swap);
    put_known(j, "max_ptes_shared", thp->max_shared);
    put_known(j, "pages_to_scan", thp->scan_pages);
    put_known(j, "scan_sleep_millisecs", thp->scan_ms);
    json_close_object(j);
}

/* --- the table --- */

static void put_size(struct buf *out, uint64_t bytes)
{
    char text[TEXT_SIZE_MAX];
    buf_printf(out, " %6s", bytes ? text_size(text, bytes) : ".");
}

static uint64_t large_of(const struct huge_sum *s)
{
    uint64_t sum = 0;
    for (unsigned order = 1; order < HUGE_ORDERS; order++)
        sum += s->small[order];
    return sum;
}

static uint64_t hugetlb_of(const struct huge_sum *s)
{
    uint64_t sum = 0;
    for (unsigned order = 0; order < HUGE_ORDERS; order++)
        sum += s->hugetlb[order];
    return sum;
}

static uint64_t blocks_of(const struct huge_sum *s)
{
    uint64_t sum = 0;
    for (unsigned b = 0; b < BLOCK_N; b++)
        sum += s->blocks[b];
    return sum;
}

static void put_numbers(struct buf *out, const struct huge_sum *s, uint64_t size)
{
    char blocks[48] = ".";
    uint64_t all = blocks_of(s);
    put_size(out, size);
    put_size(out, s->pmd);
    put_size(out, large_of(s));
    put_size(out, s->small[0]);
    put_size(out, hugetlb_of(s));
    put_size(out, s->zero);
    put_size(out, s->unread);
    if (all)
        snprintf(blocks, sizeof blocks, "%" PRIu64 "/%" PRIu64, s->blocks[BLOCK_HUGE], all);
    buf_printf(out, " %11s", blocks);
}

static void put_orders(struct buf *out, const struct huge_sum *s, unsigned page_shift)
{
    char text[TEXT_SIZE_MAX];
    for (unsigned order = 1; order < HUGE_ORDERS; order++) {
        if (!s->small[order])
            continue;
        buf_printf(out, "    %" PRIu64 " folios of %s mapped by small entries", s->folios[order],
                   text_size(text, (uint64_t)1 << (order + page_shift)));
        if (s->partial[order])
            buf_printf(out, ", %" PRIu64 " of them not wholly", s->partial[order]);
        buf_putc(out, '\n');
    }
    for (unsigned order = 0; order < HUGE_ORDERS; order++)
        if (s->hugetlb[order])
            buf_printf(out, "    %" PRIu64 " pages of %s from the hugetlb pool\n",
                       s->hugetlb[order] >> (order + page_shift),
                       text_size(text, (uint64_t)1 << (order + page_shift)));
    if (s->crooked)
        buf_printf(out, "    %s of large folios at addresses not aligned to their size\n",
                   text_size(text, s->crooked));
}

static void put_reasons(struct buf *out, const struct huge_sum *s)
{
    for (unsigned b = 0; b < BLOCK_N; b++)
        if (b != BLOCK_HUGE && s->blocks[b])
            buf_printf(out, "    %" PRIu64 " blocks: %s\n", s->blocks[b],
                       huge_block_sentence((enum huge_block)b));
}

/* A mapping without a whole block and without anything large says nothing. */
static bool is_dull(const struct huge_sum *s)
{
    return !blocks_of(s) && !large_of(s) && !hugetlb_of(s) && !s->pmd && !s->zero;
}

static void put_region(struct buf *out, const struct moment *m, const struct region *r,
                       const struct huge_sum *s)
{
    char perms[5], range[40], name[1024];
    region_perms_text(r->perms, perms);
    snprintf(range, sizeof range, "%012" PRIx64 "-%012" PRIx64, r->start, r->end);
    buf_printf(out, "%-28s %s", range, perms);
    put_numbers(out, s, r->end - r->start);
    text_escape(name, sizeof name, r->name, strlen(r->name));
    buf_printf(out, "  %s\n", name);
    put_orders(out, s, m->target.geometry.page_shift);
    put_reasons(out, s);
}

static void put_settings(struct buf *out, const struct thp_settings *thp, unsigned page_shift)
{
    char text[TEXT_SIZE_MAX];
    buf_printf(out, "transparent huge pages here: anonymous %s, shared memory %s",
               thp_mode_name((enum thp_mode)thp->anon), thp_mode_name((enum thp_mode)thp->shmem));
    for (unsigned order = 0; order < HUGE_ORDERS; order++)
        if (thp->size[order] == THP_MADVISE || thp->size[order] == THP_ALWAYS)
            buf_printf(out, ", %s %s", text_size(text, (uint64_t)1 << (order + page_shift)),
                       thp_mode_name((enum thp_mode)thp->size[order]));
    buf_putc(out, '\n');
    if (thp->scan_pages != UINT64_MAX && thp->scan_ms != UINT64_MAX)
        buf_printf(out, "khugepaged looks at %" PRIu64 " pages of the whole machine, then rests for "
                        "%" PRIu64 ".%" PRIu64 " s\n",
                   thp->scan_pages, thp->scan_ms / 1000, thp->scan_ms % 1000 / 100);
}

int huge_table(const struct moment *m, const struct thp_settings *thp, struct buf *out)
{
    struct huge_sum sum, part;
    uint64_t size = 0, dull = 0;
    put_settings(out, thp, m->target.geometry.page_shift);
    if (!m->target.kpageflags.yes)
        buf_printf(out, "not seen: %s\n", m->target.kpageflags.why);
    buf_printf(out, "%-28s perm %6s %6s %6s %6s %6s %6s %6s %11s  %s\n", "range", "size", "pmd",
               "large", "small", "pool", "zero", "?", "huge/blocks", "name");
    for (size_t i = 0; i < m->regions->count; i++) {
        const struct region *r = &m->regions->v[i];
        huge_of_region(m, r, thp, &part);
        size += r->end - r->start;
        dull += is_dull(&part);
        if (!is_dull(&part))
            put_region(out, m, r, &part);
    }
    huge_of_all(m, thp, &sum);
    if (dull)
        buf_printf(out, "and %" PRIu64 " mappings too small for a huge page\n", dull);
    buf_printf(out, "%-33s", "total");
    put_numbers(out, &sum, size);
    buf_putc(out, '\n');
    put_orders(out, &sum, m->target.geometry.page_shift);
    put_reasons(out, &sum);
    return out->error;
}
