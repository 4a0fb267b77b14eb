/* A fault: what is known of its place is put before the decision tree, and what the kernel then
 * does to the pages is written down. */
#include <string.h>

#include "model/spaces_parts.h"

/* The mapping at the place of a fault, or the next one above; a copy, with flags for the decision
 * tree, which reads them from smaps. */
struct place {
    enum { PLACE_NONE, PLACE_INSIDE, PLACE_BELOW } is;
    struct vma v; /* but for PLACE_NONE */
};

/* --- the place --- */

static void find_place(struct spaces *s, const struct space *sp, uint64_t address, struct place *p)
{
    p->is = PLACE_NONE;
    if (sp->vmas) {
        const struct vma *v = vmas_at(sp->vmas, vmas_seek(sp->vmas, address));
        if (!v)
            return;
        p->v = *v;
    } else {
        size_t i = region_table_find(sp->table, address);
        if (i == sp->table->count)
            return;
        p->v = (struct vma){.r = sp->table->v[i]};
        space_flags_of(sp->prior, &sp->table->v[i], &p->v);
    }
    p->is = p->v.r.start <= address ? PLACE_INSIDE : PLACE_BELOW;
    s->smaps.vmflags = p->v.vmflags;
    s->smaps.flags_only = true;
    p->v.r.smaps = p->v.known == ~(uint64_t)0 ? &s->smaps : NULL;
}

/* --- the page before --- */

enum users { USERS_NONE, USERS_LEAVING, USERS_UNHEARD, USERS_SOME };

/* The page is one that this fork has shared, and not copied there since. */
static bool holds(const struct pagetree *tree, uint64_t page, uint32_t number)
{
    struct page p = pagetree_get(tree, page);
    return p.state == PAGE_COW && p.mapcount == number && !(p.attrs & PAGE_A_COUNT);
}

/* Who else uses a page that a fork has shared: processes that hold a page of the same fork there.
 * UNHEARD: one that has never been heard of; LEAVING: only some that are just ending. */
static enum users other_users(const struct spaces *s, const struct space *sp, uint64_t page,
                              uint32_t number)
{
    const uint64_t leaving_ns = 100000000;
    for (unsigned i = 0; i < SPACE_BUCKETS; i++)
        for (const struct space *o = s->bucket[i]; o; o = o->next)
            if (o != sp && holds(o->tree, page, number))
                return o->heard ? USERS_SOME : USERS_UNHEARD;
    for (unsigned i = 0; i < SPACES_ENDED; i++)
        if (s->ended[i].tree && s->now_ns < s->ended[i].t_ns + leaving_ns &&
            holds(s->ended[i].tree, page, number))
            return USERS_LEAVING;
    return USERS_NONE;
}

/* Another process has begun to copy the page so lately that it may still hold it. */
static bool being_copied(const struct spaces *s, uint64_t page)
{
    const uint64_t copying_ns = 1000000;
    for (unsigned i = 0; i < SPACES_COPIED; i++)
        if (s->copied[i].page == page && s->now_ns < s->copied[i].t_ns + copying_ns)
            return true;
    return false;
}

static void note_copy(struct spaces *s, const struct fault_entry *f)
{
    if (f->verdict.path == PATH_WP && f->before.state == PAGE_COW)
        s->copied[s->next_copied++ % SPACES_COPIED] =
            (struct copied){page_number(s, f->event.fault.address), f->event.t_ns};
}

/* A page that was just made is held by a batch of its processor, on the way to the LRU lists. Only
 * there that is seen and undone when the page is written; on another one it looks used, and is copied
 * (wp_can_reuse_anon_folio; seen with stress-ng --fork). */
static bool in_batch_elsewhere(const struct spaces *s, uint64_t page, uint16_t cpu)
{
    for (unsigned i = 0; i < s->batches; i++)
        for (unsigned k = 0; k < BATCH_PAGES; k++) {
            const struct made *m = &s->batch[i].made[k];
            if (m->page == page && (!cpu || m->cpu != cpu))
                return true;
        }
    return false;
}

static const char doubt_batch[] =
    "the page may not be on the LRU lists yet, and then looks used by another processor";

static void note_made(struct spaces *s, const struct fault_entry *f)
{
    const struct path_verdict *v = &f->verdict;
    bool made = v->path == PATH_COW_FAULT || v->path == PATH_SWAP ||
                (v->path == PATH_ANONYMOUS && f->event.fault.access != ACCESS_READ) ||
                (v->path == PATH_WP && !(v->sure && v->how == HOW_REUSE));
    unsigned i = f->event.fault.cpu % SPACES_BATCHES;
    struct batch *b = &s->batch[i];
    if (!made)
        return;
    b->made[b->next++ % BATCH_PAGES] =
        (struct made){page_number(s, f->event.fault.address), f->event.fault.cpu};
    if (s->batches <= i)
        s->batches = i + 1;
}

