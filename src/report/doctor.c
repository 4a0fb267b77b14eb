/* What a user can see on a kernel, as a table and as JSON. */
#include "report/doctor.h"

#include "base/json.h"

enum { TITLE_COLUMNS = 40 };

static int setting_line(const struct capability *c, struct buf *out)
{
    int rc = buf_printf(out, "  %-*s", TITLE_COLUMNS, c->title);
    if (rc)
        return rc;
    return c->yes ? buf_printf(out, "%s\n", c->value) : buf_printf(out, "? (%s)\n", c->why);
}

static int sight_line(const struct capability *c, struct buf *out)
{
    if (c->yes)
        return buf_printf(out, "  yes  %s\n", c->title);
    return buf_printf(out, "  no   %-*s%s\n", TITLE_COLUMNS - 5, c->title, c->why);
}

static int table_line(const struct capability *c, struct buf *out)
{
    int rc = c->kind == CAPABILITY_SETTING ? setting_line(c, out) : sight_line(c, out);
    if (!rc && c->remedy[0])
        rc = buf_printf(out, "%*s-> %s\n", TITLE_COLUMNS + 2, "", c->remedy);
    return rc;
}

int doctor_table(const struct capability_list *l, struct buf *out)
{
    static const char *const heads[CAPABILITY_KIND_N] = {
        [CAPABILITY_PAGES] = "Pages and mappings",
        [CAPABILITY_FAULTS] = "Faults",
        [CAPABILITY_SETTING] = "This machine",
    };
    int rc = 0;
    for (size_t i = 0; i < l->count && !rc; i++) {
        const struct capability *c = &l->v[i];
        if (!i || c->kind != c[-1].kind)
            rc = buf_printf(out, "%s%s\n", i ? "\n" : "", heads[c->kind]);
        if (!rc)
            rc = table_line(c, out);
    }
    return rc;
}

static void text_or_null(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    if (text[0])
        json_put_string(j, text);
    else
        json_put_null(j);
}

static void json_entry(struct json *j, const struct capability *c)
{
    json_open_object(j);
    json_put_string(json_key(j, "name"), c->name);
    json_put_string(json_key(j, "title"), c->title);
    if (c->kind == CAPABILITY_SETTING)
        text_or_null(j, "value", c->value);
    else
        json_put_bool(json_key(j, "yes"), c->yes);
    text_or_null(j, "why", c->why);
    text_or_null(j, "remedy", c->remedy);
    json_close_object(j);
}

int doctor_json(const struct capability_list *l, struct buf *out)
{
    static const char *const keys[CAPABILITY_KIND_N] = {
        [CAPABILITY_PAGES] = "pages",
        [CAPABILITY_FAULTS] = "faults",
        [CAPABILITY_SETTING] = "settings",
    };
    struct json j;
    json_init(&j, out);
    json_open_object(&j);
    json_put_string(json_key(&j, "schema"), "vmscope.doctor/1");
    for (unsigned kind = 0; kind < CAPABILITY_KIND_N; kind++) {
        json_open_array(json_key(&j, keys[kind]));
        for (size_t i = 0; i < l->count; i++)
            if (l->v[i].kind == kind)
                json_entry(&j, &l->v[i]);
        json_close_array(&j);
    }
    json_close_object(&j);
    int rc = json_end(&j);
    return rc ? rc : buf_putc(out, '\n');
}
