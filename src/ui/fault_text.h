/* Faults and calls in words, for all views that show them, and the one that they share as
 * selected. */
#ifndef VMSCOPE_UI_FAULT_TEXT_H
#define VMSCOPE_UI_FAULT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "ui/view.h"

enum { FAULT_NAME_MAX = 600, FAULT_CALL_MAX = 256 };

/* Entry n of the log (entries are numbered from the first one ever), or NULL: not yet shown, or no
 * longer kept. */
const struct fault_entry *fault_entry(const struct ui_state *ui, uint64_t n);
/* The number of the oldest entry that is kept. */
uint64_t fault_oldest(const struct ui_state *ui);

/* 'r', 'w', 'x' or '?'. */
char fault_access(const struct fault_entry *f);

/* "do_wp_page copy", with " ?" behind it when that is not sure. Returns out. */
const char *fault_path(char *out, size_t cap, enum path path, enum path_how how, bool sure);

/* The colour of a path: of what it leaves behind. */
enum color fault_color(enum path path);

/* The region's name, escaped, or what stands for it. Returns out. */
const char *fault_region(char out[FAULT_NAME_MAX], const char *raw, size_t cap, uint64_t start);

/* What lies at an instruction, or NULL: not known, or not yet: then the source is asked. */
const struct site_answer *fault_site(const struct ui_state *ui, pid_t pid, uint64_t program,
                                     uint64_t ip);
/* "main+0x1c t.c:12", or of it what fits into `cols` columns (never a part of the line's number),
 * or the address while no more is known. Returns out. */
const char *fault_where(char out[FAULT_NAME_MAX], const struct ui_state *ui, pid_t pid,
                        uint64_t program, uint64_t ip, unsigned cols);

/* "mmap(0, 0x1000, 3, 0x22, ...) = 0x7f..." Returns out. */
const char *fault_call(char out[FAULT_CALL_MAX], const struct event *e);

/* Seconds with microseconds since the first event, in at most `cols` columns. Returns out. */
const char *fault_time(char out[32], const struct ui_state *ui, uint64_t t_ns, unsigned cols);

#endif
