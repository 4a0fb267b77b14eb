/* Evidence of the way that the kernel really took for a fault: samples of the kernel's call chain,
 * taken while it dealt with the fault (an allocated page, a changed RSS counter, a signal). What a
 * chain shows is put beside what was predicted. Pure.
 *
 * Not every way leaves a sample, and functions that the compiler inlined are in no chain: so there
 * may be nothing to see (then nothing is confirmed), or several paths may look the same. */
#ifndef VMSCOPE_MODEL_EVIDENCE_H
#define VMSCOPE_MODEL_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/event.h"
#include "model/path.h"

enum agreement {
    AGREEMENT_UNASKED, /* no evidence is taken */
    AGREEMENT_PENDING, /* more may come */
    AGREEMENT_NONE,    /* the kernel showed nothing, or nothing that tells */
    AGREEMENT_LOST,    /* samples were lost that may have belonged to it: nothing is known */
    AGREEMENT_UNPREDICTED, /* something was seen, but nothing predicted (path unknown) */
    AGREEMENT_CORRECTED, /* another path was seen, and the prediction had not been sure */
    AGREES,
    DISAGREES,           /* another path was seen, though the prediction was sure */
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
    bool complete;               /* the thread has gone on: nothing more can come */
    uint32_t stack;              /* number of the kernel stack that tells most; 0: none */
};

/* The name of a set: a path's (INTERFACES), or "do_fault" where the chain does not show which of
 * do_read_fault, do_cow_fault and do_shared_fault it was. */
const char *observed_name(uint32_t set);
/* This path was seen, and no doubt about it. */
bool observation_shows(const struct observation *o, enum path path);

/* Something was seen, and none of it lost. */
bool observation_tells(const struct observation *o);
/* "do_swap_page, do_wp_page copy": all that was seen; "" if nothing. Returns out. */
const char *observation_text(const struct observation *o, char *out, size_t cap);

/* Whether this function of a chain tells the path; len is that of its name. */
bool chain_function_tells(const char *function, size_t len);

/* What a call chain by itself says. */
struct chain_says {
    uint32_t set; /* of enum path, as bits; 0: nothing */
    uint8_t how;  /* enum path_how */
    bool maps;    /* it ends where a page is mapped: then which RSS counter changed tells more */
};

/* Reads a chain: functions, outermost first, separated by ";". */
void chain_read(const char *text, struct chain_says *out);

/* Adds a sample to what was seen of a fault. `says` is what its chain says, `stack` its number. */
void observation_add(struct observation *o, const struct event *fault, enum sample_kind kind,
                     const struct chain_says *says, uint32_t stack);

/* Whether what was seen is what was predicted: NONE, UNPREDICTED, CORRECTED, AGREES, DISAGREES. */
enum agreement observation_compare(const struct observation *o, const struct event *fault,
                                   const struct path_verdict *v);

#endif
