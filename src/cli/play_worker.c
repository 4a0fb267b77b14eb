/* A thread that runs the scenario: a statement may take as long as its limit, and the screen shall
 * not wait for it. The run belongs to this thread from its beginning to its end. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/play_parts.h"

static void *work(void *ctx)
{
    struct play *p = ctx;
    struct play_worker *w = &p->worker;
    enum play_job job;
    pthread_mutex_lock(&w->lock);
    do {
        while (w->job == PLAY_IDLE)
            pthread_cond_wait(&w->changed, &w->lock);
        job = w->job;
        pthread_mutex_unlock(&w->lock);
        struct player_step step = {0};
        struct err e = {0};
        int rc = play_run(p, job, &step, &e);
        pthread_mutex_lock(&w->lock);
        w->step = step;
        w->error = e;
        w->rc = rc;
        w->next = play_next_line(p);
        w->job = PLAY_IDLE;
        w->done = true;
        eventfd_write(w->fd, 1);
        pthread_cond_signal(&w->changed);
    } while (job != PLAY_QUIT);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static int close_fds(const struct play_worker *w, int rc)
{
    if (w->fd >= 0)
        close(w->fd);
    if (w->stop_fd >= 0)
        close(w->stop_fd);
    return rc;
}

int play_worker_init(struct play *p)
{
    struct play_worker *w = &p->worker;
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->fd < 0 || w->stop_fd < 0)
        return close_fds(w, -errno);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    int rc = -pthread_create(&w->thread, NULL, work, p);
    if (!rc)
        return 0;
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    return close_fds(w, rc);
}

void play_worker_begin(struct play *p, enum play_job job)
{
    struct play_worker *w = &p->worker;
    pthread_mutex_lock(&w->lock);
    w->job = job;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

bool play_worker_take(struct play *p, struct player_step *out, int *rc, struct err *e)
{
    struct play_worker *w = &p->worker;
    eventfd_t told;
    pthread_mutex_lock(&w->lock);
    bool done = w->done;
    if (done) {
        eventfd_read(w->fd, &told);
        *out = w->step;
        *rc = w->rc;
        *e = w->error;
        w->step = (struct player_step){0};
        w->done = false;
    }
    pthread_mutex_unlock(&w->lock);
    return done;
}

unsigned play_worker_next(struct play *p)
{
    pthread_mutex_lock(&p->worker.lock);
    unsigned next = p->worker.next;
    pthread_mutex_unlock(&p->worker.lock);
    return next;
}

/* Waits for what is being done, and drops what came of it. */
static void wait_idle(struct play_worker *w)
{
    eventfd_t told;
    pthread_mutex_lock(&w->lock);
    while (w->job != PLAY_IDLE)
        pthread_cond_wait(&w->changed, &w->lock);
    player_step_deinit(&w->step);
    eventfd_read(w->fd, &told);
    w->done = false;
    pthread_mutex_unlock(&w->lock);
}

int play_worker_do(struct play *p, enum play_job job, struct err *e)
{
    struct play_worker *w = &p->worker;
    eventfd_t told;
    eventfd_write(w->stop_fd, 1);
    wait_idle(w);
    eventfd_read(w->stop_fd, &told);
    play_worker_begin(p, job);
    wait_idle(w);
    if (w->rc)
        *e = w->error;
    return w->rc;
}

int play_worker_deinit(struct play *p, struct err *e)
{
    int rc = play_worker_do(p, PLAY_QUIT, e);
    pthread_join(p->worker.thread, NULL);
    pthread_mutex_destroy(&p->worker.lock);
    pthread_cond_destroy(&p->worker.changed);
    return close_fds(&p->worker, rc);
}
