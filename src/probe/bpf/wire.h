/* What the BPF program and the engine share: the records of the ring buffer, and the memory that
 * both have mapped. Included by both sides; all sizes are fixed. */
#ifndef VMSCOPE_PROBE_BPF_WIRE_H
#define VMSCOPE_PROBE_BPF_WIRE_H

#include <stdint.h>

#include "model/event.h"

struct wire {
    uint64_t t_ns;
    int32_t pid, tid;
    uint8_t type;   /* enum event_type */
    uint8_t detail; /* fault: enum fault_mode; call: the byte of wire_config.calls */
    uint8_t compat; /* call: by a 32-bit task */
    uint8_t has_args;
    uint32_t error; /* fault: the architecture's error code */
};

struct wire_fault {
    struct wire w;
    uint64_t address, ip;
};

struct wire_call {
    struct wire w;
    uint64_t args[CALL_ARGS];
    int64_t result;
    uint64_t entered_ns; /* 0: not seen */
};

struct wire_fork {
    struct wire w;
    int32_t child_pid, child_tid;
};

struct wire_exec {
    struct wire w;
    char comm[16];
};

/* A byte that says what a system call is: 0 is of no interest, else enum mm_call plus one, and in
 * which unusual way its arguments are passed. */
enum {
    WIRE_CALL_MASK = 0x3f,
    WIRE_CALL_PAGES = 0x40,  /* the last argument counts pages */
    WIRE_CALL_MEMORY = 0x80, /* the first argument points to the arguments, 32 bits each */
    WIRE_CALLS = 512,        /* numbers looked at */
};

/* Set before the program is loaded, and constant from then on. */
struct wire_config {
    uint8_t calls[2][WIRE_CALLS]; /* of 64-bit and of 32-bit tasks */
    uint64_t wake_bytes;          /* so much waits: wake the reader */
    uint64_t heat_bytes;          /* so much waits: count faults from now on */
    uint32_t follow;              /* children too */
};

/* Counters of one CPU (of several, where there are more). */
struct wire_counters {
    uint64_t lost[EVENT_TYPE_N]; /* no room in the ring */
    uint64_t heat;               /* faults counted only */
    uint64_t unplaced;           /* of these, without a slot below */
    uint64_t unwatched;          /* children for which the set of watched processes had no room */
};

/* Faults of one page while in heat mode. A page that finds no slot near its own counts as
 * unplaced: totals are exact, single pages are best effort. */
struct wire_slot {
    uint64_t key; /* page number << WIRE_PID_BITS | pid; 0: free */
    uint64_t count;
};

enum {
    WIRE_CPUS = 64,
    WIRE_SLOTS = 1 << 17,
    WIRE_PROBES = 4, /* slots looked at for one page */
    WIRE_PID_BITS = 22, /* pid_max is at most this on 64-bit kernels */
};

/* Mapped by both sides. */
struct wire_state {
    uint32_t heat;  /* count faults; set by either side, cleared by the engine */
    uint32_t woken; /* a wake-up is on its way; cleared by the engine when it drains */
    uint64_t align_to_line[7];
    struct {
        struct wire_counters c;
    } __attribute__((aligned(64))) cpu[WIRE_CPUS];
    struct wire_slot slots[WIRE_SLOTS];
};

#endif
