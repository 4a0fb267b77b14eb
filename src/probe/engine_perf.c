/* The perf rung: software page-fault events on every thread and CPU, with task and exec records,
 * and tracepoints of system calls where tracefs can be read. No privilege is needed for processes
 * of one's own; faults in kernel mode and system calls take more.
 *
 * perf does not say whether an access read or wrote. Its mmap records name the files that are mapped
 * (engine_perf_mapping.c).
 *
 * After exec of a set-user-ID program the kernel removes all events; following ends there. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/engine.h"
#include "probe/engine_perf.h"
#include "probe/mounts.h"
#include "probe/procdir.h"

enum { BATCH = 256 };

static const uint64_t ring_bytes_default = 2 << 20, ring_bytes_callers = 8 << 20, rings_bytes_max = 256 << 20;
static const uint64_t ms = 1000000;
/* A record is committed within microseconds of its time, unless the host takes the CPU away. */
enum { SETTLE_MS = 5 };
static const uint64_t settle_ms = SETTLE_MS;
/* Few events do not reach the watermark: they are fetched by time. */
static const uint64_t tick_ms = 30, count_ms = 1000;

struct engine {
    struct perf_events events;
    struct perf_calls *calls; /* NULL: not followed */
    struct pollfd *watched;   /* of each ring: an event that has not ended yet; fd -1: none left */
    size_t *watched_index;    /* of watched, in events.fds */
    int epoll, timer;
    pid_t pid;
    bool follow;
    struct perf_execs execs;
    struct mount_kinds kinds; /* of ours: what devices hold shared memory */
    bool ended;              /* no event can come any more */
    bool settled;            /* and all have been delivered and counted */
    uint64_t faults_read;    /* in the rings, delivered or not */
    uint64_t lost_told;      /* by records in the rings */
    uint64_t count_next_ns;  /* when the kernel's own counts are asked next */
    struct engine_stats stats;
    struct event batch[BATCH];
    size_t batched;
};

static void perf_close(struct engine *e)
{
    if (!e)
        return;
    if (e->epoll >= 0)
        close(e->epoll);
    if (e->timer >= 0)
        close(e->timer);
    perf_events_close(&e->events);
    perf_calls_destroy(e->calls);
    mounts_deinit(&e->kinds);
    free(e->watched);
    free(e->watched_index);
    free(e);
}

static uint64_t ring_size(uint64_t wanted, bool callers)
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    uint64_t size = (uint64_t)sysconf(_SC_PAGESIZE);
    if (!wanted)
        wanted = callers ? ring_bytes_callers : ring_bytes_default;
    if (cpus > 0 && wanted > rings_bytes_max / (uint64_t)cpus)
        wanted = rings_bytes_max / (uint64_t)cpus;
    while (size * 2 <= wanted)
        size *= 2;
    return size;
}

static void set_timer(const struct engine *e, uint64_t in_ms)
{
    struct itimerspec t = {.it_value = {.tv_nsec = (long)(in_ms * ms)}};
    timerfd_settime(e->timer, 0, &t, NULL);
}

/* Watches the next event on a CPU, from this index on; any of them tells of the whole ring. */
static void watch(struct engine *e, size_t ring, size_t index)
{
    const struct perf_events *ev = &e->events;
    struct epoll_event ee = {.events = EPOLLIN};
    e->watched[ring].fd = -1;
    while (index < ev->fd_count && ev->fds[index].cpu != ring)
        index++;
    e->watched_index[ring] = index;
    if (index == ev->fd_count)
        return;
    e->watched[ring] = (struct pollfd){.fd = ev->fds[index].fd, .events = POLLIN};
    epoll_ctl(e->epoll, EPOLL_CTL_ADD, e->watched[ring].fd, &ee);
}

static int prepare_waiting(struct engine *e)
{
    struct epoll_event ee = {.events = EPOLLIN};
    e->watched = calloc(e->events.ring_count, sizeof *e->watched);
    e->watched_index = calloc(e->events.ring_count, sizeof *e->watched_index);
    if (!e->watched || !e->watched_index)
        return -ENOMEM;
    e->epoll = epoll_create1(EPOLL_CLOEXEC);
    e->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (e->epoll < 0 || e->timer < 0 || epoll_ctl(e->epoll, EPOLL_CTL_ADD, e->timer, &ee))
        return -errno;
    for (size_t i = 0; i < e->events.ring_count; i++)
        watch(e, i, 0);
    set_timer(e, tick_ms);
    return 0;
}

/* Without them, shared memory in files is taken for files. */
static void read_own_mounts(struct mount_kinds *kinds)
{
    struct procdir own;
    struct buf scratch = {0};
    if (procdir_open(NULL, getpid(), &own, NULL))
        return;
    mounts_read(kinds, &own, &scratch);
    procdir_close(&own);
    buf_deinit(&scratch);
}

