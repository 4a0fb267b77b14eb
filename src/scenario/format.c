/* Writes statements, whole scripts and their errors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "scenario/parse.h"

void format_size(uint64_t bytes, struct buf *out)
{
    static const char units[] = "KMGT";
    unsigned unit = 0;
    while (unit < 4 && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    if (bytes >= 1ULL << 40)
        buf_printf(out, "0x%llx", (unsigned long long)bytes << 10 * unit);
    else if (unit)
        buf_printf(out, "%llu%c", (unsigned long long)bytes, units[unit - 1]);
    else
        buf_printf(out, "%llu", (unsigned long long)bytes);
}

void format_change(int64_t bytes, struct buf *out)
{
    buf_putc(out, bytes < 0 ? '-' : '+');
    format_size(bytes < 0 ? -(uint64_t)bytes : (uint64_t)bytes, out);
}

void format_string(const char *text, struct buf *out)
{
    buf_puts(out, " \"");
    for (; *text; text++) {
        if (*text == '\n')
            buf_puts(out, "\\n");
        else if (*text == '"' || *text == '\\')
            buf_printf(out, "\\%c", *text);
        else
            buf_putc(out, *text);
    }
    buf_putc(out, '"');
}

void format_target(const struct target *t, struct buf *out)
{
    buf_printf(out, " %s%s%s", t->process, t->process[0] ? ":" : "", t->name);
    if (t->ranged && t->end == t->first + 1)
        buf_printf(out, "[%llu]", (unsigned long long)t->first);
    else if (t->ranged)
        buf_printf(out, "[%llu:%llu]", (unsigned long long)t->first, (unsigned long long)t->end);
}

void statement_format(const struct statement *st, struct buf *out)
{
    if (st->prefixed)
        buf_printf(out, "%s: ", st->process);
    buf_puts(out, forms[st->kind].word);
    forms[st->kind].format(st, out);
}

/* ---- the whole text ---- */

static size_t trimmed(const char *text, size_t len)
{
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    return len;
}

static void indent(unsigned depth, struct buf *out)
{
    buf_printf(out, "%*s", (int)(4 * depth), "");
}

void script_format(const struct script *s, struct buf *out)
{
    const char *at = s->text, *end = at + s->length, *line;
    size_t len, next = 0;
    unsigned number = 0, depth = 0;
    while (lexer_line(&at, end, &line, &len)) {
        const struct statement *st = next < s->count ? &s->v[next] : NULL;
        const char *comment = lexer_comment(line, len);
        bool there = st && st->at.line == ++number;
        if (there && st->kind == ST_END)
            depth--;
        if (there || comment)
            indent(depth, out);
        if (there) {
            statement_format(st, out);
            next++;
        }
        if (comment) {
            buf_puts(out, there ? "  " : "");
            buf_append(out, comment, trimmed(comment, (size_t)(line + len - comment)));
        }
        if (there && st->kind == ST_REPEAT)
            depth++;
        buf_putc(out, '\n');
    }
}

/* ---- errors ---- */

/* Foreign text as one line: tabs are one space, so that the caret stands right. */
static void show_text(const char *text, size_t len, struct buf *out)
{
    char shown[16];
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t c;
        n = text_utf8_decode(text + i, len - i, &c);
        n = n ? n : 1;
        if (text[i] == '\t' || text[i] == '\\')
            buf_putc(out, text[i] == '\t' ? ' ' : '\\');
        else
            buf_append(out, shown, text_escape(shown, sizeof shown, text + i, n));
    }
}

/* The line of a number, empty if there is none. */
static void find_line(const char *text, size_t length, unsigned number, const char **line,
                      size_t *len)
{
    const char *at = text, *end = text + length;
    *line = text;
    *len = 0;
    for (unsigned i = 0; i < number; i++)
        if (!lexer_line(&at, end, line, len))
            *len = 0;
}

static size_t shown_columns(const char *text, size_t len)
{
    struct buf b = {0};
    show_text(text, len, &b);
    size_t n = b.data ? text_columns(b.data) : 0;
    buf_deinit(&b);
    return n;
}

/* The part of a long line around the place: at most 60 bytes before it and 150 in all. */
static void cut_line(const char **line, size_t *len, size_t *before)
{
    enum { BEFORE = 60, ALL = 150 };
    size_t skip = *before > BEFORE && *len > ALL ? *before - BEFORE : 0;
    while (skip && ((*line)[skip] & 0xc0) == 0x80) /* whole characters */
        skip--;
    *line += skip;
    *len -= skip;
    *before -= skip;
    if (*len > ALL) {
        *len = ALL;
        while (*len > *before && ((*line)[*len] & 0xc0) == 0x80)
            --*len;
    }
}

void script_error_show(const struct script_error *e, const char *file, const char *text,
                       size_t length, struct buf *out)
{
    const char *line;
    size_t len, before = e->at.column - 1;
    find_line(text, length, e->at.line, &line, &len);
    before = before < len ? before : len;
    cut_line(&line, &len, &before);
    size_t marked = e->length < len - before ? e->length : len - before;
    size_t carets = shown_columns(line + before, marked);
    show_text(file, strlen(file), out);
    buf_printf(out, ":%u:%u: %s\n", e->at.line, e->at.column, e->text);
    buf_puts(out, "    ");
    show_text(line, len, out);
    buf_printf(out, "\n    %*s", (int)shown_columns(line, before), "");
    for (size_t i = 0; i < (carets ? carets : 1); i++)
        buf_putc(out, '^');
    buf_putc(out, '\n');
}

const char *expect_state_name(enum expect_state state)
{
    return words_name(&words_state, (int)state);
}

const char *expect_counter_name(enum expect_counter counter)
{
    return words_name(&words_counter, (int)counter);
}
