/* The stepping thread. It holds events back until the tracer says that the target stands, and tells
 * them one by one: several come together when threads, or the kernel in one call, made them. */
#include "sampler/stepping.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "probe/lines.h"
#include "probe/maps.h"
#include "probe/mounts.h"
#include "probe/procdir.h"
#include "probe/step.h"
#include "sampler/thread.h"

enum { RUN_SAMPLE_MS = 500, SLOW_MS = 100, NS_PER_MS = 1000000 };

struct stepping {
    struct sampler_options options;
    struct queue *queue;
    struct step *step;
    struct sampler *sampler; /* of the process shown; NULL until the program's exec */
    struct lines *lines;     /* for goals that name a function; NULL until one does */
    pthread_t thread;
    int wake;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop, hold, settled, pin;
    struct step_goal wanted; /* the next goal, if one is */
    unsigned pace_ms;
    bool look_set, ask_set, answers; /* answers: what was asked is just being answered */
    uint64_t look_start, look_end, ask_address;

    /* The thread's own. */
    struct step_goal goal; /* GOAL_NONE: it stands where somebody looks */
    struct event *v;       /* told by the tracer, not yet by us */
    size_t at, count, cap;
    bool begun, stopped, sampled, ended, run, said_goes, pinned;
    pid_t shown, last; /* the process of the sampler, and that of the last event */
    uint64_t go_ns, sample_ns, stand_ns;
    struct step_state state;
};

/* --- into the queue --- */

static int put(void *ctx, struct record *r)
{
    struct stepping *s = ctx;
    return queue_put(s->queue, r);
}

static void put_engine(struct stepping *s, enum engine_stepping how)
{
    struct record *r = record_create(RECORD_ENGINE, s->options.pid, io_now_ns());
    if (!r || !(r->engine = calloc(1, sizeof *r->engine))) {
        record_destroy(r);
        return;
    }
    step_describe(&s->state, r->engine);
    r->engine->stepping = (uint8_t)how;
    r->engine->pinned = s->pinned;
    s->said_goes = how == STEPPING_GOES;
    put(s, r);
}

/* Whose process is shown. */
static void note(struct stepping *s, const struct event *e)
{
    if (e->type != EVENT_EXIT)
        s->last = e->pid;
}

static void put_events(struct stepping *s, size_t from, size_t to)
{
    if (from == to || !s->sampler) /* the first picture is of the program behind its exec */
        return;
    struct record *r = record_create(RECORD_EVENTS, s->options.pid, io_now_ns());
    if (!r || !(r->events.v = malloc((to - from) * sizeof *s->v))) {
        record_destroy(r);
        s->state.lost += to - from;
        return;
    }
    memcpy(r->events.v, s->v + from, (to - from) * sizeof *s->v);
    r->events.count = to - from;
    put(s, r);
}

/* False when it is not there any more: then what was shown stays. */
static bool show_process(struct stepping *s, pid_t pid)
{
    struct sampler_options options = s->options;
    struct sampler *sampler;
    struct err e;
    if (s->sampler && s->shown == pid)
        return true;
    options.pid = pid;
    if (sampler_create(&options, &sampler, &e))
        return false;
    sampler_destroy(s->sampler);
    s->sampler = sampler;
    s->shown = pid;
    return true;
}

/* The process of the last event, if not another one is to be kept on the screen. Of one that has
 * ended, the first one. */
static void choose_process(struct stepping *s)
{
    bool gone = s->sampler && sampler_gone(s->sampler);
    pid_t pid = s->last && !(gone && s->last == s->shown) ? s->last : s->options.pid;
    if (s->sampler && s->pinned && !gone)
        return;
    if (!show_process(s, pid) && (gone || !s->sampler))
        show_process(s, s->options.pid);
}

static void sample(struct stepping *s)
{
    struct err e;
    choose_process(s);
    if (s->sampler && !sampler_gone(s->sampler))
        sampler_full(s->sampler, put, s, &e);
    s->sampled = true;
    s->sample_ns = io_now_ns();
}

/* --- events --- */

