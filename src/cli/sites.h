/* The places in programs that fault: each instruction is looked up once, while its process
 * lives. */
#ifndef VMSCOPE_CLI_SITES_H
#define VMSCOPE_CLI_SITES_H

#include "base/buf.h"
#include "model/fault_log.h"
#include "report/faults.h"

struct sites;

struct sites *sites_create(void); /* NULL when out of memory */
void sites_destroy(struct sites *s); /* NULL is fine */

struct site;

/* Looks up what lies at the fault's instruction, and counts it. Valid as long as *s, but where very
 * many are known already it may become that of another fault. */
const struct site *sites_find(struct sites *s, const char *proc_root, const struct fault_entry *e,
                              const struct region_table *regions);
/* What was found for this fault; nothing, if the site is another one's by now. */
void sites_text(const struct site *site, const struct fault_entry *e, struct fault_site *out);

/* All counted sites as folded stacks: "region;path;symbol count", one a line. */
void sites_folded(const struct sites *s, struct buf *out);

#endif
