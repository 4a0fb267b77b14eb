/* Threads of ours. */
#ifndef VMSCOPE_SAMPLER_THREAD_H
#define VMSCOPE_SAMPLER_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Starts a thread that takes no signals: those are for the thread that began. 0 or negative
 * errno. */
int thread_start(void *(*run)(void *), void *arg, pthread_t *out);

/* Waits for the end of a thread that is about to end, or leaves it to itself. */
void thread_leave(pthread_t thread, bool ends);

/* A condition whose timeouts are times of CLOCK_MONOTONIC. */
void thread_cond_init(pthread_cond_t *cond);

/* Waits with the lock held until something is signalled or `deadline_ns` has passed; false then. */
bool thread_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns);

#endif
