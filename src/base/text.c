/* Numbers and foreign text as people read them. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* Digits of a number below 10,000. */
static char *put_digits(char *out, unsigned n)
{
    unsigned power = n >= 1000 ? 1000 : n >= 100 ? 100 : n >= 10 ? 10 : 1;
    for (; power; power /= 10)
        *out++ = (char)('0' + n / power % 10);
    return out;
}

/* Without printf: tables have hundreds of thousands of sizes. */
const char *text_size(char out[TEXT_SIZE_MAX], uint64_t bytes)
{
    unsigned shift = 10, unit = 0;
    char *p = out;
    if (bytes < 1024) {
        *put_digits(p, (unsigned)bytes) = '\0';
        return out;
    }
    while (shift < 60 && (bytes >> shift) + ((bytes >> (shift - 1)) & 1) >= 1024) {
        shift += 10;
        unit++;
    }
    const uint64_t half = (uint64_t)1 << (shift - 1);
    uint64_t rest = bytes & (2 * half - 1);
    unsigned whole = (unsigned)(bytes >> shift), tenths = (unsigned)((rest * 10 + half) >> shift);
    if (whole * 10 + tenths < 100) {
        p = put_digits(p, whole + tenths / 10);
        *p++ = '.';
        *p++ = (char)('0' + tenths % 10);
    } else {
        p = put_digits(p, whole + (rest >= half));
    }
    *p++ = "KMGTPE"[unit];
    *p = '\0';
    return out;
}

size_t text_utf8_decode(const char *bytes, size_t len, uint32_t *codepoint)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (!len)
        return 0;
    if (b[0] < 0x80) {
        *codepoint = b[0];
        return 1;
    }
    size_t n = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (b[0] < 0xc2 || b[0] > 0xf4 || n > len)
        return 0;
    uint32_t c = b[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (b[i] & 0x3fu);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *codepoint = c;
    return n;
}

size_t text_utf8_encode(char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    static const unsigned lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[n] | c);
    return n;
}

/* Characters that are valid but do not stay where they are drawn, or change how others are. */
static bool is_deceptive(uint32_t c)
{
    return c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

size_t text_escape(char *out, size_t cap, const char *bytes, size_t len)
{
    size_t done = 0;
    for (size_t i = 0; i < len;) {
        char piece[16];
        uint32_t c = 0;
        size_t n = text_utf8_decode(bytes + i, len - i, &c), put;
        if (!n || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '\\') {
            put = (size_t)snprintf(piece, sizeof piece, "\\x%02x", (unsigned char)bytes[i]);
            if (n > 1) /* C1 control in two bytes */
                put += (size_t)snprintf(piece + put, sizeof piece - put, "\\x%02x",
                                        (unsigned char)bytes[i + 1]);
            n = n ? n : 1;
        } else if (is_deceptive(c)) {
            put = (size_t)snprintf(piece, sizeof piece, "\\u{%x}", c);
        } else {
            put = n;
            memcpy(piece, bytes + i, n);
        }
        if (put >= cap - done)
            break;
        memcpy(out + done, piece, put);
        done += put;
        i += n;
    }
    out[done] = '\0';
    return done;
}

const char *text_count(char out[TEXT_COUNT_MAX], uint64_t count)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    size_t o = 0;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            out[o++] = ',';
        out[o++] = digits[i];
    }
    out[o] = '\0';
    return out;
}

size_t text_columns(const char *utf8)
{
    size_t cols = 0, len = strlen(utf8);
    for (size_t i = 0; i < len;) {
        uint32_t c;
        size_t n = text_utf8_decode(utf8 + i, len - i, &c);
        if (!n) {
            i++;
            continue;
        }
        int w = wcwidth((wchar_t)c);
        cols += w > 0 ? (size_t)w : 0;
        i += n;
    }
    return cols;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

static bool number(const char **p, const char *end, unsigned base, uint64_t *out)
{
    const char *s = *p;
    uint64_t v = 0;
    for (; s < end && (unsigned)digit(*s) < base; s++) {
        unsigned d = (unsigned)digit(*s);
        if (v > (UINT64_MAX - d) / base)
            return false;
        v = v * base + d;
    }
    if (s == *p)
        return false;
    *p = s;
    *out = v;
    return true;
}

bool text_hex(const char **p, const char *end, uint64_t *out)
{
    return number(p, end, 16, out);
}

bool text_dec(const char **p, const char *end, uint64_t *out)
{
    return number(p, end, 10, out);
}

bool text_field(const char *text, size_t len, const char *key, uint64_t *out)
{
    size_t klen = strlen(key);
    const char *end = text + len;
    for (const char *line = text; line < end;) {
        const char *nl = memchr(line, '\n', (size_t)(end - line));
        const char *stop = nl ? nl : end;
        if ((size_t)(stop - line) >= klen && !memcmp(line, key, klen)) {
            const char *p = line + klen;
            while (p < stop && (*p == ' ' || *p == '\t'))
                p++;
            return text_dec(&p, stop, out);
        }
        line = stop + 1;
    }
    return false;
}
