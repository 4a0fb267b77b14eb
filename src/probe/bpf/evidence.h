/* Part of events.bpf.c: evidence, which is what the kernel does for a fault, with the call chain. */
#ifndef VMSCOPE_PROBE_BPF_EVIDENCE_H
#define VMSCOPE_PROBE_BPF_EVIDENCE_H

static __always_inline void put_frames(uint64_t position, const struct chain *c, uint32_t frames)
{
    for (uint32_t i = 0; i < WIRE_FRAME_SLOTS && i * 4 < frames; i++) {
        struct wire_frames *f = (void *)slot_at(position + 1 + i);
        if (!f)
            return;
        f->lap = 0;
        for (uint32_t k = 0; k < 4; k++)
            f->ip[k] = c->ip[i * 4 + k];
    }
}

static __always_inline bool lies_in(uint64_t ip, const volatile uint64_t range[2])
{
    return ip - range[0] < range[1] - range[0];
}

/* Frames up to the entry of the fault handler; 0: this is not done for a fault. If wanted, also up to
 * where pages are brought in for a call, with WIRE_FOR_CALL. */
static __always_inline uint32_t frames_of_fault(const struct chain *c, long bytes)
{
    for (uint32_t i = 0; i < WIRE_FRAMES && i * 8 < bytes; i++) {
        if (lies_in(c->ip[i], config.fault_entry))
            return i + 1;
        if (lies_in(c->ip[i], config.call_entry))
            return (i + 1) | WIRE_FOR_CALL;
    }
    return 0;
}

static __always_inline void report_sample(uint64_t task, uint32_t kind,
                                          const struct chain *c, uint32_t frames)
{
    struct wire_cpu *cpu = this_cpu();
    uint64_t position, waiting = *(volatile uint64_t *)&state.head - *(volatile uint64_t *)&state.tail;
    if (waiting >= config.sample_room || *(volatile uint32_t *)&state.heat) {
        __sync_fetch_and_add(&cpu->lost[EVENT_SAMPLE], 1);
        return;
    }
    if (!take(cpu, EVENT_SAMPLE, 1 + (frames + 3) / 4, &position))
        return;
    struct wire *w = slot_at(position);
    if (!w)
        return;
    if (kind & WIRE_FOR_CALL) /* there was no fault to tell the time */
        cpu->now_ns = bpf_ktime_get_ns();
    fill(w, cpu->now_ns, task, EVENT_SAMPLE);
    w->detail = (uint8_t)kind;
    w->flags = (uint16_t)frames;
    put_frames(position, c, frames);
    finish(w, position);
}

/* A chain that is longer than there is room for may be one of a fault: that sample is lost. */
static __always_inline int sample(void *ctx, uint32_t room, enum sample_kind kind)
{
    uint64_t task = bpf_get_current_pid_tgid();
    if (!is_watched(task))
        return 0;
    struct chain *c = bpf_map_lookup_elem(&chains, &room);
    if (!c)
        return 0;
    long bytes = bpf_get_stack(ctx, c, sizeof *c, 0);
    uint32_t frames = frames_of_fault(c, bytes);
    if (frames)
        report_sample(task, kind | (frames & WIRE_FOR_CALL), c, frames & ~WIRE_FOR_CALL);
    else if (bytes < 0 || bytes == sizeof *c)
        __sync_fetch_and_add(&this_cpu()->lost[EVENT_SAMPLE], 1);
    return 0;
}

SEC("tp_btf/rss_stat")
int on_rss(uint64_t *ctx)
{
    return ctx[1] <= SAMPLE_RSS_SHMEM ? sample(ctx, 0, (enum sample_kind)ctx[1]) : 0;
}

SEC("tp_btf/mm_page_alloc")
int on_page(uint64_t *ctx)
{
    return ctx[0] ? sample(ctx, 1, SAMPLE_PAGE) : 0;
}

/* ctx[1] need not point to anything; a fault's does. */
SEC("tp_btf/signal_generate")
int on_signal(uint64_t *ctx)
{
    const struct kernel_siginfo *info = (void *)ctx[1];
    if (ctx[0] == NR_SIGBUS)
        return sample(ctx, 2, SAMPLE_SIGBUS);
    if (ctx[0] != NR_SIGSEGV || ctx[1] <= 2)
        return 0;
    if (info->si_code == CODE_MAPERR)
        return sample(ctx, 2, SAMPLE_MAPERR);
    return info->si_code == CODE_ACCERR ? sample(ctx, 2, SAMPLE_ACCERR) : 0;
}

#endif