/* A page shared by a fork, which is written: *doubt is set to what remains open. */
static struct page shared_before(const struct spaces *s, const struct space *sp, uint64_t number,
                                 struct page page, uint16_t cpu, const char **doubt)
{
    if (page.attrs & PAGE_A_COUNT && s->exact)
        return page;
    if (page.attrs & PAGE_A_COUNT || !page.mapcount) {
        *doubt = "who else still uses the page is not known";
        return page;
    }
    enum users users = other_users(s, sp, number, page.mapcount);
    if (users == USERS_LEAVING)
        *doubt = "a process that shared the page has just ended, and may still give it up";
    else if (users == USERS_UNHEARD)
        *doubt = "whether the child still uses the page is not known";
    else if (users == USERS_NONE && being_copied(s, number))
        *doubt = "another process is just copying the page, and may still hold it";
    else if (users == USERS_NONE && in_batch_elsewhere(s, number, cpu))
        *doubt = doubt_batch;
    if (users == USERS_NONE || users == USERS_LEAVING)
        return page_of(PAGE_ANON, PAGE_A_EXCLUSIVE | (page.attrs & PAGE_A_PMD));
    return page;
}

/* What is known of the page, with what the processor found taken into account; *doubt is set to
 * what remains open. */
static struct page page_before(const struct spaces *s, const struct space *sp,
                               const struct place *p, const struct event *e, const char **doubt)
{
    uint64_t number = page_number(s, e->fault.address);
    struct page page = pagetree_get(sp->tree, number);
    bool write = e->fault.access == ACCESS_WRITE;
    if (page.state == PAGE_UNKNOWN && page.mapcount && p->is == PLACE_INSIDE) {
        bool swap = page.mapcount == NOTE_SWAP;
        if (e->fault.protection == KNOWN_NO)
            page = swap ? page_of(PAGE_SWAP, 0) : page_absent;
        else if (e->fault.protection == KNOWN_YES)
            page = swap ? page_of(PAGE_PRESENT, 0) : page_of_backing(&p->v.r, p->v.marks);
    } else if (page.state == PAGE_COW && write && p->is == PLACE_INSIDE) {
        page = shared_before(s, sp, number, page, e->fault.cpu, doubt);
    } else if (page.state == PAGE_ANON && write && p->is == PLACE_INSIDE &&
               e->fault.protection == KNOWN_YES && p->v.vmflags & vmflag("mg")) {
        *doubt = "KSM may have merged the page, or not";
        page = page_of(PAGE_KSM, 0);
    } else if (page.state == PAGE_ANON && write && !(page.attrs & PAGE_A_WRITABLE) &&
               in_batch_elsewhere(s, number, e->fault.cpu)) {
        *doubt = doubt_batch;
    }
    if (page.state == PAGE_PRESENT && p->is == PLACE_INSIDE && p->v.marks & VMA_BACKING)
        page = page_of(PAGE_FILE, 0); /* whatever kind of file it is: the way is the same */
    return page;
}

static int not_empty(void *ctx, const struct page_run *run)
{
    (void)ctx;
    return run->first.state != PAGE_ABSENT;
}

/* Whether a huge page may be put here. *doubt says what makes that uncertain. */
static bool huge_fits(const struct spaces *s, const struct space *sp, const struct place *p,
                      uint64_t address, const char **doubt)
{
    uint64_t size = huge_size(s), block = address & ~(size - 1);
    const struct region *r = &p->v.r;
    if (p->is != PLACE_INSIDE || r->kind == REGION_FILE)
        return false;
    if (block < r->start || block + size > r->end)
        return false;
    enum known_bool wanted = huge_wanted(s, p->v.vmflags, p->v.known);
    if (wanted == KNOWN_NO || pagetree_walk(sp->tree, page_number(s, block),
                                            size >> s->g.page_shift, not_empty, NULL))
        return false;
    bool fits = wanted == KNOWN_YES || s->thp_always;
    if (wanted == NOT_KNOWN)
        *doubt = "whether huge pages are wanted in this mapping was not read (VmFlags hg, nh)";
    else if (!(p->v.marks & VMA_NEW) || p->v.marks & VMA_MERGED)
        *doubt = "an empty page table may be there, and then a huge page does not fit";
    return fits;
}

/* --- the pages after --- */

