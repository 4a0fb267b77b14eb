/* Samples of a family. Each process is read by a sampler of its own, which lives only that long:
 * a thousand processes would need more descriptors than a process may have. */
#include "sampler/family.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "model/family.h"
#include "probe/descendants.h"
#include "probe/pages_pool.h"
#include "sampler/sampler_state.h"

/* What moves when a process's pages do. */
struct sign {
    uint64_t faults, vm_size;
    uint64_t rss_pages; /* UINT64_MAX: not looked at since it was read */
};

struct family_sampler {
    struct sampler_options options;
    struct descendants known; /* of the last sample: an orphan stays in its family */
    uint64_t *known_ticks;    /* when they began */
    struct sign *signs;       /* likewise */
    size_t next;              /* where the next look for changes begins */
    struct mount_kinds mounts;
    bool mounts_read;
    struct buf text;
    uint64_t number;
    uint64_t cpu_ns, wall_ns; /* of reading and folding the last one; of its reading */
};

struct family_sampler *family_sampler_create(const struct sampler_options *options)
{
    struct family_sampler *s = calloc(1, sizeof *s);
    if (s)
        s->options = *options;
    return s;
}

void family_sampler_destroy(struct family_sampler *s)
{
    if (!s)
        return;
    descendants_deinit(&s->known);
    free(s->known_ticks);
    free(s->signs);
    mounts_deinit(&s->mounts);
    buf_deinit(&s->text);
    free(s);
}

/* One sample in the making. */
struct taking {
    struct family_sampler *s;
    struct family_picture *picture;
    struct pages_pool *pool; /* NULL until a process was opened */
};

static int discard(void *ctx, struct record *r)
{
    (void)ctx;
    record_destroy(r);
    return 0;
}

/* --- one process --- */

/* Pss of smaps_rollup, where map counts cannot be had: the kernel adds it up itself. */
static uint64_t rollup_pss(struct sampler *one)
{
    uint64_t kilobytes;
    bool counted = one->target.kpagecount.yes && one->target.pfn.yes;
    if (counted || !one->options.once || procdir_read(&one->dir, "smaps_rollup", &one->text) ||
        !text_field(one->text.data, one->text.len, "Pss:", &kilobytes))
        return UINT64_MAX;
    return kilobytes * 1024;
}

static pid_t parent_of(struct sampler *one)
{
    struct stat_line line;
    if (procdir_read(&one->dir, "stat", &one->text) ||
        stat_parse(one->text.data, one->text.len, &line))
        return 0;
    return line.ppid;
}

/* Fills *reading from a sampler of that process. */
static int read_member(struct taking *t, struct sampler *one, struct family_reading *reading)
{
    size_t at = t->picture->order_count, pieces = 0;
    int rc = sampler_freshen(one);
    if (!rc)
        rc = sampler_read_counters(one);
    if (!rc)
        rc = sampler_read_regions(one, discard, NULL);
    if (!rc && !t->pool && !(t->pool = pages_pool_create(&one->target.geometry)))
        rc = -ENOMEM;
    if (!rc)
        rc = pages_pool_add(t->pool, &one->reader, one->regions, t->picture, &pieces);
    if (rc)
        return rc;
    *reading = (struct family_reading){
        .target = one->target, .ppid = parent_of(one), .counters = one->counters,
        .regions = region_table_ref(one->regions), .pieces_at = at, .pieces = pieces,
        .rollup_pss = rollup_pss(one), .ranges_skipped = one->reader.ranges_skipped};
    t->picture->sample.pages_read += one->reader.pages_read;
    return 0;
}

/* A process that begins another program while it is read answers that it is gone. */
static int read_member_again(struct taking *t, struct sampler *one, struct family_reading *reading)
{
    enum { TRIES = 20 };
    int rc = read_member(t, one, reading);
    for (unsigned i = 1; rc == -ESRCH && i < TRIES && sampler_read_counters(one) == 0; i++) {
        one->stale = true;
        rc = read_member(t, one, reading);
    }
    return rc;
}

/* What is known without its memory. */
static void read_closed(struct taking *t, const struct descendant *who, const struct err *e,
                        struct family_reading *reading)
{
    struct stat_line line;
    char path[4096];
    *reading = (struct family_reading){.ppid = who->ppid, .rollup_pss = UINT64_MAX};
    reading->target.pid = who->pid;
    memcpy(reading->why, e->text, strnlen(e->text, sizeof reading->why - 1));
    snprintf(path, sizeof path, "%s/%d/stat",
             t->s->options.proc_root ? t->s->options.proc_root : "/proc", who->pid);
    if (io_read_at(AT_FDCWD, path, &t->s->text) ||
        stat_parse(t->s->text.data, t->s->text.len, &line))
        return;
    memcpy(reading->target.comm, line.comm, sizeof line.comm);
    reading->target.start_ticks = line.start_ticks;
    reading->ppid = line.ppid;
}

/* Mounts are alike for most of a family: what one sampler read serves the others. */
static void lend_mounts(struct family_sampler *s, struct sampler *one, bool back)
{
    if (back) {
        s->mounts = one->mounts;
        s->mounts_read = one->mounts_read;
        one->mounts = (struct mount_kinds){0};
    } else {
        one->mounts = s->mounts;
        one->mounts_read = s->mounts_read;
        s->mounts = (struct mount_kinds){0};
    }
}

