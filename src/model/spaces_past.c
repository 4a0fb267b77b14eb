/* Programs that have ended, or that exec has replaced: their faults are in the log still, and whoever
 * looks at these wants to know what lay at their instructions. */
#include <stdlib.h>

#include "model/spaces_parts.h"

enum { LARGE = 4096 }; /* mappings: of a program with more of them nothing is kept */

static void forget(struct past *p)
{
    region_table_unref(p->table);
    vmas_unref(p->vmas);
    *p = (struct past){0};
}

void spaces_forget_past(struct spaces *s)
{
    for (unsigned i = 0; i < SPACES_PAST; i++)
        forget(&s->past[i]);
    free(s->past);
}

void spaces_keep_past(struct spaces *s, const struct space *sp)
{
    if (!sp->heard || sp->table->count > LARGE || (sp->vmas && vmas_count(sp->vmas) > LARGE))
        return;
    struct past *p = &s->past[s->next_past++ % SPACES_PAST];
    forget(p);
    p->program = sp->program;
    if (sp->vmas)
        p->vmas = vmas_ref(sp->vmas);
    else
        p->table = region_table_ref(sp->table);
}

const struct region_table *spaces_past_regions(const struct spaces *s, uint64_t program)
{
    for (unsigned i = 0; program && i < SPACES_PAST; i++) {
        struct past *p = &s->past[i];
        if (p->program != program)
            continue;
        if (p->vmas && (p->table = vmas_table(p->vmas))) {
            vmas_unref(p->vmas);
            p->vmas = NULL;
        }
        return p->table;
    }
    return NULL;
}
