/* Reads /proc/PID of processes whose events are folded. */
#include "cli/mappings.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "probe/mapped.h"
#include "probe/maps.h"
#include "probe/procdir.h"

/* A mapping that reaches beyond the end of its file. */
struct tail {
    pid_t pid;
    struct region region; /* its name is owned */
};

enum { TAILS_MAX = 256 };

struct mappings {
    const char *proc_root;
    struct buf text;
    struct tail tail[TAILS_MAX];
    size_t tail_count;
};

struct mappings *mappings_create(const char *proc_root)
{
    struct mappings *m = calloc(1, sizeof *m);
    if (m)
        m->proc_root = proc_root;
    return m;
}

static void tail_remove(struct mappings *m, size_t i)
{
    free((char *)m->tail[i].region.name);
    m->tail[i] = m->tail[--m->tail_count];
}

void mappings_destroy(struct mappings *m)
{
    if (!m)
        return;
    while (m->tail_count)
        tail_remove(m, 0);
    buf_deinit(&m->text);
    free(m);
}

/* --- mappings --- */

/* With flags: smaps, for which the kernel walks all pages; a program that begins has few. NULL if
 * they cannot be read. */
static struct region_table *read_regions(struct mappings *m, const struct procdir *d, bool flags)
{
    struct mount_kinds kinds = {0};
    struct region_table *t = NULL;
    int rc = mounts_read(&kinds, d, &m->text);
    if (!rc && flags && !procdir_read(d, "smaps", &m->text))
        rc = smaps_parse(m->text.data, m->text.len, &kinds, &t);
    else if (!rc && !(rc = procdir_read(d, "maps", &m->text)))
        rc = maps_parse(m->text.data, m->text.len, &kinds, &t);
    mounts_deinit(&kinds);
    return rc ? NULL : t;
}

/* A mapping that is going to be made read-only in these events could be written before: the loader
 * does so with what it has relocated. */
static void undo_protections(struct region_table *t, pid_t pid, const struct event *v, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        if (v[k].type != EVENT_CALL || v[k].pid != pid || v[k].call.call != CALL_MPROTECT ||
            v[k].call.result || v[k].call.args[2] & 2 /* PROT_WRITE */)
            continue;
        uint64_t start = v[k].call.args[0], end = start + v[k].call.args[1];
        for (size_t i = region_table_find(t, start); i < t->count && t->v[i].start < end; i++)
            if (!(t->v[i].perms & (REGION_X | REGION_SHARED)))
                t->v[i].perms |= REGION_W;
    }
}

/* A process that ends while it is read leaves a list without its end, where the stack is. */
static bool is_whole(const struct region_table *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->v[i].kind == REGION_STACK)
            return true;
    return false;
}

void mappings_begun(struct mappings *m, struct spaces *spaces, const struct event *exec,
                    const struct event *later, size_t count)
{
    struct procdir d;
    pid_t pid = exec->pid;
    bool told = exec->exec.told ||
                (count && (later->type == EVENT_NAME || later->type == EVENT_MAPPING));
    if (told || procdir_open(m->proc_root, pid, &d, NULL))
        return;
    struct region_table *t = read_regions(m, &d, true);
    if (t && is_whole(t)) {
        undo_protections(t, pid, later, count);
        spaces_begun(spaces, pid, t, io_now_ns());
    }
    region_table_unref(t);
    procdir_close(&d);
}

/* --- sizes of files --- */

static bool reaches_beyond(const struct region *r, uint64_t bytes)
{
    return r->offset + (r->end - r->start) > bytes;
}

static bool tail_known(const struct mappings *m, pid_t pid, const struct region *r)
{
    for (size_t i = 0; i < m->tail_count; i++)
        if (m->tail[i].pid == pid && m->tail[i].region.start == r->start &&
            m->tail[i].region.inode == r->inode)
            return true;
    return false;
}

static void tail_add(struct mappings *m, pid_t pid, const struct region *r)
{
    char *name = tail_known(m, pid, r) || m->tail_count == TAILS_MAX ? NULL : strdup(r->name);
    if (!name)
        return;
    m->tail[m->tail_count] = (struct tail){pid, *r};
    m->tail[m->tail_count++].region.name = name;
}

static void tell_sizes(struct mappings *m, struct spaces *spaces, const struct procdir *d,
                       const struct region_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct region *r = &t->v[i];
        uint64_t bytes;
        if (!r->inode || mapped_size(d->fd, r, &bytes))
            continue;
        spaces_file_size(spaces, r, bytes, io_now_ns());
        if (reaches_beyond(r, bytes))
            tail_add(m, d->pid, r);
    }
}

/* Files grow: what is beyond the end now need not be soon. */
static void refresh_sizes(struct mappings *m, struct spaces *spaces)
{
    for (size_t i = 0; i < m->tail_count;) {
        struct tail *t = &m->tail[i];
        struct procdir d;
        uint64_t bytes;
        int rc = procdir_open(m->proc_root, t->pid, &d, NULL);
        if (!rc) {
            rc = mapped_size(d.fd, &t->region, &bytes);
            procdir_close(&d);
        }
        if (rc) { /* it has ended, or unmapped it */
            tail_remove(m, i);
            continue;
        }
        spaces_file_size(spaces, &t->region, bytes, io_now_ns());
        i++;
    }
}

void mappings_sizes(struct mappings *m, struct spaces *spaces, pid_t pid,
                    const struct region_table *regions)
{
    struct procdir d;
    if (procdir_open(m->proc_root, pid, &d, NULL))
        return;
    tell_sizes(m, spaces, &d, regions);
    procdir_close(&d);
}

/* --- files that calls mapped --- */

/* The thread was told of a mapping shortly before its call: other threads' events lie between. */
static bool was_told(const struct event *v, size_t i)
{
    enum { BEFORE = 64 };
    for (size_t k = i; k && i - k < BEFORE; k--)
        if (v[k - 1].tid == v[i].tid)
            return v[k - 1].type == EVENT_MAPPING;
    return false;
}

/* The process that maps files in these events, if one does and the engine does not tell which: 0
 * else. */
static pid_t maps_files(const struct event *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (v[i].type == EVENT_CALL && v[i].call.call == CALL_MMAP && v[i].call.has_args &&
            (int32_t)v[i].call.args[4] >= 0 && !was_told(v, i))
            return v[i].pid;
    return 0;
}

void mappings_before(struct mappings *m, struct spaces *spaces, const struct event *v, size_t count)
{
    struct procdir d;
    pid_t pid = maps_files(v, count);
    refresh_sizes(m, spaces);
    if (!pid || procdir_open(m->proc_root, pid, &d, NULL))
        return;
    struct region_table *t = read_regions(m, &d, false);
    spaces_hint(spaces, pid, t);
    if (t)
        tell_sizes(m, spaces, &d, t);
    region_table_unref(t);
    procdir_close(&d);
}