/* The page that a fault maps, once the kernel has gone this way. */
static struct page page_after(const struct place *p, const struct event *e,
                              const struct fault_entry *f)
{
    const struct path_verdict *v = &f->verdict;
    unsigned own = PAGE_A_EXCLUSIVE | PAGE_A_WRITABLE | (f->before.attrs & PAGE_A_UFFD_WP);
    if (v->path == PATH_HUGETLB)
        return page_of(PAGE_HUGETLB, 0);
    if (p->v.r.perms & REGION_SHARED)
        return page_of_backing(&p->v.r, p->v.marks);
    if (e->fault.access == ACCESS_WRITE) /* whichever way: a private page of its own */
        return page_of(PAGE_ANON, own);
    if (!v->sure || e->fault.access == ACCESS_UNKNOWN)
        return page_of(PAGE_PRESENT, 0);
    switch (v->path) {
    case PATH_ANONYMOUS:
        return page_of(PAGE_ZERO, f->before.attrs & PAGE_A_UFFD_WP);
    case PATH_READ_FAULT:
        return page_of_backing(&p->v.r, p->v.marks);
    case PATH_ACCESS_FLAGS:
    case PATH_NUMA:
        return f->before;
    default:
        return page_of(PAGE_PRESENT, 0);
    }
}

/* A whole huge page; where that is unsure, one page of it, and nothing is known of the others. */
static int put_huge(struct spaces *s, struct space *sp, const struct fault_entry *f)
{
    const struct event *e = &f->event;
    uint64_t size = huge_size(s), block = e->fault.address & ~(size - 1);
    struct page p = page_of(PAGE_PRESENT, 0);
    if (!f->verdict.sure)
        return pages_forget_absent(s, sp, block, block + size, NOTE_ABSENT);
    if (e->fault.access == ACCESS_WRITE)
        p = page_of(PAGE_ANON, PAGE_A_EXCLUSIVE | PAGE_A_WRITABLE | PAGE_A_PMD);
    else if (e->fault.access != ACCESS_UNKNOWN)
        p = page_of(PAGE_HUGE_ZERO, PAGE_A_PMD);
    return pages_put(s, sp, block, block + size, &p);
}

/* Pages of the same file around it may have been mapped with it: those in memory within a window,
 * or all of a large folio, never beyond the page table. */
static int put_around(struct spaces *s, struct space *sp, const struct place *p, uint64_t address)
{
    uint64_t size = huge_size(s), block = address & ~(size - 1);
    uint64_t start = block > p->v.r.start ? block : p->v.r.start;
    uint64_t end = block + size < p->v.r.end ? block + size : p->v.r.end;
    return pages_forget_absent(s, sp, start, end, NOTE_ABSENT);
}

/* The stack reaches down to here now. */
static int grow_down(struct space *sp, struct place *p, uint64_t address)
{
    int rc = space_edit(sp);
    if (rc)
        return rc;
    struct vma *above = vmas_at(sp->vmas, vmas_seek(sp->vmas, address));
    if (above)
        above->r.start = address;
    p->v.r.start = address;
    p->is = PLACE_INSIDE;
    return 0;
}

static void mark_wrote(struct space *sp, const struct place *p, uint64_t address)
{
    if (p->v.marks & VMA_WROTE || !sp->vmas || vmas_own(&sp->vmas))
        return;
    struct vma *v = vmas_at(sp->vmas, vmas_seek(sp->vmas, address));
    if (v && v->r.start <= address)
        v->marks |= VMA_WROTE;
}

static int apply(struct spaces *s, struct space *sp, struct place *p, const struct fault_entry *f)
{
    const struct event *e = &f->event;
    uint64_t page_size = (uint64_t)1 << s->g.page_shift;
    uint64_t address = e->fault.address & ~(page_size - 1);
    int rc = 0;
    switch (f->verdict.path) {
    case PATH_BAD_AREA:
    case PATH_BAD_ACCESS:
    case PATH_SIGBUS:
        return 0;
    case PATH_UNKNOWN:
    case PATH_UFFD:
        return pages_forget(s, sp, address, address + page_size);
    case PATH_HUGE_ANONYMOUS:
    case PATH_HUGE_WP:
        rc = put_huge(s, sp, f);
        break;
    case PATH_READ_FAULT:
    case PATH_SHARED_FAULT:
        rc = put_around(s, sp, p, address);
        break;
    default:
        break;
    }
    if (!rc && f->verdict.also == PATH_EXPAND_STACK)
        rc = grow_down(sp, p, address);
    if (!rc && f->verdict.also == PATH_HUGE_WP)
        rc = pages_split_huge(s, sp, address + page_size / 2);
    if (rc || ((f->verdict.path == PATH_HUGE_ANONYMOUS || f->verdict.path == PATH_HUGE_WP) &&
               f->verdict.sure))
        return rc;
    struct page after = page_after(p, e, f);
    if (after.state == PAGE_ANON)
        mark_wrote(sp, p, address);
    return pages_put(s, sp, address, address + page_size, &after);
}

