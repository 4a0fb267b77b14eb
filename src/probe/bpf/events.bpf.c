/* Runs in the kernel: turns page faults, mm system calls and the lives of processes into records in
 * one ring buffer, for watched processes only. Everything that another process does ends after one
 * look-up.
 *
 * Programs of type tp_btf: the members of kernel structures are read directly, and libbpf puts their
 * offsets right for the running kernel (CO-RE); the few structures used are written out below, so
 * that no vmlinux.h is needed. All state lies in maps that go away with the engine's descriptors. */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "probe/bpf/wire.h"

#if defined __TARGET_ARCH_x86
#include "probe/bpf/kernel_x86_64.h"
#endif

char license_name[] SEC("license") = "GPL";

struct signal_struct {
    struct {
        int counter;
    } live;
} __attribute__((preserve_access_index));

struct task_struct {
    struct thread_info thread_info;
    int pid, tgid;
    char comm[16];
    struct signal_struct *signal;
} __attribute__((preserve_access_index));

/* A system call that has not returned yet. */
struct pending {
    uint64_t args[CALL_ARGS];
    uint64_t entered_ns;
    uint32_t what; /* the byte of config.calls; 0: none pending */
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 23);
} ring SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1 << 14);
    __type(key, uint32_t);
    __type(value, uint32_t);
} watched SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct pending);
} pendings SEC(".maps");

const volatile struct wire_config config = {0};
struct wire_state state = {0};

static inline struct wire_counters *counters(void)
{
    return &state.cpu[bpf_get_smp_processor_id() % WIRE_CPUS].c;
}

static inline bool is_watched(uint64_t task)
{
    uint32_t pid = (uint32_t)(task >> 32);
    return bpf_map_lookup_elem(&watched, &pid);
}

static inline void fill(struct wire *w, uint64_t task, uint8_t type)
{
    w->t_ns = bpf_ktime_get_ns();
    w->pid = (int32_t)(task >> 32);
    w->tid = (int32_t)task;
    w->type = type;
    w->detail = 0;
    w->compat = 0;
    w->has_args = 0;
    w->error = 0;
}

#define RESERVE(kind, task, event)                                                                 \
    ({                                                                                             \
        struct kind *reserved = bpf_ringbuf_reserve(&ring, sizeof *reserved, 0);                   \
        if (reserved)                                                                              \
            fill(&reserved->w, (task), (event));                                                   \
        else                                                                                       \
            __sync_fetch_and_add(&counters()->lost[(event)], 1);                                   \
        reserved;                                                                                  \
    })

static inline void submit(void *record)
{
    uint64_t flags = BPF_RB_NO_WAKEUP;
    uint64_t waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
    if (waiting >= config.wake_bytes && !state.woken) {
        state.woken = 1;
        flags = BPF_RB_FORCE_WAKEUP;
    }
    if (waiting >= config.heat_bytes)
        state.heat = 1;
    bpf_ringbuf_submit(record, flags);
}

static inline bool count_at(uint64_t key, uint32_t index)
{
    struct wire_slot *slot = &state.slots[index % WIRE_SLOTS];
    if (slot->key != key && (slot->key || __sync_val_compare_and_swap(&slot->key, 0, key)))
        return false;
    __sync_fetch_and_add(&slot->count, 1);
    return true;
}

/* Neighbouring pages have neighbouring slots. */
static inline void count_fault(uint64_t address, uint64_t task)
{
    struct wire_counters *c = counters();
    uint64_t page = address >> 12, pid = task >> 32;
    uint64_t key = page << WIRE_PID_BITS | pid;
    uint32_t index = (uint32_t)(page + page / WIRE_SLOTS * 12347 + pid * 7919);
    __sync_fetch_and_add(&c->heat, 1);
    if (page >> (64 - WIRE_PID_BITS) == 0)
#pragma unroll
        for (uint32_t i = 0; i < WIRE_PROBES; i++)
            if (count_at(key, index + i))
                return;
    __sync_fetch_and_add(&c->unplaced, 1);
}

