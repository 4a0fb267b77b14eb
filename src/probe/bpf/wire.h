/* What the BPF program and the engine share: the ring of records and the state that both have
 * mapped. Included by both sides; all sizes are fixed.
 *
 * The ring is an array of slots of its own and no BPF ring buffer: a reservation there costs three
 * times what a whole fault costs here (a lock and half a dozen calls of functions; measured, 6.18).
 * A writer takes the next slots by one atomic addition to `head`, fills them, and then stores the
 * number of the turn of the ring, from 1, in `lap` of the first; the reader stops at a slot without
 * it. So records stand in one order for all processors. A BPF ring buffer is the bell alone. */
#ifndef VMSCOPE_PROBE_BPF_WIRE_H
#define VMSCOPE_PROBE_BPF_WIRE_H

#include <stdint.h>

#include "model/event.h"

struct wire {
    uint64_t t_ns;
    int32_t pid, tid;
    uint64_t a, b; /* fault: address, wire_with_cpu; call: result, time of entry (0: not seen); fork: child's
                      pid, tid; exec: the name */
    uint32_t lap;
    uint8_t type;   /* enum event_type */
    uint8_t detail; /* fault: enum fault_mode, WIRE_IN_EXEC; call: a byte of wire_config.calls; sample: enum
                       sample_kind, WIRE_FOR_CALL */
    uint16_t flags; /* fault: the architecture's error code, and wire_callers; call: WIRE_COMPAT, ..; sample:
                       frames of its call chain; mapping: WIRE_AT_EXEC, WIRE_LAST */
};

enum { WIRE_COMPAT = 1, WIRE_ARGS = 2, WIRE_IN_EXEC = 0x80, WIRE_FOR_CALL = 0x80 };
/* Of a failed mmap: its descriptor was looked at, and enum call_file in the bits above. */
enum { WIRE_FILE = 4, WIRE_FILE_SHIFT = 3 };

/* In `detail` of a fault, beside its mode: enum fault_asks, shifted. */
enum { WIRE_MODE = 3, WIRE_ASKS_SHIFT = 2, WIRE_ASKS_MASK = 15 };

/* In `flags` of a fault: of the error code these bits, and above them how many callers are in the
 * slots behind it, plus one; or why there are none. */
enum {
    WIRE_ERROR_MASK = 0xff,
    WIRE_CALLERS_SHIFT = 8,
    WIRE_CALLERS_NONE = 0xfe,
    WIRE_CALLERS_LOST = 0xff,
};

static inline uint32_t wire_callers(uint16_t flags)
{
    uint32_t n = flags >> WIRE_CALLERS_SHIFT;
    return n && n <= CALLERS_MAX + 1 ? n - 1 : 0;
}

/* In `b` of a fault: the instruction, of an address as wide as any can be, and above it the processor,
 * from 1; 0 if its number is too high. */
enum { WIRE_IP_BITS = 57, WIRE_CPU_MAX = 126 };

static inline uint64_t wire_with_cpu(uint64_t ip, uint32_t cpu)
{
    uint64_t number = cpu < WIRE_CPU_MAX ? cpu + 1 : 0;
    return (ip & ((UINT64_C(1) << WIRE_IP_BITS) - 1)) | number << WIRE_IP_BITS;
}

static inline uint64_t wire_ip(uint64_t b)
{
    return (uint64_t)((int64_t)(b << (64 - WIRE_IP_BITS)) >> (64 - WIRE_IP_BITS));
}

/* The arguments of a call are in the two slots behind it. */
struct wire_args {
    uint64_t v[4]; /* three are used */
    uint32_t lap;  /* always 0: no record begins here */
    uint32_t unused;
};

enum { WIRE_CALL_SLOTS = 3 };

/* The return addresses of a call chain, innermost first, in the slots behind a sample or a fault. */
struct wire_frames {
    uint64_t ip[4];
    uint32_t lap; /* always 0 */
    uint32_t unused;
};

enum { WIRE_FRAMES = 64, WIRE_FRAME_SLOTS = WIRE_FRAMES / 4 };

/* A mapping: in a and b its range, in detail what it is if not of a file; then two slots with flags,
 * offset, inode, device, and the file's size, kind of file system, mode and the bytes of its path;
 * then the path. Its parts are in reverse order, each ends with a NUL. */
enum {
    WIRE_AT_EXEC = 1, /* of a program that has just begun */
    WIRE_LAST = 2,    /* no mapping: all of the program have been told */
    WIRE_DELETED = 1 << 16, /* beside the bytes of the path */
    WIRE_MAPPING_SLOTS = 3,
    WIRE_NAME = 512,
    WIRE_NAME_SLOTS = (WIRE_NAME + 64) / 32,
};
enum { WIRE_PLAIN, WIRE_STACK, WIRE_HEAP, WIRE_VDSO, WIRE_VVAR };

struct wire_name {
    char text[32];
    uint32_t lap; /* always 0 */
    uint32_t unused;
};

