/* A stage: a real process of its own that we drive, one message a statement. Between two messages
 * nothing touches its address space: it allocates nothing, its buffers are made and locked before,
 * and each mapping that it makes has PROT_NONE neighbours, so that nothing merges by accident.
 *
 * It is our own binary, executed again; a socket pair carries fixed-size messages. Faults of the
 * operation alone are counted inside by getrusage(RUSAGE_THREAD); signals that it gets are caught
 * and told with si_code and address. A crash of the stage is an observation, never our end. */
#ifndef VMSCOPE_SCENARIO_STAGE_H
#define VMSCOPE_SCENARIO_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* What a stage can do. Arguments in args[], numbers and addresses of the stage's own. */
enum stage_what {
    STAGE_CALL,      /* the system call args[0] with args[1..6] */
    STAGE_READ,      /* reads one byte each args[2] bytes of [args[0], args[1]), in user mode */
    STAGE_WRITE,     /* writes the byte args[3] there */
    STAGE_EXEC,      /* calls the code at args[0], written there before by STAGE_WRITE_CODE */
    STAGE_WRITE_CODE,/* a return instruction at args[0] */
    STAGE_FILL,      /* read(2) from /dev/zero into [args[0], args[1]): faults in kernel mode */
    STAGE_PEEK,      /* value: the byte at args[0]; its faults are not counted */
    STAGE_BRK,       /* moves the break by (int64_t) args[0]; value: the new one */
    STAGE_MALLOC, STAGE_FREE, /* glibc's: value: the pointer; args[0] */
    STAGE_GROW_STACK,/* touches args[0] bytes of stack, page by page */
    STAGE_OPEN,      /* path, args[0] flags, args[1] mode; value: descriptor */
    STAGE_MEMFD,     /* path: a name, args[0] flags */
    STAGE_PIPE,      /* value: the reading end */
    STAGE_VM,        /* process_vm_readv (args[4] 0) or writev (1): pid args[0], address args[1],
                        bytes args[2], byte args[3] */
    STAGE_MEM,       /* the same through /proc/PID/mem */
    STAGE_UFFD,      /* registers [args[0], args[1]) with mode args[2], and a handler: missing is
                        answered by a zeroed page */
    STAGE_FORK,      /* value: the child's pid; *child becomes another driven process */
    STAGE_EXIT,
    STAGE_WHAT_N
};

enum { STAGE_ARGS = 7, STAGE_PATH = 256 };

struct stage_op {
    uint32_t what; /* enum stage_what */
    uint64_t args[STAGE_ARGS];
    char path[STAGE_PATH];
};

/* What came of it. */
struct stage_result {
    int64_t value;
    int error;              /* positive errno, 0: none */
    int signal, code;       /* caught while it ran; 0: none */
    uint64_t address;       /* si_addr */
    uint64_t minor, major;  /* faults of the operation alone */
    uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC, inside the stage */
    int tid;
    bool gone;              /* the stage ended: signal and status say how */
    int status;             /* as wait(2) gives it; valid when gone and reaped */
};

struct stage; /* one driven process */

/* Starts one. `limit_ns`: how long one operation may take before the stage is killed. 0 or a
 * negative errno with *e set. */
int stage_start(uint64_t limit_ns, struct stage **out, struct err *e);
/* Ends and reaps it. NULL is fine. */
void stage_destroy(struct stage *s);

/* Runs one operation and waits for its end. With STAGE_FORK *child is the new process, owned by
 * the caller, else it may be NULL. 0, or a negative errno with *e set: the stage cannot be driven
 * any more (a crash or its end is no failure: result->gone). -ETIMEDOUT: it hung and was killed. */
int stage_do(struct stage *s, const struct stage_op *op, struct stage_result *result,
             struct stage **child, struct err *e);

/* Waits for its end. */
int stage_wait(struct stage *s, int *status, struct err *e);

pid_t stage_pid(const struct stage *s);

/* What main does first: when this process was executed as a stage it never returns. */
void stage_main_if_asked(int argc, char **argv);

#endif
