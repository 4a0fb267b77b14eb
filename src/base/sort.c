/* Radix sort, lowest digits first, as many times as the largest key needs. */
#include "base/sort.h"

#include <stdbool.h>

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

static void radix_pass(const struct sort_item *from, struct sort_item *to, size_t count,
                       unsigned shift)
{
    size_t at[DIGITS] = {0}, sum = 0;
    for (size_t i = 0; i < count; i++)
        at[from[i].key >> shift & (DIGITS - 1)]++;
    for (size_t d = 0; d < DIGITS; d++) {
        size_t n = at[d];
        at[d] = sum;
        sum += n;
    }
    for (size_t i = 0; i < count; i++)
        to[at[from[i].key >> shift & (DIGITS - 1)]++] = from[i];
}

struct sort_item *sort_items(struct sort_item *items, struct sort_item *room, size_t count)
{
    uint64_t top = 0, last = 0;
    bool in_order = true;
    for (size_t i = 0; i < count; i++) {
        in_order &= items[i].key >= last;
        last = items[i].key;
        top |= last;
    }
    for (unsigned shift = 0; !in_order && shift < 64 && top >> shift; shift += DIGIT_BITS) {
        radix_pass(items, room, count, shift);
        struct sort_item *t = items;
        items = room;
        room = t;
    }
    return items;
}
