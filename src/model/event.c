/* Names of the mm system calls. */
#include "model/event.h"

static const char *const call_names[CALL_N] = {
    [CALL_MMAP] = "mmap",
    [CALL_MUNMAP] = "munmap",
    [CALL_BRK] = "brk",
    [CALL_MPROTECT] = "mprotect",
    [CALL_MREMAP] = "mremap",
    [CALL_MADVISE] = "madvise",
    [CALL_MLOCK] = "mlock",
    [CALL_MLOCK2] = "mlock2",
    [CALL_MLOCKALL] = "mlockall",
    [CALL_MUNLOCK] = "munlock",
    [CALL_MUNLOCKALL] = "munlockall",
    [CALL_REMAP_FILE_PAGES] = "remap_file_pages",
    [CALL_MSYNC] = "msync",
    [CALL_PROCESS_MADVISE] = "process_madvise",
    [CALL_SHMAT] = "shmat",
    [CALL_SHMDT] = "shmdt",
    [CALL_MSEAL] = "mseal",
    [CALL_PKEY_MPROTECT] = "pkey_mprotect",
    [CALL_FORK] = "fork",
    [CALL_VFORK] = "vfork",
    [CALL_CLONE] = "clone",
    [CALL_CLONE3] = "clone3",
    [CALL_EXECVE] = "execve",
    [CALL_EXECVEAT] = "execveat",
    [CALL_EXIT] = "exit",
    [CALL_EXIT_GROUP] = "exit_group",
    [CALL_USERFAULTFD] = "userfaultfd",
};

const char *mm_call_name(enum mm_call call)
{
    return (unsigned)call < CALL_N ? call_names[call] : "unknown";
}

unsigned mm_call_args(enum mm_call call)
{
    static const uint8_t args[CALL_N] = {
        [CALL_MMAP] = 6,     [CALL_MUNMAP] = 2,   [CALL_BRK] = 1,
        [CALL_MPROTECT] = 3, [CALL_MREMAP] = 5,   [CALL_MADVISE] = 3,
        [CALL_MLOCK] = 2,    [CALL_MLOCK2] = 3,   [CALL_MLOCKALL] = 1,
        [CALL_MUNLOCK] = 2,  [CALL_REMAP_FILE_PAGES] = 5, [CALL_MSYNC] = 3,
        [CALL_PROCESS_MADVISE] = 5, [CALL_SHMAT] = 3, [CALL_SHMDT] = 1,
        [CALL_MSEAL] = 3,    [CALL_PKEY_MPROTECT] = 4, [CALL_CLONE] = 5,
        [CALL_CLONE3] = 2,   [CALL_EXECVE] = 3,   [CALL_EXECVEAT] = 5,
        [CALL_EXIT] = 1,     [CALL_EXIT_GROUP] = 1,
        [CALL_USERFAULTFD] = 1,
    };
    return (unsigned)call < CALL_N ? args[call] : CALL_ARGS;
}
