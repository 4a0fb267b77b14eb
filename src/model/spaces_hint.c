/* What a descriptor referred to, no event tells: a mapping of a file is known by its place and
 * offset in a later reading of the mappings. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/spaces_parts.h"

void spaces_hint(struct spaces *s, pid_t pid, struct region_table *regions)
{
    region_table_unref(s->hint);
    s->hint = regions ? region_table_ref(regions) : NULL;
    s->hint_pid = pid;
}

const char *spaces_keep_name(struct spaces *s, const char *name)
{
    for (size_t i = 0; i < s->name_count; i++)
        if (!strcmp(s->names[i], name))
            return s->names[i];
    void *p = s->names;
    int rc = array_reserve(&p, &s->name_cap, s->name_count + 1, sizeof *s->names);
    s->names = p;
    char *copy = rc ? NULL : strdup(name);
    if (!copy)
        return "";
    return s->names[s->name_count++] = copy;
}

void spaces_forget_names(struct spaces *s)
{
    for (size_t i = 0; i < s->name_count; i++)
        free(s->names[i]);
    free(s->names);
    region_table_unref(s->hint);
}

void space_take_hint(struct spaces *s, const struct space *sp, struct vma *vma)
{
    if (!s->hint || s->hint_pid != sp->pid || !(vma->marks & VMA_BACKING))
        return;
    const struct region *r = region_table_at(s->hint, vma->r.start);
    if (!r || !r->inode || r->offset + (vma->r.start - r->start) != vma->r.offset ||
        (r->perms ^ vma->r.perms) & REGION_SHARED)
        return;
    vma->r.name = spaces_keep_name(s, r->name);
    vma->r.inode = r->inode;
    vma->r.dev_major = r->dev_major;
    vma->r.dev_minor = r->dev_minor;
    vma->r.kind = r->kind;
    vma->marks &= ~(unsigned)VMA_BACKING;
}
