/* The physical picture of the machine, read bit by bit within a budget. Blocks of frames are read
 * in an order that spreads over the whole memory at once (bits of the counter reversed), so that
 * the first portion is a coarse picture and each further one refines it; what is looked at is read
 * first, again and again. Reads no file of any process. */
#ifndef VMSCOPE_SAMPLER_PHYSMEM_SAMPLER_H
#define VMSCOPE_SAMPLER_PHYSMEM_SAMPLER_H

#include "base/err.h"
#include "sampler/sampler.h"

struct physmem_sampler;

/* 0 or a negative errno with *e set. */
int physmem_sampler_create(const char *proc_root, struct physmem_sampler **out, struct err *e);
void physmem_sampler_destroy(struct physmem_sampler *p); /* NULL is fine */

/* What somebody looks at: read first. */
void physmem_sampler_look(struct physmem_sampler *p, const struct frame_look *look);

/* Sends a RECORD_PHYSMEM, and blocks for about cpu_ns of CPU time. 0 or what the sink answered. */
int physmem_sampler_tick(struct physmem_sampler *p, uint64_t cpu_ns, sampler_sink *sink, void *ctx);

/* Everything, whatever it costs. 0, -ENOMEM, or what the sink answered. */
int physmem_sampler_full(struct physmem_sampler *p, sampler_sink *sink, void *ctx);

/* Sends a RECORD_FRAME. 0, -ENOMEM, or what the sink answered. */
int physmem_sampler_frame(struct physmem_sampler *p, uint64_t frame, sampler_sink *sink, void *ctx);

#endif
