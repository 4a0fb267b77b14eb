/* Trials: by which engines faults can be followed. Each really opens or loads what the engine would
 * use: only that tells (in a virtual machine, a hardware event may be encoded but not opened). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/engine.h"
#include "probe/pfm.h"
#include "probe/trial.h"

/* On this thread, on any CPU. A descriptor or negative errno. */
static int open_event(uint32_t type, uint64_t config, bool kernel)
{
    struct perf_event_attr attr = {
        .type = type,
        .size = sizeof attr,
        .config = config,
        .sample_period = 1,
        .sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR,
        .exclude_kernel = !kernel,
        .exclude_hv = !kernel,
    };
    long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : (int)fd;
}

static void touch_pages(const struct trial *t, size_t count)
{
    char *p = mmap(NULL, count * t->page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    if (p == MAP_FAILED)
        return;
    for (size_t i = 0; i < count; i++)
        *(volatile char *)(p + i * t->page_size) = 1;
    munmap(p, count * t->page_size);
}

static void no_perf(const struct trial *t, struct capability *c, int rc, const char *setting)
{
    int paranoid = trial_sysctl(t, "sys/kernel/perf_event_paranoid");
    if (rc == -ENOSYS)
        trial_no(c, "a kernel built with CONFIG_PERF_EVENTS", "this kernel has no perf events");
    else if (rc != -EACCES && rc != -EPERM)
        trial_no(c, "", "perf_event_open fails: %s", strerror(-rc));
    else if (t->root || paranoid == INT_MIN)
        trial_no(c, trial_remedy(t, "CAP_PERFMON"), "perf_event_open is not permitted here");
    else
        trial_no(c, setting, "perf_event_paranoid is %d", paranoid);
}

static void try_perf(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    (void)self;
    int fd = open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, false);
    if (fd < 0) {
        no_perf(t, c, fd, "sudo sysctl kernel.perf_event_paranoid=2, or run it as root");
        return;
    }
    touch_pages(t, 8);
    uint64_t count = 0;
    ssize_t n = read(fd, &count, sizeof count);
    close(fd);
    if (n == sizeof count && count > 0)
        trial_yes(c);
    else
        trial_no(c, "", "perf counts no page faults here");
}

static void try_perf_kernel(const struct trial *t, const struct trial_entry *self,
                            struct capability *c)
{
    (void)self;
    int fd = open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, true);
    if (fd < 0) {
        no_perf(t, c, fd, "sudo sysctl kernel.perf_event_paranoid=1, or run it as root");
        return;
    }
    close(fd);
    trial_yes(c);
}

static void try_pmu(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    (void)self;
    int fd = open_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, false);
    if (fd >= 0) {
        close(fd);
        trial_yes(c);
    } else if (fd == -ENOENT || fd == -EOPNOTSUPP || fd == -ENODEV) {
        trial_no(c, "bare metal, or a virtual machine with a virtual PMU",
                 "no hardware counters in this machine");
    } else {
        no_perf(t, c, fd, "sudo sysctl kernel.perf_event_paranoid=2, or run it as root");
    }
}

static void try_events(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    struct perf_event_attr attr = {.type = 0};
    struct err e = {0};
    (void)t;
    (void)self;
    int rc = pfm_encode("dTLB-load-misses", &attr, &e);
    if (!rc)
        trial_yes(c);
    else
        trial_no(c, rc == -ENOSYS ? "sudo apt-get install libpfm4" : "", "%s", e.text);
}

static void try_tracefs(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    static const char *const roots[] = {"/sys/kernel/tracing/", "/sys/kernel/debug/tracing/"};
    int first = 0;
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        strcpy(path, roots[i]);
        strcat(path, self->file);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            close(fd);
            trial_yes(c);
            return;
        }
        first = first ? first : errno;
    }
    if (first == ENOENT)
        trial_no(c, "sudo mount -t tracefs tracefs /sys/kernel/tracing",
                 "tracefs is not mounted, or this kernel has no tracing");
    else
        trial_no(c, trial_remedy(t, "CAP_SYS_ADMIN"), "tracefs cannot be read: %s",
                 strerror(first));
}

/* Loads a program that does nothing. 0 or negative errno. */
static int load_program(void)
{
    const struct bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
    attr.insns = (uintptr_t)program;
    attr.insn_cnt = sizeof program / sizeof *program;
    attr.license = (uintptr_t) "GPL";
    long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
    if (fd < 0)
        return -errno;
    close((int)fd);
    return 0;
}

