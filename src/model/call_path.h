/* Why an mm system call ended as it did: the checks that sys_mmap makes, in its order, and for
 * other calls the reasons that an error can have. Worked out from the arguments, the result and
 * what is known of the file. Pure. The tree of checks is drawn in call_path.c. */
#ifndef VMSCOPE_MODEL_CALL_PATH_H
#define VMSCOPE_MODEL_CALL_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/record.h"

struct call_input {
    const struct event *call;     /* of type EVENT_CALL */
    uint64_t page_size, huge_size;
    uint64_t task_size;           /* end of the addresses that a process can have */
};

enum call_mark {
    CALL_PASSED,
    CALL_TAKEN,  /* here it failed */
    CALL_PERHAPS /* here or at another check that is marked so */
};

/* One check, or one reason, with a plain answer. */
struct call_step {
    const char *question, *answer;
    uint8_t mark; /* enum call_mark */
};

enum { CALL_STEPS_MAX = 40 };

struct call_verdict {
    bool failed;    /* the call reported an error, or did not do what it was asked for */
    int error;      /* positive errno; 0 if the call has no way to tell (brk) */
    bool sure;      /* at most one step is marked, and it is certain */
    unsigned steps; /* 0: nothing is known of this call and error */
    struct call_step step[CALL_STEPS_MAX];
};

/* Why in->call ended as it did. Always fills *out. */
void call_explain(const struct call_input *in, struct call_verdict *out);
/* The same where no more is known than the geometry of the machine. */
void call_explain_here(const struct event *call, const struct geometry *g,
                       struct call_verdict *out);

/* The arguments in words: "4096 bytes, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS"; "" for a call whose
 * arguments say no more than their numbers. Returns out. */
const char *call_words(char *out, size_t cap, const struct event *call);

/* Why it failed: "Is the offset a multiple of a page? no"; several that are possible are joined by
 * "; or: ". "" if it did not fail, or nothing is known of this error. Returns out. */
const char *call_why(char *out, size_t cap, const struct call_verdict *v);

#endif
