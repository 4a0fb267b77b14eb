/* A scenario as a list of statements: what the parser makes of the text (man/vmscope-scenario.5,
 * which defines the language). Plain values; all strings belong to the script. */
#ifndef VMSCOPE_SCENARIO_SCRIPT_H
#define VMSCOPE_SCENARIO_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where in the text something stands; both count from 1, columns in bytes. */
struct place {
    unsigned line, column;
};

/* What went wrong in a script: one sentence, and where. */
struct script_error {
    struct place at;
    unsigned length;   /* bytes to underline; at least 1 */
    char text[200];    /* "expected a size, found \"rw\"": escaped, safe to print */
};

enum { NAME_MAX_BYTES = 31 };

/* "a", "a[3]", "a[0:16]", "child:a[3]". Pages are those of the mapping's own page size. What
 * `malloc P` gave is a target named P: all pages that hold a byte of it. */
struct target {
    char process[NAME_MAX_BYTES + 1]; /* "": the statement's own */
    char name[NAME_MAX_BYTES + 1];    /* "": none was written */
    bool ranged;                      /* a [..] was written; else all pages */
    uint64_t first, end;              /* pages, end exclusive; valid when ranged */
    struct place at;
};

enum compare { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };
bool compare_holds(enum compare op, int64_t found, int64_t wanted);
const char *compare_name(enum compare op); /* "==", ... */

enum statement_kind {
    ST_TITLE, ST_ABOUT, ST_NOTE, ST_PAUSE, ST_NEEDS,
    ST_FILE, ST_OPEN, ST_CLOSE, ST_PIPE, ST_DIRECTORY,
    ST_MAP, ST_UNMAP, ST_PROTECT, ST_ADVISE, ST_LOCK, ST_UNLOCK, ST_REMAP, ST_SYNC, ST_REMAP_FILE,
    ST_BRK, ST_MALLOC, ST_FREE, ST_GROW_STACK, ST_LOCKALL,
    ST_READ, ST_WRITE, ST_EXEC, ST_SYSREAD, ST_VMREAD, ST_VMWRITE, ST_MEMREAD, ST_MEMWRITE,
    ST_EVICT, ST_CLEAR_REFS, ST_UFFD,
    ST_FORK, ST_WAIT, ST_EXIT, ST_KILL,
    ST_REGION, ST_SPECIAL, ST_RESOURCE, ST_BECOME, ST_SEAL, ST_CUT, ST_KERNEL_ARRAY, ST_SEAL_MAP,
    ST_TRUNCATE, ST_SYSWRITE, ST_RACE, ST_SWAPOFF,
    ST_REPEAT, ST_END,
    ST_EXPECT, ST_UNTIL,
    ST_N
};
const char *statement_name(enum statement_kind kind); /* the keyword, "remap-file" */

enum need_kind { NEED_ROOT, NEED_SWAP, NEED_HUGETLB, NEED_THP, NEED_KSM, NEED_KERNEL, NEED_PFN, NEED_COMPAT };
struct need {
    enum need_kind kind;
    uint64_t pages;          /* NEED_HUGETLB: huge pages of the default size */
    unsigned major, minor;   /* NEED_KERNEL: after the first action it skips what follows */
};

enum file_kind { FILE_PLAIN, FILE_TMPFS, FILE_HUGETLBFS, FILE_MEMFD, FILE_APPEND_ONLY, FILE_SECRET };

/* Byte of a page of our files where an instruction stands, and `exec` begins unless it is told. */
enum { CODE_OFFSET = 16 };

enum uffd_mode { UFFD_WP = 1, UFFD_MISSING, UFFD_KILL };
enum seal_kind { SEAL_WRITE = 1, SEAL_APPEND };

enum special_fd { SPECIAL_EVENTFD, SPECIAL_EPOLL, SPECIAL_SOCKET };

enum map_sharing { SHARING_PRIVATE, SHARING_SHARED, SHARING_VALIDATE, SHARING_TYPE };
struct map_args {
    uint64_t size;
    uint8_t prot;            /* PROT_READ | ... of <sys/mman.h> */
    uint8_t sharing;         /* enum map_sharing; SHARING_TYPE: bits below */
    unsigned type;           /* type=N */
    bool anon, populate, nonblock, locked, noreserve, growsdown, stack, sync, droppable;
    bool hugetlb;
    uint64_t huge_size;      /* bytes; 0: the default size */
    char fd[NAME_MAX_BYTES + 1]; /* "": none */
    bool fd_number;          /* `fd 12345`: a bare number, in number */
    int number;
    int64_t offset;
    bool fixed, fixed_noreplace;
    uint64_t address;        /* with fixed and fixed_noreplace; of `region NAME at` */
    unsigned extra;          /* flags=N: more bits for the flags of mmap */
    uint8_t compat;          /* 32-bit: 1: mmap2, 2: the old mmap; 0: no */
};

/* What `expect` looks at. */
enum expect_kind {
    EX_OK, EX_ERRNO, EX_SIGNAL,
    EX_FAULTS, EX_MINOR, EX_MAJOR,
    EX_PATH, EX_OBSERVED,
    EX_PAGES,        /* A STATE OP N [, ...] */
    EX_REGIONS, EX_VMFLAG, EX_NO_VMFLAG, EX_PERMS, EX_NAME, EX_MAPCOUNT, EX_ORDER,
    EX_SAME_FRAME, EX_DIFFERENT_FRAME, EX_NEW_FRAME, EX_KEPT_FRAME,
    EX_COUNTER,      /* rss ... stack DELTA */
    EX_BYTE, EX_FILE_BYTE,
    EX_HUGEPAGES,
    EX_SIZE, EX_SMAPS, EX_FILE_SIZE, EX_MACHINE,
    EX_MOVED,        /* bytes SIZE: that sysread, vmread ... have moved */
    EX_OFFSET,       /* A offset SIZE */
    EX_N
};

