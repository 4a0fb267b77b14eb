/* The bpf engine: loads the BPF program (probe/bpf/events.bpf.c), attaches it, and reads what it
 * reports. Everything in the kernel hangs on descriptors of this process: nothing is pinned, and
 * when the process ends in whatever way the kernel takes it all down. */
#include "probe/engine_bpf.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe/arch_x86_64.h"
#include "probe/descendants.h"
#include "probe/engine_bpf_parts.h"
#include "probe/procdir.h"
#include "probe/uffd.h"

enum { RING_BYTES = 8 << 20, RING_BYTES_CHAINS = 64 << 20 };

/* BPF sees process numbers of the initial pid namespace, whose own number is fixed
 * (PROC_PID_INIT_INO of include/linux/proc_ns.h). */
static int check_namespace(struct err *e)
{
    static const char initial[] = "pid:[4026531836]";
    char link[64];
    ssize_t n = readlink("/proc/self/ns/pid", link, sizeof link);
    if (n == (ssize_t)strlen(initial) && !memcmp(link, initial, (size_t)n))
        return 0;
    return err_set(e, -EOPNOTSUPP, "BPF knows processes by their numbers outside this container: "
                                   "run it on the host");
}

/* A program of a type that takes the same capabilities: it returns 0. */
static bool tracing_permitted(void)
{
    const struct bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_TRACEPOINT,
        .insn_cnt = sizeof program / sizeof *program,
        .insns = (uintptr_t)program,
        .license = (uintptr_t)"GPL",
    };
    int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int explain(int rc, const char *what, struct err *e)
{
    if (rc == -EPERM || rc == -EACCES)
        return err_set(e, rc, "%s %s", what,
                       geteuid() ? "needs CAP_BPF and CAP_PERFMON: run it as root"
                                 : "is not permitted here (container or lockdown)");
    if (access("/sys/kernel/btf/vmlinux", R_OK))
        return err_set(e, rc, "this kernel does not tell its types (BTF): it needs "
                              "CONFIG_DEBUG_INFO_BTF");
    return err_set(e, rc, "%s fails: %s", what, strerror(-rc));
}

static uint32_t shift_of_slots(size_t bytes, size_t cpus)
{
    uint32_t shift = 10;
    while (2 * sizeof(struct wire) << shift <= bytes || 1u << shift < 4 * cpus * WIRE_CPU_SLOTS)
        shift++;
    return shift;
}

static void set_calls(uint8_t *calls, const struct arch_call *table, size_t n)
{
    for (size_t i = 0; i < n; i++)
        calls[table[i].number] = (uint8_t)((table[i].call + 1) | table[i].flags);
}

static struct bpf_map *map_named(const struct engine *engine, const char *name)
{
    return engine->lib->bpf_object__find_map_by_name(engine->object, name);
}

static const char walks_for_kernel[] = "on_callers_kernel";

/* What is not asked for is not loaded. */
static void choose_programs(struct engine *engine, const struct engine_options *o)
{
    const struct libbpf *lib = engine->lib;
    struct bpf_program *p = NULL;
    while ((p = lib->bpf_object__next_program(engine->object, p))) {
        const char *name = lib->bpf_program__name(p);
        if (!strcmp(name, "on_fault_kernel"))
            lib->bpf_program__set_autoload(p, o->kernel);
        else if (!strcmp(name, walks_for_kernel))
            lib->bpf_program__set_autoload(p, o->kernel && o->callers);
        else if (engine_bpf_takes_samples(name))
            lib->bpf_program__set_autoload(p, o->evidence);
    }
}