/* 0 with *reading filled, -ESRCH if it has ended, or another negative errno with *e set. */
static int read_process(struct taking *t, const struct descendant *who,
                        struct family_reading *reading, struct err *e)
{
    struct sampler_options options = t->s->options;
    struct sampler *one;
    options.pid = who->pid;
    int rc = sampler_create(&options, &one, e);
    if (rc)
        return rc;
    lend_mounts(t->s, one, false);
    rc = read_member_again(t, one, reading);
    lend_mounts(t->s, one, true);
    sampler_destroy(one);
    return rc ? err_set(e, rc, "cannot read process %d: %s", who->pid, strerror(-rc)) : 0;
}

/* --- the family --- */

static int add_reading(struct taking *t, const struct family_reading *reading)
{
    struct family_picture *p = t->picture;
    void *v = p->v;
    int rc = array_reserve(&v, &p->cap, p->count + 1, sizeof *p->v);
    p->v = v;
    if (rc)
        region_table_unref(reading->regions);
    else
        p->v[p->count++] = *reading;
    return rc;
}

static int read_each(struct taking *t, const struct descendants *d, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < d->count; i++) {
        struct family_reading reading;
        if (t->picture->count == FAMILY_MAX) {
            t->picture->left_out = d->count - i;
            break;
        }
        rc = read_process(t, &d->v[i], &reading, e);
        if (i && (rc == -EACCES || rc == -EPERM)) {
            read_closed(t, &d->v[i], e, &reading);
            rc = 0;
        }
        if (!rc && (rc = add_reading(t, &reading)))
            return err_set(e, rc, "out of memory");
        if (rc == -ESRCH && i) {
            t->picture->vanished++;
            rc = 0;
        }
    }
    return rc;
}

static bool lists(const struct descendants *d, pid_t pid)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->v[i].pid == pid)
            return true;
    return false;
}

/* False when it has ended. */
static bool read_stat(struct family_sampler *s, pid_t pid, struct stat_line *line)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%d/stat", s->options.proc_root ? s->options.proc_root : "/proc",
             pid);
    return !io_read_at(AT_FDCWD, path, &s->text) &&
           !stat_parse(s->text.data, s->text.len, line) && line->run_state != 'Z' &&
           line->run_state != 'X';
}

static uint64_t ticks_of(struct family_sampler *s, pid_t pid)
{
    struct stat_line line;
    return read_stat(s, pid, &line) ? line.start_ticks : 0;
}

/* A process whose parent has ended is init's child now, and still of this family. */
static int keep_orphans(struct family_sampler *s, struct descendants *d)
{
    for (size_t i = 1; i < s->known.count; i++) {
        const struct descendant *old = &s->known.v[i];
        if (lists(d, old->pid) || !s->known_ticks[i] ||
            ticks_of(s, old->pid) != s->known_ticks[i])
            continue;
        void *v = d->v;
        int rc = array_reserve(&v, &d->cap, d->count + 1, sizeof *d->v);
        d->v = v;
        if (rc)
            return rc;
        d->v[d->count++] = *old;
    }
    return 0;
}

/* As they were when its reading began. */
static struct sign sign_of(const struct counters *c)
{
    return (struct sign){c->min_flt + c->maj_flt, c->vm_size, UINT64_MAX};
}

static void remember(struct family_sampler *s, const struct family_picture *p)
{
    struct descendants now = {0};
    uint64_t *ticks = malloc(p->count * sizeof *ticks);
    struct sign *signs = malloc(p->count * sizeof *signs);
    now.v = malloc(p->count * sizeof *now.v);
    if (!ticks || !signs || !now.v) {
        free(ticks);
        free(signs);
        free(now.v);
        return;
    }
    for (size_t i = 0; i < p->count; i++) {
        now.v[i] = (struct descendant){p->v[i].target.pid, p->v[i].ppid};
        ticks[i] = p->v[i].target.start_ticks;
        signs[i] = sign_of(&p->v[i].counters);
    }
    now.count = now.cap = p->count;
    descendants_deinit(&s->known);
    free(s->known_ticks);
    free(s->signs);
    s->known = now;
    s->known_ticks = ticks;
    s->signs = signs;
}

