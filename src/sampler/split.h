/* Large pictures whose time goes into page tables (residency alone, or huge pages) are read by two
 * threads on two CPUs: the mapped bytes are split into pieces, and each thread takes the next one
 * until none is left, so that a late thread costs no more than a piece. Where the time goes into
 * frames instead, frames.c shares it out, and needs all of them together to sort them well. */
#ifndef VMSCOPE_SAMPLER_SPLIT_H
#define VMSCOPE_SAMPLER_SPLIT_H

#include "probe/pages.h"
#include "probe/procdir.h"

enum { SPLIT_PIECES = 16 };

struct split_piece {
    uint64_t start, end; /* addresses; pieces follow one another from 0 to UINT64_MAX */
    uint64_t stopped;    /* runs are those of [start, stopped): a piece of very many is cut short */
    struct run_vec runs;
    int rc;
};

struct split {
    struct split_piece piece[SPLIT_PIECES];
    uint64_t pages_read, ranges_skipped; /* by the second reader */
};

/* Reads everything with `reader` and a second one. False, with nothing to deinit, when there is no
 * other CPU or no memory for another reader. */
bool split_read(struct split *s, struct page_reader *reader, const struct procdir *d,
                const struct target_info *info, const struct region_table *regions, unsigned want);
void split_deinit(struct split *s);

#endif