static int configure(struct engine *engine, const struct engine_options *o)
{
    const struct libbpf *lib = engine->lib;
    size_t cpus = (size_t)sysconf(_SC_NPROCESSORS_CONF);
    size_t bytes = o->evidence || o->callers ? RING_BYTES_CHAINS : RING_BYTES;
    engine->slots_shift = shift_of_slots(o->ring_bytes ? o->ring_bytes : bytes, cpus);
    uint32_t slots = 1u << engine->slots_shift;
    struct wire_config c = {
        .slots_shift = engine->slots_shift,
        .room = slots - (uint32_t)cpus * WIRE_CPU_SLOTS,
        .wake = slots / 8,
        .heat = slots / 8 * 5,
        .follow = o->follow,
        .shared_cpus = cpus > WIRE_CPUS,
        .sample_room = slots / 2,
        .callers = o->callers,
        .fault_entry = {engine->fault_entry[0], engine->fault_entry[1]},
        .call_entry = {engine->call_entry[0], engine->call_entry[1]},
    };
    set_calls(c.calls[0], arch_calls, sizeof arch_calls / sizeof *arch_calls);
    set_calls(c.calls[1], arch_calls_compat, sizeof arch_calls_compat / sizeof *arch_calls_compat);
    choose_programs(engine, o);
    int rc = lib->bpf_map__set_max_entries(map_named(engine, "ring"), slots);
    return rc ? rc : lib->bpf_map__set_initial_value(map_named(engine, ".rodata"), &c, sizeof c);
}

static int load(struct engine *engine, const struct engine_options *o, struct err *e)
{
    const struct libbpf *lib = engine->lib;
    engine->object = lib->bpf_object__open_mem(
        engine_bpf_object, (size_t)(engine_bpf_object_end - engine_bpf_object), NULL);
    if (!engine->object)
        return err_set(e, -errno, "libbpf cannot read the BPF program: %s", strerror(errno));
    int rc = configure(engine, o);
    if (rc)
        return err_set(e, rc, "the BPF program cannot be set up: %s", strerror(-rc));
    rc = lib->bpf_object__load(engine->object);
    return rc ? explain(rc, "loading the BPF program", e) : 0;
}

static size_t bytes_of_slots(const struct engine *engine)
{
    return sizeof(struct wire) << engine->slots_shift;
}

static void *map_memory(const struct engine *engine, const char *name, int prot, size_t bytes)
{
    int fd = engine->lib->bpf_map__fd(map_named(engine, name));
    void *p = mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

static int share(struct engine *engine, struct err *e)
{
    engine->state = map_memory(engine, ".bss", PROT_READ | PROT_WRITE, sizeof *engine->state);
    engine->slots = map_memory(engine, "ring", PROT_READ, bytes_of_slots(engine));
    if (!engine->state || !engine->slots)
        return err_set(e, -errno, "the memory of the BPF program cannot be mapped: %s",
                       strerror(errno));
    return engine_bpf_ring_open(engine, engine->lib->bpf_map__fd(map_named(engine, "bell")), e);
}

/* Forgets what others did with the object, who no longer have it attached. */
static void begin_anew(struct engine *engine)
{
    uint64_t head = engine->state->head;
    memset(engine->state, 0, sizeof *engine->state);
    engine->state->head = engine->state->tail = engine->tail = head;
}

static void mark(struct engine *engine, pid_t pid)
{
    if (pid > 0 && pid < 1 << WIRE_PID_BITS)
        __atomic_fetch_or(&engine->state->watched[pid / 64], UINT64_C(1) << pid % 64,
                          __ATOMIC_RELAXED);
}

static int attach(struct engine *engine, struct err *e)
{
    const struct libbpf *lib = engine->lib;
    struct bpf_program *p = NULL;
    while ((p = lib->bpf_object__next_program(engine->object, p))) {
        int fd = lib->bpf_program__fd(p);
        if (fd < 0)
            continue; /* not loaded: not asked for */
        struct bpf_link *link = lib->bpf_program__attach(p);
        if (!link)
            return explain(-errno, "attaching the BPF program", e);
        /* What one misses while it runs are the faults that it makes itself. */
        bool walks = !strcmp(lib->bpf_program__name(p), walks_for_kernel);
        engine->program_fds[engine->links_n] = walks ? -1 : fd;
        engine->takes_samples[engine->links_n] =
            engine_bpf_takes_samples(lib->bpf_program__name(p));
        engine->links[engine->links_n++] = link;
    }
    for (int samples = 0; samples < 2; samples++)
        engine->missed_before[samples] = engine_bpf_missed(engine, samples);
    return 0;
}

static void unmark(struct engine *engine, pid_t pid)
{
    __atomic_fetch_and(&engine->state->watched[pid / 64], ~(UINT64_C(1) << pid % 64),
                       __ATOMIC_RELAXED);
}

/* One that was made before we saw calls. */
static void look_for_uffd(struct engine *engine, pid_t pid)
{
    struct procdir d;
    if (engine->state->uffd || procdir_open(NULL, pid, &d, NULL))
        return;
    if (uffd_is_open(&d))
        engine->state->uffd = 1;
    procdir_close(&d);
}

/* Nobody takes the mark from a process whose end came before it: its number may be another's. */
static void mark_living(struct engine *engine, pid_t pid)
{
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    mark(engine, pid);
    if (end.fd < 0 ? errno == ESRCH : poll(&end, 1, 0) > 0)
        unmark(engine, pid);
    else
        look_for_uffd(engine, pid);
    if (end.fd >= 0)
        close(end.fd);
}

static bool is_among(const struct descendants *d, pid_t pid)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->v[i].pid == pid)
            return true;
    return false;
}

