/* A moment as a table for people, and as CSV. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "report/snapshot.h"
#include "report/snapshot_parts.h"
#include "report/totals_fields.h"

void snapshot_put_size(struct buf *out, uint64_t bytes, bool known)
{
    enum { WIDTH = 6 };
    char text[TEXT_SIZE_MAX], column[WIDTH + TEXT_SIZE_MAX];
    const char *size = known ? text_size(text, bytes) : "?";
    size_t len = strlen(size), blank = len < WIDTH ? WIDTH - len : 1;
    memset(column, ' ', blank);
    memcpy(column + blank, size, len);
    buf_append(out, column, blank + len);
}

static void put_totals(struct buf *out, const struct totals *t)
{
    snapshot_put_size(out, t->size, true);
    snapshot_put_size(out, t->resident, !t->no_resident);
    snapshot_put_size(out, t->anon, !t->no_anon);
    snapshot_put_size(out, t->file, !t->no_file);
    snapshot_put_size(out, t->shmem, !t->no_shmem);
    snapshot_put_size(out, t->swap, !t->no_swap);
    snapshot_put_size(out, t->pmd_mapped + t->hugetlb, !t->no_pmd_mapped && !t->no_resident);
    snapshot_put_size(out, t->shared, !t->no_shared);
    snapshot_put_size(out, t->cow, !t->no_cow);
}

void snapshot_put_name(struct buf *out, const char *name)
{
    char text[1024];
    text_escape(text, sizeof text, name, strlen(name));
    buf_puts(out, text);
}

/* Frames, counts and orders of one run, `?` where unknown. */
static void put_frame(struct buf *out, const struct page *p)
{
    if (p->state == PAGE_SWAP)
        buf_printf(out, "  swap %" PRIu32 ":%#" PRIx64, p->mapcount, p->frame);
    else if (!page_state_info(p->state)->present)
        return;
    else if (p->frame != PAGE_FRAME_UNKNOWN)
        buf_printf(out, "  pfn %#" PRIx64, p->frame);
    else
        buf_puts(out, "  pfn ?");
    if (p->state == PAGE_SWAP)
        return;
    if (p->attrs & PAGE_A_COUNT)
        buf_printf(out, " mapcount %" PRIu32, p->mapcount);
    if (p->order != PAGE_ORDER_UNKNOWN)
        buf_printf(out, " order %u", p->order);
}

struct runs_ctx {
    struct buf *out;
    const struct moment *m;
};

static int put_run(void *ctx, const struct page_run *run)
{
    const struct runs_ctx *c = ctx;
    const struct page *p = &run->first;
    buf_printf(c->out, "    %012" PRIx64 " %9" PRIu64 "  %-14s", moment_address(c->m, run->page),
               run->n, page_state_info(p->state)->name);
    put_frame(c->out, p);
    for (unsigned i = 0; i < PAGE_ATTR_N; i++)
        if (p->attrs & page_attr_info(i)->bit)
            buf_printf(c->out, " %s", page_attr_info(i)->name);
    return buf_putc(c->out, '\n');
}

static int walk_region(const struct moment *m, const struct region *r, pagetree_run_fn *each,
                       struct buf *out)
{
    struct runs_ctx ctx = {out, m};
    return pagetree_walk(m->tree, moment_page(m, r->start),
                         (r->end - r->start) >> m->target.geometry.page_shift, each, &ctx);
}

static void put_heading(struct buf *out, const struct moment *m)
{
    char comm[256];
    text_escape(comm, sizeof comm, m->target.comm, strlen(m->target.comm));
    buf_printf(out, "%s %d: %zu mappings, sampled in %.3g ms", comm, m->target.pid,
               m->regions->count, (double)m->sample.span_ns / 1e6);
    if (m->sample.ranges_skipped)
        buf_printf(out, ", %" PRIu64 " ranges could not be read", m->sample.ranges_skipped);
    if (m->regions->skipped)
        buf_printf(out, ", %zu lines of maps dropped", m->regions->skipped);
    buf_putc(out, '\n');
    const struct can *cans[] = {&m->target.pagemap, &m->target.scan, &m->target.pfn,
                                &m->target.kpageflags, &m->target.kpagecount};
    for (unsigned i = 0; i < sizeof cans / sizeof *cans; i++)
        if (!cans[i]->yes)
            buf_printf(out, "not seen: %s\n", cans[i]->why);
    buf_printf(out, "%-28s perm %5s %5s %5s %5s %5s %5s %5s %5s %5s  %s\n", "range", "size", "rss",
               "anon", "file", "shmem", "swap", "huge", "share", "cow", "name");
}

