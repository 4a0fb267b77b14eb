/* Whether a call ends where somebody is said to return to. A chain that was followed by frame
 * pointers goes wrong where the register holds something else, and what is found there is seldom
 * behind a call. */
#ifndef VMSCOPE_PROBE_CALLSITE_H
#define VMSCOPE_PROBE_CALLSITE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/event.h"
#include "model/region.h"

enum { CALLSITE_BEFORE = 8, CALLSITE_BEHIND = 9 };

/* By the code around it: `before` bytes, at most CALLSITE_BEFORE, end at the address, and `behind`,
 * at most CALLSITE_BEHIND, begin there. The kernel's way back from a signal handler counts as well. */
enum known_bool callsite_judge(const unsigned char *before, size_t before_n,
                               const unsigned char *behind, size_t behind_n);

/* The same for an address of a process, from the file that is mapped there as *r. NOT_KNOWN where
 * none can be read: code of a JIT compiler, the vDSO, a process that has ended with its files. */
enum known_bool callsite_look(const char *proc_root, pid_t pid, const struct region *r,
                              uint64_t address);

#endif
