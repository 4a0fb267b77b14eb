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
    put_known(j, "pmd", sum->no_pmd ? UINT64_MAX : sum->pmd);
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
        put_known(j, huge_block_name((enum huge_block)b),
                  b == BLOCK_HUGE && sum->no_pmd ? UINT64_MAX : sum->blocks[b]);
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
        put_known(j, "split_deferred", thp->deferred[order]);
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

static void put_numbers(struct buf *out, const struct huge_sum *s, uint64_t size)
{
    char blocks[48];
    put_size(out, size);
    if (s->no_pmd)
        buf_printf(out, " %6s", "?");
    else
        put_size(out, s->pmd);
    put_size(out, huge_large(s));
    put_size(out, s->small[0]);
    put_size(out, huge_pool(s));
    put_size(out, s->zero);
    put_size(out, s->unread);
    buf_printf(out, " %11s", huge_share(s, blocks, sizeof blocks));
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
    huge_sentences(s, m->target.geometry.page_shift, "    ", out);
}

int huge_table(const struct moment *m, const struct thp_settings *thp, struct buf *out)
{
    struct huge_sum sum, part;
    uint64_t size = 0, dull = 0;
    thp_sentences(thp, m->target.geometry.page_shift, out);
    if (!m->target.kpageflags.yes)
        buf_printf(out, "not seen: %s\n", m->target.kpageflags.why);
    buf_printf(out, "%-28s perm %6s %6s %6s %6s %6s %6s %6s %11s  %s\n", "range", "size", "pmd",
               "large", "small", "pool", "zero", "?", "huge/blocks", "name");
    for (size_t i = 0; i < m->regions->count; i++) {
        const struct region *r = &m->regions->v[i];
        huge_of_region(m, r, thp, &part);
        size += r->end - r->start;
        dull += huge_is_dull(&part);
        if (!huge_is_dull(&part))
            put_region(out, m, r, &part);
    }
    huge_of_all(m, thp, &sum);
    if (dull)
        buf_printf(out, "and %" PRIu64 " mappings without room for a huge page\n", dull);
    buf_printf(out, "%-33s", "total");
    put_numbers(out, &sum, size);
    buf_putc(out, '\n');
    huge_sentences(&sum, m->target.geometry.page_shift, "    ", out);
    return out->error;
}
