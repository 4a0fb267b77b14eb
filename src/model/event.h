/* Events: page faults, mm system calls, and the lives of processes, as an engine saw them. Plain
 * values; what an engine cannot tell is marked, never guessed. */
#ifndef VMSCOPE_MODEL_EVENT_H
#define VMSCOPE_MODEL_EVENT_H

#include <stdbool.h>
#include <stdint.h>

enum event_type {
    EVENT_FAULT, /* a page fault, reported before the kernel has dealt with it */
    EVENT_CALL,  /* an mm system call, reported when it returned */
    EVENT_FORK,  /* a new process or thread */
    EVENT_FORKING, /* a thread begins to make a new process; told by a later EVENT_FORK, or not */
    EVENT_EXEC,  /* a new program: the address space is another one */
    EVENT_EXIT,  /* a thread has ended; the process too if tid == pid */
    EVENT_SAMPLE, /* what the kernel did for the fault that this thread is in, with its call chain */
    EVENT_NAME,  /* a part of the name of the mapping that is told next */
    EVENT_MAPPING, /* a mapping: of a program that has just begun, or of the call told next */
    EVENT_HEAT,  /* faults that were counted only, at pages that had equally many */
    EVENT_CALLERS, /* a part of the chain of callers of the fault that is told next */
    EVENT_GAP,   /* samples of any thread may be missing from here on, or were up to here */
    EVENT_SIGNAL, /* not delivered: engines tell it with its fault */
    EVENT_TYPE_N
};

/* What a sample was taken of. */
enum sample_kind {
    SAMPLE_RSS_FILE, SAMPLE_RSS_ANON, SAMPLE_RSS_SWAP, SAMPLE_RSS_SHMEM, /* in the kernel's order */
    SAMPLE_PAGE,   /* a page was allocated */
    SAMPLE_SIGBUS, SAMPLE_MAPERR, SAMPLE_ACCERR, /* SIGBUS, SIGSEGV of two kinds were sent */
    SAMPLE_KIND_N
};

enum fault_access { ACCESS_UNKNOWN, ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };
enum fault_mode { MODE_UNKNOWN, MODE_USER, MODE_KERNEL };
/* For what the mapping was registered with a userfaultfd at that moment, where that was looked
 * at. */
enum fault_asks { ASKS_TOLD = 1, ASKS_MISSING = 2, ASKS_WRITES = 4, ASKS_MORE = 8 };
/* How a fault ended, as far as that was seen: no signal, or one of those that faults are given. */
enum fault_signal { SIGNAL_NOT_KNOWN, SIGNAL_NONE, SIGNAL_BUS, SIGNAL_MAPERR, SIGNAL_ACCERR };
/* What is known of who called the function that faulted. */
enum fault_callers {
    CALLERS_UNASKED,
    CALLERS_TOLD, /* by the EVENT_CALLERS before; there may be none */
    CALLERS_NONE, /* they cannot be: the kernel is in execve, or the thread has no program */
    CALLERS_LOST  /* no room for them */
};
enum known_bool { KNOWN_NO, KNOWN_YES, NOT_KNOWN };

/* The system calls that change or ask for mappings. */
enum mm_call {
    CALL_MMAP, CALL_MUNMAP, CALL_BRK, CALL_MPROTECT, CALL_MREMAP, CALL_MADVISE, CALL_MLOCK,
    CALL_MLOCK2, CALL_MLOCKALL, CALL_MUNLOCK, CALL_MUNLOCKALL, CALL_REMAP_FILE_PAGES, CALL_MSYNC,
    CALL_PROCESS_MADVISE, CALL_SHMAT, CALL_SHMDT, CALL_MSEAL, CALL_PKEY_MPROTECT, CALL_FORK,
    CALL_VFORK, CALL_CLONE, CALL_CLONE3, CALL_EXECVE, CALL_EXECVEAT, CALL_EXIT, CALL_EXIT_GROUP,
    CALL_USERFAULTFD,
    CALL_N
};
/* "mmap", ...; of a 32-bit task mmap2 is reported as mmap with its offset in bytes. */
const char *mm_call_name(enum mm_call call);
/* How many of the arguments are the call's own; the others are whatever was in the registers. */
unsigned mm_call_args(enum mm_call call);

