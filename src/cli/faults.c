/* vmscope faults: page faults and mm calls as a stream of lines, and a summary. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/accounting.h"
#include "cli/callers.h"
#include "cli/commands.h"
#include "cli/mappings.h"
#include "cli/sites.h"
#include "cli/source.h"
#include "model/call_path.h"
#include "model/model.h"
#include "probe/counters.h"
#include "probe/spawn.h"
#include "probe/step.h"
#include "report/faults.h"
#include "sampler/follow.h"

struct faults {
    const struct options *options;
    struct model *model;
    struct queue *queue;
    struct follow *follow;
    struct step *step;     /* vmscope step: in place of follow */
    bool step_ended;
    struct sites *sites;
    struct callers *callers; /* NULL: not asked for */
    struct mappings *mappings;
    struct procdir dir;    /* of the process that was named or started */
    struct spawn child;    /* when started */
    bool started, execed;  /* what happens before its exec is not the command's */
    struct buf out;
    int fd, write_error;
    struct fault_counts before;
    struct counters_group *counters; /* NULL: not asked for */
    const struct site **found; /* of entry n of the log: found[n % FAULT_LOG_KEEP] */
    bool told;                 /* why there is no evidence */
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    interrupted = signal;
}

static void flush(struct faults *f)
{
    if (f->out.error && !f->write_error)
        f->write_error = f->out.error;
    if (!f->write_error && f->out.len)
        f->write_error = io_write(f->fd, f->out.data, f->out.len);
    buf_clear(&f->out);
}

/* The instruction is looked up at once, while its program and library are mapped. */
static void find_site(void *ctx, const struct fault_entry *e)
{
    struct faults *f = ctx;
    if (e->event.type != EVENT_FAULT)
        return;
    const struct fault_log *log = model_faults(f->model);
    const struct region_table *regions = spaces_regions(model_spaces(f->model), e->event.pid);
    f->found[(log->entries - 1) % FAULT_LOG_KEEP] =
        sites_find(f->sites, f->options->proc_root, e, regions);
    if (f->callers)
        callers_find(f->callers, f->options->proc_root, log, e, regions,
                     f->options->format == FORMAT_FOLDED);
}

/* Why the call failed; brk has no error, but what it returns. */
static void find_why(const struct faults *f, const struct event *call, struct fault_site *site,
                     char *why, size_t cap)
{
    struct call_verdict v;
    if (call->call.result >= 0 && call->call.call != CALL_BRK)
        return;
    call_explain_here(call, &model_now(f->model)->target.geometry, &v);
    site->why = call_why(why, cap, &v);
    site->sure = v.sure;
}

static void print_entry(void *ctx, const struct fault_entry *e)
{
    struct faults *f = ctx;
    const struct fault_log *log = model_faults(f->model);
    struct fault_site site = {.symbol = "", .source = "", .why = ""};
    struct fault_caller callers[CALLERS_MAX];
    char why[1024];
    if (f->options->disagreements && e->observed.agreement != DISAGREES &&
        e->observed.agreement != AGREEMENT_CORRECTED)
        return;
    if (e->event.type == EVENT_FAULT) {
        sites_text(f->found[(log->settled - 1) % FAULT_LOG_KEEP], e, &site);
        site.stack = fault_log_stack(log, e->observed.stack);
        site.callers = callers;
        if (f->callers && f->options->format != FORMAT_FOLDED)
            site.callers_n = callers_text(f->callers, log, e, callers);
    } else {
        find_why(f, &e->event, &site, why, sizeof why);
    }
    switch (f->options->format) {
    case FORMAT_JSONL:
        faults_jsonl_line(e, &site, &f->out);
        break;
    case FORMAT_CSV:
        faults_csv_line(e, &site, &f->out);
        break;
    case FORMAT_TABLE:
        faults_table_line(e, &site, f->options->evidence, &f->out);
        break;
    default:
        break;
    }
    if (f->out.len > 1 << 16)
        flush(f);
}

static void print_counted(void *ctx, const struct fault_entry *e)
{
    struct faults *f = ctx;
    if (f->options->disagreements)
        return;
    if (f->options->format == FORMAT_JSONL)
        faults_jsonl_counted(e, &f->out);
    else if (f->options->format == FORMAT_CSV)
        faults_csv_counted(e, &f->out);
    else if (f->options->format == FORMAT_TABLE)
        faults_table_counted(e, &f->out);
    if (f->out.len > 1 << 16)
        flush(f);
}

