/* What a user can see on a kernel. */
#include "model/capability.h"

#include <string.h>

const struct capability *capability_find(const struct capability_list *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (!strcmp(l->v[i].name, name))
            return &l->v[i];
    return NULL;
}
