/* What this machine's memory management looks like. */
#include "probe/sysinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"

/* Missing in headers before 4.17; a kernel that does not know it takes the address as a hint. */
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { PTE_SIZE = 8, ADDRESS_BITS_MIN = 31, ADDRESS_BITS_MAX = 62 };

/* Whether user space reaches this address: only the kernel knows how many levels it uses, and a
 * mapping that it accepts is its word. */
static bool reaches(uint64_t address, size_t page_size)
{
    void *want = (void *)(uintptr_t)address;
    void *got = mmap(want, page_size, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == MAP_FAILED)
        return errno == EEXIST;
    munmap(got, page_size);
    return got == want;
}

static unsigned user_address_bits(size_t page_size)
{
    for (unsigned bit = ADDRESS_BITS_MAX; bit >= ADDRESS_BITS_MIN; bit--)
        if (reaches(UINT64_C(1) << bit, page_size))
            return bit + 1;
    return ADDRESS_BITS_MIN;
}

/* Without THP in this kernel, a PMD still maps as much as one page of entries reaches. */
static unsigned pmd_shift(unsigned page_shift)
{
    struct buf b = {0};
    uint64_t size = 0;
    if (!io_read_at(AT_FDCWD, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", &b))
        text_field(b.data, b.len, "", &size);
    buf_deinit(&b);
    if (size && !(size & (size - 1)))
        return (unsigned)__builtin_ctzll(size);
    return page_shift + page_shift - (unsigned)__builtin_ctz(PTE_SIZE);
}

int sysinfo_geometry(struct geometry *out)
{
    static const char *const names[PAGETREE_LEVELS_MAX - 1] = {"PGD", "P4D", "PUD", "PMD", "PTE"};
    long page_size = sysconf(_SC_PAGESIZE);
    if (page_size <= 0)
        return -EINVAL;
    struct geometry g = {.page_shift = (unsigned)__builtin_ctzl((unsigned long)page_size)};
    unsigned bits = user_address_bits((size_t)page_size) - g.page_shift;
    g.levels = (bits + PAGETREE_FANOUT_BITS - 1) / PAGETREE_FANOUT_BITS;
    if (g.levels < 2)
        g.levels = 2;
    if (g.levels > 5)
        g.levels = 5;
    g.pmd_shift = pmd_shift(g.page_shift);
    /* Folded levels are the ones between the top and the last two. */
    for (unsigned i = 0; i < g.levels; i++)
        g.level_name[i] = names[i ? 5 - g.levels + i : 0];
    *out = g;
    return 0;
}

void sysinfo_chosen(const char *setting, char *out, size_t cap)
{
    const char *open = strchr(setting, '['), *close = open ? strchr(open, ']') : NULL;
    size_t len = close ? (size_t)(close - open - 1) : 0;
    if (len >= cap)
        len = cap - 1;
    if (len)
        memcpy(out, open + 1, len);
    out[len] = '\0';
}
