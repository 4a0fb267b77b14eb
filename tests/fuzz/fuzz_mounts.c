/* /proc/PID/mountinfo. */
#include <stdlib.h>

#include "fuzz.h"
#include "probe/mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mount_kinds kinds = {0};
    char *text = fuzz_copy(data, size);
    DEMAND(mounts_parse(&kinds, text, size) == 0);
    for (size_t i = 0; i < kinds.count; i++) {
        const struct mount_entry *e = &kinds.v[i];
        DEMAND(e->kind <= MOUNT_DEVTMPFS);
        mounts_kind(&kinds, e->dev_major, e->dev_minor);
    }
    mounts_deinit(&kinds);
    free(text);
    return 0;
}
