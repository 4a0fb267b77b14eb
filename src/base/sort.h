/* Sorting by number. */
#ifndef VMSCOPE_BASE_SORT_H
#define VMSCOPE_BASE_SORT_H

#include <stddef.h>
#include <stdint.h>

struct sort_item {
    uint64_t key;
    uint32_t n, at; /* the caller's */
};

/* Sorts by key, alike keys staying in their order; `room` has place for as many. Answers which of
 * the two holds them then. */
struct sort_item *sort_items(struct sort_item *items, struct sort_item *room, size_t count);

#endif
