/* The tables of the machine: zoneinfo, buddyinfo, meminfo, vmallocinfo. The first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "probe/physmem.h"

static void check_zones(const struct physmem_info *info)
{
    for (unsigned i = 0; i < info->zone_count; i++) {
        const struct zone *z = &info->zones[i];
        if (!z->spanned || z->start + z->spanned > info->frames || z->orders > BUDDY_ORDERS ||
            (i && z->start < info->zones[i - 1].start))
            abort();
    }
}

static void check_callers(const struct physmem_info *info)
{
    uint64_t areas = 0;
    for (unsigned i = 0; i < info->caller_count; i++)
        areas += info->callers[i].areas;
    if (areas != info->vmalloc_areas || info->caller_count > PHYSMEM_CALLERS)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct physmem_info info;
    struct meminfo mem;
    if (!size)
        return 0;
    const char *text = (const char *)data + 1;
    memset(&info, 0, sizeof info);
    switch (data[0] & 3) {
    case 0:
        zoneinfo_parse(text, size - 1, &info);
        buddyinfo_parse(text, size - 1, &info);
        check_zones(&info);
        break;
    case 1:
        meminfo_parse(text, size - 1, &mem);
        break;
    default:
        vmallocinfo_parse(text, size - 1, &info);
        check_callers(&info);
    }
    return 0;
}
