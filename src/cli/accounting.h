/* What the kernel counts of processes anyway, for everybody and at no cost: faults, processor time,
 * context switches. */
#ifndef VMSCOPE_CLI_ACCOUNTING_H
#define VMSCOPE_CLI_ACCOUNTING_H

#include "probe/procdir.h"
#include "report/faults.h"

/* Of a process that is there; context switches of the threads that it has now. */
struct fault_counts accounting_of(const struct procdir *d);
/* Of all children of ours that have ended and been waited for, and of those they waited for. */
struct fault_counts accounting_of_children(void);
/* now - before, where both are known. */
struct fault_counts accounting_since(const struct fault_counts *before, const struct fault_counts *now);
struct fault_counts accounting_sum(const struct fault_counts *a, const struct fault_counts *b);

#endif
