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

/* 32-bit tasks may run beside 64-bit ones, with other system call numbers. */
#if defined __x86_64__
#define PERF_ARCH_COMPAT 1
#else
#define PERF_ARCH_COMPAT 0
#endif

#endif
