/* The events of a traced thread. With privilege they are tracepoints: exceptions:page_fault_user
 * and _kernel, which tell the access, and raw_syscalls:sys_enter and sys_exit with a filter for mm
 * calls, so that no other system call stops it. Without, they are software page faults. All but
 * sys_enter have sigtrap: before the thread returns to user mode, the fault or call being dealt
 * with, the kernel sends it SIGTRAP, whose delivery stops it for its tracer.
 *
 * What happened is read from the ring and not from the signal: a signal that is blocked waits, and
 * two become one. */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "probe/step_parts.h"

enum { RING_PAGES = 16, RING_PAGES_DEAF = 512, WAKE_BYTES = 4096, TRAP_PERF_CODE = 6 /* TRAP_PERF, Linux 5.13+ */ };

/* Tells our SIGTRAPs from those of others. */
static const uint64_t cookie = UINT64_C(0x766d7374657031);

static void fill_attr(const struct tracer *t, enum perf_kind kind, bool deaf,
                      struct perf_event_attr *out)
{
    perf_attr_fill(&t->wish, kind, out);
    out->sample_type |= PERF_SAMPLE_IDENTIFIER;
    out->read_format = 0;
    out->inherit = out->inherit_thread = 0;
    out->task = out->comm = out->comm_exec = 0;
    out->mmap = out->mmap_data = out->mmap2 = 0;
    out->sigtrap = !deaf && kind != PERF_ENTER && kind != PERF_LEAVE;
    out->remove_on_exec = 1;
    out->sig_data = cookie;
    out->watermark = 1;
    out->wakeup_watermark = WAKE_BYTES; /* for those that are deaf; nobody hears others */
}

static int open_event(const struct tracer *t, enum perf_kind kind, pid_t tid, bool deaf)
{
    struct perf_event_attr attr;
    fill_attr(t, kind, deaf, &attr);
    long fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : (int)fd;
}

static int try_event(const struct tracer *t, enum perf_kind kind, pid_t tid)
{
    int fd = open_event(t, kind, tid, false);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}

static void use(struct tracer *t, enum perf_kind kind)
{
    t->kinds[t->kinds_n++] = (uint8_t)kind;
}

static void explain(struct tracer *t, int rc)
{
    struct step_state *s = &t->state;
    s->calls_only = true;
    snprintf(s->blind, sizeof s->blind, "faults");
    snprintf(s->why, sizeof s->why,
             rc == -EINVAL ? "it stops at system calls only: faults need perf events with sigtrap, "
                             "Linux 5.13 or later"
                           : "it stops at system calls only: perf events on faults are not "
                             "permitted (%s); run as root, or sudo sysctl "
                             "kernel.perf_event_paranoid=2",
             strerror(-rc));
}

void tracee_find_settings(struct tracer *t, pid_t tid)
{
    struct perf_wish *w = &t->wish;
    struct step_state *s = &t->state;
    perf_calls_find(w);
    if (perf_tracepoint("exceptions/page_fault_user", &w->tracepoint[PERF_TRACE_USER]) &&
        perf_tracepoint("exceptions/page_fault_kernel", &w->tracepoint[PERF_TRACE_KERNEL]) &&
        !try_event(t, PERF_TRACE_USER, tid)) {
        use(t, PERF_TRACE_USER);
        use(t, PERF_TRACE_KERNEL);
    } else {
        int rc = try_event(t, PERF_FAULT, tid);
        bool kernel = !rc && !try_event(t, PERF_KERNEL_FAULT, tid);
        if (!rc)
            use(t, PERF_FAULT);
        if (kernel)
            use(t, PERF_KERNEL_FAULT);
        if (rc)
            explain(t, rc);
        else
            snprintf(s->blind, sizeof s->blind, "whether a fault read or wrote; %sbad accesses",
                     kernel ? "" : "faults in kernel mode; ");
    }
    t->by_stops = !w->calls || try_event(t, PERF_LEAVE, tid);
    if (!t->by_stops) {
        use(t, PERF_ENTER);
        use(t, PERF_LEAVE);
    }
    perf_calls_filter(t->filter, sizeof t->filter);
}

/* Locked memory is accounted to the user: smaller rings where there is little of it. */
static int map_ring(struct tracee *x)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    int rc = -ENOMEM;
    for (uint64_t n = x->deaf ? RING_PAGES_DEAF : RING_PAGES; rc && n; n /= 2)
        rc = perf_ring_map(&x->ring, x->fd[0], n * page);
    return rc;
}

static int by_id(const void *a, const void *b)
{
    const struct perf_id *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int add_event(const struct tracer *t, struct tracee *x, unsigned i)
{
    uint8_t kind = t->kinds[i];
    int fd = x->fd[i] = open_event(t, (enum perf_kind)kind, x->tid, x->deaf);
    if (fd < 0)
        return fd;
    x->id[i].kind = kind;
    if (ioctl(fd, PERF_EVENT_IOC_ID, &x->id[i].id))
        return -errno;
    if (i && ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, x->fd[0]))
        return -errno;
    if ((kind == PERF_ENTER || kind == PERF_LEAVE) &&
        ioctl(fd, PERF_EVENT_IOC_SET_FILTER, t->filter))
        return -errno;
    return i ? 0 : map_ring(x);
}

