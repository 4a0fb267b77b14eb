/* The record queue. */
#include "sampler/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { QUEUE_MAX = 4096 };

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t room;
    struct record *v[QUEUE_MAX];
    unsigned head, count;
    int fd;
    bool closed;
    atomic_uint refs;
};

struct queue *queue_create(void)
{
    struct queue *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (q->fd < 0) {
        free(q);
        return NULL;
    }
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->room, NULL);
    atomic_init(&q->refs, 1);
    return q;
}

struct queue *queue_ref(struct queue *q)
{
    atomic_fetch_add(&q->refs, 1);
    return q;
}

void queue_unref(struct queue *q)
{
    if (!q || atomic_fetch_sub(&q->refs, 1) != 1)
        return;
    for (; q->count; q->count--, q->head = (q->head + 1) % QUEUE_MAX)
        record_destroy(q->v[q->head]);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->room);
    close(q->fd);
    free(q);
}

int queue_fd(const struct queue *q)
{
    return q->fd;
}

/* Views show finished samples, answers and events: nothing else is worth waking them. */
static bool is_worth_a_look(const struct record *r)
{
    return r->type != RECORD_TARGET && r->type != RECORD_REGIONS && r->type != RECORD_PAGES;
}

int queue_put(struct queue *q, struct record *r)
{
    pthread_mutex_lock(&q->lock);
    while (q->count == QUEUE_MAX && !q->closed)
        pthread_cond_wait(&q->room, &q->lock);
    bool closed = q->closed;
    if (!closed) {
        q->v[(q->head + q->count++) % QUEUE_MAX] = r;
        if (is_worth_a_look(r) || q->count == QUEUE_MAX / 2)
            eventfd_write(q->fd, 1);
    }
    pthread_mutex_unlock(&q->lock);
    if (closed)
        record_destroy(r);
    return closed ? -ECANCELED : 0;
}

struct record *queue_take(struct queue *q)
{
    struct record *r = NULL;
    pthread_mutex_lock(&q->lock);
    if (q->count) {
        r = q->v[q->head];
        q->head = (q->head + 1) % QUEUE_MAX;
        if (q->count-- == QUEUE_MAX)
            pthread_cond_broadcast(&q->room);
    } else {
        eventfd_t n;
        eventfd_read(q->fd, &n);
    }
    pthread_mutex_unlock(&q->lock);
    return r;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->room);
    pthread_mutex_unlock(&q->lock);
}
