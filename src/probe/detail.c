/* One page in full. */
#include "probe/detail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/abi.h"
#include "probe/file_cache.h"

static void why(char out[CAN_REASON_MAX], const struct can *c, const char *else_text)
{
    snprintf(out, CAN_REASON_MAX, "%s", c->yes ? else_text : c->why);
}

static void read_entry(struct page_reader *r, const struct target_info *info, struct page_detail *d)
{
    uint64_t page = d->address >> info->geometry.page_shift;
    ssize_t n = r->pagemap_fd < 0 ? -EBADF
                                  : io_pread(r->pagemap_fd, &d->entry, sizeof d->entry, page * 8);
    d->has_entry = n == sizeof d->entry;
    if (!d->has_entry)
        why(d->entry_why, &info->pagemap, "the kernel has no page-table entry to show here");
}

static bool read_frame(int fd, uint64_t pfn, uint64_t *out)
{
    return fd >= 0 && io_pread(fd, out, sizeof *out, pfn * sizeof *out) == sizeof *out;
}

static void read_frames(struct page_reader *r, const struct target_info *info,
                        struct page_detail *d)
{
    bool present = d->has_entry && d->entry & PM_PRESENT;
    if (!present || !r->has_pfn) {
        const char *none = d->has_entry ? "no frame is mapped here" : d->entry_why;
        why(d->flags_why, present ? &info->pfn : &(struct can){.yes = true}, none);
        memcpy(d->count_why, d->flags_why, sizeof d->count_why);
        return;
    }
    uint64_t pfn = d->entry & PM_PFN_MASK;
    d->has_flags = read_frame(r->kpageflags_fd, pfn, &d->flags);
    d->has_count = read_frame(r->kpagecount_fd, pfn, &d->count);
    if (!d->has_flags)
        why(d->flags_why, &info->kpageflags, "the kernel keeps no flags of this frame");
    if (!d->has_count)
        why(d->count_why, &info->kpagecount, "the kernel keeps no count of this frame");
}

/* The same page as the model would have it: one page read the ordinary way. */
static void read_page(struct page_reader *r, const struct region_table *regions,
                      const struct target_info *info, struct page_detail *d)
{
    struct run_vec runs = {0};
    uint64_t stopped, size = (uint64_t)1 << info->geometry.page_shift;
    d->page = page_absent;
    if (!page_reader_read(r, regions, d->address, d->address + size,
                          PAGES_ALL | PAGES_ALL_COUNTS | PAGES_ORDERS | PAGES_NOISY, 1, &runs,
                          &stopped) &&
        runs.count)
        d->page = runs.v[0].first;
    run_vec_deinit(&runs);
}

/* Whether the page of the file is in the page cache: then the first access needs no disk. */
static void read_cache(const struct procdir *dir, const struct region *r, uint64_t size,
                       struct page_detail *d)
{
    d->has_file = r->kind == REGION_FILE || r->kind == REGION_SHMEM;
    if (!d->has_file)
        return;
    int fd = file_cache_open(dir->fd, r);
    int rc = fd < 0 ? fd : file_cache_ask(fd, r, d->address, d->address + size, &d->cache);
    if (fd >= 0)
        close(fd);
    d->has_cache = !rc;
    if (rc)
        snprintf(d->cache_why, sizeof d->cache_why, "%s%s", strerror(-rc),
                 rc == -EPERM || rc == -EACCES ? "; run with sudo" : "");
}

void detail_read(struct page_reader *r, const struct procdir *dir, struct symbol_cache *symbols,
                 const struct region_table *regions, const struct target_info *info,
                 uint64_t address, struct page_detail *out)
{
    uint64_t size = (uint64_t)1 << info->geometry.page_shift;
    *out = (struct page_detail){.address = address & ~(size - 1)};
    read_entry(r, info, out);
    read_frames(r, info, out);
    if (out->has_entry && out->entry & PM_SWAP) {
        out->swap_type = out->entry & PM_SWAP_TYPE_MASK;
        out->swap_offset = (out->entry & PM_PFN_MASK) >> PM_SWAP_OFFSET_SHIFT;
    }
    const struct region *region = regions ? region_table_at(regions, out->address) : NULL;
    if (!region) {
        out->page = page_absent;
        snprintf(out->object_why, sizeof out->object_why, "no mapping here");
        return;
    }
    read_page(r, regions, info, out);
    read_cache(dir, region, size, out);
    struct symbol_answer answer = {0};
    symbol_find(symbols, dir->fd, region, out->address, size, &answer);
    memcpy(out->section, answer.section, sizeof out->section);
    memcpy(out->symbol, answer.symbol, sizeof out->symbol);
    memcpy(out->object_why, answer.why, sizeof out->object_why);
}
