/* Samples of a whole family: who belongs to it, the mappings and pages of each, frames asked once
 * for all of them. */
#ifndef VMSCOPE_SAMPLER_FAMILY_H
#define VMSCOPE_SAMPLER_FAMILY_H

#include "sampler/sampler.h"

struct family_sampler;

/* Of options, proc_root (which must outlive the sampler), pid and pause_ns count. NULL when out of
 * memory. */
struct family_sampler *family_sampler_create(const struct sampler_options *options);
void family_sampler_destroy(struct family_sampler *s); /* NULL is fine */

/* Reads the family and sends a RECORD_FAMILY. A process that has ended by the time it is read is
 * left out and counted; one that may not be read has the reason. 0, -ESRCH (nothing sent) when the
 * root has ended, or another negative errno; *e is set then. */
int family_sampler_take(struct family_sampler *s, sampler_sink *sink, void *ctx, struct err *e);

/* Between whole readings: looks at the counters of each process, and reads those again that have
 * faulted, mapped or lost pages since, with their parents, at most as many as one look has time for.
 * Sends a RECORD_FAMILY with `part` if there were any. What pairs share, who has come, and what
 * others have made exclusive to a process that rests, only the next whole one tells. 0 or a negative
 * errno. */
int family_sampler_again(struct family_sampler *s, sampler_sink *sink, void *ctx);

/* CPU time in nanoseconds that the last one took, folding included, and the wall time of its
 * reading. */
void family_sampler_cost(const struct family_sampler *s, uint64_t *cpu_ns, uint64_t *wall_ns);

#endif
