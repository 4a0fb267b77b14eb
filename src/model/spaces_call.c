/* What the mm system calls do to an address space. A call that failed has mostly done nothing;
 * where it may have done a part, what it could have touched becomes unknown. */
#include <errno.h>
#include <sys/mman.h>

#include "model/spaces_parts.h"

/* A call with its arguments, and the sizes that they are rounded to. */
struct call {
    struct spaces *s;
    struct space *sp;
    const uint64_t *args;
    int64_t result;
    uint64_t page;
    int32_t tid;
};

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

int space_each_vma(struct spaces *s, struct space *sp, uint64_t start, uint64_t end, vma_fn *each,
                   const void *ctx)
{
    int rc = 0;
    struct vma_pos pos = vmas_seek(sp->vmas, start);
    for (struct vma *vma; !rc && (vma = vmas_at(sp->vmas, pos)) && vma->r.start < end;
         pos = vmas_next(sp->vmas, pos))
        rc = each(s, sp, vma, vma->r.start > start ? vma->r.start : start,
                  vma->r.end < end ? vma->r.end : end, ctx);
    return rc;
}

/* Boundaries at both ends of a range, for editing the mappings between them. */
static int isolate(struct space *sp, uint64_t start, uint64_t end)
{
    int rc = space_edit(sp);
    if (!rc)
        rc = vmas_split(sp->vmas, start);
    return rc ? rc : vmas_split(sp->vmas, end);
}

struct flag_change {
    uint64_t set, clear;
};

static int change_flags(struct spaces *s, struct space *sp, struct vma *vma, uint64_t start,
                        uint64_t end, const void *ctx)
{
    (void)s, (void)sp, (void)start, (void)end;
    const struct flag_change *c = ctx;
    vma->vmflags = (vma->vmflags & ~c->clear) | c->set;
    vma->known |= c->set | c->clear;
    return 0;
}

int space_set_flags(struct spaces *s, struct space *sp, uint64_t start, uint64_t end, uint64_t set,
                    uint64_t clear)
{
    struct flag_change c = {set, clear};
    int rc = isolate(sp, start, end);
    if (!rc)
        rc = space_each_vma(s, sp, start, end, change_flags, &c);
    if (!rc)
        vmas_merge(sp->vmas, start, end);
    return rc;
}

static int populate(struct spaces *s, struct space *sp, struct vma *vma, uint64_t start,
                    uint64_t end, const void *ctx)
{
    (void)ctx;
    return pages_populate(s, sp, vma, start, end, true);
}

static int unmap(struct call *c, uint64_t start, uint64_t end)
{
    int rc = space_edit(c->sp);
    if (!rc)
        rc = vmas_cut(c->sp->vmas, start, end);
    return rc ? rc : pages_drop(c->s, c->sp, start, end);
}

/* A new mapping in place of what was there. */
static int map(struct call *c, const struct vma *vma, bool fill)
{
    int rc = unmap(c, vma->r.start, vma->r.end);
    if (!rc)
        rc = vmas_add(c->sp->vmas, vma);
    if (!rc && fill)
        rc = pages_populate(c->s, c->sp, vma, vma->r.start, vma->r.end, true);
    if (!rc)
        vmas_merge(c->sp->vmas, vma->r.start, vma->r.end);
    return rc;
}

static uint8_t perms_of(uint64_t prot)
{
    return (uint8_t)((prot & PROT_READ ? REGION_R : 0) | (prot & PROT_WRITE ? REGION_W : 0) |
                     (prot & PROT_EXEC ? REGION_X : 0));
}

/* The flags of a new mapping that matter here. */
static uint64_t flags_of_map(const struct space *sp, uint64_t flags)
{
    uint64_t set = 0;
    if (flags & MAP_GROWSDOWN)
        set |= vmflag("gd");
    if (flags & MAP_LOCKED || sp->lock_future)
        set |= vmflag("lo");
    if (sp->lock_on_fault)
        set |= vmflag("lf");
    if (flags & MAP_STACK)
        set |= vmflag("nh");
    return set;
}

static void describe_map(const struct call *c, struct vma *vma)
{
    uint64_t flags = c->args[3], type = flags & MAP_TYPE;
    bool shared = type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
    struct region *r = &vma->r;
    r->perms = (uint8_t)(perms_of(c->args[2]) | (shared ? REGION_SHARED : 0));
    r->name = "";
    vma->vmflags = flags_of_map(c->sp, flags);
    vma->known = ~(uint64_t)0;
    vma->marks = VMA_NEW;
    if (!(flags & MAP_ANONYMOUS)) {
        r->kind = flags & MAP_HUGETLB ? REGION_HUGETLB : REGION_FILE;
        r->offset = c->args[5];
        vma->marks |= VMA_BACKING;
    } else if (flags & MAP_HUGETLB) {
        r->kind = REGION_HUGETLB;
        r->name = "/anon_hugepage (deleted)";
    } else if (shared) {
        r->kind = REGION_SHMEM;
        r->name = "/dev/zero (deleted)";
    }
}

