/* Growable bytes and arrays. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_deinit(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

int array_reserve(void **array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return 0;
    size_t grown = *cap < 8 ? 8 : *cap * 2;
    if (grown < need)
        grown = need;
    if (grown > SIZE_MAX / 2 / size)
        return -ENOMEM;
    void *p = realloc(*array, grown * size);
    if (!p)
        return -ENOMEM;
    *array = p;
    *cap = grown;
    return 0;
}

int buf_reserve(struct buf *b, size_t more)
{
    void *p = b->data;
    int rc = -ENOMEM;
    if (more <= SIZE_MAX / 4 - b->len)
        rc = array_reserve(&p, &b->cap, b->len + more + 1, 1);
    b->data = p;
    if (rc)
        b->error = rc;
    return rc;
}

int buf_append(struct buf *b, const char *bytes, size_t len)
{
    int rc = buf_reserve(b, len);
    if (rc)
        return rc;
    if (len)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

int buf_puts(struct buf *b, const char *s)
{
    return buf_append(b, s, strlen(s));
}

int buf_putc(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    enum { LIKELY = 128 };
    va_list ap, again;
    int rc = buf_reserve(b, LIKELY);
    if (rc)
        return rc;
    va_start(ap, fmt);
    va_copy(again, ap);
    size_t room = b->cap - b->len;
    int n = vsnprintf(b->data + b->len, room, fmt, ap);
    va_end(ap);
    rc = n < 0 ? -EINVAL : 0;
    if (!rc && (size_t)n >= room) {
        rc = buf_reserve(b, (size_t)n);
        if (!rc)
            vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    if (!rc)
        b->len += (size_t)n;
    b->data[b->len] = '\0';
    return rc;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->error = 0;
    if (b->data)
        b->data[0] = '\0';
}
