/* The log of faults, shared by its files: fault_log.c (entries and counts), fault_log_evidence.c
 * (what the kernel showed of them). */
#ifndef VMSCOPE_MODEL_FAULT_LOG_PARTS_H
#define VMSCOPE_MODEL_FAULT_LOG_PARTS_H

#include "model/fault_log.h"

void fault_log_forget_chains(struct fault_log *l);
/* Settles the oldest entry that is not. */
void fault_log_settle_first(struct fault_log *l);

#endif
