/* Cutting texts to columns. */
#include "ui/fit.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/region.h"

enum { NAME_MAX_BYTES = 1024 };

/* The bytes and columns of the character at s. */
static size_t character(const char *s, unsigned *cols)
{
    char one[5] = {0};
    uint32_t ch;
    size_t n = text_utf8_decode(s, strlen(s), &ch);
    memcpy(one, s, n ? n : (n = 1));
    *cols = (unsigned)text_columns(one);
    return n;
}

/* The bytes of the longest beginning that has at most cols columns. */
static size_t beginning(const char *s, unsigned cols)
{
    size_t at = 0;
    unsigned used = 0, more;
    while (s[at]) {
        size_t n = character(s + at, &more);
        if (used + more > cols)
            break;
        used += more;
        at += n;
    }
    return at;
}

/* The longest end that has at most cols columns. */
static const char *ending(const char *s, unsigned cols)
{
    unsigned more;
    while (*s && text_columns(s) > cols)
        s += character(s, &more);
    return s;
}

/* Leaves out the middle, between head and tail columns. */
static const char *join(char *out, size_t cap, const char *s, unsigned head, unsigned tail)
{
    snprintf(out, cap, "%.*s\u2026%s", (int)beginning(s, head), s, ending(s, tail));
    return out;
}

static const char *whole(char *out, size_t cap, const char *s)
{
    snprintf(out, cap, "%s", s);
    return out;
}

const char *fit_text(char *out, size_t cap, const char *utf8, unsigned cols)
{
    if (!cols || text_columns(utf8) <= cols)
        return whole(out, cap, cols ? utf8 : "");
    return join(out, cap, utf8, cols - 1, 0);
}

/* The columns of a name without what maps adds to that of a deleted file; 0: nothing is added. */
static size_t undeleted(const char *name)
{
    static const char added[] = " (deleted)";
    size_t cols = text_columns(name), len = strlen(name), n = sizeof added - 1;
    return len > n && !strcmp(name + len - n, added) ? cols - n : 0;
}

const char *fit_name(char *out, size_t cap, const char *utf8, unsigned cols)
{
    if (text_columns(utf8) > cols)
        utf8 = region_last_part(utf8);
    if (!cols || text_columns(utf8) <= cols)
        return whole(out, cap, cols ? utf8 : "");
    size_t rest = undeleted(utf8);
    if (rest)
        return join(out, cap, utf8, rest < cols ? (unsigned)rest : cols - 1, 0);
    unsigned tail = (cols - 1) / 3;
    return join(out, cap, utf8, cols - 1 - tail, tail);
}

unsigned fit_draw_name(struct area a, unsigned col, unsigned row, unsigned cols, const char *raw,
                       struct style s)
{
    char name[NAME_MAX_BYTES], fitting[NAME_MAX_BYTES];
    text_escape(name, sizeof name, raw, strlen(raw));
    return area_text(a, col, row, cols, fit_name(fitting, sizeof fitting, name, cols), s);
}
