/* What the perf engine must know of the processor's architecture; another one adds its lines. */
#ifndef VMSCOPE_PROBE_ENGINE_PERF_ARCH_H
#define VMSCOPE_PROBE_ENGINE_PERF_ARCH_H

#include <stdint.h>

/* The instruction pointer among perf's registers (asm/perf_regs.h), as a mask; 0: not known. */
#if defined __x86_64__ || defined __i386__
#define PERF_ARCH_IP_MASK (UINT64_C(1) << 8)
#elif defined __aarch64__
#define PERF_ARCH_IP_MASK (UINT64_C(1) << 32)
#else
#define PERF_ARCH_IP_MASK UINT64_C(0)
#endif

/* System calls, and how the arguments of some are passed; what the error code of a fault tells. */
#if defined __x86_64__
#include "probe/arch_x86_64.h"
#define PERF_ARCH_CALLS 1
#else
#include "probe/bpf/wire.h"
#define PERF_ARCH_CALLS 0
struct arch_call {
    uint16_t number;
    uint8_t call, flags;
};
static const struct arch_call arch_calls[1], arch_calls_compat[1];
enum { ARCH_MMAP2_SHIFT = 12 };
static inline enum fault_access arch_fault_access(uint32_t error)
{
    (void)error;
    return ACCESS_UNKNOWN;
}
static inline enum known_bool arch_fault_protection(uint32_t error)
{
    (void)error;
    return NOT_KNOWN;
}
#endif

#endif
