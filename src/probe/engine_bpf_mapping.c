/* Mappings as the BPF program reports them (wire.h), turned into events. */
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>

#include "model/region.h"
#include "probe/engine_bpf_parts.h"
#include "probe/mapping_events.h"

/* VM_* of include/linux/mm.h by their code in smaps (fs/proc/task_mmu.c); the numbers are those of
 * 64-bit machines, and as old as the codes. */
static const struct {
    uint8_t bit;
    char code[3];
} vm_flags[] = {
    {0, "rd"},  {1, "wr"},  {2, "ex"},  {3, "sh"},  {4, "mr"},  {5, "mw"},  {6, "me"},
    {7, "ms"},  {8, "gd"},  {9, "um"},  {10, "pf"}, {12, "uw"}, {13, "lo"}, {14, "io"},
    {15, "sr"}, {16, "rr"}, {17, "dc"}, {18, "de"}, {19, "lf"}, {20, "ac"}, {21, "nr"},
    {22, "ht"}, {23, "sf"}, {24, "ar"}, {25, "wf"}, {26, "dd"}, {28, "mm"}, {29, "hg"},
    {30, "nh"}, {31, "mg"},
};

static uint64_t vmflags_of(uint64_t flags)
{
    uint64_t out = 0;
    for (size_t i = 0; i < sizeof vm_flags / sizeof *vm_flags; i++)
        if (flags >> vm_flags[i].bit & 1)
            out |= (uint64_t)1 << region_vmflag_bit(vm_flags[i].code);
    return out;
}

static uint8_t perms_of(uint64_t flags)
{
    enum { MAYSHARE = 0x80 }; /* what maps calls shared */
    return (uint8_t)((flags & 1 ? REGION_R : 0) | (flags & 2 ? REGION_W : 0) |
                     (flags & 4 ? REGION_X : 0) | (flags & MAYSHARE ? REGION_SHARED : 0));
}

/* --- its name --- */

struct name {
    char text[WIRE_NAME + 64 + 16];
    size_t len;
};

static void name_of_parts(struct name *name, const char *parts, size_t bytes)
{
    size_t end = bytes;
    while (end) {
        size_t start = end - 1;
        while (start && parts[start - 1])
            start--;
        name->text[name->len++] = '/';
        memcpy(name->text + name->len, parts + start, end - 1 - start);
        name->len += end - 1 - start;
        end = start;
    }
}

static void name_add(struct name *name, const char *text)
{
    memcpy(name->text + name->len, text, strlen(text));
    name->len += strlen(text);
}

static const struct {
    const char *name;
    uint8_t kind;
} special[] = {
    [WIRE_PLAIN] = {"", REGION_ANON},        [WIRE_STACK] = {"[stack]", REGION_STACK},
    [WIRE_HEAP] = {"[heap]", REGION_HEAP},   [WIRE_VDSO] = {"[vdso]", REGION_VDSO},
    [WIRE_VVAR] = {"[vvar]", REGION_VVAR},
};

static uint8_t kind_of_file(uint64_t magic, uint64_t mode, const struct name *name)
{
    if (magic == HUGETLBFS_MAGIC)
        return REGION_HUGETLB;
    if (magic == TMPFS_MAGIC && S_ISREG(mode))
        return REGION_SHMEM;
    if (name->len == 9 && !memcmp(name->text, "/dev/zero", 9))
        return REGION_ANON;
    return S_ISREG(mode) ? REGION_FILE : REGION_DEVICE;
}

uint32_t engine_bpf_read_mapping(const struct engine *engine, const struct wire *w,
                                 struct event *events, size_t *n)
{
    const struct wire_args *place = (const void *)engine_bpf_slot(engine, engine->tail + 1),
                           *of = (const void *)engine_bpf_slot(engine, engine->tail + 2);
    struct event *first = &events[*n], e = *first;
    e.mapping.told = MAPPED_ALL;
    if (w->flags & WIRE_LAST) {
        events[(*n)++] = e;
        return 1;
    }
    char parts[WIRE_NAME_SLOTS * 32];
    size_t bytes = of->v[3] & (WIRE_DELETED - 1), slots = (bytes + 31) / 32;
    struct name name = {.len = 0};
    bytes = bytes < sizeof parts ? bytes : sizeof parts;
    for (size_t i = 0; i < slots && i < WIRE_NAME_SLOTS; i++) {
        const struct wire_name *part =
            (const void *)engine_bpf_slot(engine, engine->tail + WIRE_MAPPING_SLOTS + i);
        memcpy(parts + i * 32, part->text, 32);
    }
    name_of_parts(&name, parts, bytes);
    bool file = of->v[1] != 0;
    e.mapping.kind = file ? kind_of_file(of->v[1], of->v[2], &name) : special[w->detail].kind;
    if (!file)
        name_add(&name, special[w->detail].name);
    else if (of->v[3] & WIRE_DELETED && name.len)
        name_add(&name, " (deleted)");
    e.mapping.start = w->a;
    e.mapping.end = w->b;
    e.mapping.told = w->flags & WIRE_AT_EXEC ? MAPPED_AT_EXEC : MAPPED_BY_CALL;
    e.mapping.vmflags = vmflags_of(place->v[0]);
    e.mapping.flags_told = true;
    e.mapping.perms = perms_of(place->v[0]);
    e.mapping.offset = file ? place->v[1] : 0;
    e.mapping.inode = place->v[2];
    e.mapping.dev_major = (uint32_t)(place->v[3] >> 20);
    e.mapping.dev_minor = (uint32_t)(place->v[3] & 0xfffff);
    e.mapping.size = S_ISREG(of->v[2]) ? of->v[0] : UINT64_MAX;
    *n += mapping_events(&e, name.text, name.len, first);
    return WIRE_MAPPING_SLOTS + (uint32_t)slots;
}
