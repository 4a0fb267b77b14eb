/* Everything that can be asked about one page, asked now. */
#ifndef VMSCOPE_PROBE_DETAIL_H
#define VMSCOPE_PROBE_DETAIL_H

#include "model/record.h"
#include "probe/pages.h"
#include "probe/procdir.h"
#include "probe/symbol.h"

/* Fills *out for the page that holds address; what cannot be known carries its reason. regions may
 * be NULL. t_ns is the caller's. */
void detail_read(struct page_reader *r, const struct procdir *d, struct symbol_cache *symbols,
                 const struct region_table *regions, const struct target_info *info,
                 uint64_t address, struct page_detail *out);

#endif
