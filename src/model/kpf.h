/* Names and meanings of the bits that the kernel keeps for a page: those of a pagemap entry and
 * those of /proc/kpageflags (Documentation/admin-guide/mm/pagemap.rst; kpageflags bits from 32 on:
 * include/linux/kernel-page-flags.h). */
#ifndef VMSCOPE_MODEL_KPF_H
#define VMSCOPE_MODEL_KPF_H

#include <stdint.h>

enum { KPF_BITS = 64, PAGEMAP_BITS = 64 };

struct bit_name {
    const char *name;    /* "SWAPBACKED"; NULL for a bit without a name */
    const char *meaning; /* one clause */
};

/* A bit of kpageflags; `flags` is the whole word, for a bit whose meaning depends on others. */
struct bit_name kpf_bit(unsigned bit, uint64_t flags);

/* A flag bit of a pagemap entry (55 and above). */
struct bit_name pagemap_bit(unsigned bit);

#endif
