/* Faults and calls in words, for all views that show them, and the one that they share as
 * selected. */
#ifndef VMSCOPE_UI_FAULT_TEXT_H
#define VMSCOPE_UI_FAULT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "ui/view.h"

enum { FAULT_NAME_MAX = 300, FAULT_CALL_MAX = 256 };

/* Entry n of the log (entries are numbered from the first one ever), or NULL: not yet shown, or no
 * longer kept. */
const struct fault_entry *fault_entry(const struct ui_state *ui, uint64_t n);
/* The number of the oldest entry that is kept. */
uint64_t fault_oldest(const struct ui_state *ui);

/* 'r', 'w', 'x' or '?'. */
char fault_access(const struct fault_entry *f);

/* "do_wp_page copy", with " ?" behind it when that is not sure. Returns out. */
const char *fault_path(char *out, size_t cap, enum path path, enum path_how how, bool sure);

/* The region's name, escaped, or what stands for it. Returns out. */
const char *fault_region(char out[FAULT_NAME_MAX], const char *raw, size_t cap, uint64_t start);

/* "mmap(0, 0x1000, 3, 0x22, ...) = 0x7f..." Returns out. */
const char *fault_call(char out[FAULT_CALL_MAX], const struct event *e);

/* Seconds with microseconds since the first event, in at most `cols` columns. Returns out. */
const char *fault_time(char out[32], const struct ui_state *ui, uint64_t t_ns, unsigned cols);

#endif
