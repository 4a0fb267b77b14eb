/* The observer of a scenario: looks at its processes from outside, by pictures of their pages and
 * by an engine that follows their faults. */
#ifndef VMSCOPE_CLI_OBSERVE_H
#define VMSCOPE_CLI_OBSERVE_H

#include "scenario/run.h"

struct observe;

/* `engine`: its name, or NULL for the best that tells of single faults. NULL when out of memory. */
struct observe *observe_create(const char *engine);
void observe_destroy(struct observe *o); /* NULL is fine */

/* What a run takes; lives as long as *o. */
const struct observer *observe_observer(struct observe *o);

/* The model that faults are folded into; NULL before the first picture. For screens. */
struct model *observe_model(struct observe *o);

#endif
