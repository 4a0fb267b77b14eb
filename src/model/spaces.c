/* The lives of address spaces: begun, sampled, forked, emptied by exec, ended. What a fault or a
 * call does to one is in the other spaces_ files. */
#include "model/spaces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/spaces_parts.h"

struct spaces *spaces_create(const struct geometry *g, bool thp_always, bool thp_madvise)
{
    struct spaces *s = calloc(1, sizeof *s);
    if (!s || !(s->past = calloc(SPACES_PAST, sizeof *s->past))) {
        free(s);
        return NULL;
    }
    s->g = *g;
    s->thp_always = thp_always;
    s->thp_madvise = thp_madvise;
    return s;
}

static void space_release(struct space *sp)
{
    region_table_unref(sp->table);
    region_table_unref(sp->made);
    vmas_unref(sp->vmas);
    vmas_unref(sp->prior);
    pagetree_unref(sp->tree);
    space_forget_samples(sp);
}

void spaces_destroy(struct spaces *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < SPACE_BUCKETS; i++)
        for (struct space *sp = s->bucket[i], *next; sp; sp = next) {
            next = sp->next;
            space_release(sp);
            free(sp);
        }
    for (unsigned i = 0; i < SPACES_ENDED; i++)
        pagetree_unref(s->ended[i].tree);
    spaces_forget_past(s);
    spaces_forget_names(s);
    free(s->runs.v);
    free(s->files);
    free(s);
}

void spaces_set_numa(struct spaces *s, bool balancing)
{
    s->numa_balancing = balancing;
}

void spaces_set_no_calls(struct spaces *s, bool none)
{
    s->no_calls = none;
}

void spaces_set_exact(struct spaces *s)
{
    s->exact = true;
}

int spaces_uffd_waits(struct spaces *s, pid_t pid, bool waits)
{
    struct space *sp = spaces_get(s, pid);
    if (sp)
        sp->uffd_waits = waits;
    return sp ? 0 : -ENOMEM;
}

int spaces_uffd_made(struct spaces *s, pid_t pid)
{
    struct space *sp = spaces_get(s, pid);
    if (sp)
        sp->uffd = true;
    return sp ? 0 : -ENOMEM;
}

int spaces_stack_limit(struct spaces *s, pid_t pid, uint64_t bytes)
{
    struct space *sp = spaces_get(s, pid);
    if (!sp)
        return -ENOMEM;
    sp->has_stack_limit = true;
    sp->stack_limit = bytes;
    return 0;
}

/* The space of a process, or NULL. */
static struct space *spaces_find(const struct spaces *s, pid_t pid)
{
    struct space *sp = s->bucket[(unsigned)pid % SPACE_BUCKETS];
    while (sp && sp->pid != pid)
        sp = sp->next;
    return sp;
}

int space_reset(struct spaces *s, struct space *sp)
{
    struct region_table *table = region_table_create();
    struct pagetree *tree = pagetree_create(s->g.levels);
    if (!table || !tree) {
        region_table_unref(table);
        pagetree_unref(tree);
        return -ENOMEM;
    }
    space_release(sp);
    *sp = (struct space){.next = sp->next, .pid = sp->pid, .program = ++s->programs,
                         .table = table, .tree = tree};
    return 0;
}

struct space *spaces_get(struct spaces *s, pid_t pid)
{
    struct space *sp = spaces_find(s, pid);
    if (sp)
        return sp;
    sp = calloc(1, sizeof *sp);
    if (!sp)
        return NULL;
    sp->pid = pid;
    if (space_reset(s, sp)) {
        free(sp);
        return NULL;
    }
    struct space **bucket = &s->bucket[(unsigned)pid % SPACE_BUCKETS];
    sp->next = *bucket;
    *bucket = sp;
    return sp;
}

static void space_end(struct spaces *s, pid_t pid, uint64_t t_ns)
{
    struct space **link = &s->bucket[(unsigned)pid % SPACE_BUCKETS];
    while (*link && (*link)->pid != pid)
        link = &(*link)->next;
    struct space *sp = *link;
    if (!sp)
        return;
    struct ended *ended = &s->ended[s->next_ended++ % SPACES_ENDED];
    pagetree_unref(ended->tree);
    *ended = (struct ended){pagetree_ref(sp->tree), t_ns};
    spaces_keep_past(s, sp);
    *link = sp->next;
    space_release(sp);
    free(sp);
}

/* --- mappings --- */

void space_flags_of(const struct vmas *prior, const struct region *r, struct vma *v)
{
    const struct vma *was = prior ? vmas_at(prior, vmas_seek(prior, r->start)) : NULL;
    if (was && was->r.start <= r->start && was->r.end >= r->end && was->r.kind == r->kind) {
        v->marks = was->marks & (VMA_NEW | VMA_WROTE | VMA_MERGED);
        v->vmflags = was->vmflags;
        v->known = was->known;
    }
    if (r->smaps) {
        v->vmflags = r->smaps->vmflags;
        v->known = ~(uint64_t)0;
    }
}

static void flags_of(void *ctx, const struct region *r, struct vma *v)
{
    space_flags_of(ctx, r, v);
}

int space_edit(struct space *sp)
{
    region_table_unref(sp->made);
    sp->made = NULL;
    if (sp->vmas)
        return vmas_own(&sp->vmas);
    sp->vmas = vmas_from(sp->table, flags_of, sp->prior);
    return sp->vmas ? 0 : -ENOMEM;
}

const struct region_table *spaces_regions(const struct spaces *s, pid_t pid)
{
    struct space *sp = spaces_find(s, pid);
    if (!sp)
        return NULL;
    if (sp->vmas && !sp->made)
        sp->made = vmas_table(sp->vmas);
    return sp->vmas ? sp->made : sp->table;
}

