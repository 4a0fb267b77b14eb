/* What machine.c (lock, keeper, single settings, directories) and machine_needs.c share. */
#ifndef VMSCOPE_SCENARIO_MACHINE_PARTS_H
#define VMSCOPE_SCENARIO_MACHINE_PARTS_H

#include "scenario/machine.h"
#include "scenario/undo.h"

/* Tells the keeper (started at the first call) of a change that is about to be made. */
int machine_promise(struct machine *m, const struct undo *u, struct err *e);

/* Takes the lock that who changes settings holds; waits for it. */
int machine_lock(struct machine *m, struct err *e);

/* Sets a setting unless it has that value. -ENOTSUP with *e set when it cannot be had. */
int machine_set(struct machine *m, const char *path, const char *value, struct err *e);

#endif
