/* Counters by perf events in words. */
#ifndef VMSCOPE_MODEL_COUNTS_H
#define VMSCOPE_MODEL_COUNTS_H

#include "model/record.h"

/* Those that are known: "context switches 12  migrations 0  CPU time 1.240 s"; "~" before a number
 * that is extrapolated, "+" behind one that leaves threads out. Returns out. */
const char *counts_known(const struct perf_counts *c, char *out, size_t cap);

/* Those from *next on that are not known for the same reason: "dTLB-load-misses, page walks: ? the
 * reason". Moves *next behind them; false when there are no more. */
bool counts_unknown(const struct perf_counts *c, unsigned *next, char *out, size_t cap);

#endif
