/* A stage: a real process of its own that we drive, one message a statement. Between two messages
 * nothing touches its address space: it allocates nothing, its own code, stack and buffers are
 * touched and locked before, and live in shared memory so that a fork changes nothing of them.
 *
 * It is our own binary, executed again; a socket pair carries fixed-size messages. Faults of the
 * operation alone are counted inside by getrusage(RUSAGE_THREAD); signals that it gets are caught
 * and told with si_code and address. A crash of the stage is an observation, never our end; our
 * end, whatever it is, kills all stages. */
#ifndef VMSCOPE_SCENARIO_STAGE_H
#define VMSCOPE_SCENARIO_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* What a stage can do. Arguments in args[], numbers and addresses of the stage's own. */
enum stage_what {
    STAGE_NOTHING,
    STAGE_CALL,    /* the system call args[0] with args[1..6]; value: what it returned */
    STAGE_MMAP_32, /* a 32-bit system call: args[0] 1: mmap2, 2: the old mmap; address, length,
                      prot, flags, fd, offset in bytes in args[1..6] */
    STAGE_READ,    /* reads a byte at args[0] and at each multiple of args[2] below args[1], in
                      user mode; value: how many were read */
    STAGE_WRITE,   /* writes the byte args[3] there */
    STAGE_RACE,    /* the same by two threads at once, on two processors where there are two; faults
                      are counted for both */
    STAGE_EXEC,    /* executes the one instruction at args[0] */
    STAGE_FILL,    /* read(2) from /dev/zero into [args[0], args[1]): faults in kernel mode;
                      value: the bytes read */
    STAGE_BRK,     /* moves the break by (int64_t) args[0]; value: the new one */
    STAGE_MALLOC,
    STAGE_FREE,       /* glibc's: value: the pointer; args[0] */
    STAGE_GROW_STACK, /* writes to args[0] bytes of stack, page by page, from where it was never
                         touched when the stage began; value: how many pages */
    STAGE_TAKE,       /* takes the descriptor that comes with the message; value: its number */
    STAGE_VM_READ,
    STAGE_VM_WRITE, /* process_vm_readv and writev: pid args[0], bytes at args[1]
                       to args[2], byte args[3]; value: the bytes moved */
    STAGE_MEM_READ,
    STAGE_MEM_WRITE, /* the same through /proc/PID/mem */
    STAGE_UFFD,      /* registers [args[0], args[1]) with mode args[2] (UFFDIO_REGISTER_MODE_*);
                        faults there, by whichever stage of the family, are answered by us: a zeroed
                        page, or the protection lifted; with args[3] by SIGKILL to that stage */
    STAGE_FORK,      /* value: the child's pid; *child becomes another driven process */
    STAGE_LIMIT,     /* the soft limit args[0] (RLIMIT_...) becomes args[1] */
    STAGE_WAIT,      /* waits for the end of its child args[0]; value: the status */
    STAGE_EXIT,      /* exit_group(args[0]) */
    STAGE_WHAT_N
};

enum { STAGE_ARGS = 7 };

struct stage_op {
    uint32_t what; /* enum stage_what */
    int fd;        /* STAGE_TAKE: ours, stays ours */
    uint64_t args[STAGE_ARGS];
};

/* What came of it. */
struct stage_result {
    int64_t value;
    int error;                 /* positive errno, 0: none */
    int signal, code;          /* caught while it ran; 0: none */
    uint64_t address;          /* si_addr */
    uint64_t minor, major;     /* faults of the operation alone */
    uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC, inside the stage */
    int tid;
    bool gone;  /* the stage ended; nothing else above is valid */
    int status; /* then: as wait(2) gives it, -1: not known */
};

struct stage; /* one driven process */

struct stage_options {
    uint64_t limit_ns; /* how long one operation may take before the stage is killed */
    bool keep_root;    /* else, when root runs us through sudo, it becomes the user who called it */
    bool thp;          /* else transparent huge pages are switched off in it */
    int stop_fd;       /* when it is readable, operations are given up; 0, -1: none */
};

/* Starts one. 0 or a negative errno with *e set. */
int stage_start(const struct stage_options *o, struct stage **out, struct err *e);
/* Kills it and waits for its end. NULL is fine. */
void stage_destroy(struct stage *s);

/* Runs one operation and waits for its end. With STAGE_FORK *child is the new process, owned by
 * the caller, else it may be NULL. 0, or a negative errno with *e set: the stage cannot be driven
 * any more (a crash or its end is no failure: result->gone). -ETIMEDOUT: it hung and was killed; -ECANCELED: given up (stop_fd), and killed. */
int stage_do(struct stage *s, const struct stage_op *op, struct stage_result *result,
             struct stage **child, struct err *e);

/* Waits at most until the limit for its end. 0, or -ETIMEDOUT. *status as wait(2) gives it, or -1
 * when it cannot be known. */
int stage_wait_end(struct stage *s, int *status);

pid_t stage_pid(const struct stage *s);

/* What it had when it was started; of a forked one: when its first ancestor was. */
struct stage_layout {
    uint64_t arena, arena_end; /* free addresses for mappings; equal when there were none */
    int guard_fd; /* in the stage: an empty memfd, to make mappings of that are inaccessible and
                     merge with nothing */
};
const struct stage_layout *stage_layout(const struct stage *s);

/* What main does first: when this process was executed as a stage it never returns. */
void stage_main_if_asked(int argc, char **argv);

#endif
