/* One moment as text: for people (table) and for programs (JSON, CSV), or as a drawing. */
#ifndef VMSCOPE_REPORT_SNAPSHOT_H
#define VMSCOPE_REPORT_SNAPSHOT_H

#include <stdbool.h>

#include "base/buf.h"
#include "model/family.h"

/* Each appends to *out; with `pages` also every run of equal pages. 0 or -ENOMEM. */
int snapshot_table(const struct moment *m, bool pages, struct buf *out);
/* With `thp` also what is huge. */
int snapshot_json(const struct moment *m, bool pages, const struct thp_settings *thp,
                  struct buf *out);
int snapshot_csv(const struct moment *m, bool pages, struct buf *out);
/* A drawing of the regions. */
int snapshot_svg(const struct moment *m, struct buf *out);

/* A family: its tree with what each process has, and the matrix of what pairs share. In JSON the
 * snapshot of the root with these added. */
int family_json(const struct family *f, const struct moment *root, bool pages,
                const struct thp_settings *thp, struct buf *out);
int family_table(const struct family *f, struct buf *out);
int family_csv(const struct family *f, struct buf *out);

#endif
