/* What setup.c (lock, keeper, single settings, directories) and setup_needs.c share. */
#ifndef VMSCOPE_SCENARIO_SETUP_PARTS_H
#define VMSCOPE_SCENARIO_SETUP_PARTS_H

#include "scenario/setup.h"
#include "scenario/undo.h"

/* Tells the keeper (started at the first call) of a change that is about to be made. 0, or a
 * negative errno with *e set: do not make it. */
int setup_promise(struct setup *m, const struct undo *u, struct err *e);

/* The scenario swaps to this from now on: what setup_swapoff ends. */
void setup_swaps_to(struct setup *m, const char *path);

/* Takes the lock that who changes settings holds; waits for it. Before anything is promised. 0
 * or a negative errno with *e set. */
int setup_lock(struct setup *m, struct err *e);

/* Sets a setting unless it has that value. -ENOTSUP with *e set when it cannot be had. */
int setup_set(struct setup *m, const char *path, const char *value, struct err *e);

#endif
