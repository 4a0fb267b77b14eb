/* Running a scenario, one statement at a time: stages by process name, mappings, files and
 * descriptors by name, what it needs of the machine, and what came of each statement. What an
 * observer outside sees of the processes comes through `struct observer`, wired by cli, so that
 * expectations judge the model and not the stage's own word. */
#ifndef VMSCOPE_SCENARIO_RUN_H
#define VMSCOPE_SCENARIO_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "model/fault_log.h"
#include "model/model.h"
#include "scenario/script.h"
#include "scenario/stage.h"

struct observer {
    void *ctx;
    /* A complete picture of the process now; references are the caller's (moment_deinit). With
     * `flags` VmFlags too. 0 or a negative errno with *e set. */
    int (*picture)(void *ctx, pid_t pid, bool flags, struct moment *out, struct err *e);
    /* Begins following the faults of a process and its children; and those that came since the
     * last call, predicted paths in their verdicts, in order (the array is the observer's until
     * the next call). NULL: there is no engine; `why` says why. */
    int (*follow)(void *ctx, pid_t pid, struct err *e);
    int (*faults)(void *ctx, const struct fault_entry **v, size_t *count);
    bool (*evidence)(void *ctx, char *why, size_t cap); /* observed paths can be had */
    /* The kernel's call chain of this number (struct observation), functions outermost first,
     * separated by ";"; NULL if there is none. */
    const char *(*stack)(void *ctx, uint32_t number);
    /* How many samples of call chains tell that a process brought in pages for a call, at these
     * times, since the last action began. NULL: never. */
    size_t (*brought)(void *ctx, pid_t pid, uint64_t from_ns, uint64_t to_ns);
    const char *why;
    const char *blind; /* faults that the engine cannot see, one clause; NULL or "": it sees all */
};

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_SKIP };

/* What came of one statement. */
struct outcome {
    bool ran; /* an action was done in a stage; else note, expect, ... */
    struct stage_result result;
    const struct fault_entry *faults; /* of this statement; the run's until the next step */
    size_t fault_count;
    bool is_expect;
    enum verdict verdict; /* of an expectation; of an action: VERDICT_FAIL when it failed and
                             no expectation of its result follows */
    char expected[400], found[400]; /* sentences, escaped */
};

struct run;

struct run_options {
    uint64_t limit_ns;       /* of a statement */
    uint64_t total_limit_ns; /* of the whole scenario */
    const char *directory;   /* where temporary files go; NULL: $TMPDIR or /tmp */
    int stop_fd;             /* when it is readable the run gives up what it does, with -ECANCELED,
                                and can only be ended; 0: there is none */
};

/* Begins a scenario: checks `needs`, changes the machine as they ask. The script and the observer
 * must outlive the run. 0; -ENOTSUP with *e set to the reason when something needed is missing
 * (skip); other negative errno with *e set. */
int run_begin(const struct script *s, const struct run_options *o, const struct observer *w,
              struct run **out, struct err *e);
/* Ends all stages and puts everything back. NULL is fine. 0, or a negative errno with *e set:
 * something could not be put back. */
int run_end(struct run *r, struct err *e);

/* Index of the statement that comes next; script->count at the end. */
size_t run_next(const struct run *r);
/* Runs it. 0 or a negative errno with *e set (the run cannot go on). */
int run_step(struct run *r, struct outcome *out, struct err *e);

/* The processes, in the order of their birth: for pictures beside the script. */
size_t run_process_count(const struct run *r);
struct run_process {
    const char *name;
    pid_t pid;
    bool ended;
};
void run_process(const struct run *r, size_t i, struct run_process *out);
/* Where a name of a mapping lies in a process. False if it has none. */
bool run_mapping(const struct run *r, const char *process, const char *name, uint64_t *start,
                 uint64_t *bytes, uint64_t *page_size);

#endif
