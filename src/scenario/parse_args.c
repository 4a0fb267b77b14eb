/* Parts of statements: names, targets, sizes, strings; and what is said when they are wrong. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "scenario/parse.h"

void parse_take(struct parser *p)
{
    p->token = lexer_next(&p->lexer);
}

bool parse_word(struct parser *p, const char *word)
{
    if (p->token.kind != TOKEN_WORD || !token_is(&p->token, word))
        return false;
    parse_take(p);
    return true;
}

bool parse_mark(struct parser *p, enum token_kind kind)
{
    if (p->token.kind != kind)
        return false;
    parse_take(p);
    return true;
}

static struct name_place token_place(const struct parser *p, const struct token *t)
{
    return (struct name_place){{p->line, (unsigned)(t->at - p->lexer.line) + 1},
                               t->len ? (unsigned)t->len : 1};
}

int parse_fail(struct parser *p, const struct token *at, const char *fmt, ...)
{
    va_list ap;
    struct name_place place = token_place(p, at);
    p->error->at = place.at;
    p->error->length = place.length;
    va_start(ap, fmt);
    vsnprintf(p->error->text, sizeof p->error->text, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

/* The token as it stands in a sentence. */
static const char *found(const struct token *t, char out[64])
{
    char text[50];
    if (t->kind == TOKEN_END)
        return "the end of the line";
    if (t->kind == TOKEN_STRING)
        return "a string";
    text_escape(text, sizeof text, t->at, t->len);
    snprintf(out, 64, "\"%s\"", text);
    return out;
}

int parse_expected(struct parser *p, const char *what)
{
    char text[64];
    if (p->token.kind == TOKEN_BAD && *p->token.at == '"')
        return parse_fail(p, &p->token, "a string without its closing quote");
    return parse_fail(p, &p->token, "expected %s, found %s", what, found(&p->token, text));
}

static bool is_name(const struct token *t)
{
    if (t->kind != TOKEN_WORD || !(isalpha((unsigned char)*t->at) || *t->at == '_'))
        return false;
    for (size_t i = 0; i < t->len; i++)
        if (!isalnum((unsigned char)t->at[i]) && !strchr("_-", t->at[i]))
            return false;
    return true;
}

int parse_name(struct parser *p, const char *what, char out[NAME_MAX_BYTES + 1],
               struct name_place *place)
{
    const struct token *t = &p->token;
    if (!is_name(t))
        return parse_expected(p, what);
    if (t->len > NAME_MAX_BYTES)
        return parse_fail(p, t, "a name has at most %d characters", NAME_MAX_BYTES);
    memcpy(out, t->at, t->len);
    out[t->len] = 0;
    *place = token_place(p, t);
    parse_take(p);
    return 0;
}

static int parse_range(struct parser *p, struct target *t)
{
    int rc = parse_number(p, "the number of a page", UINT64_MAX - 1, &t->first);
    if (rc)
        return rc;
    t->ranged = true;
    t->end = t->first + 1;
    if (parse_mark(p, TOKEN_COLON)) {
        struct token end = p->token;
        rc = parse_number(p, "the number of the page behind the last one", UINT64_MAX, &t->end);
        if (rc)
            return rc;
        if (t->end <= t->first)
            return parse_fail(p, &end, "no page is in a range from %llu to before %llu",
                              (unsigned long long)t->first, (unsigned long long)t->end);
    }
    return parse_mark(p, TOKEN_CLOSE) ? 0 : parse_expected(p, "]");
}

int parse_target(struct parser *p, struct target *t)
{
    struct name_place *place = p->places.target.length ? &p->places.second : &p->places.target;
    int rc = parse_name(p, "the name of a mapping", t->name, place);
    if (rc)
        return rc;
    t->at = place->at;
    if (parse_mark(p, TOKEN_COLON)) {
        memcpy(t->process, t->name, sizeof t->process);
        rc = parse_name(p, "the name of a mapping", t->name, place);
    }
    if (!rc && parse_mark(p, TOKEN_OPEN))
        rc = parse_range(p, t);
    place->length = (unsigned)(p->lexer.at - p->lexer.line) + 1 - place->at.column -
                    (unsigned)p->token.len;
    while (place->length && strchr(" \t", p->lexer.line[place->at.column + place->length - 2]))
        place->length--;
    return rc;
}

int parse_one_page(struct parser *p, struct target *t)
{
    struct token at = p->token;
    int rc = parse_target(p, t);
    if (rc)
        return rc;
    if (!t->ranged || t->end != t->first + 1)
        return parse_fail(p, &at, "expected one page, such as %s[0]", t->name);
    return 0;
}

/* All words of a short list: "none, r, rw or rx". */
static const char *all_words(const struct words *w, char *out, size_t cap)
{
    size_t at = 0;
    for (size_t i = 0; i < w->count && at < cap; i++) {
        const char *join = !i ? "" : i + 1 < w->count ? ", " : " or ";
        int n = snprintf(out + at, cap - at, "%s%s", join, w->v[i].name);
        at += n > 0 ? (size_t)n : 0;
    }
    return out;
}