static int fold_part(struct faults *f, const struct record *r, const struct event *v, size_t count)
{
    struct record *part = record_create(RECORD_EVENTS, r->pid, r->t_ns);
    if (!part || !(part->events.v = malloc(count * sizeof *v))) {
        record_destroy(part);
        return -ENOMEM;
    }
    memcpy(part->events.v, v, count * sizeof *v);
    part->events.count = count;
    return model_fold(f->model, part);
}

/* Folds a record of events, stopping after each exec to look at the new program. */
static int fold_events(struct faults *f, const struct record *r)
{
    const struct event *v = r->events.v, *end = v + r->events.count;
    int rc = 0;
    mappings_before(f->mappings, model_spaces(f->model), v, r->events.count);
    while (!rc && v < end) {
        const struct event *stop = v;
        while (stop < end && stop->type != EVENT_EXEC)
            stop++;
        bool exec = stop < end;
        if (f->started && !f->execed)
            v = stop;
        f->execed |= exec;
        stop += exec;
        if (stop > v)
            rc = fold_part(f, r, v, (size_t)(stop - v));
        if (exec)
            mappings_begun(f->mappings, model_spaces(f->model), &stop[-1], stop,
                           (size_t)(end - stop));
        v = stop;
    }
    return rc;
}

static void tell_evidence(struct faults *f)
{
    const struct engine_state *engine = model_engine(f->model);
    if (f->told || !engine->evidence_why[0])
        return;
    fprintf(stderr, "vmscope: no evidence: %s\n", engine->evidence_why);
    f->told = true;
}

static int fold_waiting(struct faults *f)
{
    struct record *r;
    int rc = 0;
    while (!rc && (r = queue_take(f->queue))) {
        if (r->type == RECORD_EVENTS) {
            rc = fold_events(f, r);
            record_destroy(r);
        } else {
            rc = model_fold(f->model, r);
        }
    }
    flush(f);
    tell_evidence(f);
    return rc;
}

static int fold_state(struct faults *f, const struct step_state *state)
{
    struct record *r = record_create(RECORD_ENGINE, f->child.pid, io_now_ns());
    if (!r || !(r->engine = calloc(1, sizeof *r->engine))) {
        record_destroy(r);
        return -ENOMEM;
    }
    step_describe(state, r->engine);
    return model_fold(f->model, r);
}

static int fold_step(struct faults *f, struct step_message *m)
{
    struct record events = {.type = RECORD_EVENTS, .pid = f->child.pid, .t_ns = io_now_ns()};
    switch (m->kind) {
    case STEP_EVENTS:
        events.events.v = m->events;
        events.events.count = m->count;
        return fold_events(f, &events);
    case STEP_STATE:
        return fold_state(f, &m->state);
    case STEP_STOPPED: /* the mappings of the new program were read */
        step_go(f->step);
        return 0;
    default:
        f->step_ended = true;
        return 0;
    }
}

static int fold_steps(struct faults *f)
{
    struct step_message m;
    int kind, rc = 0;
    while (!rc && !f->step_ended && (kind = step_next(f->step, &m)) != STEP_NOTHING)
        rc = kind < 0 ? kind : fold_step(f, &m);
    flush(f);
    return rc;
}

static bool target_ended(const struct faults *f)
{
    if (f->step)
        return f->step_ended;
    if (f->started) {
        struct pollfd p = {.fd = f->child.pidfd, .events = POLLIN};
        return poll(&p, 1, 0) > 0;
    }
    return procdir_ended(&f->dir);
}

/* No engine works: nothing will ever come. */
static bool is_hopeless(const struct faults *f)
{
    const struct engine_state *engine = model_engine(f->model);
    return f->follow && engine->why[0] && !engine->name[0];
}

static int follow_target(struct faults *f)
{
    int rc = 0;
    unsigned long limit = f->options->count;
    while (!rc && !f->write_error && !interrupted && !target_ended(f) && !is_hopeless(f)) {
        struct pollfd p = {.fd = f->step ? step_fd(f->step) : queue_fd(f->queue), .events = POLLIN};
        poll(&p, 1, 50);
        rc = f->step ? fold_steps(f) : fold_waiting(f);
        const struct fault_log *log = model_faults(f->model);
        if (limit && log && log->faults >= limit)
            break;
    }
    return rc;
}