/* --- the fault --- */

static void nothing_known(struct path_verdict *v, const char *why)
{
    memset(v, 0, offsetof(struct path_verdict, step));
    v->step[v->steps++] = (struct path_step){"Is there a mapping?", "not known"};
    v->sure = true;
    path_doubt(v, why);
}

static void name_region(const struct place *p, struct fault_entry *out)
{
    out->region[0] = '\0';
    out->region_start = 0;
    if (p->is != PLACE_INSIDE)
        return;
    out->region_start = p->v.r.start;
    const char *name = region_last_part(p->v.r.name);
    size_t n = strnlen(name, sizeof out->region - 1);
    memcpy(out->region, name, n);
    out->region[n] = '\0';
}

/* Whether the mapping above may be made longer down to here, as the kernel's acct_stack_growth
 * decides: within the limit, and not nearer than 256 pages to a mapping that can be used. */
static bool has_room(const struct spaces *s, const struct space *sp, const struct region *above,
                     uint64_t address)
{
    enum { GUARD_PAGES = 256 };
    uint64_t page = (uint64_t)1 << s->g.page_shift, at = address & ~(page - 1);
    const struct region_table *t = spaces_regions(s, sp->pid);
    size_t i = t ? region_table_find(t, at) : 0;
    if (above->end - at > sp->stack_limit)
        return false;
    if (!i || !(t->v[i - 1].perms & (REGION_R | REGION_W | REGION_X)))
        return true;
    return at - t->v[i - 1].end >= GUARD_PAGES * page;
}

/* A userfaultfd is asked where no page is, where the file has one (minor), or where a page is
 * write-protected; not about accesses that are refused before. One that is known to be asked may
 * have been taken away. */
static bool uffd_may_stop(const struct fault_entry *f)
{
    uint8_t path = f->verdict.path;
    return path != PATH_BAD_AREA && path != PATH_BAD_ACCESS &&
           path != PATH_NUMA && path != PATH_ACCESS_FLAGS;
}

/* What the kernel itself said of the mapping at that moment, for the tree. */
static void take_asks(struct spaces *s, struct place *p, const struct event *e)
{
    const uint64_t missing = vmflag("um"), writes = vmflag("uw");
    if (!(e->fault.asks & ASKS_TOLD) || p->is != PLACE_INSIDE)
        return;
    p->v.vmflags &= ~(missing | writes);
    p->v.vmflags |= (e->fault.asks & ASKS_MISSING ? missing : 0) |
                    (e->fault.asks & ASKS_WRITES ? writes : 0);
    s->smaps.vmflags = p->v.vmflags;
}

/* An anonymous page that is missing is asked for; of others, what the handler has filled or
 * protected meanwhile is not known. */
static bool uffd_is_settled(const struct place *p, const struct fault_entry *f)
{
    const struct event *e = &f->event;
    bool asked = f->verdict.path == PATH_UFFD && p->v.r.kind != REGION_SHMEM;
    if (!(e->fault.asks & ASKS_TOLD) || !p->v.r.smaps)
        return false;
    if (!(e->fault.asks & (ASKS_MISSING | ASKS_WRITES | ASKS_MORE)))
        return true;
    return asked && e->fault.asks & ASKS_MISSING && e->fault.protection == KNOWN_NO &&
           e->fault.mode == MODE_USER;
}

