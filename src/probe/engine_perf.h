/* Parts of the perf engine: the records that the kernel writes, the rings that it writes them into,
 * and the events on threads and CPUs that make it write. Private to engine_perf*.c and their tests.
 *
 * One ring a CPU takes the records of all events on that CPU: of every thread that is there when we
 * begin, and of what these threads create later (inherit). Within a ring records stand in time
 * order; the rings are merged by time, and a record is delivered once it is so old that no CPU can
 * still be writing an older one. */
#ifndef VMSCOPE_PROBE_ENGINE_PERF_H
#define VMSCOPE_PROBE_ENGINE_PERF_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "model/event.h"

/* What the samples of an event are. Faults in kernel mode have an event of their own because only
 * they need the user's registers, which cost a few percent. */
enum perf_kind {
    PERF_FAULT, PERF_KERNEL_FAULT, PERF_ENTER, PERF_LEAVE, PERF_KIND_N,
    /* Of the tracepoints exceptions:page_fault_*: they tell the access too (step mode). */
    PERF_TRACE_USER = PERF_KIND_N, PERF_TRACE_KERNEL, PERF_ALL_N
};

/* Which event has which id; ascending by id. */
struct perf_id {
    uint64_t id;
    uint8_t kind; /* enum perf_kind */
};

/* How the records are laid out. */
struct perf_layout {
    bool callers;              /* faults have their call chain */
    bool user_ip;              /* faults in kernel mode end with the user's instruction pointer */
    const struct perf_id *ids; /* of all events; NULL: only faults, and records carry no id */
    size_t id_count;
};

enum perf_what {
    PERF_IS_OTHER, PERF_IS_EVENT, PERF_IS_LOST, PERF_IS_ENTER, PERF_IS_LEAVE, PERF_IS_MAPPING
};

/* A record as read. */
struct perf_seen {
    uint64_t t_ns;
    uint8_t what; /* enum perf_what */
    union {
        struct {
            struct event event; /* PERF_IS_EVENT: but for PERF_RECORD_EXIT etc. all of it */
            const char *callers; /* event.fault.callers_n addresses, good as long as the record */
        };
        uint64_t lost;      /* PERF_IS_LOST: records */
        struct {            /* PERF_IS_ENTER, PERF_IS_LEAVE: a system call, any */
            int32_t pid, tid;
            int64_t number;
            uint64_t args[CALL_ARGS]; /* entering */
            int64_t result;           /* leaving */
            bool compat;
        } call;
        struct {            /* PERF_IS_MAPPING: as PERF_RECORD_MMAP2 has it */
            int32_t pid, tid;
            uint64_t start, bytes, offset, inode;
            uint32_t dev_major, dev_minor, prot, flags;
            const char *name; /* in the record, good as long as that */
            uint32_t name_len;
        } mapping;
    };
};

/* Reads one record from the beginning of len bytes. Its size (at least 8), or -EINVAL when no
 * record can be told here. A record that makes no sense inside is PERF_IS_OTHER. */
int perf_record_parse(const struct perf_layout *layout, const char *bytes, size_t len,
                      struct perf_seen *out);

/* The settings that make the kernel write records of this layout. */
struct perf_wish {
    bool follow;         /* into child processes */
    bool kernel;         /* faults in kernel mode too */
    bool calls;          /* mm system calls */
    bool threads_only;   /* the kernel can follow into threads alone */
    bool callers;        /* of faults: the call chain in user mode */
    uint64_t tracepoint[PERF_ALL_N]; /* ids, where calls */
};
void perf_attr_fill(const struct perf_wish *wish, enum perf_kind kind, struct perf_event_attr *out);

struct perf_ring {
    struct perf_event_mmap_page *page; /* NULL: not mapped */
    int fd;              /* of the event that owns it */
    char *data;
    uint64_t size;       /* bytes, a power of two */
    uint64_t head, tail; /* read up to tail; the kernel wrote up to head when last asked */
    struct perf_seen next; /* the record before tail, if has_next */
    bool has_next;
    uint64_t damaged; /* times that its content made no sense and was passed over */
    char *joined;     /* room for a record that wraps around */
};

