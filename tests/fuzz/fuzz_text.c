/* Foreign text on its way to a terminal: escaping, in any room, and JSON strings. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "fuzz.h"

static void escape_into(const char *text, size_t size, size_t cap)
{
    char *out = malloc(cap);
    if (!out)
        return;
    size_t len = text_escape(out, cap, text, size);
    DEMAND(len < cap && out[len] == '\0' && strlen(out) == len);
    demand_printable(out, len);
    DEMAND(text_columns(out) <= len);
    if (cap > size * 10)
        DEMAND(len >= size || !size);
    free(out);
}

static void as_json(const char *text, size_t size)
{
    struct buf b = {0};
    struct json j;
    json_init(&j, &b);
    json_put_bytes(&j, text, size);
    DEMAND(json_end(&j) == 0);
    DEMAND(b.len >= 2 && b.data[0] == '"' && b.data[b.len - 1] == '"');
    demand_printable(b.data, b.len);
    buf_deinit(&b);
}

static void numbers(const char *text, size_t size)
{
    const char *p = text, *end = text + size;
    uint64_t v;
    bool ok = text_hex(&p, end, &v);
    DEMAND(ok == (p > text) && p <= end);
    p = text;
    ok = text_dec(&p, end, &v);
    DEMAND(ok == (p > text) && p <= end);
    text_field(text, size, "VmRSS:", &v);
    char human[TEXT_SIZE_MAX];
    struct feed f = feed_of((const uint8_t *)text, size);
    v = feed_u64(&f);
    DEMAND(strlen(text_size(human, v)) <= 5);
    DEMAND(!v || (human[0] != '0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    escape_into(text, size, size * 10 + 16);
    escape_into(text, size, 1 + (size ? data[0] % 32 : 0));
    as_json(text, size);
    numbers(text, size);
    free(text);
    return 0;
}
