/* Records: what probes learn, as values that can be queued, folded, written to a file and read
 * back. The model is a fold over them and has no other input. */
#ifndef VMSCOPE_MODEL_RECORD_H
#define VMSCOPE_MODEL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/backing.h"
#include "model/can.h"
#include "model/event.h"
#include "model/physmem.h"
#include "model/pagetree.h"
#include "model/region.h"
#include "model/thp.h"

/* The shape of page tables here, read at start. */
struct geometry {
    unsigned page_shift;    /* 12 */
    unsigned levels;        /* 4, or 5 */
    unsigned pmd_shift;     /* 21: the size of a PMD-mapped huge page */
    const char *level_name[PAGETREE_LEVELS_MAX]; /* top first: "PGD", "PUD", "PMD", "PTE" */
};

struct target_info {
    pid_t pid;
    uid_t uid;
    uint64_t start_ticks; /* field 22 of /proc/PID/stat: tells a reused pid */
    char comm[64];        /* raw foreign bytes; escape before showing */
    struct geometry geometry;
    struct can scan;       /* PAGEMAP_SCAN: without it PMD mappings cannot be told */
    struct can pagemap;    /* entries at all */
    struct can pfn;        /* frame numbers */
    struct can kpageflags; /* frame flags */
    struct can kpagecount; /* map counts */
    bool ksm_in_use;       /* KSM holds merged pages on this machine, or that is not known */
    bool thp_always, thp_madvise; /* transparent_hugepage/enabled */
    bool numa_balancing;          /* kernel.numa_balancing */
    bool uffd;                    /* had a userfaultfd open when it was first looked at */
    char faults[32];       /* engine by which faults could be followed: "bpf", "perf", "poll"; "none" */
};

/* Kernel counters of the target; UINT64_MAX where not known. */
struct counters {
    uint64_t min_flt, maj_flt;                   /* /proc/PID/stat fields 10, 12 */
    uint64_t vm_size, rss, rss_anon, rss_file, rss_shmem, swap, pte; /* bytes; status */
    uint64_t data, stack; /* bytes; VmData, VmStk of status */
    uint64_t threads;
    uint64_t thp_enabled; /* 0: the process switched huge pages off for itself (prctl) */
    char run_state; /* 'R', 'S', 'T', 'Z', ...; 0 unknown */
};

struct sample_info {
    uint64_t number;    /* 1, 2, ... */
    uint64_t start_ns;  /* CLOCK_MONOTONIC when its first read began */
    uint64_t span_ns;   /* from its first read to its last: not one instant */
    uint64_t cpu_ns;    /* CPU time that it cost us */
    uint64_t sweep_ns;  /* the oldest page information shown is at most this old; UINT64_MAX while
                           some page was never read */
    uint64_t pages_read;     /* page-table entries looked at */
    uint64_t ranges_skipped; /* ranges that could not be read: they stay as they were */
    uint64_t cpu_permille;   /* share of one core that watching has used lately, all threads */
    bool complete;      /* every range of the address space has been read at least once */
};

/* A program that is stepped: stands still where somebody looks, goes, or has ended. */
enum engine_stepping { STEPPING_NOT, STEPPING_STANDS, STEPPING_GOES, STEPPING_ENDED };

/* How faults are followed, and how well. */
struct engine_state {
    char name[8];     /* "bpf", "perf", "poll"; "" while none is there yet */
    char blind[160];  /* what it cannot see; "" if nothing */
    char why[400];    /* why it is not a better one; "" if there is none; safe to show */
    uint64_t events, faults, lost, heat_faults; /* so far */
    bool heat;        /* it only counts, now */
    uint8_t stepping; /* enum engine_stepping */
    bool no_calls;    /* mm calls are not seen */
    bool pinned;      /* samples keep to one process, whichever the events are of */
    bool evidence;    /* kernel call chains are taken */
    char evidence_why[CAN_REASON_MAX]; /* why not, if they were asked for; safe to show */
    uint64_t samples, samples_lost;
    bool callers;     /* chains of callers are taken */
    char callers_why[CAN_REASON_MAX]; /* why not, if they were asked for; safe to show */
    uint64_t callers_lost;                 /* without room, of faults that were told */
};

enum { PAGE_DETAIL_TEXT_MAX = 256 };

