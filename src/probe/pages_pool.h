/* The pages of many processes at once. Their raw entries are collected first, process after
 * process, cut into blocks (pages_blocks.h). What an earlier process has alike at the same
 * addresses is kept once, so a fork's children cost what they do not share. Then the frames of all
 * blocks are fetched together, each asked once, and each block is decoded once. */
#ifndef VMSCOPE_PROBE_PAGES_POOL_H
#define VMSCOPE_PROBE_PAGES_POOL_H

#include "model/family.h"
#include "probe/pages.h"

struct pages_pool;

/* For a machine of this geometry. NULL when out of memory. */
struct pages_pool *pages_pool_create(const struct geometry *g);
void pages_pool_destroy(struct pages_pool *p); /* NULL is fine */

/* Reads all pages of the regions with a process's reader and appends the numbers of its blocks to
 * picture->order; *count is how many. 0, -ENOMEM, or -ESRCH: the process is gone, or has another
 * address space, and nothing was appended. */
int pages_pool_add(struct pages_pool *p, struct page_reader *r, const struct region_table *regions,
                   struct family_picture *picture, size_t *count);

/* Fetches and decodes all blocks into picture->pieces and picture->runs. proc_root_fd is the
 * directory of kpageflags and kpagecount. Map counts are those without this process.
 * `want` as for page_reader_collect. 0 or -ENOMEM. */
int pages_pool_finish(struct pages_pool *p, int proc_root_fd, unsigned want,
                      struct family_picture *picture);

#endif
