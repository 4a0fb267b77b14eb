/* The process list. */
#include "model/process.h"

#include <stdlib.h>

void process_list_deinit(struct process_list *l)
{
    free(l->v);
    *l = (struct process_list){0};
}

static int by_falling_rss(const void *a, const void *b)
{
    const struct process_entry *x = a, *y = b;
    if (x->rss != y->rss)
        return x->rss < y->rss ? 1 : -1;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

void process_list_sort(struct process_list *l)
{
    if (l->count)
        qsort(l->v, l->count, sizeof *l->v, by_falling_rss);
}
