/* Sources of records for screens. */
#include "cli/source.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "probe/proclist.h"

enum { SETTLE_MS = 20, ANSWER_MS = 60000 };

struct sampler_options source_sampler_options(const struct options *o)
{
    return (struct sampler_options){.proc_root = o->proc_root, .pid = o->pid, .want = PAGES_ALL,
                                    .cpu_permille = o->cpu_permille};
}

static uint64_t refresh_ns(const struct options *o)
{
    return (uint64_t)((o->refresh > 0 ? o->refresh : 0.5) * 1e9);
}

static int list_processes(const struct options *o, struct process_list *out, struct err *e)
{
    return o->proc_root ? proclist_read_root(o->proc_root, out, e) : proclist_read(out, e);
}

/* --- live --- */

static struct record *live_take(void *ctx)
{
    struct live_source *s = ctx;
    return s->queue ? queue_take(s->queue) : NULL;
}

static int live_list(void *ctx, struct process_list *out, struct err *e)
{
    const struct live_source *s = ctx;
    return list_processes(s->options, out, e);
}

static void live_look(void *ctx, uint64_t start, uint64_t end)
{
    struct live_source *s = ctx;
    if (s->watch)
        watch_look(s->watch, start, end);
    else if (s->stepping)
        stepping_look(s->stepping, start, end);
}

/* Headless, answers belong into the frame that asks; nothing else comes while the target stands. */
static bool await_answers(const struct live_source *s)
{
    return s->stepping && s->options->cols && !s->late;
}

static void live_ask_page(void *ctx, uint64_t address)
{
    struct live_source *s = ctx;
    if (s->watch)
        watch_ask_page(s->watch, address);
    else if (s->stepping)
        stepping_ask_page(s->stepping, address);
    if (await_answers(s))
        s->late = !stepping_answered(s->stepping, ANSWER_MS);
}

static void live_ask_flags(void *ctx)
{
    struct live_source *s = ctx;
    if (s->watch)
        watch_ask_flags(s->watch);
}

static void live_ask_caches(void *ctx)
{
    struct live_source *s = ctx;
    if (s->watch)
        watch_ask_caches(s->watch);
}

static void live_ask_huge(void *ctx)
{
    struct live_source *s = ctx;
    if (s->watch)
        watch_ask_huge(s->watch);
}

static void live_ask_family(void *ctx)
{
    struct live_source *s = ctx;
    if (s->watch)
        watch_ask_family(s->watch);
}

/* The thread begins with the first question: without the views of faults there is none. */
static bool live_ask_symbol(void *ctx, pid_t pid, uint64_t program, uint64_t ip,
                            const struct region *r)
{
    struct live_source *s = ctx;
    struct err e;
    if (!s->lookup && lookup_start(s->options->proc_root, s->queue, &s->lookup, &e))
        return false;
    bool asked = lookup_ask(s->lookup, pid, program, ip, r);
    if (asked && await_answers(s))
        s->late = !lookup_settle(s->lookup, ANSWER_MS);
    return asked;
}

static bool live_machine(struct live_source *s)
{
    struct err e;
    return s->machine || (s->queue && !physmem_watch_start(s->options->proc_root,
                                                           s->options->cpu_permille, s->queue,
                                                           &s->machine, &e));
}

static void live_look_machine(void *ctx, const struct frame_look *look)
{
    struct live_source *s = ctx;
    if (live_machine(s))
        physmem_watch_look(s->machine, look);
}

static void live_ask_frame(void *ctx, uint64_t frame)
{
    struct live_source *s = ctx;
    if (live_machine(s))
        physmem_watch_frame(s->machine, frame);
}

void live_source_deinit(struct live_source *s)
{
    if (s->queue)
        queue_close(s->queue);
    follow_stop(s->follow);
    stepping_stop(s->stepping);
    watch_stop(s->watch);
    physmem_watch_stop(s->machine);
    lookup_stop(s->lookup);
    queue_unref(s->queue);
    s->follow = NULL;
    s->stepping = NULL;
    s->lookup = NULL;
    s->watch = NULL;
    s->machine = NULL;
    s->queue = NULL;
}

