/* The parts of vmscope check: check.c starts a worker process for each scenario, check_run.c is
 * what it does, check_report.c prints what came of it. A worker sends lines:
 *   LETTER TAB LINE TAB EXPECTED TAB FOUND NL
 * with LETTER one of enum check_letter, LINE of the script (0: none), texts without control
 * bytes. */
#ifndef VMSCOPE_CLI_CHECK_PARTS_H
#define VMSCOPE_CLI_CHECK_PARTS_H

#include "base/buf.h"
#include "cli/options.h"
#include "scenario/run.h"

enum check_letter {
    CHECK_PASS = 'P', CHECK_FAIL = 'F', CHECK_SKIP = 'S',
    CHECK_NOT_RUN = 'N', /* the scenario is skipped; found: why */
    CHECK_BROKEN = 'B'   /* it could not go on; found: why */
};

/* One scenario, once. */
struct check_item {
    const char *file;       /* as given */
    unsigned round;         /* from 1; 0: there is only one */
    struct script *script;  /* borrowed */
    bool alone;             /* it changes the machine, or measures it */
    pid_t pid;              /* of its worker; 0: not started, or ended */
    size_t place;           /* of those that run side by side; each has an engine of its own */
    struct engine *loaded;  /* for its worker; of that place */
    int fd;                 /* its lines; -1 */
    uint64_t started_ns, ended_ns;
    bool started, ended, killed;
    int status;             /* of the worker, as wait(2) gives it */
    struct buf lines;       /* what came; printed up to `printed` */
    size_t printed;
};

/* Runs it and sends lines to fd. Never returns. */
void check_run(const struct check_item *item, const struct options *o, int fd)
    __attribute__((noreturn));

struct check_report {
    int fd;           /* where the TAP lines go */
    struct buf tap;   /* lines that were not written yet */
    int error;        /* of writing: 0 or negative errno */
    unsigned number, failed, skipped;
    struct buf junit; /* test suites so far */
};

/* Prints what has come since the last time. */
void check_report_lines(struct check_report *r, struct check_item *item);
/* When all has come: what is missing, and its part of the JUnit file. */
void check_report_end(struct check_report *r, struct check_item *item);
/* The plan and a summary; 0 or a negative errno. */
int check_report_finish(struct check_report *r);
/* Writes the JUnit file; 0 or a negative errno. */
int check_report_junit(struct check_report *r, const char *path);

#endif