/* The words of `expect A STATE OP N`. */
enum expect_state {
    PAGES_PRESENT, PAGES_ABSENT, PAGES_ANON, PAGES_FILE, PAGES_SHMEM, PAGES_ZERO, PAGES_HUGE_ZERO,
    PAGES_SWAPPED, PAGES_EXCLUSIVE, PAGES_SHARED, PAGES_COW, PAGES_KSM, PAGES_HUGETLB,
    PAGES_PMD_MAPPED, PAGES_LOCKED, PAGES_DIRTY, PAGES_GUARD, PAGES_STATE_N
};
const char *expect_state_name(enum expect_state state);

/* The words of `expect rss DELTA`. */
enum expect_counter {
    COUNTER_RSS, COUNTER_ANON_RSS, COUNTER_FILE_RSS, COUNTER_SHMEM_RSS, COUNTER_SWAP, COUNTER_VMPTE,
    COUNTER_DATA, COUNTER_STACK, COUNTER_MIN_FLT, COUNTER_MAJ_FLT, COUNTER_N
};
const char *expect_counter_name(enum expect_counter counter);

enum expect_hugepages { HUGEPAGES_FREE, HUGEPAGES_RSVD, HUGEPAGES_SURP };

/* The words of `expect vmalloc DELTA`: fields of /proc/meminfo. */
enum expect_machine { MACHINE_VMALLOC, MACHINE_PAGETABLES, MACHINE_KERNELSTACK, MACHINE_N };

enum { EXPECT_STATES_MAX = PAGES_STATE_N };
struct state_count {
    uint8_t state; /* enum expect_state */
    uint8_t op;    /* enum compare */
    int64_t n;
};

struct expect {
    enum expect_kind kind;
    struct target a, b;      /* b: the second of same-frame and different-frame */
    enum compare op;
    int64_t n;               /* a count, a byte, bytes, of a DELTA signed; EX_PATH, EX_OBSERVED: of
                                `x N`; -1 without: each fault, and at least one */
    int number;              /* errno of EX_ERRNO, or signal of EX_SIGNAL */
    int code;                /* si_code of EX_SIGNAL; 0: any */
    char code_name[16];      /* "BUS_ADRERR", or "" */
    uint8_t which;           /* enum expect_counter, expect_hugepages, expect_machine */
    uint8_t path;            /* EX_PATH, EX_OBSERVED: enum path (model/path.h); EX_OBSERVED takes
                                any kernel function: then PATH_UNKNOWN, and its name in text */
    uint8_t how;             /* enum path_how */
    char vmflag[3];
    char perms[5];
    const char *text;        /* EX_NAME, EX_OBSERVED; EX_SMAPS: the field, "Referenced" */
    struct state_count states[EXPECT_STATES_MAX];
    unsigned state_count;
};

/* One statement. Which fields count depends on the kind. */
struct statement {
    enum statement_kind kind;
    struct place at;
    char process[NAME_MAX_BYTES + 1]; /* that runs it; "main" without a prefix */
    bool prefixed;           /* the process was written */
    const char *text;        /* title, about, note; else NULL, but: open: a path of this machine;
                                region: the name in maps */
    struct target target;    /* A[..] or PROC:A[..] */
    char name[NAME_MAX_BYTES + 1];  /* F, FD, P, PROC, or A of map, remap */
    char other[NAME_MAX_BYTES + 1]; /* `open FD F`: F, "" if text is a path; `region NAME
                                below A`: A, or ""; `syswrite A FD`: FD */
    uint64_t size;           /* of file, remap, grow-stack, malloc, resource, cut, region,
                                kernel-array, truncate; exec: byte of the page; repeat: how
                                often; until: seconds, 0: not told */
    int64_t delta;           /* brk +SIZE|-SIZE; remap-file: FILEPAGE */
    uint8_t prot;            /* protect, remap-file: PROT_READ | ... */
    int number;              /* advise: MADV_...; kill: signal; clear-refs: value;
                                write, race: byte, -1 none; resource: RLIMIT_...; special: enum
                                special_fd */
    unsigned flags;          /* open: O_...; lockall: MCL_...; lock onfault: 1; remap maymove: 1;
                                pipe w: 1; uffd: enum uffd_mode; seal: enum seal_kind */
    uint8_t file_kind;       /* enum file_kind */
    struct map_args map;
    struct need need;
    struct expect expect;
    size_t match;            /* of repeat: its end, of end: its repeat (index of a statement) */
};

struct script {
    struct statement *v;
    size_t count;
    const char *title, *about; /* "" when there is none */
    char *text;                /* a copy of the source, NUL-terminated */
    size_t length;
    char **strings;            /* owned, behind the const char * above */
    size_t string_count;
};

/* Parses a script. 0, or -EINVAL with *e set (also for names used before they exist and pages
 * outside their mapping, as far as the text alone tells), or -ENOMEM. */
int script_parse(const char *text, size_t length, struct script **out, struct script_error *e);
void script_destroy(struct script *s); /* NULL is fine */

struct buf;
/* Appends the statement in its canonical form, without a line end: what the formatter writes and
 * what the player and TAP lines show. */
void statement_format(const struct statement *st, struct buf *out);
/* The whole text, formatted; comments and blank lines are kept. */
void script_format(const struct script *s, struct buf *out);
/* Appends "FILE:LINE:COLUMN: text", the line of the source, and a caret below the place. */
void script_error_show(const struct script_error *e, const char *file, const char *text,
                       size_t length, struct buf *out);

#endif
