/* The sampler: what every sample needs, and the complete one. */
#include "sampler/sampler.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "probe/engine.h"
#include "probe/maps.h"
#include "probe/sysinfo.h"
#include "probe/uffd.h"
#include "sampler/sampler_state.h"
#include "sampler/split.h"

/* Populated pages read before they are folded: frames sort better in large batches. */
enum { BATCH_PAGES = 1 << 18 };

struct record *sampler_record(struct sampler *s, enum record_type type)
{
    return record_create(type, s->dir.pid, io_now_ns());
}

static int open_reader(struct sampler *s)
{
    int rc = page_reader_init(&s->reader, &s->dir, &s->target);
    if (rc)
        return rc;
    s->reader.pause_ns = s->options.pause_ns;
    pagetree_unref(s->shadow);
    s->shadow = pagetree_create(s->target.geometry.levels);
    region_table_unref(s->regions);
    region_table_unref(s->flagged);
    s->regions = s->flagged = NULL;
    s->target_sent = false;
    s->deep_at = s->quick_at = 0;
    s->quick_on = s->quick_done = false;
    s->deep_began_ns = s->deep_before_ns = 0;
    s->pending_count = 0;
    buf_clear(&s->maps);
    return s->shadow ? 0 : -ENOMEM;
}

int sampler_freshen(struct sampler *s)
{
    if (!s->stale)
        return 0;
    page_reader_deinit(&s->reader);
    s->target.uffd = false; /* it belonged to the address space of before */
    int rc = open_reader(s);
    s->stale = rc != 0;
    return rc;
}

/* KSM holds merged pages, or that cannot be read. */
static bool ksm_in_use(struct buf *scratch)
{
    const char *p;
    uint64_t n;
    if (io_read_at(-1, "/sys/kernel/mm/ksm/pages_shared", scratch))
        return true;
    p = scratch->data;
    return !text_dec(&p, scratch->data + scratch->len, &n) || n;
}

static void read_thp(struct target_info *info, struct buf *scratch)
{
    char chosen[16] = "";
    if (!io_read_at(-1, "/sys/kernel/mm/transparent_hugepage/enabled", scratch))
        sysinfo_chosen(scratch->data, chosen, sizeof chosen);
    info->thp_always = !strcmp(chosen, "always");
    info->thp_madvise = info->thp_always || !strcmp(chosen, "madvise");
}

/* A kernel without it has no such file. */
static bool numa_balances(struct buf *scratch)
{
    return !io_read_at(-1, "/proc/sys/kernel/numa_balancing", scratch) && scratch->len &&
           scratch->data[0] != '0';
}

static int first_look(struct sampler *s, struct err *e)
{
    int rc = sampler_read_counters(s);
    if (rc == -ESRCH)
        return err_set(e, rc, "process %d has ended; nothing is left to see", s->dir.pid);
    if (rc)
        return err_set(e, rc, "cannot read /proc/%d/stat: %s", s->dir.pid, strerror(-rc));
    rc = procdir_read(&s->dir, "maps", &s->text);
    if (rc == -EACCES || rc == -EPERM)
        return err_set(e, rc, "process %d belongs to user %u: reading its mappings is not "
                              "permitted; %s",
                       s->dir.pid, s->target.uid,
                       geteuid() ? "run vmscope as that user or with sudo"
                                 : "it needs CAP_SYS_PTRACE in that process's user namespace");
    if (!rc && !s->text.len && s->counters.vm_size == UINT64_MAX)
        return err_set(e, -ESRCH, "process %d has no memory of its own: it is a kernel thread or "
                                  "a zombie",
                       s->dir.pid);
    return 0;
}

/* If an exec comes between, the first sample opens everything again. */
static int first_opening(struct sampler *s, struct err *e)
{
    int rc = open_reader(s);
    s->stale = rc == -ESRCH;
    return rc && !s->stale ? err_set(e, rc, "cannot prepare to read pages: %s", strerror(-rc)) : 0;
}