static void announce(const struct tracee *x)
{
    for (unsigned i = 0; i < TRACEE_EVENTS && x->fd[i] >= 0; i++) {
        fcntl(x->fd[i], F_SETOWN, getpid());
        fcntl(x->fd[i], F_SETFL, O_RDWR | O_ASYNC);
    }
}

void tracee_arm(struct tracer *t, struct tracee *x)
{
    int rc = 0;
    tracee_disarm(x);
    for (unsigned i = 0; !rc && i < t->kinds_n; i++)
        rc = add_event(t, x, i);
    if (rc) {
        tracee_disarm(x);
        if (rc != -ESRCH) {
            snprintf(t->state.why, sizeof t->state.why,
                     "thread %d is not stepped: its events cannot be opened: %s", x->tid,
                     strerror(-rc));
            t->state.lost++;
        }
        return;
    }
    if (x->deaf)
        announce(x);
    qsort(x->id, t->kinds_n, sizeof *x->id, by_id);
    x->layout = (struct perf_layout){.user_ip = true, .ids = x->id, .id_count = t->kinds_n};
}

/* The ring closes the first descriptor. */
void tracee_disarm(struct tracee *x)
{
    bool ring = x->ring.page != NULL;
    perf_ring_unmap(&x->ring);
    for (unsigned i = 0; i < TRACEE_EVENTS; i++) {
        if (x->fd[i] >= 0 && (i || !ring))
            close(x->fd[i]);
        x->fd[i] = -1;
    }
}

static void take(struct tracer *t, const struct tracee *x, const struct perf_seen *seen)
{
    struct event e;
    switch (seen->what) {
    case PERF_IS_EVENT:
        pending_add(t, &seen->event);
        break;
    case PERF_IS_ENTER:
    case PERF_IS_LEAVE:
        if (perf_calls_fold(t->calls, seen, &e))
            tracee_called(t, x, &e);
        break;
    case PERF_IS_LOST:
        t->state.lost += seen->lost;
        break;
    }
}

void tracee_drain(struct tracer *t, struct tracee *x)
{
    if (!x->ring.page)
        return;
    perf_ring_refresh(&x->ring, &x->layout);
    while (x->ring.has_next) {
        take(t, x, &x->ring.next);
        perf_ring_advance(&x->ring, &x->layout);
    }
    t->state.lost += x->ring.damaged;
    x->ring.damaged = 0;
    perf_ring_release(&x->ring);
}

bool tracee_has_news(const struct tracee *x)
{
    return x->ring.page &&
           __atomic_load_n(&x->ring.page->data_head, __ATOMIC_ACQUIRE) != x->ring.tail;
}

/* Of siginfo_t, as the kernel lays it out on 64-bit machines (asm-generic/siginfo.h): older headers
 * do not have the data of perf. */
static bool is_ours(const siginfo_t *info)
{
    uint64_t data;
    memcpy(&data, (const char *)info + 24, sizeof data);
    return info->si_signo == SIGTRAP && info->si_code == TRAP_PERF_CODE && data == cookie;
}

bool tracee_is_trap(const struct tracee *x)
{
    siginfo_t info;
    return !ptrace(PTRACE_GETSIGINFO, x->tid, NULL, &info) && is_ours(&info);
}

bool tracee_trap_waits(const struct tracee *x, bool ours)
{
    siginfo_t info[32];
    struct __ptrace_peeksiginfo_args args = {.nr = 32};
    for (args.flags = 0; args.flags <= PTRACE_PEEKSIGINFO_SHARED; args.flags++) {
        long n = ptrace(PTRACE_PEEKSIGINFO, x->tid, &args, info);
        for (long i = 0; i < n; i++)
            if (info[i].si_signo == SIGTRAP && is_ours(&info[i]) == ours)
                return true;
    }
    return false;
}

static bool read_task(const struct tracee *x, const char *name, struct buf *out)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", x->tid, name);
    return !io_read_at(AT_FDCWD, path, out);
}

bool tracee_interrupt(struct tracee *x)
{
    struct buf b = {0};
    const char *state = read_task(x, "stat", &b) ? strrchr(b.data, ')') : NULL;
    bool runs = state && state[1] && state[2] == 'R';
    buf_deinit(&b);
    if (runs && !x->interrupted)
        x->interrupted = !ptrace(PTRACE_INTERRUPT, x->tid, NULL, NULL);
    return runs && x->interrupted;
}

static uint64_t field_of(const struct buf *status, const char *field)
{
    uint64_t bits = 0;
    const char *line = strstr(status->data, field);
    if (line) {
        line += strlen(field);
        line += strspn(line, " \t");
        text_hex(&line, status->data + status->len, &bits);
    }
    return bits;
}

void tracee_signals(const struct tracee *x, struct signal_sets *out)
{
    struct buf b = {0};
    *out = (struct signal_sets){0};
    if (read_task(x, "status", &b))
        *out = (struct signal_sets){field_of(&b, "\nSigPnd:"), field_of(&b, "\nShdPnd:"),
                                    field_of(&b, "\nSigBlk:")};
    buf_deinit(&b);
}
