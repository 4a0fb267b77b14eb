/* Scripts: what is refused is told at a place within the text; what is accepted comes out of the
 * formatter as something that means the same, and that formats to itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "scenario/script.h"

static void demand_error(const struct script_error *e, const char *text, size_t size)
{
    struct buf out = {0};
    DEMAND(e->at.line >= 1 && e->at.column >= 1 && e->length >= 1);
    DEMAND(e->text[0]);
    demand_printable(e->text, strlen(e->text));
    script_error_show(e, "fuzz.vms", text, size, &out);
    char *line = out.data;
    for (char *end; (end = strchr(line, '\n')); line = end + 1)
        demand_printable(line, (size_t)(end - line));
    DEMAND(!*line && strstr(out.data, "^"));
    buf_deinit(&out);
}

static void demand_same(const struct script *a, const struct script *b)
{
    struct buf x = {0}, y = {0};
    DEMAND(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        buf_clear(&x);
        buf_clear(&y);
        statement_format(&a->v[i], &x);
        statement_format(&b->v[i], &y);
        DEMAND(!strcmp(x.data, y.data));
        DEMAND(a->v[i].match == b->v[i].match);
        demand_printable(x.data, x.len);
    }
    buf_deinit(&x);
    buf_deinit(&y);
}

static void demand_round_trip(const struct script *s)
{
    struct buf once = {0}, twice = {0};
    struct script *again = NULL;
    struct script_error e;
    script_format(s, &once);
    DEMAND(script_parse(once.data ? once.data : "", once.len, &again, &e) == 0);
    script_format(again, &twice);
    DEMAND(once.len == twice.len && (!once.len || !memcmp(once.data, twice.data, once.len)));
    demand_same(s, again);
    script_destroy(again);
    buf_deinit(&once);
    buf_deinit(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    struct script *s = NULL;
    struct script_error e = {0};
    int rc = script_parse(text, size, &s, &e);
    DEMAND(rc == 0 || rc == -EINVAL);
    if (rc)
        demand_error(&e, text, size);
    else
        demand_round_trip(s);
    script_destroy(s);
    free(text);
    return 0;
}
