/* What the views of a family share: asking for it, and the copies that break sharing, as they
 * happen. */
#ifndef VMSCOPE_UI_FAMILY_PARTS_H
#define VMSCOPE_UI_FAMILY_PARTS_H

#include "model/family.h"
#include "ui/view.h"

/* Asks the source for the family of the process shown, unless it was asked before. *asked belongs to
 * the view: zero at first. */
void family_ask(struct ui_state *ui, pid_t *asked);
/* In place of a family that is not there: why not. */
void family_draw_none(const struct ui_state *ui, struct area a);

/* The last faults that gave one of these processes its own copy of a page that it had shared, newest first, a line each: when, who, which page, the
 * mapping, and the instruction. `pids` NULL: of all processes. */
void family_draw_breaks(struct ui_state *ui, struct area a, const pid_t *pids, size_t count);

/* "target_family 4711", escaped. */
void family_title(const struct family_member *m, char *out, size_t cap);


#endif
