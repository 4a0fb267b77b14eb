/* The thread behind the physical view. */
#include "sampler/physmem_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "sampler/thread.h"

enum { FIRST_NS = 60000000, MOST_NS = 30000000 };
#define TICK_NS UINT64_C(250000000)
#define LOOK_LASTS_NS UINT64_C(3000000000)

struct physmem_watch {
    struct physmem_sampler *physical;
    struct queue *queue;
    unsigned cpu_permille;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a wish, or the end */
    bool stop, frame_set;
    struct frame_look look;
    uint64_t look_until_ns; /* 0: nobody ever looked */
    uint64_t frame;
};

static int enqueue(void *ctx, struct record *r)
{
    struct physmem_watch *w = ctx;
    return queue_put(w->queue, r);
}

/* Half of the share, for the time since the last tick. */
static uint64_t budget(const struct physmem_watch *w, uint64_t last, uint64_t now)
{
    if (!last)
        return FIRST_NS;
    uint64_t ns = (now - last) * w->cpu_permille / 2000;
    return ns < MOST_NS ? ns : MOST_NS;
}

/* Waits for the next tick or a wish. False when it is over. Called with the lock held. */
static bool wait_for_work(struct physmem_watch *w, uint64_t due)
{
    while (!w->stop && !w->frame_set) {
        uint64_t now = io_now_ns();
        if (now >= w->look_until_ns) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        if (now >= due)
            break;
        thread_wait(&w->changed, &w->lock, due);
    }
    return !w->stop;
}

static void *physmem_main(void *arg)
{
    struct physmem_watch *w = arg;
    uint64_t last = 0, due = 0;
    int rc = 0;
    pthread_mutex_lock(&w->lock);
    while (!rc && wait_for_work(w, due)) {
        bool frame_set = w->frame_set;
        uint64_t frame = w->frame, now = io_now_ns();
        struct frame_look look = w->look;
        w->frame_set = false;
        pthread_mutex_unlock(&w->lock);
        physmem_sampler_look(w->physical, &look);
        if (frame_set)
            rc = physmem_sampler_frame(w->physical, frame, enqueue, w);
        if (!rc && now >= due) {
            rc = physmem_sampler_tick(w->physical, budget(w, last, now), enqueue, w);
            last = now;
            due = now + TICK_NS;
        }
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void dispose(struct physmem_watch *w)
{
    physmem_sampler_destroy(w->physical);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    queue_unref(w->queue);
    free(w);
}

int physmem_watch_start(const char *proc_root, unsigned cpu_permille, struct queue *queue,
                        struct physmem_watch **out, struct err *e)
{
    struct physmem_watch *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, -ENOMEM, "out of memory");
    int rc = physmem_sampler_create(proc_root, &w->physical, e);
    if (rc) {
        free(w);
        return rc;
    }
    w->cpu_permille = cpu_permille;
    w->queue = queue_ref(queue);
    pthread_mutex_init(&w->lock, NULL);
    thread_cond_init(&w->changed);
    rc = thread_start(physmem_main, w, &w->thread);
    if (rc) {
        dispose(w);
        return err_set(e, rc, "cannot start a thread: %s", strerror(-rc));
    }
    *out = w;
    return 0;
}

void physmem_watch_stop(struct physmem_watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    dispose(w);
}

void physmem_watch_look(struct physmem_watch *w, const struct frame_look *look)
{
    pthread_mutex_lock(&w->lock);
    w->look = *look;
    w->look_until_ns = io_now_ns() + LOOK_LASTS_NS;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void physmem_watch_frame(struct physmem_watch *w, uint64_t frame)
{
    pthread_mutex_lock(&w->lock);
    w->frame = frame;
    w->frame_set = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}