/* Who interrupts us does not want us to wait for the command. */
static bool command_ended(const struct faults *f)
{
    struct pollfd p = {.fd = f->child.pidfd, .events = POLLIN};
    return !interrupted || poll(&p, 1, 0) > 0;
}

/* What the kernel counted meanwhile, if that can still be asked. */
static struct fault_counts counts_since(struct faults *f)
{
    struct fault_counts c = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, NULL, 0};
    int status;
    if (!f->started)
        c = accounting_of(&f->dir);
    else if (command_ended(f) && !spawn_wait(&f->child, &status))
        c = accounting_of_children();
    return accounting_since(&f->before, &c);
}

static int fold_first(void *ctx, struct record *r)
{
    return model_fold(ctx, r);
}

/* The engine first, then the first picture, then the program may go on: nothing is missed. */
static int begin(struct faults *f, pid_t pid, struct err *e)
{
    struct sampler_options sampling = source_sampler_options(f->options);
    const struct engine_options engine = {.pid = pid, .follow = !f->options->no_follow,
                                          .kernel = true, .heat = f->options->heat,
                                          .held = f->started,
                                          .evidence = f->options->evidence,
                                          .callers = f->options->callers};
    struct sampler *s = NULL;
    const struct step_options stepping = {.pid = pid, .follow = engine.follow, .run = true};
    int rc = f->options->command == COMMAND_STEP
                 ? step_start(&stepping, &f->step, e)
                 : follow_start(f->options->engine, &engine, f->queue, &f->follow, e);
    if (rc)
        return rc;
    if (f->follow)
        follow_wait_open(f->follow);
    sampling.pid = pid;
    sampling.flags = true;
    rc = sampler_create(&sampling, &s, e);
    if (!rc)
        rc = sampler_full(s, fold_first, f->model, e);
    sampler_destroy(s);
    if (rc)
        return rc;
    f->before = accounting_of(&f->dir);
    if (f->started)
        f->before.cpu_ns = 0; /* told in ticks, and too short for one */
    if (f->options->counters)
        f->counters = counters_open(pid, f->options->counters);
    if (!model_now(f->model))
        return err_set(e, -ESRCH, "process %d ended before it could be followed", pid);
    mappings_sizes(f->mappings, model_spaces(f->model), pid, model_now(f->model)->regions);
    model_on_event(f->model, find_site, print_entry, print_counted, f);
    if (f->options->format == FORMAT_TABLE)
        faults_table_head(f->options->evidence, &f->out);
    else if (f->options->format == FORMAT_CSV)
        faults_csv_head(&f->out);
    return 0;
}

static int engine_failed(const struct faults *f, struct err *e)
{
    const struct engine_state *engine = model_engine(f->model);
    if (engine->name[0])
        return 0;
    return err_set(e, -ENOSYS, "cannot follow faults: %s",
                   engine->why[0] ? engine->why : "no engine works here; see vmscope doctor");
}

/* These formats have no place for what every other one says. */
static void tell_loss(const struct fault_log *log, const struct engine_state *engine)
{
    if (engine->lost || engine->why[0])
        fprintf(stderr, "vmscope: %" PRIu64 " faults by %s, %" PRIu64 " lost%s%s\n",
                log ? log->faults : 0, engine->name, engine->lost,
                engine->why[0] ? "; no better engine: " : "", engine->why);
}

static void summarize(struct faults *f)
{
    struct fault_counts counts = counts_since(f);
    struct perf_counts perf;
    if (f->counters) {
        counters_read(f->counters, &perf);
        counts.perf = &perf;
    }
    counts.broken = f->callers ? callers_broken(f->callers) : 0;
    const struct fault_log *log = model_faults(f->model);
    const struct engine_state *engine = model_engine(f->model);
    if (f->options->format == FORMAT_JSONL)
        faults_jsonl_summary(log, engine, &counts, &f->out);
    else if (f->options->format == FORMAT_TABLE)
        faults_table_summary(log, engine, &counts, &f->out);
    else if (f->options->format == FORMAT_FOLDED && f->callers)
        callers_folded(f->callers, &f->out);
    else if (f->options->format == FORMAT_FOLDED)
        sites_folded(f->sites, &f->out);
    if (f->options->format == FORMAT_CSV || f->options->format == FORMAT_FOLDED)
        tell_loss(log, engine);
    flush(f);
}