/* After these the mappings are read before it goes on: calls do not tell which file they map. */
static bool wants_look(const struct event *e)
{
    return e->type == EVENT_EXEC || (e->type == EVENT_CALL && e->call.call == CALL_MMAP &&
                                     e->call.has_args && (int32_t)e->call.args[4] >= 0);
}

/* NULL if they cannot be read. */
static struct region_table *mappings(const struct stepping *s, pid_t pid)
{
    struct procdir d;
    struct buf text = {0};
    struct region_table *t = NULL;
    const struct mount_kinds kinds = {0};
    if (procdir_open(s->options.proc_root, pid, &d, NULL))
        return NULL;
    if (procdir_read(&d, "maps", &text) || maps_parse(text.data, text.len, &kinds, &t))
        t = NULL;
    buf_deinit(&text);
    procdir_close(&d);
    return t;
}

static void symbol_of(struct stepping *s, const struct event *e, struct line_answer *out)
{
    *out = (struct line_answer){.symbol = ""};
    if (!s->lines && !(s->lines = lines_create()))
        return;
    struct region_table *t = mappings(s, e->pid);
    const struct region *r = t ? region_table_at(t, e->fault.ip) : NULL;
    if (r)
        lines_find_of(s->lines, s->options.proc_root, e->pid, r, e->fault.ip, out);
    region_table_unref(t);
}

static bool is_met(struct stepping *s, const struct event *e)
{
    struct line_answer where = {.symbol = ""};
    if (e->type == EVENT_EXEC)
        return s->goal.what == GOAL_EVENT && e->pid == s->options.pid;
    if (s->goal.what == GOAL_SYMBOL && e->type == EVENT_FAULT)
        symbol_of(s, e, &where);
    return goal_met(&s->goal, e, where.symbol);
}

static void stand(struct stepping *s)
{
    if (!s->sampled)
        sample(s);
    put_engine(s, STEPPING_STANDS);
    s->goal.what = GOAL_NONE;
    s->stand_ns = io_now_ns();
}

static void go_on(struct stepping *s)
{
    s->at = s->count = 0;
    s->stopped = s->sampled = false;
    s->go_ns = io_now_ns();
    step_go(s->step);
}

/* Tells events until the goal is met; behind the last one the target goes on. */
static void advance(struct stepping *s)
{
    size_t from = s->at;
    bool met = false, look = false;
    while (s->at < s->count && !met) {
        const struct event *e = &s->v[s->at++];
        look |= wants_look(e);
        met = is_met(s, e);
        note(s, e);
    }
    put_events(s, from, s->at);
    if (met) {
        stand(s);
        return;
    }
    if (look)
        sample(s);
    go_on(s);
}

/* --- the tracer's messages --- */

/* What the child does before it becomes the program is not the program's. */
static void keep(struct stepping *s, const struct step_message *m)
{
    uint32_t first = 0;
    while (!s->begun && first < m->count && m->events[first].type != EVENT_EXEC)
        first++;
    s->begun |= first < m->count;
    uint32_t more = m->count - first;
    void *v = s->v;
    int rc = array_reserve(&v, &s->cap, s->count + more, sizeof *s->v);
    s->v = v;
    if (rc) {
        s->state.lost += more;
        return;
    }
    memcpy(s->v + s->count, m->events + first, more * sizeof *s->v);
    s->count += more;
}

static void tell_all(struct stepping *s)
{
    put_events(s, s->at, s->count);
    for (size_t i = s->at; i < s->count; i++)
        note(s, &s->v[i]);
    s->at = s->count = 0;
}

static void end(struct stepping *s)
{
    tell_all(s);
    s->ended = true;
    s->goal.what = GOAL_NONE;
    put_engine(s, STEPPING_ENDED);
    sample(s);
}

static void take(struct stepping *s, const struct step_message *m)
{
    switch (m->kind) {
    case STEP_EVENTS:
        keep(s, m);
        if (s->run)
            tell_all(s);
        break;
    case STEP_STATE:
        s->state = m->state;
        break;
    case STEP_STOPPED:
        s->stopped = true;
        break;
    default:
        end(s);
        break;
    }
}