static bool is_chosen(const struct engine_options *o, const struct descendants *before, pid_t pid)
{
    return pid == o->pid || o->family || (o->follow && !is_among(before, pid));
}

/* Looks at the descendants before the programs are attached, and once more after it: those born
 * between, whose fork was not seen, are followed like those born later. */
static int attach_family(struct engine *engine, const struct engine_options *o, struct err *e)
{
    struct descendants before = {0}, now = {0};
    bool wanted = o->follow || o->family;
    if (wanted && !descendants_read(NULL, o->pid, &before))
        for (size_t i = 0; i < before.count; i++)
            if (is_chosen(o, &before, before.v[i].pid))
                mark_living(engine, before.v[i].pid);
    int rc = attach(engine, e);
    if (!rc && wanted && before.count && !descendants_read(NULL, o->pid, &now))
        for (size_t i = 0; i < now.count; i++)
            if (is_chosen(o, &before, now.v[i].pid))
                mark_living(engine, now.v[i].pid);
    descendants_deinit(&before);
    descendants_deinit(&now);
    return rc;
}

/* From a fault to its signal takes microseconds, unless the thread is put off. */
static const uint64_t hold_ns = 2000000;

static int watch(struct engine *engine, const struct engine_options *o, struct err *e)
{
    if (o->pid <= 0 || o->pid >= 1 << WIRE_PID_BITS || (kill(o->pid, 0) && errno == ESRCH))
        return err_set(e, -ESRCH, "there is no process %d", (int)o->pid);
    mark(engine, o->pid);
    engine->signals.hold_ns = o->rests ? 0 : hold_ns;
    engine->heat_forced = o->heat;
    engine->heat_held = o->held;
    engine->state->heat = o->heat && !o->held;
    engine->state->heat_at_exec = o->heat && o->held;
    return 0;
}

static void bpf_close(struct engine *engine)
{
    if (!engine)
        return;
    for (size_t i = 0; i < engine->links_n; i++)
        engine->lib->bpf_link__destroy(engine->links[i]);
    engine->lib->ring_buffer__free(engine->bell);
    if (engine->slots)
        munmap((void *)engine->slots, bytes_of_slots(engine));
    if (engine->state)
        munmap(engine->state, sizeof *engine->state);
    engine->lib->bpf_object__close(engine->object);
    chains_destroy(engine->chains);
    free(engine);
}

static int start(struct engine *engine, const struct engine_options *o, struct err *e)
{
    int rc = share(engine, e);
    if (rc)
        return rc;
    begin_anew(engine);
    rc = watch(engine, o, e);
    if (!rc)
        rc = attach_family(engine, o, e);
    if (!rc)
        look_for_uffd(engine, o->pid);
    return rc;
}