static int start_command(struct faults *f, struct err *e, int *status)
{
    const struct spawn_options start = {.argv = f->options->argv, .user = f->options->user,
                                        .hold = true,
                                        .traced = f->options->command == COMMAND_STEP,
                                        .output_to_error = !f->options->output};
    int rc = spawn_start(&start, &f->child, e);
    if (rc)
        *status = spawn_failure_status(rc);
    f->started = !rc;
    return rc;
}

static int release_command(struct faults *f, struct err *e, int *status)
{
    const struct spawn_options start = {.argv = f->options->argv, .user = f->options->user,
                                        .hold = true, .output_to_error = !f->options->output};
    int rc = f->started ? spawn_release(&f->child, &start, e) : 0;
    if (rc) {
        *status = spawn_failure_status(rc);
        f->started = false;
    }
    return rc;
}

/* The tracer was a child of ours too; what it counted is not the program's. */
static void stop_stepping(struct faults *f)
{
    if (!f->step)
        return;
    step_detach(f->step);
    f->step = NULL;
    struct fault_counts tracer = accounting_of_children();
    f->before = accounting_sum(&f->before, &tracer);
}

/* Stepping ends as the program did, or of the signal that ended it. */
static void end_like_command(struct faults *f)
{
    int status;
    if (f->options->command != COMMAND_STEP || !f->started)
        return;
    if (!command_ended(f))
        spawn_end_like(interrupted);
    if (!spawn_wait(&f->child, &status))
        spawn_end_like(status);
}

static int run(struct faults *f, struct err *e, int *status)
{
    pid_t pid = f->options->pid;
    int rc = f->options->argv ? start_command(f, e, status) : 0;
    if (rc)
        return rc;
    if (f->started)
        pid = f->child.pid;
    rc = procdir_open(f->options->proc_root, pid, &f->dir, e);
    if (!rc)
        rc = begin(f, pid, e);
    if (!rc)
        rc = release_command(f, e, status);
    if (!rc && (rc = follow_target(f)))
        err_set(e, rc, "cannot go on: %s", strerror(-rc));
    if (f->follow)
        follow_stop(f->follow);
    if (f->follow && *status == EXIT_FAILED) { /* not where there was nothing to execute */
        fold_waiting(f);
        model_settle(f->model);
        flush(f);
    }
    stop_stepping(f);
    return rc ? rc : engine_failed(f, e);
}

static void catch_interrupts(void)
{
    const struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int command_faults(const struct options *o)
{
    struct err e = {0};
    int status = EXIT_FAILED;
    struct faults f = {.options = o, .model = model_create(), .queue = queue_create(),
                       .sites = sites_create(),
                       .callers = o->callers ? callers_create() : NULL,
                       .mappings = mappings_create(o->proc_root),
                       .found = calloc(FAULT_LOG_KEEP, sizeof *f.found), .dir = {-1, -1, -1, 0, false}};
    int rc = command_open_output(o, &f.fd, &e);
    if (!rc && (!f.model || !f.queue || !f.sites || !f.mappings || !f.found ||
                (o->callers && !f.callers)))
        rc = err_set(&e, -ENOMEM, "out of memory");
    if (!rc) {
        catch_interrupts();
        rc = run(&f, &e, &status);
    }
    if (!rc)
        summarize(&f);
    if (!rc && f.write_error)
        rc = command_not_written(o, f.write_error, &e);
    if (!rc)
        end_like_command(&f);
    if (f.started)
        spawn_deinit(&f.child);
    procdir_close(&f.dir);
    sites_destroy(f.sites);
    callers_destroy(f.callers);
    counters_close(f.counters);
    mappings_destroy(f.mappings);
    free(f.found);
    queue_unref(f.queue);
    model_destroy(f.model);
    buf_deinit(&f.out);
    return rc < 0 ? command_fail(&e, status) : EXIT_OK;
}
