/* The machine's settings for transparent huge pages
 * (Documentation/admin-guide/mm/transhuge.rst). */
#ifndef VMSCOPE_PROBE_THP_H
#define VMSCOPE_PROBE_THP_H

#include "model/thp.h"

/* Reads them; of a stand-in for /proc (proc_root, or NULL) from its directory
 * transparent_hugepage. What is missing there is not known; that is no failure. `page_shift` tells
 * which order a size is. */
void thp_read(const char *proc_root, unsigned page_shift, struct thp_settings *out);

#endif
