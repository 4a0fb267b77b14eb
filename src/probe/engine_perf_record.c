/* Records of perf events, as perf_event_open(2) lays them out. A sample of a fault is
 *
 *   header 8 | [id 8] | ip 8 | pid 4 tid 4 | time 8 | addr 8 | [n 8 | n times 8] | [abi 8 | user ip 8]
 *
 * where n counts the call chain, if it is asked for, and abi and user ip belong to faults in kernel mode,
 * and every other record ends with the same facts about its writer (sample_id_all):
 *
 *   header 8 | ... | pid 4 tid 4 | time 8 | [id 8]
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "probe/engine_perf.h"
#include "probe/engine_perf_arch.h"

/* A reader of fields; after an overrun everything reads as 0 and `cut` is set. */
struct fields {
    const char *at, *end;
    bool cut;
};

static void take(struct fields *f, void *out, size_t size)
{
    if ((size_t)(f->end - f->at) < size) {
        memset(out, 0, size);
        f->cut = true;
        f->at = f->end;
        return;
    }
    memcpy(out, f->at, size);
    f->at += size;
}

static uint32_t take32(struct fields *f)
{
    uint32_t v;
    take(f, &v, sizeof v);
    return v;
}

static uint64_t take64(struct fields *f)
{
    uint64_t v;
    take(f, &v, sizeof v);
    return v;
}

static void take_ids(struct fields *f, int32_t *pid, int32_t *tid)
{
    *pid = (int32_t)take32(f);
    *tid = (int32_t)take32(f);
}

