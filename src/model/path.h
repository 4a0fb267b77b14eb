/* Which way the kernel goes for a fault: predicted from the region, the page's state before, and
 * how it was accessed. Pure. The tree that it walks is drawn in path.c. */
#ifndef VMSCOPE_MODEL_PATH_H
#define VMSCOPE_MODEL_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "model/event.h"
#include "model/page.h"
#include "model/region.h"

/* Kernel functions, in today's names, and the ends that are none (INTERFACES: path names). */
enum path {
    PATH_UNKNOWN, PATH_ANONYMOUS, PATH_HUGE_ANONYMOUS, PATH_HUGE_WP, PATH_READ_FAULT,
    PATH_COW_FAULT, PATH_SHARED_FAULT, PATH_WP, PATH_SWAP, PATH_HUGETLB, PATH_NUMA,
    PATH_EXPAND_STACK, PATH_ACCESS_FLAGS, PATH_UFFD, PATH_BAD_AREA, PATH_BAD_ACCESS, PATH_SIGBUS,
    PATH_POPULATE, PATH_N
};
const char *path_name(enum path path); /* "do_anonymous_page", ... as in JSON */

enum path_how { HOW_NONE, HOW_COPY, HOW_REUSE };

/* What the prediction knows. */
struct path_input {
    const struct region *region;    /* that holds the address, or NULL */
    const struct region *above;     /* the next one above, or NULL: a stack may grow down to here */
    struct page before;             /* the page's state before; PAGE_UNKNOWN if not known */
    const struct event *fault;
    bool thp_possible;              /* the aligned 2 MiB block lies in the region, none of it is
                                       populated, and setting and VmFlags allow a huge page */
    bool room_known, room;          /* whether the stack above has room to grow down to here */
    bool beyond_eof;                /* known to lie beyond the end of the file */
    bool uffd_waits;                /* userfaultfd is known to ask a handler about each write */
    bool numa_balancing;            /* the kernel closes entries to learn who uses a page */
};

enum { PATH_STEPS_MAX = 14 };

/* One node of the decision tree on the way to the leaf. */
struct path_step {
    const char *question; /* "is there a mapping?" */
    const char *answer;   /* "yes" */
};

struct path_verdict {
    uint8_t path; /* enum path */
    uint8_t how;  /* enum path_how */
    uint8_t also; /* enum path: what goes before it, as expand_stack before do_anonymous_page */
    bool sure;    /* false: it hangs on something not known; the reason is in the last step */
    unsigned steps;
    struct path_step step[PATH_STEPS_MAX];
};

/* Which way the kernel goes for in->fault. Always fills *out; with `sure` false where it hangs on
 * something not known. */
void path_predict(const struct path_input *in, struct path_verdict *out);

/* Makes an unsure verdict sure, by what was seen of the fault's end. */
void path_settle(struct path_verdict *v, enum path path, const char *question, const char *answer);

/* Makes a verdict unsure for one more reason, of which the first is kept (as the last step). */
void path_doubt(struct path_verdict *v, const char *reason);

#endif