static int call_mmap(struct call *c)
{
    uint64_t flags = c->args[3];
    struct vma vma = {.r = {.start = (uint64_t)c->result}};
    describe_map(c, &vma);
    if (!space_take_told(c->s, c->tid, &vma))
        space_take_hint(c->s, c->sp, &vma);
    uint64_t unit = vma.r.kind == REGION_HUGETLB ? huge_size(c->s) : c->page;
    vma.r.end = vma.r.start + round_up(c->args[1], unit);
    bool asked = flags & MAP_POPULATE && !(flags & MAP_NONBLOCK);
    bool locked = vma.vmflags & vmflag("lo") && !(vma.vmflags & vmflag("lf"));
    return map(c, &vma, asked || locked);
}

static int call_munmap(struct call *c)
{
    return unmap(c, c->args[0], c->args[0] + round_up(c->args[1], c->page));
}

/* Where the heap ends now, 0 if that is not known. */
static uint64_t heap_end(struct space *sp)
{
    struct vma_pos pos = {0, 0};
    const struct vma *vma;
    while (!sp->brk && (vma = vmas_at(sp->vmas, pos))) {
        if (vma->r.kind == REGION_HEAP)
            sp->brk = vma->r.start;
        pos = vmas_next(sp->vmas, pos);
    }
    uint64_t end = sp->brk;
    for (pos = vmas_seek(sp->vmas, end);
         (vma = vmas_at(sp->vmas, pos)) && vma->r.kind == REGION_HEAP && vma->r.start <= end;
         pos = vmas_next(sp->vmas, pos))
        end = vma->r.end;
    return end;
}

static int call_brk(struct call *c)
{
    struct space *sp = c->sp;
    int rc = space_edit(sp);
    if (rc)
        return rc;
    uint64_t was = heap_end(sp), now = round_up((uint64_t)c->result, c->page);
    if (!sp->brk || now < sp->brk)
        sp->brk = now;
    if (!was || was == now)
        return 0;
    if (now < was)
        return unmap(c, now, was);
    struct vma heap = {.r = {.start = was, .end = now, .perms = REGION_R | REGION_W,
                             .kind = REGION_HEAP, .name = "[heap]"},
                       .vmflags = flags_of_map(sp, 0), .known = ~(uint64_t)0, .marks = VMA_NEW};
    return map(c, &heap, sp->lock_future && !sp->lock_on_fault);
}

static int protect(struct spaces *s, struct space *sp, struct vma *vma, uint64_t start,
                   uint64_t end, const void *ctx)
{
    (void)s, (void)sp, (void)start, (void)end;
    vma->r.perms = (uint8_t)((vma->r.perms & REGION_SHARED) | *(const uint8_t *)ctx);
    return 0;
}

/* The end of the mappings that follow each other without a hole from start on: as far as mprotect
 * comes when it fails with ENOMEM. */
static uint64_t first_hole(const struct space *sp, uint64_t start, uint64_t end)
{
    uint64_t at = start;
    struct vma_pos pos = vmas_seek(sp->vmas, start);
    for (const struct vma *vma; (vma = vmas_at(sp->vmas, pos)) && vma->r.start <= at && at < end;
         pos = vmas_next(sp->vmas, pos))
        at = vma->r.end;
    return at < end ? at : end;
}

static int call_mprotect(struct call *c)
{
    struct space *sp = c->sp;
    uint64_t start = c->args[0], end = start + round_up(c->args[1], c->page);
    uint8_t perms = perms_of(c->args[2]);
    int rc = space_edit(sp);
    if (rc)
        return rc;
    if (c->args[2] & PROT_GROWSDOWN) {
        const struct vma *vma = vmas_at(sp->vmas, vmas_seek(sp->vmas, start));
        start = vma && vma->r.start < start ? vma->r.start : start;
    }
    if (c->result == -ENOMEM)
        end = first_hole(sp, start, end);
    else if (c->result)
        return 0;
    if (start >= end)
        return 0;
    rc = isolate(sp, start, end);
    if (!rc)
        rc = space_each_vma(c->s, sp, start, end, protect, &perms);
    if (!rc)
        rc = pages_split_huge(c->s, sp, start);
    if (!rc)
        rc = pages_split_huge(c->s, sp, end);
    if (!rc)
        vmas_merge(sp->vmas, start, end);
    return rc;
}

