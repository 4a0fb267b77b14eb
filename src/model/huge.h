/* Huge pages of a mapping: in pieces of which size its memory is mapped, and of the blocks that
 * could be one huge page and are not, why not. Pure.
 *
 * A block is as much as one PMD entry maps, aligned (2 MiB on x86-64). A folio of a smaller order
 * is what the kernel calls mTHP: its pages lie together in memory and are managed as one, but the
 * page table still has an entry for each. */
#ifndef VMSCOPE_MODEL_HUGE_H
#define VMSCOPE_MODEL_HUGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/model.h"
#include "model/thp.h"

/* What a block is. */
enum huge_block {
    BLOCK_HUGE,      /* mapped by one entry */
    BLOCK_ZERO,      /* the huge zero page */
    BLOCK_SPLIT,     /* one folio of that size, mapped by small entries (after a split) */
    BLOCK_KIND,      /* mappings of this kind never get huge pages */
    BLOCK_CLOSED,    /* nothing may be accessed there, and nothing is there */
    BLOCK_NEVER,     /* the machine's setting forbids it */
    BLOCK_DISABLED,  /* the process did, by prctl(PR_SET_THP_DISABLE) */
    BLOCK_REFUSED,   /* VmFlags nh */
    BLOCK_UNADVISED, /* the setting is madvise, and nobody advised it */
    BLOCK_UNREAD,    /* VmFlags or pages were not read: not known */
    BLOCK_EMPTY,     /* nothing is there yet: the first touch may bring a huge page */
    BLOCK_SWAP,      /* more pages in swap than khugepaged accepts */
    BLOCK_HOLES,     /* more untouched pages than khugepaged accepts */
    BLOCK_SHARED,    /* more shared pages than khugepaged accepts */
    BLOCK_WAITS,     /* nothing is against it: khugepaged did not come by since */
    BLOCK_N
};
const char *huge_block_name(enum huge_block block);     /* "huge", "unadvised", ... as in JSON */
const char *huge_block_sentence(enum huge_block block); /* what it means, for people */

struct huge_sum {
    bool no_pmd;                   /* nobody could tell what PMD entries map (no PAGEMAP_SCAN): pmd
                                      is not known, and folios of that size count as unread */
    uint64_t pmd;                  /* bytes mapped by PMD entries, hugetlb and huge zero apart */
    uint64_t zero;                 /* bytes of the huge zero page */
    uint64_t small[HUGE_ORDERS];   /* bytes mapped by small entries, by the order of their folio */
    uint64_t folios[HUGE_ORDERS];  /* large folios mapped by small entries, whole or in part */
    uint64_t partial[HUGE_ORDERS]; /* of them those that this mapping has not all pages of */
    uint64_t hugetlb[HUGE_ORDERS]; /* bytes from the hugetlb pool by order */
    uint64_t unread;               /* bytes present whose folio order was not read */
    uint64_t crooked;              /* bytes of large folios at addresses that are not aligned to
                                      their size: no entry could ever map more than one page */
    uint64_t block_bytes;          /* size of a block */
    uint64_t blocks[BLOCK_N];      /* aligned blocks inside the mapping */
    uint64_t edges;                /* bytes outside of aligned blocks */
};

/* Bytes mapped by small entries that lie in large folios; bytes of the hugetlb pool; all blocks. */
uint64_t huge_large(const struct huge_sum *s);
uint64_t huge_pool(const struct huge_sum *s);
uint64_t huge_blocks(const struct huge_sum *s);
/* Without a block that may be touched and without anything large there is nothing to say. */
bool huge_is_dull(const struct huge_sum *s);

/* Huge blocks of all: "3/19", "?/19", or "." without any. */
const char *huge_share(const struct huge_sum *s, char *out, size_t cap);

/* What stands behind the numbers, a line each, ended by newlines; and the machine's settings. */
void huge_sentences(const struct huge_sum *s, unsigned page_shift, const char *indent,
                    struct buf *out);
void thp_sentences(const struct thp_settings *thp, unsigned page_shift, struct buf *out);

/* Adds the numbers of another sum; the size of a block stays. */
void huge_add(struct huge_sum *to, const struct huge_sum *from);

/* Of one region, and of all of a moment. Blocks are counted in anonymous and shared memory and in
 * files, not in the hugetlb pool and special mappings. */
void huge_of_region(const struct moment *m, const struct region *r, const struct thp_settings *thp,
                    struct huge_sum *out);
void huge_of_all(const struct moment *m, const struct thp_settings *thp, struct huge_sum *out);

#endif
