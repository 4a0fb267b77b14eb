/* The events thread: opens an engine, drains it on its wake-ups and puts what it tells into the
 * queue. It never reads the target's /proc, so a blocked sampler loses no event. */
#ifndef VMSCOPE_SAMPLER_FOLLOW_H
#define VMSCOPE_SAMPLER_FOLLOW_H

#include "probe/engine.h"
#include "sampler/queue.h"

struct follow;

/* Starts the thread, which opens the engine (`name` as engine_open has it) and keeps a reference of
 * the queue. 0 or a negative errno with *e set. Failing to open any engine is told by a
 * RECORD_ENGINE with an empty name. */
int follow_start(const char *name, const struct engine_options *options, struct queue *queue,
                 struct follow **out, struct err *e);

/* Waits until the engine is open or cannot be: whoever starts a program to follow does so after
 * that. */
void follow_wait_open(struct follow *f);

/* Delivers what waits, ends the thread and frees everything. NULL is fine. The queue must be
 * drained or closed meanwhile, or the thread may wait for room in it. */
void follow_stop(struct follow *f);

#endif
