/* Address spaces followed by events: one for each watched process, begun from a sample or from its
 * parent at fork, and kept up to date between samples by the mm calls and faults that come in. What
 * a sample says later overrules what was predicted here. */
#ifndef VMSCOPE_MODEL_SPACES_H
#define VMSCOPE_MODEL_SPACES_H

#include <stdbool.h>
#include <sys/types.h>

#include "model/event.h"
#include "model/evidence.h"
#include "model/path.h"
#include "model/record.h"

struct spaces;

struct spaces *spaces_create(const struct geometry *g, bool thp_always, bool thp_madvise);
void spaces_destroy(struct spaces *s); /* NULL is fine */

/* Samples of this process will come: its events are kept until one covers them. */
void spaces_target(struct spaces *s, pid_t pid);

/* What a sample of a process found. */
struct sampled {
    struct region_table *regions; /* references are taken */
    struct pagetree *tree;
    uint64_t start_ns, end_ns;    /* CLOCK_MONOTONIC; all of it was read between these */
    bool whole; /* take all of it, not only what differs from the sample before */
    bool gaps;  /* not all since then was followed: there may be other mappings */
};

/* Takes over a sample at its place in time among the events, those to come included. 0 or
 * -ENOMEM. */
int spaces_sampled(struct spaces *s, pid_t pid, const struct sampled *found);

/* Mappings of a program that has just begun, which were read until t_ns, later than the next events
 * to come: what was unmapped meanwhile lacks, so where no mapping is known, verdicts are unsure
 * until events reach that time. 0 or -ENOMEM. */
int spaces_begun(struct spaces *s, pid_t pid, struct region_table *regions, uint64_t t_ns);

/* From now on nothing changes the pages of the processes but what events tell of, and samples are
 * taken while they rest: what a sample found of sharing still holds at the next fault. */
void spaces_set_exact(struct spaces *s);

/* The limit of a process's stack in bytes (RLIMIT_STACK), for predicting where it ends. Forgotten
 * at exec. 0 or -ENOMEM. */
int spaces_stack_limit(struct spaces *s, pid_t pid, uint64_t bytes);

/* Whether every userfaultfd that write-protects mappings of the process asks a handler about each
 * write (none has UFFD_FEATURE_WP_ASYNC). Not known, at first. 0 or -ENOMEM. */
int spaces_uffd_waits(struct spaces *s, pid_t pid, bool waits);

/* The process has a userfaultfd, or may have one: which mappings are registered with it, no event
 * tells. Forgotten at exec. 0 or -ENOMEM. */
int spaces_uffd_made(struct spaces *s, pid_t pid);

/* Events tell of no mm calls: what is known of mappings and pages may be out of date at any time,
 * and all verdicts are unsure. */
void spaces_set_no_calls(struct spaces *s, bool none);

/* Whether the kernel balances pages between NUMA nodes (kernel.numa_balancing); no, at first. */
void spaces_set_numa(struct spaces *s, bool balancing);

/* What somebody found a file's size to be, and when: faults beyond it end in SIGBUS, for certain if
 * they are older than the size and it had not changed. A size that was not told is taken for large
 * enough. 0 or -ENOMEM. */
int spaces_file_size(struct spaces *s, const struct region *of, uint64_t bytes, uint64_t t_ns);

/* A reading of the mappings of a process that is later than the events to come: it tells which
 * files the calls among them mapped. A reference is taken; NULL forgets. */
void spaces_hint(struct spaces *s, pid_t pid, struct region_table *regions);

/* One fault with what was made of it. */
struct fault_entry {
    struct event event;
    struct path_verdict verdict;
    char region[64];    /* raw foreign bytes of the region's name (last path component), or "" */
    uint64_t region_start; /* 0: none */
    uint64_t program;      /* that ran: another one for each process, and after each exec; 0: not
                              known */
    struct page before;
    struct observation observed; /* what the kernel showed of it, where evidence is taken */
};

/* Folds one event. For a fault *out is filled and true returned; all other events only change the
 * spaces. Of faults that were only counted, *out has the mapping and the program, without a
 * verdict, and only as many pages are folded, and left in its event, as lie in that mapping.
 * Unknown processes get an empty space. Out of memory: the space is marked unknown (all verdicts
 * unsure) until the next sample. */
bool spaces_fold(struct spaces *s, const struct event *e, struct fault_entry *out);

/* What is known of a process now, or NULL; borrowed until the next call. */
const struct region_table *spaces_regions(const struct spaces *s, pid_t pid);
/* The program that a process runs now, as in fault_entry; 0 if it is not known. */
uint64_t spaces_program(const struct spaces *s, pid_t pid);
/* The last mappings of a program (as in fault_entry) that has ended or was replaced by exec, or NULL:
 * those of the last programs are kept. Borrowed until the next call. */
const struct region_table *spaces_past_regions(const struct spaces *s, uint64_t program);
const struct pagetree *spaces_tree(const struct spaces *s, pid_t pid);

#endif
