/* Part of events.bpf.c: who called the function that faults, by the frame pointers of its thread.
 *
 * The kernel's own walk (bpf_get_stack) takes whatever the register holds for a frame. A program
 * built without frame pointers keeps anything there, so that it tells callers that never were, and
 * each walk that ends at a bad pointer is a fault in kernel mode, which costs more than all before.
 * This one follows a pointer only upwards in the stack and not far. */
#ifndef VMSCOPE_PROBE_BPF_CALLERS_H
#define VMSCOPE_PROBE_BPF_CALLERS_H

enum { FRAME_REACH = 1 << 24 }; /* bytes from one frame to the next, at most */

struct frame {
    uint64_t next, ip;
};

struct walked {
    uint64_t ip[CALLERS_MAX];
    uint64_t task;   /* whose stack is being read; 0: nobody's */
    uint64_t for_task, address; /* of the fault in kernel mode that it was read for */
    uint32_t count;
};

/* One for each mode. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 2);
    __type(key, uint32_t);
    __type(value, struct walked);
} walks SEC(".maps");

static __always_inline struct walked *walk_of(enum fault_mode mode)
{
    uint32_t key = mode == MODE_KERNEL;
    return bpf_map_lookup_elem(&walks, &key);
}

static __always_inline bool read_frame(uint64_t at, bool narrow, struct frame *out)
{
    uint32_t half[2];
    if (!narrow)
        return !bpf_probe_read_user(out, sizeof *out, (void *)at);
    if (bpf_probe_read_user(half, sizeof half, (void *)at))
        return false;
    out->next = half[0];
    out->ip = half[1];
    return true;
}

/* A stack below 4G is that of a 32-bit task. */
static __always_inline uint32_t walk(uint64_t sp, uint64_t fp, struct walked *w)
{
    bool narrow = !(sp >> 32);
    uint64_t low = sp, size = narrow ? 8 : 16;
    uint32_t n = 0;
    for (; n < CALLERS_MAX; n++) {
        struct frame frame;
        if (fp - low > FRAME_REACH || fp & 3 || !read_frame(fp, narrow, &frame))
            break;
        if (frame.ip < 1 << WIRE_PAGE_SHIFT || frame.ip >> 47)
            break;
        w->ip[n] = frame.ip;
        low = fp + size;
        fp = frame.next;
    }
    return n;
}

static __always_inline void walk_as(uint64_t task, uint64_t sp, uint64_t fp, struct walked *w)
{
    *(volatile uint64_t *)&w->task = task;
    w->count = walk(sp, fp, w);
    *(volatile uint64_t *)&w->task = 0;
}

/* A page of the stack that is not there is a fault of its reader, and none of the process. */
static __always_inline bool is_walking(uint64_t task)
{
    const struct walked *user = walk_of(MODE_USER), *kernel = walk_of(MODE_KERNEL);
    return (user && *(volatile uint64_t *)&user->task == task) ||
           (kernel && *(volatile uint64_t *)&kernel->task == task);
}

/* Those of a fault in user mode; NULL: they are not wanted, or it is only counted. */
static __always_inline const struct walked *callers_in_user(uint64_t task,
                                                            const struct pt_regs *regs)
{
    struct walked *w = config.callers ? walk_of(MODE_USER) : 0;
    if (!w || *(volatile uint32_t *)&state.heat)
        return 0;
    walk_as(task, REGS_SP(regs), REGS_FP(regs), w);
    return w;
}

/* Those of the system call, or whatever it is, that makes the kernel fault. */
static __always_inline void walk_for_kernel(uint64_t task, uint64_t address)
{
    struct task_struct *current = (void *)bpf_get_current_task_btf();
    const struct pt_regs *user = (void *)bpf_task_pt_regs(current);
    struct walked *w = walk_of(MODE_KERNEL);
    if (!w)
        return;
    walk_as(task, REGS_SP(user), REGS_FP(user), w);
    w->for_task = task;
    w->address = address;
}

static __always_inline const struct walked *callers_in_kernel(uint64_t task, uint64_t address)
{
    const struct walked *w = config.callers ? walk_of(MODE_KERNEL) : 0;
    return w && w->for_task == task && w->address == address ? w : 0;
}

/* What stands above the error code in the flags of a fault. Chains are dropped before events. */
static __always_inline uint32_t callers_to_tell(struct wire_cpu *cpu, const struct walked *w)
{
    uint64_t waiting = *(volatile uint64_t *)&state.head - *(volatile uint64_t *)&state.tail;
    if (!w)
        return WIRE_CALLERS_NONE;
    if (waiting < config.sample_room)
        return w->count + 1;
    __sync_fetch_and_add(&cpu->lost[EVENT_CALLERS], 1);
    return WIRE_CALLERS_LOST;
}

static __always_inline void put_callers(uint64_t position, const struct walked *w, uint32_t count)
{
    for (uint32_t i = 0; i < CALLERS_MAX / 4 && i * 4 < count; i++) {
        struct wire_frames *f = (void *)slot_at(position + 1 + i);
        if (!f)
            return;
        f->lap = 0;
        for (uint32_t k = 0; k < 4; k++)
            f->ip[k] = w->ip[i * 4 + k];
    }
}

#endif
