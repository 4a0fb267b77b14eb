/* The insides of a sampler, shared by its files. */
#ifndef VMSCOPE_SAMPLER_SAMPLER_STATE_H
#define VMSCOPE_SAMPLER_SAMPLER_STATE_H

#include "model/pagetree.h"
#include "probe/mounts.h"
#include "probe/pages.h"
#include "probe/procdir.h"
#include "probe/stat.h"
#include "probe/symbol.h"
#include "sampler/sampler.h"

/* A range of addresses. */
struct span {
    uint64_t start, end;
};

enum { PENDING_MAX = 256 };

struct sampler {
    struct sampler_options options;
    struct procdir dir;
    struct page_reader reader;
    struct symbol_cache *symbols; /* NULL until first needed */
    struct mount_kinds mounts;
    bool mounts_read;
    struct target_info target;
    bool target_sent;
    struct counters counters;
    bool gone; /* the target has ended, and that was sent */
    bool stale; /* it has another address space since an exec: all is to be opened again */

    struct buf text, maps;         /* scratch; the last maps or smaps */
    struct region_table *regions;  /* parsed from `maps` */
    struct region_table *flagged;  /* live: from the last smaps, for VmFlags; or NULL */
    bool flags_asked, caches_asked;
    struct pagetree *shadow;       /* what was sent of the pages */
    struct run_vec runs, old, merged;

    uint64_t number, cpu_ns, wall_ns;

    /* Live watching. */
    int64_t tokens;        /* CPU nanoseconds that may be used; negative: in debt */
    uint64_t last_tick_ns, last_cpu_ns; /* when tokens were last given, and our CPU time then */
    uint64_t tick_cpu_ns;  /* what the last tick cost this thread */
    uint64_t maps_due_ns;  /* read maps at this time even if nothing seems to change */
    struct span look;
    uint64_t quick_at, deep_at; /* where the sweeps go on; 0: at their beginning */
    bool quick_on;              /* a quick sweep is under way */
    bool quick_done;            /* one has come to its end */
    bool active;                /* counters moved since the last tick */
    bool maps_moved, pages_moved; /* they moved since mappings were read, a quick sweep began */
    uint64_t deep_began_ns, deep_before_ns; /* this deep sweep, and the last whole one; 0: none */
    struct span pending[PENDING_MAX]; /* differ from the shadow: to be read in detail */
    unsigned pending_count;
    uint64_t cpu_window_ns, cpu_window_at_ns, cpu_permille; /* our own share, lately */
};

/* Sends a record of this type that the caller fills; NULL out of memory. */
struct record *sampler_record(struct sampler *s, enum record_type type);

/* Reads counters; -ESRCH when the target has ended, or is ending and has given up its memory. */
int sampler_read_counters(struct sampler *s);
/* Sends the target record (once, and after exec). */
int sampler_send_target(struct sampler *s, sampler_sink *sink, void *ctx);
/* Reads maps (or smaps); if they differ from the last ones, sends them and clears the pages of what
 * is no longer mapped. */
int sampler_read_regions(struct sampler *s, sampler_sink *sink, void *ctx);
/* Reads smaps for VmFlags. */
int sampler_read_flags(struct sampler *s);
/* The same, with VmFlags when that was asked for, or when it costs next to nothing. */
int sampler_read_mappings(struct sampler *s, sampler_sink *sink, void *ctx);
/* Replaces [start, end) in the shadow by runs and, if that changes it, sends them. The runs may be
 * taken over: *runs is then empty. */
int sampler_send_pages(struct sampler *s, uint64_t start, uint64_t end, struct run_vec *runs,
                       sampler_sink *sink, void *ctx);
/* The oldest page information was read at oldest_ns or later; 0: not all has been read. */
int sampler_send_sample(struct sampler *s, uint64_t start_ns, uint64_t cpu_ns, uint64_t oldest_ns,
                        sampler_sink *sink, void *ctx);
/* Before a sample: what somebody asked for. */
int sampler_send_asked(struct sampler *s, sampler_sink *sink, void *ctx);
/* Tells that the target has ended, or was lost with this error. */
int sampler_send_gone(struct sampler *s, int error, sampler_sink *sink, void *ctx);
/* Opens everything again if it is stale. */
int sampler_freshen(struct sampler *s);

#endif
