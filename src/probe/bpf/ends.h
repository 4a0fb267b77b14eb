/* Part of events.bpf.c: what else is told of a fault. Whether a userfaultfd is asked about its
 * mapping, and the signal that it ends with. */
#ifndef VMSCOPE_PROBE_BPF_ENDS_H
#define VMSCOPE_PROBE_BPF_ENDS_H

/* --- userfaultfd --- */

/* Bits from 37 on mean different things from kernel to kernel; one of them is minor faults of
 * userfaultfd. */
static __always_inline uint8_t asks_of(const struct vm_area_struct *vma)
{
    enum { MISSING = 0x200, WP = 0x1000, SHARED_BITS = 37 };
    uint64_t flags = vma->vm_flags;
    return (flags & MISSING ? ASKS_MISSING : 0) | (flags & WP ? ASKS_WRITES : 0) |
           (flags >> SHARED_BITS ? ASKS_MORE : 0);
}

static long take_asks(struct task_struct *task, struct vm_area_struct *vma, uint8_t *asks)
{
    (void)task;
    *asks |= asks_of(vma);
    return 0;
}

/* Dear, and so only done where a userfaultfd may be asked. -ENOENT: no mapping is there. Where the
 * lock is not free nothing is told. */
static __always_inline uint8_t asks_at(uint64_t address)
{
    enum { NO_MAPPING = -2 };
    uint8_t asks = ASKS_TOLD;
    struct task_struct *current = (void *)bpf_get_current_task_btf();
    long rc = bpf_find_vma(current, address, take_asks, &asks, 0);
    return rc && rc != NO_MAPPING ? 0 : asks << WIRE_ASKS_SHIFT;
}

static __always_inline bool may_ask(void)
{
    return *(volatile uint32_t *)&state.uffd;
}

/* --- how a fault ends, if not well --- */

/* Between a fault and its signal the thread does nothing else that is reported. */
static __always_inline void report_signal(uint64_t task, uint64_t address, enum fault_signal signal)
{
    struct wire_cpu *cpu = this_cpu();
    uint64_t position;
    if (!take(cpu, EVENT_SIGNAL, 1, &position))
        return;
    struct wire *w = slot_at(position);
    if (!w)
        return;
    __sync_fetch_and_add(&state.signals, 1);
    fill(w, bpf_ktime_get_ns(), task, EVENT_SIGNAL);
    w->detail = (uint8_t)signal;
    w->a = address;
    w->b = 0;
    finish(w, position);
}

/* Positive codes are the kernel's own; ctx[1] points to something from 2 on. */
SEC("tp_btf/signal_generate")
int on_end(uint64_t *ctx)
{
    const struct kernel_siginfo *info = (void *)ctx[1];
    if ((ctx[0] != NR_SIGBUS && ctx[0] != NR_SIGSEGV) || ctx[1] <= 2)
        return 0;
    uint64_t task = bpf_get_current_pid_tgid();
    if (!is_watched(task) || ctx[2] != bpf_get_current_task() || info->si_code <= 0)
        return 0;
    uint64_t address = (uint64_t)info->_sifields._sigfault._addr;
    if (ctx[0] == NR_SIGBUS)
        report_signal(task, address, SIGNAL_BUS);
    else if (info->si_code == CODE_MAPERR)
        report_signal(task, address, SIGNAL_MAPERR);
    else if (info->si_code == CODE_ACCERR)
        report_signal(task, address, SIGNAL_ACCERR);
    return 0;
}

#endif
