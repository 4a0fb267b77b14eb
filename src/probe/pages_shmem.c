/* Shared memory that is in swap leaves no trace in the page table. The file knows: cachestat(2)
 * counts the swapped pages of a range of it, so halving the range finds them. The file is opened
 * through map_files, which changes nothing for the target. */
#include "probe/pages_raw.h"

#include <unistd.h>

#include "probe/file_cache.h"

struct search {
    struct page_reader *r;
    const struct region *region;
    int fd;
    unsigned shift;
};

/* Pages of [page, page + n) of the address space that the file has in swap; negative errno. */
static int64_t swapped(const struct search *s, uint64_t page, uint64_t n)
{
    struct file_cache cache;
    uint64_t start = page << s->shift;
    int rc = file_cache_ask(s->fd, s->region, start, start + (n << s->shift), &cache);
    return rc ? rc : (int64_t)cache.evicted;
}

static int find(struct search *s, uint64_t page, uint64_t n)
{
    int64_t count = swapped(s, page, n);
    if (count <= 0)
        return 0;
    if ((uint64_t)count >= n) {
        while (n) {
            uint32_t part = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
            struct pages_raw raw = {.page = page, .n = part, .flags_at = RAW_NONE,
                                    .counts_at = RAW_NONE, .source = RAW_SHMEM_SWAP};
            int rc = pages_raw_push(s->r, &raw);
            if (rc)
                return rc;
            page += part;
            n -= part;
        }
        return 0;
    }
    int rc = find(s, page, n / 2);
    return rc ? rc : find(s, page + n / 2, n - n / 2);
}

bool page_reader_shmem_swap(struct page_reader *r, const struct region *region, uint64_t *bytes)
{
    struct search s = {.r = r, .region = region, .fd = file_cache_open(r->process_fd, region),
                       .shift = r->geometry.page_shift};
    if (s.fd < 0)
        return false;
    int64_t n = swapped(&s, region->start >> s.shift, (region->end - region->start) >> s.shift);
    close(s.fd);
    if (n >= 0)
        *bytes = (uint64_t)n << s.shift;
    return n >= 0;
}

int pages_shmem_swap(struct page_reader *r, const struct region *region, uint64_t start,
                     uint64_t end)
{
    unsigned shift = r->geometry.page_shift;
    struct search s = {.r = r, .region = region, .fd = file_cache_open(r->process_fd, region), .shift = shift};
    if (s.fd < 0)
        return 0;
    int rc = find(&s, start >> shift, (end - start) >> shift);
    close(s.fd);
    return rc;
}