/* A byte that says what a system call is: 0 is of no interest, else enum mm_call plus one, and in
 * which unusual way its arguments are passed. */
enum {
    WIRE_CALL_MASK = 0x3f,
    WIRE_CALL_PAGES = 0x40,  /* the last argument counts pages */
    WIRE_CALL_MEMORY = 0x80, /* the first argument points to the arguments, 32 bits each */
    WIRE_CALLS = 512,        /* numbers looked at */
};

/* Set before the program is loaded, and constant from then on. All counts are of slots. */
struct wire_config {
    uint8_t calls[2][WIRE_CALLS]; /* of 64-bit and of 32-bit tasks */
    uint32_t slots_shift;         /* of all slots: a power of two */
    uint32_t room;                /* so many may be taken; the rest is for writers on their way */
    uint32_t wake;                /* so many wait: wake the reader */
    uint32_t heat;                /* so many wait: only count faults from now on */
    uint32_t follow;              /* children too */
    uint32_t shared_cpus;         /* processors share a struct wire_cpu */
    uint32_t sample_room;         /* so many wait: no more samples, no callers; events go first */
    uint32_t callers;             /* of faults are wanted */
    uint64_t fault_entry[2];      /* where the function is that every fault goes through */
    uint64_t call_entry[2];       /* and that which brings pages in for calls; 0, 0: not wanted */
};

enum {
    WIRE_CPUS = 64,
    WIRE_CPU_SLOTS = 160, /* at most on their way on one processor: each program runs once */
    WIRE_PID_BITS = 22,  /* pid_max is at most this on 64-bit kernels */
    WIRE_PAGE_SHIFT = 12,
    WIRE_PAGES_SHIFT = 20,
    WIRE_PAGES = 1 << WIRE_PAGES_SHIFT,
    WIRE_PROBES_SHIFT = 2,
    WIRE_PROBES = 1 << WIRE_PROBES_SHIFT, /* places looked at for one page */
};

/* Of one processor (of several, where there are more). */
struct wire_cpu {
    uint64_t lost[EVENT_TYPE_N]; /* no room in the ring */
    uint64_t heat;               /* faults counted only */
    uint64_t now_ns, tick, faults_in_tick;
} __attribute__((aligned(128)));

/* Faults of one page while in heat mode are counted in one word, by one atomic operation: which page
 * it is, and below that how often. A page that finds none of its places free is in the sum of all alone:
 * totals are exact, single pages best effort. */
enum {
    WIRE_PAGE_BITS = 36, /* of page numbers; a process has higher addresses only if it asks for them */
    WIRE_COUNT_BITS = 64 - (WIRE_PAGE_BITS - WIRE_PAGES_SHIFT) - WIRE_PID_BITS - WIRE_PROBES_SHIFT,
    WIRE_COUNT_MASK = (1 << WIRE_COUNT_BITS) - 1,
};

/* Neighbouring pages have neighbouring places. Where another range of pages is in the way, all of
 * this one is tried far from there. */
static inline uint32_t wire_place(uint64_t page, uint64_t pid, uint32_t probe)
{
    uint64_t moved = (page >> WIRE_PAGES_SHIFT) * 12347 + pid * 7919 + probe * 270001;
    return (uint32_t)(page + moved) % WIRE_PAGES;
}

/* With the place it tells the page. */
static inline uint64_t wire_tag(uint64_t page, uint64_t pid, uint32_t probe)
{
    return ((page >> WIRE_PAGES_SHIFT) << WIRE_PID_BITS | pid) << WIRE_PROBES_SHIFT | probe;
}

static inline uint64_t wire_pid(uint64_t tag)
{
    return tag >> WIRE_PROBES_SHIFT & ((1u << WIRE_PID_BITS) - 1);
}

static inline uint64_t wire_page(uint32_t place, uint64_t tag)
{
    uint64_t high = tag >> (WIRE_PROBES_SHIFT + WIRE_PID_BITS);
    uint64_t moved = high * 12347 + wire_pid(tag) * 7919 + tag % WIRE_PROBES * 270001;
    return high << WIRE_PAGES_SHIFT | (uint32_t)(place - moved) % WIRE_PAGES;
}

/* Mapped by both sides. */
struct wire_state {
    uint64_t head __attribute__((aligned(128))); /* slots ever taken; the program's */
    uint64_t tail __attribute__((aligned(128))); /* slots ever read; the engine's */
    uint32_t woken; /* the bell was rung; cleared by the engine when it drains */
    uint32_t heat;  /* only count faults; set by either side, cleared by the engine */
    uint32_t heat_at_exec; /* ... from the next exec of a watched process on */
    uint32_t uffd;    /* a watched process has a userfaultfd: faults look at their mapping */
    uint64_t signals; /* ever put into the ring */
    struct wire_cpu cpu[WIRE_CPUS];
    uint64_t watched[(1 << WIRE_PID_BITS) / 64]; /* a bit a process */
    uint64_t pages[WIRE_PAGES];
};

#endif
