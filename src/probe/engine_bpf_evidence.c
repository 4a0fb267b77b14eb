/* Evidence: samples with kernel call chains, taken by the same BPF object into the same ring, so
 * that they stand between the fault that they belong to and the next event of its thread. What is
 * done outside of faults the kernel's side leaves out, by the address of the function through
 * which every fault goes; on request it also tells what calls bring in. Samples are the first to be dropped when the ring fills; then the faults
 * that may have lost some are marked by EVENT_GAP. */
#include <errno.h>
#include <string.h>

#include "probe/arch_x86_64.h"
#include "probe/engine_bpf_parts.h"

/* Through it pages are brought in for calls: populate, mlock, process_vm_readv, /proc/PID/mem. */
#define CALL_ENTRY "__get_user_pages"

bool engine_bpf_takes_samples(const char *program)
{
    static const char *const programs[] = {"on_rss", "on_page", "on_signal"};
    for (unsigned i = 0; i < sizeof programs / sizeof *programs; i++)
        if (!strcmp(program, programs[i]))
            return true;
    return false;
}

int engine_bpf_evidence_open(struct engine *engine, bool calls_too, struct err *e)
{
    struct ksyms *names;
    int rc = ksyms_read(NULL, &names, e);
    if (rc)
        return rc;
    if (!ksyms_range(names, ARCH_FAULT_ENTRY, &engine->fault_entry[0], &engine->fault_entry[1]))
        rc = err_set(e, -ENOSYS, "this kernel has no function " ARCH_FAULT_ENTRY);
    else if (calls_too &&
             !ksyms_range(names, CALL_ENTRY, &engine->call_entry[0], &engine->call_entry[1]))
        rc = err_set(e, -ENOSYS, "this kernel has no function " CALL_ENTRY);
    else if (!(engine->chains = chains_create(names)))
        rc = err_set(e, -ENOMEM, "out of memory");
    if (rc)
        ksyms_destroy(names);
    return rc;
}

static uint64_t misses_of(const struct engine *engine, int fd)
{
    struct bpf_prog_info info = {0};
    uint32_t size = sizeof info;
    return engine->lib->bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.recursion_misses;
}

uint64_t engine_bpf_missed(const struct engine *engine, bool samples)
{
    uint64_t sum = 0 - engine->missed_before[samples];
    for (size_t i = 0; i < engine->links_n; i++)
        if (engine->takes_samples[i] == samples)
            sum += misses_of(engine, engine->program_fds[i]);
    return sum;
}

uint64_t engine_bpf_samples_lost(const struct engine *engine)
{
    uint64_t sum = engine->unreadable + engine_bpf_missed(engine, true);
    for (size_t i = 0; i < WIRE_CPUS; i++)
        sum += __atomic_load_n(&engine->state->cpu[i].lost[EVENT_SAMPLE], __ATOMIC_RELAXED);
    return sum;
}

/* Whether samples may be missing among what has just been read: some were dropped since the last
 * look, or faults were, whose samples would then be taken for those of the fault before. */
bool engine_bpf_gap(struct engine *engine)
{
    if (!engine->chains)
        return false;
    uint64_t lost = engine_bpf_samples_lost(engine) + engine_bpf_events_lost(engine) +
                    engine_bpf_heat_count(engine);
    bool more = lost != engine->lost_before;
    engine->lost_before = lost;
    return more;
}

/* The slots that the sample filled. */
uint32_t engine_bpf_read_sample(struct engine *engine, struct event *e, const struct wire *w)
{
    uint64_t ip[WIRE_FRAMES];
    unsigned frames = w->flags < WIRE_FRAMES ? w->flags : WIRE_FRAMES;
    for (unsigned i = 0; i < frames; i++) {
        const struct wire_frames *f =
            (const void *)engine_bpf_slot(engine, engine->tail + 1 + i / 4);
        ip[i] = f->ip[i % 4];
    }
    e->sample.kind = w->detail & (WIRE_FOR_CALL - 1);
    e->sample.for_call = w->detail & WIRE_FOR_CALL;
    e->sample.stack = chains_number(engine->chains, ip, frames);
    engine->unreadable += !e->sample.stack;
    engine->stats.samples++;
    return 1 + (frames + 3) / 4;
}

const char *engine_bpf_stack(const struct engine *engine, uint32_t number)
{
    bool known = engine->chains && number && number <= chains_count(engine->chains);
    return known ? chains_text(engine->chains, number) : NULL;
}
