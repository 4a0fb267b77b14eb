/* Chunks of at most VMA_CHUNK mappings, none empty, in one array of pointers. */
#include "model/spaces_vmas.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { VMA_CHUNK = 64 };

struct chunk {
    unsigned count;
    struct vma v[VMA_CHUNK];
};

struct vmas {
    unsigned refs;
    size_t count, cap;
    struct chunk **chunk;
    struct region_table *base; /* holds the names */
};

static int chunk_insert(struct vmas *v, size_t at)
{
    void *array = v->chunk;
    int rc = array_reserve(&array, &v->cap, v->count + 1, sizeof *v->chunk);
    v->chunk = array;
    if (rc)
        return rc;
    struct chunk *c = malloc(sizeof *c);
    if (!c)
        return -ENOMEM;
    c->count = 0;
    memmove(v->chunk + at + 1, v->chunk + at, (v->count - at) * sizeof *v->chunk);
    v->chunk[at] = c;
    v->count++;
    return 0;
}

static void chunk_remove(struct vmas *v, size_t at)
{
    free(v->chunk[at]);
    v->count--;
    memmove(v->chunk + at, v->chunk + at + 1, (v->count - at) * sizeof *v->chunk);
}

static int push(struct vmas *v, const struct vma *vma)
{
    if (!v->count || v->chunk[v->count - 1]->count == VMA_CHUNK) {
        int rc = chunk_insert(v, v->count);
        if (rc)
            return rc;
    }
    struct chunk *last = v->chunk[v->count - 1];
    last->v[last->count++] = *vma;
    return 0;
}

struct vmas *vmas_from(struct region_table *base, vmas_flags_fn *flags_of, void *ctx)
{
    struct vmas *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->refs = 1;
    v->base = region_table_ref(base);
    for (size_t i = 0; i < base->count; i++) {
        struct vma vma = {.r = base->v[i]};
        flags_of(ctx, &base->v[i], &vma);
        vma.r.smaps = NULL;
        if (push(v, &vma)) {
            vmas_unref(v);
            return NULL;
        }
    }
    return v;
}

struct vmas *vmas_ref(struct vmas *v)
{
    v->refs++;
    return v;
}

void vmas_unref(struct vmas *v)
{
    if (!v || --v->refs)
        return;
    for (size_t i = 0; i < v->count; i++)
        free(v->chunk[i]);
    free(v->chunk);
    region_table_unref(v->base);
    free(v);
}

int vmas_own(struct vmas **vp)
{
    struct vmas *from = *vp;
    if (from->refs == 1)
        return 0;
    struct vmas *v = calloc(1, sizeof *v);
    if (!v)
        return -ENOMEM;
    v->refs = 1;
    v->base = region_table_ref(from->base);
    for (size_t i = 0; i < from->count; i++) {
        if (chunk_insert(v, i)) {
            vmas_unref(v);
            return -ENOMEM;
        }
        *v->chunk[i] = *from->chunk[i];
    }
    vmas_unref(from);
    *vp = v;
    return 0;
}