/* Maps the ring of an open event, and takes fd over if that succeeds. 0 or negative errno. */
int perf_ring_map(struct perf_ring *ring, int fd, uint64_t size);
void perf_ring_unmap(struct perf_ring *ring);
/* Passes over all that has been written. */
void perf_ring_skip(struct perf_ring *ring);
/* Asks how far the kernel has written, and makes the next record ready. */
void perf_ring_refresh(struct perf_ring *ring, const struct perf_layout *layout);
/* Passes over the next record and makes the one behind it ready. */
void perf_ring_advance(struct perf_ring *ring, const struct perf_layout *layout);
/* Gives what has been read back to the kernel. */
void perf_ring_release(struct perf_ring *ring);

/* An open event. */
struct perf_fd {
    int fd;
    uint8_t kind;
    uint32_t cpu; /* index of its ring */
};

/* All events and rings of a target. */
struct perf_events {
    struct perf_wish wish;
    struct perf_layout layout;
    struct perf_id *ids;
    struct perf_fd *fds;
    size_t fd_count, fd_cap;
    struct perf_ring *rings;
    int *cpus; /* CPU of each ring */
    size_t ring_count;
    char filter[1024]; /* of system calls */
};

/* New programs whose mappings are just being told. */
enum { PERF_EXECS_MAX = 64 };
struct perf_execs {
    int32_t pid[PERF_EXECS_MAX];
    unsigned count;
};

/* Room that one record needs in a batch. */
enum { PERF_NAME_MAX = 1023, PERF_RECORD_EVENTS = PERF_NAME_MAX / EVENT_NAME_MAX + 3 };
_Static_assert(CALLERS_MAX / CALLERS_PART + 3 <= PERF_RECORD_EVENTS, "a fault and its callers");

/* Turns PERF_IS_MAPPING into events. Their number. */
struct mount_kinds;
size_t perf_mapping_events(const struct perf_seen *seen, const struct mount_kinds *kinds,
                           enum mapping_told told, struct event *out);

/* Follows which programs have just begun. An event: true when with it the mappings of its process
 * are all there, which *all then says. A mapping: how it is told. */
bool perf_execs_event(struct perf_execs *x, const struct event *e, struct event *all);
enum mapping_told perf_execs_mapping(const struct perf_execs *x, int32_t pid, bool calls);

/* Opens events on all threads of the process and starts them. 0, or a negative errno with *e set;
 * then *events is deinitialized. */
int perf_events_open(struct perf_events *events, pid_t pid, uint64_t ring_bytes, struct err *e);
void perf_events_close(struct perf_events *events);

/* What the kernel has counted: faults that were made, and records that found no room (of any
 * kind; 0 on kernels before 6.0, which do not count them). Exact when the target rests or is gone.
 */
void perf_events_count(const struct perf_events *events, uint64_t *faults, uint64_t *lost);

/* System calls whose return is awaited. */
struct perf_calls;
struct perf_calls *perf_calls_create(void); /* NULL when out of memory */
void perf_calls_destroy(struct perf_calls *calls);
/* The id of a tracepoint, such as "raw_syscalls/sys_enter"; false if it cannot be read. Where
 * tracefs is not mounted, root reads it through a mount that nobody else sees. */
bool perf_tracepoint(const char *name, uint64_t *id);
/* Fills the ids of the tracepoints in *wish and sets calls, if they can be read. */
void perf_calls_find(struct perf_wish *wish);
/* A filter that passes mm calls (and, rarely, others), for PERF_EVENT_IOC_SET_FILTER. */
const char *perf_calls_filter(char *out, size_t cap);
/* Takes a beginning or an end; true when an mm call is complete in *out. */
bool perf_calls_fold(struct perf_calls *calls, const struct perf_seen *seen, struct event *out);

#endif
