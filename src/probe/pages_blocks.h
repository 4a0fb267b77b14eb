/* Blocks of raw runs, each different one once: what many processes that were forked from one another
 * have in their page tables. A block stands for itself, or for the changes to another one at the
 * same addresses, so that a page which one process has for itself costs that page and not its
 * neighbours.
 *
 * In the end blocks become the pieces of a family_picture, with the same numbers. */
#ifndef VMSCOPE_PROBE_PAGES_BLOCKS_H
#define VMSCOPE_PROBE_PAGES_BLOCKS_H

#include "model/family.h"
#include "probe/pages_raw.h"

enum { PAGES_BLOCK = 512 }; /* pages; no run of a block crosses a multiple of it, unless it is alone */
#define PAGES_NO_BLOCK UINT32_MAX

/* n pages from `page` on become the raws [at, at + count). */
struct pages_cut {
    uint64_t page;
    size_t at;
    uint32_t n, count;
};

struct pages_block {
    uint64_t page;            /* of the first raw */
    size_t at, count;         /* raws, or cuts if it changes another block */
    uint32_t base;            /* the block that it changes, or PAGES_NO_BLOCK */
    uint32_t next;            /* in its list */
    uint32_t changes;         /* list of the blocks that change it */
};

struct pages_blocks {
    struct page_reader *reader; /* whose raws they are */
    struct pages_block *v;
    size_t count, cap;
    struct pages_cut *cuts;
    size_t cuts_count, cuts_cap;
    uint32_t *buckets; /* lists of the blocks that change no other, by address */
    /* While a block is compared with another. */
    struct pages_cut new_cuts[PAGES_BLOCK];
    struct pages_raw new_raws[PAGES_BLOCK];
    uint32_t new_cuts_count, new_raws_count, changed;
};

/* Whether the frames of a run count up. */
bool pages_raw_counts_up(const struct page_reader *r, const struct pages_raw *raw);
/* Whether b makes one run with a, which is before it. No run goes on from one of no pages. */
bool pages_raw_goes_on(const struct page_reader *r, const struct pages_raw *a,
                       const struct pages_raw *b);

/* 0 or -ENOMEM. */
int pages_blocks_init(struct pages_blocks *b, struct page_reader *reader);
void pages_blocks_deinit(struct pages_blocks *b);

/* If the raws from here on are those of a known block that changes no other: how many they are, and
 * its number. Else 0, also where the last raw of the block might not be the last of `count`. */
size_t pages_blocks_find(struct pages_blocks *b, const struct pages_raw *raws, size_t count,
                         uint32_t *found);

/* The number of the block that the reader's raws from `at` to their end are; none of them has been
 * fetched. What of them is known is taken off the reader again. 0 or -ENOMEM. */
int pages_blocks_add(struct pages_blocks *b, size_t at, uint32_t *number);

/* All blocks as pieces of the picture, which has none yet, after the frames were fetched. 0 or
 * -ENOMEM. */
int pages_blocks_emit(struct pages_blocks *b, unsigned want, struct family_picture *picture);

#endif