enum { CALL_ARGS = 6, EVENT_NAME_MAX = 64 };
enum { CALLERS_MAX = 124, CALLERS_PART = 8 }; /* of a chain: a longer one is cut; of an event */

/* What is known of the descriptor of an mmap that failed, and true, as bits. */
enum call_file {
    CALL_FILE_OPEN = 1,          /* and not by O_PATH */
    CALL_FILE_READABLE = 2,      /* as it was opened */
    CALL_FILE_WRITABLE = 4,
    CALL_FILE_APPEND_ONLY = 8,   /* chattr +a */
    CALL_FILE_MAPPABLE = 16,     /* its kind of file has an mmap */
    CALL_FILE_HUGETLB = 32,      /* of hugetlbfs */
    CALL_FILE_NOEXEC = 64,       /* on a file system mounted so */
    CALL_FILE_SEALED = 128,      /* against writing: F_SEAL_WRITE or F_SEAL_FUTURE_WRITE */
    CALL_FILE_SWAP = 256,        /* used for swap */
    CALL_FILE_ALL = 511
};

enum mapping_told {
    MAPPED_BY_CALL, /* by the call that is told next */
    MAPPED_AT_EXEC, /* found at exec */
    MAPPED_ALL,     /* none: all that were found at exec have been told */
    MAPPED_SEEN     /* as it is now, by whatever call; calls themselves are not seen */
};

struct event {
    uint64_t t_ns; /* CLOCK_MONOTONIC; of a call: when it returned */
    int32_t pid;   /* thread group */
    int32_t tid;
    uint8_t type;  /* enum event_type */
    union {
        struct {
            uint64_t address;
            uint64_t ip;        /* of the instruction; of a fault in kernel mode: the user's own */
            uint8_t access;     /* enum fault_access */
            uint8_t protection; /* enum known_bool: a page was present, the access not allowed */
            uint8_t mode;       /* enum fault_mode */
            uint8_t in_exec;    /* enum known_bool: by execve, which may write to the new program */
            uint8_t signal;     /* enum fault_signal */
            uint8_t asks;       /* enum fault_asks */
            uint16_t cpu;       /* on which processor, from 1; 0: not known */
            uint8_t callers;    /* enum fault_callers */
            uint8_t callers_n;  /* how many were told */
        } fault;
        struct {
            uint64_t args[CALL_ARGS];
            int64_t result;     /* negative errno, or what the call returned */
            uint64_t entered_ns;
            uint16_t file_known, file_is; /* enum call_file */
            uint8_t call;       /* enum mm_call */
            uint8_t compat;     /* 1: by a 32-bit task */
            uint8_t has_args;   /* 0: its beginning was not seen */
        } call;
        struct {
            int32_t child_pid, child_tid; /* equal pids: a thread */
        } fork;
        struct {
            char comm[16];
            bool told; /* events will tell its mappings */
        } exec;
        struct {
            uint32_t stack; /* number of the call chain (RECORD_STACK), from 1 */
            uint8_t kind;   /* enum sample_kind */
            bool for_call;  /* done for a call (get_user_pages), not for a fault */
        } sample;
        struct {
            uint64_t ip[CALLERS_PART]; /* where they go on afterwards, innermost first */
            uint8_t count;
        } callers;
        struct {
            char text[EVENT_NAME_MAX]; /* ends with a NUL where it is shorter */
        } name;
        struct {
            uint64_t start, end, offset, inode, vmflags; /* as in struct region and region_smaps */
            uint64_t size; /* of the file, in bytes */
            uint32_t dev_major, dev_minor;
            uint8_t perms, kind; /* REGION_R | ..., enum region_kind */
            uint8_t told;        /* enum mapping_told */
            bool flags_told;     /* vmflags are the kernel's own, not worked out */
        } mapping;
        struct {
            uint64_t address, pages, count; /* of the first page; from there on; faults at each */
        } heat;
        struct {
            bool ends;
        } gap;
    };
};

#endif
