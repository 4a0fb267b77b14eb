/* What is read only because somebody asked: one page in full, VmFlags, orders of folios with the
 * machine's settings for them, what of the mapped files is in memory. */
#include <errno.h>
#include <stdlib.h>

#include "probe/detail.h"
#include "probe/file_cache.h"
#include "probe/thp.h"
#include "sampler/sampler_state.h"

enum { CACHES_MAX = 2048 }; /* mappings of files asked at once: some microseconds each */

int sampler_detail(struct sampler *s, uint64_t address, sampler_sink *sink, void *ctx)
{
    struct record *r = sampler_record(s, RECORD_DETAIL);
    if (!s->symbols)
        s->symbols = symbol_cache_create();
    if (!r || !s->symbols || !(r->detail = calloc(1, sizeof *r->detail))) {
        record_destroy(r);
        return -ENOMEM;
    }
    detail_read(&s->reader, &s->dir, s->symbols, s->regions, &s->target, address, r->detail);
    r->detail->t_ns = r->t_ns;
    return sink(ctx, r);
}

void sampler_ask_flags(struct sampler *s)
{
    s->flags_asked = true;
}

void sampler_ask_huge(struct sampler *s)
{
    if (!(s->options.want & PAGES_ORDERS))
        s->flags_asked = true;
    s->options.want |= PAGES_ORDERS;
}

void sampler_ask_caches(struct sampler *s)
{
    s->caches_asked = true;
}

/* A stand-in for /proc may have the settings beside it. */
static int send_thp(struct sampler *s, sampler_sink *sink, void *ctx)
{
    struct record *r = sampler_record(s, RECORD_THP);
    if (!r || !(r->thp = malloc(sizeof *r->thp))) {
        record_destroy(r);
        return -ENOMEM;
    }
    thp_read(s->options.proc_root, s->target.geometry.page_shift, r->thp);
    return sink(ctx, r);
}

static int send_caches(struct sampler *s, sampler_sink *sink, void *ctx)
{
    struct record *r = sampler_record(s, RECORD_CACHES);
    if (!r || file_caches_read(s->dir.fd, s->regions, CACHES_MAX, &r->caches)) {
        record_destroy(r);
        return -ENOMEM;
    }
    s->caches_asked = false;
    return sink(ctx, r);
}

int sampler_send_asked(struct sampler *s, sampler_sink *sink, void *ctx)
{
    int rc = s->options.want & PAGES_ORDERS ? send_thp(s, sink, ctx) : 0;
    if (!rc && s->caches_asked && s->regions)
        rc = send_caches(s, sink, ctx);
    return rc;
}
