/* The map of a JIT compiler: whatever it says, names come out printable and offsets in bounds. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "probe/lines_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t places[] = {0, 1, 0x1000, 0x1010, 0x7f3a40000010, INT64_MAX, UINT64_MAX};
    char *text = fuzz_copy(data, size), out[256];
    struct jit_map *m = NULL;
    DEMAND(jit_map_parse(text, size, &m) == 0 && m);
    free(text);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        memset(out, 0x5a, sizeof out);
        jit_map_symbol(m, places[i], out, sizeof out);
        demand_printable(out, strlen(out));
        DEMAND(!out[0] || strstr(out, "+0x"));
        jit_map_symbol(m, places[i], out, 8);
        DEMAND(strlen(out) < 8);
    }
    jit_map_destroy(m);
    return 0;
}