static void predict(struct spaces *s, struct space *sp, struct place *p, struct fault_entry *out)
{
    const struct event *e = &out->event;
    const char *page_doubt = NULL, *huge_doubt = NULL, *size_doubt = NULL;
    take_asks(s, p, e);
    out->before = page_before(s, sp, p, e, &page_doubt);
    struct path_input in = {
        .region = p->is == PLACE_INSIDE ? &p->v.r : NULL,
        .above = p->is == PLACE_BELOW ? &p->v.r : NULL,
        .before = out->before,
        .fault = e,
        .beyond_eof = p->is == PLACE_INSIDE && spaces_beyond_file(s, &p->v.r, e, &size_doubt),
        .uffd_waits = sp->uffd_waits,
        .numa_balancing = s->numa_balancing,
    };
    if (in.above && e->fault.signal) {
        in.room_known = true;
        in.room = e->fault.signal != SIGNAL_MAPERR;
    } else if (in.above && s->exact && sp->has_stack_limit) {
        in.room_known = true;
        in.room = has_room(s, sp, in.above, e->fault.address);
    }
    if (out->before.state == PAGE_ABSENT)
        in.thp_possible = huge_fits(s, sp, p, e->fault.address, &huge_doubt);
    path_predict(&in, &out->verdict);
    uint8_t path = out->verdict.path;
    if (s->no_calls)
        path_doubt(&out->verdict, "mm calls are not seen: mapping and page may be others by now");
    if ((path == PATH_BAD_AREA || path == PATH_BAD_ACCESS) && e->fault.in_exec == NOT_KNOWN)
        path_doubt(&out->verdict, "execve may be writing into the new program already");
    if (path == PATH_WP && sp->forking_tid && sp->forking_tid != e->tid)
        path_doubt(&out->verdict, "another thread is forking: the child may have the page already");
    if (page_doubt && path == PATH_WP)
        path_doubt(&out->verdict, page_doubt);
    if (size_doubt && path != PATH_BAD_ACCESS)
        path_doubt(&out->verdict, size_doubt);
    if (sp->uffd && !s->exact && uffd_may_stop(out) && !uffd_is_settled(p, out))
        path_doubt(&out->verdict, "the process has a userfaultfd: whether it is asked here was not "
                                  "read since");
    if (huge_doubt && (path == PATH_ANONYMOUS || path == PATH_HUGE_ANONYMOUS))
        path_doubt(&out->verdict, huge_doubt);
    if (p->is == PLACE_INSIDE && p->v.marks & VMA_BACKING && path != PATH_BAD_ACCESS)
        path_doubt(&out->verdict, "what the mapped descriptor refers to was not looked up yet");
}

/* What the tree could not know, the fault's end has shown. */
static void settle_by_signal(const struct event *e, struct path_verdict *v)
{
    static const struct {
        uint8_t path;
        const char *sent;
    } ends[] = {[SIGNAL_BUS] = {PATH_SIGBUS, "SIGBUS"},
                [SIGNAL_MAPERR] = {PATH_BAD_AREA, "SIGSEGV, SEGV_MAPERR"},
                [SIGNAL_ACCERR] = {PATH_BAD_ACCESS, "SIGSEGV, SEGV_ACCERR"}};
    uint8_t signal = e->fault.signal;
    if (signal == SIGNAL_BUS && v->path == PATH_HUGETLB)
        path_settle(v, PATH_SIGBUS, "Has the pool a page for it?", "no: SIGBUS, BUS_ADRERR");
    else if (signal > SIGNAL_NONE && !v->sure)
        path_settle(v, ends[signal].path, "Which signal was sent?", ends[signal].sent);
}

int space_heat(struct spaces *s, struct space *sp, const struct event *e, struct fault_entry *out)
{
    const struct region_table *t = spaces_regions(s, sp->pid);
    const struct region *r = t ? region_table_at(t, e->heat.address) : NULL;
    struct place p = {.is = r ? PLACE_INSIDE : PLACE_NONE};
    uint64_t start = e->heat.address, end = start + (e->heat.pages << s->g.page_shift);
    if (r) {
        p.v.r = *r;
        end = r->end < end ? r->end : end;
    }
    out->program = sp->program;
    out->event.heat.pages = (end - start) >> s->g.page_shift;
    name_region(&p, out);
    return pages_forget(s, sp, start, end);
}

void space_fault(struct spaces *s, struct space *sp, const struct event *e,
                 struct fault_entry *out)
{
    struct place p;
    out->event = *e;
    out->before = page_of(PAGE_UNKNOWN, 0);
    out->program = sp ? sp->program : 0;
    if (!sp || sp->lost) {
        p.is = PLACE_NONE;
        name_region(&p, out);
        nothing_known(&out->verdict, "memory ran short; the next sample tells again");
        return;
    }
    if (e->fault.in_exec == KNOWN_YES && e->fault.access == ACCESS_WRITE) {
        p.is = PLACE_NONE;
        name_region(&p, out);
        nothing_known(&out->verdict, "execve writes into a program that has not begun yet");
        return;
    }
    find_place(s, sp, e->fault.address, &p);
    name_region(&p, out);
    if (p.is != PLACE_INSIDE && !sp->complete)
        nothing_known(&out->verdict, "the mappings of this process were not all read yet");
    else if (p.is != PLACE_INSIDE && s->no_calls)
        nothing_known(&out->verdict, "no mapping is known here, but mm calls are not seen");
    else
        predict(s, sp, &p, out);
    settle_by_signal(e, &out->verdict);
    note_copy(s, out);
    note_made(s, out);
    if (apply(s, sp, &p, out))
        sp->lost = true;
}