static inline void report_fault(uint64_t task, uint64_t address, uint64_t ip, uint64_t error,
                                enum fault_mode mode)
{
    if (state.heat) {
        count_fault(address, task);
        return;
    }
    struct wire_fault *f = RESERVE(wire_fault, task, EVENT_FAULT);
    if (!f) {
        state.heat = 1;
        return;
    }
    f->w.detail = mode;
    f->w.error = (uint32_t)error;
    f->address = address;
    f->ip = ip;
    submit(f);
}

SEC("tp_btf/page_fault_user")
int on_fault_user(uint64_t *ctx)
{
    uint64_t task = bpf_get_current_pid_tgid();
    if (is_watched(task)) {
        const struct pt_regs *regs = (void *)ctx[1];
        report_fault(task, ctx[0], REGS_IP(regs), ctx[2], MODE_USER);
    }
    return 0;
}

/* Faults of the kernel on its own addresses are no business of the process. */
SEC("tp_btf/page_fault_kernel")
int on_fault_kernel(uint64_t *ctx)
{
    uint64_t task = bpf_get_current_pid_tgid();
    if ((int64_t)ctx[0] < 0 || !is_watched(task))
        return 0;
    const struct pt_regs *regs = (void *)ctx[1];
    const struct pt_regs *user = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
    uint64_t ip = REGS_IP(user);
    report_fault(task, ctx[0], ip ? ip : REGS_IP(regs), ctx[2], MODE_KERNEL);
    return 0;
}

static inline uint8_t call_of(uint64_t number, int compat)
{
    return number < WIRE_CALLS ? config.calls[compat != 0][number] : 0;
}

static inline bool is_of_interest(uint64_t number)
{
    return number < WIRE_CALLS && (config.calls[0][number] | config.calls[1][number]);
}

/* The oldest mmap of 32-bit tasks has its arguments in memory. */
static inline bool fetch_args(uint64_t *args)
{
    uint32_t memory[CALL_ARGS];
    if (bpf_probe_read_user(memory, sizeof memory, (void *)args[0]))
        return false;
    for (int i = 0; i < CALL_ARGS; i++)
        args[i] = memory[i];
    return true;
}

static inline bool has_result(uint8_t what)
{
    uint8_t call = (what & WIRE_CALL_MASK) - 1;
    return call != CALL_EXIT && call != CALL_EXIT_GROUP;
}

static inline void copy_args(struct wire_call *c, const uint64_t *args)
{
    for (int i = 0; i < CALL_ARGS; i++)
        c->args[i] = args[i];
    c->w.has_args = 1;
}

/* These never return: told when they begin. */
static inline void report_exit_call(uint64_t task, const struct pt_regs *regs, uint8_t what,
                                    int compat)
{
    struct wire_call *c = RESERVE(wire_call, task, EVENT_CALL);
    if (!c)
        return;
    regs_args(regs, compat, c->args);
    c->w.has_args = 1;
    c->w.detail = what;
    c->w.compat = (uint8_t)compat;
    c->result = 0;
    c->entered_ns = c->w.t_ns;
    submit(c);
}

SEC("tp_btf/sys_enter")
int on_enter(uint64_t *ctx)
{
    const struct pt_regs *regs = (void *)ctx[0];
    if (!is_of_interest(ctx[1]))
        return 0;
    uint64_t id = bpf_get_current_pid_tgid();
    if (!is_watched(id))
        return 0;
    struct task_struct *task = (void *)bpf_get_current_task_btf();
    int compat = TASK_COMPAT(task);
    uint8_t what = call_of(ctx[1], compat);
    if (!what)
        return 0;
    if (!has_result(what)) {
        report_exit_call(id, regs, what, compat);
        return 0;
    }
    struct pending *p =
        bpf_task_storage_get(&pendings, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!p)
        return 0;
    regs_args(regs, compat, p->args);
    if (what & WIRE_CALL_MEMORY && !fetch_args(p->args))
        return 0;
    p->what = what;
    p->entered_ns = bpf_ktime_get_ns();
    return 0;
}

