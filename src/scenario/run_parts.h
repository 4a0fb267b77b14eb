/* What the runner (run*.c) and the expectations (expect*.c) share. Not for others. */
#ifndef VMSCOPE_SCENARIO_RUN_PARTS_H
#define VMSCOPE_SCENARIO_RUN_PARTS_H

#include "scenario/run.h"
#include "scenario/setup.h"

/* A mapping of a script. Its name stays with its addresses when it is unmapped or split, and moves
 * with mremap. */
struct named_mapping {
    char name[NAME_MAX_BYTES + 1];
    uint64_t start, bytes; /* whole pages */
    uint64_t first, end;   /* bytes that belong to it: less than that for what malloc gave */
    uint64_t page_size;
};

/* A file of a script. Byte 0 of its page i is i modulo 256 and byte 16 a return instruction, but
 * for hugetlbfs, whose files begin as zeros. */
struct named_file {
    char name[NAME_MAX_BYTES + 1];
    uint8_t kind; /* enum file_kind */
    int fd;       /* ours, for reading and writing */
    uint64_t size, page_size;
    char *path; /* owned; what maps shows; NULL: a memfd */
};

struct named_fd {
    char name[NAME_MAX_BYTES + 1];
    int number;  /* in the stage */
    size_t file; /* index into run.files, or SIZE_MAX */
};

/* What the last statement of a process did. */
struct last_action {
    bool valid;
    size_t at; /* index of the statement */
    struct stage_result result;
    int64_t moved;              /* bytes that the mapping of a remap is further up than before */
    struct fault_entry *faults; /* owned; those of this process while the operation ran, in order */
    size_t fault_count, fault_cap;
};

struct process {
    char name[NAME_MAX_BYTES + 1];
    struct stage *stage; /* NULL once it was waited for */
    pid_t pid;
    bool ended;
    int status; /* as wait(2) gives it; valid when ended; -1: not known */
    struct named_mapping *mappings;
    size_t mapping_count, mapping_cap;
    struct named_fd *fds;
    size_t fd_count, fd_cap;
    uint64_t cursor; /* where the next mapping is placed */
    uint64_t low;    /* large ones are placed below this */
    struct last_action last;
};

struct expectations; /* expect.c: pictures and counters from before and after the last action */

struct run_loop {
    size_t begin;
    uint64_t left;
};

struct run {
    const struct script *script;
    struct run_options options;
    const struct observer *observer;
    struct setup *setup;
    struct process **processes; /* pointers: a process never moves */
    size_t process_count, process_cap;
    struct named_file *files;
    size_t file_count, file_cap;
    char *directory[3]; /* of temporary files: plain, tmpfs, hugetlbfs; NULL until needed */
    struct run_loop *loops;
    size_t loop_count, loop_cap;
    size_t next;
    uint64_t begun_ns;
    struct process *actor;             /* that ran the last action; NULL before the first */
    struct expectations *expectations; /* NULL until expect.c makes it */
};

/* NULL: there is none of that name. "" is main. */
struct process *run_find_process(const struct run *r, const char *name);
struct named_file *run_find_file(const struct run *r, const char *name);

/* The addresses that a target means in a process: [*first, *end), whole pages of *page_size but for
 * what malloc gave. False if there is no such name. */
bool run_find_range(const struct process *p, const struct target *t, uint64_t *first, uint64_t *end,
                    uint64_t *page_size);

/* "ok", "errno EACCES (Permission denied)", "signal SIGSEGV (SEGV_MAPERR) at 0x7f..", "ended by
 * SIGKILL": what came of an action, escaped. */
void run_describe_result(const struct stage_result *result, char *out, size_t cap);

/* ---- expect*.c ---- */

/* Called before the action at `at` runs: keeps what the expectations behind it will compare with
 * (pictures, counters, free huge pages), and no more than they need. 0 or a negative errno with *e
 * set. Nothing that it does may touch a stage's address space. */
int expect_before(struct run *r, size_t at, struct err *e);
/* Called after it ran: pictures that were taken for earlier expectations are stale. */
void expect_after(struct run *r);
/* Judges the expectation `st` (ST_EXPECT; ST_UNTIL calls it again and again, each time after
 * expect_after). Fills is_expect, verdict, expected and found of *out. */
int expect_judge(struct run *r, const struct statement *st, struct outcome *out, struct err *e);
void expect_deinit(struct run *r); /* frees run.expectations */

#endif
