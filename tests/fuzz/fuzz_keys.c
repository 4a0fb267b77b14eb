/* The strings of --keys: every name that is read is written back and read the same. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "fuzz.h"
#include "ui/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    const char *at = text, *end = text + strlen(text);
    for (;;) {
        struct err e = {0};
        const char *was = at;
        int key = -1;
        if (keys_next(&at, &key, &e)) {
            DEMAND(e.code < 0 && e.text[0]);
            demand_printable(e.text, strlen(e.text));
            break;
        }
        if (key == KEY_CODE_NONE) {
            DEMAND(at == end);
            break;
        }
        DEMAND(at > was && at <= end);
        char name[KEY_NAME_MAX];
        const char *again = keys_name(name, key);
        demand_printable(again, strlen(again));
        DEMAND(strlen(again) < KEY_NAME_MAX);
        int key2 = -1;
        DEMAND(keys_next(&again, &key2, &e) == 0 && key2 == key && *again == '\0');
    }
    free(text);
    return 0;
}
