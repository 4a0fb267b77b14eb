/* Cuts lines into tokens. */
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "scenario/lex.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("+-_.", c));
}

void lexer_init(struct lexer *l, const char *line, size_t len)
{
    *l = (struct lexer){.line = line, .end = line + len, .at = line};
}

static size_t word_length(const char *at, const char *end)
{
    const char *p = at;
    while (p < end && is_word(*p))
        p++;
    return (size_t)(p - at);
}

/* With both quotes; 0 if the second is missing. */
static size_t string_length(const char *at, const char *end)
{
    for (const char *p = at + 1; p < end; p++) {
        if (*p == '\\')
            p++;
        else if (*p == '"')
            return (size_t)(p - at) + 1;
    }
    return 0;
}

static struct token compare_token(const char *at, const char *end)
{
    bool two = at + 1 < end && at[1] == '=';
    enum token_kind kind = TOKEN_COMPARE;
    if (!two && *at == '=')
        kind = TOKEN_ASSIGN;
    else if (!two && *at == '!')
        kind = TOKEN_BAD;
    return (struct token){kind, at, two ? 2 : 1};
}

static size_t character_length(const char *at, const char *end)
{
    uint32_t c;
    size_t n = text_utf8_decode(at, (size_t)(end - at), &c);
    return n ? n : 1;
}

static struct token token_at(const char *at, const char *end)
{
    static const char singles[] = "[]:,";
    size_t n;
    if (at == end || *at == '#')
        return (struct token){TOKEN_END, at, 0};
    if (is_word(*at))
        return (struct token){TOKEN_WORD, at, word_length(at, end)};
    if (*at == '"') {
        n = string_length(at, end);
        return (struct token){n ? TOKEN_STRING : TOKEN_BAD, at, n ? n : (size_t)(end - at)};
    }
    if (strchr("=!<>", *at) && *at)
        return compare_token(at, end);
    const char *single = *at ? strchr(singles, *at) : NULL;
    if (single)
        return (struct token){(enum token_kind)(TOKEN_OPEN + (single - singles)), at, 1};
    return (struct token){TOKEN_BAD, at, character_length(at, end)};
}

struct token lexer_next(struct lexer *l)
{
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\t'))
        l->at++;
    struct token t = token_at(l->at, l->end);
    l->at += t.len;
    return t;
}

const char *lexer_comment(const char *line, size_t len)
{
    struct lexer l;
    lexer_init(&l, line, len);
    for (;;) {
        struct token t = lexer_next(&l);
        if (t.kind == TOKEN_END)
            return t.at < l.end ? t.at : NULL;
    }
}

const char *lexer_forbidden(const char *line, size_t len, size_t *bytes)
{
    for (const char *p = line, *end = line + len; p < end; p += *bytes) {
        char out[16];
        *bytes = character_length(p, end);
        if (*p == '\t' || *p == '\\')
            continue;
        text_escape(out, sizeof out, p, *bytes);
        if (out[0] == '\\')
            return p;
    }
    return NULL;
}

bool token_is(const struct token *t, const char *text)
{
    return strlen(text) == t->len && !memcmp(t->at, text, t->len);
}

bool lexer_line(const char **at, const char *end, const char **line, size_t *len)
{
    if (*at == end)
        return false;
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    const char *stop = newline ? newline : end;
    *line = *at;
    *at = newline ? newline + 1 : end;
    if (newline && stop > *line && stop[-1] == '\r')
        stop--;
    *len = (size_t)(stop - *line);
    return true;
}