/* Faults are followed only when asked for: it costs a target that faults much some percent. */
static bool is_followed(const struct options *o)
{
    return o->engine || o->evidence || o->callers || o->heat;
}

/* The command has not begun. */
static bool is_held(const struct live_source *s)
{
    return s->options->held && !s->begun;
}

static int start_following(const struct options *o, bool held, pid_t pid, struct queue *queue,
                           struct follow **out, struct err *e)
{
    const struct engine_options options = {.pid = pid, .follow = !o->no_follow,
                                           .family = o->family, .kernel = true, .heat = o->heat,
                                           .held = held, .evidence = o->evidence,
                                           .callers = o->callers};
    return follow_start(o->engine, &options, queue, out, e);
}

static int refuse_dump(const struct options *o, struct err *e)
{
    return o->proc_root ? err_set(e, -EOPNOTSUPP, "faults are followed in the running kernel only, "
                                                  "not below --proc-root") : 0;
}

static int live_follow(void *ctx, struct err *e)
{
    struct live_source *s = ctx;
    int rc = refuse_dump(s->options, e);
    if (rc || s->follow || s->stepping)
        return rc;
    return start_following(s->options, is_held(s), s->pid, s->queue, &s->follow, e);
}

static int live_attach(void *ctx, pid_t pid, struct err *e)
{
    struct live_source *s = ctx;
    struct sampler_options options = source_sampler_options(s->options);
    struct watch *watch;
    options.pid = pid;
    options.pause_ns = 300000;
    options.counters = s->options->counters;
    options.held = is_held(s);
    struct queue *queue = queue_create();
    if (!queue)
        return err_set(e, -ENOMEM, "out of memory, or of file descriptors");
    int rc = watch_start(&options, refresh_ns(s->options), queue, &watch, e);
    if (rc) {
        queue_unref(queue);
        return rc;
    }
    live_source_deinit(s);
    s->ui.stepper = NULL;
    s->queue = queue;
    s->watch = watch;
    s->pid = pid;
    s->ui.fd = queue_fd(queue);
    return is_followed(s->options)
               ? start_following(s->options, is_held(s), pid, queue, &s->follow, e)
               : 0;
}

/* --- stepping --- */

static void step_on(void *ctx, const struct step_goal *goal)
{
    struct live_source *s = ctx;
    stepping_go(s->stepping, goal);
}

static void step_hold(void *ctx)
{
    struct live_source *s = ctx;
    stepping_hold(s->stepping);
}

static void step_pace(void *ctx, unsigned ms)
{
    struct live_source *s = ctx;
    stepping_pace(s->stepping, ms);
}

static void step_pin(void *ctx, bool pin)
{
    struct live_source *s = ctx;
    stepping_pin(s->stepping, pin);
}

static int step_leave(void *ctx, struct err *e)
{
    struct live_source *s = ctx;
    return live_attach(s, s->options->pid, e);
}

static bool step_settle(void *ctx)
{
    struct live_source *s = ctx;
    return stepping_settle(s->stepping, SETTLE_MS);
}

static const struct ui_stepper stepper = {.go = step_on, .hold = step_hold, .pace = step_pace,
                                          .pin = step_pin, .leave = step_leave, .settle = step_settle};

/* The child is held: it is the caller's to let it become the program. */
static int live_step(struct live_source *s, struct err *e)
{
    struct sampler_options options = source_sampler_options(s->options);
    s->queue = queue_create();
    if (!s->queue)
        return err_set(e, -ENOMEM, "out of memory, or of file descriptors");
    int rc = stepping_start(&options, !s->options->no_follow, s->queue, &s->stepping, e);
    if (rc) {
        live_source_deinit(s);
        return rc;
    }
    s->ui.fd = queue_fd(s->queue);
    s->ui.stepper = &stepper;
    return 0;
}

int live_source_init(struct live_source *s, const struct options *o, struct err *e)
{
    *s = (struct live_source){.options = o};
    s->ui = (struct ui_source){.ctx = s, .fd = -1, .take = live_take, .look = live_look,
                               .ask_page = live_ask_page, .ask_flags = live_ask_flags,
                               .ask_huge = live_ask_huge, .ask_caches = live_ask_caches,
                               .ask_family = live_ask_family,
                               .look_machine = live_look_machine,
                               .ask_frame = live_ask_frame,
                               .ask_symbol = live_ask_symbol, .list = live_list,
                               .attach = live_attach, .follow = live_follow};
    if (o->command == COMMAND_STEP)
        return live_step(s, e);
    return o->pid ? live_attach(s, o->pid, e) : 0;
}

