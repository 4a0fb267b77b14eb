/* Starting a thread on another CPU. */
#include "probe/cpu.h"

#include <sched.h>
#include <signal.h>

static bool others(cpu_set_t *may)
{
    int here = sched_getcpu();
    if (here < 0 || sched_getaffinity(0, sizeof *may, may))
        return false;
    CPU_CLR((unsigned)here, may);
    return CPU_COUNT(may) > 0;
}

bool cpu_start_elsewhere(pthread_t *thread, void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    cpu_set_t may;
    sigset_t all, old;
    if (!others(&may) || pthread_attr_init(&attr))
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool started = !pthread_attr_setaffinity_np(&attr, sizeof may, &may) &&
                   !pthread_create(thread, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return started;
}
