/* A thread that reads the physical side of the machine while somebody looks at it. It has half of
 * the CPU share that watching may use, and sleeps when nobody has looked for a while. */
#ifndef VMSCOPE_SAMPLER_PHYSMEM_WATCH_H
#define VMSCOPE_SAMPLER_PHYSMEM_WATCH_H

#include "sampler/physmem_sampler.h"
#include "sampler/queue.h"

struct physmem_watch;

/* Starts it; it keeps a reference of the queue. `cpu_permille` of one core. 0 or a negative errno
 * with *e set. */
int physmem_watch_start(const char *proc_root, unsigned cpu_permille, struct queue *queue,
                        struct physmem_watch **out, struct err *e);

/* Ends the thread and frees everything. The queue must be closed, or drained meanwhile. NULL is
 * fine. */
void physmem_watch_stop(struct physmem_watch *w);

/* Looks on for some seconds from now: must be said again and again. */
void physmem_watch_look(struct physmem_watch *w, const struct frame_look *look);
/* Answered by a RECORD_FRAME. */
void physmem_watch_frame(struct physmem_watch *w, uint64_t frame);

#endif
