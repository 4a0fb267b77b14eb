/* What a user can see on a kernel, for people and for programs. */
#ifndef VMSCOPE_REPORT_DOCTOR_H
#define VMSCOPE_REPORT_DOCTOR_H

#include "base/buf.h"
#include "model/capability.h"

/* Both append to *out; 0 or -ENOMEM. */

/* One line for each thing that can or cannot be seen; under a "no", why and what would allow it. */
int doctor_table(const struct capability_list *l, struct buf *out);

/* {"schema":"vmscope.doctor/1","pages":[{"name","title","yes","why","remedy"}...],"faults":[...],
 * "settings":[{"name","title","value","why"}...]} and a newline; why, remedy and value are null
 * where there is none. */
int doctor_json(const struct capability_list *l, struct buf *out);

#endif
