/* Runs in the kernel: turns page faults, mm system calls and the lives of processes into records of
 * one ring (wire.h), for watched processes only. What another process does ends after one look at a
 * bit. Helper functions are called sparingly: the cost of a fault is mostly theirs.
 *
 * Programs of type tp_btf: the members of kernel structures are read directly, and libbpf puts
 * their offsets right for the running kernel (CO-RE); the few structures used are written out, so
 * that no vmlinux.h is needed. All state is in maps, which go away with the descriptors. */
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
    struct signal_struct *signal;
    struct files_struct *files;
} __attribute__((preserve_access_index));

union __sifields {
    struct {
        void *_addr;
    } _sigfault;
} __attribute__((preserve_access_index));

struct kernel_siginfo {
    int si_code;
    union __sifields _sifields;
} __attribute__((preserve_access_index));

enum { NR_SIGBUS = 7, NR_SIGSEGV = 11, CODE_MAPERR = 1, CODE_ACCERR = 2 };

/* A system call that has not returned yet. */
struct pending {
    uint64_t args[CALL_ARGS];
    uint64_t entered_ns;
    uint8_t what; /* of config.calls; 0: none pending */
    bool has_args;
    uint16_t file; /* of its descriptor, as flags of its record */
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, uint32_t);
    __type(value, struct wire);
} ring SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} bell SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct pending);
} pendings SEC(".maps");

/* Room for a call chain; one for each program that takes them, as one can interrupt another. */
struct chain {
    uint64_t ip[WIRE_FRAMES];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 3);
    __type(key, uint32_t);
    __type(value, struct chain);
} chains SEC(".maps");

const volatile struct wire_config config = {0};
struct wire_state state;

/* --- who is watched --- */

static __always_inline uint64_t *watched_word(uint32_t pid)
{
    return &state.watched[pid / 64 % (sizeof state.watched / sizeof *state.watched)];
}

static __always_inline bool is_watched(uint64_t task)
{
    uint32_t pid = (uint32_t)(task >> 32);
    return *watched_word(pid) >> pid % 64 & 1;
}

static __always_inline void watch(uint32_t pid)
{
    __sync_fetch_and_or(watched_word(pid), 1ull << pid % 64);
}

/* False if another thread did it before. */
static __always_inline bool unwatch(uint32_t pid)
{
    uint64_t bit = 1ull << pid % 64;
    return __sync_fetch_and_and(watched_word(pid), ~bit) & bit;
}

/* --- the ring --- */

static __always_inline struct wire_cpu *this_cpu(void)
{
    return &state.cpu[bpf_get_smp_processor_id() % WIRE_CPUS];
}

static __always_inline struct wire *slot_at(uint64_t position)
{
    uint32_t index = (uint32_t)position & ((1u << config.slots_shift) - 1);
    return bpf_map_lookup_elem(&ring, &index);
}

/* Takes n slots. False if there is no room: then the event is lost, and counted as such. */
static __always_inline bool take(struct wire_cpu *cpu, enum event_type type, uint32_t n,
                                 uint64_t *position)
{
    uint64_t waiting = *(volatile uint64_t *)&state.head - *(volatile uint64_t *)&state.tail;
    if (waiting >= config.heat)
        state.heat = 1;
    if (waiting >= config.room) {
        __sync_fetch_and_add(&cpu->lost[type], 1);
        return false;
    }
    if (waiting >= config.wake && !state.woken) {
        uint64_t rung = 1;
        state.woken = 1;
        bpf_ringbuf_output(&bell, &rung, sizeof rung, BPF_RB_FORCE_WAKEUP);
    }
    *position = __sync_fetch_and_add(&state.head, n);
    return true;
}

static __always_inline void fill(struct wire *w, uint64_t t_ns, uint64_t task, enum event_type type)
{
    w->t_ns = t_ns;
    w->pid = (int32_t)(task >> 32);
    w->tid = (int32_t)task;
    w->type = (uint8_t)type;
    w->detail = 0;
    w->flags = 0;
}

static __always_inline void finish(struct wire *w, uint64_t position)
{
    publish(&w->lap, (uint32_t)(position >> config.slots_shift) + 1);
}

/* An event of one slot; false if it was lost. */
static __always_inline bool report(uint64_t task, enum event_type type, uint64_t a, uint64_t b)
{
    struct wire_cpu *cpu = this_cpu();
    uint64_t position;
    if (!take(cpu, type, 1, &position))
        return false;
    struct wire *w = slot_at(position);
    if (!w)
        return false;
    fill(w, cpu->now_ns = bpf_ktime_get_ns(), task, type);
    w->a = a;
    w->b = b;
    finish(w, position);
    return true;
}

