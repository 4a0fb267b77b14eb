/* What is under an address of a process, in words: the ELF section and the symbol. The target's
 * memory is never read, only the file that is mapped there; the vDSO is taken from our own, which
 * is the same image. */
#ifndef VMSCOPE_PROBE_SYMBOL_H
#define VMSCOPE_PROBE_SYMBOL_H

#include <stdint.h>

#include "model/record.h"
#include "model/region.h"

struct symbol_cache; /* tables of the files asked about last; belongs to one thread */

struct symbol_cache *symbol_cache_create(void); /* NULL when out of memory */
void symbol_cache_destroy(struct symbol_cache *c);

struct symbol_answer {
    char section[PAGE_DETAIL_TEXT_MAX]; /* ".text"; escaped; "" if there is none */
    char symbol[PAGE_DETAIL_TEXT_MAX];  /* "main+0x1c", or "main at +0x40"; escaped; or "" */
    char why[CAN_REASON_MAX];           /* why one of them is empty; "" when both are known */
};

/* Looks up the `len` bytes from address, which lie in *r, a region of the process whose directory
 * is open as process_fd (/proc/PID). A section or symbol that holds the address itself goes before
 * one that begins behind it. May block as long as the file's filesystem does. */
void symbol_find(struct symbol_cache *c, int process_fd, const struct region *r, uint64_t address,
                 uint64_t len, struct symbol_answer *out);

#endif
