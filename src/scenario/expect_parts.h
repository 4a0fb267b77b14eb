/* The parts of the expectations: expect.c (what is kept from before an action, and who judges
 * what), expect_pages.c, expect_regions.c, expect_faults.c, expect_numbers.c. */
#ifndef VMSCOPE_SCENARIO_EXPECT_PARTS_H
#define VMSCOPE_SCENARIO_EXPECT_PARTS_H

#include "scenario/run_parts.h"

/* Pictures of processes at one time. */
struct pictures {
    struct picture {
        pid_t pid;
        struct moment moment;
    } *v;
    size_t count, cap;
};

/* What the machine as a whole has; INT64_MAX: not known. */
struct machine_counts {
    int64_t free, rsvd, surp;                   /* huge pages of the default size */
    int64_t vmalloc, pagetables, kernelstack;   /* bytes */
};

struct expectations {
    struct pictures before, after;
    struct machine_counts machine_before;
};

/* What an expectation is judged with. */
struct judging {
    struct run *run;
    const struct statement *st;
    const struct expect *ex;
    struct outcome *out;
};

/* Fill in the sentences; the verdict comes with `found`. Foreign text must be escaped
 * before. Those that return something return 0. */
void expect_wants(struct judging *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int expect_verdict(struct judging *j, bool holds, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int expect_unknown(struct judging *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The process that ran what is judged: the one that was written, or the last that did anything. */
struct process *expect_actor(const struct judging *j);

/* The picture of a process now, taken if need be; borrowed until expect_after. 0 or a negative
 * errno with *e set. */
int expect_picture(struct run *r, const struct process *p, const struct moment **out,
                   struct err *e);
/* Its picture before the last action, or NULL. */
const struct moment *expect_picture_before(const struct run *r, const struct process *p);

/* A target, found in a picture. */
struct span {
    const struct process *process;
    const struct moment *now;
    uint64_t start, end; /* addresses of whole pages */
    uint64_t first;      /* address of the first byte that belongs to it */
    uint64_t page_size;  /* that the mapping counts in */
    char name[80];       /* "child:a[0:16]" */
};
/* 0: *out is filled. 1: it cannot be, and the verdict says why. Negative errno with *e set. */
int expect_span(struct judging *j, const struct target *t, struct span *out, struct err *e);

/* The judges; 0 or a negative errno with *e set. */
int expect_pages(struct judging *j, struct err *e);
int expect_frames(struct judging *j, struct err *e);
int expect_page_number(struct judging *j, struct err *e); /* mapcount, order */
int expect_regions(struct judging *j, struct err *e);
int expect_result(struct judging *j, struct err *e);
int expect_fault_count(struct judging *j, struct err *e);
int expect_path(struct judging *j, struct err *e);
int expect_observed(struct judging *j, struct err *e);
int expect_counter(struct judging *j, struct err *e);
int expect_machine(struct judging *j, struct err *e);
int expect_byte(struct judging *j, struct err *e);
int expect_file(struct judging *j, struct err *e);

/* Reads the counts that expect_machine compares. */
void expect_read_machine(struct machine_counts *out);

#endif
