/* The sampler decides what to ask the kernel about one process, when, and how much of it, and turns
 * the answers into records. It keeps its own fold of the pages (the shadow), so that it sends only
 * what differs from what it sent before. One thread at a time. */
#ifndef VMSCOPE_SAMPLER_SAMPLER_H
#define VMSCOPE_SAMPLER_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "model/record.h"
#include "probe/pages.h"

struct sampler_options {
    const char *proc_root; /* NULL: /proc */
    pid_t pid;
    unsigned want;         /* enum pages_want */
    bool smaps;            /* read smaps instead of maps (VmFlags, PSS): dearer */
    bool flags;            /* a complete sample has VmFlags too, where that costs next to nothing */
    bool once;             /* only one complete sample will be taken: nothing is remembered */
    unsigned cpu_permille; /* live: share of one core to use at the most */
    const char *counters;  /* live: counters by perf events (counters_open); NULL: none */
    bool engine;           /* tell by which engine faults could be followed */
    bool held;             /* live: it does not run its program before watch_renew */
    uint32_t pause_ns;     /* live: rest after each long hold of the target's mmap_lock */
};

struct sampler;

/* Takes a record over. 0, or a negative errno that ends the sample. */
typedef int sampler_sink(void *ctx, struct record *r);

/* 0, or a negative errno with *e set: no such process, no permission. Sends nothing yet. */
int sampler_create(const struct sampler_options *options, struct sampler **out, struct err *e);
void sampler_destroy(struct sampler *s); /* NULL is fine */

/* One complete picture, whatever it costs: target (first time or after exec), regions, all pages,
 * sample. When the target has ended, a RECORD_GONE instead. 0, or a negative errno with *e set. */
int sampler_full(struct sampler *s, sampler_sink *sink, void *ctx, struct err *e);

/* One step of live watching, within the CPU budget: counters always, regions when they may have
 * changed, then as many pages as the budget allows, what changed and what is looked at first. 0, or
 * a negative errno with *e set. */
int sampler_tick(struct sampler *s, sampler_sink *sink, void *ctx, struct err *e);

/* Live: the process does not run its program yet: sends the target, without a name, and no picture.
 * 0 or a negative errno. */
int sampler_announce(struct sampler *s, sampler_sink *sink, void *ctx);

/* Live: the process is known to have begun another program: the next tick begins anew. */
void sampler_renew(struct sampler *s);

/* True once a RECORD_GONE was sent: there is nothing more to sample. */
bool sampler_gone(const struct sampler *s);

/* The addresses that someone looks at now. */
void sampler_look(struct sampler *s, uint64_t start, uint64_t end);

/* Live: reads the VmFlags of all mappings at the next tick (smaps: the kernel walks all pages for
 * it, so large targets are not asked unless someone wants it). */
void sampler_ask_flags(struct sampler *s);

/* From the next sample on: the orders of large folios, the machine's settings for huge pages
 * (RECORD_THP) with each sample, and VmFlags once. Dearer: frame flags of whole folios are read. */
void sampler_ask_huge(struct sampler *s);

/* With the next sample: what of the mapped files is in memory (RECORD_CACHES), once. */
void sampler_ask_caches(struct sampler *s);

/* Asks everything about the page at address and sends a RECORD_DETAIL. 0 or a negative errno. */
int sampler_detail(struct sampler *s, uint64_t address, sampler_sink *sink, void *ctx);

/* CPU time in nanoseconds that the pages and regions of the last sampler_full took, and the wall
 * time between its first and last read. */
void sampler_cost(const struct sampler *s, uint64_t *cpu_ns, uint64_t *wall_ns);

#endif
