/* /proc/PID/maps, as maps and again as smaps; a table always keeps the promises of region.h. */
#include <stdlib.h>

#include "fuzz.h"
#include "probe/maps.h"

static void parse(const char *text, size_t size, const struct mount_kinds *kinds, bool smaps)
{
    struct region_table *t = NULL;
    int rc = smaps ? smaps_parse(text, size, kinds, &t) : maps_parse(text, size, kinds, &t);
    DEMAND(rc == 0 && t);
    demand_regions(t);
    for (size_t i = 0; i < t->count; i++)
        DEMAND((t->v[i].start & 0xfff) == 0 && (t->v[i].end & 0xfff) == 0);
    region_table_unref(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mount_entry one[] = {{0, 1, MOUNT_SHMEM}, {0, 14, MOUNT_HUGETLB}, {8, 1, MOUNT_OTHER}};
    struct mount_kinds kinds = {.v = one, .count = 3, .cap = 3};
    char *text = fuzz_copy(data, size);
    parse(text, size, NULL, false);
    parse(text, size, &kinds, false);
    parse(text, size, &kinds, true);
    free(text);
    return 0;
}
