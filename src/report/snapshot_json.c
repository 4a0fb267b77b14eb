/* A moment as JSON: schema vmscope.snapshot/1. */
#include <stdio.h>

#include "base/json.h"
#include "report/huge.h"
#include "report/snapshot.h"
#include "report/snapshot_parts.h"
#include "report/totals_fields.h"

void snapshot_put_totals(struct json *j, const struct totals *t)
{
    struct totals_field f[TOTALS_FIELD_N];
    totals_fields(t, f);
    for (unsigned i = 0; i < TOTALS_FIELD_N; i++) {
        json_key(j, f[i].name);
        if (f[i].known)
            json_put_u64(j, f[i].value);
        else
            json_put_null(j);
    }
}

static void put_vmflags(struct json *j, const struct region_smaps *s)
{
    if (!s) {
        json_put_null(j);
        return;
    }
    json_open_array(j);
    for (unsigned i = 0; region_vmflag_name(i); i++)
        if (s->vmflags >> i & 1)
            json_put_string(j, region_vmflag_name(i));
    json_close_array(j);
}

void snapshot_put_known(struct json *j, const char *key, bool known, uint64_t value)
{
    json_key(j, key);
    if (known)
        json_put_u64(j, value);
    else
        json_put_null(j);
}

struct runs_ctx {
    struct json *j;
    const struct moment *m;
};

static int put_run(void *ctx, const struct page_run *run)
{
    const struct runs_ctx *c = ctx;
    struct json *j = c->j;
    const struct page *p = &run->first;
    bool framed = p->frame != PAGE_FRAME_UNKNOWN, swap = p->state == PAGE_SWAP;
    json_open_object(j);
    json_put_hex(json_key(j, "start"), moment_address(c->m, run->page));
    json_put_u64(json_key(j, "pages"), run->n);
    json_put_string(json_key(j, "state"), page_state_info(p->state)->name);
    json_open_array(json_key(j, "attrs"));
    for (unsigned i = 0; i < PAGE_ATTR_N; i++)
        if (p->attrs & page_attr_info(i)->bit)
            json_put_string(j, page_attr_info(i)->name);
    json_close_array(j);
    json_key(j, "pfn");
    if (framed && !swap)
        json_put_hex(j, p->frame);
    else
        json_put_null(j);
    snapshot_put_known(j, "mapcount", !swap && p->attrs & PAGE_A_COUNT, p->mapcount);
    snapshot_put_known(j, "order", p->order != PAGE_ORDER_UNKNOWN, p->order);
    if (swap) {
        json_put_u64(json_key(j, "swap_type"), p->mapcount);
        json_put_u64(json_key(j, "swap_offset"), p->frame);
    }
    json_close_object(j);
    return j->error;
}

static void put_huge(struct json *j, const struct moment *m, const struct region *r,
                     const struct thp_settings *thp)
{
    struct huge_sum sum;
    if (!thp)
        return;
    if (r)
        huge_of_region(m, r, thp, &sum);
    else
        huge_of_all(m, thp, &sum);
    huge_json(j, &sum);
}

static void put_region(struct json *j, const struct moment *m, const struct region *r, bool pages,
                       const struct thp_settings *thp)
{
    char text[32];
    struct totals t;
    json_open_object(j);
    json_put_hex(json_key(j, "start"), r->start);
    json_put_hex(json_key(j, "end"), r->end);
    region_perms_text(r->perms, text);
    json_put_string(json_key(j, "perms"), text);
    json_put_hex(json_key(j, "offset"), r->offset);
    snprintf(text, sizeof text, "%02x:%02x", r->dev_major, r->dev_minor);
    json_put_string(json_key(j, "dev"), text);
    json_put_u64(json_key(j, "inode"), r->inode);
    json_put_string(json_key(j, "name"), r->name);
    json_put_string(json_key(j, "kind"), region_kind_name(r->kind));
    json_key(j, "vmflags");
    put_vmflags(j, r->smaps);
    totals_of_region(m, r, &t);
    snapshot_put_totals(j, &t);
    put_huge(j, m, r, thp);
    if (pages) {
        struct runs_ctx ctx = {j, m};
        json_open_array(json_key(j, "runs"));
        pagetree_walk(m->tree, moment_page(m, r->start),
                      (r->end - r->start) >> m->target.geometry.page_shift, put_run, &ctx);
        json_close_array(j);
    }
    json_close_object(j);
}

static void put_can(struct json *j, const struct target_info *t)
{
    json_open_object(j);
    json_put_bool(json_key(j, "pfn"), t->pfn.yes);
    json_put_bool(json_key(j, "kpageflags"), t->kpageflags.yes);
    json_put_bool(json_key(j, "kpagecount"), t->kpagecount.yes);
    json_put_string(json_key(j, "faults"), t->faults);
    json_close_object(j);
}

static int put_snapshot(const struct moment *m, bool pages, const struct thp_settings *thp,
                        const struct family *f, struct buf *out)
{
    struct json j;
    struct totals t;
    json_init(&j, out);
    json_open_object(&j);
    json_put_string(json_key(&j, "schema"), "vmscope.snapshot/1");
    json_put_u64(json_key(&j, "pid"), (uint64_t)m->target.pid);
    json_put_string(json_key(&j, "comm"), m->target.comm);
    json_put_u64(json_key(&j, "page_size"), (uint64_t)1 << m->target.geometry.page_shift);
    json_open_object(json_key(&j, "sample"));
    json_put_u64(json_key(&j, "start_ns"), m->sample.start_ns);
    json_put_u64(json_key(&j, "span_ns"), m->sample.span_ns);
    json_put_u64(json_key(&j, "ranges_skipped"), m->sample.ranges_skipped);
    json_put_u64(json_key(&j, "lines_skipped"), m->regions->skipped);
    json_close_object(&j);
    json_key(&j, "can");
    put_can(&j, &m->target);
    totals_of_all(m, &t);
    json_open_object(json_key(&j, "totals"));
    snapshot_put_totals(&j, &t);
    put_huge(&j, m, NULL, thp);
    json_close_object(&j);
    if (thp)
        huge_json_settings(&j, thp, m->target.geometry.page_shift);
    json_open_array(json_key(&j, "regions"));
    for (size_t i = 0; i < m->regions->count; i++)
        put_region(&j, m, &m->regions->v[i], pages, thp);
    json_close_array(&j);
    if (f)
        family_put_json(&j, f);
    json_close_object(&j);
    int rc = json_end(&j);
    return rc ? rc : buf_putc(out, '\n');
}

int snapshot_json(const struct moment *m, bool pages, const struct thp_settings *thp,
                  struct buf *out)
{
    return put_snapshot(m, pages, thp, NULL, out);
}

int family_json(const struct family *f, const struct moment *root, bool pages,
                const struct thp_settings *thp, struct buf *out)
{
    return put_snapshot(root, pages, thp, f, out);
}
