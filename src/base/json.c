/* The JSON writer. Commas follow from what was written before on the same level. */
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

void json_init(struct json *j, struct buf *out)
{
    *j = (struct json){.out = out};
}

int json_end(const struct json *j)
{
    return j->error ? j->error : j->depth || !j->done ? -EINVAL : 0;
}

static void put(struct json *j, const char *bytes, size_t len)
{
    if (!j->error)
        j->error = buf_append(j->out, bytes, len);
}

/* Separates a key, or a value without one, from what stands before it on this level. */
static void separate(struct json *j)
{
    if (!j->depth)
        return;
    bool *used = &j->level[j->depth - 1].used;
    if (*used)
        put(j, ",", 1);
    *used = true;
}

/* Every value begins here. False when none may stand here. */
static bool begin_value(struct json *j)
{
    bool in_object = j->depth && j->level[j->depth - 1].object;
    if (!j->error && (j->keyed != in_object || j->done))
        j->error = -EINVAL;
    if (j->error)
        return false;
    if (!j->keyed)
        separate(j);
    j->keyed = false;
    j->done = !j->depth;
    return true;
}

static void scalar(struct json *j, const char *bytes, size_t len)
{
    if (begin_value(j))
        put(j, bytes, len);
}

static void open_level(struct json *j, bool object)
{
    if (!begin_value(j))
        return;
    if (j->depth == JSON_DEPTH_MAX) {
        j->error = -E2BIG;
        return;
    }
    j->done = false;
    j->level[j->depth].object = object;
    j->level[j->depth].used = false;
    j->depth++;
    put(j, object ? "{" : "[", 1);
}

static void close_level(struct json *j, bool object)
{
    if (!j->error && (!j->depth || j->level[j->depth - 1].object != object || j->keyed))
        j->error = -EINVAL;
    if (j->error)
        return;
    put(j, object ? "}" : "]", 1);
    j->depth--;
    j->done = !j->depth;
}

void json_open_object(struct json *j)
{
    open_level(j, true);
}

void json_close_object(struct json *j)
{
    close_level(j, true);
}

void json_open_array(struct json *j)
{
    open_level(j, false);
}

void json_close_array(struct json *j)
{
    close_level(j, false);
}

/* Valid characters that a terminal would obey, or that reorder or hide what is around them. */
static bool must_escape(uint32_t c)
{
    return c < 0x20 || c == '"' || c == '\\' || (c >= 0x7f && c < 0xa0) || c == 0x61c ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

static void put_escape(struct json *j, uint32_t c)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    char text[8];
    const char *at = c && c < 0x80 ? strchr(plain, (int)c) : NULL;
    int n = at ? snprintf(text, sizeof text, "\\%c", letter[at - plain])
               : snprintf(text, sizeof text, "\\u%04x", c & 0xffff);
    put(j, text, (size_t)n);
}

static void put_quoted(struct json *j, const char *bytes, size_t len)
{
    put(j, "\"", 1);
    size_t from = 0, i = 0;
    while (i < len) {
        uint32_t c = 0xfffd;
        size_t n = text_utf8_decode(bytes + i, len - i, &c);
        if (n && !must_escape(c)) {
            i += n;
            continue;
        }
        put(j, bytes + from, i - from);
        put_escape(j, n ? c : 0xfffd);
        i += n ? n : 1;
        from = i;
    }
    put(j, bytes + from, len - from);
    put(j, "\"", 1);
}

struct json *json_key(struct json *j, const char *key)
{
    if (!j->error && (!j->depth || !j->level[j->depth - 1].object || j->keyed))
        j->error = -EINVAL;
    if (j->error)
        return j;
    separate(j);
    put_quoted(j, key, strlen(key));
    put(j, ":", 1);
    j->keyed = true;
    return j;
}

void json_put_bytes(struct json *j, const char *bytes, size_t len)
{
    if (begin_value(j))
        put_quoted(j, bytes, len);
}

void json_put_string(struct json *j, const char *s)
{
    json_put_bytes(j, s, strlen(s));
}

/* Digits by hand: large reports are mostly numbers, and printf is the slower way. The number ends
 * before `end`; returns where it begins. */
static char *digits(char *end, uint64_t v, unsigned base)
{
    do
        *--end = "0123456789abcdef"[v % base];
    while (v /= base);
    return end;
}

void json_put_u64(struct json *j, uint64_t v)
{
    char text[24], *end = text + sizeof text, *start = digits(end, v, 10);
    scalar(j, start, (size_t)(end - start));
}

void json_put_i64(struct json *j, int64_t v)
{
    char text[24], *end = text + sizeof text;
    char *start = digits(end, v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
    if (v < 0)
        *--start = '-';
    scalar(j, start, (size_t)(end - start));
}

void json_put_hex(struct json *j, uint64_t v)
{
    char text[24], *end = text + sizeof text;
    *--end = '"';
    char *start = digits(end, v, 16);
    *--start = 'x';
    *--start = '0';
    *--start = '"';
    scalar(j, start, (size_t)(end + 1 - start));
}

void json_put_bool(struct json *j, bool v)
{
    if (v)
        scalar(j, "true", 4);
    else
        scalar(j, "false", 5);
}

void json_put_null(struct json *j)
{
    scalar(j, "null", 4);
}
