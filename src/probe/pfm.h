/* Events of the processor by name, encoded for perf_event_open by libpfm4. */
#ifndef VMSCOPE_PROBE_PFM_H
#define VMSCOPE_PROBE_PFM_H

#include <linux/perf_event.h>

#include "base/err.h"

/* Fills type and config of *attr (others are left alone) for an event such as "dTLB-load-misses" or
 * "DTLB_LOAD_MISSES:WALK_COMPLETED". That it can be encoded does not mean that the machine counts
 * it: only opening tells. 0; -ENOENT: no such event for this processor; -ENOSYS: the library is not
 * there. *e is set then; e may be NULL. */
int pfm_encode(const char *name, struct perf_event_attr *attr, struct err *e);

#endif
