/* What is known of a descriptor of another process, while it stands still. */
#ifndef VMSCOPE_PROBE_DESCRIPTOR_H
#define VMSCOPE_PROBE_DESCRIPTOR_H

#include <sys/types.h>

#include "model/event.h"

/* Fills in what is known of the descriptor of a call that failed, if it is an mmap with one. Reads
 * /proc and asks the file's attributes; opens nothing. */
void descriptor_of_call(pid_t tid, struct event *call);

#endif
