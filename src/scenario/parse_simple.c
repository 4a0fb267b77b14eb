/* The simple statements: how each is read, and below it how it is written again. */
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
    if (p->acted)
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

/* ---- files and descriptors ---- */

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

int parse_old_name(struct parser *p, struct statement *st)
{
    const char *what = st->kind == ST_CLOSE   ? "the name of a descriptor"
                       : st->kind == ST_EVICT ? "the name of a file"
                       : st->kind == ST_FREE  ? "the name of what malloc gave"
                                              : "the name of a process";
    return parse_name(p, what, st->name, &p->places.name);
}

static void format_name(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s", st->name);
}

void format_new_fd(const struct statement *st, struct buf *out)
{
    format_name(st, out);
}

void format_old_name(const struct statement *st, struct buf *out)
{
    format_name(st, out);
}

/* ---- on mappings ---- */

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
    return parse_one_page(p, &st->target);
}

void format_exec(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
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

/* "dontneed", and as madvise(2) writes it: "MADV_DONTNEED". */
static int parse_advice(struct parser *p, int *out)
{
    enum { PREFIX = 5, LETTERS = 32 };
    const struct token *t = &p->token;
    char word[LETTERS];
    if (t->kind != TOKEN_WORD || t->len <= PREFIX || t->len - PREFIX > LETTERS ||
        memcmp(t->at, "MADV_", PREFIX))
        return parse_choice(p, &words_advice, out);
    for (size_t i = 0; i < t->len - PREFIX; i++)
        word[i] = (char)tolower((unsigned char)t->at[PREFIX + i]);
    if (!words_find(&words_advice, word, t->len - PREFIX, out))
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
    int rc = parse_one_page(p, &st->target);
    if (!rc)
        rc = parse_number(p, "a page of the file", INT64_MAX, &n);
    if (!rc)
        st->delta = (int64_t)n;
    return rc;
}

void format_remap_file(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
    buf_printf(out, " %lld", (long long)st->delta);
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
    if (st->number >= 0) {
        buf_putc(out, ' ');
        format_byte(st->number, out);
    }
}

int parse_uffd(struct parser *p, struct statement *st)
{
    static const struct word v[] = {{"wp", 1}, {"missing", 2}};
    static const struct words modes = {"what userfaultfd is asked for", v, 2};
    int value, rc = parse_target(p, &st->target);
    if (!rc)
        rc = parse_choice(p, &modes, &value);
    if (!rc)
        st->flags = (unsigned)value;
    return rc;
}

void format_uffd(const struct statement *st, struct buf *out)
{
    format_target(&st->target, out);
    buf_puts(out, st->flags == 1 ? " wp" : " missing");
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
            return st->flags ? 0 : parse_expected(p, "current or future");
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
    format_name(st, out);
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

int parse_rlimit(struct parser *p, struct statement *st)
{
    int rc = parse_choice(p, &words_rlimit, &st->number);
    if (rc)
        return rc;
    if (parse_word(p, "unlimited")) {
        st->size = UINT64_MAX;
        return 0;
    }
    return parse_size(p, "a size, or unlimited", &st->size);
}

void format_rlimit(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s ", words_name(&words_rlimit, st->number));
    if (st->size == UINT64_MAX)
        buf_puts(out, "unlimited");
    else
        format_size(st->size, out);
}

int parse_setuid(struct parser *p, struct statement *st)
{
    return parse_choice(p, &words_user, &st->number);
}

void format_setuid(const struct statement *st, struct buf *out)
{
    buf_printf(out, " %s", words_name(&words_user, st->number));
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