static int kind_of(const struct perf_layout *layout, uint64_t id)
{
    size_t lo = 0, hi = layout->id_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (layout->ids[mid].id == id)
            return layout->ids[mid].kind;
        if (layout->ids[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

static enum fault_mode mode_of(uint16_t misc)
{
    switch (misc & PERF_RECORD_MISC_CPUMODE_MASK) {
    case PERF_RECORD_MISC_USER:
        return MODE_USER;
    case PERF_RECORD_MISC_KERNEL:
        return MODE_KERNEL;
    default:
        return MODE_UNKNOWN;
    }
}

/* The chain begins with a mark that what follows is of user mode (or several such marks), and with
 * the instruction itself. The kernel takes what is in the register of frame pointers for one, whatever
 * it holds: at what cannot be an address of code the chain ends. */
static void read_callers(struct fields *f, struct perf_seen *out)
{
    const uint64_t marks = (uint64_t)PERF_CONTEXT_MAX, least = 4096, most = UINT64_C(1) << 47;
    struct event *e = &out->event;
    uint64_t n = take64(f), left = (uint64_t)(f->end - f->at) / 8, ip;
    bool begun = false;
    if (n > left) {
        f->cut = true;
        return;
    }
    struct fields chain = {f->at, f->at + n * 8, false};
    f->at += n * 8;
    while (chain.at < chain.end && !begun)
        begun = take64(&chain) < marks;
    e->fault.callers = begun ? CALLERS_TOLD : CALLERS_NONE;
    out->callers = chain.at;
    while (chain.at < chain.end && e->fault.callers_n < CALLERS_MAX) {
        ip = take64(&chain);
        if (ip < least || ip >= most)
            break;
        e->fault.callers_n++;
    }
}

static void read_fault(const struct perf_layout *layout, uint16_t misc, struct fields *f,
                       struct perf_seen *out)
{
    struct event *e = &out->event;
    *e = (struct event){.type = EVENT_FAULT};
    e->fault.ip = take64(f);
    take_ids(f, &e->pid, &e->tid);
    e->t_ns = out->t_ns = take64(f);
    e->fault.address = take64(f);
    e->fault.access = ACCESS_UNKNOWN;
    e->fault.protection = NOT_KNOWN;
    e->fault.mode = (uint8_t)mode_of(misc);
    e->fault.in_exec = e->fault.mode == MODE_USER ? KNOWN_NO : NOT_KNOWN;
    if (layout->callers)
        read_callers(f, out);
    if (e->fault.mode == MODE_KERNEL) {
        bool told = layout->user_ip && take64(f) != PERF_SAMPLE_REGS_ABI_NONE;
        e->fault.ip = told ? take64(f) : 0;
    }
    out->what = PERF_IS_EVENT;
}

/* The raw data of a tracepoint, behind the 8 bytes that all have in common. */
static struct fields take_raw(struct fields *f)
{
    uint32_t size = take32(f);
    if (size > (size_t)(f->end - f->at)) {
        f->cut = true;
        return (struct fields){f->end, f->end, true};
    }
    struct fields raw = {f->at, f->at + size, false};
    f->at += size;
    take64(&raw);
    return raw;
}

/* The raw data of exceptions:page_fault_user and _kernel: address, ip and error_code.
 * Where the architecture is not known, the code tells nothing. */
static void read_traced(const struct perf_layout *layout, int kind, struct fields *f,
                        struct perf_seen *out)
{
    struct event *e = &out->event;
    *e = (struct event){.type = EVENT_FAULT};
    take_ids(f, &e->pid, &e->tid);
    e->t_ns = out->t_ns = take64(f);
    struct fields raw = take_raw(f);
    e->fault.address = take64(&raw);
    e->fault.ip = take64(&raw);
    uint32_t error = (uint32_t)take64(&raw);
    e->fault.access = (uint8_t)arch_fault_access(error);
    e->fault.protection = (uint8_t)arch_fault_protection(error);
    e->fault.mode = kind == PERF_TRACE_USER ? MODE_USER : MODE_KERNEL;
    if (kind == PERF_TRACE_KERNEL) {
        bool told = layout->user_ip && take64(f) != PERF_SAMPLE_REGS_ABI_NONE;
        e->fault.ip = told ? take64(f) : 0;
    }
    f->cut |= raw.cut;
    out->what = PERF_IS_EVENT;
}

/* The raw data of raw_syscalls:sys_enter and sys_exit: the number, then the arguments or the
 * result. */
static void read_call(int kind, struct fields *f, struct perf_seen *out)
{
    take_ids(f, &out->call.pid, &out->call.tid);
    out->t_ns = take64(f);
    struct fields raw = take_raw(f);
    out->call.number = (int64_t)take64(&raw);
    if (kind == PERF_ENTER)
        for (unsigned i = 0; i < CALL_ARGS; i++)
            out->call.args[i] = take64(&raw);
    else
        out->call.result = (int64_t)take64(&raw);
    out->call.compat = take64(f) == PERF_SAMPLE_REGS_ABI_32;
    f->cut |= raw.cut;
    out->what = kind == PERF_ENTER ? PERF_IS_ENTER : PERF_IS_LEAVE;
}

static void read_sample(const struct perf_layout *layout, uint16_t misc, struct fields *f,
                        struct perf_seen *out)
{
    int kind = layout->ids ? kind_of(layout, take64(f)) : PERF_FAULT;
    if (kind == PERF_FAULT || kind == PERF_KERNEL_FAULT)
        read_fault(layout, misc, f, out);
    else if (kind == PERF_TRACE_USER || kind == PERF_TRACE_KERNEL)
        read_traced(layout, kind, f, out);
    else if (kind >= 0)
        read_call(kind, f, out);
}

static void read_task(struct fields *f, bool born, struct perf_seen *out)
{
    struct event *e = &out->event;
    int32_t pid, parent, tid, parent_tid;
    take_ids(f, &pid, &parent);
    take_ids(f, &tid, &parent_tid);
    *e = (struct event){.t_ns = out->t_ns, .pid = born ? parent : pid,
                        .tid = born ? parent_tid : tid, .type = born ? EVENT_FORK : EVENT_EXIT};
    if (born) {
        e->fork.child_pid = pid;
        e->fork.child_tid = tid;
    }
    out->what = PERF_IS_EVENT;
}

static void read_exec(struct fields *f, struct perf_seen *out)
{
    struct event *e = &out->event;
    *e = (struct event){.t_ns = out->t_ns, .type = EVENT_EXEC};
    take_ids(f, &e->pid, &e->tid);
    e->exec.told = true;
    size_t len = strnlen(f->at, (size_t)(f->end - f->at));
    if (len >= sizeof e->exec.comm)
        len = sizeof e->exec.comm - 1;
    memcpy(e->exec.comm, f->at, len);
    out->what = PERF_IS_EVENT;
}

static void read_mapping(uint16_t misc, struct fields *f, struct perf_seen *out)
{
    take_ids(f, &out->mapping.pid, &out->mapping.tid);
    out->mapping.start = take64(f);
    out->mapping.bytes = take64(f);
    out->mapping.offset = take64(f);
    out->mapping.dev_major = take32(f);
    out->mapping.dev_minor = take32(f);
    out->mapping.inode = take64(f);
    take64(f); /* generation of the inode */
    out->mapping.prot = take32(f);
    out->mapping.flags = take32(f);
    out->mapping.name = f->at;
    out->mapping.name_len = (uint32_t)strnlen(f->at, (size_t)(f->end - f->at));
    bool sensible = out->mapping.start + out->mapping.bytes > out->mapping.start;
    if (sensible && !(misc & PERF_RECORD_MISC_MMAP_BUILD_ID))
        out->what = PERF_IS_MAPPING;
}

/* Cuts off what all records but samples end with: who wrote it and when. */
static bool cut_trailer(const struct perf_layout *layout, struct fields *f, struct perf_seen *out)
{
    size_t size = layout->ids ? 24 : 16;
    if ((size_t)(f->end - f->at) < size)
        return false;
    f->end -= size;
    memcpy(&out->t_ns, f->end + 8, sizeof out->t_ns);
    return true;
}

static void read_other(const struct perf_layout *layout, const struct perf_event_header *h,
                       struct fields *f, struct perf_seen *out)
{
    if (!cut_trailer(layout, f, out))
        return;
    switch (h->type) {
    case PERF_RECORD_FORK:
        read_task(f, true, out);
        break;
    case PERF_RECORD_EXIT:
        read_task(f, false, out);
        break;
    case PERF_RECORD_COMM:
        if (h->misc & PERF_RECORD_MISC_COMM_EXEC)
            read_exec(f, out);
        break;
    case PERF_RECORD_MMAP2:
        read_mapping(h->misc, f, out);
        break;
    case PERF_RECORD_LOST:
        take64(f); /* the id of the event */
        out->lost = take64(f);
        out->what = PERF_IS_LOST;
        break;
    }
}

int perf_record_parse(const struct perf_layout *layout, const char *bytes, size_t len,
                      struct perf_seen *out)
{
    struct perf_event_header h;
    if (len < sizeof h)
        return -EINVAL;
    memcpy(&h, bytes, sizeof h);
    if (h.size < sizeof h || h.size > len || h.size % 8)
        return -EINVAL;
    struct fields f = {bytes + sizeof h, bytes + h.size, false};
    *out = (struct perf_seen){.what = PERF_IS_OTHER};
    if (h.type == PERF_RECORD_SAMPLE)
        read_sample(layout, h.misc, &f, out);
    else
        read_other(layout, &h, &f, out);
    if (f.cut)
        out->what = PERF_IS_OTHER;
    return h.size;
}

void perf_attr_fill(const struct perf_wish *wish, enum perf_kind kind, struct perf_event_attr *out)
{
    bool fault = kind == PERF_FAULT || kind == PERF_KERNEL_FAULT;
    *out = (struct perf_event_attr){
        .type = fault ? PERF_TYPE_SOFTWARE : PERF_TYPE_TRACEPOINT,
        .size = sizeof *out,
        .config = fault ? PERF_COUNT_SW_PAGE_FAULTS : wish->tracepoint[kind],
        .sample_period = 1,
        .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
        .read_format = PERF_FORMAT_LOST,
        .inherit = 1,
        .inherit_thread = !wish->follow && wish->threads_only,
        .exclude_user = kind == PERF_KERNEL_FAULT,
        .exclude_kernel = kind == PERF_FAULT,
        .exclude_hv = 1,
        .task = kind == PERF_FAULT,
        .comm = kind == PERF_FAULT,
        .comm_exec = kind == PERF_FAULT,
        .mmap = kind == PERF_FAULT,
        .mmap_data = kind == PERF_FAULT,
        .mmap2 = kind == PERF_FAULT,
        .watermark = 1,
        .sample_id_all = 1,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC,
    };
    out->sample_type |= fault ? PERF_SAMPLE_IP | PERF_SAMPLE_ADDR
                              : PERF_SAMPLE_RAW;
    if (fault && wish->callers) {
        out->sample_type |= PERF_SAMPLE_CALLCHAIN;
        out->exclude_callchain_kernel = 1;
    }
    if (wish->calls)
        out->sample_type |= PERF_SAMPLE_IDENTIFIER;
    if (kind != PERF_FAULT && PERF_ARCH_IP_MASK != 0) {
        out->sample_type |= PERF_SAMPLE_REGS_USER;
        out->sample_regs_user = PERF_ARCH_IP_MASK;
    }
}