uint64_t spaces_program(const struct spaces *s, pid_t pid)
{
    const struct space *sp = spaces_find(s, pid);
    return sp ? sp->program : 0;
}

const struct pagetree *spaces_tree(const struct spaces *s, pid_t pid)
{
    const struct space *sp = spaces_find(s, pid);
    return sp ? sp->tree : NULL;
}

/* --- sizes of files --- */

static int compare_files(const void *a, const void *b)
{
    const struct file_size *x = a, *y = b;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    if (x->major != y->major)
        return x->major < y->major ? -1 : 1;
    return x->minor < y->minor ? -1 : x->minor > y->minor;
}

int spaces_file_size(struct spaces *s, const struct region *of, uint64_t bytes, uint64_t t_ns)
{
    struct file_size key = {of->dev_major, of->dev_minor, of->inode, bytes, bytes, t_ns};
    size_t at = 0;
    while (at < s->file_count && compare_files(&s->files[at], &key) < 0)
        at++;
    if (at < s->file_count && !compare_files(&s->files[at], &key)) {
        key.before = s->files[at].size;
        s->files[at] = key;
        return 0;
    }
    void *v = s->files;
    int rc = array_reserve(&v, &s->file_cap, s->file_count + 1, sizeof *s->files);
    s->files = v;
    if (rc)
        return rc;
    memmove(s->files + at + 1, s->files + at, (s->file_count - at) * sizeof *s->files);
    s->files[at] = key;
    s->file_count++;
    return 0;
}

bool spaces_beyond_file(const struct spaces *s, const struct region *r, const struct event *e,
                        const char **doubt)
{
    if (r->inode && r->kind != REGION_HUGETLB && e->fault.signal)
        return e->fault.signal == SIGNAL_BUS;
    if (!s->file_count || !r->inode)
        return false;
    struct file_size key = {.major = r->dev_major, .minor = r->dev_minor, .inode = r->inode};
    const struct file_size *f =
        bsearch(&key, s->files, s->file_count, sizeof *s->files, compare_files);
    if (!f)
        return false;
    uint64_t page = (uint64_t)1 << s->g.page_shift;
    uint64_t at = r->offset + (e->fault.address & ~(page - 1)) - r->start;
    bool beyond = at >= f->size, before = at >= f->before;
    if (s->exact)
        return beyond;
    if (beyond != before)
        *doubt = "the size of the file changed about then";
    else if (beyond && f->t_ns < e->t_ns)
        *doubt = "the file may have grown since its size was read";
    return beyond;
}

/* --- the fold --- */

/* The call by which a process was made has returned in the parent: if it was vfork, or the child
 * has run another program or ended since, nothing is shared with it. */
static int fork_returned(struct spaces *s, struct space *sp, const struct event *e)
{
    enum { WITH_VM = 0x100 }; /* CLONE_VM */
    if (!sp->last_fork || e->call.result < 0)
        return 0;
    bool vm = e->call.call == CALL_VFORK ||
              (e->call.call == CALL_CLONE && e->call.has_args && e->call.args[0] & WITH_VM);
    const struct space *child = spaces_find(s, sp->last_child);
    if (vm || (e->call.call == CALL_CLONE3 && (!child || child->execed)))
        return space_unfork(s, sp, vm);
    return 0;
}

int space_returned(struct spaces *s, struct space *sp, const struct event *e)
{
    switch (e->call.call) {
    case CALL_FORK:
    case CALL_VFORK:
    case CALL_CLONE:
    case CALL_CLONE3:
        return fork_returned(s, sp, e);
    case CALL_USERFAULTFD:
        sp->uffd |= e->call.result >= 0;
        return 0;
    default:
        return space_call(s, sp, e);
    }
}

static void fold_change(struct spaces *s, struct space *sp, const struct event *e,
                        struct fault_entry *out)
{
    int rc = 0;
    if (sp->forking_tid == e->tid && (e->type == EVENT_CALL || e->type == EVENT_FORK))
        sp->forking_tid = 0;
    switch (e->type) {
    case EVENT_CALL:
        rc = sp->lost ? 0 : space_returned(s, sp, e);
        break;
    case EVENT_FORKING:
        sp->forking_tid = e->tid;
        break;
    case EVENT_FORK:
        if (e->fork.child_pid != e->pid)
            rc = space_fork(s, sp, e->fork.child_pid);
        break;
    case EVENT_EXEC:
        spaces_keep_past(s, sp);
        rc = space_reset(s, sp);
        sp->execed = true;
        sp->began_ns = e->t_ns;
        break;
    case EVENT_NAME:
    case EVENT_MAPPING:
        rc = space_told(s, sp, e);
        break;
    case EVENT_HEAT:
        rc = space_heat(s, sp, e, out);
        break;
    default:
        break;
    }
    if (rc)
        sp->lost = true;
    else
        space_keep(s, sp, e);
}

bool spaces_fold(struct spaces *s, const struct event *e, struct fault_entry *out)
{
    if (e->type == EVENT_EXIT) {
        if (e->tid == e->pid)
            space_end(s, e->pid, e->t_ns);
        return false;
    }
    struct space *sp = spaces_get(s, e->pid);
    if (e->t_ns > s->now_ns)
        s->now_ns = e->t_ns;
    if (sp) {
        sp->heard = true;
        sp->lost |= space_arrive(s, sp, e->t_ns) != 0;
    }
    if (e->type == EVENT_FAULT) {
        space_fault(s, sp, e, out);
        if (sp)
            space_keep(s, sp, e);
        return true;
    }
    if (sp)
        fold_change(s, sp, e, out);
    return false;
}
