/* Between two statements the processes of a scenario rest, so each picture is exact: it is handed
 * to the spaces that predict, and the faults of a statement are all in the ring once it has
 * returned. An engine that holds events back to put them in order is asked again when that time is
 * over. */
#include "cli/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "probe/engine_bpf.h"
#include "probe/uffd.h"
#include "sampler/sampler.h"

enum { FAULTS_MAX = 1 << 16 }; /* of one statement that are kept */

struct observe {
    struct observer observer;
    const char *name; /* of the engine that is wanted */
    struct engine *loaded; /* until it is opened */
    struct model *model;
    bool begun;       /* the model has a target */
    const struct engine_ops *ops;
    struct engine *engine;
    uint32_t stacks;  /* told of */
    uint64_t dropped; /* faults that were too many to keep, since the last delivery */
    uint64_t lost;    /* events, until the last delivery */
    const char *blind; /* faults that the engine never sees, or NULL */
    char why[400];
    struct fault_entry *faults;
    size_t count, cap;
    struct event *brought; /* samples of what calls brought in, since the last delivery began */
    size_t brought_count, brought_cap;
    int error;        /* of folding, since the last delivery */
};

/* --- pictures --- */

static int fold(void *ctx, struct record *r)
{
    return model_fold(ctx, r);
}

/* Sizes of the files that are mapped, so that a fault beyond the end is known to be one. */
static int tell_sizes(struct observe *o, pid_t pid, const struct region_table *t)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < t->count; i++) {
        char path[80];
        struct stat st;
        const struct region *r = &t->v[i];
        if (!r->inode || (i && t->v[i - 1].inode == r->inode))
            continue;
        snprintf(path, sizeof path, "/proc/%d/map_files/%llx-%llx", (int)pid,
                 (unsigned long long)r->start, (unsigned long long)r->end);
        if (!stat(path, &st) && S_ISREG(st.st_mode) && st.st_ino == r->inode)
            rc = spaces_file_size(model_spaces(o->model), r, (uint64_t)st.st_size, io_now_ns());
    }
    return rc;
}

/* RLIMIT_STACK, where the kernel stops a stack. From /proc: prlimit(2) asks for more than a
 * look. */
static int tell_stack_limit(struct observe *o, pid_t pid)
{
    char path[32];
    struct buf b = {0};
    uint64_t limit = RLIM_INFINITY; /* "unlimited" is no number */
    snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
    int rc = io_read_at(AT_FDCWD, path, &b);
    if (!rc) {
        text_field(b.data, b.len, "Max stack size", &limit);
        rc = spaces_stack_limit(model_spaces(o->model), pid, limit);
    }
    buf_deinit(&b);
    return rc == -ENOMEM ? rc : 0;
}

/* The spaces learn what the picture found. The first one makes the model know the target. */
static int begin_from(struct observe *o, pid_t pid, const struct moment *m)
{
    if (!o->begun) {
        struct record *r = record_create(RECORD_TARGET, pid, io_now_ns());
        if (!r || !(r->target = malloc(sizeof *r->target))) {
            record_destroy(r);
            return -ENOMEM;
        }
        *r->target = m->target;
        int rc = model_fold(o->model, r);
        if (rc)
            return rc;
        o->begun = true;
        spaces_set_exact(model_spaces(o->model));
    }
    const struct sampled found = {.regions = m->regions, .tree = m->tree, .whole = true,
                                  .start_ns = m->sample.start_ns,
                                  .end_ns = m->sample.start_ns + m->sample.span_ns};
    int rc = spaces_sampled(model_spaces(o->model), pid, &found);
    if (!rc)
        rc = tell_stack_limit(o, pid);
    if (!rc)
        rc = spaces_uffd_waits(model_spaces(o->model), pid, uffd_asks_handlers(pid, m->regions));
    return rc ? rc : tell_sizes(o, pid, m->regions);
}

static int drain(struct observe *o);

static int take_picture(struct observe *o, struct model *m, pid_t pid, bool flags,
                        struct moment *out, struct err *e)
{
    struct sampler_options options = {
        .pid = pid, .want = PAGES_ALL | PAGES_ORDERS | PAGES_ALL_COUNTS, .smaps = flags,
        .once = true};
    struct sampler *s = NULL;
    int rc = sampler_create(&options, &s, e);
    if (!rc)
        rc = sampler_full(s, fold, m, e);
    sampler_destroy(s);
    if (!rc && (model_gone(m) || !model_now(m)))
        rc = err_set(e, -ESRCH, "process %d has ended", (int)pid);
    if (rc)
        return rc;
    rc = begin_from(o, pid, model_now(m));
    if (rc)
        return err_set(e, rc, "out of memory");
    moment_copy(out, model_now(m));
    return 0;
}

