/* The bpf engine: loads the BPF program (probe/bpf/events.bpf.c), attaches it, and reads what it
 * reports. Everything in the kernel hangs on descriptors of this process: nothing is pinned, and
 * when the process ends in whatever way the kernel takes it all down. */
#include "probe/engine_bpf.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/arch_x86_64.h"
#include "probe/engine_bpf_parts.h"

enum { RING_BYTES = 8 << 20, RING_BYTES_MIN = 1 << 16 };

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

static size_t ring_size(size_t wanted)
{
    size_t size = RING_BYTES_MIN;
    while (size < (wanted ? wanted : RING_BYTES))
        size *= 2;
    return size;
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

static int configure(struct engine *engine, const struct engine_options *o)
{
    engine->ring_bytes = ring_size(o->ring_bytes);
    struct wire_config c = {
        .wake_bytes = engine->ring_bytes / 8,
        .heat_bytes = engine->ring_bytes / 8 * 7,
        .follow = o->follow,
    };
    set_calls(c.calls[0], arch_calls, sizeof arch_calls / sizeof *arch_calls);
    set_calls(c.calls[1], arch_calls_compat, sizeof arch_calls_compat / sizeof *arch_calls_compat);
    int rc = engine->lib->bpf_map__set_initial_value(map_named(engine, ".rodata"), &c, sizeof c);
    if (rc)
        return rc;
    struct bpf_program *kernel =
        engine->lib->bpf_object__find_program_by_name(engine->object, "on_fault_kernel");
    engine->lib->bpf_program__set_autoload(kernel, o->kernel);
    return engine->lib->bpf_map__set_max_entries(map_named(engine, "ring"),
                                                 (uint32_t)engine->ring_bytes);
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
    if (rc)
        return explain(rc, "loading the BPF program", e);
    size_t size;
    engine->state =
        (struct wire_state *)lib->bpf_map__initial_value(map_named(engine, ".bss"), &size);
    engine->state->heat = engine->heat_forced = o->heat;
    return 0;
}

static int watch(struct engine *engine, pid_t pid, struct err *e)
{
    uint32_t key = (uint32_t)pid, one = 1;
    int fd = engine->lib->bpf_map__fd(map_named(engine, "watched"));
    if (kill(pid, 0) && errno == ESRCH)
        return err_set(e, -ESRCH, "there is no process %d", (int)pid);
    int rc = engine->lib->bpf_map_update_elem(fd, &key, &one, BPF_ANY);
    return rc ? err_set(e, rc, "the process cannot be named to BPF: %s", strerror(-rc)) : 0;
}

static int attach(struct engine *engine, struct err *e)
{
    const struct libbpf *lib = engine->lib;
    struct bpf_program *p = NULL;
    while ((p = lib->bpf_object__next_program(engine->object, p))) {
        int fd = lib->bpf_program__fd(p);
        if (fd < 0)
            continue; /* not loaded: faults in kernel mode were not asked for */
        struct bpf_link *link = lib->bpf_program__attach(p);
        if (!link)
            return explain(-errno, "attaching the BPF program", e);
        engine->program_fds[engine->links_n] = fd;
        engine->links[engine->links_n++] = link;
    }
    return 0;
}

static void bpf_close(struct engine *engine)
{
    if (!engine)
        return;
    for (size_t i = 0; i < engine->links_n; i++)
        engine->lib->bpf_link__destroy(engine->links[i]);
    engine->lib->ring_buffer__free(engine->ring);
    engine->lib->bpf_object__close(engine->object);
    if (engine->epoll_fd >= 0)
        close(engine->epoll_fd);
    free(engine);
}

static int start(struct engine *engine, const struct engine_options *o, struct err *e)
{
    int rc = load(engine, o, e);
    if (!rc)
        rc = engine_bpf_ring_open(engine, e);
    if (!rc)
        rc = watch(engine, o->pid, e);
    return rc ? rc : attach(engine, e);
}

static int bpf_open(const struct engine_options *options, struct engine **out, struct err *e)
{
    const struct libbpf *lib;
    int rc = check_namespace(e);
    if (!rc)
        rc = libbpf_load(&lib, e);
    if (rc)
        return rc;
    struct engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return err_set(e, -ENOMEM, "no memory for following faults");
    engine->lib = lib;
    engine->epoll_fd = -1;
    rc = start(engine, options, e);
    if (rc)
        bpf_close(engine);
    else
        *out = engine;
    return rc;
}

static int bpf_fd(const struct engine *engine)
{
    return engine->epoll_fd;
}

/* What the kernel itself did not run because the same program was running on that processor. */
static uint64_t missed(const struct engine *engine)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < engine->links_n; i++) {
        struct bpf_prog_info info = {0};
        uint32_t size = sizeof info;
        if (!engine->lib->bpf_obj_get_info_by_fd(engine->program_fds[i], &info, &size))
            sum += info.recursion_misses;
    }
    return sum;
}

static void bpf_stats(const struct engine *engine, struct engine_stats *out)
{
    *out = engine->stats;
    out->lost = missed(engine);
    for (size_t i = 0; i < WIRE_CPUS; i++)
        for (unsigned type = 0; type < EVENT_TYPE_N; type++)
            out->lost += __atomic_load_n(&engine->state->cpu[i].c.lost[type], __ATOMIC_RELAXED);
    out->heat_faults = engine_bpf_heat_count(engine);
    out->heat = engine->state->heat;
}

const struct engine_ops engine_bpf = {
    .name = "bpf",
    .blind = "",
    .open = bpf_open,
    .close = bpf_close,
    .fd = bpf_fd,
    .drain = engine_bpf_drain,
    .stats = bpf_stats,
};