struct vma_pos vmas_seek(const struct vmas *v, uint64_t address)
{
    size_t lo = 0, hi = v->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct chunk *c = v->chunk[mid];
        if (c->v[c->count - 1].r.end <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    struct vma_pos pos = {lo, 0};
    if (lo == v->count)
        return pos;
    unsigned from = 0, to = v->chunk[lo]->count;
    while (from < to) {
        unsigned mid = (from + to) / 2;
        if (v->chunk[lo]->v[mid].r.end <= address)
            from = mid + 1;
        else
            to = mid;
    }
    pos.index = from;
    return pos;
}

struct vma *vmas_at(const struct vmas *v, struct vma_pos pos)
{
    return pos.chunk < v->count ? &v->chunk[pos.chunk]->v[pos.index] : NULL;
}

struct vma_pos vmas_next(const struct vmas *v, struct vma_pos pos)
{
    if (++pos.index == v->chunk[pos.chunk]->count)
        pos = (struct vma_pos){pos.chunk + 1, 0};
    return pos;
}

/* Inserts before pos. */
static int insert(struct vmas *v, struct vma_pos pos, const struct vma *vma)
{
    if (pos.chunk == v->count)
        return push(v, vma);
    struct chunk *c = v->chunk[pos.chunk];
    if (c->count == VMA_CHUNK) {
        int rc = chunk_insert(v, pos.chunk + 1);
        if (rc)
            return rc;
        struct chunk *half = v->chunk[pos.chunk + 1];
        half->count = VMA_CHUNK / 2;
        c->count -= half->count;
        memcpy(half->v, c->v + c->count, half->count * sizeof *c->v);
        if (pos.index > c->count) {
            pos.index -= c->count;
            c = half;
        }
    }
    memmove(c->v + pos.index + 1, c->v + pos.index, (c->count - pos.index) * sizeof *c->v);
    c->v[pos.index] = *vma;
    c->count++;
    return 0;
}

/* Removes what is at pos, which then is the place of the next. */
static struct vma_pos take_out(struct vmas *v, struct vma_pos pos)
{
    struct chunk *c = v->chunk[pos.chunk];
    c->count--;
    memmove(c->v + pos.index, c->v + pos.index + 1, (c->count - pos.index) * sizeof *c->v);
    if (!c->count) {
        chunk_remove(v, pos.chunk);
        return (struct vma_pos){pos.chunk, 0};
    }
    return pos.index == c->count ? (struct vma_pos){pos.chunk + 1, 0} : pos;
}

static bool has_offset(const struct region *r)
{
    return r->kind != REGION_ANON && r->kind != REGION_HEAP && r->kind != REGION_STACK;
}

int vmas_split(struct vmas *v, uint64_t address)
{
    struct vma_pos pos = vmas_seek(v, address);
    struct vma *below = vmas_at(v, pos);
    if (!below || below->r.start >= address)
        return 0;
    struct vma above = *below;
    above.r.start = address;
    if (has_offset(&above.r))
        above.r.offset += address - below->r.start;
    below->r.end = address;
    int rc = insert(v, vmas_next(v, pos), &above);
    if (rc)
        below->r.end = above.r.end;
    return rc;
}

int vmas_cut(struct vmas *v, uint64_t start, uint64_t end)
{
    int rc = vmas_split(v, start);
    if (!rc)
        rc = vmas_split(v, end);
    if (rc)
        return rc;
    struct vma_pos pos = vmas_seek(v, start);
    for (const struct vma *vma; (vma = vmas_at(v, pos)) && vma->r.start < end;)
        pos = take_out(v, pos);
    return 0;
}

int vmas_add(struct vmas *v, const struct vma *vma)
{
    return insert(v, vmas_seek(v, vma->r.start), vma);
}

static bool alike(const struct vma *a, const struct vma *b)
{
    return a->r.end == b->r.start && a->r.perms == b->r.perms && a->r.kind == b->r.kind &&
           a->r.inode == b->r.inode && a->r.dev_major == b->r.dev_major &&
           a->r.dev_minor == b->r.dev_minor && a->vmflags == b->vmflags && a->known == b->known &&
           ((a->marks ^ b->marks) & VMA_BACKING) == 0 && !strcmp(a->r.name, b->r.name) &&
           (!has_offset(&a->r) || a->r.offset + (a->r.end - a->r.start) == b->r.offset);
}

void vmas_merge(struct vmas *v, uint64_t start, uint64_t end)
{
    struct vma_pos pos = vmas_seek(v, start ? start - 1 : 0);
    struct vma *vma = vmas_at(v, pos);
    while (vma && vma->r.start < end) {
        struct vma_pos at = vmas_next(v, pos);
        struct vma *next = vmas_at(v, at);
        if (!next || next->r.start > end)
            return;
        if (alike(vma, next)) {
            vma->r.end = next->r.end;
            vma->marks |= next->marks | VMA_MERGED;
            take_out(v, at);
        } else {
            pos = at;
            vma = next;
        }
    }
}

size_t vmas_count(const struct vmas *v)
{
    size_t count = 0;
    for (size_t i = 0; i < v->count; i++)
        count += v->chunk[i]->count;
    return count;
}

static size_t names_size(const struct vmas *v)
{
    size_t size = 0;
    for (size_t i = 0; i < v->count; i++)
        for (unsigned k = 0; k < v->chunk[i]->count; k++)
            size += strlen(v->chunk[i]->v[k].r.name) + 1;
    return size;
}

struct region_table *vmas_table(const struct vmas *v)
{
    size_t names = names_size(v), count = vmas_count(v);
    struct region_table *t = region_table_create();
    if (!t)
        return NULL;
    t->v = malloc((count + 1) * sizeof *t->v);
    t->smaps = calloc(count + 1, sizeof *t->smaps);
    t->names = malloc(names + 1);
    if (!t->v || !t->smaps || !t->names) {
        region_table_unref(t);
        return NULL;
    }
    char *name = t->names;
    for (struct vma_pos pos = {0, 0}; pos.chunk < v->count; pos = vmas_next(v, pos)) {
        const struct vma *vma = vmas_at(v, pos);
        struct region *r = &t->v[t->count];
        *r = vma->r;
        r->name = name;
        name = stpcpy(name, vma->r.name) + 1;
        if (vma->known == ~(uint64_t)0) {
            t->smaps[t->count] =
                (struct region_smaps){.vmflags = vma->vmflags, .flags_only = true};
            r->smaps = &t->smaps[t->count];
        }
        t->count++;
    }
    return t;
}