/* --- mremap --- */

/* Moves the pages of [from, from + size) to `to`; an entry for a huge page survives only where both
 * places are aligned alike. */
static int move_pages(struct call *c, uint64_t from, uint64_t size, uint64_t to)
{
    struct spaces *s = c->s;
    int rc = pages_split_huge(s, c->sp, from);
    if (!rc)
        rc = pages_split_huge(s, c->sp, from + size);
    if (!rc)
        rc = pages_runs(s, c->sp, from, from + size);
    if (!rc)
        rc = pages_put(s, c->sp, from, from + size, &page_absent);
    bool alike = (from ^ to) % huge_size(s) == 0;
    uint64_t first = page_number(s, from), there = page_number(s, to);
    for (size_t i = 0; !rc && i < s->runs.count; i++) {
        struct page_run *run = &s->runs.v[i];
        if (!alike)
            run->first.attrs &= (uint16_t)~PAGE_A_PMD;
        rc = pagetree_put(&c->sp->tree, there + (run->page - first), run->n, &run->first);
    }
    return rc;
}

/* The mapping itself: one vma, found at the old place, is put at the new one. */
static int move_vma(struct call *c, uint64_t from, uint64_t old_size, uint64_t to, uint64_t size)
{
    enum { DONT_UNMAP = 4 }; /* MREMAP_DONTUNMAP */
    struct space *sp = c->sp;
    const struct vma *found = vmas_at(sp->vmas, vmas_seek(sp->vmas, from));
    if (!found || found->r.start > from) {
        sp->complete = false;
        return unmap(c, to, to + size);
    }
    struct vma vma = *found;
    if (vma.r.kind != REGION_ANON && vma.r.kind != REGION_HEAP)
        vma.r.offset += from - vma.r.start;
    vma.r.start = to;
    vma.r.end = to + size;
    int rc = map(c, &vma, false);
    if (!rc && old_size)
        rc = move_pages(c, from, old_size < size ? old_size : size, to);
    if (rc || !old_size)
        return rc;
    return c->args[3] & DONT_UNMAP ? 0 : unmap(c, from, from + old_size);
}

static int call_mremap(struct call *c)
{
    struct space *sp = c->sp;
    uint64_t from = c->args[0], to = (uint64_t)c->result;
    uint64_t old_size = round_up(c->args[1], c->page), size = round_up(c->args[2], c->page);
    int rc = space_edit(sp);
    if (rc || (from == to && old_size == size))
        return rc;
    if (from != to || !old_size) {
        rc = move_vma(c, from, old_size, to, size);
    } else if (size < old_size) {
        return unmap(c, from + size, from + old_size);
    } else {
        const struct vma *found = vmas_at(sp->vmas, vmas_seek(sp->vmas, from));
        if (!found || found->r.start > from)
            return 0;
        struct vma more = *found;
        if (more.r.kind != REGION_ANON && more.r.kind != REGION_HEAP)
            more.r.offset += from + old_size - more.r.start;
        more.r.start = from + old_size;
        more.r.end = from + size;
        rc = map(c, &more, false);
    }
    const struct vma *vma = vmas_at(sp->vmas, vmas_seek(sp->vmas, to));
    if (!rc && vma && vma->vmflags & vmflag("lo") && !(vma->vmflags & vmflag("lf")))
        rc = pages_populate(c->s, sp, vma, to, to + size, true);
    return rc;
}

/* --- locks and the rest --- */

static int lock(struct call *c, uint64_t start, uint64_t end, bool on_fault)
{
    uint64_t set = vmflag("lo") | (on_fault ? vmflag("lf") : 0);
    int rc = space_set_flags(c->s, c->sp, start, end, set, on_fault ? 0 : vmflag("lf"));
    if (rc || on_fault)
        return rc;
    if (c->result)
        return pages_forget(c->s, c->sp, start, end);
    return space_each_vma(c->s, c->sp, start, end, populate, NULL);
}

static int call_mlock(struct call *c, bool on_fault)
{
    if (c->result && c->result != -ENOMEM)
        return 0;
    uint64_t start = c->args[0] & ~(c->page - 1);
    return lock(c, start, round_up(c->args[0] + c->args[1], c->page), on_fault);
}