static int observe_picture(void *ctx, pid_t pid, bool flags, struct moment *out, struct err *e)
{
    struct observe *o = ctx;
    struct model *m = model_create();
    /* Events from before the picture must not be folded after it. */
    int rc = m ? drain(o) : -ENOMEM;
    if (rc)
        err_set(e, rc, "cannot read the faults: %s", strerror(-rc));
    else
        rc = take_picture(o, m, pid, flags, out, e);
    model_destroy(m);
    return rc;
}

/* --- faults --- */

static void keep_fault(void *ctx, const struct fault_entry *entry)
{
    struct observe *o = ctx;
    void *v = o->faults;
    if (entry->event.type != EVENT_FAULT)
        return;
    o->dropped += o->count >= FAULTS_MAX;
    if (o->count >= FAULTS_MAX)
        return;
    int rc = array_reserve(&v, &o->cap, o->count + 1, sizeof *o->faults);
    o->faults = v;
    if (rc)
        o->error = rc;
    else
        o->faults[o->count++] = *entry;
}

/* Call chains that have been seen for the first time go before the events that name them. */
static int take_stacks(struct observe *o)
{
    const char *text;
    int rc = 0;
    while (!rc && o->ops->stack && (text = o->ops->stack(o->engine, o->stacks + 1))) {
        struct record *r = record_create(RECORD_STACK, 0, io_now_ns());
        if (!r || !(r->stack.text = strdup(text))) {
            record_destroy(r);
            return -ENOMEM;
        }
        r->stack.number = ++o->stacks;
        rc = model_fold(o->model, r);
    }
    return rc;
}

static int keep_brought(struct observe *o, const struct event *v, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++) {
        void *kept = o->brought;
        if (v[i].type != EVENT_SAMPLE || !v[i].sample.for_call || o->brought_count >= FAULTS_MAX)
            continue;
        rc = array_reserve(&kept, &o->brought_cap, o->brought_count + 1, sizeof *o->brought);
        o->brought = kept;
        if (!rc)
            o->brought[o->brought_count++] = v[i];
    }
    return rc;
}

static int take_events(void *ctx, const struct event *v, size_t count)
{
    struct observe *o = ctx;
    int rc = take_stacks(o);
    if (!rc)
        rc = keep_brought(o, v, count);
    if (rc)
        return rc;
    struct record *r = count ? record_create(RECORD_EVENTS, v->pid, v->t_ns) : NULL;
    if (!r || !(r->events.v = malloc(count * sizeof *v))) {
        record_destroy(r);
        return count ? -ENOMEM : 0;
    }
    memcpy(r->events.v, v, count * sizeof *v);
    r->events.count = count;
    return model_fold(o->model, r);
}

/* All that has happened until now is folded. */
static int drain(struct observe *o)
{
    struct engine_stats before, after;
    if (!o->engine || !o->begun)
        return 0;
    if (o->ops->settle_ns) {
        const struct timespec wait = {.tv_nsec = (long)o->ops->settle_ns};
        nanosleep(&wait, NULL);
    }
    o->ops->stats(o->engine, &after);
    do {
        before = after;
        int rc = o->ops->drain(o->engine, take_events, o);
        if (rc)
            return rc;
        o->ops->stats(o->engine, &after);
    } while (after.events != before.events);
    model_settle(o->model);
    return o->error;
}

static int observe_faults(void *ctx, const struct fault_entry **v, size_t *count)
{
    struct observe *o = ctx;
    struct engine_stats stats = {0};
    o->brought_count = 0;
    int rc = drain(o);
    if (o->engine)
        o->ops->stats(o->engine, &stats);
    o->observer.blind = stats.lost > o->lost ? "what it has lost"
                        : o->dropped         ? "so many faults of one statement"
                                             : o->blind;
    o->dropped = 0;
    o->lost = stats.lost;
    *v = o->faults;
    *count = rc ? 0 : o->count;
    o->count = 0;
    o->error = 0;
    return rc;
}