/* Everything that can be asked about one page, asked now. Each number carries its own "known". */
struct page_detail {
    uint64_t address; /* of the page */
    uint64_t t_ns;
    uint64_t entry;   /* pagemap entry; struct page value decoded in `page` */
    uint64_t flags;   /* kpageflags */
    uint64_t count;   /* kpagecount */
    uint64_t swap_type, swap_offset;
    bool has_entry, has_flags, has_count;
    char entry_why[CAN_REASON_MAX], flags_why[CAN_REASON_MAX], count_why[CAN_REASON_MAX];
    struct page page;
    struct file_cache cache; /* of this page of the file, with has_cache */
    bool has_file, has_cache;
    char cache_why[CAN_REASON_MAX];
    char section[PAGE_DETAIL_TEXT_MAX]; /* ELF section under it, "" if none; escaped */
    char symbol[PAGE_DETAIL_TEXT_MAX];  /* first symbol in or over it with offset, ""; escaped */
    char object_why[CAN_REASON_MAX];    /* why section and symbol are empty, "" when known */
};

enum { PERF_COUNTS_MAX = 16 };

/* One counter since it was opened. */
struct perf_count {
    char name[48];            /* "context switches", "dTLB-load-misses"; escaped */
    bool known;
    bool is_time;             /* nanoseconds */
    bool scaled;              /* extrapolated: it had to share the processor's counters */
    uint64_t value;
    char why[CAN_REASON_MAX]; /* why it is not known */
};

struct perf_counts {
    unsigned count;
    bool partial; /* some threads are left out: at least so many */
    struct perf_count v[PERF_COUNTS_MAX];
};

/* What lies at an instruction of a program, in words. */
struct site_answer {
    uint64_t program; /* as in fault_entry */
    uint64_t ip;
    char symbol[PAGE_DETAIL_TEXT_MAX]; /* "main+0x1c"; escaped; "" if not known */
    char source[PAGE_DETAIL_TEXT_MAX]; /* "t.c:12"; escaped; "" if not known */
    char why[CAN_REASON_MAX];          /* why one of them is empty; "" when both are known */
    uint8_t ends_call; /* enum known_bool: a call ends with the byte at ip: what is behind it may be
                          where somebody called from */
};

enum record_type {
    RECORD_TARGET,  /* a target, new or changed by exec: what was known of pages is void */
    RECORD_REGIONS, /* all its mappings */
    RECORD_PAGES,   /* the pages of one range */
    RECORD_SAMPLE,  /* end of a sample: what came since the last one is now shown */
    RECORD_THP,     /* the machine's settings for huge pages */
    RECORD_CACHES,  /* what of the mapped files is in memory */
    RECORD_PHYSMEM, /* zones, meminfo and the kernel's own memory */
    RECORD_FRAMES,  /* what blocks of physical frames are used for */
    RECORD_FRAME,   /* the answer to a question about one frame */
    RECORD_DETAIL,  /* the answer to a question about one page */
    RECORD_EVENTS,  /* faults, calls and lives of processes, in kernel order */
    RECORD_STACK,   /* a call chain of the kernel, before the first event that names it */
    RECORD_ENGINE,  /* the state of the engine that follows them */
    RECORD_FAMILY,  /* a process and all its descendants, each with its mappings and pages */
    RECORD_COUNTS,  /* counters by perf events, so far */
    RECORD_SYMBOL,  /* the answer to a question about an instruction */
    RECORD_GONE     /* the target has ended or can no longer be watched */
};

struct record {
    enum record_type type;
    uint64_t t_ns; /* CLOCK_MONOTONIC */
    pid_t pid;
    union {
        struct target_info *target;    /* owned */
        struct region_table *regions;  /* one reference */
        struct {
            uint64_t start, n;         /* pages */
            struct page_run *runs;     /* owned; ascending; pages between them are absent */
            size_t count;
        } pages;
        struct {
            struct sample_info info;
            struct counters counters;
        } sample;
        struct thp_settings *thp;      /* owned */
        struct physmem_info *machine;  /* owned */
        struct {
            struct frame_read *v;      /* owned */
            size_t count;
        } frames;
        struct frame_detail frame;
        struct file_caches *caches;    /* owned */
        struct page_detail *detail;    /* owned */
        struct {
            struct event *v;           /* owned */
            size_t count;
        } events;
        struct {
            uint32_t number;           /* from 1 on, without gaps */
            char *text;                /* owned: functions, outermost first, separated by ";" */
        } stack;
        struct engine_state *engine;   /* owned */
        struct {                       /* model/family.h */
            struct family_picture *picture; /* owned */
            bool part; /* of the last one: these have been read again */
            struct family *made;       /* of it, one reference that goes with the record, or NULL:
                                          folding a large one takes long */
        } family;
        struct site_answer *site;      /* owned */
        struct perf_counts *counts;    /* owned */
        struct {
            int error;                 /* 0: it ended; otherwise negative errno */
            char text[CAN_REASON_MAX]; /* one sentence */
        } gone;
    };
};

/* A zeroed record on the heap, or NULL. */
struct record *record_create(enum record_type type, pid_t pid, uint64_t t_ns);
/* Frees the record and what it owns; NULL is fine. */
void record_destroy(struct record *r);

#endif