/* A target must be known before its first event is. */
void live_source_ready(struct live_source *s)
{
    struct pollfd p = {.fd = s->ui.fd, .events = POLLIN};
    if (!s->follow)
        return;
    while (poll(&p, 1, -1) < 0 && errno == EINTR)
        ;
    follow_wait_open(s->follow);
}

void live_source_begun(struct live_source *s)
{
    s->begun = true;
    if (s->watch)
        watch_renew(s->watch);
}

/* --- on demand --- */

static int step_enqueue(void *ctx, struct record *r)
{
    struct step_source *s = ctx;
    void *p = s->queue;
    int rc = array_reserve(&p, &s->cap, s->count + 1, sizeof *s->queue);
    s->queue = p;
    if (rc) {
        record_destroy(r);
        return rc;
    }
    s->queue[s->count++] = r;
    return 0;
}

static struct record *step_take(void *ctx)
{
    struct step_source *s = ctx;
    if (s->head < s->count)
        return s->queue[s->head++];
    s->head = s->count = 0;
    return s->events ? queue_take(s->events) : NULL;
}

/* What is told in the time until the next sample. */
static void step_listen(struct step_source *s)
{
    uint64_t now = io_now_ns(), end = now + refresh_ns(s->options);
    struct record *r;
    for (; now < end; now = io_now_ns()) {
        struct pollfd p = {.fd = queue_fd(s->events), .events = POLLIN};
        poll(&p, 1, (int)((end - now) / 1000000) + 1);
        while ((r = queue_take(s->events)))
            step_enqueue(s, r);
    }
}

static void step_lost(struct step_source *s, const struct err *e)
{
    struct record *r = record_create(RECORD_GONE, s->options->pid, io_now_ns());
    if (!r)
        return;
    r->gone.error = e->code;
    size_t n = strnlen(e->text, sizeof r->gone.text - 1);
    memcpy(r->gone.text, e->text, n);
    step_enqueue(s, r);
}

static void step_step(void *ctx)
{
    struct step_source *s = ctx;
    struct err e = {0};
    if (s->follow && s->sampled)
        step_listen(s);
    s->sampled = true;
    if (s->sampler && !sampler_gone(s->sampler) &&
        sampler_full(s->sampler, step_enqueue, s, &e))
        step_lost(s, &e);
    if (s->family)
        family_sampler_take(s->family, step_enqueue, s, &e);
    if (s->look_machine)
        physmem_sampler_full(s->machine, step_enqueue, s);
    s->look_machine = false;
}

static int step_list(void *ctx, struct process_list *out, struct err *e)
{
    const struct step_source *s = ctx;
    return list_processes(s->options, out, e);
}

static void step_ask_family(void *ctx)
{
    struct step_source *s = ctx;
    struct sampler_options options = source_sampler_options(s->options);
    struct err e;
    options.pid = s->pid;
    if (!s->family)
        s->family = family_sampler_create(&options);
    if (s->family)
        family_sampler_take(s->family, step_enqueue, s, &e);
}

static bool step_machine(struct step_source *s)
{
    struct err e;
    return s->machine || !physmem_sampler_create(s->options->proc_root, &s->machine, &e);
}

static void step_look_machine(void *ctx, const struct frame_look *look)
{
    struct step_source *s = ctx;
    if (step_machine(s))
        physmem_sampler_look(s->machine, look);
    s->look_machine = s->machine != NULL;
}

static void step_ask_frame(void *ctx, uint64_t frame)
{
    struct step_source *s = ctx;
    if (step_machine(s))
        physmem_sampler_frame(s->machine, frame, step_enqueue, s);
}

static void step_look(void *ctx, uint64_t start, uint64_t end)
{
    struct step_source *s = ctx;
    if (s->sampler)
        sampler_look(s->sampler, start, end);
}

