/* Fork: the child gets the page tables of mappings with anonymous pages (the kernel's
 * vma_needs_copy), and nothing of others; anonymous pages become shared in both. Each fork has a
 * number, which the pages that it made shared carry: who else uses one is who holds a page of that
 * number at the same place. */
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "model/spaces_parts.h"

/* What the child's page table holds of a mapping. */
enum copy { COPY_NONE, COPY_ALL, COPY_PERHAPS };

struct fork {
    struct spaces *s;
    struct space *parent;
    uint32_t number;
    enum copy copy;
    struct run_list *child; /* s->runs */
    struct run_list shared; /* the parent's pages that become shared */
};

/* The page of both after the fork; false: it stays as it is in the parent. */
static bool share(struct page *p, uint32_t number)
{
    if (p->state == PAGE_ANON) {
        p->state = PAGE_COW;
        p->attrs &= (uint16_t) ~(PAGE_A_EXCLUSIVE | PAGE_A_WRITABLE | PAGE_A_COUNT);
        p->mapcount = number;
        return true;
    }
    if (p->attrs & PAGE_A_COUNT && p->state == PAGE_COW) {
        p->attrs &= (uint16_t)~PAGE_A_COUNT;
        p->mapcount = 0;
        return true;
    }
    return false;
}

static int fork_run(void *ctx, const struct page_run *run)
{
    struct fork *f = ctx;
    struct page_run now = *run;
    if (share(&now.first, f->number)) {
        int rc = run_list_add(&f->shared, &now);
        return rc ? rc : run_list_add(f->child, &now);
    }
    switch (now.first.state) {
    case PAGE_ABSENT:
        return 0;
    case PAGE_PRESENT:
        if (f->copy == COPY_ALL)
            break;
        now.first = page_of(PAGE_UNKNOWN, 0);
        now.first.mapcount = NOTE_ABSENT;
        break;
    case PAGE_FILE:
    case PAGE_SHMEM:
    case PAGE_ZERO:
    case PAGE_HUGE_ZERO:
    case PAGE_HUGETLB:
        if (f->copy == COPY_NONE)
            return 0;
        if (f->copy == COPY_PERHAPS) {
            bool file = now.first.state == PAGE_FILE || now.first.state == PAGE_SHMEM;
            now.first = page_of(PAGE_UNKNOWN, 0);
            now.first.mapcount = file ? NOTE_ABSENT : 0;
        }
        now.first.attrs &= (uint16_t)~PAGE_A_COUNT;
        break;
    default:
        break;
    }
    return run_list_add(f->child, &now);
}

/* A mapping has its page table copied if an anonymous page was ever made in it. */
static enum copy copies(const struct fork *f, const struct vma *vma)
{
    struct tally t = {{0}};
    pagetree_tally(f->parent->tree, page_number(f->s, vma->r.start),
                   (vma->r.end - vma->r.start) >> f->s->g.page_shift, &t);
    if (vma->marks & VMA_WROTE || t.n[PAGE_ANON] || t.n[PAGE_COW] || t.n[PAGE_KSM] ||
        t.n[PAGE_SWAP])
        return COPY_ALL;
    return vma->marks & VMA_NEW ? COPY_NONE : COPY_PERHAPS;
}

static int fork_vma(struct fork *f, const struct vma *vma)
{
    if (vma->r.perms & REGION_SHARED || vma->vmflags & (vmflag("wf") | vmflag("dc")))
        return 0;
    f->copy = copies(f, vma);
    return pagetree_walk(f->parent->tree, page_number(f->s, vma->r.start),
                         (vma->r.end - vma->r.start) >> f->s->g.page_shift, fork_run, f);
}

