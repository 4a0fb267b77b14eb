/* Call chains of the kernel, each kept once, with the names of its functions. */
#ifndef VMSCOPE_PROBE_CHAINS_H
#define VMSCOPE_PROBE_CHAINS_H

#include <stddef.h>
#include <stdint.h>

#include "probe/ksyms.h"

struct chains;

/* Takes the names over. NULL when out of memory; then *names stays the caller's. */
struct chains *chains_create(struct ksyms *names);
void chains_destroy(struct chains *c); /* NULL is fine */

/* The number of the chain with these return addresses, innermost first: from 1 on, new ones one
 * higher than the last. 0 if it cannot be kept: out of memory, or too many. */
uint32_t chains_number(struct chains *c, const uint64_t *ip, size_t count);
uint32_t chains_count(const struct chains *c);

/* The functions of a chain, outermost first, separated by ";"; those of tracing itself are left
 * out. Borrowed. */
const char *chains_text(const struct chains *c, uint32_t number);

#endif
