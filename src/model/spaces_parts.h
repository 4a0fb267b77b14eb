/* The insides of spaces, shared by its files: spaces.c (lives of processes), spaces_sample.c
 * (samples among events), spaces_pages.c (changes to the pages of a range), spaces_fork.c,
 * spaces_past.c (programs that have ended), spaces_told.c and spaces_hint.c (what files were
 * mapped), spaces_call.c and spaces_advice.c (system calls), spaces_fault.c (faults).
 *
 * What events tell of a page is written into the page tree without evidence bits. Where mapcount is
 * not valid (no PAGE_A_COUNT) it holds a note of ours:
 *   PAGE_COW      number of the fork since which it is shared, 0 if it was shared before
 *   PAGE_UNKNOWN  NOTE_ABSENT: it was absent, but something else than a fault of its own may have
 *                 mapped a page of the file, or a huge page, since
 *                 NOTE_SWAP: it was anonymous memory, and is still there or in swap */
#ifndef VMSCOPE_MODEL_SPACES_PARTS_H
#define VMSCOPE_MODEL_SPACES_PARTS_H

#include "model/spaces.h"
#include "model/spaces_vmas.h"

enum { NOTE_ABSENT = 1, NOTE_SWAP = 2, SPACE_BUCKETS = 256, SPACES_ENDED = 16, SPACES_COPIED = 16,
       SPACES_PAST = 128 };
enum { SPACES_BATCHES = 64, BATCH_PAGES = 64 };

/* An event kept for a sample to come; with the number of the last fork, its own if it is one. */
struct kept {
    struct event event;
    uint32_t fork;
};

/* The latest events of a process, a ring. */
struct kept_events {
    struct kept *v;
    size_t first, count, cap;
    uint64_t dropped_ns; /* when the last one was that found no room; 0: none */
};

/* A sample that ended later than the events folded so far. */
struct sample_waiting {
    struct region_table *regions;
    struct pagetree *tree; /* NULL: there is none */
    uint64_t start_ns, end_ns;
    bool whole, gaps;
};

struct space {
    struct space *next;   /* in its bucket */
    pid_t pid;
    uint64_t program;     /* see fault_entry */
    bool complete;        /* all mappings are known */
    bool lost;            /* out of memory: nothing is known until the next sample */
    bool heard;           /* an event of its own has come */
    bool execed;          /* it has run another program since its birth */
    bool lock_future, lock_on_fault; /* mlockall */
    struct region_table *table; /* of the last sample; never NULL */
    struct vmas *vmas;    /* table with the changes since, or NULL: none */
    struct vmas *prior;   /* what events told of flags before that sample, or NULL */
    struct region_table *made; /* vmas as a table, or NULL */
    struct pagetree *tree; /* never NULL */
    bool uffd_waits;      /* spaces_uffd_waits */
    bool uffd;            /* it has, or had, a userfaultfd: spaces_uffd_made */
    bool has_stack_limit;
    uint64_t stack_limit; /* bytes */
    struct pagetree *seen; /* of the last sample taken over, or NULL */
    bool gaps;            /* that sample had gaps: there may be other mappings */
    struct sample_waiting waiting;
    struct kept_events kept;
    uint64_t complete_ns; /* all mappings are known when events reach this time; 0: not so */
    uint64_t began_ns;    /* when it was born, or ran another program; 0 not seen */
    uint64_t brk;         /* where the heap begins or ends, while it is empty; 0 not known */
    uint32_t last_fork;   /* number of its last fork, and the child */
    pid_t last_child;
    pid_t forking_tid;    /* the thread that is just forking; 0: none */
};

/* The pages of a process that has ended lately: its end is told before it gives them up. */
struct ended {
    struct pagetree *tree; /* or NULL */
    uint64_t t_ns;
};

/* The mappings of a program that has ended lately, or that exec has replaced. */
struct past {
    uint64_t program;
    struct region_table *table; /* NULL: those in vmas, or none were kept */
    struct vmas *vmas;          /* or NULL */
};

