/* A thread that looks up instructions: their functions and source lines. Debug information can be
 * large and its file system slow; whoever asks never waits, the answers come as RECORD_SYMBOL. */
#ifndef VMSCOPE_SAMPLER_LOOKUP_H
#define VMSCOPE_SAMPLER_LOOKUP_H

#include "base/err.h"
#include "model/region.h"
#include "sampler/queue.h"

struct lookup;

/* Starts the thread, which keeps a reference of the queue. proc_root NULL: /proc. 0 or a negative
 * errno with *e set. */
int lookup_start(const char *proc_root, struct queue *queue, struct lookup **out, struct err *e);

/* Ends the thread; one that is blocked in a file system is left behind with what it uses. The queue
 * must be closed by now. NULL is fine. */
void lookup_stop(struct lookup *l);

/* Asks for an instruction of a program that `pid` runs, which lies in *r (copied). False when too
 * much is waiting already: ask again later. What is waiting already is not asked for twice. */
bool lookup_ask(struct lookup *l, pid_t pid, uint64_t program, uint64_t ip,
                const struct region *r);

/* Waits until all that was asked has its answer in the queue, which must have room for it, at most
 * so long; false then. */
bool lookup_settle(struct lookup *l, unsigned ms);

#endif
