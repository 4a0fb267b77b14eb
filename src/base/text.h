/* Numbers and foreign text as people read them. */
#ifndef VMSCOPE_BASE_TEXT_H
#define VMSCOPE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TEXT_SIZE_MAX = 8, TEXT_COUNT_MAX = 32 };

/* Bytes as at most five columns in powers of 1024: "0", "4.0K", "612M", "1.2G", "128T".
 * Rounds to nearest; a non-zero size never reads as 0. */
const char *text_size(char out[TEXT_SIZE_MAX], uint64_t bytes);

/* "262,144" */
const char *text_count(char out[TEXT_COUNT_MAX], uint64_t count);

/* Copies foreign bytes so that they can reach a terminal: control characters (C0, DEL, C1),
 * backslashes and invalid UTF-8 become \xNN, valid UTF-8 stays, bidirectional and other
 * invisible format characters become \u{N}. Always NUL-terminates; cuts at a whole character.
 * Returns the length written. cap must be at least 1. */
size_t text_escape(char *out, size_t cap, const char *bytes, size_t len);

/* Decodes one UTF-8 character of at most len bytes; its length, or 0 when invalid. */
size_t text_utf8_decode(const char *bytes, size_t len, uint32_t *codepoint);
/* Encodes; the length, 1 to 4. */
size_t text_utf8_encode(char out[4], uint32_t codepoint);
/* Terminal columns of a string of valid UTF-8 (unprintables count 0). Needs a UTF-8 locale. */
size_t text_columns(const char *utf8);

/* Reads digits at *p, not past end, and advances *p behind them. False, with *p unchanged, when
 * there is no digit or the value does not fit. */
bool text_hex(const char **p, const char *end, uint64_t *out);
bool text_dec(const char **p, const char *end, uint64_t *out);

/* The number behind `key` (such as "VmRSS:") at the start of a line of `text`. */
bool text_field(const char *text, size_t len, const char *key, uint64_t *out);

#endif
