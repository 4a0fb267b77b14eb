/* A foreign ELF file: its tables are read, or refused with a reason; every look-up ends. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "probe/object.h"

static void look_up(const struct object *o, uint64_t offset, unsigned perms)
{
    char text[256];
    uint64_t address = offset;
    object_address(o, offset, perms, &address);
    memset(text, 0x5a, sizeof text);
    object_section(o, address, 4096, text, sizeof text);
    demand_printable(text, strlen(text));
    memset(text, 0x5a, sizeof text);
    object_symbol(o, address, 4096, text, sizeof text);
    demand_printable(text, strlen(text));
    object_symbol(o, address, UINT64_MAX, text, 8);
    DEMAND(strlen(text) < 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *image = fuzz_copy(data, size);
    struct object *o = NULL;
    const char *why = NULL;
    int rc = object_read_image(image, size, &o, &why);
    free(image);
    if (rc) {
        DEMAND(!o && why);
        return 0;
    }
    DEMAND(object_bytes(o) < ((size_t)1 << 30));
    object_has_symbols(o);
    for (uint64_t offset = 0; offset < size + 8192; offset += 4096)
        for (unsigned perms = 0; perms < 8; perms++)
            look_up(o, offset, perms);
    look_up(o, UINT64_MAX & ~(uint64_t)4095, 5);
    object_destroy(o);
    return 0;
}
