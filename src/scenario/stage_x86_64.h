/* What a stage needs of the machine: system calls without the C library (no errno, nothing lazy),
 * another stack, a task on another stack, and the execution of one instruction. */
#ifndef VMSCOPE_SCENARIO_STAGE_X86_64_H
#define VMSCOPE_SCENARIO_STAGE_X86_64_H

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

/* Returns a negative errno on failure. */
static inline __attribute__((always_inline)) long
raw_call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    long result;
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* The same by the door of 32-bit programs; without it in the kernel: SIGSEGV. */
static inline __attribute__((always_inline)) long
raw_call_32(uint32_t number, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f)
{
    uint32_t result;
    __asm__ volatile("push %%rbp\n\t"
                     "mov %[f], %%ebp\n\t"
                     "int $0x80\n\t"
                     "pop %%rbp"
                     : "=a"(result)
                     : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "r"(f)
                     : "r8", "r9", "r10", "r11", "memory");
    return result > (uint32_t)-4096 ? (int32_t)result : (long)result;
}

/* Leaves the present stack for good: calls entry(argument) with `top`, a multiple of 16, as the end
 * of its stack. */
static inline __attribute__((always_inline)) _Noreturn void
raw_switch_stack(uint64_t top, void (*entry)(void *), void *argument)
{
    __asm__ volatile("mov %0, %%rsp\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "call *%1\n\t"
                     "hlt"
                     :
                     : "r"(top), "r"(entry), "D"(argument)
                     : "memory");
    __builtin_unreachable();
}

/* clone(2); the new task calls entry(argument) on a stack of its own, and never returns. `tid`: where
 * the flags want its number, and its end. */
static inline __attribute__((always_inline)) long raw_clone(uint64_t flags, uint64_t top,
                                                            void (*entry)(void *), void *argument,
                                                            uint32_t *tid)
{
    long result;
    register uint64_t r10 __asm__("r10") = (uint64_t)(uintptr_t)tid;
    register uint64_t r8 __asm__("r8") = 0;
    register void *child_argument __asm__("r12") = argument;
    register void (*child_entry)(void *) __asm__("r13") = entry;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r12, %%rdi\n\t"
                     "call *%%r13\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "0"((long)SYS_clone), "D"(flags), "S"(top), "d"(tid), "r"(r10),
                       "r"(r8), "r"(child_argument), "r"(child_entry)
                     : "rcx", "r11", "memory");
    return result;
}

/* Executes the instruction at `code` with the trap flag set: whatever it is, SIGTRAP follows it,
 * unless it raised another signal; where the kernel does its work (vsyscall, a function without
 * arguments), the one that it returns to is trapped. The handler must not return. `scratch` may be written: memory
 * of zeros reads as instructions that add to where rax points. */
static inline __attribute__((always_inline)) _Noreturn void raw_execute_one(uint64_t code,
                                                                            void *scratch)
{
    __asm__ volatile("sub $128, %%rsp\n\t"
                     "lea 1f(%%rip), %%rdx\n\t"
                     "push %%rdx\n\t" /* where a return instruction goes */
                     "mov %%rsp, %%rdx\n\t"
                     "mov %%ss, %%ecx\n\t"
                     "push %%rcx\n\t"
                     "push %%rdx\n\t"
                     "pushfq\n\t"
                     "orq $0x100, (%%rsp)\n\t"
                     "mov %%cs, %%ecx\n\t"
                     "push %%rcx\n\t"
                     "push %%rsi\n\t"
                     "iretq\n"
                     "1: nop\n\t"
                     "hlt"
                     :
                     : "S"(code), "a"(scratch), "D"(0)
                     : "rcx", "rdx", "memory", "cc");
    __builtin_unreachable();
}

#endif