static void try_bpf(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    (void)self;
    int rc = load_program();
    if (!rc)
        trial_yes(c);
    else if (rc == -EPERM || rc == -EACCES)
        trial_no(c, trial_remedy(t, "CAP_BPF"), "loading a BPF program %s",
                 t->root ? "is not permitted here (container or lockdown)"
                         : "needs CAP_BPF and CAP_PERFMON");
    else if (rc == -ENOSYS)
        trial_no(c, "a kernel built with CONFIG_BPF_SYSCALL", "this kernel has no BPF");
    else
        trial_no(c, "", "a BPF program cannot be loaded: %s", strerror(-rc));
}

static int count_samples(void *ctx, const struct event *events, size_t count)
{
    unsigned *samples = ctx;
    for (size_t i = 0; i < count; i++)
        *samples += events[i].type == EVENT_SAMPLE && events[i].sample.stack;
    return 0;
}

/* Follows ourselves while we make some faults. */
static void try_evidence(const struct trial *t, const struct trial_entry *self,
                         struct capability *c)
{
    const struct engine_options options = {.pid = getpid(), .evidence = true};
    struct engine *engine = NULL;
    struct engine_stats stats = {0};
    struct err e = {0};
    unsigned samples = 0;
    (void)self;
    if (engine_bpf.open(&options, &engine, &e)) {
        trial_no(c, trial_remedy(t, "CAP_BPF"), "it needs BPF: %s", e.text);
        return;
    }
    touch_pages(t, 8);
    engine_bpf.drain(engine, count_samples, &samples);
    engine_bpf.stats(engine, &stats);
    if (samples)
        trial_yes(c);
    else
        trial_no(c, t->root ? "" : trial_remedy(t, "CAP_SYSLOG"), "%s",
                 stats.evidence ? "faults of our own left no call chain" : stats.evidence_why);
    engine_bpf.close(engine);
}

static void try_btf(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    int fd = open(self->file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        trial_yes(c);
    } else if (errno == ENOENT) {
        trial_no(c, "a kernel built with CONFIG_DEBUG_INFO_BTF", "this kernel has no BTF");
    } else {
        trial_no(c, trial_remedy(t, "CAP_SYS_ADMIN"), "BTF cannot be read: %s", strerror(errno));
    }
}

static void try_ptrace(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    pid_t pid = trial_idler(true);
    if (pid < 0) {
        trial_no(c, "", "no process could be started to try it: %s", strerror(-pid));
        return;
    }
    int rc = ptrace(PTRACE_SEIZE, pid, NULL, NULL) ? -errno : 0;
    trial_idler_end(pid);
    if (!rc)
        trial_yes(c);
    else if (trial_sysctl(t, self->file) == 3)
        trial_no(c, "a reboot with another kernel.yama.ptrace_scope",
                 "ptrace is switched off: kernel.yama.ptrace_scope is 3");
    else
        trial_no(c, trial_remedy(t, "CAP_SYS_PTRACE"), "ptrace of an own child fails: %s",
                 strerror(-rc));
}

const struct trial_entry trials_faults[] = {
    {"bpf", "faults and mm calls by BPF", CAPABILITY_FAULTS, try_bpf, NULL},
    {"btf", "types of this kernel (BTF)", CAPABILITY_FAULTS, try_btf, "/sys/kernel/btf/vmlinux"},
    {"evidence", "kernel call chains of faults", CAPABILITY_FAULTS, try_evidence, NULL},
    {"perf", "faults by perf events", CAPABILITY_FAULTS, try_perf, NULL},
    {"perf_kernel", "faults in kernel mode by perf", CAPABILITY_FAULTS, try_perf_kernel, NULL},
    {"tracefs", "tracepoints (tracefs)", CAPABILITY_FAULTS, try_tracefs,
     "events/kmem/mm_page_alloc/id"},
    {"pmu", "hardware counters", CAPABILITY_FAULTS, try_pmu, NULL},
    {"events", "their events by name (libpfm4)", CAPABILITY_FAULTS, try_events, NULL},
    {"step", "stopping at every fault (ptrace)", CAPABILITY_FAULTS, try_ptrace,
     "sys/kernel/yama/ptrace_scope"},
    {0},
};
