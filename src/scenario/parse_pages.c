/* Statements about mappings and their pages, but for map: how each is read, and below it how it is
 * written again. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "scenario/statements.h"

int parse_touch(struct parser *p, struct statement *st)
{
    return parse_target(p, &st->target);
}

void format_touch(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
}

int parse_remote(struct parser *p, struct statement *st)
{
    struct token at = p->token;
    int rc = parse_target(p, &st->target);
    if (!rc && !st->target.process[0])
        return parse_fail(p, &at, "expected whose mapping it is, as PROCESS:%s", st->target.name);
    return rc;
}

void format_remote(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
}

int parse_exec(struct parser *p, struct statement *st)
{
    int rc = parse_one_page(p, &st->target);
    st->size = CODE_OFFSET;
    if (rc || p->token.kind == TOKEN_END)
        return rc;
    return parse_number(p, "a byte of the page", 4095, &st->size);
}

void format_exec(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
    if (st->size != CODE_OFFSET)
        buf_printf(out, " 0x%llx", (unsigned long long)st->size);
}

int parse_syswrite(struct parser *p, struct statement *st)
{
    int rc = parse_target(p, &st->target);
    return rc ? rc : parse_name(p, "the name of a descriptor", st->other, &p->places.other);
}

void format_syswrite(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
    buf_printf(out, " %s", st->other);
}

int parse_protect(struct parser *p, struct statement *st)
{
    int value, rc = parse_target(p, &st->target);
    if (!rc)
        rc = parse_choice(p, &words_prot, &value);
    if (!rc)
        st->prot = (uint8_t)value;
    return rc;
}

void format_protect(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
    buf_printf(out, " %s", words_name(&words_prot, st->prot));
}

/* "populate-read", and as madvise(2) writes it: "MADV_POPULATE_READ". */
static int parse_advice(struct parser *p, int *out)
{
    static const char prefix[] = "MADV_";
    const struct token *t = &p->token;
    char word[32];
    size_t skip = t->len > 5 && !memcmp(t->at, prefix, 5) ? 5 : 0, len = t->len - skip;
    for (size_t i = 0; i < len && len <= sizeof word; i++) {
        char c = t->at[skip + i];
        word[i] = c == '_' ? '-' : (char)tolower((unsigned char)c);
    }
    if (t->kind != TOKEN_WORD || len > sizeof word || !words_find(&words_advice, word, len, out))
        return parse_choice(p, &words_advice, out);
    parse_take(p);
    return 0;
}

/* A number serves to show what the kernel says of an advice that it does not know. */
int parse_advise(struct parser *p, struct statement *st)
{
    uint64_t n;
    int rc = parse_target(p, &st->target);
    if (rc)
        return rc;
    if (p->token.kind != TOKEN_WORD || *p->token.at < '0' || *p->token.at > '9')
        return parse_advice(p, &st->number);
    rc = parse_number(p, words_advice.what, INT_MAX, &n);
    if (!rc)
        st->number = (int)n;
    return rc;
}

void format_advise(const struct statement *st, struct buf *out)
{
    const char *name = words_name(&words_advice, st->number);
    format_target(&st->target, out);
    if (name)
        buf_printf(out, " %s", name);
    else
        buf_printf(out, " %d", st->number);
}

int parse_lock(struct parser *p, struct statement *st)
{
    int rc = parse_target(p, &st->target);
    if (!rc && parse_word(p, "onfault"))
        st->flags = 1;
    return rc;
}

void format_lock(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
    if (st->flags)
        buf_puts(out, " onfault");
}

int parse_remap(struct parser *p, struct statement *st)
{
    int rc = parse_name(p, "the name of a mapping", st->name, &p->places.name);
    if (!rc)
        rc = parse_size(p, "a size", &st->size);
    if (!rc && parse_word(p, "maymove"))
        st->flags = 1;
    return rc;
}

void format_remap(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s ", st->name);
    format_size(st->size, out);
    if (st->flags)
        buf_puts(out, " maymove");
}

int parse_remap_file(struct parser *p, struct statement *st)
{
    uint64_t n;
    int value = PROT_NONE, rc = parse_one_page(p, &st->target);
    if (!rc)
        rc = parse_number(p, "a page of the file", INT64_MAX, &n);
    if (!rc && p->token.kind != TOKEN_END)
        rc = parse_choice(p, &words_prot, &value);
    if (!rc) {
        st->delta = (int64_t)n;
        st->prot = (uint8_t)value;
    }
    return rc;
}

void format_remap_file(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
    buf_printf(out, " %lld", (long long)st->delta);
    if (st->prot)
        buf_printf(out, " %s", words_name(&words_prot, st->prot));
}

int parse_write(struct parser *p, struct statement *st)
{
    uint64_t n;
    int rc = parse_target(p, &st->target);
    st->number = -1;
    if (rc || p->token.kind == TOKEN_END)
        return rc;
    rc = parse_number(p, "a byte", 255, &n);
    if (!rc)
        st->number = (int)n;
    return rc;
}

void format_write(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
    if (st->number >= 0)
        buf_printf(out, " %d", st->number);
}

int parse_uffd(struct parser *p, struct statement *st)
{
    int value, rc = parse_target(p, &st->target);
    if (!rc)
        rc = parse_choice(p, &words_uffd, &value);
    if (!rc)
        st->flags = (unsigned)value;
    return rc;
}

void format_uffd(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
    buf_printf(out, " %s", words_name(&words_uffd, (int)st->flags));
}

int parse_cut(struct parser *p, struct statement *st)
{
    int rc = parse_name(p, "the name of a mapping", st->name, &p->places.name);
    return rc ? rc : parse_size(p, "a size", &st->size);
}

void format_cut(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s ", st->name);
    format_size(st->size, out);
}

/* What is there already: by its name in maps, by its address, or below another. */
int parse_region(struct parser *p, struct statement *st)
{
    int rc = parse_name(p, "a name for the mapping", st->name, &p->places.name);
    if (rc || p->token.kind == TOKEN_STRING)
        return rc ? rc : parse_string(p, &st->text);
    if (parse_word(p, "at"))
        rc = parse_size(p, "an address", &st->map.address);
    else if (parse_word(p, "below"))
        rc = parse_name(p, "the name of a mapping", st->other, &p->places.other);
    else
        return parse_expected(p, "its name in maps as a string, at ADDRESS or below NAME");
    return rc ? rc : parse_size(p, "a size", &st->size);
}

void format_region(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s", st->name);
    if (st->text) {
        format_string(st->text, out);
        return;
    }
    if (st->other[0])
        buf_printf(out, " below %s ", st->other);
    else
        buf_printf(out, " at 0x%llx ", (unsigned long long)st->map.address);
    format_size(st->size, out);
}
