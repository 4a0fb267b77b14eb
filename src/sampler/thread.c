/* Threads of ours. */
#include "sampler/thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

int thread_start(void *(*run)(void *), void *arg, pthread_t *out)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(out, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -rc;
}

void thread_leave(pthread_t thread, bool ends)
{
    if (ends)
        pthread_join(thread, NULL);
    else
        pthread_detach(thread);
}

void thread_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

bool thread_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
    const uint64_t ns_per_s = 1000000000;
    const struct timespec until = {(time_t)(deadline_ns / ns_per_s),
                                   (long)(deadline_ns % ns_per_s)};
    return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT;
}