static void take_messages(struct stepping *s)
{
    struct step_message m;
    int kind;
    while (!s->ended && !s->stopped && (kind = step_next(s->step, &m)) != STEP_NOTHING) {
        if (kind < 0)
            end(s);
        else
            take(s, &m);
    }
}

/* It stands where the tracer stopped it, which may not be where somebody wants to look. */
static void on_stop(struct stepping *s)
{
    if (s->run) { /* a look at new mappings */
        sample(s);
        go_on(s);
    } else if (s->goal.what != GOAL_NONE) {
        advance(s);
    }
}

/* --- wishes --- */

static void begin(struct stepping *s, const struct step_goal *goal)
{
    s->goal = *goal;
    bool run = goal->what == GOAL_NEVER;
    if (run != s->run) {
        if (run)
            tell_all(s);
        step_set_run(s->step, run);
        s->run = run;
    }
    if (run)
        put_engine(s, STEPPING_GOES);
    if (s->stopped && run)
        go_on(s);
    else if (s->stopped)
        advance(s);
}

static void answer_page(struct stepping *s, uint64_t address)
{
    if (s->sampler)
        sampler_detail(s->sampler, address, put, s);
}

static void keep_shown(struct stepping *s, bool pin)
{
    bool stands = s->stopped && s->goal.what == GOAL_NONE;
    if (pin == s->pinned)
        return;
    s->pinned = pin;
    if (!pin)
        sample(s);
    put_engine(s, s->ended ? STEPPING_ENDED : stands ? STEPPING_STANDS : STEPPING_GOES);
}

/* False when it is over. */
static bool take_wishes(struct stepping *s)
{
    pthread_mutex_lock(&s->lock);
    bool stop = s->stop, hold = s->hold, ask = s->ask_set, pin = s->pin;
    struct step_goal wanted = s->wanted;
    uint64_t address = s->ask_address;
    if (s->look_set && s->sampler)
        sampler_look(s->sampler, s->look_start, s->look_end);
    s->hold = s->ask_set = s->look_set = false;
    s->answers = ask;
    s->wanted.what = GOAL_NONE;
    pthread_mutex_unlock(&s->lock);
    if (stop)
        return false;
    keep_shown(s, pin);
    if (ask)
        answer_page(s, address);
    if (hold && s->goal.what != GOAL_NONE)
        wanted = (struct step_goal){.what = GOAL_EVENT};
    if (wanted.what != GOAL_NONE && !s->ended)
        begin(s, &wanted);
    return true;
}

/* What happens by itself: an event at its time, a sample of a program that runs. */
static void pass_time(struct stepping *s, unsigned pace_ms)
{
    uint64_t now = io_now_ns();
    if (s->ended)
        return;
    if (s->goal.what == GOAL_NONE && s->stopped && pace_ms &&
        now - s->stand_ns >= pace_ms * (uint64_t)NS_PER_MS) {
        s->goal.what = GOAL_EVENT;
        advance(s);
    }
    if (s->goal.what == GOAL_NONE || s->stopped)
        return;
    if (!s->said_goes && now - s->go_ns > SLOW_MS * NS_PER_MS)
        put_engine(s, STEPPING_GOES);
    uint64_t since = s->go_ns > s->sample_ns ? s->go_ns : s->sample_ns;
    if (s->sampler && now - since > RUN_SAMPLE_MS * NS_PER_MS) {
        sample(s);
        s->sampled = false; /* it runs: where it stops, it is looked at again */
    }
}