static int perf_open(const struct engine_options *options, struct engine **out, struct err *err)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return err_set(err, -ENOMEM, "out of memory");
    e->epoll = e->timer = -1;
    e->pid = options->pid;
    e->follow = options->follow;
    e->events.wish = (struct perf_wish){.follow = options->follow, .kernel = options->kernel,
                                           .callers = options->callers};
    perf_calls_find(&e->events.wish);
    read_own_mounts(&e->kinds);
    int rc = perf_events_open(&e->events, e->pid, ring_size(options->ring_bytes, options->callers), err);
    if (!rc && e->events.wish.calls && !(e->calls = perf_calls_create()))
        rc = err_set(err, -ENOMEM, "out of memory");
    if (!rc && (rc = prepare_waiting(e)))
        err_set(err, rc, "cannot wait for events: %s; try --engine poll", strerror(-rc));
    if (rc) {
        perf_close(e);
        return rc;
    }
    *out = e;
    return 0;
}

static int perf_fd(const struct engine *e)
{
    return e->epoll;
}

/* The next event on the same CPU takes over from one whose threads have all ended. */
static void watch_another(struct engine *e, size_t ring)
{
    epoll_ctl(e->epoll, EPOLL_CTL_DEL, e->watched[ring].fd, NULL);
    watch(e, ring, e->watched_index[ring] + 1);
}

/* True when every event has ended. The state is asked of the events themselves: it is reported
 * once all that they write has been written. */
static bool all_ended(struct engine *e)
{
    const size_t n = e->events.ring_count;
    while (poll(e->watched, n, 0) > 0) {
        bool moved = false;
        for (size_t i = 0; i < n; i++)
            if (e->watched[i].fd >= 0 && e->watched[i].revents & (POLLHUP | POLLERR)) {
                watch_another(e, i);
                moved = true;
            }
        if (!moved)
            break;
    }
    for (size_t i = 0; i < n; i++)
        if (e->watched[i].fd >= 0)
            return false;
    return true;
}

static int deliver(struct engine *e, engine_sink *sink, void *ctx)
{
    for (size_t i = 0; i < e->events.ring_count; i++)
        perf_ring_release(&e->events.rings[i]);
    size_t n = e->batched;
    e->batched = 0;
    if (!n)
        return 0;
    e->stats.events += n;
    for (size_t i = 0; i < n; i++) {
        bool fault = e->batch[i].type == EVENT_FAULT;
        e->stats.faults += fault;
        e->stats.chains += fault && e->batch[i].fault.callers == CALLERS_TOLD;
    }
    return sink(ctx, e->batch, n);
}

/* Where the kernel cannot follow into threads alone, children's events come too. */
static bool is_wanted(const struct engine *e, const struct event *event)
{
    return e->follow || event->pid == e->pid;
}

static void add(struct engine *e, const struct event *event)
{
    struct event *slot = &e->batch[e->batched];
    if (!is_wanted(e, event))
        return;
    if (perf_execs_event(&e->execs, event, slot))
        slot = &e->batch[++e->batched];
    *slot = *event;
    e->batched++;
}

/* Its callers, as far as they are known, and the fault. */
static void add_fault(struct engine *e, const struct perf_seen *seen)
{
    const struct event *fault = &seen->event;
    for (unsigned i = 0; is_wanted(e, fault) && i < fault->fault.callers_n; i += CALLERS_PART) {
        struct event *part = &e->batch[e->batched++];
        unsigned n = fault->fault.callers_n - i;
        *part = (struct event){.t_ns = fault->t_ns, .pid = fault->pid, .tid = fault->tid,
                               .type = EVENT_CALLERS};
        part->callers.count = (uint8_t)(n < CALLERS_PART ? n : CALLERS_PART);
        memcpy(part->callers.ip, seen->callers + i * sizeof *part->callers.ip,
               part->callers.count * sizeof *part->callers.ip);
    }
    add(e, fault);
}

static void add_mapping(struct engine *e, const struct perf_seen *seen)
{
    enum mapping_told told = perf_execs_mapping(&e->execs, seen->mapping.pid, e->calls != NULL);
    if (e->follow || seen->mapping.pid == e->pid)
        e->batched += perf_mapping_events(seen, &e->kinds, told, &e->batch[e->batched]);
}

/* What is lost may have been mappings: those of a program that is just beginning are not all. */
static void take(struct engine *e, const struct perf_seen *seen)
{
    struct event call;
    switch (seen->what) {
    case PERF_IS_EVENT:
        e->faults_read += seen->event.type == EVENT_FAULT;
        if (seen->event.type == EVENT_FAULT)
            add_fault(e, seen);
        else
            add(e, &seen->event);
        break;
    case PERF_IS_MAPPING:
        add_mapping(e, seen);
        break;
    case PERF_IS_ENTER:
    case PERF_IS_LEAVE:
        if (e->calls && perf_calls_fold(e->calls, seen, &call))
            add(e, &call);
        break;
    case PERF_IS_LOST:
        e->lost_told += seen->lost;
        e->execs.count = 0;
        break;
    }
}

