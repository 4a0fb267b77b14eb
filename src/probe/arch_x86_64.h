/* What is particular to x86-64: the error code of a page fault, and the numbers of the mm system
 * calls of 64-bit and of 32-bit tasks. Another architecture needs a file like this one and
 * probe/bpf/kernel_*.h. */
#ifndef VMSCOPE_PROBE_ARCH_X86_64_H
#define VMSCOPE_PROBE_ARCH_X86_64_H

#include <stdint.h>

#include "model/event.h"
#include "probe/bpf/wire.h"

/* The kernel's function that every page fault goes through. */
#define ARCH_FAULT_ENTRY "exc_page_fault"

/* enum x86_pf_error_code of arch/x86/include/asm/trap_pf.h. */
enum { X86_PF_PROT = 1 << 0, X86_PF_WRITE = 1 << 1, X86_PF_INSTR = 1 << 4 };

static inline enum fault_access arch_fault_access(uint32_t error)
{
    return error & X86_PF_INSTR ? ACCESS_EXEC : error & X86_PF_WRITE ? ACCESS_WRITE : ACCESS_READ;
}

static inline enum known_bool arch_fault_protection(uint32_t error)
{
    return error & X86_PF_PROT ? KNOWN_YES : KNOWN_NO;
}

struct arch_call {
    uint16_t number;
    uint8_t call;  /* enum mm_call */
    uint8_t flags; /* WIRE_CALL_PAGES, WIRE_CALL_MEMORY */
};

/* arch/x86/entry/syscalls/syscall_64.tbl */
static const struct arch_call arch_calls[] = {
    {9, CALL_MMAP, 0},
    {10, CALL_MPROTECT, 0},
    {11, CALL_MUNMAP, 0},
    {12, CALL_BRK, 0},
    {25, CALL_MREMAP, 0},
    {26, CALL_MSYNC, 0},
    {28, CALL_MADVISE, 0},
    {30, CALL_SHMAT, 0},
    {56, CALL_CLONE, 0},
    {57, CALL_FORK, 0},
    {58, CALL_VFORK, 0},
    {59, CALL_EXECVE, 0},
    {60, CALL_EXIT, 0},
    {67, CALL_SHMDT, 0},
    {149, CALL_MLOCK, 0},
    {150, CALL_MUNLOCK, 0},
    {151, CALL_MLOCKALL, 0},
    {152, CALL_MUNLOCKALL, 0},
    {216, CALL_REMAP_FILE_PAGES, 0},
    {231, CALL_EXIT_GROUP, 0},
    {322, CALL_EXECVEAT, 0},
    {323, CALL_USERFAULTFD, 0},
    {325, CALL_MLOCK2, 0},
    {329, CALL_PKEY_MPROTECT, 0},
    {435, CALL_CLONE3, 0},
    {440, CALL_PROCESS_MADVISE, 0},
    {462, CALL_MSEAL, 0},
};

/* arch/x86/entry/syscalls/syscall_32.tbl */
static const struct arch_call arch_calls_compat[] = {
    {1, CALL_EXIT, 0},
    {2, CALL_FORK, 0},
    {11, CALL_EXECVE, 0},
    {45, CALL_BRK, 0},
    {90, CALL_MMAP, WIRE_CALL_MEMORY},
    {91, CALL_MUNMAP, 0},
    {120, CALL_CLONE, 0},
    {125, CALL_MPROTECT, 0},
    {144, CALL_MSYNC, 0},
    {150, CALL_MLOCK, 0},
    {151, CALL_MUNLOCK, 0},
    {152, CALL_MLOCKALL, 0},
    {153, CALL_MUNLOCKALL, 0},
    {163, CALL_MREMAP, 0},
    {190, CALL_VFORK, 0},
    {192, CALL_MMAP, WIRE_CALL_PAGES}, /* mmap2 */
    {219, CALL_MADVISE, 0},
    {252, CALL_EXIT_GROUP, 0},
    {257, CALL_REMAP_FILE_PAGES, 0},
    {358, CALL_EXECVEAT, 0},
    {374, CALL_USERFAULTFD, 0},
    {376, CALL_MLOCK2, 0},
    {380, CALL_PKEY_MPROTECT, 0},
    {397, CALL_SHMAT, 0},
    {398, CALL_SHMDT, 0},
    {435, CALL_CLONE3, 0},
    {440, CALL_PROCESS_MADVISE, 0},
    {462, CALL_MSEAL, 0},
};

/* mmap2 counts its offset in units of this, whatever the page size. */
enum { ARCH_MMAP2_SHIFT = 12 };

#endif
