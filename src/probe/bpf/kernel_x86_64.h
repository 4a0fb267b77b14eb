/* Registers and task flags of x86-64, for the BPF program. */
#ifndef VMSCOPE_PROBE_BPF_KERNEL_X86_64_H
#define VMSCOPE_PROBE_BPF_KERNEL_X86_64_H

#include <stdint.h>

/* arch/x86/include/asm/ptrace.h; where the members really are, libbpf finds out at load time. */
struct pt_regs {
    unsigned long bp, bx, r10, r9, r8, cx, dx, si, di, orig_ax, ip, sp;
} __attribute__((preserve_access_index));

struct thread_info {
    unsigned int status;
} __attribute__((preserve_access_index));

enum { TS_COMPAT = 2 }; /* in a system call by a 32-bit entry */

#define REGS_IP(regs) ((regs)->ip)
#define REGS_SP(regs) ((regs)->sp)
#define REGS_FP(regs) ((regs)->bp)
#define REGS_CALL(regs) ((regs)->orig_ax)

/* The arguments of a system call lie in the registers from its entry to its return. */
static __always_inline void regs_args(const struct pt_regs *regs, int compat, uint64_t *args)
{
    args[0] = compat ? (uint32_t)regs->bx : regs->di;
    args[1] = compat ? (uint32_t)regs->cx : regs->si;
    args[2] = compat ? (uint32_t)regs->dx : regs->dx;
    args[3] = compat ? (uint32_t)regs->si : regs->r10;
    args[4] = compat ? (uint32_t)regs->di : regs->r8;
    args[5] = compat ? (uint32_t)regs->bp : regs->r9;
}

/* Stores are seen in their order here. */
static __always_inline void publish(uint32_t *at, uint32_t value)
{
    __asm__ volatile("" ::: "memory");
    *(volatile uint32_t *)at = value;
}

#define TASK_COMPAT(task) (((task)->thread_info.status & TS_COMPAT) != 0)

#endif