int parse_choice(struct parser *p, const struct words *w, int *value)
{
    char what[160], list[100];
    const struct token *t = &p->token;
    if (t->kind == TOKEN_WORD && words_find(w, t->at, t->len, value)) {
        parse_take(p);
        return 0;
    }
    const char *near = t->kind == TOKEN_WORD ? words_nearest(w, t->at, t->len) : NULL;
    if (near && w->count > 8)
        return parse_fail(p, t, "expected %s, found \"%.*s\"; did you mean \"%s\"?", w->what,
                          (int)t->len, t->at, near);
    snprintf(what, sizeof what, "%s%s%s%s", w->what, w->count <= 8 ? " (" : "",
             w->count <= 8 ? all_words(w, list, sizeof list) : "", w->count <= 8 ? ")" : "");
    return parse_expected(p, what);
}

/* Digits, decimal or 0x, at *at. */
static bool digits(const char **at, const char *end, uint64_t *out)
{
    if (end - *at > 2 && (*at)[0] == '0' && (*at)[1] == 'x') {
        const char *hex = *at + 2;
        if (!text_hex(&hex, end, out))
            return false;
        *at = hex;
        return true;
    }
    return text_dec(at, end, out);
}

int parse_number(struct parser *p, const char *what, uint64_t max, uint64_t *out)
{
    const struct token *t = &p->token;
    const char *at = t->at, *end = t->at + t->len;
    uint64_t n;
    if (t->kind != TOKEN_WORD || !isdigit((unsigned char)*at))
        return parse_expected(p, what);
    if (!digits(&at, end, &n) || at != end)
        return parse_fail(p, t, "bad number \"%.*s\": expected %s", (int)t->len, t->at, what);
    if (n > max)
        return parse_fail(p, t, "%.*s is too much: at most %llu", (int)t->len, t->at,
                          (unsigned long long)max);
    *out = n;
    parse_take(p);
    return 0;
}

/* A size within a token. */
static bool size_of(const char *at, const char *end, uint64_t *out)
{
    static const char units[] = "KMGT";
    uint64_t n;
    if (!digits(&at, end, &n))
        return false;
    if (at < end) {
        const char *unit = strchr(units, *at);
        unsigned shift = unit && *at ? 10 * (unsigned)(unit - units + 1) : 0;
        if (!shift || ++at != end || n > UINT64_MAX >> shift)
            return false;
        n <<= shift;
    }
    *out = n;
    return true;
}

int parse_size(struct parser *p, const char *what, uint64_t *out)
{
    const struct token *t = &p->token;
    if (t->kind != TOKEN_WORD || !isdigit((unsigned char)*t->at))
        return parse_expected(p, what);
    if (!size_of(t->at, t->at + t->len, out))
        return parse_fail(p, t, "bad size \"%.*s\": sizes are written as 4096, 16K, 2M, 1G",
                          (int)t->len, t->at);
    parse_take(p);
    return 0;
}

int parse_change(struct parser *p, int64_t *out)
{
    const struct token *t = &p->token;
    const char *at = t->at, *end = t->at + t->len;
    uint64_t n;
    if (parse_word(p, "0")) {
        *out = 0;
        return 0;
    }
    if (t->kind != TOKEN_WORD || (*at != '+' && *at != '-'))
        return parse_expected(p, "a change, such as +64K, -4K or 0");
    if (at + 1 == end || !isdigit((unsigned char)at[1]) || !size_of(at + 1, end, &n) ||
        n > INT64_MAX)
        return parse_fail(p, t, "bad change \"%.*s\": write +64K, -4K or 0", (int)t->len, at);
    *out = *at == '-' ? -(int64_t)n : (int64_t)n;
    parse_take(p);
    return 0;
}

/* Takes the escapes out. The token behind a bad one, or NULL. */
static const char *unescape(const struct token *t, char *out)
{
    const char *end = t->at + t->len - 1;
    for (const char *at = t->at + 1; at < end; at++) {
        if (*at == '\\') {
            at++;
            if (!strchr("\"\\n", *at))
                return at - 1;
            *out++ = *at == 'n' ? '\n' : *at;
        } else {
            *out++ = *at;
        }
    }
    *out = 0;
    return NULL;
}

char *parse_keep(struct parser *p, const char *bytes, size_t len)
{
    struct script *s = p->script;
    char *text = malloc(len + 1);
    if (!text || array_reserve((void **)&s->strings, &p->string_capacity, s->string_count + 1,
                               sizeof *s->strings)) {
        free(text);
        return NULL;
    }
    memcpy(text, bytes, len);
    text[len] = 0;
    s->strings[s->string_count++] = text;
    return text;
}

int parse_string(struct parser *p, const char **out)
{
    struct token t = p->token;
    if (t.kind != TOKEN_STRING)
        return parse_expected(p, "a string in double quotes");
    char *text = parse_keep(p, t.at, t.len);
    if (!text)
        return -ENOMEM;
    const char *bad = unescape(&t, text);
    if (bad)
        return parse_fail(p, &(struct token){TOKEN_BAD, bad, 2},
                          "unknown escape: \\\", \\\\ and \\n are known");
    *out = text;
    parse_take(p);
    return 0;
}
