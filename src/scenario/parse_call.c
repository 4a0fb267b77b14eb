/* syscall NAME|NUMBER [ARGUMENT...] [opens FD]: any system call, for what has no statement. */
#include <errno.h>
#include <limits.h>

#include "scenario/statements.h"

/* A number, also negative; `fd NAME`; or A, A[i]: the address of the mapping or of a page. */
static int parse_argument(struct parser *p, struct call_arg *a, struct name_place *place)
{
    const struct token *t = &p->token;
    bool negative = t->kind == TOKEN_WORD && *t->at == '-' && t->len > 1;
    if (negative || (t->kind == TOKEN_WORD && *t->at >= '0' && *t->at <= '9')) {
        p->token.at += negative;
        p->token.len -= negative;
        int rc = parse_size(p, "a number", &a->value);
        if (negative)
            a->value = -a->value;
        return rc;
    }
    if (parse_word(p, "fd")) {
        a->kind = ARG_FD;
        return parse_name(p, "the name of a descriptor", a->name, place);
    }
    a->kind = ARG_ADDRESS;
    int rc = parse_name(p, "a number, a mapping or fd NAME", a->name, place);
    if (rc || !parse_mark(p, TOKEN_OPEN))
        return rc;
    rc = parse_number(p, "the number of a page", UINT_MAX, &a->value);
    return rc || parse_mark(p, TOKEN_CLOSE) ? rc : parse_expected(p, "]");
}

static int parse_call(struct parser *p, struct statement *st)
{
    uint64_t n;
    if (p->token.kind != TOKEN_WORD || *p->token.at < '0' || *p->token.at > '9')
        return parse_choice(p, &words_syscall, &st->number);
    int rc = parse_number(p, words_syscall.what, INT_MAX, &n);
    if (!rc)
        st->number = (int)n;
    return rc;
}

int parse_syscall(struct parser *p, struct statement *st)
{
    int rc = parse_call(p, st);
    while (!rc && p->token.kind != TOKEN_END) {
        if (parse_word(p, "opens"))
            return parse_name(p, "a name for the descriptor", st->other, &p->places.other);
        if (st->arg_count == CALL_ARGS_MAX)
            return parse_fail(p, &p->token, "a system call has at most %d arguments",
                              CALL_ARGS_MAX);
        rc = parse_argument(p, &st->args[st->arg_count], &p->places.args[st->arg_count]);
        st->arg_count++;
    }
    return rc;
}

static void format_argument(const struct call_arg *a, struct buf *out)
{
    if (a->kind == ARG_FD)
        buf_printf(out, " fd %s", a->name);
    else if (a->kind == ARG_NUMBER && a->value >= (uint64_t)-4095)
        buf_printf(out, " %lld", (long long)a->value);
    else if (a->kind == ARG_NUMBER)
        buf_printf(out, a->value > 4096 ? " 0x%llx" : " %llu", (unsigned long long)a->value);
    else if (a->value)
        buf_printf(out, " %s[%llu]", a->name, (unsigned long long)a->value);
    else
        buf_printf(out, " %s", a->name);
}

void format_syscall(const struct statement *st, struct buf *out)
{
    const char *name = words_name(&words_syscall, st->number);
    if (name)
        buf_printf(out, " %s", name);
    else
        buf_printf(out, " %d", st->number);
    for (unsigned i = 0; i < st->arg_count; i++)
        format_argument(&st->args[i], out);
    if (st->other[0])
        buf_printf(out, " opens %s", st->other);
}