static void step_ask_page(void *ctx, uint64_t address)
{
    struct step_source *s = ctx;
    if (s->sampler)
        sampler_detail(s->sampler, address, step_enqueue, s);
}

static void step_ask_flags(void *ctx)
{
    struct step_source *s = ctx;
    if (s->sampler)
        sampler_ask_flags(s->sampler);
}

static void step_ask_caches(void *ctx)
{
    struct step_source *s = ctx;
    if (s->sampler)
        sampler_ask_caches(s->sampler);
}

static void step_ask_huge(void *ctx)
{
    struct step_source *s = ctx;
    if (s->sampler)
        sampler_ask_huge(s->sampler);
}

/* The answers belong into this frame. What else is told meanwhile must not fill the queue. */
static void step_await_symbols(struct step_source *s)
{
    const uint64_t end = io_now_ns() + ANSWER_MS * UINT64_C(1000000);
    struct record *r;
    bool settled = false;
    while (!settled && !s->late) {
        settled = lookup_settle(s->lookup, SETTLE_MS);
        while ((r = queue_take(s->events)))
            step_enqueue(s, r);
        s->late = !settled && io_now_ns() > end;
    }
}

static bool step_ask_symbol(void *ctx, pid_t pid, uint64_t program, uint64_t ip,
                            const struct region *r)
{
    struct step_source *s = ctx;
    struct err e;
    if (!s->events ||
        (!s->lookup && lookup_start(s->options->proc_root, s->events, &s->lookup, &e)))
        return false;
    bool asked = lookup_ask(s->lookup, pid, program, ip, r);
    if (asked)
        step_await_symbols(s);
    return asked;
}

static void step_stop_following(struct step_source *s)
{
    if (s->events)
        queue_close(s->events);
    follow_stop(s->follow);
    lookup_stop(s->lookup);
    queue_unref(s->events);
    s->follow = NULL;
    s->lookup = NULL;
    s->events = NULL;
    s->sampled = false;
}

static int step_start_following(struct step_source *s, pid_t pid, struct err *e)
{
    s->events = queue_create();
    if (!s->events)
        return err_set(e, -ENOMEM, "out of memory, or of file descriptors");
    int rc = start_following(s->options, false, pid, s->events, &s->follow, e);
    if (!rc)
        follow_wait_open(s->follow);
    return rc;
}

static int step_follow(void *ctx, struct err *e)
{
    struct step_source *s = ctx;
    int rc = refuse_dump(s->options, e);
    return rc || s->follow ? rc : step_start_following(s, s->pid, e);
}

static int step_attach(void *ctx, pid_t pid, struct err *e)
{
    struct step_source *s = ctx;
    struct sampler_options options = source_sampler_options(s->options);
    struct sampler *sampler;
    options.pid = pid;
    int rc = sampler_create(&options, &sampler, e);
    if (!rc)
        step_stop_following(s);
    if (!rc && is_followed(s->options) && (rc = step_start_following(s, pid, e)))
        sampler_destroy(sampler);
    if (rc)
        return rc;
    sampler_destroy(s->sampler);
    family_sampler_destroy(s->family);
    s->family = NULL;
    s->sampler = sampler;
    s->pid = pid;
    return 0;
}

int step_source_init(struct step_source *s, const struct options *o, struct err *e)
{
    *s = (struct step_source){.options = o};
    s->ui = (struct ui_source){.ctx = s, .fd = -1, .take = step_take, .step = step_step,
                               .look = step_look, .ask_page = step_ask_page, .ask_flags = step_ask_flags,
                               .ask_huge = step_ask_huge, .ask_caches = step_ask_caches,
                               .ask_family = step_ask_family,
                               .look_machine = step_look_machine, .ask_frame = step_ask_frame,
                               .ask_symbol = step_ask_symbol, .list = step_list,
                               .attach = step_attach, .follow = step_follow};
    return o->pid ? step_attach(s, o->pid, e) : 0;
}

void step_source_deinit(struct step_source *s)
{
    step_stop_following(s);
    while (s->head < s->count)
        record_destroy(s->queue[s->head++]);
    free(s->queue);
    sampler_destroy(s->sampler);
    family_sampler_destroy(s->family);
    physmem_sampler_destroy(s->machine);
}
