/* A mapping that an engine tells of is several events: its name in parts, then itself. */
#ifndef VMSCOPE_PROBE_MAPPING_EVENTS_H
#define VMSCOPE_PROBE_MAPPING_EVENTS_H

#include <stddef.h>

#include "model/event.h"

/* Writes them to out, which has room for one more than len / EVENT_NAME_MAX + 1. How many. `out`
 * may point to what `mapping` was copied from. */
size_t mapping_events(const struct event *mapping, const char *name, size_t len,
                      struct event *out);

#endif