#include "probe/bpf/mapping.h"
#include "probe/bpf/ends.h"
#include "probe/bpf/descriptor.h"
#include "probe/bpf/callers.h"

/* --- faults --- */

/* 1: counted, 0: another page is here, -1: it was changed meanwhile. No bare addition: the engine may
 * give the place free at any moment. */
static __always_inline int try_count(uint64_t *place, uint64_t tag)
{
    uint64_t word = *(volatile uint64_t *)place;
    if (word && (word >> WIRE_COUNT_BITS != tag || (word & WIRE_COUNT_MASK) == WIRE_COUNT_MASK))
        return 0;
    uint64_t more = word ? word + 1 : tag << WIRE_COUNT_BITS | 1;
    return __sync_val_compare_and_swap(place, word, more) == word ? 1 : -1;
}

static __always_inline bool count_at(uint64_t *place, uint64_t tag)
{
    int counted = try_count(place, tag);
    if (counted < 0)
        counted = try_count(place, tag);
    return counted > 0;
}

/* A processor that shares its counters with another takes the dear way. */
static __always_inline void count(uint64_t *counter)
{
    if (config.shared_cpus)
        __sync_fetch_and_add(counter, 1);
    else
        ++*(volatile uint64_t *)counter;
}

static __always_inline void count_fault(struct wire_cpu *cpu, uint64_t address, uint64_t task)
{
    uint64_t page = address >> WIRE_PAGE_SHIFT, pid = task >> 32;
    count(&cpu->heat);
    if (page >> WIRE_PAGE_BITS == 0)
        for (uint32_t i = 0; i < WIRE_PROBES; i++)
            if (count_at(&state.pages[wire_place(page, pid, i)], wire_tag(page, pid, i)))
                return;
}

/* Reading the clock is a third of the cost of reporting a fault. In a burst, which is more than 64
 * faults in a tick of the kernel, every eighth reads it, and those behind it have its time. */
static __always_inline uint64_t fault_time(struct wire_cpu *cpu)
{
    uint64_t tick = bpf_jiffies64();
    if (cpu->tick != tick) {
        cpu->tick = tick;
        cpu->faults_in_tick = 0;
    }
    uint64_t n = cpu->faults_in_tick++;
    if (n < 64 || n % 8 == 0)
        cpu->now_ns = bpf_ktime_get_ns();
    return cpu->now_ns;
}

static __always_inline void put_fault(struct wire_cpu *cpu, struct wire *w, uint64_t task,
                                      uint64_t address, uint64_t ip, uint64_t error, uint8_t mode)
{
    fill(w, fault_time(cpu), task, EVENT_FAULT);
    w->detail = mode;
    w->flags = (uint16_t)(error & WIRE_ERROR_MASK);
    w->a = address;
    w->b = wire_with_cpu(ip, bpf_get_smp_processor_id());
}

static __always_inline void report_fault(uint64_t task, uint64_t address, uint64_t ip,
                                         uint64_t error, uint8_t mode)
{
    struct wire_cpu *cpu = this_cpu();
    uint64_t position;
    if (*(volatile uint32_t *)&state.heat) {
        count_fault(cpu, address, task);
        return;
    }
    if (!take(cpu, EVENT_FAULT, 1, &position))
        return;
    struct wire *w = slot_at(position);
    if (!w)
        return;
    put_fault(cpu, w, task, address, ip, error, mode);
    finish(w, position);
}

/* The same where callers are wanted; NULL: there are none. What the verifier finds that no program
 * reaches it takes out, so that without them a fault costs no more. */
static __always_inline void report_called(uint64_t task, uint64_t address, uint64_t ip,
                                          uint64_t error, uint8_t mode,
                                          const struct walked *callers)
{
    struct wire_cpu *cpu = this_cpu();
    uint64_t position;
    if (*(volatile uint32_t *)&state.heat) {
        count_fault(cpu, address, task);
        return;
    }
    uint32_t told = callers_to_tell(cpu, callers);
    uint32_t n = callers && told < WIRE_CALLERS_NONE ? callers->count : 0;
    if (!take(cpu, EVENT_FAULT, 1 + (n + 3) / 4, &position))
        return;
    struct wire *w = slot_at(position);
    if (!w)
        return;
    put_fault(cpu, w, task, address, ip, error, mode);
    w->flags |= (uint16_t)(told << WIRE_CALLERS_SHIFT);
    if (n)
        put_callers(position, callers, n);
    finish(w, position);
}

static __always_inline bool runs_program(uint8_t what)
{
    uint8_t call = (what & WIRE_CALL_MASK) - 1;
    return call == CALL_EXECVE || call == CALL_EXECVEAT;
}

