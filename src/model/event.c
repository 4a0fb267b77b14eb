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