int sampler_create(const struct sampler_options *options, struct sampler **out, struct err *e)
{
    struct sampler *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, -ENOMEM, "out of memory");
    s->options = *options;
    s->reader.pagemap_fd = s->reader.kpageflags_fd = s->reader.kpagecount_fd = -1;
    int rc = procdir_open(options->proc_root, options->pid, &s->dir, e);
    if (rc) {
        free(s);
        return rc;
    }
    s->target.pid = options->pid;
    snprintf(s->target.faults, sizeof s->target.faults, "%s",
             options->engine && s->dir.real ? engine_permitted(options->pid) : "none");
    rc = sysinfo_geometry(&s->target.geometry);
    if (rc)
        err_set(e, rc, "cannot tell the shape of page tables here: %s", strerror(-rc));
    read_thp(&s->target, &s->text);
    s->target.numa_balancing = numa_balances(&s->text);
    s->target.uffd = s->dir.real && uffd_is_open(&s->dir);
    s->target.ksm_in_use = !s->dir.real || ksm_in_use(&s->text);
    if (!rc && s->dir.real)
        rc = first_look(s, e);
    if (!rc)
        rc = first_opening(s, e);
    if (rc) {
        sampler_destroy(s);
        return rc;
    }
    *out = s;
    return 0;
}

void sampler_destroy(struct sampler *s)
{
    if (!s)
        return;
    page_reader_deinit(&s->reader);
    procdir_close(&s->dir);
    symbol_cache_destroy(s->symbols);
    mounts_deinit(&s->mounts);
    buf_deinit(&s->text);
    buf_deinit(&s->maps);
    region_table_unref(s->regions);
    region_table_unref(s->flagged);
    pagetree_unref(s->shadow);
    run_vec_deinit(&s->runs);
    run_vec_deinit(&s->old);
    run_vec_deinit(&s->merged);
    free(s);
}

int sampler_read_counters(struct sampler *s)
{
    struct stat_line stat;
    int rc = procdir_read(&s->dir, "stat", &s->text);
    if (rc == -ENOENT || procdir_ended(&s->dir))
        rc = -ESRCH;
    if (rc)
        return rc;
    rc = stat_parse(s->text.data, s->text.len, &stat);
    if (rc)
        return rc;
    if (stat.run_state == 'Z' || stat.run_state == 'X')
        return -ESRCH;
    struct counters c = {.min_flt = stat.min_flt, .maj_flt = stat.maj_flt,
                         .run_state = stat.run_state};
    rc = procdir_read(&s->dir, "status", &s->text);
    status_parse(s->text.data, rc ? 0 : s->text.len, &c, &s->target.uid);
    /* The last thing that a process keeps is its entry here: it dies without memory. */
    if (s->dir.real && s->shadow && c.vm_size == UINT64_MAX)
        return -ESRCH;
    s->active = memcmp(&c, &s->counters, offsetof(struct counters, threads)) != 0;
    s->maps_moved |= s->active;
    s->pages_moved |= s->active;
    s->counters = c;
    if (strcmp(s->target.comm, stat.comm) || s->target.start_ticks != stat.start_ticks) {
        memcpy(s->target.comm, stat.comm, sizeof stat.comm);
        s->target.start_ticks = stat.start_ticks;
    }
    return 0;
}

int sampler_send_target(struct sampler *s, sampler_sink *sink, void *ctx)
{
    if (s->target_sent)
        return 0;
    struct record *r = sampler_record(s, RECORD_TARGET);
    if (!r || !(r->target = malloc(sizeof *r->target))) {
        record_destroy(r);
        return -ENOMEM;
    }
    *r->target = s->target;
    s->target_sent = true;
    return sink(ctx, r);
}

int sampler_announce(struct sampler *s, sampler_sink *sink, void *ctx)
{
    s->target.comm[0] = '\0';
    return sampler_send_target(s, sink, ctx);
}

int sampler_send_gone(struct sampler *s, int error, sampler_sink *sink, void *ctx)
{
    struct record *r = sampler_record(s, RECORD_GONE);
    if (!r)
        return -ENOMEM;
    s->gone = true;
    r->gone.error = error == -ESRCH ? 0 : error;
    if (r->gone.error)
        snprintf(r->gone.text, sizeof r->gone.text, "cannot be read any more: %s", strerror(-error));
    else
        snprintf(r->gone.text, sizeof r->gone.text, "process %d has ended", s->dir.pid);
    return sink(ctx, r);
}

/* The record takes the runs over if they are not needed any more, else it gets a copy. */
static int send_runs(struct sampler *s, uint64_t page, uint64_t n, struct run_vec *runs,
                     sampler_sink *sink, void *ctx)
{
    struct record *r = sampler_record(s, RECORD_PAGES);
    if (!r)
        return -ENOMEM;
    r->pages.start = page;
    r->pages.n = n;
    r->pages.count = runs->count;
    if (s->options.once) {
        r->pages.runs = runs->v;
        *runs = (struct run_vec){0};
    } else if (runs->count) {
        r->pages.runs = malloc(runs->count * sizeof *runs->v);
        if (!r->pages.runs) {
            record_destroy(r);
            return -ENOMEM;
        }
        memcpy(r->pages.runs, runs->v, runs->count * sizeof *runs->v);
    }
    return sink(ctx, r);
}

