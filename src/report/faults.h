/* Faults and mm calls as a stream of lines, with a summary at the end. */
#ifndef VMSCOPE_REPORT_FAULTS_H
#define VMSCOPE_REPORT_FAULTS_H

#include "base/buf.h"
#include "model/fault_log.h"
#include "model/record.h"

/* One of those who called the function that faulted. */
struct fault_caller {
    uint64_t ip;        /* where it goes on */
    const char *symbol; /* of the call, "main+0x1c"; escaped; "" where not known */
    const char *source;
};

/* What the caller found out about the instruction; escaped; "" where not known. */
struct fault_site {
    const char *symbol; /* "main+0x1c" */
    const char *source; /* "t.c:12" */
    const struct fault_caller *callers; /* innermost first; what the event says of them is known */
    unsigned callers_n;
    const char *stack;  /* the kernel's functions, outermost first, separated by ";"; or NULL */
    const char *why;    /* of a call that failed; "" where not known */
    bool sure;          /* that this is why */
};

/* Counters of the kernel for the time of watching; UINT64_MAX where not known. */
struct fault_counts {
    uint64_t minor, major;
    uint64_t cpu_ns;           /* user and system */
    uint64_t waits, preempted; /* context switches: because it waited, or had to */
    const struct perf_counts *perf; /* NULL: not asked for */
    uint64_t broken;                /* chains of callers that were cut, of those that were asked for */
};

/* Each appends to *out; failures of memory stay in out->error. */
void faults_table_head(bool evidence, struct buf *out);
void faults_table_line(const struct fault_entry *e, const struct fault_site *site, bool evidence,
                       struct buf *out);
void faults_csv_head(struct buf *out);
void faults_csv_line(const struct fault_entry *e, const struct fault_site *site, struct buf *out);
void faults_jsonl_line(const struct fault_entry *e, const struct fault_site *site,
                       struct buf *out);
/* A frame of a folded stack, without the separators. */
void faults_folded_frame(const char *text, struct buf *out);

/* The same for an EVENT_HEAT. */
void faults_table_counted(const struct fault_entry *e, struct buf *out);
void faults_csv_counted(const struct fault_entry *e, struct buf *out);
void faults_jsonl_counted(const struct fault_entry *e, struct buf *out);

/* The end; counts.perf may be NULL. */
void faults_table_summary(const struct fault_log *l, const struct engine_state *engine,
                          const struct fault_counts *counts, struct buf *out);
void faults_jsonl_summary(const struct fault_log *l, const struct engine_state *engine,
                          const struct fault_counts *counts, struct buf *out);

#endif