static int create(const struct libbpf *lib, const struct engine_options *options,
                  struct engine **out, struct err *e)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return err_set(e, -ENOMEM, "no memory for following faults");
    engine->lib = lib;
    engine->callers = options->callers;
    int rc = options->evidence ? engine_bpf_evidence_open(engine, options->calls_too, e) : 0;
    if (!rc)
        rc = load(engine, options, e);
    if (rc)
        bpf_close(engine);
    else
        *out = engine;
    return rc;
}

static int open_as(const struct libbpf *lib, const struct engine_options *options,
                   struct engine **out, struct err *e)
{
    struct engine *engine = options->loaded;
    int rc = engine ? 0 : create(lib, options, &engine, e);
    if (rc)
        return rc;
    rc = start(engine, options, e);
    if (rc)
        bpf_close(engine);
    else
        *out = engine;
    return rc;
}

static int prepare(const struct libbpf **lib, struct err *e)
{
    int rc = check_namespace(e);
    return rc ? rc : libbpf_load(lib, e);
}

int engine_bpf_load(const struct engine_options *options, struct engine **out, struct err *e)
{
    const struct libbpf *lib;
    int rc = prepare(&lib, e);
    return rc ? rc : create(lib, options, out, e);
}

/* Where no evidence can be had, faults are followed without it, and the reason is told. */
static int bpf_open(const struct engine_options *options, struct engine **out, struct err *e)
{
    const struct libbpf *lib;
    struct engine_options less = *options;
    struct err why = {0};
    int rc = prepare(&lib, e);
    if (rc)
        return rc;
    if (options->evidence && !open_as(lib, options, out, &why))
        return 0;
    less.evidence = false;
    less.loaded = NULL;
    rc = open_as(lib, &less, out, e);
    if (!rc)
        snprintf((*out)->evidence_why, sizeof (*out)->evidence_why, "%.*s",
                 (int)sizeof (*out)->evidence_why - 1, why.text);
    return rc;
}

static bool bpf_permitted(pid_t pid)
{
    const struct libbpf *lib;
    struct err e;
    (void)pid;
    return !check_namespace(&e) && !access("/sys/kernel/btf/vmlinux", R_OK) && tracing_permitted() &&
           !libbpf_load(&lib, &e);
}

static int bpf_fd(const struct engine *engine)
{
    return engine->lib->ring_buffer__epoll_fd(engine->bell);
}

uint64_t engine_bpf_events_lost(const struct engine *engine)
{
    uint64_t sum = engine_bpf_missed(engine, false);
    for (size_t i = 0; i < WIRE_CPUS; i++)
        for (unsigned type = 0; type < EVENT_TYPE_N; type++)
            if (type != EVENT_SAMPLE && type != EVENT_CALLERS)
                sum += __atomic_load_n(&engine->state->cpu[i].lost[type], __ATOMIC_RELAXED);
    return sum;
}

static uint64_t callers_lost(const struct engine *engine)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < WIRE_CPUS; i++)
        sum += __atomic_load_n(&engine->state->cpu[i].lost[EVENT_CALLERS], __ATOMIC_RELAXED);
    return sum;
}

static void bpf_stats(const struct engine *engine, struct engine_stats *out)
{
    *out = engine->stats;
    out->lost = engine_bpf_events_lost(engine);
    out->heat_faults = engine_bpf_heat_count(engine);
    out->heat = engine->state->heat;
    out->evidence = engine->chains != NULL;
    out->evidence_why = engine->evidence_why;
    out->callers = engine->callers;
    out->callers_lost = callers_lost(engine);
    if (out->evidence)
        out->samples_lost = engine_bpf_samples_lost(engine);
}

const struct engine_ops engine_bpf = {
    .name = "bpf",
    .family = true,
    .blind = "pages that the kernel fills without a fault (populate, mlock)",
    .open = bpf_open,
    .permitted = bpf_permitted,
    .close = bpf_close,
    .fd = bpf_fd,
    .drain = engine_bpf_drain,
    .rest = engine_bpf_rest,
    .stats = bpf_stats,
    .stack = engine_bpf_stack,
};
