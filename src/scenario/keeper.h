/* The keeper: a process that outlives us, however we end, just long enough to put the machine back.
 * It is our own binary, executed again; it waits for messages, does nothing, ignores signals, holds
 * the lock of the machine, and at our word or at our end undoes what it was told, last first. */
#ifndef VMSCOPE_SCENARIO_KEEPER_H
#define VMSCOPE_SCENARIO_KEEPER_H

#include "base/err.h"
#include "scenario/undo.h"

struct keeper;

/* `lock`: a descriptor that it keeps open until its end, or -1. 0 or a negative errno with
 * *e set. */
int keeper_start(int lock, struct keeper **out, struct err *e);

/* To be called before the change is made. 0, or a negative errno with *e set: do not make it. */
int keeper_tell(struct keeper *k, const struct undo *u, struct err *e);

/* Undoes all and waits for that; frees. NULL is fine. 0, or the first failure with *e set. */
int keeper_finish(struct keeper *k, struct err *e);

/* What main does early: when this process was executed as a keeper it never returns. */
void keeper_main_if_asked(int argc, char **argv);

#endif
