/* Names of the kernel's functions, from /proc/kallsyms. */
#ifndef VMSCOPE_PROBE_KSYMS_H
#define VMSCOPE_PROBE_KSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ksyms;

/* Takes the functions out of lines like
 *
 *   ffffffff815ea020 T do_swap_page
 *   ffffffffc0201000 t ext4_page_mkwrite	[ext4]
 *
 * which are: address in hex, type (of which t, T, w, W are code), name, and the module, if it is in
 * one. Other lines are passed over. 0; -ENOENT if there is no function with an address but 0, as an
 * ordinary user sees them; -ENOMEM. */
int ksyms_parse(const char *text, size_t len, struct ksyms **out);

/* The running kernel's. 0, or a negative errno with *e set to the reason why they cannot be had. */
int ksyms_read(const char *proc_root, struct ksyms **out, struct err *e);
void ksyms_destroy(struct ksyms *k); /* NULL is fine */

/* The function that an address lies in, without what compilers append (".cold", ".isra.0"); its
 * length is *len. NULL if below the first one. */
const char *ksyms_find(const struct ksyms *k, uint64_t address, size_t *len);

/* From where to where this function reaches; false if there is none of that name. */
bool ksyms_range(const struct ksyms *k, const char *name, uint64_t *start, uint64_t *end);

/* How many functions there are. */
size_t ksyms_count(const struct ksyms *k);

#endif
