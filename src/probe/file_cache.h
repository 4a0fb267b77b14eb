/* What of a mapped file is in memory: cachestat(2) on the file behind a mapping, which changes
 * nothing for anybody. */
#ifndef VMSCOPE_PROBE_FILE_CACHE_H
#define VMSCOPE_PROBE_FILE_CACHE_H

#include "model/backing.h"
#include "model/region.h"

/* Opens the file behind a mapping read-only: through map_files, or by its name if that names the
 * same file. A descriptor or a negative errno. `process_fd` is /proc/PID. */
int file_cache_open(int process_fd, const struct region *r);

/* Pages of the file under [start, end) of the mapping. 0 or a negative errno. */
int file_cache_ask(int fd, const struct region *r, uint64_t start, uint64_t end,
                   struct file_cache *out);

/* Of all mappings of files of a table, at most `most` of them. *out is the caller's, to be freed. 0
 * or -ENOMEM. */
int file_caches_read(int process_fd, const struct region_table *t, size_t most,
                     struct file_caches **out);

#endif
