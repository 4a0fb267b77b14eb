/* A sampler in a thread of its own, with a bounded queue of records between it and whoever folds
 * them. The thread may block in the kernel for seconds; the other side never waits for it. A full
 * queue makes the sampler wait, so no record is lost. */
#ifndef VMSCOPE_SAMPLER_WATCH_H
#define VMSCOPE_SAMPLER_WATCH_H

#include <stdint.h>

#include "base/err.h"
#include "model/record.h"
#include "sampler/sampler.h"

struct watch;

/* Starts watching every refresh_ns. The sampler is created in the thread, because even opening may
 * block: failures arrive as a RECORD_GONE. 0 or a negative errno with *e set. */
int watch_start(const struct sampler_options *options, uint64_t refresh_ns, struct watch **out,
                struct err *e);

/* Ends the thread if it is not blocked in the kernel, and frees everything then; a blocked thread
 * is left behind with what it uses. NULL is fine. */
void watch_stop(struct watch *w);

int watch_fd(const struct watch *w); /* readable while records wait */
struct record *watch_take(struct watch *w); /* the next, or NULL; never blocks */

void watch_look(struct watch *w, uint64_t start, uint64_t end);
void watch_ask_page(struct watch *w, uint64_t address);
void watch_ask_flags(struct watch *w);

#endif
