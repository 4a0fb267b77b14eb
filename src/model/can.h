/* One thing this user can or cannot see, and why not. */
#ifndef VMSCOPE_MODEL_CAN_H
#define VMSCOPE_MODEL_CAN_H

#include <stdbool.h>

enum { CAN_REASON_MAX = 160 };

struct can {
    bool yes;
    char why[CAN_REASON_MAX]; /* when not yes: a reason with what would allow it; escaped */
};

#endif
