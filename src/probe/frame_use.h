/* What a frame is used for, from its flags. Pure. */
#ifndef VMSCOPE_PROBE_FRAME_USE_H
#define VMSCOPE_PROBE_FRAME_USE_H

#include "model/frame.h"

/* `flags` as /proc/kpageflags has them. */
enum frame_use frame_use_of(uint64_t flags);

#endif
