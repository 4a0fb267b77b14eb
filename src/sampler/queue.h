/* A bounded queue of records from threads that ask the kernel to the one that folds. A full queue
 * makes them wait, so no record is lost; the taking side never waits. */
#ifndef VMSCOPE_SAMPLER_QUEUE_H
#define VMSCOPE_SAMPLER_QUEUE_H

#include "model/record.h"

struct queue;

/* One reference is the caller's; the last unref frees what is still queued. NULL: no memory or
 * descriptor. */
struct queue *queue_create(void);
struct queue *queue_ref(struct queue *q); /* returns q */
void queue_unref(struct queue *q);        /* NULL is fine */

int queue_fd(const struct queue *q); /* readable while something worth a look waits */

/* Adds a record, which is the queue's from now on. Waits while there is no room. 0, or -ECANCELED
 * once the queue is closed. */
int queue_put(struct queue *q, struct record *r);

/* The next record, now the caller's, or NULL. */
struct record *queue_take(struct queue *q);

/* Nobody will take any more: lets those go who wait in queue_put. */
void queue_close(struct queue *q);

#endif
