/* Where stepping stops next: at which event of those that come. Plain values, no I/O. */
#ifndef VMSCOPE_MODEL_GOAL_H
#define VMSCOPE_MODEL_GOAL_H

#include <stdbool.h>
#include <stdint.h>

#include "model/event.h"
#include "model/region.h"

enum goal_what {
    GOAL_NONE,   /* nothing is wanted */
    GOAL_EVENT,  /* the next fault or call */
    GOAL_FAULT,
    GOAL_CALL,
    GOAL_RANGE,  /* a fault at an address of it, or a call about one */
    GOAL_COUNT,  /* the how manieth event */
    GOAL_SYMBOL, /* a fault by an instruction of this function */
    GOAL_NEVER   /* it goes on by itself */
};

enum { GOAL_SYMBOL_MAX = 64 };

struct step_goal {
    uint8_t what;        /* enum goal_what */
    uint64_t start, end; /* addresses */
    uint64_t count;      /* events to go */
    char symbol[GOAL_SYMBOL_MAX];
};

/* Whether this event is the one; counts it. `symbol` is "main+0x1c" or "" where not known, and is
 * looked at for GOAL_SYMBOL only. */
bool goal_met(struct step_goal *g, const struct event *e, const char *symbol);

/* What a person typed: a number of events, "0x7f12..." an address, a part of a mapping's name, else
 * the name of a function. False for an empty text. */
bool goal_parse(const char *text, const struct region_table *regions, struct step_goal *out);

#endif
