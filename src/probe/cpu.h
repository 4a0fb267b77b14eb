/* A thread on another CPU. */
#ifndef VMSCOPE_PROBE_CPU_H
#define VMSCOPE_PROBE_CPU_H

#include <pthread.h>
#include <stdbool.h>

/* Starts a thread that may run on any CPU that we may use but the one that we run on now: beside a
 * busy thread, a new one would stay on its CPU for milliseconds. False when there is no other CPU,
 * or no thread to be had. */
bool cpu_start_elsewhere(pthread_t *thread, void *(*run)(void *), void *arg);

#endif