/* The ring with the oldest record, if that is not younger than limit; *until: what it holds up to
 * this time goes before the other rings. */
static struct perf_ring *oldest(const struct engine *e, uint64_t limit, uint64_t *until)
{
    struct perf_ring *found = NULL;
    *until = limit;
    for (size_t i = 0; i < e->events.ring_count; i++) {
        struct perf_ring *r = &e->events.rings[i];
        if (!r->has_next || r->next.t_ns > limit)
            continue;
        if (!found || r->next.t_ns < found->next.t_ns) {
            if (found && found->next.t_ns < *until)
                *until = found->next.t_ns;
            found = r;
        } else if (r->next.t_ns < *until) {
            *until = r->next.t_ns;
        }
    }
    return found;
}

static int merge(struct engine *e, uint64_t limit, engine_sink *sink, void *ctx)
{
    struct perf_ring *r;
    uint64_t until;
    int rc = 0;
    for (size_t i = 0; i < e->events.ring_count; i++)
        perf_ring_refresh(&e->events.rings[i], &e->events.layout);
    while (!rc && (r = oldest(e, limit, &until)))
        do {
            take(e, &r->next);
            perf_ring_advance(r, &e->events.layout);
            if (e->batched + PERF_RECORD_EVENTS > BATCH)
                rc = deliver(e, sink, ctx);
        } while (!rc && r->has_next && r->next.t_ns <= until);
    return rc ? rc : deliver(e, sink, ctx);
}

static bool is_waiting(const struct engine *e)
{
    for (size_t i = 0; i < e->events.ring_count; i++)
        if (e->events.rings[i].has_next)
            return true;
    return false;
}

/* What was lost: by the kernel's count of records that found no room; by the records that tell of
 * it, which come late or never; and at the end by the faults counted and not seen. */
static void count_losses(struct engine *e)
{
    uint64_t began = io_now_ns(), made, lost, damaged = 0;
    perf_events_count(&e->events, &made, &lost);
    for (size_t i = 0; i < e->events.ring_count; i++)
        damaged += e->events.rings[i].damaged;
    if (lost < e->lost_told)
        lost = e->lost_told;
    if (e->ended && made > e->faults_read && made - e->faults_read > lost)
        lost = made - e->faults_read;
    if (lost + damaged > e->stats.lost)
        e->stats.lost = lost + damaged;
    uint64_t now = io_now_ns(), cost = now - began;
    e->count_next_ns = now + (cost * 100 > count_ms * ms ? cost * 100 : count_ms * ms);
}

static int perf_drain(struct engine *e, engine_sink *sink, void *ctx)
{
    uint64_t expired;
    while (read(e->timer, &expired, sizeof expired) > 0)
        continue;
    if (e->settled)
        return 0;
    uint64_t now = io_now_ns();
    e->ended = all_ended(e);
    int rc = merge(e, e->ended ? UINT64_MAX : now - settle_ms * ms, sink, ctx);
    if (rc)
        return rc;
    if (e->ended || now >= e->count_next_ns || e->lost_told > e->stats.lost)
        count_losses(e);
    e->settled = e->ended;
    if (!e->settled)
        set_timer(e, is_waiting(e) ? settle_ms + 1 : tick_ms);
    return 0;
}

/* What was asked for or can be had, and what came of it. */
static const char *blind_here(const struct perf_wish *got)
{
    if (got->calls)
        return got->kernel ? "whether a fault read or wrote"
                           : "whether a fault read or wrote, faults in kernel mode";
    return got->kernel ? "whether a fault read or wrote, mm calls"
                       : "whether a fault read or wrote, mm calls, faults in kernel mode";
}

static void perf_stats(const struct engine *e, struct engine_stats *out)
{
    *out = e->stats;
    out->blind = blind_here(&e->events.wish);
    out->no_calls = !e->calls;
    out->callers = e->events.wish.callers;
}

static bool perf_permitted(pid_t pid)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                   .size = sizeof attr,
                                   .config = PERF_COUNT_SW_PAGE_FAULTS,
                                   .sample_period = 1,
                                   .sample_type = PERF_SAMPLE_ADDR,
                                   .exclude_kernel = true,
                                   .disabled = true};
    int fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

const struct engine_ops engine_perf = {
    .name = "perf",
    .blind = "whether a fault read or wrote",
    .settle_ns = (SETTLE_MS + 1) * UINT64_C(1000000),
    .open = perf_open,
    .permitted = perf_permitted,
    .close = perf_close,
    .fd = perf_fd,
    .drain = perf_drain,
    .stats = perf_stats,
};
