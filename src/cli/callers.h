/* Who called the functions that fault: each place in a program is looked up once, while its process
 * lives, and whole chains are counted for flame graphs. */
#ifndef VMSCOPE_CLI_CALLERS_H
#define VMSCOPE_CLI_CALLERS_H

#include "base/buf.h"
#include "model/fault_log.h"
#include "report/faults.h"

struct callers;

struct callers *callers_create(void); /* NULL when out of memory */
void callers_destroy(struct callers *c); /* NULL is fine */

/* Looks up the chain of a fault of the log, to be called while its mappings are these. With `count`
 * it is counted, too, as a folded stack. */
void callers_find(struct callers *c, const char *proc_root, const struct fault_log *log,
                  const struct fault_entry *e, const struct region_table *regions, bool count);

/* The callers of a fault that was looked up, up to the first that cannot be one, with what is known
 * of each. How many; valid until the next look-up. */
unsigned callers_text(struct callers *c, const struct fault_log *log, const struct fault_entry *e,
                      struct fault_caller out[CALLERS_MAX]);

/* Chains that were cut short since something in them cannot be a caller. */
uint64_t callers_broken(const struct callers *c);

/* All counted chains as folded stacks: "outermost;...;innermost;path count", one a line. */
void callers_folded(const struct callers *c, struct buf *out);

#endif
