/* The state of a view, which its table of operations describes. */
#include "ui/view.h"

#include <stdlib.h>

void *view_create(const struct view_ops *ops)
{
    return calloc(1, ops->size);
}

void view_destroy(const struct view_ops *ops, void *view)
{
    if (view && ops->deinit)
        ops->deinit(view);
    free(view);
}
