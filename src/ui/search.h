/* What a typed text means as a search among regions. */
#ifndef VMSCOPE_UI_SEARCH_H
#define VMSCOPE_UI_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "model/region.h"

/* True when `what` is an address: hexadecimal digits after 0x, or at least six of them, with `_`
 * allowed between; a range counts as its beginning. */
bool search_address(const char *what, uint64_t *address);

/* True when `what` is a pattern of permissions, such as "rw-p" or "??x?". */
bool search_is_perms(const char *what);

/* True when the pattern, or a part of the name, or the word for the kind of a region is `what`, in
 * any case. Everything matches "". */
bool search_matches(const struct region *r, const char *what);

/* What a region is called: its name, or its kind in parentheses. Raw foreign bytes. */
const char *search_region_name(const struct region *r);

#endif
