/* The map statement. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "scenario/parse.h"

struct map_flag {
    const char *word;
    bool *(*of)(struct map_args *m);
};

#define FLAG(name)                                                                                 \
    static bool *flag_##name(struct map_args *m)                                                   \
    {                                                                                              \
        return &m->name;                                                                           \
    }
FLAG(anon)
FLAG(populate)
FLAG(nonblock)
FLAG(locked)
FLAG(noreserve)
FLAG(growsdown)
FLAG(stack)
FLAG(sync)
FLAG(droppable)

/* Words without an argument, in the order in which they are written. */
static const struct map_flag flags[] = {
    {"populate", flag_populate},   {"nonblock", flag_nonblock},   {"locked", flag_locked},
    {"noreserve", flag_noreserve}, {"growsdown", flag_growsdown}, {"stack", flag_stack},
    {"sync", flag_sync},           {"droppable", flag_droppable}, {"anon", flag_anon},
};
enum { FLAG_COUNT = sizeof flags / sizeof *flags };

static int parse_fd(struct parser *p, struct map_args *m)
{
    bool negative = p->token.kind == TOKEN_WORD && *p->token.at == '-';
    uint64_t n;
    if (negative && token_is(&p->token, "-1")) {
        m->fd_number = true;
        m->number = -1;
        parse_take(p);
        return 0;
    }
    if (p->token.kind != TOKEN_WORD || *p->token.at < '0' || *p->token.at > '9')
        return parse_name(p, "a descriptor, or a number", m->fd, &p->places.fd);
    int rc = parse_number(p, "a descriptor, or a number", INT_MAX, &n);
    m->fd_number = !rc;
    m->number = rc ? 0 : (int)n;
    return rc;
}

/* Up to the last one that has 64 bits: what is too far is for the kernel to say. */
static int parse_offset(struct parser *p, int64_t *out)
{
    uint64_t n;
    int rc = parse_size(p, "an offset", &n);
    if (!rc)
        *out = (int64_t)n;
    return rc;
}

static int parse_huge(struct parser *p, struct map_args *m)
{
    m->hugetlb = true;
    struct token at = p->token;
    if (!parse_mark(p, TOKEN_ASSIGN))
        return 0;
    at = p->token;
    int rc = parse_size(p, "the size of a huge page", &m->huge_size);
    if (!rc && (!m->huge_size || (m->huge_size & (m->huge_size - 1))))
        return parse_fail(p, &at, "the size of a huge page is a power of two");
    return rc;
}

/* "=N" */
static int parse_bits(struct parser *p, unsigned *out)
{
    uint64_t n;
    if (!parse_mark(p, TOKEN_ASSIGN))
        return parse_expected(p, "= and a number");
    int rc = parse_number(p, "a number of bits", UINT_MAX, &n);
    if (!rc)
        *out = (unsigned)n;
    return rc;
}

static int parse_type(struct parser *p, struct map_args *m)
{
    m->sharing = SHARING_TYPE;
    return parse_bits(p, &m->type);
}

static int parse_compat(struct parser *p, struct map_args *m)
{
    m->compat = 1;
    if (!parse_mark(p, TOKEN_ASSIGN))
        return 0;
    m->compat = 2;
    return parse_word(p, "old") ? 0 : parse_expected(p, "old");
}

static int parse_fixed(struct parser *p, bool *which, struct map_args *m)
{
    *which = true;
    return parse_size(p, "an address", &m->address);
}

static int parse_unknown_option(struct parser *p)
{
    static const struct word all[] = {
        {"anon", 0},      {"fd", 0},        {"offset", 0}, {"hugetlb", 0}, {"populate", 0},
        {"nonblock", 0},  {"locked", 0},    {"noreserve", 0}, {"growsdown", 0}, {"stack", 0},
        {"sync", 0},      {"droppable", 0}, {"fixed", 0},  {"fixed_noreplace", 0}, {"type", 0},
        {"flags", 0},     {"compat", 0},
    };
    static const struct words w = {"an option of map", all, sizeof all / sizeof *all};
    int value;
    return parse_choice(p, &w, &value);
}

static int parse_option(struct parser *p, struct map_args *m)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (parse_word(p, flags[i].word)) {
            *flags[i].of(m) = true;
            return 0;
        }
    }
    if (parse_word(p, "fd"))
        return parse_fd(p, m);
    if (parse_word(p, "offset"))
        return parse_offset(p, &m->offset);
    if (parse_word(p, "hugetlb"))
        return parse_huge(p, m);
    if (parse_word(p, "fixed"))
        return parse_fixed(p, &m->fixed, m);
    if (parse_word(p, "fixed_noreplace"))
        return parse_fixed(p, &m->fixed_noreplace, m);
    if (parse_word(p, "type"))
        return parse_type(p, m);
    if (parse_word(p, "flags"))
        return parse_bits(p, &m->extra);
    if (parse_word(p, "compat"))
        return parse_compat(p, m);
    return parse_unknown_option(p);
}

int parse_map(struct parser *p, struct statement *st)
{
    int value, rc = parse_name(p, "a name for the mapping", st->name, &p->places.name);
    if (!rc)
        rc = parse_size(p, "a size", &st->map.size);
    if (!rc)
        rc = parse_choice(p, &words_prot, &value);
    if (rc)
        return rc;
    st->map.prot = (uint8_t)value;
    if (p->token.kind == TOKEN_WORD && token_is(&p->token, "type")) {
        parse_take(p);
        rc = parse_type(p, &st->map);
    } else {
        rc = parse_choice(p, &words_sharing, &value);
        if (!rc)
            st->map.sharing = (uint8_t)value;
    }
    while (!rc && p->token.kind != TOKEN_END)
        rc = parse_option(p, &st->map);
    return rc;
}

static void format_options(const struct map_args *m, struct buf *out)
{
    if (m->anon)
        buf_puts(out, " anon");
    if (m->fd[0])
        buf_printf(out, " fd %s", m->fd);
    if (m->fd_number)
        buf_printf(out, " fd %d", m->number);
    if (m->offset) {
        buf_puts(out, " offset ");
        format_size((uint64_t)m->offset, out);
    }
    if (m->hugetlb)
        buf_puts(out, " hugetlb");
    if (m->huge_size) {
        buf_putc(out, '=');
        format_size(m->huge_size, out);
    }
    for (size_t i = 0; i + 1 < FLAG_COUNT; i++) {
        bool *set = flags[i].of((struct map_args *)m);
        if (*set)
            buf_printf(out, " %s", flags[i].word);
    }
    if (m->fixed || m->fixed_noreplace)
        buf_printf(out, " %s 0x%llx", m->fixed ? "fixed" : "fixed_noreplace",
                   (unsigned long long)m->address);
    if (m->extra)
        buf_printf(out, " flags=0x%x", m->extra);
    if (m->compat)
        buf_puts(out, m->compat == 1 ? " compat" : " compat=old");
}

void format_map(const struct statement *st, struct buf *out)
{
    const struct map_args *m = &st->map;
    buf_printf(out, " %s ", st->name);
    format_size(m->size, out);
    buf_printf(out, " %s ", words_name(&words_prot, m->prot));
    if (m->sharing == SHARING_TYPE)
        buf_printf(out, "type=%u", m->type);
    else
        buf_puts(out, words_name(&words_sharing, m->sharing));
    format_options(m, out);
}
