/* Regions and their tables. */
#include "model/region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[REGION_KIND_N] = {
    [REGION_ANON] = "anon",     [REGION_HEAP] = "heap",       [REGION_STACK] = "stack",
    [REGION_FILE] = "file",     [REGION_SHMEM] = "shmem",     [REGION_HUGETLB] = "hugetlb",
    [REGION_VDSO] = "vdso",     [REGION_VVAR] = "vvar",       [REGION_VSYSCALL] = "vsyscall",
    [REGION_DEVICE] = "device",
};

const char *region_last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    bool path = *name == '/' && slash[1] && strncmp(name, "/dev/", 5) != 0;
    return path ? slash + 1 : name;
}

const char *region_kind_name(enum region_kind kind)
{
    return (unsigned)kind < REGION_KIND_N ? kind_names[kind] : "unknown";
}

/* The two-letter codes of show_smap_vma_flags, in no order that matters to the kernel; the index
 * is our bit number. */
static const struct {
    char code[3];
    const char *meaning;
} vmflags[] = {
    {"rd", "may be read"},
    {"wr", "may be written"},
    {"ex", "may be executed"},
    {"sh", "shared"},
    {"mr", "mprotect may allow reading"},
    {"mw", "mprotect may allow writing"},
    {"me", "mprotect may allow execution"},
    {"ms", "may be shared"},
    {"gd", "grows down, as a stack does"},
    {"pf", "raw page frames without pages behind them"},
    {"lo", "locked in memory"},
    {"lf", "pages are locked as they are touched"},
    {"io", "device memory"},
    {"sr", "advised: sequential reads"},
    {"rr", "advised: random reads"},
    {"dc", "not copied by fork"},
    {"de", "may not grow by mremap"},
    {"ac", "accounted against the commit limit"},
    {"nr", "no swap space is reserved"},
    {"ht", "huge pages of the hugetlb pool"},
    {"sf", "synchronous page faults (MAP_SYNC)"},
    {"ar", "architecture's own flag"},
    {"wf", "wiped in the child at fork"},
    {"dd", "left out of core dumps"},
    {"sd", "soft-dirty"},
    {"mm", "mixed: raw frames and pages"},
    {"hg", "huge pages advised (MADV_HUGEPAGE)"},
    {"nh", "huge pages refused (MADV_NOHUGEPAGE)"},
    {"mg", "KSM may merge its pages"},
    {"um", "userfaultfd: missing pages"},
    {"uw", "userfaultfd: write protection"},
    {"ui", "userfaultfd: minor faults"},
    {"ss", "shadow stack"},
    {"sl", "sealed by mseal"},
    {"dp", "pages may be dropped under pressure"},
    {"gu", "holds guard markers"},
    {"bt", "arm64 branch target identification"},
    {"mt", "arm64 memory tagging"},
};

enum { VMFLAG_N = sizeof vmflags / sizeof *vmflags };

const char *region_vmflag_name(unsigned i)
{
    return i < VMFLAG_N ? vmflags[i].code : NULL;
}

const char *region_vmflag_meaning(unsigned i)
{
    return i < VMFLAG_N ? vmflags[i].meaning : NULL;
}

int region_vmflag_bit(const char code[2])
{
    for (int i = 0; i < (int)VMFLAG_N; i++)
        if (vmflags[i].code[0] == code[0] && vmflags[i].code[1] == code[1])
            return i;
    return -1;
}

void region_perms_text(uint8_t perms, char out[5])
{
    out[0] = perms & REGION_R ? 'r' : '-';
    out[1] = perms & REGION_W ? 'w' : '-';
    out[2] = perms & REGION_X ? 'x' : '-';
    out[3] = perms & REGION_SHARED ? 's' : 'p';
    out[4] = '\0';
}

struct region_table *region_table_create(void)
{
    struct region_table *t = calloc(1, sizeof *t);
    if (t)
        t->refs = 1;
    return t;
}

struct region_table *region_table_ref(struct region_table *t)
{
    __atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void region_table_unref(struct region_table *t)
{
    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
        return;
    free(t->v);
    free(t->smaps);
    free(t->names);
    free(t);
}

static bool same_region(const struct region *a, const struct region *b)
{
    return a->start == b->start && a->end == b->end && a->perms == b->perms &&
           a->inode == b->inode && a->offset == b->offset;
}

int region_table_take_flags(struct region_table *t, const struct region_table *from)
{
    t->smaps = calloc(t->count + 1, sizeof *t->smaps);
    if (!t->smaps)
        return -ENOMEM;
    for (size_t i = 0, j = 0; i < t->count; i++) {
        struct region *r = &t->v[i];
        while (j < from->count && from->v[j].start < r->start)
            j++;
        if (j == from->count || !same_region(r, &from->v[j]) || !from->v[j].smaps)
            continue;
        t->smaps[i] = (struct region_smaps){.vmflags = from->v[j].smaps->vmflags,
                                            .flags_only = true};
        r->smaps = &t->smaps[i];
    }
    return 0;
}

size_t region_table_find(const struct region_table *t, uint64_t address)
{
    size_t lo = 0, hi = t->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->v[mid].end <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct region *region_table_at(const struct region_table *t, uint64_t address)
{
    size_t i = region_table_find(t, address);
    return i < t->count && t->v[i].start <= address ? &t->v[i] : NULL;
}
