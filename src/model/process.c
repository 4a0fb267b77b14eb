/* The process list. */
#include "model/process.h"

#include <stdlib.h>

void process_list_deinit(struct process_list *l)
{
    free(l->v);
    *l = (struct process_list){0};
}
