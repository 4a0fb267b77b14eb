/* What stands behind a mapping. */
#include "model/backing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"
#include "model/model.h"

static const struct file_cache_entry *entry_of(const struct file_caches *caches, uint64_t start)
{
    size_t low = 0, high = caches ? caches->count : 0;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (caches->v[mid].start < start)
            low = mid + 1;
        else
            high = mid;
    }
    return caches && low < caches->count && caches->v[low].start == start ? &caches->v[low] : NULL;
}

struct walk {
    struct backing_sum *out;
    const struct region *r;
    unsigned shift;
    uint64_t *frames; /* of KSM pages */
    size_t count, cap;
};

static int add_ksm(struct walk *w, const struct page_run *run)
{
    void *p = w->frames;
    w->out->ksm += run->n << w->shift;
    if (run->first.frame == PAGE_FRAME_UNKNOWN)
        return 0;
    int rc = array_reserve(&p, &w->cap, w->count + run->n, sizeof *w->frames);
    w->frames = p;
    for (uint64_t i = 0; !rc && i < run->n; i++)
        w->frames[w->count++] = run->first.frame + i;
    return rc;
}

static int each_run(void *ctx, const struct page_run *run)
{
    struct walk *w = ctx;
    struct backing_sum *s = w->out;
    const struct page *p = &run->first;
    const struct page_state_info *info = page_state_info(p->state);
    uint64_t bytes = run->n << w->shift;
    s->here += p->state == PAGE_FILE || p->state == PAGE_SHMEM ? bytes : 0;
    s->private_copies += s->has_file && info->anon && info->present ? bytes : 0;
    s->swap += p->state == PAGE_SWAP || p->state == PAGE_SHMEM_SWAP ? bytes : 0;
    s->guard += p->state == PAGE_GUARD ? bytes : 0;
    s->uffd_wp += p->attrs & PAGE_A_UFFD_WP ? bytes : 0;
    s->slotted += p->attrs & PAGE_A_SWAPCACHE ? bytes : 0;
    s->locked += p->attrs & PAGE_A_LOCKED ? bytes : 0;
    s->lazy_free += p->attrs & PAGE_A_LAZYFREE ? bytes : 0;
    s->writeback += p->attrs & PAGE_A_WRITEBACK ? bytes : 0;
    s->no_flags |= info->present && p->state != PAGE_DEVICE && !(p->attrs & PAGE_A_FLAGS);
    return p->state == PAGE_KSM ? add_ksm(w, run) : 0;
}

static int by_frame(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t distinct(uint64_t *v, size_t count)
{
    uint64_t n = 0;
    if (count)
        qsort(v, count, sizeof *v, by_frame);
    for (size_t i = 0; i < count; i++)
        n += !i || v[i] != v[i - 1];
    return n;
}

int backing_of_region(const struct moment *m, const struct region *r,
                      const struct file_caches *caches, struct backing_sum *out)
{
    const struct file_cache_entry *e = entry_of(caches, r->start);
    struct walk w = {.out = out, .r = r, .shift = m->target.geometry.page_shift};
    *out = (struct backing_sum){.has_file = r->kind == REGION_FILE || r->kind == REGION_SHMEM};
    if (e && e->known) {
        out->has_cache = true;
        out->cache = e->cache;
    }
    int rc = pagetree_walk(m->tree, moment_page(m, r->start), (r->end - r->start) >> w.shift,
                           each_run, &w);
    out->no_ksm = out->no_flags && m->target.ksm_in_use;
    out->no_swap = r->shmem_swap == UINT64_MAX;
    out->ksm_frames = distinct(w.frames, w.count);
    free(w.frames);
    return rc;
}

static bool has_flag(const struct region *r, const char code[2])
{
    int bit = region_vmflag_bit(code);
    return r->smaps && bit >= 0 && r->smaps->vmflags >> bit & 1;
}

static const char *const special[] = {"lo", "lf", "mg", "um", "uw", "ui", "sl", "dp", "gu"};

bool backing_is_dull(const struct region *r, const struct backing_sum *s)
{
    for (unsigned i = 0; i < sizeof special / sizeof *special; i++)
        if (has_flag(r, special[i]))
            return false;
    return !s->has_file && !s->swap && !s->slotted && !s->ksm && !s->locked && !s->guard &&
           !s->uffd_wp && !s->lazy_free && !s->writeback;
}

/* --- words --- */

static void say(struct buf *out, uint64_t bytes, const char *what)
{
    char size[TEXT_SIZE_MAX];
    if (bytes)
        buf_printf(out, "%s %s\n", text_size(size, bytes), what);
}

static void say_file(const struct moment *m, const struct region *r,
                     const struct file_caches *caches, const struct backing_sum *s, struct buf *out)
{
    char cached[TEXT_SIZE_MAX], here[TEXT_SIZE_MAX], size[TEXT_SIZE_MAX];
    unsigned shift = m->target.geometry.page_shift;
    const char *file = r->kind == REGION_SHMEM ? "the shared memory" : "the file";
    if (!s->has_cache) {
        buf_printf(out, "%s mapped here; what else of %s is in memory is not known%s%s\n",
                   text_size(here, s->here), file, caches && !caches->can.yes ? ": " : " (yet)",
                   caches && !caches->can.yes ? caches->can.why : "");
        return;
    }
    uint64_t bytes = s->cache.cached << shift;
    buf_printf(out, "%s of the %s that %s has here are in memory; %s of it mapped here\n",
               text_size(cached, bytes), text_size(size, r->end - r->start), file,
               s->here == bytes ? "all" : text_size(here, s->here));
    say(out, bytes > s->here ? bytes - s->here : 0,
        "in memory but not mapped here: the first access is a minor fault");
    say(out, s->cache.dirty << shift, "newer than the disk");
    say(out, s->cache.writeback << shift, "being written back");
    say(out, s->cache.evicted << shift, r->kind == REGION_SHMEM
                                            ? "in swap"
                                            : "were in memory once and have been evicted");
}

static void say_flags(const struct region *r, struct buf *out)
{
    for (unsigned i = 0; i < sizeof special / sizeof *special; i++)
        if (has_flag(r, special[i]))
            buf_printf(out, "the mapping: %s (%s)\n",
                       region_vmflag_meaning((unsigned)region_vmflag_bit(special[i])), special[i]);
}

void backing_sentences(const struct moment *m, const struct region *r,
                       const struct file_caches *caches, const struct backing_sum *s,
                       struct buf *out)
{
    if (s->has_file)
        say_file(m, r, caches, s, out);
    say(out, s->private_copies, "private copies of pages of the file");
    say(out, s->swap, "in swap: the next access reads it back");
    say(out, s->slotted, "in memory that has kept its place in swap: evicting it costs no writing "
                         "while it stays clean");
    if (s->ksm)
        buf_printf(out, "%" PRIu64 " pages merged by KSM are %" PRIu64 " frames here\n",
                   s->ksm >> m->target.geometry.page_shift, s->ksm_frames);
    say(out, s->locked, "locked in memory");
    say(out, s->lazy_free, "given up by MADV_FREE: reclaim may drop it, a write keeps it");
    say(out, s->guard, "guard markers: any access ends in SIGSEGV");
    say(out, s->uffd_wp, "write-protected for userfaultfd");
    say_flags(r, out);
    if (s->no_swap)
        buf_puts(out, "what of it is in swap is not known\n");
    if (s->no_flags)
        buf_printf(out, "locks and places in swap are not known: %s\n",
                   m->target.kpageflags.yes ? "not all frame flags were read yet"
                                            : m->target.kpageflags.why);
}