static int read_members(struct taking *t, const struct descendants *d, struct err *e)
{
    struct family_sampler *s = t->s;
    int rc = read_each(t, d, e);
    if (rc || !t->pool)
        return rc;
    int root = open(s->options.proc_root ? s->options.proc_root : "/proc",
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = root < 0 ? -errno : pages_pool_finish(t->pool, root, PAGES_ALL, t->picture);
    if (root >= 0)
        close(root);
    return rc ? err_set(e, rc, "cannot read the frames of the family of %d: %s", s->options.pid,
                        strerror(-rc))
              : 0;
}

static int read_family(struct taking *t, struct err *e)
{
    struct family_sampler *s = t->s;
    struct descendants d;
    int rc = descendants_read(s->options.proc_root, s->options.pid, &d);
    if (!rc && (rc = keep_orphans(s, &d)))
        descendants_deinit(&d);
    if (rc)
        return err_set(e, rc, "cannot list the children of %d: %s", s->options.pid, strerror(-rc));
    rc = read_members(t, &d, e);
    descendants_deinit(&d);
    return rc;
}

/* The picture is folded here: for a thousand processes that takes seconds, in which a screen could
 * not answer keys. */
static int send(struct taking *t, bool part, sampler_sink *sink, void *ctx)
{
    struct record *r = record_create(RECORD_FAMILY, t->s->options.pid, io_now_ns());
    if (!r)
        return -ENOMEM;
    r->family.made = t->s->options.once ? family_sum_up(t->picture) : family_create(t->picture);
    r->family.picture = t->picture;
    r->family.part = part;
    t->picture = NULL;
    if (!r->family.made) {
        record_destroy(r);
        return -ENOMEM;
    }
    return sink(ctx, r);
}

int family_sampler_take(struct family_sampler *s, sampler_sink *sink, void *ctx, struct err *e)
{
    uint64_t start = io_now_ns(), cpu = io_thread_cpu_ns();
    struct taking t = {.s = s, .picture = family_picture_create()};
    int rc = t.picture ? read_family(&t, e) : err_set(e, -ENOMEM, "out of memory");
    pages_pool_destroy(t.pool);
    uint64_t reading = io_thread_cpu_ns() - cpu;
    s->wall_ns = io_now_ns() - start;
    if (!rc) {
        struct sample_info *info = &t.picture->sample;
        *info = (struct sample_info){.number = ++s->number, .start_ns = start,
                                     .span_ns = s->wall_ns, .cpu_ns = reading,
                                     .pages_read = info->pages_read, .complete = true};
        remember(s, t.picture);
        rc = send(&t, false, sink, ctx);
    }
    family_picture_destroy(t.picture);
    s->cpu_ns = io_thread_cpu_ns() - cpu;
    return rc;
}

/* --- between whole readings --- */

/* Whether its pages have moved since they were read; then it is to be read again. */
static bool has_moved(struct family_sampler *s, size_t i)
{
    struct stat_line line;
    if (!read_stat(s, s->known.v[i].pid, &line) || line.start_ticks != s->known_ticks[i])
        return false;
    struct sign *known = &s->signs[i];
    const struct sign now = {line.min_flt + line.maj_flt, line.vm_size, line.rss_pages};
    bool first = known->rss_pages == UINT64_MAX;
    bool moved = now.faults != known->faults || now.vm_size != known->vm_size ||
                 (!first && now.rss_pages != known->rss_pages);
    *known = now;
    return moved;
}

static int add_once(struct descendants *d, const struct descendant *who)
{
    void *v = d->v;
    if (lists(d, who->pid))
        return 0;
    int rc = array_reserve(&v, &d->cap, d->count + 1, sizeof *d->v);
    d->v = v;
    if (!rc)
        d->v[d->count++] = *who;
    return rc;
}

/* Those that have moved, each behind its parent: a copy shows only beside it. */
static int find_moved(struct family_sampler *s, struct descendants *d)
{
    enum { MOST = 32 };
    size_t moved = 0;
    int rc = 0;
    for (size_t n = 0; !rc && n < s->known.count && moved < MOST; n++) {
        size_t i = s->next++ % s->known.count;
        if (!has_moved(s, i))
            continue;
        moved++;
        for (size_t k = 0; !rc && k < s->known.count; k++)
            if (s->known.v[k].pid == s->known.v[i].ppid)
                rc = add_once(d, &s->known.v[k]);
        if (!rc)
            rc = add_once(d, &s->known.v[i]);
    }
    return rc;
}

static int take_part(struct family_sampler *s, const struct descendants *d, sampler_sink *sink,
                     void *ctx)
{
    uint64_t start = io_now_ns();
    struct taking t = {.s = s, .picture = family_picture_create()};
    struct err e;
    int rc = t.picture ? read_members(&t, d, &e) : -ENOMEM;
    pages_pool_destroy(t.pool);
    if (!rc && t.picture->count) {
        t.picture->sample = (struct sample_info){.number = s->number, .start_ns = start,
                                                 .span_ns = io_now_ns() - start};
        rc = send(&t, true, sink, ctx);
    }
    family_picture_destroy(t.picture);
    return rc;
}

int family_sampler_again(struct family_sampler *s, sampler_sink *sink, void *ctx)
{
    uint64_t start = io_now_ns(), cpu = io_thread_cpu_ns();
    struct descendants d = {0};
    int rc = s->signs ? find_moved(s, &d) : 0;
    if (!rc && d.count)
        rc = take_part(s, &d, sink, ctx);
    descendants_deinit(&d);
    s->cpu_ns = io_thread_cpu_ns() - cpu;
    s->wall_ns = io_now_ns() - start;
    return rc;
}

void family_sampler_cost(const struct family_sampler *s, uint64_t *cpu_ns, uint64_t *wall_ns)
{
    *cpu_ns = s->cpu_ns;
    *wall_ns = s->wall_ns;
}