/* A page that fork had shared, and that is being copied. */
struct copied {
    uint64_t page, t_ns;
};

/* The pages that were made last on one processor, or on some: twice as many as the kernel gathers
 * before it puts them on the LRU lists (PAGEVEC_SIZE), since what is noted may not have been made. */
struct batch {
    struct made {
        uint64_t page; /* 0: none */
        uint16_t cpu;
    } made[BATCH_PAGES];
    unsigned next;
};

/* The size of a file, as far as somebody looked: the last time, and before. */
struct file_size {
    uint32_t major, minor;
    uint64_t inode, size, before, t_ns;
};

struct run_list {
    struct page_run *v;
    size_t count, cap;
};

struct spaces {
    struct geometry g;
    bool thp_always, thp_madvise, numa_balancing;
    bool exact;              /* samples are (spaces_set_exact) */
    bool no_calls;           /* spaces_set_no_calls */
    struct space *bucket[SPACE_BUCKETS];
    uint32_t forks;
    struct ended ended[SPACES_ENDED]; /* the last ones, in no order */
    unsigned next_ended;
    struct past *past;       /* SPACES_PAST of them, the last ones, in no order */
    unsigned next_past;
    struct copied copied[SPACES_COPIED]; /* the last ones, in no order */
    unsigned next_copied;
    struct batch batch[SPACES_BATCHES]; /* by processor */
    unsigned batches;        /* of them in use, from the first on */
    pid_t target;            /* its events are kept for samples */
    uint64_t now_ns;         /* of the last event */
    uint64_t programs;       /* so far */
    struct file_size *files; /* sorted */
    size_t file_count, file_cap;
    struct region_table *hint; /* see spaces_hint; or NULL */
    pid_t hint_pid;
    char **names;            /* kept for mappings that hints told of */
    size_t name_count, name_cap;
    char told_name[1024];    /* of the mapping that is told next */
    size_t told_name_len;
    struct vma told;         /* by the call that this thread is about to return from; 0: none */
    int32_t told_tid;
    bool told_flags;         /* its vmflags are the kernel's own */
    struct run_list runs;    /* scratch */
    struct region_smaps smaps; /* scratch: only vmflags is used */
};

/* --- spaces.c --- */

/* The space of a process, made if need be. NULL when out of memory. */
struct space *spaces_get(struct spaces *s, pid_t pid);
/* Gives up all that it knows: no mappings and no pages, and that may not be all. 0 or -ENOMEM. */
int space_reset(struct spaces *s, struct space *sp);
/* Fills in what is known of the flags of a region of a sample: its own, or what events said before
 * (prior, or NULL). */
void space_flags_of(const struct vmas *prior, const struct region *r, struct vma *v);
/* Makes sp->vmas a list of its own; the made table is given up. 0 or -ENOMEM. */
int space_edit(struct space *sp);

/* A call has returned. 0 or -ENOMEM. */
int space_returned(struct spaces *s, struct space *sp, const struct event *e);

/* Whether the address lay beyond the end of the file that r maps there; *doubt is set to what makes
 * that uncertain, if something does. */
bool spaces_beyond_file(const struct spaces *s, const struct region *r, const struct event *e,
                        const char **doubt);

/* --- spaces_sample.c --- */

/* Keeps an event that was folded, if samples of its process are to come. */
void space_keep(const struct spaces *s, struct space *sp, const struct event *e);
/* Events have reached this time: a sample that waited for it is taken over. 0 or -ENOMEM. */
int space_arrive(struct spaces *s, struct space *sp, uint64_t t_ns);
void space_forget_samples(struct space *sp);

/* --- spaces_hint.c --- */

/* Fills in what file a new mapping is of, if the hint knows. */
void space_take_hint(struct spaces *s, const struct space *sp, struct vma *vma);
void spaces_forget_names(struct spaces *s);

/* The program of *sp is over; its mappings are kept for spaces_past_regions. */
void spaces_keep_past(struct spaces *s, const struct space *sp);
void spaces_forget_past(struct spaces *s);
/* A copy of the name that lives as long as the spaces; "" when out of memory. */
const char *spaces_keep_name(struct spaces *s, const char *name);

