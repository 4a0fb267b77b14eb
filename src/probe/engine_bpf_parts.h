/* The parts of the bpf engine among themselves. */
#ifndef VMSCOPE_PROBE_ENGINE_BPF_PARTS_H
#define VMSCOPE_PROBE_ENGINE_BPF_PARTS_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "probe/bpf/wire.h"
#include "probe/chains.h"
#include "probe/engine.h"

/* What is used of libbpf; its header gives the types. */
#define LIBBPF_FUNCTIONS(X)                                                                        \
    X(bpf_link__destroy)                                                                           \
    X(bpf_map__fd)                                                                                 \
    X(bpf_map__set_initial_value)                                                                  \
    X(bpf_map__set_max_entries)                                                                    \
    X(bpf_object__close)                                                                           \
    X(bpf_object__find_map_by_name)                                                                \
    X(bpf_object__find_program_by_name)                                                            \
    X(bpf_object__load)                                                                            \
    X(bpf_object__next_program)                                                                    \
    X(bpf_object__open_mem)                                                                        \
    X(bpf_obj_get_info_by_fd)                                                                      \
    X(bpf_program__attach)                                                                         \
    X(bpf_program__fd)                                                                             \
    X(bpf_program__name)                                                                           \
    X(bpf_program__set_autoload)                                                                   \
    X(libbpf_set_print)                                                                            \
    X(ring_buffer__consume)                                                                        \
    X(ring_buffer__epoll_fd)                                                                       \
    X(ring_buffer__free)                                                                           \
    X(ring_buffer__new)

struct libbpf {
#define LIBBPF_MEMBER(name) __typeof__(name) *name;
    LIBBPF_FUNCTIONS(LIBBPF_MEMBER)
#undef LIBBPF_MEMBER
};

/* Loaded once, when first asked for. */
int libbpf_load(const struct libbpf **out, struct err *e);

/* The object that clang made of probe/bpf/events.bpf.c. */
extern const char engine_bpf_object[], engine_bpf_object_end[];

enum { PROGRAMS_MAX = 16, BATCH = 512, SIGNALS_MAX = 64, SIGNAL_THREADS = 256 };

/* Signals in the ring ahead of the reader, with the faults that they ended. Positions in the ring. */
struct signals {
    struct signal_seen {
        uint64_t fault, address;
        uint8_t signal; /* enum fault_signal */
    } v[SIGNALS_MAX];
    unsigned count;
    struct last_fault {
        int32_t tid;
        uint64_t position;
    } last[SIGNAL_THREADS]; /* of threads, by their number, up to `ahead` */
    uint64_t ahead;   /* looked at up to here, while some are coming */
    uint64_t read;    /* signals behind the reader */
    uint64_t hold_ns; /* a fault so young may get one still; 0: processes rest when we drain */
    uint64_t now_ns;  /* when draining began */
    bool coming, held, lost; /* some are ahead; a fault was too young; a signal found no room */
};

struct engine {
    const struct libbpf *lib;
    struct bpf_object *object;
    struct bpf_link *links[PROGRAMS_MAX];
    int program_fds[PROGRAMS_MAX];
    bool takes_samples[PROGRAMS_MAX];
    bool callers;            /* are told */
    size_t links_n;

    struct wire_state *state; /* mapped */
    const struct wire *slots; /* mapped; 1 << slots_shift of them */
    uint32_t slots_shift;
    uint64_t tail;            /* slots read */
    struct ring_buffer *bell;

    bool heat_forced, heat_held; /* held: until the first exec was read */
    uint64_t heat_from_ns, heat_before; /* beginning of the second looked at; its first count */
    uint64_t heat_told, heat_due_ns;    /* count when pages were told last; when they are again */
    uint32_t heat_next;                 /* place to begin at */
    bool heat_waits;                    /* not all could be told */
    struct event heat_batch[BATCH];

    struct chains *chains;   /* NULL: no evidence is taken */
    uint64_t fault_entry[2], call_entry[2];
    uint64_t unreadable;     /* samples whose chain could not be kept */
    uint64_t missed_before[2]; /* by those who used the object before: of events, of samples */
    uint64_t lost_before;    /* when a gap was last looked for */
    char evidence_why[160];  /* why none is taken though it was asked for */

    struct signals signals;
    uint64_t last_ns; /* of the last event */
    struct event batch[BATCH];
    struct engine_stats stats; /* events and faults */
};

/* Reads the ring. */
int engine_bpf_ring_open(struct engine *engine, int bell_fd, struct err *e);
int engine_bpf_drain(struct engine *engine, engine_sink *sink, void *ctx);
int engine_bpf_rest(struct engine *engine, engine_sink *sink, void *ctx);
const struct wire *engine_bpf_slot(const struct engine *engine, uint64_t position);

/* How faults ended. To be called when draining begins, and before each batch. */
void engine_bpf_begin_signals(struct engine *engine, uint64_t now_ns);
void engine_bpf_look_for_signals(struct engine *engine);
/* Of the fault in the slot at the tail. */
enum fault_signal engine_bpf_signal_of(const struct engine *engine, const struct wire *w);
/* Whether the slot at the tail is to be left for later: its signal may come still. */
bool engine_bpf_must_wait(struct engine *engine, const struct wire *w);

/* What the kernel itself did not run because the same program was running on that processor. */
uint64_t engine_bpf_missed(const struct engine *engine, bool samples);
uint64_t engine_bpf_events_lost(const struct engine *engine);

/* Evidence. */
bool engine_bpf_takes_samples(const char *program);
int engine_bpf_evidence_open(struct engine *engine, bool calls_too, struct err *e);
uint64_t engine_bpf_samples_lost(const struct engine *engine);
bool engine_bpf_gap(struct engine *engine);
uint32_t engine_bpf_read_sample(struct engine *engine, struct event *e, const struct wire *w);
const char *engine_bpf_stack(const struct engine *engine, uint32_t number);

/* Reads the mapping at the tail as events[*n] and what follows: parts of its name, then itself. The
 * first of them has what all have in common. The slots that it filled. */
enum { MAPPING_EVENTS = 1 + (WIRE_NAME + 64 + 10) / EVENT_NAME_MAX + 1 };
uint32_t engine_bpf_read_mapping(const struct engine *engine, const struct wire *w,
                                 struct event *events, size_t *n);

/* Heat mode. */
void engine_bpf_heat_check(struct engine *engine);
uint64_t engine_bpf_heat_count(const struct engine *engine);
/* Tell the pages counted since the last time, as EVENT_HEAT: now and then, or all at once. A
 * page that found no place in the table is in engine_stats.heat_faults alone. */
int engine_bpf_heat_tell(struct engine *engine, engine_sink *sink, void *ctx);
int engine_bpf_heat_rest(struct engine *engine, engine_sink *sink, void *ctx);

#endif
