/* Evidence of the way that the kernel really took for a fault: samples of the kernel's call chain,
 * taken while it dealt with the fault (an allocated page, a changed RSS counter, a signal). What a
 * chain shows is put beside what was predicted. Pure.
 *
 * Not every way leaves a sample, and functions that the compiler inlined are in no chain: so there
 * may be nothing to see (then nothing is confirmed), or several paths may look the same. */
#ifndef VMSCOPE_MODEL_EVIDENCE_H
#define VMSCOPE_MODEL_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/event.h"
#include "model/path.h"

enum agreement {
    AGREEMENT_UNASKED, /* no evidence is taken */
    AGREEMENT_PENDING, /* more may come */
    AGREEMENT_NONE,    /* the kernel showed nothing, or nothing that tells */
    AGREEMENT_LOST,    /* samples were lost that may have belonged to it: nothing is known */
    AGREES,
    DISAGREES,
    AGREEMENT_N
};
const char *agreement_name(enum agreement agreement); /* "agrees", ...; "" if unasked */

enum { OBSERVED_MAX = 4 };

/* What was seen of one fault. */
struct observation {
    uint32_t seen[OBSERVED_MAX]; /* sets of enum path, as bits: one of these; in order of time */
    uint8_t count;               /* of seen */
    uint8_t how;                 /* enum path_how of do_wp_page, as seen */
    uint8_t agreement;           /* enum agreement */
    uint32_t stack;              /* number of the kernel stack that tells most; 0: none */
};

/* The name of a set: a path's (INTERFACES), or "do_fault" where the chain does not show which of
 * do_read_fault, do_cow_fault and do_shared_fault it was. */
const char *observed_name(uint32_t set);
/* This path was seen, and no doubt about it. */
bool observation_shows(const struct observation *o, enum path path);

#endif
