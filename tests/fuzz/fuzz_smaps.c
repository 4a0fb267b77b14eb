/* /proc/PID/smaps: whatever the lines between two headers say, the numbers stay with their region.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "probe/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    struct region_table *t = NULL;
    DEMAND(smaps_parse(text, size, NULL, &t) == 0 && t);
    demand_regions(t);
    for (size_t i = 0; i < t->count; i++) {
        const struct region_smaps *s = t->v[i].smaps;
        if (!s)
            continue;
        DEMAND(t->smaps && s >= t->smaps && s < t->smaps + t->count);
        DEMAND(s->rss % 1024 == 0 && s->anonymous % 1024 == 0 && s->swap % 1024 == 0);
    }
    region_table_unref(t);
    free(text);
    return 0;
}
