/* A sampler in a thread of its own, which puts its records into a queue. The thread may block in
 * the kernel for seconds; whoever folds the records never waits for it. */
#ifndef VMSCOPE_SAMPLER_WATCH_H
#define VMSCOPE_SAMPLER_WATCH_H

#include <stdint.h>

#include "base/err.h"
#include "model/record.h"
#include "sampler/queue.h"
#include "sampler/sampler.h"

struct watch;

/* Starts watching every refresh_ns; the thread keeps a reference of the queue. The sampler is
 * created in the thread, because even opening may block: failures arrive as a RECORD_GONE. 0 or a
 * negative errno with *e set. */
int watch_start(const struct sampler_options *options, uint64_t refresh_ns, struct queue *queue,
                struct watch **out, struct err *e);

/* Closes the queue, ends the thread if it is not blocked in the kernel, and frees everything then;
 * a blocked thread is left behind with what it uses. NULL is fine. */
void watch_stop(struct watch *w);

void watch_look(struct watch *w, uint64_t start, uint64_t end);
void watch_ask_page(struct watch *w, uint64_t address);
void watch_ask_flags(struct watch *w);
/* The process has begun another program: it is looked at anew, at once. */
void watch_renew(struct watch *w);
void watch_ask_huge(struct watch *w);
void watch_ask_caches(struct watch *w);
/* From now on the descendants too (RECORD_FAMILY), every refresh, or less often if that would use
 * more than half of the CPU limit. */
void watch_ask_family(struct watch *w);

#endif