/* --- spaces_told.c --- */

/* Folds EVENT_NAME and EVENT_MAPPING. 0 or -ENOMEM. */
int space_told(struct spaces *s, struct space *sp, const struct event *e);
/* Fills in what file a new mapping is of, if that was told for a call of this thread. */
bool space_take_told(struct spaces *s, int32_t tid, struct vma *vma);

/* --- spaces_pages.c; addresses, page-aligned; each returns 0 or -ENOMEM --- */

struct page page_of(uint8_t state, unsigned attrs);
uint64_t page_number(const struct spaces *s, uint64_t address);
uint64_t huge_size(const struct spaces *s);
/* What a page of the file is, that a mapping of this kind shows. */
struct page page_of_backing(const struct region *r, unsigned marks);
int pages_put(struct spaces *s, struct space *sp, uint64_t start, uint64_t end,
              const struct page *value);
int run_list_add(struct run_list *list, const struct page_run *run);
/* Fills s->runs with the runs of a range. */
int pages_runs(struct spaces *s, const struct space *sp, uint64_t start, uint64_t end);
/* Lets `change` alter the value of each run, and puts those for which it says true. */
typedef bool page_change_fn(void *ctx, struct page *p);
int pages_change(struct spaces *s, struct space *sp, uint64_t start, uint64_t end,
                 page_change_fn *change, void *ctx);
/* No page-table entry for huge pages may reach over this address any more. */
int pages_split_huge(struct spaces *s, struct space *sp, uint64_t address);
/* Unmaps the pages of a range. */
int pages_drop(struct spaces *s, struct space *sp, uint64_t start, uint64_t end);
/* Pages that are not present become unknown. */
int pages_forget_absent(struct spaces *s, struct space *sp, uint64_t start, uint64_t end,
                        unsigned note);
/* All pages become unknown. */
int pages_forget(struct spaces *s, struct space *sp, uint64_t start, uint64_t end);
/* The pages of a range of one mapping are made present; with `write` those of a private mapping
 * that may be written are written to, as populate and mlock do. */
int pages_populate(struct spaces *s, struct space *sp, const struct vma *vma, uint64_t start,
                   uint64_t end, bool write);

/* --- flags of mappings --- */

uint64_t vmflag(const char code[2]);
/* Whether huge pages are wanted in this mapping. */
enum known_bool huge_wanted(const struct spaces *s, uint64_t vmflags, uint64_t known);

/* --- the events; each that can fail returns 0 or -ENOMEM --- */

int space_fork(struct spaces *s, struct space *parent, pid_t child);
/* The same fork over a later sample of the parent: the child has its own already. */
int space_fork_again(struct spaces *s, struct space *parent, pid_t child, uint32_t number);
/* The last fork turned out to share the address space (vfork), or its child has left it. */
int space_unfork(struct spaces *s, struct space *sp, bool shared);
int space_call(struct spaces *s, struct space *sp, const struct event *e);
int space_advise(struct spaces *s, struct space *sp, uint64_t start, uint64_t end, uint64_t advice,
                 int64_t result);
/* Calls `each` for every mapping in the range, clipped by it; they may be changed, the list may
 * not. Stops at the first non-zero result. */
typedef int vma_fn(struct spaces *s, struct space *sp, struct vma *vma, uint64_t start,
                   uint64_t end, const void *ctx);
int space_each_vma(struct spaces *s, struct space *sp, uint64_t start, uint64_t end, vma_fn *each,
                   const void *ctx);
/* Sets and clears VmFlags of a range. */
int space_set_flags(struct spaces *s, struct space *sp, uint64_t start, uint64_t end, uint64_t set,
                    uint64_t clear);
/* Faults at some pages that were only counted: nothing is known of these now. */
int space_heat(struct spaces *s, struct space *sp, const struct event *e, struct fault_entry *out);

void space_fault(struct spaces *s, struct space *sp, const struct event *e,
                 struct fault_entry *out);

#endif
