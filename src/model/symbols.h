/* What is known of instructions that faulted: their functions and source lines, as somebody looked
 * them up. An instruction is named by the program that it belongs to (fault_entry.program), so that
 * an exec or a reused pid never gives it another's name. Bounded: what finds no room takes the
 * place of something else and can be asked for again. */
#ifndef VMSCOPE_MODEL_SYMBOLS_H
#define VMSCOPE_MODEL_SYMBOLS_H

#include <stdint.h>

#include "model/record.h"

struct symbols;

struct symbols *symbols_create(void); /* NULL when out of memory */
void symbols_destroy(struct symbols *s); /* NULL is fine */

/* Keeps a copy of an answer. 0 or -ENOMEM. */
int symbols_put(struct symbols *s, const struct site_answer *a);

/* The answer for an instruction, or NULL: nobody has looked it up. Valid until the next put. */
const struct site_answer *symbols_find(const struct symbols *s, uint64_t program, uint64_t ip);

#endif
