/* The events thread. */
#include "sampler/follow.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"
#include "sampler/thread.h"

/* A program that has just been started is looked at more often: it may end soon. */
static const char no_samples[] = "kernel call chains are taken by the bpf engine alone, as root";

static const char no_callers[] = "call chains are told by the engines bpf and perf, not by poll";

enum { DRAIN_MS = 20, DRAIN_FIRST_MS = 1, FIRST_MS = 1000, STATE_MS = 200 };

struct follow {
    char name[8];
    struct engine_options options;
    struct queue *queue;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open_done;
    int stop_fd;
    const struct engine_ops *ops;
    struct engine *engine;
    uint32_t stacks; /* told of */
    char why[400];
};

/* Call chains that have been seen for the first time go before the events that name them. */
static int put_stacks(struct follow *f)
{
    const char *text;
    int rc = 0;
    while (!rc && f->ops->stack && (text = f->ops->stack(f->engine, f->stacks + 1))) {
        struct record *r = record_create(RECORD_STACK, f->options.pid, io_now_ns());
        if (!r || !(r->stack.text = strdup(text))) {
            record_destroy(r);
            return -ENOMEM;
        }
        r->stack.number = ++f->stacks;
        rc = queue_put(f->queue, r);
    }
    return rc;
}

static int put_events(void *ctx, const struct event *events, size_t count)
{
    struct follow *f = ctx;
    int rc = put_stacks(f);
    if (rc)
        return rc;
    struct record *r = count ? record_create(RECORD_EVENTS, f->options.pid, io_now_ns()) : NULL;
    if (!r)
        return count ? -ENOMEM : 0;
    r->events.v = malloc(count * sizeof *events);
    if (!r->events.v) {
        record_destroy(r);
        return -ENOMEM;
    }
    memcpy(r->events.v, events, count * sizeof *events);
    r->events.count = count;
    return queue_put(f->queue, r);
}

static int put_state(struct follow *f)
{
    struct record *r = record_create(RECORD_ENGINE, f->options.pid, io_now_ns());
    if (!r || !(r->engine = calloc(1, sizeof *r->engine))) {
        record_destroy(r);
        return -ENOMEM;
    }
    struct engine_state *s = r->engine;
    snprintf(s->why, sizeof s->why, "%s", f->why);
    if (f->engine) {
        struct engine_stats stats = {0};
        f->ops->stats(f->engine, &stats);
        snprintf(s->name, sizeof s->name, "%s", f->ops->name);
        bool misses = f->options.family && !f->ops->family;
        snprintf(s->blind, sizeof s->blind, "%s%s", stats.blind ? stats.blind : f->ops->blind,
                 misses ? "; children from before" : "");
        s->events = stats.events;
        s->faults = stats.faults;
        s->lost = stats.lost;
        s->heat_faults = stats.heat_faults;
        s->heat = stats.heat;
        s->no_calls = stats.no_calls;
        s->evidence = stats.evidence;
        s->samples = stats.samples;
        s->samples_lost = stats.samples_lost;
        s->callers = stats.callers;
        s->chains = stats.chains;
        s->callers_lost = stats.callers_lost;
        if (f->options.callers && !stats.callers)
            snprintf(s->callers_why, sizeof s->callers_why, "%s", no_callers);
        if (f->options.evidence && !stats.evidence)
            snprintf(s->evidence_why, sizeof s->evidence_why, "%.*s", CAN_REASON_MAX - 1,
                     stats.evidence_why && *stats.evidence_why ? stats.evidence_why : no_samples);
    }
    return queue_put(f->queue, r);
}

static void open_engine(struct follow *f)
{
    struct err e = {0};
    struct engine *engine = NULL;
    const struct engine_ops *ops = NULL;
    char why[sizeof f->why] = "";
    int rc = engine_open(f->name[0] ? f->name : NULL, &f->options, &ops, &engine, why, sizeof why,
                         &e);
    if (rc && !why[0])
        snprintf(why, sizeof why, "%.399s", e.text);
    pthread_mutex_lock(&f->lock);
    if (!rc) {
        f->ops = ops;
        f->engine = engine;
    }
    memcpy(f->why, why, sizeof f->why);
    put_state(f); /* before any of its events: from now on they tell what happens */
    f->open_done = true;
    pthread_cond_broadcast(&f->opened);
    pthread_mutex_unlock(&f->lock);
}

static int drain_until_stopped(struct follow *f)
{
    const uint64_t ms = 1000000, calm = io_now_ns() + FIRST_MS * ms;
    uint64_t state_due = io_now_ns() + STATE_MS * ms;
    int rc = 0;
    while (!rc) {
        struct pollfd fds[2] = {{.fd = f->stop_fd, .events = POLLIN},
                                {.fd = f->ops->fd(f->engine), .events = POLLIN}};
        poll(fds, 2, io_now_ns() < calm ? DRAIN_FIRST_MS : DRAIN_MS);
        rc = f->ops->drain(f->engine, put_events, f);
        bool stop = fds[0].revents & POLLIN;
        if (!rc && stop && f->ops->rest)
            rc = f->ops->rest(f->engine, put_events, f);
        uint64_t now = io_now_ns();
        if (!rc && (stop || now >= state_due)) {
            rc = put_state(f);
            state_due = now + STATE_MS * ms;
        }
        if (stop)
            break;
    }
    return rc;
}

static void *follow_main(void *arg)
{
    struct follow *f = arg;
    open_engine(f);
    if (f->engine) {
        drain_until_stopped(f);
        f->ops->close(f->engine);
    }
    return NULL;
}

static void follow_free(struct follow *f)
{
    if (f->stop_fd >= 0)
        close(f->stop_fd);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->opened);
    queue_unref(f->queue);
    free(f);
}

int follow_start(const char *name, const struct engine_options *options, struct queue *queue,
                 struct follow **out, struct err *e)
{
    struct follow *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(e, -ENOMEM, "out of memory");
    snprintf(f->name, sizeof f->name, "%s", name ? name : "");
    f->options = *options;
    f->queue = queue_ref(queue);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->opened, NULL);
    f->stop_fd = eventfd(0, EFD_CLOEXEC);
    int rc = f->stop_fd < 0 ? -errno : thread_start(follow_main, f, &f->thread);
    if (rc) {
        follow_free(f);
        return err_set(e, rc, "cannot start the events thread: %s", strerror(-rc));
    }
    *out = f;
    return 0;
}

void follow_wait_open(struct follow *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->open_done)
        pthread_cond_wait(&f->opened, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

void follow_stop(struct follow *f)
{
    if (!f)
        return;
    eventfd_write(f->stop_fd, 1);
    pthread_join(f->thread, NULL);
    follow_free(f);
}