static int tell_engine(struct observe *o, pid_t pid)
{
    struct record *r = record_create(RECORD_ENGINE, pid, io_now_ns());
    if (!r || !(r->engine = calloc(1, sizeof *r->engine))) {
        record_destroy(r);
        return -ENOMEM;
    }
    struct engine_stats stats = {0};
    o->ops->stats(o->engine, &stats);
    memcpy(r->engine->name, o->ops->name, strnlen(o->ops->name, sizeof r->engine->name - 1));
    r->engine->evidence = stats.evidence;
    return model_fold(o->model, r);
}

static const struct engine_options what_is_followed = {.follow = true, .kernel = true,
                                                       .evidence = true, .calls_too = true,
                                                       .rests = true};

/* Without an engine that tells of single faults the run goes on, and says so where it matters. */
static int observe_follow(void *ctx, pid_t pid, struct err *e)
{
    static const char *const rungs[] = {"bpf", "perf"};
    struct observe *o = ctx;
    struct engine_options options = what_is_followed;
    struct moment first;
    int rc = observe_picture(o, pid, true, &first, e);
    if (rc)
        return rc;
    moment_deinit(&first);
    options.pid = pid;
    options.loaded = o->loaded;
    o->loaded = NULL;
    rc = -ENOSYS;
    for (size_t i = 0; rc && i < sizeof rungs / sizeof *rungs; i++)
        if (!o->name || !strcmp(o->name, rungs[i]))
            rc = engine_open(rungs[i], &options, &o->ops, &o->engine, o->why, sizeof o->why, NULL);
    if (rc && !o->why[0])
        snprintf(o->why, sizeof o->why, "this engine tells of no single fault");
    o->observer.faults = rc ? NULL : observe_faults;
    if (!rc && o->ops == &engine_perf && geteuid())
        o->blind = "faults in kernel mode";
    if (rc)
        return 0;
    model_on_event(o->model, NULL, keep_fault, NULL, o);
    rc = tell_engine(o, pid);
    return rc ? err_set(e, rc, "out of memory") : 0;
}

static bool observe_evidence(void *ctx, char *why, size_t cap)
{
    const struct observe *o = ctx;
    struct engine_stats stats = {0};
    if (o->engine)
        o->ops->stats(o->engine, &stats);
    snprintf(why, cap, "%s", !o->engine         ? o->why
                             : stats.evidence_why ? stats.evidence_why
                                                  : "kernel call chains need the bpf engine");
    return stats.evidence;
}

static const char *observe_stack(void *ctx, uint32_t number)
{
    const struct observe *o = ctx;
    const struct fault_log *log = model_faults(o->model);
    return log ? fault_log_stack(log, number) : NULL;
}

static size_t observe_brought(void *ctx, pid_t pid, uint64_t from_ns, uint64_t to_ns)
{
    const struct observe *o = ctx;
    size_t n = 0;
    for (size_t i = 0; i < o->brought_count; i++) {
        const struct event *e = &o->brought[i];
        n += e->pid == pid && e->t_ns >= from_ns && e->t_ns <= to_ns;
    }
    return n;
}

/* --- life --- */

static const char *wanted_engine(const char *name)
{
    return name && strcmp(name, "auto") ? name : NULL;
}

struct engine *observe_load(const char *engine)
{
    struct engine *loaded;
    const char *name = wanted_engine(engine);
    bool bpf = !name || !strcmp(name, engine_bpf.name);
    return bpf && !engine_bpf_load(&what_is_followed, &loaded, NULL) ? loaded : NULL;
}

void observe_unload(struct engine *loaded)
{
    engine_bpf.close(loaded);
}

struct observe *observe_create(const char *engine, struct engine *loaded)
{
    struct observe *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->name = wanted_engine(engine);
    o->loaded = loaded;
    o->observer = (struct observer){.ctx = o, .picture = observe_picture,
                                    .follow = observe_follow, .faults = observe_faults,
                                    .evidence = observe_evidence, .stack = observe_stack,
                                    .brought = observe_brought,
                                    .why = o->why};
    o->model = model_create();
    if (o->model)
        return o;
    free(o);
    return NULL;
}

void observe_destroy(struct observe *o)
{
    if (!o)
        return;
    if (o->engine)
        o->ops->close(o->engine);
    model_destroy(o->model);
    free(o->faults);
    free(o->brought);
    free(o);
}

const struct observer *observe_observer(struct observe *o)
{
    return &o->observer;
}
