/* /proc/kallsyms. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "probe/ksyms.h"

static void check(const struct ksyms *k, uint64_t address)
{
    size_t len = 0;
    const char *name = ksyms_find(k, address, &len);
    if (!name)
        return;
    DEMAND(len > 0);
    demand_printable(name, len);
    DEMAND(!memchr(name, ';', len) && !memchr(name, '\n', len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    struct ksyms *k = NULL;
    if (!ksyms_parse(text, size, &k)) {
        uint64_t start, end;
        DEMAND(ksyms_count(k) > 0);
        DEMAND(!ksyms_find(k, 0, &(size_t){0}));
        check(k, UINT64_MAX);
        check(k, UINT64_C(0xffffffff81000000));
        if (ksyms_range(k, "exc_page_fault", &start, &end))
            DEMAND(start && start < end);
        ksyms_destroy(k);
    } else {
        DEMAND(!k);
    }
    free(text);
    return 0;
}