static inline bool makes_a_child(uint8_t what)
{
    uint8_t call = (what & WIRE_CALL_MASK) - 1;
    return call == CALL_FORK || call == CALL_VFORK || call == CALL_CLONE || call == CALL_CLONE3;
}

/* The new task returns from its parent's call too, with 0: that is told by EVENT_FORK. */
SEC("tp_btf/sys_exit")
int on_return(uint64_t *ctx)
{
    const struct pt_regs *regs = (void *)ctx[0];
    if (!is_of_interest(REGS_CALL(regs)))
        return 0;
    uint64_t id = bpf_get_current_pid_tgid();
    if (!is_watched(id))
        return 0;
    struct task_struct *task = (void *)bpf_get_current_task_btf();
    int compat = TASK_COMPAT(task);
    uint8_t what = call_of(REGS_CALL(regs), compat);
    if (!what || (makes_a_child(what) && !ctx[1]))
        return 0;
    struct pending *p = bpf_task_storage_get(&pendings, task, 0, 0);
    struct wire_call *c = RESERVE(wire_call, id, EVENT_CALL);
    if (!c) {
        if (p)
            p->what = 0;
        return 0;
    }
    c->entered_ns = 0;
    if (p && p->what) {
        what = (uint8_t)p->what;
        p->what = 0;
        c->entered_ns = p->entered_ns;
        copy_args(c, p->args);
    }
    c->w.detail = what;
    c->w.compat = (uint8_t)compat;
    c->result = (int64_t)ctx[1];
    submit(c);
    return 0;
}

SEC("tp_btf/sched_process_fork")
int on_fork(uint64_t *ctx)
{
    const struct task_struct *child = (void *)ctx[1];
    uint64_t id = bpf_get_current_pid_tgid();
    if (!is_watched(id))
        return 0;
    uint32_t pid = (uint32_t)child->tgid, one = 1;
    if (config.follow && pid != id >> 32 && bpf_map_update_elem(&watched, &pid, &one, BPF_ANY))
        __sync_fetch_and_add(&counters()->unwatched, 1);
    struct wire_fork *f = RESERVE(wire_fork, id, EVENT_FORK);
    if (!f)
        return 0;
    f->child_pid = child->tgid;
    f->child_tid = child->pid;
    submit(f);
    return 0;
}

SEC("tp_btf/sched_process_exec")
int on_exec(uint64_t *ctx)
{
    (void)ctx;
    uint64_t id = bpf_get_current_pid_tgid();
    if (!is_watched(id))
        return 0;
    struct wire_exec *e = RESERVE(wire_exec, id, EVENT_EXEC);
    if (!e)
        return 0;
    bpf_get_current_comm(e->comm, sizeof e->comm);
    submit(e);
    return 0;
}

static inline void report_exit(uint64_t task)
{
    struct wire_exec *e = RESERVE(wire_exec, task, EVENT_EXIT);
    if (e)
        submit(e);
}

/* A process has ended when its last thread has, which need not be the one with its number. Only one
 * thread succeeds in taking it off the set. */
SEC("tp_btf/sched_process_exit")
int on_exit(uint64_t *ctx)
{
    const struct task_struct *task = (void *)ctx[0];
    uint64_t id = bpf_get_current_pid_tgid();
    if (!is_watched(id))
        return 0;
    uint32_t pid = (uint32_t)(id >> 32), tid = (uint32_t)id;
    if (tid != pid)
        report_exit(id);
    if (task->signal->live.counter == 0 && !bpf_map_delete_elem(&watched, &pid))
        report_exit((uint64_t)pid << 32 | pid);
    return 0;
}
