/* Statements that make and end files and descriptors: how each is read, and below it how it is written
 * again. */
#include "scenario/statements.h"

int parse_file(struct parser *p, struct statement *st)
{
    int value = FILE_PLAIN, rc = parse_name(p, "a name for the file", st->name, &p->places.name);
    if (!rc)
        rc = parse_size(p, "a size", &st->size);
    if (!rc && p->token.kind != TOKEN_END)
        rc = parse_choice(p, &words_file_kind, &value);
    if (!rc)
        st->file_kind = (uint8_t)value;
    return rc;
}

void format_file(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s ", st->name);
    format_size(st->size, out);
    if (st->file_kind != FILE_PLAIN)
        buf_printf(out, " %s", words_name(&words_file_kind, st->file_kind));
}

int parse_open(struct parser *p, struct statement *st)
{
    int value, rc = parse_name(p, "a name for the descriptor", st->name, &p->places.name);
    if (!rc && p->token.kind == TOKEN_STRING)
        rc = parse_string(p, &st->text);
    else if (!rc)
        rc = parse_name(p, "the name of a file", st->other, &p->places.other);
    if (!rc)
        rc = parse_choice(p, &words_open, &value);
    if (!rc)
        st->flags = (unsigned)value;
    return rc;
}

void format_open(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s", st->name);
    if (st->text)
        format_string(st->text, out);
    else
        buf_printf(out, " %s", st->other);
    buf_printf(out, " %s", words_name(&words_open, (int)st->flags));
}

int parse_new_fd(struct parser *p, struct statement *st)
{
    return parse_name(p, "a name for the descriptor", st->name, &p->places.name);
}

int parse_pipe(struct parser *p, struct statement *st)
{
    int rc = parse_new_fd(p, st);
    if (!rc && parse_word(p, "w"))
        st->flags = 1;
    return rc;
}

void format_pipe(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s%s", st->name, st->flags ? " w" : "");
}

int parse_old_name(struct parser *p, struct statement *st)
{
    const char *what = st->kind == ST_CLOSE   ? "the name of a descriptor"
                       : st->kind == ST_EVICT ? "the name of a file"
                       : st->kind == ST_FREE  ? "the name of what malloc gave"
                                              : "the name of a process";
    return parse_name(p, what, st->name, &p->places.name);
}

void format_new_fd(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s", st->name);
}

void format_old_name(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s", st->name);
}

int parse_special(struct parser *p, struct statement *st)
{
    int rc = parse_new_fd(p, st);
    return rc ? rc : parse_choice(p, &words_special, &st->number);
}

void format_special(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s %s", st->name, words_name(&words_special, st->number));
}

int parse_kernel_array(struct parser *p, struct statement *st)
{
    int rc = parse_new_fd(p, st);
    return rc ? rc : parse_size(p, "a size", &st->size);
}

void format_kernel_array(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s ", st->name);
    format_size(st->size, out);
}

int parse_seal(struct parser *p, struct statement *st)
{
    int value, rc = parse_name(p, "the name of a file", st->name, &p->places.name);
    if (!rc)
        rc = parse_choice(p, &words_seal, &value);
    if (!rc)
        st->flags = (unsigned)value;
    return rc;
}

void format_seal(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s %s", st->name, words_name(&words_seal, (int)st->flags));
}

int parse_truncate(struct parser *p, struct statement *st)
{
    int rc = parse_name(p, "the name of a descriptor", st->name, &p->places.name);
    struct token at = p->token;
    if (!rc)
        rc = parse_size(p, "a size", &st->size);
    return !rc && st->size > INT64_MAX ? parse_fail(p, &at, "a file has at most 63 bits of bytes")
                                       : rc;
}

void format_truncate(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s ", st->name);
    format_size(st->size, out);
}
