/* The observer of a scenario: looks at its processes from outside, by pictures of their pages and
 * by an engine that follows their faults. */
#ifndef VMSCOPE_CLI_OBSERVE_H
#define VMSCOPE_CLI_OBSERVE_H

#include "scenario/run.h"

struct observe;

struct engine;

/* `engine`: its name, or NULL for the best that tells of single faults. `loaded`: of observe_load,
 * before this process was forked, or NULL. NULL when out of memory. */
struct observe *observe_create(const char *engine, struct engine *loaded);
void observe_destroy(struct observe *o); /* NULL is fine */

/* What takes time in following faults, done in advance (engine_bpf_load); NULL where that cannot be
 * had, or another engine is wanted. */
struct engine *observe_load(const char *engine);
void observe_unload(struct engine *loaded); /* NULL is fine */

/* What a run takes; lives as long as *o. */
const struct observer *observe_observer(struct observe *o);

#endif
