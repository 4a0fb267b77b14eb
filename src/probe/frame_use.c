/* From frame flags to use (fs/proc/page.c, stable_page_flags). The order matters: the zero page is
 * reserved too, pages of KSM are anonymous too. */
#include "probe/frame_use.h"

#include <stdbool.h>

#include "probe/abi.h"

static bool any(uint64_t flags, uint64_t mask)
{
    return (flags & mask) != 0;
}

static enum frame_use use_of_memory(uint64_t flags)
{
    const uint64_t large = KPF_MASK(KPF_COMPOUND_HEAD) | KPF_MASK(KPF_COMPOUND_TAIL);
    const uint64_t cached = KPF_MASK(KPF_LRU) | KPF_MASK(KPF_UPTODATE) | KPF_MASK(KPF_UNEVICTABLE);
    if (any(flags, KPF_MASK(KPF_KSM)))
        return FRAME_KSM;
    if (any(flags, KPF_MASK(KPF_ANON)))
        return any(flags, large) ? FRAME_ANON_LARGE : FRAME_ANON;
    if (any(flags, KPF_MASK(KPF_SWAPBACKED)))
        return FRAME_SHMEM;
    if (any(flags, KPF_MASK(KPF_THP)))
        return FRAME_FILE;
    return any(flags, cached) ? FRAME_FILE : FRAME_OTHER;
}

enum frame_use frame_use_of(uint64_t flags)
{
    static const struct {
        uint64_t mask;
        enum frame_use use;
    } decides[] = {
        {KPF_MASK(KPF_NOPAGE), FRAME_NONE},     {KPF_MASK(KPF_HWPOISON), FRAME_POISON},
        {KPF_MASK(KPF_OFFLINE), FRAME_OFFLINE}, {KPF_MASK(KPF_BUDDY), FRAME_FREE},
        {KPF_MASK(KPF_PGTABLE), FRAME_TABLE},   {KPF_MASK(KPF_SLAB), FRAME_SLAB},
        {KPF_MASK(KPF_HUGE), FRAME_HUGETLB},    {KPF_MASK(KPF_ZERO_PAGE), FRAME_ZERO},
        {KPF_MASK(KPF_RESERVED), FRAME_RESERVED},
    };
    for (unsigned i = 0; i < sizeof decides / sizeof *decides; i++)
        if (any(flags, decides[i].mask))
            return decides[i].use;
    return use_of_memory(flags);
}