/* Page number in the tree; `end` addresses are exclusive, and 0 or UINT64_MAX mean the very end. */
static uint64_t page_of(const struct sampler *s, uint64_t address, bool is_end)
{
    const struct geometry *g = &s->target.geometry;
    uint64_t all = (uint64_t)1 << (g->levels * PAGETREE_FANOUT_BITS);
    uint64_t page = (is_end ? address - 1 : address) >> g->page_shift & (all - 1);
    return is_end ? (address == UINT64_MAX ? all : page + 1) : page;
}

int sampler_send_pages(struct sampler *s, uint64_t start, uint64_t end, struct run_vec *runs,
                       sampler_sink *sink, void *ctx)
{
    struct pagetree *tree;
    uint64_t page = page_of(s, start, false), stop = page_of(s, end, true);
    if (stop <= page)
        return runs->count ? -EINVAL : 0;
    if (s->options.once)
        return send_runs(s, page, stop - page, runs, sink, ctx);
    int rc = pagetree_replace(s->shadow, page, stop - page, runs->v, runs->count, &tree);
    if (rc)
        return rc;
    bool changed = tree != s->shadow;
    pagetree_unref(s->shadow);
    s->shadow = tree;
    return changed ? send_runs(s, page, stop - page, runs, sink, ctx) : 0;
}

int sampler_send_sample(struct sampler *s, uint64_t start_ns, uint64_t cpu_ns, uint64_t oldest_ns,
                        sampler_sink *sink, void *ctx)
{
    int rc = sampler_send_asked(s, sink, ctx);
    struct record *r = rc ? NULL : sampler_record(s, RECORD_SAMPLE);
    if (!r)
        return rc ? rc : -ENOMEM;
    r->sample.info = (struct sample_info){.number = ++s->number,
                                          .start_ns = start_ns,
                                          .span_ns = r->t_ns - start_ns,
                                          .cpu_ns = cpu_ns,
                                          .sweep_ns = oldest_ns ? r->t_ns - oldest_ns : UINT64_MAX,
                                          .pages_read = s->reader.pages_read,
                                          .ranges_skipped = s->reader.ranges_skipped,
                                          .cpu_permille = s->cpu_permille,
                                          .complete = oldest_ns != 0};
    r->sample.counters = s->counters;
    return sink(ctx, r);
}

/* --- regions --- */

/* Parts of the old mappings that the new ones do not cover hold nothing any more. */
static int clear_unmapped(struct sampler *s, const struct region_table *old,
                          const struct region_table *now, sampler_sink *sink, void *ctx)
{
    struct run_vec nothing = {0};
    size_t j = 0;
    int rc = 0;
    for (size_t i = 0; !rc && i < old->count; i++) {
        uint64_t at = old->v[i].start, end = old->v[i].end;
        while (!rc && at < end) {
            while (j < now->count && now->v[j].end <= at)
                j++;
            uint64_t next = j < now->count ? now->v[j].start : UINT64_MAX;
            if (next > at)
                rc = sampler_send_pages(s, at, next < end ? next : end, &nothing, sink, ctx);
            at = next > at ? next : now->v[j].end;
        }
        /* A later old region may still need the same new one. */
        while (j && now->v[j - 1].end > end)
            j--;
    }
    return rc;
}

/* Where the file behind shared memory can be asked, its swapped pages become states in the tree;
 * else only smaps can tell how many there are. */
static void mark_shmem_swap(struct sampler *s, struct region_table *t)
{
    if (!s->reader.swap_in_use)
        return;
    for (size_t i = 0; i < t->count; i++) {
        struct region *r = &t->v[i];
        uint64_t bytes = UINT64_MAX;
        if (r->kind == REGION_SHMEM && !page_reader_shmem_swap(&s->reader, r, &bytes))
            bytes = UINT64_MAX;
        if (r->kind == REGION_SHMEM)
            r->shmem_swap = bytes;
    }
}

