/* A stage from the inside: its state, and what stage_main.c (birth, messages, signals) and
 * stage_act.c (the operations) share. All of their code stands in one section. */
#ifndef VMSCOPE_SCENARIO_STAGE_SELF_H
#define VMSCOPE_SCENARIO_STAGE_SELF_H

#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>

#include "scenario/stage_wire.h"
#include "scenario/stage_x86_64.h"

#define STAGE_CODE __attribute__((section("stage_text"), noinline))
enum {
    AREA_BYTES = 128 << 10, /* also its alignment */
    SIGNAL_STACK = 32 << 10,
    RIVAL_STACK = 16 << 10, /* above the stack for signals: another one, and the second thread's */
    SCRATCH = 16 << 10,
    MMAP_32_OLD = 2,
    CALL_32_MMAP = 90, /* numbers of the 32-bit table */
    CALL_32_MMAP2 = 192,
    HIGH_FD = 200, /* our descriptors stand from here on, so that those of a script begin at 3 */
    PAGE = 4096,
};

/* What a stage knows, at the beginning of its area; the stacks are at its end. */
struct self {
    int socket, zero_fd;
    struct stage_hello hello;
    uint64_t stack_low; /* of the stack that we left, nothing below this was touched */
    struct self *parent, *child;
    volatile uint32_t *low; /* arguments of a 32-bit call that stand in memory; or NULL */
    volatile bool armed;    /* an operation runs: signals that it causes are its result */
    void *jump[5];
    struct stage_request request;
    struct stage_reply reply;
    int came, goes; /* descriptors beside the request and the reply; -1: none */
    volatile uint64_t done;
    struct rusage before, after;
    uint32_t rival;   /* the second thread of STAGE_RACE, 0: none; the kernel clears it */
    bool rival_waits, rival_goes; /* atomic */
    unsigned long rival_cpus[16];
    struct rusage rival_before, rival_after;
    struct timespec now;
    struct iovec io[2];
    struct msghdr message;
    struct stage_control control;
    char path[32];
    union {
        char scratch[SCRATCH];
        struct rlimit limit;
        struct uffdio_api api;
        struct uffdio_register reg;
        struct uffdio_writeprotect protect;
    };
};

#define CALL0(n) raw_call(n, 0, 0, 0, 0, 0, 0)
#define CALL1(n, a) raw_call(n, (uint64_t)(a), 0, 0, 0, 0, 0)
#define CALL2(n, a, b) raw_call(n, (uint64_t)(a), (uint64_t)(b), 0, 0, 0, 0)
#define CALL3(n, a, b, c) raw_call(n, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, 0, 0)
#define CALL4(n, a, b, c, d)                                                                       \
    raw_call(n, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), 0, 0)

static inline __attribute__((always_inline)) uint64_t area_top(const struct self *s)
{
    return (uint64_t)(uintptr_t)s + AREA_BYTES;
}

/* The next address to touch: a multiple of the step. */
#define FOLLOWING(at, step) (((at) + (step)) & ~((uint64_t)(step)-1))

/* Does what the request asks; a signal may end it in the middle. */
void stage_act(struct self *s);
/* The second thread of STAGE_RACE: begins it, waits for its end, ends in it. */
long stage_begin_rival(struct self *s);
void stage_join_rival(struct self *s);
_Noreturn void stage_end_rival(struct self *s);
bool stage_is_rival(const struct self *s, uint64_t stack_address);
/* Puts the result of a system call into the reply. */
void stage_result_is(struct self *s, long rc);
/* The first code of a forked stage, on its own stack; `argument` is its self. */
void stage_begin_child(void *argument);

#endif
