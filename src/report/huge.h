/* Huge pages of a moment, as a table for people and as members of JSON objects. */
#ifndef VMSCOPE_REPORT_HUGE_H
#define VMSCOPE_REPORT_HUGE_H

#include "base/buf.h"
#include "base/json.h"
#include "model/huge.h"

/* The whole table. 0 or -ENOMEM. */
int huge_table(const struct moment *m, const struct thp_settings *thp, struct buf *out);

/* "huge": {...}, a member of an open object; and "thp": {...}, the machine's settings. */
void huge_json(struct json *j, const struct huge_sum *sum);
void huge_json_settings(struct json *j, const struct thp_settings *thp, unsigned page_shift);

#endif
