/* Statements about the scenario and about a whole process: how each is read, and below it how it is
 * written again. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "base/text.h"
#include "scenario/statements.h"

int parse_nothing(struct parser *p, struct statement *st)
{
    (void)p;
    (void)st;
    return 0;
}

void format_nothing(const struct statement *st, struct buf *out)
{
    (void)st;
    (void)out;
}

int parse_text(struct parser *p, struct statement *st)
{
    return parse_string(p, &st->text);
}

void format_text(const struct statement *st, struct buf *out)
{
    format_string(st->text, out);
}

/* "6.15" */
static int parse_version(struct parser *p, struct need *need)
{
    struct token t = p->token;
    const char *at = t.at, *end = t.at + t.len;
    uint64_t major, minor;
    if (t.kind != TOKEN_WORD || !text_dec(&at, end, &major) || at == end || *at++ != '.' ||
        !text_dec(&at, end, &minor) || at != end || major > UINT_MAX || minor > UINT_MAX)
        return parse_expected(p, "a version, such as 6.15");
    need->major = (unsigned)major;
    need->minor = (unsigned)minor;
    parse_take(p);
    return 0;
}

int parse_needs(struct parser *p, struct statement *st)
{
    struct token t = p->token;
    int value, rc = parse_choice(p, &words_need, &value);
    if (rc)
        return rc;
    if (p->acted && value != NEED_KERNEL)
        return parse_fail(p, &t, "what is needed stands before the first statement that acts");
    st->need.kind = (enum need_kind)value;
    if (st->need.kind == NEED_HUGETLB)
        return parse_number(p, "a number of huge pages", INT_MAX, &st->need.pages);
    return st->need.kind == NEED_KERNEL ? parse_version(p, &st->need) : 0;
}

void format_needs(const struct statement *st, struct buf *out)
{
    const struct need *need = &st->need;
    buf_printf(out, " %s", words_name(&words_need, (int)need->kind));
    if (need->kind == NEED_HUGETLB)
        buf_printf(out, " %llu", (unsigned long long)need->pages);
    else if (need->kind == NEED_KERNEL)
        buf_printf(out, " %u.%u", need->major, need->minor);
}

/* ---- of the whole process ---- */

int parse_brk(struct parser *p, struct statement *st)
{
    return parse_change(p, &st->delta);
}

void format_brk(const struct statement *st, struct buf *out)
{
    buf_putc(out, ' ');
    format_change(st->delta, out);
}

int parse_malloc(struct parser *p, struct statement *st)
{
    int rc = parse_name(p, "a name for what malloc gives", st->name, &p->places.name);
    return rc ? rc : parse_size(p, "a size", &st->size);
}

void format_malloc(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s ", st->name);
    format_size(st->size, out);
}

int parse_grow_stack(struct parser *p, struct statement *st)
{
    return parse_size(p, "a size", &st->size);
}

void format_grow_stack(const struct statement *st, struct buf *out)
{
    buf_putc(out, ' ');
    format_size(st->size, out);
}

int parse_lockall(struct parser *p, struct statement *st)
{
    for (;;) {
        if (parse_word(p, "current"))
            st->flags |= MCL_CURRENT;
        else if (parse_word(p, "future"))
            st->flags |= MCL_FUTURE;
        else if (parse_word(p, "onfault"))
            st->flags |= MCL_ONFAULT;
        else
            return p->token.kind == TOKEN_END
                       ? 0
                       : parse_expected(p, "current, future, onfault or the end of the line");
    }
}

void format_lockall(const struct statement *st, struct buf *out)
{
    buf_printf(out, "%s%s%s", st->flags & MCL_CURRENT ? " current" : "",
               st->flags & MCL_FUTURE ? " future" : "", st->flags & MCL_ONFAULT ? " onfault" : "");
}

int parse_clear_refs(struct parser *p, struct statement *st)
{
    uint64_t n;
    int rc = parse_number(p, "what clear_refs(5) takes, 1 to 5", 5, &n);
    if (!rc)
        st->number = (int)n;
    return rc;
}

void format_clear_refs(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %d", st->number);
}

int parse_fork(struct parser *p, struct statement *st)
{
    return parse_name(p, "a name for the process", st->name, &p->places.name);
}

void format_fork(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s", st->name);
}

int parse_kill(struct parser *p, struct statement *st)
{
    int rc = parse_name(p, "the name of a process", st->name, &p->places.name);
    return rc ? rc : parse_choice(p, &words_signal, &st->number);
}

void format_kill(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s %s", st->name, words_name(&words_signal, st->number));
}

int parse_resource(struct parser *p, struct statement *st)
{
    int rc = parse_choice(p, &words_resource, &st->number);
    return rc ? rc : parse_size(p, "a size", &st->size);
}

void format_resource(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s ", words_name(&words_resource, st->number));
    format_size(st->size, out);
}

int parse_become(struct parser *p, struct statement *st)
{
    (void)st;
    return parse_word(p, "nobody") ? 0 : parse_expected(p, "nobody");
}

void format_become(const struct statement *st, struct buf *out)
{
    (void)st;
    buf_puts(out, " nobody");
}

/* Only what the scenario began by its need can be ended. */
int parse_swapoff(struct parser *p, struct statement *st)
{
    for (size_t i = 0; i < p->script->count; i++)
        if (p->script->v[i].kind == ST_NEEDS && p->script->v[i].need.kind == NEED_SWAP)
            return 0;
    struct token at = {TOKEN_WORD, p->lexer.line + st->at.column - 1, strlen("swapoff")};
    return parse_fail(p, &at, "swapoff ends the swap of the scenario: it begins with \"needs swap\"");
}

void format_swapoff(const struct statement *st, struct buf *out)
{
    format_nothing(st, out);
}

int parse_repeat(struct parser *p, struct statement *st)
{
    struct token at = p->token;
    int rc = parse_number(p, "how often", UINT_MAX, &st->size);
    if (!rc && !st->size)
        return parse_fail(p, &at, "expected at least once");
    return rc;
}

void format_repeat(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %llu", (unsigned long long)st->size);
}