SEC("tp_btf/page_fault_user")
int on_fault_user(uint64_t *ctx)
{
    uint64_t task = bpf_get_current_pid_tgid();
    if (is_watched(task)) {
        const struct pt_regs *regs = (void *)ctx[1];
        uint8_t asks = may_ask() ? asks_at(ctx[0]) : 0;
        if (config.callers)
            report_called(task, ctx[0], REGS_IP(regs), ctx[2], MODE_USER | asks,
                          callers_in_user(task, regs));
        else
            report_fault(task, ctx[0], REGS_IP(regs), ctx[2], MODE_USER | asks);
    }
    return 0;
}

/* Before on_fault_kernel, and not in it: the kernel runs a program once at a time, and would count a
 * fault that reading the stack makes as one that it did not report. */
SEC("tp_btf/page_fault_kernel")
int on_callers_kernel(uint64_t *ctx)
{
    uint64_t task = bpf_get_current_pid_tgid();
    if ((int64_t)ctx[0] >= 0 && is_watched(task) && !*(volatile uint32_t *)&state.heat &&
        !is_walking(task))
        walk_for_kernel(task, ctx[0]);
    return 0;
}

/* Faults of the kernel on its own addresses are no business of the process. */
SEC("tp_btf/page_fault_kernel")
int on_fault_kernel(uint64_t *ctx)
{
    uint64_t task = bpf_get_current_pid_tgid();
    if ((int64_t)ctx[0] < 0 || !is_watched(task) || (config.callers && is_walking(task)))
        return 0;
    const struct pt_regs *regs = (void *)ctx[1];
    struct task_struct *current = (void *)bpf_get_current_task_btf();
    const struct pt_regs *user = (void *)bpf_task_pt_regs(current);
    const struct pending *p = bpf_task_storage_get(&pendings, current, 0, 0);
    uint64_t ip = REGS_IP(user);
    uint8_t mode = MODE_KERNEL | (p && runs_program(p->what) ? WIRE_IN_EXEC : 0);
    if (may_ask())
        mode |= asks_at(ctx[0]);
    if (config.callers)
        report_called(task, ctx[0], ip ? ip : REGS_IP(regs), ctx[2], mode,
                      ip && !(mode & WIRE_IN_EXEC) ? callers_in_kernel(task, ctx[0]) : 0);
    else
        report_fault(task, ctx[0], ip ? ip : REGS_IP(regs), ctx[2], mode);
    return 0;
}

/* --- system calls --- */

static __always_inline bool is_of_interest(uint64_t number)
{
    return number < WIRE_CALLS && (config.calls[0][number] | config.calls[1][number]);
}

static __always_inline uint8_t call_of(uint64_t number, bool compat)
{
    return number < WIRE_CALLS ? config.calls[compat][number] : 0;
}

static __always_inline bool never_returns(uint8_t what)
{
    uint8_t call = (what & WIRE_CALL_MASK) - 1;
    return call == CALL_EXIT || call == CALL_EXIT_GROUP;
}

static __always_inline bool makes_a_child(uint8_t what)
{
    uint8_t call = (what & WIRE_CALL_MASK) - 1;
    return call == CALL_FORK || call == CALL_VFORK || call == CALL_CLONE || call == CALL_CLONE3;
}

/* The oldest mmap of 32-bit tasks has its arguments in memory. */
static __always_inline bool fetch_args(uint64_t *args)
{
    uint32_t memory[CALL_ARGS];
    if (bpf_probe_read_user(memory, sizeof memory, (void *)args[0]))
        return false;
    for (int i = 0; i < CALL_ARGS; i++)
        args[i] = memory[i];
    return true;
}

static __always_inline void put_args(uint64_t position, const uint64_t *args)
{
    struct wire_args *low = (void *)slot_at(position + 1), *high = (void *)slot_at(position + 2);
    if (!low || !high)
        return;
    low->lap = high->lap = 0;
    for (int i = 0; i < CALL_ARGS / 2; i++) {
        low->v[i] = args[i];
        high->v[i] = args[CALL_ARGS / 2 + i];
    }
}

static __always_inline void report_call(uint64_t task, const struct pending *p, bool compat,
                                        uint64_t now, uint64_t result)
{
    struct wire_cpu *cpu = this_cpu();
    uint64_t position;
    if (!take(cpu, EVENT_CALL, WIRE_CALL_SLOTS, &position))
        return;
    struct wire *w = slot_at(position);
    if (!w)
        return;
    cpu->now_ns = now;
    fill(w, now, task, EVENT_CALL);
    w->detail = p->what;
    w->flags = (compat ? WIRE_COMPAT : 0) | (p->has_args ? WIRE_ARGS : 0) | p->file;
    w->a = result;
    w->b = p->entered_ns;
    put_args(position, p->args);
    finish(w, position);
}

