/* A growable run of bytes. A zeroed struct buf is a valid empty one. */
#ifndef VMSCOPE_BASE_BUF_H
#define VMSCOPE_BASE_BUF_H

#include <stddef.h>

struct buf {
    char *data; /* owned; NUL-terminated whenever len was set by the functions below */
    size_t len; /* bytes in use, without the terminating NUL */
    size_t cap; /* bytes allocated */
    int error;  /* of any call since the last buf_clear: 0 or -ENOMEM, for who checks at the end */
};

/* Frees; *b is an empty one again. */
void buf_deinit(struct buf *b);

/* Makes room for `more` bytes beyond len plus a NUL. 0 or -ENOMEM. */
int buf_reserve(struct buf *b, size_t more);

/* Append; 0 or -ENOMEM, and then the content is unchanged. */
int buf_append(struct buf *b, const char *bytes, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Empties without freeing. */
void buf_clear(struct buf *b);

/* Grows *array (element size `size`) so that at least `need` elements fit; *cap is in elements.
 * Geometric growth. 0 or -ENOMEM, and then nothing changed. */
int array_reserve(void **array, size_t *cap, size_t need, size_t size);

#endif