/* The child's list of mappings: no locks, and without those that refuse to be inherited. */
static int inherit_vmas(struct space *child, struct space *parent)
{
    const uint64_t lock = vmflag("lo") | vmflag("lf"), refused = vmflag("dc");
    bool plain = true;
    child->vmas = vmas_ref(parent->vmas);
    for (struct vma_pos p = {0, 0}; vmas_at(child->vmas, p); p = vmas_next(child->vmas, p))
        plain &= !(vmas_at(child->vmas, p)->vmflags & (lock | refused));
    if (plain)
        return 0;
    int rc = vmas_own(&child->vmas);
    for (uint64_t at = 0; !rc;) {
        struct vma *vma = vmas_at(child->vmas, vmas_seek(child->vmas, at));
        if (!vma)
            break;
        vma->vmflags &= ~lock;
        at = vma->r.end;
        if (vma->vmflags & refused)
            rc = vmas_cut(child->vmas, vma->r.start, vma->r.end);
    }
    return rc;
}

/* What the fork makes of the pages of all mappings: lists for parent and child. */
static int fork_vmas(struct fork *f)
{
    int rc = 0;
    f->child->count = 0;
    for (struct vma_pos p = {0, 0}; !rc && vmas_at(f->parent->vmas, p);
         p = vmas_next(f->parent->vmas, p))
        rc = fork_vma(f, vmas_at(f->parent->vmas, p));
    return rc;
}

static int put_shared(struct fork *f)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < f->shared.count; i++)
        rc = pagetree_put(&f->parent->tree, f->shared.v[i].page, f->shared.v[i].n,
                          &f->shared.v[i].first);
    return rc;
}

static int fork_pages(struct fork *f, struct space *child)
{
    uint64_t all = (uint64_t)1 << (PAGETREE_FANOUT_BITS * f->s->g.levels);
    struct pagetree *tree;
    int rc = fork_vmas(f);
    if (!rc)
        rc = pagetree_replace(child->tree, 0, all, f->child->v, f->child->count, &tree);
    if (rc)
        return rc;
    pagetree_unref(child->tree);
    child->tree = tree;
    return put_shared(f);
}

int space_fork(struct spaces *s, struct space *parent, pid_t pid)
{
    struct space *child = spaces_get(s, pid);
    int rc = child ? space_reset(s, child) : -ENOMEM;
    if (!rc)
        rc = space_edit(parent);
    if (rc)
        return rc;
    region_table_unref(child->table);
    child->table = region_table_ref(parent->table);
    struct fork f = {.s = s, .parent = parent, .number = ++s->forks, .child = &s->runs};
    rc = inherit_vmas(child, parent);
    if (!rc)
        rc = fork_pages(&f, child);
    free(f.shared.v);
    child->complete = parent->complete;
    child->lost = parent->lost || rc;
    child->heard = false;
    child->brk = parent->brk;
    child->has_stack_limit = parent->has_stack_limit;
    child->stack_limit = parent->stack_limit;
    child->uffd = parent->uffd; /* it is inherited if its owner wished so (UFFD_FEATURE_EVENT_FORK) */
    child->began_ns = s->now_ns;
    parent->last_fork = s->forks;
    parent->last_child = pid;
    return rc;
}

int space_fork_again(struct spaces *s, struct space *parent, pid_t child, uint32_t number)
{
    struct fork f = {.s = s, .parent = parent, .number = number, .child = &s->runs};
    int rc = space_edit(parent);
    if (!rc)
        rc = fork_vmas(&f);
    if (!rc)
        rc = put_shared(&f);
    free(f.shared.v);
    parent->last_fork = number;
    parent->last_child = child;
    return rc;
}

struct unfork {
    uint32_t number;
    unsigned attrs;
};

static bool unshare(void *ctx, struct page *p)
{
    const struct unfork *u = ctx;
    if (p->state != PAGE_COW || p->attrs & PAGE_A_COUNT || p->mapcount != u->number)
        return false;
    p->state = PAGE_ANON;
    p->attrs |= (uint16_t)u->attrs;
    p->mapcount = 0;
    return true;
}

int space_unfork(struct spaces *s, struct space *sp, bool shared)
{
    struct unfork u = {sp->last_fork, PAGE_A_EXCLUSIVE | (shared ? PAGE_A_WRITABLE : 0)};
    unsigned bits = PAGETREE_FANOUT_BITS * s->g.levels + s->g.page_shift;
    uint64_t all = bits < 64 ? (uint64_t)1 << bits : ~(uint64_t)0;
    sp->last_fork = 0;
    return pages_change(s, sp, 0, all, unshare, &u);
}
