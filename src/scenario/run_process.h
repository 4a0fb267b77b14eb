/* The processes of a run. */
#ifndef VMSCOPE_SCENARIO_RUN_PROCESS_H
#define VMSCOPE_SCENARIO_RUN_PROCESS_H

#include "scenario/run_parts.h"

/* Takes a stage in under a name; one of that name that has ended makes room. On failure the stage
 * stays the caller's. 0 or a negative errno with *e set. */
int process_add(struct run *r, const char *name, struct stage *stage, struct process **out,
                struct err *e);
void process_destroy(struct process *p); /* NULL is fine */

#endif