static int parse_maps(struct sampler *s, struct region_table **out)
{
    const char *bytes = s->maps.len ? s->maps.data : "";
    return s->options.smaps ? smaps_parse(bytes, s->maps.len, &s->mounts, out)
                            : maps_parse(bytes, s->maps.len, &s->mounts, out);
}

/* Files without a block device may be shared memory or hugetlb: only then mounts matter. */
static bool needs_mounts(const struct region_table *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->v[i].inode && !t->v[i].dev_major)
            return true;
    return false;
}

static int parse_regions(struct sampler *s, struct region_table **out)
{
    struct region_table *t;
    int rc = parse_maps(s, &t);
    if (!rc && !s->mounts_read && needs_mounts(t)) {
        region_table_unref(t);
        s->mounts_read = true;
        rc = mounts_read(&s->mounts, &s->dir, &s->text);
        if (!rc)
            rc = parse_maps(s, &t);
    }
    if (!rc)
        *out = t;
    return rc;
}

/* A kernel may have no smaps (CONFIG_PROC_PAGE_MONITOR). No maps, or empty ones, mean that the
 * process has ended, or just begun another program. */
static int read_maps(struct sampler *s)
{
    int rc = s->options.smaps ? procdir_read(&s->dir, "smaps", &s->text) : -ENOENT;
    if (rc == -ENOENT) {
        s->options.smaps = false;
        rc = procdir_read(&s->dir, "maps", &s->text);
    }
    if (!rc && !s->text.len && s->dir.real)
        rc = -ESRCH;
    return rc == -ENOENT ? -ESRCH : rc;
}

int sampler_read_flags(struct sampler *s)
{
    struct region_table *t;
    int rc = procdir_read(&s->dir, "smaps", &s->text);
    if (rc == -ENOENT || rc == -ESRCH || rc == -EACCES)
        return 0; /* no flags then: they are not worth a failure */
    if (!rc)
        rc = smaps_parse(s->text.data, s->text.len, &s->mounts, &t);
    if (rc)
        return rc;
    region_table_unref(s->flagged);
    s->flagged = t;
    s->flags_asked = false;
    buf_clear(&s->maps); /* the table is made again, with the flags */
    return 0;
}

static int send_regions(struct sampler *s, struct region_table *now, sampler_sink *sink, void *ctx)
{
    struct region_table *old = s->regions;
    struct record *r = sampler_record(s, RECORD_REGIONS);
    int rc = -ENOMEM;
    s->regions = now;
    if (r) {
        r->regions = region_table_ref(now);
        rc = sink(ctx, r);
    }
    if (!rc && old)
        rc = clear_unmapped(s, old, now, sink, ctx);
    region_table_unref(old);
    return rc;
}

int sampler_read_regions(struct sampler *s, sampler_sink *sink, void *ctx)
{
    int rc = read_maps(s);
    if (rc)
        return rc;
    if (s->regions && s->text.len == s->maps.len &&
        (!s->maps.len || !memcmp(s->text.data, s->maps.data, s->maps.len)))
        return 0;
    struct buf swap = s->maps;
    s->maps = s->text;
    s->text = swap;
    struct region_table *now;
    rc = parse_regions(s, &now);
    if (!rc && s->flagged && !s->options.smaps && (rc = region_table_take_flags(now, s->flagged)))
        region_table_unref(now);
    if (rc) {
        buf_clear(&s->maps); /* so that the next reading is parsed again */
        return rc;
    }
    mark_shmem_swap(s, now);
    return send_regions(s, now, sink, ctx);
}

/* --- the complete sample --- */

/* Runs go on in portions: those of a gigabyte in single frames would take much memory at once. */
static int send_batch(struct sampler *s, uint64_t at, uint64_t end, sampler_sink *sink, void *ctx)
{
    enum { PORTION = 1 << 15 };
    uint64_t upto = at;
    int rc = 0;
    while (!rc && upto < end) {
        s->runs.count = 0;
        rc = page_reader_emit(&s->reader, s->options.want, PORTION, &s->runs, end, &upto);
        if (!rc)
            rc = sampler_send_pages(s, at, upto, &s->runs, sink, ctx);
        at = upto;
    }
    return rc;
}

static int read_range(struct sampler *s, uint64_t at, uint64_t end, sampler_sink *sink, void *ctx)
{
    int rc = 0;
    while (!rc && at < end) {
        uint64_t stopped = end;
        rc = page_reader_collect(&s->reader, s->regions, at, end, s->options.want, BATCH_PAGES,
                                 &stopped);
        if (!rc)
            rc = send_batch(s, at, stopped, sink, ctx);
        at = stopped;
    }
    return rc;
}