static void publish(struct stepping *s)
{
    pthread_mutex_lock(&s->lock);
    bool wishes = s->ask_set || s->hold || s->wanted.what != GOAL_NONE || s->pin != s->pinned;
    s->settled = !wishes && (s->ended || (s->stopped && s->goal.what == GOAL_NONE));
    s->answers = false;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void wait_for_something(struct stepping *s, unsigned pace_ms)
{
    bool listen = !s->ended && !s->stopped;
    struct pollfd fds[2] = {{.fd = s->wake, .events = POLLIN},
                            {.fd = listen ? step_fd(s->step) : -1, .events = POLLIN}};
    eventfd_t n;
    poll(fds, 2, listen || pace_ms ? 20 : -1);
    if (fds[0].revents & POLLIN)
        eventfd_read(s->wake, &n);
}

static void *stepping_main(void *arg)
{
    struct stepping *s = arg;
    while (take_wishes(s)) {
        pthread_mutex_lock(&s->lock);
        unsigned pace_ms = s->pace_ms;
        pthread_mutex_unlock(&s->lock);
        take_messages(s);
        if (s->stopped && !s->ended)
            on_stop(s);
        pass_time(s, pace_ms);
        publish(s);
        wait_for_something(s, pace_ms);
    }
    return NULL;
}

static void stepping_free(struct stepping *s)
{
    step_detach(s->step);
    sampler_destroy(s->sampler);
    lines_destroy(s->lines);
    if (s->wake >= 0)
        close(s->wake);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    queue_unref(s->queue);
    free(s->v);
    free(s);
}

int stepping_start(const struct sampler_options *options, bool follow, struct queue *queue,
                   struct stepping **out, struct err *e)
{
    const struct step_options step = {.pid = options->pid, .follow = follow};
    struct stepping *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, -ENOMEM, "out of memory");
    s->options = *options;
    s->queue = queue_ref(queue);
    s->goal.what = GOAL_EVENT; /* its exec */
    pthread_mutex_init(&s->lock, NULL);
    thread_cond_init(&s->changed);
    s->wake = eventfd(0, EFD_CLOEXEC);
    int rc = s->wake < 0 ? err_set(e, -errno, "out of file descriptors")
                         : step_start(&step, &s->step, e);
    if (!rc && (rc = thread_start(stepping_main, s, &s->thread)))
        err_set(e, rc, "cannot start the stepping thread: %s", strerror(-rc));
    if (rc) {
        stepping_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

static void wake_up(struct stepping *s)
{
    s->settled = false;
    pthread_mutex_unlock(&s->lock);
    eventfd_write(s->wake, 1);
}

void stepping_stop(struct stepping *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    wake_up(s);
    pthread_join(s->thread, NULL);
    stepping_free(s);
}

void stepping_go(struct stepping *s, const struct step_goal *goal)
{
    pthread_mutex_lock(&s->lock);
    s->wanted = *goal;
    s->pace_ms = 0;
    wake_up(s);
}

void stepping_hold(struct stepping *s)
{
    pthread_mutex_lock(&s->lock);
    s->hold = true;
    s->pace_ms = 0;
    wake_up(s);
}

void stepping_pace(struct stepping *s, unsigned ms)
{
    pthread_mutex_lock(&s->lock);
    s->pace_ms = ms;
    wake_up(s);
}

void stepping_pin(struct stepping *s, bool pin)
{
    pthread_mutex_lock(&s->lock);
    s->pin = pin;
    wake_up(s);
}

void stepping_look(struct stepping *s, uint64_t start, uint64_t end)
{
    pthread_mutex_lock(&s->lock);
    s->look_start = start;
    s->look_end = end;
    s->look_set = true;
    pthread_mutex_unlock(&s->lock);
}

void stepping_ask_page(struct stepping *s, uint64_t address)
{
    pthread_mutex_lock(&s->lock);
    s->ask_address = address;
    s->ask_set = true;
    wake_up(s);
}

bool stepping_answered(struct stepping *s, unsigned ms)
{
    const uint64_t deadline = io_now_ns() + ms * (uint64_t)NS_PER_MS;
    pthread_mutex_lock(&s->lock);
    while ((s->ask_set || s->answers) && thread_wait(&s->changed, &s->lock, deadline))
        continue;
    bool answered = !s->ask_set && !s->answers;
    pthread_mutex_unlock(&s->lock);
    return answered;
}

bool stepping_settle(struct stepping *s, unsigned ms)
{
    const uint64_t deadline = io_now_ns() + ms * (uint64_t)NS_PER_MS;
    pthread_mutex_lock(&s->lock);
    while (!s->settled && thread_wait(&s->changed, &s->lock, deadline))
        continue;
    bool settled = s->settled;
    pthread_mutex_unlock(&s->lock);
    return settled;
}
