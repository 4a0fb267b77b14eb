/* Mappings and their calls.
 *
 * Where the script names no address, a mapping is placed at one of ours, as a hint, in a free range
 * that the process knew when it began: aligned to a huge page, so that one fits and so that tables
 * and fault-around are the same in each run; between two inaccessible mappings, so that it merges
 * with nothing; with room above it to grow, and below it if it grows down. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "probe/maps.h"
#include "scenario/run_actions.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08 /* Linux 6.11; of type MAP_TYPE */
#endif

#define MSEAL_SYSCALL 462 /* Linux 6.10 */
#define HUGE_PAGE (UINT64_C(2) << 20)
#define ROOM_BELOW (UINT64_C(64) << 20)

static uint64_t round_up(uint64_t v, uint64_t unit)
{
    return (v + unit - 1) & ~(unit - 1);
}

static uint64_t small_page(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- placing ---- */

/* Where a mapping goes, and the two guards around it. */
struct spot {
    bool ours; /* else the kernel chooses */
    uint64_t at, below, above;
    uint64_t end, low; /* the next ones go behind or below these */
};

/* Below all others, and without room to grow. */
static void choose_large_spot(const struct process *p, uint64_t bytes, uint64_t align,
                              struct spot *out)
{
    if (bytes > p->low || p->low - bytes <= align)
        return;
    out->above = p->low - small_page();
    out->at = (out->above - bytes) & ~(align - 1);
    out->below = out->at - small_page();
    out->end = p->cursor;
    out->low = out->below;
    out->ours = true;
}

static void choose_spot(const struct process *p, uint64_t bytes, uint64_t page_size, bool grows,
                        struct spot *out)
{
    const struct stage_layout *l = stage_layout(p->stage);
    uint64_t align = page_size > HUGE_PAGE ? page_size : HUGE_PAGE;
    uint64_t room = bytes > HUGE_PAGE ? bytes : HUGE_PAGE;
    *out = (struct spot){0};
    if (bytes > (l->arena_end - l->arena) / 4) {
        choose_large_spot(p, bytes, align, out);
        return;
    }
    out->below = p->cursor;
    out->at = round_up(out->below + small_page() + (grows ? ROOM_BELOW : 0), align);
    if (!grows)
        out->below = out->at - small_page();
    out->above = out->at + round_up(bytes, align) + room;
    out->end = out->above + small_page();
    out->low = p->low;
    out->ours = out->end <= l->arena_end;
}

static int guard(struct process *p, uint64_t at, struct err *e)
{
    struct stage_result r;
    struct stage_op op = {.what = STAGE_CALL,
                          .args = {SYS_mmap, at, small_page(), PROT_NONE,
                                   MAP_PRIVATE | MAP_FIXED_NOREPLACE,
                                   (uint64_t)stage_layout(p->stage)->guard_fd, 0}};
    return act_do(p, &op, &r, e);
}

static int unguard(struct process *p, uint64_t at, struct err *e)
{
    struct stage_result r;
    struct stage_op op = {.what = STAGE_CALL, .args = {SYS_munmap, at, small_page()}};
    return act_do(p, &op, &r, e);
}

static int guard_spot(struct process *p, const struct spot *spot, struct err *e)
{
    int rc = spot->ours ? guard(p, spot->below, e) : 0;
    return rc || !spot->ours ? rc : guard(p, spot->above, e);
}

/* Something was placed there, or the guards go. */
static int settle_spot(struct process *p, const struct spot *spot, bool taken, struct err *e)
{
    if (!spot->ours)
        return 0;
    if (taken) {
        p->cursor = spot->end;
        p->low = spot->low;
        return 0;
    }
    int rc = unguard(p, spot->below, e);
    return rc ? rc : unguard(p, spot->above, e);
}

/* ---- map ---- */

static uint64_t flags_of(const struct map_args *m)
{
    static const uint64_t sharing[] = {MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE};
    uint64_t flags = m->sharing == SHARING_TYPE ? m->type : sharing[m->sharing];
    if (m->droppable)
        flags = MAP_DROPPABLE;
    const struct {
        bool set;
        int flag;
    } options[] = {
        {m->anon, MAP_ANONYMOUS},
        {m->populate, MAP_POPULATE},
        {m->nonblock, MAP_NONBLOCK},
        {m->locked, MAP_LOCKED},
        {m->noreserve, MAP_NORESERVE},
        {m->growsdown, MAP_GROWSDOWN},
        {m->stack, MAP_STACK},
        {m->sync, MAP_SYNC},
        {m->hugetlb, MAP_HUGETLB},
        {m->fixed, MAP_FIXED},
        {m->fixed_noreplace, MAP_FIXED_NOREPLACE},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        flags |= options[i].set ? (uint64_t)options[i].flag : 0;
    if (m->hugetlb && m->huge_size)
        flags |= (uint64_t)__builtin_ctzll(m->huge_size) << MAP_HUGE_SHIFT;
    return flags | m->extra;
}

static int find_fd(const struct act *a, const struct named_fd **fd, int *number, struct err *e)
{
    const struct map_args *m = &a->st->map;
    *fd = NULL;
    *number = m->fd_number ? m->number : -1;
    if (!*m->fd)
        return 0;
    *fd = process_find_fd(a->p, m->fd);
    if (!*fd)
        return err_set(e, -EINVAL, "%s has no descriptor %s", a->p->name, m->fd);
    *number = (*fd)->number;
    return 0;
}

static uint64_t page_size_of(const struct act *a, const struct named_fd *fd)
{
    const struct map_args *m = &a->st->map;
    uint64_t huge = m->huge_size ? m->huge_size : run_huge_page_size();
    if (m->hugetlb && huge)
        return huge;
    if (fd && fd->file != SIZE_MAX && !m->anon)
        return a->run->files[fd->file].page_size;
    return small_page();
}

static int map_at(struct act *a, const struct spot *spot, int number, struct err *e)
{
    const struct map_args *m = &a->st->map;
    bool fixed = m->fixed || m->fixed_noreplace;
    struct stage_op op = {.what = m->compat ? STAGE_MMAP_32 : STAGE_CALL,
                          .args = {m->compat ? m->compat : SYS_mmap,
                                   fixed        ? m->address
                                   : spot->ours ? spot->at
                                                : 0,
                                   m->size, m->prot, flags_of(m), (uint64_t)(int64_t)number,
                                   (uint64_t)m->offset}};
    return act_do(a->p, &op, a->out, e);
}

static int name_result(struct act *a, uint64_t page_size, struct err *e)
{
    uint64_t start = (uint64_t)a->out->value, bytes = round_up(a->st->map.size, page_size);
    struct named_mapping m = {.start = start,
                              .bytes = bytes,
                              .first = start,
                              .end = start + bytes,
                              .page_size = page_size};
    return process_name_mapping(a->p, a->st->name, &m, e);
}

int act_map(struct act *a, struct err *e)
{
    const struct map_args *m = &a->st->map;
    const struct named_fd *fd;
    int number, rc = find_fd(a, &fd, &number, e);
    if (rc)
        return rc;
    uint64_t page_size = page_size_of(a, fd);
    struct spot spot = {0};
    if (!m->fixed && !m->fixed_noreplace && !m->compat)
        choose_spot(a->p, round_up(m->size, page_size), page_size, m->growsdown, &spot);
    if ((rc = guard_spot(a->p, &spot, e)) || (rc = map_at(a, &spot, number, e)) || a->out->gone)
        return rc;
    rc = settle_spot(a->p, &spot, !a->out->error, e);
    return rc || a->out->error ? rc : name_result(a, page_size, e);
}

/* ---- calls on ranges ---- */

/* number(start, length, x, y) */
static int call_on_range(struct act *a, struct err *e, long number, uint64_t x, uint64_t y)
{
    uint64_t first, end, page_size;
    int rc = act_range(a, &first, &end, &page_size, e);
    return rc ? rc : act_call(a, e, number, first, end - first, x, y);
}

int act_unmap(struct act *a, struct err *e)
{
    return call_on_range(a, e, SYS_munmap, 0, 0);
}

int act_protect(struct act *a, struct err *e)
{
    return call_on_range(a, e, SYS_mprotect, a->st->prot, 0);
}

int act_advise(struct act *a, struct err *e)
{
    return call_on_range(a, e, SYS_madvise, (uint64_t)a->st->number, 0);
}

int act_lock(struct act *a, struct err *e)
{
    return call_on_range(a, e, a->st->flags ? SYS_mlock2 : SYS_mlock, a->st->flags, 0);
}

int act_unlock(struct act *a, struct err *e)
{
    return call_on_range(a, e, SYS_munlock, 0, 0);
}

int act_sync(struct act *a, struct err *e)
{
    return call_on_range(a, e, SYS_msync, MS_SYNC, 0);
}

int act_remap_file(struct act *a, struct err *e)
{
    return call_on_range(a, e, SYS_remap_file_pages, a->st->prot, (uint64_t)a->st->delta);
}

int act_lockall(struct act *a, struct err *e)
{
    return act_call(a, e, SYS_mlockall, a->st->flags, 0, 0, 0);
}

/* Not rounded to pages: what the kernel makes of that is the point. */
int act_cut(struct act *a, struct err *e)
{
    const struct named_mapping *m = process_find_mapping(a->p, a->st->name);
    if (!m)
        return err_set(e, -EINVAL, "%s has no mapping %s", a->p->name, a->st->name);
    return act_call(a, e, SYS_munmap, m->start, a->st->size, 0, 0);
}

int act_seal_map(struct act *a, struct err *e)
{
    return call_on_range(a, e, MSEAL_SYSCALL, 0, 0);
}

int act_uffd(struct act *a, struct err *e)
{
    enum { REGISTER_MISSING = 1, REGISTER_WP = 2 };
    struct stage_op op = {.what = STAGE_UFFD};
    uint64_t page_size;
    int rc = act_range(a, &op.args[0], &op.args[1], &page_size, e);
    op.args[2] = a->st->flags == UFFD_WP ? REGISTER_WP : REGISTER_MISSING;
    op.args[3] = a->st->flags == UFFD_KILL;
    return rc ? rc : act_do(a->p, &op, a->out, e);
}

static int remap_to(struct act *a, const struct named_mapping *m, int flags, uint64_t to,
                    struct err *e)
{
    struct stage_op op = {.what = STAGE_CALL,
                          .args = {SYS_mremap, m->start, m->bytes, a->st->size, (uint64_t)flags, to}};
    return act_do(a->p, &op, a->out, e);
}

/* What cannot grow in its place moves to a spot of ours, like a new mapping: the kernel would put it
 * beside others, and merge it with them. */
static int remap_elsewhere(struct act *a, const struct named_mapping *m, struct err *e)
{
    struct spot spot;
    choose_spot(a->p, round_up(a->st->size, m->page_size), m->page_size, false, &spot);
    if (!spot.ours)
        return remap_to(a, m, MREMAP_MAYMOVE, 0, e);
    int rc = guard_spot(a->p, &spot, e);
    if (!rc)
        rc = remap_to(a, m, MREMAP_MAYMOVE | MREMAP_FIXED, spot.at, e);
    return rc || a->out->gone ? rc : settle_spot(a->p, &spot, !a->out->error, e);
}

int act_remap(struct act *a, struct err *e)
{
    struct named_mapping *m = process_find_mapping(a->p, a->st->name);
    if (!m)
        return err_set(e, -EINVAL, "%s has no mapping %s", a->p->name, a->st->name);
    int rc = remap_to(a, m, 0, 0, e);
    if (!rc && !a->out->gone && a->out->error == ENOMEM && a->st->flags)
        rc = remap_elsewhere(a, m, e);
    if (rc || a->out->gone || a->out->error)
        return rc;
    a->p->last.moved = a->out->value - (int64_t)m->start;
    m->start = m->first = (uint64_t)a->out->value;
    m->bytes = round_up(a->st->size, m->page_size);
    m->end = m->start + m->bytes;
    return 0;
}

/* ---- names for what is there ---- */

/* The first mapping of a name in maps. */
static int find_region(pid_t pid, const char *name, struct named_mapping *out)
{
    char path[32];
    struct buf b = {0};
    struct region_table *t = NULL;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    int rc = io_read_at(AT_FDCWD, path, &b);
    if (!rc)
        rc = maps_parse(b.data, b.len, NULL, &t);
    buf_deinit(&b);
    if (rc)
        return rc;
    rc = -ENOENT;
    for (size_t i = 0; i < t->count && rc; i++) {
        if (strcmp(t->v[i].name, name))
            continue;
        out->start = t->v[i].start;
        out->end = t->v[i].end;
        rc = 0;
    }
    region_table_unref(t);
    return rc;
}

int name_region(struct act *a, struct err *e)
{
    const struct statement *st = a->st;
    struct named_mapping m = {.start = st->map.address, .page_size = small_page()};
    m.end = m.start + st->size;
    if (st->text) {
        int rc = find_region(a->p->pid, st->text, &m);
        if (rc)
            return act_was(a, rc);
    } else if (*st->other) {
        const struct named_mapping *above = process_find_mapping(a->p, st->other);
        if (!above)
            return err_set(e, -EINVAL, "%s has no mapping %s", a->p->name, st->other);
        m.end = above->start;
        m.start = m.end - st->size;
    }
    m.first = m.start;
    m.bytes = m.end - m.start;
    return process_name_mapping(a->p, st->name, &m, e);
}

/* ---- the heap ---- */

int act_brk(struct act *a, struct err *e)
{
    struct stage_op op = {.what = STAGE_BRK, .args = {(uint64_t)a->st->delta}};
    return act_do(a->p, &op, a->out, e);
}

int act_malloc(struct act *a, struct err *e)
{
    struct stage_op op = {.what = STAGE_MALLOC, .args = {a->st->size}};
    int rc = act_do(a->p, &op, a->out, e);
    if (rc || a->out->gone || a->out->error)
        return rc;
    uint64_t page = small_page(), at = (uint64_t)a->out->value, start = at & ~(page - 1);
    struct named_mapping m = {.start = start,
                              .bytes = round_up(at + a->st->size, page) - start,
                              .first = at,
                              .end = at + a->st->size,
                              .page_size = page};
    return process_name_mapping(a->p, a->st->name, &m, e);
}

int act_free(struct act *a, struct err *e)
{
    const struct named_mapping *m = process_find_mapping(a->p, a->st->name);
    if (!m)
        return err_set(e, -EINVAL, "%s has nothing from malloc named %s", a->p->name, a->st->name);
    struct stage_op op = {.what = STAGE_FREE, .args = {m->first}};
    return act_do(a->p, &op, a->out, e);
}
