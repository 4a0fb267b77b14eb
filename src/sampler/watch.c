/* The sampler thread. */
#include "sampler/watch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "probe/counters.h"
#include "sampler/family.h"
#include "sampler/thread.h"

struct watch {
    struct sampler_options options;
    char *proc_root, *counters; /* owned copies, or NULL */
    uint64_t refresh_ns;
    struct queue *queue;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a wish, or the end */
    bool stop, ended;
    bool look_set, ask_set, flags_set, huge_set, caches_set, family_set, renew_set;
    uint64_t look_start, look_end, ask_address;
    pthread_t thread;
    atomic_uint refs; /* the owner and the thread: the last one frees */
};

static void watch_unref(struct watch *w)
{
    if (atomic_fetch_sub(&w->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    queue_unref(w->queue);
    free(w->proc_root);
    free(w->counters);
    free(w);
}

static int enqueue(void *ctx, struct record *r)
{
    struct watch *w = ctx;
    return queue_put(w->queue, r);
}

void watch_look(struct watch *w, uint64_t start, uint64_t end)
{
    pthread_mutex_lock(&w->lock);
    w->look_start = start;
    w->look_end = end;
    w->look_set = true;
    pthread_mutex_unlock(&w->lock);
}

void watch_ask_page(struct watch *w, uint64_t address)
{
    pthread_mutex_lock(&w->lock);
    w->ask_address = address;
    w->ask_set = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void wish(struct watch *w, bool *what)
{
    pthread_mutex_lock(&w->lock);
    *what = true;
    pthread_mutex_unlock(&w->lock);
}

void watch_ask_flags(struct watch *w)
{
    wish(w, &w->flags_set);
}

void watch_ask_family(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->family_set = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void watch_ask_huge(struct watch *w)
{
    wish(w, &w->huge_set);
}

void watch_ask_caches(struct watch *w)
{
    wish(w, &w->caches_set);
}

void watch_renew(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->renew_set = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* Takes the wishes over; true if a page was asked for. */
static bool take_wishes(struct watch *w, struct sampler *s, uint64_t *address)
{
    if (w->look_set)
        sampler_look(s, w->look_start, w->look_end);
    if (w->flags_set)
        sampler_ask_flags(s);
    if (w->huge_set)
        sampler_ask_huge(s);
    if (w->caches_set)
        sampler_ask_caches(s);
    bool ask = w->ask_set;
    *address = w->ask_address;
    w->look_set = w->ask_set = w->flags_set = w->huge_set = false;
    w->caches_set = false;
    return ask;
}

/* Waits until `deadline`, answering questions about pages meanwhile. False when it is over. */
static bool wait_until(struct watch *w, struct sampler *s, uint64_t deadline)
{
    bool in_time = true;
    pthread_mutex_lock(&w->lock);
    while (!w->stop && in_time && !w->renew_set) {
        uint64_t address;
        if (take_wishes(w, s, &address)) {
            pthread_mutex_unlock(&w->lock);
            sampler_detail(s, address, enqueue, w);
            pthread_mutex_lock(&w->lock);
            continue;
        }
        in_time = thread_wait(&w->changed, &w->lock, deadline);
    }
    bool go_on = !w->stop;
    if (w->renew_set)
        sampler_renew(s);
    w->renew_set = false;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

static void say_lost(struct watch *w, const struct err *e)
{
    struct record *r = record_create(RECORD_GONE, w->options.pid, io_now_ns());
    if (!r)
        return;
    r->gone.error = e->code;
    size_t n = strnlen(e->text, sizeof r->gone.text - 1);
    memcpy(r->gone.text, e->text, n);
    r->gone.text[n] = '\0';
    enqueue(w, r);
}

/* The family, once that was asked for. */
struct relatives {
    struct family_sampler *sampler; /* NULL: not asked for yet */
    uint64_t due_ns, again_ns; /* when it is read as a whole next, and those that moved */
};

static bool wants_family(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    bool wants = w->family_set;
    pthread_mutex_unlock(&w->lock);
    return wants;
}

/* A quarter of the limit is for looking who has moved meanwhile, and reading that again. */
static void take_again(struct watch *w, struct relatives *r)
{
    const uint64_t soon = 2000000000, now = io_now_ns();
    uint64_t cpu, wall;
    if (now < r->again_ns || r->due_ns - now < soon)
        return;
    family_sampler_again(r->sampler, enqueue, w);
    family_sampler_cost(r->sampler, &cpu, &wall);
    r->again_ns = io_now_ns() + (w->options.cpu_permille ? cpu * 4000 / w->options.cpu_permille : 0);
}

/* Half of the limit is for the whole family. That it cannot be read, the process's own sample tells. */
static void take_family(struct watch *w, struct relatives *r)
{
    struct err e;
    uint64_t cpu, wall;
    if (!r->sampler && wants_family(w))
        r->sampler = family_sampler_create(&w->options);
    if (!r->sampler)
        return;
    if (io_now_ns() < r->due_ns) {
        take_again(w, r);
        return;
    }
    family_sampler_take(r->sampler, enqueue, w, &e);
    family_sampler_cost(r->sampler, &cpu, &wall);
    uint64_t pause = w->options.cpu_permille ? cpu * 2000 / w->options.cpu_permille : 0;
    r->due_ns = io_now_ns() + (pause > wall ? pause - wall : 0);
}

static void send_counts(struct watch *w, const struct counters_group *g)
{
    struct record *r = g ? record_create(RECORD_COUNTS, w->options.pid, io_now_ns()) : NULL;
    if (!r)
        return;
    r->counts = malloc(sizeof *r->counts);
    if (!r->counts) {
        record_destroy(r);
        return;
    }
    counters_read(g, r->counts);
    enqueue(w, r);
}

static void watch_each(struct watch *w, struct sampler *s, struct relatives *family,
                       const struct counters_group *counters)
{
    struct err e = {0};
    uint64_t next = io_now_ns();
    do {
        int rc = sampler_tick(s, enqueue, w, &e);
        if (rc == -ECANCELED)
            return;
        if (rc) {
            say_lost(w, &e);
            return;
        }
        if (sampler_gone(s))
            return;
        send_counts(w, counters);
        take_family(w, family);
        uint64_t now = io_now_ns();
        next += w->refresh_ns;
        if (next < now)
            next = now + w->refresh_ns / 2;
    } while (wait_until(w, s, next));
}

/* Of a command that is held nothing is shown: its memory is a copy of ours until its exec. */
static bool wait_for_program(struct watch *w, struct sampler *s)
{
    return !w->options.held || (!sampler_announce(s, enqueue, w) && wait_until(w, s, UINT64_MAX));
}

static void watch_loop(struct watch *w, struct sampler *s)
{
    if (!wait_for_program(w, s))
        return;
    const char *list = w->options.counters;
    struct counters_group *counters = list ? counters_open(w->options.pid, list) : NULL;
    struct relatives family = {0};
    watch_each(w, s, &family, counters);
    counters_close(counters);
    family_sampler_destroy(family.sampler);
}

static void *watch_main(void *arg)
{
    struct watch *w = arg;
    struct sampler *s = NULL;
    struct err e = {0};
    if (sampler_create(&w->options, &s, &e))
        say_lost(w, &e);
    else
        watch_loop(w, s);
    sampler_destroy(s);
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    watch_unref(w);
    return NULL;
}

int watch_start(const struct sampler_options *options, uint64_t refresh_ns, struct queue *queue,
                struct watch **out, struct err *e)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, -ENOMEM, "out of memory");
    w->options = *options;
    w->refresh_ns = refresh_ns;
    atomic_init(&w->refs, 2);
    w->proc_root = options->proc_root ? strdup(options->proc_root) : NULL;
    w->options.proc_root = w->proc_root;
    w->counters = options->counters ? strdup(options->counters) : NULL;
    w->options.counters = w->counters;
    pthread_mutex_init(&w->lock, NULL);
    thread_cond_init(&w->changed);
    w->queue = queue_ref(queue);
    int rc = thread_start(watch_main, w, &w->thread);
    if (rc) {
        atomic_store(&w->refs, 1);
        watch_unref(w);
        return err_set(e, rc, "cannot start the sampler thread: %s", strerror(-rc));
    }
    *out = w;
    return 0;
}

void watch_stop(struct watch *w)
{
    if (!w)
        return;
    const uint64_t deadline = io_now_ns() + 200000000;
    queue_close(w->queue);
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->changed);
    while (!w->ended && thread_wait(&w->changed, &w->lock, deadline))
        ;
    bool ended = w->ended;
    pthread_mutex_unlock(&w->lock);
    thread_leave(w->thread, ended);
    watch_unref(w);
}
