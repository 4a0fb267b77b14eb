/* What happened lately: the last faults and calls, and exact counts of all of them. */
#ifndef VMSCOPE_MODEL_FAULT_LOG_H
#define VMSCOPE_MODEL_FAULT_LOG_H

#include <stddef.h>

#include "model/spaces.h"

struct kernel_chain; /* private */

enum { FAULT_LOG_KEEP = 8192, FAULT_TOP_MAX = 4096, FAULT_MARKS_KEEP = 1 << 17 };

/* Where a fault was: what is kept of many more faults than entries. */
struct fault_mark {
    uint64_t t_ns, address;
    pid_t pid;
    uint8_t path;   /* enum path; PATH_UNKNOWN of what was only counted */
    uint16_t count; /* faults; UINT16_MAX: so many or more */
};

/* Faults that share a key. */
struct fault_top {
    uint64_t key;   /* an instruction, or the start of a region */
    uint64_t count;
    pid_t pid;
    uint64_t program; /* as in fault_entry; faults of another one have a row of their own */
    char region[64]; /* raw foreign bytes */
};

/* Where the functions that called each other go on, innermost first. */
struct fault_chain {
    uint64_t ip[CALLERS_MAX];
};

struct fault_log;
typedef void fault_log_fn(void *ctx, const struct fault_entry *entry);

struct fault_log {
    struct fault_entry *ring;    /* FAULT_LOG_KEEP entries, owned; calls are entries too */
    struct fault_chain *callers; /* of the same entries, owned; NULL: none have come */
    uint64_t entries;            /* ever added; entry n is at ring[n % FAULT_LOG_KEEP] */
    struct fault_mark *marks;    /* FAULT_MARKS_KEEP, owned; mark n is at marks[n % KEEP] */
    uint64_t settled;            /* entries before this one have their final observation */
    uint64_t faults, calls;      /* ever added */
    uint64_t counted;            /* faults that were only counted, by page */
    uint64_t marks_n;            /* ever: one a fault, and one a page where faults were counted */
    uint64_t marked_ns;          /* time of the newest mark */
    uint64_t by_path[PATH_N][3]; /* by enum path_how */
    uint64_t unsure;             /* faults whose path could not be told for sure */
    uint64_t agreed[AGREEMENT_N]; /* settled faults, by enum agreement */
    uint64_t loose;              /* samples whose fault was not there, or settled already */
    bool evidence;               /* samples are taken */
    bool gap;                    /* samples may be missing now */
    struct fault_chain coming;   /* callers of the next fault: so many */
    unsigned coming_n;
    struct kernel_chain *chains; /* chain n is at chains[n - 1]; owned */
    size_t chain_count, chain_cap;
    fault_log_fn *on_added, *on_settled; /* called for each entry, in order; or NULL */
    fault_log_fn *on_counted;    /* called for what was only counted, which is no entry; or NULL */
    void *ctx;
    struct fault_top *site, *region; /* FAULT_TOP_MAX slots each, owned; count 0: free */
    uint64_t site_others, region_others; /* faults that found no slot */
};

int fault_log_init(struct fault_log *l); /* 0 or -ENOMEM */
void fault_log_deinit(struct fault_log *l);

/* Adds a fault or a call. Without evidence it is settled at once. */
void fault_log_add(struct fault_log *l, const struct fault_entry *entry);

/* Takes an EVENT_CALLERS in, for the fault that is added next. */
void fault_log_callers_add(struct fault_log *l, const struct event *e);
/* The callers of a fault of the log, callers_n of them; NULL if there are none. Borrowed. */
const uint64_t *fault_log_callers(const struct fault_log *l, const struct fault_entry *entry);

/* Adds an EVENT_HEAT: to the counts by region and to the marks, the pages being of this size. */
void fault_log_count(struct fault_log *l, const struct fault_entry *entry, unsigned page_shift);

/* --- evidence --- */

/* Takes a chain of the kernel in, with its text on success; numbers come in order, from 1. 0,
 * -ENOMEM, or -EINVAL for another number. */
int fault_log_chain(struct fault_log *l, uint32_t number, char *text);
/* The functions of a chain, outermost first, separated by ";"; NULL if there is none. Borrowed. */
const char *fault_log_stack(const struct fault_log *l, uint32_t number);

/* The thread has an event: its fault before is over. */
void fault_log_passed(struct fault_log *l, pid_t tid);
/* An EVENT_SAMPLE goes to the fault of its thread, EVENT_GAP to all that are not over. */
void fault_log_evidence(struct fault_log *l, const struct event *e);
/* Settles what is over, or older than half a second by this time, up to the first that is not. */
void fault_log_settle_until(struct fault_log *l, uint64_t now_ns);
/* No evidence will come any more for what was added so far: all of it is settled. */
void fault_log_settle(struct fault_log *l);

/* --- looking at it --- */

/* The n-th newest entry (0: the newest), or NULL. */
const struct fault_entry *fault_log_at(const struct fault_log *l, uint64_t n);

/* Entry n, or NULL if it is not there yet or no longer. */
const struct fault_entry *fault_log_get(const struct fault_log *l, uint64_t n);

/* Copies the `cap` largest of a table (site or region), largest first; returns how many. */
size_t fault_log_top(const struct fault_top *table, struct fault_top *out, size_t cap);

#endif
