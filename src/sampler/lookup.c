/* The worker for symbols. */
#include "sampler/lookup.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "probe/callsite.h"
#include "probe/lines.h"
#include "sampler/thread.h"

enum { WAITING_MAX = 256, PATIENCE_NS = 200000000 };

struct question {
    pid_t pid;
    uint64_t program, ip;
    struct region region; /* its name is owned */
};

struct lookup {
    char *proc_root; /* owned copy, or NULL */
    struct queue *queue;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a question, or the end */
    struct question waiting[WAITING_MAX];
    unsigned head, count;
    bool busy, stop, ended; /* busy: one that is not waiting any more has no answer yet */
    pthread_t thread;
    atomic_uint refs; /* the owner and the thread: the last one frees */
};

static void lookup_unref(struct lookup *l)
{
    if (atomic_fetch_sub(&l->refs, 1) != 1)
        return;
    for (; l->count; l->count--, l->head = (l->head + 1) % WAITING_MAX)
        free((char *)l->waiting[l->head].region.name);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    queue_unref(l->queue);
    free(l->proc_root);
    free(l);
}

static bool is_waiting(const struct lookup *l, uint64_t program, uint64_t ip)
{
    for (unsigned i = 0; i < l->count; i++) {
        const struct question *q = &l->waiting[(l->head + i) % WAITING_MAX];
        if (q->program == program && q->ip == ip)
            return true;
    }
    return false;
}

static bool add(struct lookup *l, const struct question *q)
{
    char *name = strdup(q->region.name);
    if (!name)
        return false;
    struct question *to = &l->waiting[(l->head + l->count) % WAITING_MAX];
    *to = *q;
    to->region.name = name;
    to->region.smaps = NULL;
    l->count++;
    pthread_cond_broadcast(&l->changed);
    return true;
}

bool lookup_ask(struct lookup *l, pid_t pid, uint64_t program, uint64_t ip,
                const struct region *r)
{
    const struct question q = {pid, program, ip, *r};
    pthread_mutex_lock(&l->lock);
    bool taken = is_waiting(l, program, ip) || (l->count < WAITING_MAX && add(l, &q));
    pthread_mutex_unlock(&l->lock);
    return taken;
}

bool lookup_settle(struct lookup *l, unsigned ms)
{
    const uint64_t deadline = io_now_ns() + ms * UINT64_C(1000000);
    pthread_mutex_lock(&l->lock);
    while (!l->ended && (l->busy || l->count) && thread_wait(&l->changed, &l->lock, deadline))
        continue;
    bool settled = l->ended || (!l->busy && !l->count);
    pthread_mutex_unlock(&l->lock);
    return settled;
}

/* Waits for the next question, which is the caller's; false when it is over. */
static bool next(struct lookup *l, struct question *out)
{
    pthread_mutex_lock(&l->lock);
    l->busy = false;
    pthread_cond_broadcast(&l->changed);
    while (!l->stop && !l->count)
        pthread_cond_wait(&l->changed, &l->lock);
    bool go_on = !l->stop;
    l->busy = go_on;
    if (go_on) {
        *out = l->waiting[l->head];
        l->head = (l->head + 1) % WAITING_MAX;
        l->count--;
    }
    pthread_mutex_unlock(&l->lock);
    return go_on;
}

static int answer(struct lookup *l, struct lines *lines, const struct question *q)
{
    struct line_answer found;
    struct record *r = record_create(RECORD_SYMBOL, q->pid, io_now_ns());
    if (!r || !(r->site = calloc(1, sizeof *r->site))) {
        record_destroy(r);
        return 0;
    }
    lines_find_of(lines, l->proc_root, q->pid, &q->region, q->ip, &found);
    r->site->program = q->program;
    r->site->ip = q->ip;
    r->site->ends_call = (uint8_t)callsite_look(l->proc_root, q->pid, &q->region, q->ip + 1);
    memcpy(r->site->symbol, found.symbol, sizeof r->site->symbol);
    memcpy(r->site->source, found.source, sizeof r->site->source);
    memcpy(r->site->why, found.why, sizeof r->site->why);
    return queue_put(l->queue, r);
}

static void *lookup_main(void *arg)
{
    struct lookup *l = arg;
    struct lines *lines = lines_create();
    struct question q;
    int rc = 0;
    while (lines && !rc && next(l, &q)) {
        rc = answer(l, lines, &q);
        free((char *)q.region.name);
    }
    lines_destroy(lines);
    pthread_mutex_lock(&l->lock);
    l->ended = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    lookup_unref(l);
    return NULL;
}

int lookup_start(const char *proc_root, struct queue *queue, struct lookup **out, struct err *e)
{
    struct lookup *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, -ENOMEM, "out of memory");
    l->proc_root = proc_root ? strdup(proc_root) : NULL;
    l->queue = queue_ref(queue);
    pthread_mutex_init(&l->lock, NULL);
    thread_cond_init(&l->changed);
    atomic_init(&l->refs, 2);
    int rc = thread_start(lookup_main, l, &l->thread);
    if (rc) {
        atomic_store(&l->refs, 1);
        lookup_unref(l);
        return err_set(e, rc, "cannot start the thread that looks up symbols: %s", strerror(-rc));
    }
    *out = l;
    return 0;
}

void lookup_stop(struct lookup *l)
{
    if (!l)
        return;
    const uint64_t deadline = io_now_ns() + PATIENCE_NS;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    while (!l->ended && thread_wait(&l->changed, &l->lock, deadline))
        ;
    bool ended = l->ended;
    pthread_mutex_unlock(&l->lock);
    thread_leave(l->thread, ended);
    lookup_unref(l);
}