static int call_mlockall(struct call *c)
{
    c->sp->lock_future = c->args[0] & MCL_FUTURE;
    c->sp->lock_on_fault = c->args[0] & MCL_FUTURE && c->args[0] & MCL_ONFAULT;
    if (!(c->args[0] & MCL_CURRENT))
        return 0;
    return lock(c, 0, (uint64_t)1 << 63, c->args[0] & MCL_ONFAULT);
}

static int unlock(struct call *c, uint64_t start, uint64_t end)
{
    return space_set_flags(c->s, c->sp, start, end, 0, vmflag("lo") | vmflag("lf"));
}

static int call_munlockall(struct call *c)
{
    c->sp->lock_future = c->sp->lock_on_fault = false;
    return unlock(c, 0, (uint64_t)1 << 63);
}

/* Emulated by the kernel: the range becomes a mapping of another part of the file, populated. */
static int call_remap_file_pages(struct call *c)
{
    uint64_t start = c->args[0] & ~(c->page - 1);
    uint64_t end = start + (c->args[1] & ~(c->page - 1));
    int rc = space_edit(c->sp);
    const struct vma *found = rc ? NULL : vmas_at(c->sp->vmas, vmas_seek(c->sp->vmas, start));
    if (!found || found->r.start > start || start >= end)
        return rc;
    struct vma vma = *found;
    vma.r.start = start;
    vma.r.end = end;
    vma.r.offset = c->args[3] * c->page;
    return map(c, &vma, true);
}

static int call_shmdt(struct call *c)
{
    int rc = space_edit(c->sp);
    const struct vma *vma = rc ? NULL : vmas_at(c->sp->vmas, vmas_seek(c->sp->vmas, c->args[0]));
    if (!vma || vma->r.start != c->args[0])
        return rc;
    return unmap(c, vma->r.start, vma->r.end);
}

/* A call whose arguments were not seen, or do not tell: from now on there may be mappings, or have
 * been pages, that nobody told of. */
static int call_unknown(struct call *c)
{
    c->sp->complete = false;
    return pages_forget(c->s, c->sp, 0, c->page << (c->s->g.levels * PAGETREE_FANOUT_BITS));
}

static int call_process_madvise(struct call *c)
{
    enum { COLD = 20, PAGEOUT = 21, WILLNEED = 3 };
    if (c->args[3] == COLD || c->args[3] == PAGEOUT || c->args[3] == WILLNEED)
        return 0; /* hints, for any process: what they do shows at the next sample */
    bool complete = c->sp->complete;
    int rc = call_unknown(c);
    c->sp->complete = complete;
    return rc;
}

static int call_done(struct call *c, enum mm_call call)
{
    switch (call) {
    case CALL_MMAP:
        return call_mmap(c);
    case CALL_MUNMAP:
        return call_munmap(c);
    case CALL_BRK:
        return call_brk(c);
    case CALL_MREMAP:
        return call_mremap(c);
    case CALL_PROCESS_MADVISE:
        return call_process_madvise(c);
    case CALL_MLOCKALL:
        return call_mlockall(c);
    case CALL_MUNLOCK:
        return unlock(c, c->args[0] & ~(c->page - 1),
                      round_up(c->args[0] + c->args[1], c->page));
    case CALL_MUNLOCKALL:
        return call_munlockall(c);
    case CALL_REMAP_FILE_PAGES:
        return call_remap_file_pages(c);
    case CALL_SHMAT:
        c->sp->complete = false; /* its size is not among the arguments */
        return 0;
    case CALL_SHMDT:
        return call_shmdt(c);
    default:
        return 0;
    }
}

static bool changes_nothing(enum mm_call call)
{
    return call == CALL_MSYNC || call == CALL_MSEAL || call > CALL_PKEY_MPROTECT;
}

int space_call(struct spaces *s, struct space *sp, const struct event *e)
{
    struct call c = {s, sp, e->call.args, e->call.result, (uint64_t)1 << s->g.page_shift,
                     e->tid};
    if (changes_nothing(e->call.call))
        return 0;
    if (!e->call.has_args)
        return c.result < 0 ? 0 : call_unknown(&c);
    switch (e->call.call) { /* these do something when they fail, too */
    case CALL_MPROTECT:
    case CALL_PKEY_MPROTECT:
        return call_mprotect(&c);
    case CALL_MADVISE:
        return space_advise(s, sp, c.args[0], c.args[0] + round_up(c.args[1], c.page), c.args[2],
                            c.result);
    case CALL_MLOCK:
        return call_mlock(&c, false);
    case CALL_MLOCK2:
        return call_mlock(&c, c.args[2] & MLOCK_ONFAULT);
    default:
        return c.result < 0 ? 0 : call_done(&c, e->call.call);
    }
}