/* A glance at the largest mapping: is it made of huge pages? */
static bool mostly_huge(struct sampler *s)
{
    const struct region *largest = NULL;
    uint64_t stopped, huge = 0, all = 0;
    for (size_t i = 0; i < s->regions->count; i++)
        if (!largest || s->regions->v[i].end - s->regions->v[i].start >
                            largest->end - largest->start)
            largest = &s->regions->v[i];
    s->runs.count = 0;
    if (!largest || page_reader_read(&s->reader, s->regions, largest->start, largest->end, 0, 4096,
                                     &s->runs, &stopped))
        return false;
    for (size_t i = 0; i < s->runs.count; i++) {
        all += s->runs.v[i].n;
        huge += s->runs.v[i].first.attrs & PAGE_A_PMD ? s->runs.v[i].n : 0;
    }
    return huge > all / 2;
}

static bool is_worth_two(struct sampler *s)
{
    enum { RSS_LEAST = 64 << 20 };
    if (s->counters.rss == UINT64_MAX || s->counters.rss < RSS_LEAST)
        return false;
    return !s->options.want || mostly_huge(s);
}

static int send_piece(struct sampler *s, struct split_piece *p, sampler_sink *sink, void *ctx)
{
    int rc = p->rc;
    if (!rc && p->stopped > p->start)
        rc = sampler_send_pages(s, p->start, p->stopped, &p->runs, sink, ctx);
    return rc ? rc : read_range(s, p->stopped, p->end, sink, ctx);
}

static int read_everything(struct sampler *s, sampler_sink *sink, void *ctx)
{
    struct split split;
    if (!is_worth_two(s) || !split_read(&split, &s->reader, &s->dir, &s->target, s->regions,
                                        s->options.want))
        return read_range(s, 0, UINT64_MAX, sink, ctx);
    s->reader.pages_read += split.pages_read;
    s->reader.ranges_skipped += split.ranges_skipped;
    int rc = 0;
    for (unsigned i = 0; !rc && i < SPLIT_PIECES; i++)
        rc = send_piece(s, &split.piece[i], sink, ctx);
    split_deinit(&split);
    return rc;
}

static int full_once(struct sampler *s, sampler_sink *sink, void *ctx)
{
    uint64_t start = io_now_ns(), cpu = io_process_cpu_ns();
    int rc = sampler_freshen(s);
    if (!rc)
        rc = sampler_read_counters(s);
    if (!rc)
        rc = sampler_send_target(s, sink, ctx);
    if (!rc && s->flags_asked)
        rc = sampler_read_flags(s);
    if (!rc)
        rc = s->options.flags ? sampler_read_mappings(s, sink, ctx)
                              : sampler_read_regions(s, sink, ctx);
    if (!rc)
        rc = read_everything(s, sink, ctx);
    s->cpu_ns = io_process_cpu_ns() - cpu;
    s->wall_ns = io_now_ns() - start;
    return rc ? rc : sampler_send_sample(s, start, s->cpu_ns, start, sink, ctx);
}

int sampler_full(struct sampler *s, sampler_sink *sink, void *ctx, struct err *e)
{
    enum { TRIES = 20 };
    int rc = full_once(s, sink, ctx);
    /* An exec gave the process a new address space; the old one answers that it is gone. */
    for (unsigned i = 1; rc == -ESRCH && i < TRIES && sampler_read_counters(s) == 0; i++) {
        s->stale = true;
        rc = full_once(s, sink, ctx);
    }
    s->stale |= rc == -ESRCH;
    if (rc == -ESRCH && sampler_read_counters(s) == 0)
        return err_set(e, -EAGAIN, "process %d starts new programs faster than it can be read",
                       s->dir.pid);
    if (rc == -ESRCH)
        return sampler_send_gone(s, rc, sink, ctx);
    if (rc)
        err_set(e, rc, "cannot read process %d: %s", s->dir.pid, strerror(-rc));
    return rc;
}

void sampler_look(struct sampler *s, uint64_t start, uint64_t end)
{
    s->look = (struct span){start, end};
}

bool sampler_gone(const struct sampler *s)
{
    return s->gone;
}

void sampler_cost(const struct sampler *s, uint64_t *cpu_ns, uint64_t *wall_ns)
{
    *cpu_ns = s->cpu_ns;
    *wall_ns = s->wall_ns;
}
