/* The insides of call_path, shared by its files: call_path.c has the checks of mmap, call_reasons.c
 * what the errors of other calls mean, and arguments in words. */
#ifndef VMSCOPE_MODEL_CALL_PARTS_H
#define VMSCOPE_MODEL_CALL_PARTS_H

#include "model/call_path.h"

/* Adds the reasons that a call other than mmap can have had, as steps. */
void call_reasons(const struct call_input *in, struct call_verdict *out);

#endif
