/* What the writers of snapshots share. */
#ifndef VMSCOPE_REPORT_SNAPSHOT_PARTS_H
#define VMSCOPE_REPORT_SNAPSHOT_PARTS_H

#include "base/json.h"
#include "report/snapshot.h"

/* The members of T in the order of the contract, unknown ones as null. */
void snapshot_put_totals(struct json *j, const struct totals *t);
/* A member that is null if not known. */
void snapshot_put_known(struct json *j, const char *key, bool known, uint64_t value);
/* The names of T as CSV fields, each after a comma. */
void snapshot_csv_titles(struct buf *out);
/* T as CSV fields, each after a comma, unknown ones empty. */
void snapshot_csv_totals(struct buf *out, const struct totals *t);
/* A size in six columns, right-aligned; `?` if not known. */
void snapshot_put_size(struct buf *out, uint64_t bytes, bool known);
/* Foreign text, escaped; and the same as a CSV field in quotes. */
void snapshot_put_name(struct buf *out, const char *name);
void snapshot_put_quoted(struct buf *out, const char *name);

/* The members of a snapshot that a family adds: processes, pairs, family, diverged. */
void family_put_json(struct json *j, const struct family *f);

#endif
