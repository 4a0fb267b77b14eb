/* Mappings from PERF_RECORD_MMAP2. The kernel writes one whenever a mapping has become what it tells:
 * by mmap, brk, mprotect or growing, after merging, and for each mapping of a new program. It tells
 * of no munmap and no mremap. So where calls are followed, a record only says what file the call
 * behind it mapped; where they are not, it is all that is known. */
#include <string.h>
#include <sys/mman.h>

#include "model/region.h"
#include "probe/engine_perf.h"
#include "probe/mapping_events.h"
#include "probe/maps.h"

/* What perf calls a mapping without a name: "//anon", or "//toolong" if it has one after all. */
static size_t name_of(const struct perf_seen *seen, const char **name)
{
    size_t len = seen->mapping.name_len < PERF_NAME_MAX ? seen->mapping.name_len : PERF_NAME_MAX;
    *name = seen->mapping.name;
    return len >= 2 && !memcmp(*name, "//", 2) ? 0 : len;
}

static uint64_t vmflags_of(const struct perf_seen *seen, enum region_kind kind)
{
    static const struct {
        uint32_t prot;
        char code[3];
    } rows[] = {{PROT_READ, "rd"}, {PROT_WRITE, "wr"}, {PROT_EXEC, "ex"}};
    uint64_t out = 0;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (seen->mapping.prot & rows[i].prot)
            out |= UINT64_C(1) << region_vmflag_bit(rows[i].code);
    if (kind == REGION_STACK)
        out |= UINT64_C(1) << region_vmflag_bit("gd");
    if (kind == REGION_VVAR)
        out |= UINT64_C(1) << region_vmflag_bit("pf");
    if (seen->mapping.flags & MAP_LOCKED)
        out |= UINT64_C(1) << region_vmflag_bit("lo");
    return out;
}

size_t perf_mapping_events(const struct perf_seen *seen, const struct mount_kinds *kinds,
                           enum mapping_told told, struct event *out)
{
    char text[PERF_NAME_MAX + 1];
    const char *name;
    size_t len = name_of(seen, &name);
    uint32_t prot = seen->mapping.prot;
    bool shared = seen->mapping.flags & MAP_SHARED;
    memcpy(text, name, len);
    text[len] = '\0';
    const struct region r = {.name = text, .inode = seen->mapping.inode,
                             .dev_major = seen->mapping.dev_major,
                             .dev_minor = seen->mapping.dev_minor};
    struct event e = {.t_ns = seen->t_ns, .pid = seen->mapping.pid, .tid = seen->mapping.tid,
                      .type = EVENT_MAPPING};
    e.mapping.start = seen->mapping.start;
    e.mapping.end = seen->mapping.start + seen->mapping.bytes;
    e.mapping.kind = (uint8_t)maps_kind(&r, kinds);
    e.mapping.offset = r.inode ? seen->mapping.offset : 0;
    e.mapping.inode = r.inode;
    e.mapping.dev_major = r.dev_major;
    e.mapping.dev_minor = r.dev_minor;
    e.mapping.size = UINT64_MAX;
    e.mapping.perms = (uint8_t)((prot & PROT_READ ? REGION_R : 0) |
                                (prot & PROT_WRITE ? REGION_W : 0) |
                                (prot & PROT_EXEC ? REGION_X : 0) | (shared ? REGION_SHARED : 0));
    e.mapping.vmflags = vmflags_of(seen, (enum region_kind)e.mapping.kind);
    e.mapping.told = (uint8_t)told;
    return mapping_events(&e, text, len, out);
}

/* --- new programs --- */

static unsigned find(const struct perf_execs *x, int32_t pid)
{
    unsigned i = 0;
    while (i < x->count && x->pid[i] != pid)
        i++;
    return i;
}

/* A program has begun once it runs, or execve has returned; its mappings are told before that. */
bool perf_execs_event(struct perf_execs *x, const struct event *e, struct event *all)
{
    if (!x->count && e->type != EVENT_EXEC)
        return false;
    unsigned i = find(x, e->pid);
    bool ends = e->type == EVENT_EXIT && e->tid == e->pid;
    bool runs = e->type == EVENT_CALL || (e->type == EVENT_FAULT && e->fault.mode == MODE_USER);
    if (e->type == EVENT_EXEC && i == x->count && x->count < PERF_EXECS_MAX)
        x->pid[x->count++] = e->pid;
    if (i == x->count || !(runs || ends))
        return false;
    x->pid[i] = x->pid[--x->count];
    *all = (struct event){.t_ns = e->t_ns, .pid = e->pid, .tid = e->tid, .type = EVENT_MAPPING};
    all->mapping.told = MAPPED_ALL;
    return runs;
}

enum mapping_told perf_execs_mapping(const struct perf_execs *x, int32_t pid, bool calls)
{
    if (find(x, pid) < x->count)
        return MAPPED_AT_EXEC;
    return calls ? MAPPED_BY_CALL : MAPPED_SEEN;
}