int snapshot_table(const struct moment *m, bool pages, struct buf *out)
{
    struct totals t;
    int rc = 0;
    put_heading(out, m);
    for (size_t i = 0; !rc && i < m->regions->count; i++) {
        const struct region *r = &m->regions->v[i];
        char perms[5], range[40];
        region_perms_text(r->perms, perms);
        snprintf(range, sizeof range, "%012" PRIx64 "-%012" PRIx64, r->start, r->end);
        buf_printf(out, "%-28s %s", range, perms);
        totals_of_region(m, r, &t);
        put_totals(out, &t);
        buf_puts(out, "  ");
        snapshot_put_name(out, r->name);
        rc = buf_putc(out, '\n');
        if (!rc && pages)
            rc = walk_region(m, r, put_run, out);
    }
    totals_of_all(m, &t);
    buf_printf(out, "%-33s", "total");
    put_totals(out, &t);
    buf_putc(out, '\n');
    return rc ? rc : out->error;
}

/* --- CSV (RFC 4180) --- */

void snapshot_put_quoted(struct buf *out, const char *name)
{
    char text[4096];
    text_escape(text, sizeof text, name, strlen(name));
    buf_putc(out, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            buf_putc(out, '"');
        buf_putc(out, *p);
    }
    buf_putc(out, '"');
}

void snapshot_csv_totals(struct buf *out, const struct totals *t)
{
    struct totals_field f[TOTALS_FIELD_N];
    totals_fields(t, f);
    for (unsigned i = 0; i < TOTALS_FIELD_N; i++) {
        buf_putc(out, ',');
        if (f[i].known)
            buf_printf(out, "%" PRIu64, f[i].value);
    }
}

void snapshot_csv_titles(struct buf *out)
{
    struct totals none = {0};
    struct totals_field f[TOTALS_FIELD_N];
    totals_fields(&none, f);
    for (unsigned i = 0; i < TOTALS_FIELD_N; i++)
        buf_printf(out, ",%s", f[i].name);
}

static int csv_regions(const struct moment *m, struct buf *out)
{
    struct totals t;
    buf_puts(out, "start,end,perms,offset,dev,inode,kind,name");
    snapshot_csv_titles(out);
    buf_putc(out, '\n');
    for (size_t i = 0; i < m->regions->count; i++) {
        const struct region *r = &m->regions->v[i];
        char perms[5];
        region_perms_text(r->perms, perms);
        buf_printf(out, "0x%" PRIx64 ",0x%" PRIx64 ",%s,0x%" PRIx64 ",%02x:%02x,%" PRIu64 ",%s,",
                   r->start, r->end, perms, r->offset, r->dev_major, r->dev_minor, r->inode,
                   region_kind_name(r->kind));
        snapshot_put_quoted(out, r->name);
        totals_of_region(m, r, &t);
        snapshot_csv_totals(out, &t);
        buf_putc(out, '\n');
    }
    buf_puts(out, ",,,,,,total,\"\"");
    totals_of_all(m, &t);
    snapshot_csv_totals(out, &t);
    buf_putc(out, '\n');
    return out->error;
}

static int csv_run(void *ctx, const struct page_run *run)
{
    const struct runs_ctx *c = ctx;
    const struct page *p = &run->first;
    buf_printf(c->out, "0x%" PRIx64 ",%" PRIu64 ",%s,", moment_address(c->m, run->page), run->n,
               page_state_info(p->state)->name);
    const char *separator = "";
    for (unsigned i = 0; i < PAGE_ATTR_N; i++)
        if (p->attrs & page_attr_info(i)->bit) {
            buf_printf(c->out, "%s%s", separator, page_attr_info(i)->name);
            separator = " ";
        }
    buf_putc(c->out, ',');
    if (p->frame != PAGE_FRAME_UNKNOWN && p->state != PAGE_SWAP)
        buf_printf(c->out, "0x%" PRIx64, p->frame);
    buf_putc(c->out, ',');
    if (p->attrs & PAGE_A_COUNT && p->state != PAGE_SWAP)
        buf_printf(c->out, "%" PRIu32, p->mapcount);
    buf_putc(c->out, ',');
    if (p->order != PAGE_ORDER_UNKNOWN)
        buf_printf(c->out, "%u", p->order);
    return buf_putc(c->out, '\n');
}

int snapshot_csv(const struct moment *m, bool pages, struct buf *out)
{
    if (!pages)
        return csv_regions(m, out);
    int rc = buf_puts(out, "start,pages,state,attrs,pfn,mapcount,order\n");
    for (size_t i = 0; !rc && i < m->regions->count; i++)
        rc = walk_region(m, &m->regions->v[i], csv_run, out);
    return rc ? rc : out->error;
}
