/* The page tree: a radix tree of 512-way nodes in the shape of the page table itself.
 *
 * A leaf holds the states of 512 pages as runs; a block of any size whose pages are all alike is
 * one value in its parent and costs nothing. Every node carries the exact tally of what is below
 * it. Nodes are immutable once a tree is published and are reference-counted: a new moment shares
 * all unchanged nodes with the last, so keeping history is keeping older roots.
 *
 * A tree belongs to one thread (counts are not atomic). "page" below is a page number: address
 * >> page shift, within the 512^levels pages that the tree covers. */
#ifndef VMSCOPE_MODEL_PAGETREE_H
#define VMSCOPE_MODEL_PAGETREE_H

#include <stddef.h>
#include <stdint.h>

#include "model/page.h"

enum { PAGETREE_FANOUT_BITS = 9, PAGETREE_FANOUT = 512, PAGETREE_LEVELS_MAX = 6 };

/* What a range holds, in pages. n[s] counts pages of state s; the rest count attributes. */
enum tally_index {
    TALLY_EXCLUSIVE = PAGE_STATE_N, /* present with pagemap bit 56 */
    TALLY_COW,                      /* anonymous (smaps sense), present, without bit 56 */
    TALLY_PMD,                      /* PMD-mapped, without hugetlb and the huge zero page */
    TALLY_LOCKED,
    TALLY_DIRTY,
    TALLY_LARGE,    /* in a large folio, hugetlb excluded */
    TALLY_NO_ENTRY, /* present, but the pagemap entry was not read */
    TALLY_NO_FLAGS, /* present with a frame, but kpageflags was not read */
    TALLY_N
};
struct tally {
    uint64_t n[TALLY_N];
};

void tally_add(struct tally *to, const struct tally *from);
/* Adds n pages like *p. */
void tally_add_page(struct tally *to, const struct page *p, uint64_t n);
/* Pages that have a frame, in the sense of pagemap bit 63. */
uint64_t tally_present(const struct tally *t);
/* Pages in smaps Rss, and in smaps Anonymous. */
uint64_t tally_rss(const struct tally *t);
uint64_t tally_anon(const struct tally *t);

struct pagetree; /* an immutable moment; reference-counted */

/* An empty tree (all PAGE_ABSENT) with this many 512-way levels (2 to PAGETREE_LEVELS_MAX; x86-64
 * has 4, or 5 with la57). NULL when out of memory. */
struct pagetree *pagetree_create(unsigned levels);
struct pagetree *pagetree_ref(struct pagetree *t); /* returns t */
void pagetree_unref(struct pagetree *t);           /* NULL is fine */
unsigned pagetree_levels(const struct pagetree *t);

/* A run in a replacement: `n` pages that begin with value `first` (frames count up). */
struct page_run {
    uint64_t page; /* number of the first page */
    uint64_t n;
    struct page first;
};

/* A new tree equal to `base` but for the pages [start, start+n), which become the runs (in
 * ascending order, inside the range; pages between runs become absent). `base` keeps its
 * reference. Subtrees that come out equal are shared with base; if nothing differs, *out is base
 * itself with one more reference. Cost: the leaves in the range plus one path. 0, -ENOMEM, or
 * -EINVAL for runs out of order or range; *out untouched on failure. */
int pagetree_replace(struct pagetree *base, uint64_t start, uint64_t n, const struct page_run *runs,
                     size_t count, struct pagetree **out);

/* Makes [start, start+n) of *t one run that begins with *value, in place where nobody else holds a
 * reference: *t becomes another tree if somebody does, and nodes shared with other trees are copied
 * once. For changes that come one by one. 0, -ENOMEM (part of the range is changed, the tree is
 * sound), or -EINVAL. */
int pagetree_put(struct pagetree **t, uint64_t start, uint64_t n, const struct page *value);

/* The value of one page. */
struct page pagetree_get(const struct pagetree *t, uint64_t page);

/* Adds the exact tally of [start, start+n) to *sum. */
void pagetree_tally(const struct pagetree *t, uint64_t start, uint64_t n, struct tally *sum);

/* Calls `each` for the maximal runs of alike pages of [start, start+n), ascending, clipped to the
 * range, absent ones included. Stops at and returns the first non-zero result. */
typedef int pagetree_run_fn(void *ctx, const struct page_run *run);
int pagetree_walk(const struct pagetree *t, uint64_t start, uint64_t n, pagetree_run_fn *each,
                  void *ctx);

/* Calls `each` with page ranges, ascending, that cover every page whose value differs between a
 * and b inside [start, start+n). Subtrees that both share are skipped, so the cost follows the
 * change. Ranges are exact to the run. Stops at and returns the first non-zero result. */
typedef int pagetree_range_fn(void *ctx, uint64_t start, uint64_t n);
int pagetree_diff(const struct pagetree *a, const struct pagetree *b, uint64_t start, uint64_t n,
                  pagetree_range_fn *each, void *ctx);

/* Bytes of nodes reachable from t (shared ones counted once). */
size_t pagetree_memory(const struct pagetree *t);

#endif