/* A new process with a copy of the address space, not a thread. */
static __always_inline bool copies_memory(const struct pending *p)
{
    enum { WITH_VM = 0x100 }; /* CLONE_VM */
    uint8_t call = (p->what & WIRE_CALL_MASK) - 1;
    uint64_t flags = p->args[0];
    if (call == CALL_CLONE3 && bpf_probe_read_user(&flags, sizeof flags, (void *)p->args[0]))
        return true;
    return call == CALL_FORK || ((call == CALL_CLONE || call == CALL_CLONE3) && !(flags & WITH_VM));
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
    bool compat = TASK_COMPAT(task);
    uint8_t what = call_of(ctx[1], compat);
    if (!what)
        return 0;
    struct pending *p = bpf_task_storage_get(&pendings, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!p)
        return 0;
    regs_args(regs, compat, p->args);
    p->has_args = !(what & WIRE_CALL_MEMORY) || fetch_args(p->args);
    p->what = what;
    p->entered_ns = bpf_ktime_get_ns();
    if (copies_memory(p))
        report(id, EVENT_FORKING, 0, 0);
    if (never_returns(what)) {
        report_call(id, p, compat, p->entered_ns, 0);
        p->what = 0;
    }
    return 0;
}

static __always_inline bool maps_file(const struct pending *p)
{
    enum { ANONYMOUS = 0x20 }; /* MAP_ANONYMOUS */
    return p->has_args && (p->what & WIRE_CALL_MASK) - 1 == CALL_MMAP && !(p->args[3] & ANONYMOUS);
}

/* A new task returns from its parent's call too, with 0: that is told by EVENT_FORK. */
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
    bool compat = TASK_COMPAT(task);
    struct pending unseen = {.what = call_of(REGS_CALL(regs), compat)};
    if (!unseen.what || (makes_a_child(unseen.what) && !ctx[1]))
        return 0;
    if ((unseen.what & WIRE_CALL_MASK) - 1 == CALL_USERFAULTFD && (int64_t)ctx[1] >= 0)
        state.uffd = 1;
    struct pending *p = bpf_task_storage_get(&pendings, task, 0, 0);
    if (p && p->what) {
        p->file = 0;
        if (maps_file(p) && (int64_t)ctx[1] > 0)
            report_mapping_at(id, task, ctx[1]);
        else if (maps_file(p))
            p->file = file_facts(task, (uint32_t)p->args[4]);
        report_call(id, p, compat, bpf_ktime_get_ns(), ctx[1]);
        p->what = 0;
    } else {
        report_call(id, &unseen, compat, bpf_ktime_get_ns(), ctx[1]);
    }
    return 0;
}

#include "probe/bpf/evidence.h"

/* --- processes --- */

SEC("tp_btf/sched_process_fork")
int on_fork(uint64_t *ctx)
{
    const struct task_struct *child = (void *)ctx[1];
    uint64_t id = bpf_get_current_pid_tgid();
    if (!is_watched(id))
        return 0;
    if (config.follow)
        watch((uint32_t)child->tgid);
    report(id, EVENT_FORK, (uint32_t)child->tgid, (uint32_t)child->pid);
    return 0;
}

SEC("tp_btf/sched_process_exec")
int on_exec(uint64_t *ctx)
{
    (void)ctx;
    uint64_t id = bpf_get_current_pid_tgid(), comm[2] = {0};
    if (!is_watched(id))
        return 0;
    bpf_get_current_comm(comm, sizeof comm);
    report(id, EVENT_EXEC, comm[0], comm[1]);
    report_all_mappings(id, (void *)bpf_get_current_task_btf());
    if (state.heat_at_exec)
        state.heat = 1;
    return 0;
}

/* A process has ended when its last thread has, which need not be the one with its number. Only one
 * thread succeeds in taking it off the set. */
SEC("tp_btf/sched_process_exit")
int on_exit(uint64_t *ctx)
{
    const struct task_struct *task = (void *)ctx[0];
    uint64_t id = bpf_get_current_pid_tgid();
    uint32_t pid = (uint32_t)(id >> 32);
    if (!is_watched(id))
        return 0;
    if ((uint32_t)id != pid)
        report(id, EVENT_EXIT, 0, 0);
    if (task->signal->live.counter == 0 && unwatch(pid))
        report((uint64_t)pid << 32 | pid, EVENT_EXIT, 0, 0);
    return 0;
}
