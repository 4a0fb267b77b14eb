/* Mappings that the kernel itself told of: those of a program that has just begun, and what a call
 * has mapped of a file. A name comes before its mapping, in parts. */
#include <errno.h>
#include <string.h>

#include "model/spaces_parts.h"

static void add_name(struct spaces *s, const struct event *e)
{
    size_t n = strnlen(e->name.text, sizeof e->name.text);
    if (s->told_name_len + n >= sizeof s->told_name)
        return;
    memcpy(s->told_name + s->told_name_len, e->name.text, n);
    s->told_name_len += n;
}

static void describe(struct spaces *s, const struct event *e, struct vma *vma)
{
    s->told_name[s->told_name_len] = '\0';
    *vma = (struct vma){.r = {.start = e->mapping.start,
                              .end = e->mapping.end,
                              .offset = e->mapping.offset,
                              .inode = e->mapping.inode,
                              .dev_major = e->mapping.dev_major,
                              .dev_minor = e->mapping.dev_minor,
                              .perms = e->mapping.perms,
                              .kind = e->mapping.kind,
                              .name = spaces_keep_name(s, s->told_name)},
                        .vmflags = e->mapping.vmflags,
                        .known = ~(uint64_t)0,
                        .marks = e->mapping.told == MAPPED_SEEN ? 0 : VMA_NEW};
    s->told_name_len = 0;
}

/* What the kernel wrote into the new program itself, its arguments and the end of its data, is
 * there without a fault. */
static int add_at_exec(struct spaces *s, struct space *sp, const struct vma *vma)
{
    bool written = vma->r.kind == REGION_STACK ||
                   (vma->r.perms & REGION_W && vma->r.kind != REGION_HEAP);
    int rc = space_edit(sp);
    if (!rc)
        rc = vmas_cut(sp->vmas, vma->r.start, vma->r.end);
    if (!rc)
        rc = vmas_add(sp->vmas, vma);
    if (!rc && written)
        rc = pages_forget_absent(s, sp, vma->r.start, vma->r.end, NOTE_ABSENT);
    return rc;
}

/* A mapping as it is now. Whether it took the place of others, or is what they became, is not told:
 * of pages where one was known before nothing is known any more. */
static int see(struct spaces *s, struct space *sp, const struct vma *vma)
{
    int rc = space_edit(sp);
    if (rc)
        return rc;
    struct vma_pos pos = vmas_seek(sp->vmas, vma->r.start);
    for (const struct vma *was; !rc && (was = vmas_at(sp->vmas, pos)) && was->r.start < vma->r.end;
         pos = vmas_next(sp->vmas, pos))
        rc = pages_forget(s, sp, was->r.start > vma->r.start ? was->r.start : vma->r.start,
                          was->r.end < vma->r.end ? was->r.end : vma->r.end);
    if (!rc)
        rc = vmas_cut(sp->vmas, vma->r.start, vma->r.end);
    return rc ? rc : vmas_add(sp->vmas, vma);
}

int space_told(struct spaces *s, struct space *sp, const struct event *e)
{
    struct vma vma;
    if (e->type == EVENT_NAME) {
        add_name(s, e);
        return 0;
    }
    if (e->mapping.told == MAPPED_ALL) {
        sp->complete = true;
        return 0;
    }
    describe(s, e, &vma);
    if (vma.r.inode && e->mapping.size != UINT64_MAX) {
        int rc = spaces_file_size(s, &vma.r, e->mapping.size, e->t_ns);
        if (rc)
            return rc;
    }
    if (e->mapping.told == MAPPED_AT_EXEC)
        return add_at_exec(s, sp, &vma);
    if (e->mapping.told == MAPPED_SEEN)
        return see(s, sp, &vma);
    s->told_flags = e->mapping.flags_told;
    s->told = vma;
    s->told_tid = e->tid;
    return 0;
}

bool space_take_told(struct spaces *s, int32_t tid, struct vma *vma)
{
    const struct region *r = &s->told.r;
    if (s->told_tid != tid || vma->r.start < r->start || vma->r.start >= r->end ||
        r->offset + (vma->r.start - r->start) != vma->r.offset)
        return false;
    s->told_tid = 0;
    vma->r.name = r->name;
    vma->r.inode = r->inode;
    vma->r.dev_major = r->dev_major;
    vma->r.dev_minor = r->dev_minor;
    vma->r.kind = r->kind;
    if (s->told_flags)
        vma->vmflags = s->told.vmflags;
    if (r->name[0])
        vma->marks &= ~(unsigned)VMA_BACKING;
    return true;
}
