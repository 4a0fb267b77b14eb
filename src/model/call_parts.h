/* The insides of call_path, shared by its files: call_path.c has the checks of mmap, call_reasons.c
 * what the errors of other calls mean, call_words.c their arguments in words. */
#ifndef VMSCOPE_MODEL_CALL_PARTS_H
#define VMSCOPE_MODEL_CALL_PARTS_H

#include "model/call_path.h"

/* Values that older C libraries have no name for. */
enum {
    DROPPABLE = 8, LOCK_ONFAULT = 1, REMAP_DONTUNMAP = 4, COLD = 20, PAGEOUT = 21,
    POPULATE_READ_ADVICE = 22, POPULATE_WRITE_ADVICE = 23, DONTNEED_LOCKED = 24, COLLAPSE = 25,
    GUARD_INSTALL = 102, GUARD_REMOVE = 103
};

/* Outcome of a check as far as the arguments tell: not made, passed, failed, or not known. */
enum outcome { ABSENT, PASS, FAIL, OPEN };

static inline uint64_t call_arg(const struct call_input *in, unsigned i)
{
    return in->call->call.args[i];
}

/* Adds the reasons that a call other than mmap can have had, as steps. */
void call_reasons(const struct call_input *in, struct call_verdict *out);

#endif
