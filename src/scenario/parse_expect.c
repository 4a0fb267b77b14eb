/* Expectations: two tables, of what stands first and of what stands behind the name of a mapping. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "model/path.h"
#include "model/region.h"
#include "scenario/parse.h"

static enum compare parse_compare(struct parser *p)
{
    for (enum compare op = CMP_EQ; op <= CMP_GE; op++) {
        if (p->token.kind == TOKEN_COMPARE && token_is(&p->token, compare_name(op))) {
            parse_take(p);
            return op;
        }
    }
    return CMP_EQ;
}

static int parse_count(struct parser *p, const char *what, enum compare *op, int64_t *n)
{
    uint64_t value;
    *op = parse_compare(p);
    int rc = parse_number(p, what, INT64_MAX, &value);
    if (!rc)
        *n = (int64_t)value;
    return rc;
}

/* A comparison with a number of bytes. */
static int parse_bytes(struct parser *p, enum compare *op, int64_t *n)
{
    uint64_t value;
    *op = parse_compare(p);
    struct token at = p->token;
    int rc = parse_size(p, "a size", &value);
    if (rc)
        return rc;
    if (value > INT64_MAX)
        return parse_fail(p, &at, "a size that is compared has at most 63 bits");
    *n = (int64_t)value;
    return 0;
}

/* ---- of the last statement ---- */

static int parse_ok(struct parser *p, struct expect *x)
{
    (void)p;
    (void)x;
    return 0;
}

static int parse_errno(struct parser *p, struct expect *x)
{
    return parse_choice(p, &words_errno, &x->number);
}

static int parse_moved(struct parser *p, struct expect *x)
{
    return parse_bytes(p, &x->op, &x->n);
}

static int parse_signal(struct parser *p, struct expect *x)
{
    int rc = parse_choice(p, &words_signal, &x->number);
    if (rc || p->token.kind == TOKEN_END)
        return rc;
    struct token t = p->token;
    rc = parse_choice(p, &words_code, &x->code);
    if (rc)
        return rc;
    const char *wanted = !memcmp(t.at, "SEGV", 4) ? "SIGSEGV" : !memcmp(t.at, "BUS", 3) ? "SIGBUS"
                                                                                        : "";
    if (wanted[0] && strcmp(wanted, words_name(&words_signal, x->number)))
        return parse_fail(p, &t, "%.*s belongs to %s", (int)t.len, t.at, wanted);
    snprintf(x->code_name, sizeof x->code_name, "%.*s", (int)t.len, t.at);
    return 0;
}

static int parse_fault_count(struct parser *p, struct expect *x)
{
    return parse_count(p, "a number of faults", &x->op, &x->n);
}

static int parse_times(struct parser *p, struct expect *x)
{
    x->n = -1;
    return parse_word(p, "x") ? parse_count(p, "how many faults", &x->op, &x->n) : 0;
}

static int parse_path_name(struct parser *p, struct expect *x)
{
    struct word v[PATH_N];
    struct words w = {"the path of a fault", v, PATH_N};
    int value;
    for (int i = 0; i < PATH_N; i++)
        v[i] = (struct word){path_name((enum path)i), i};
    int rc = parse_choice(p, &w, &value);
    if (!rc)
        x->path = (uint8_t)value;
    return rc;
}

static int parse_path(struct parser *p, struct expect *x)
{
    int how, rc = parse_path_name(p, x);
    if (!rc && p->token.kind == TOKEN_WORD &&
        words_find(&words_how, p->token.at, p->token.len, &how)) {
        x->how = (uint8_t)how;
        parse_take(p);
    }
    else if (!rc && p->token.kind != TOKEN_END && !token_is(&p->token, "x"))
        return parse_expected(p, "copy, reuse, x and a number, or the end of the line");
    return rc ? rc : parse_times(p, x);
}

/* Any function of the kernel may be seen, not only those that paths are named after. */
static int parse_observed(struct parser *p, struct expect *x)
{
    struct token t = p->token;
    if (t.kind != TOKEN_WORD || !(isalpha((unsigned char)*t.at) || *t.at == '_') || t.len > 60)
        return parse_expected(p, "the name of a kernel function");
    char *text = parse_keep(p, t.at, t.len);
    if (!text)
        return -ENOMEM;
    x->text = text;
    for (int i = 0; i < PATH_N; i++)
        if (!strcmp(path_name((enum path)i), text))
            x->path = (uint8_t)i;
    parse_take(p);
    return parse_times(p, x);
}

/* ---- of frames, counters, files ---- */

static int parse_two_pages(struct parser *p, struct expect *x)
{
    int rc = parse_one_page(p, &x->a);
    return rc ? rc : parse_one_page(p, &x->b);
}

static int parse_a_page(struct parser *p, struct expect *x)
{
    return parse_one_page(p, &x->a);
}

static bool is_one_page(const struct target *t)
{
    return t->ranged && t->end == t->first + 1;
}

static int parse_delta(struct parser *p, struct expect *x)
{
    x->op = parse_compare(p);
    return parse_change(p, &x->n);
}

static int parse_byte_of(struct parser *p, struct expect *x)
{
    uint64_t n;
    if (!parse_word(p, "byte"))
        return parse_expected(p, "byte");
    x->op = parse_compare(p);
    int rc = parse_number(p, "a byte", 255, &n);
    if (!rc)
        x->n = (int64_t)n;
    return rc;
}

static int parse_file(struct parser *p, struct expect *x)
{
    struct token at = p->token;
    int rc = parse_target(p, &x->a);
    if (rc)
        return rc;
    if (parse_word(p, "size")) {
        x->kind = EX_FILE_SIZE;
        return parse_bytes(p, &x->op, &x->n);
    }
    if (!is_one_page(&x->a))
        return parse_fail(p, &at, "expected one page, such as %s[0], or the word size", x->a.name);
    return parse_byte_of(p, x);
}

static int parse_hugepages(struct parser *p, struct expect *x)
{
    uint64_t n;
    int value, rc = parse_choice(p, &words_hugepages, &value);
    if (rc)
        return rc;
    x->which = (uint8_t)value;
    x->op = parse_compare(p);
    struct token t = p->token;
    bool sign = t.kind == TOKEN_WORD && (*t.at == '+' || *t.at == '-') && t.len > 1;
    if (!sign && !(t.kind == TOKEN_WORD && token_is(&t, "0")))
        return parse_expected(p, "a change, such as +1, -1 or 0");
    p->token.at += sign;
    p->token.len -= sign;
    rc = parse_number(p, "a change, such as +1, -1 or 0", INT32_MAX, &n);
    if (!rc)
        x->n = sign && *t.at == '-' ? -(int64_t)n : (int64_t)n;
    return rc;
}

/* ---- of a mapping ---- */

static int parse_regions(struct parser *p, struct expect *x)
{
    return parse_count(p, "a number of mappings", &x->op, &x->n);
}

static int parse_vmflag(struct parser *p, struct expect *x)
{
    const struct token *t = &p->token;
    if (t->kind != TOKEN_WORD || t->len != 2 || region_vmflag_bit(t->at) < 0)
        return parse_expected(p, "a flag of VmFlags in smaps, such as ht or lo");
    snprintf(x->vmflag, sizeof x->vmflag, "%.2s", t->at);
    parse_take(p);
    return 0;
}

static int parse_perms(struct parser *p, struct expect *x)
{
    static const char letters[4][3] = {"r-", "w-", "x-", "ps"};
    const struct token *t = &p->token;
    bool good = t->kind == TOKEN_WORD && t->len == 4;
    for (size_t i = 0; good && i < 4; i++)
        good = t->at[i] == letters[i][0] || t->at[i] == letters[i][1];
    if (!good)
        return parse_expected(p, "permissions as in maps, such as rw-p");
    snprintf(x->perms, sizeof x->perms, "%.4s", t->at);
    parse_take(p);
    return 0;
}

static int parse_region_name(struct parser *p, struct expect *x)
{
    return parse_string(p, &x->text);
}

static int parse_region_size(struct parser *p, struct expect *x)
{
    return parse_bytes(p, &x->op, &x->n);
}

static int parse_smaps(struct parser *p, struct expect *x)
{
    struct token t = p->token;
    int value, rc = parse_choice(p, &words_smaps, &value);
    if (rc)
        return rc;
    x->text = parse_keep(p, t.at, t.len);
    return x->text ? parse_bytes(p, &x->op, &x->n) : -ENOMEM;
}

static int parse_mapcount(struct parser *p, struct expect *x)
{
    return parse_count(p, "a number of mappings", &x->op, &x->n);
}

static int parse_order(struct parser *p, struct expect *x)
{
    return parse_count(p, "an order", &x->op, &x->n);
}

static int parse_states(struct parser *p, struct expect *x)
{
    do {
        struct state_count *c = &x->states[x->state_count];
        enum compare op;
        int value;
        if (x->state_count == EXPECT_STATES_MAX)
            return parse_fail(p, &p->token, "at most %d states at once", EXPECT_STATES_MAX);
        int rc = parse_choice(p, &words_state, &value);
        if (!rc)
            rc = parse_count(p, "a number of pages", &op, &c->n);
        if (rc)
            return rc;
        c->state = (uint8_t)value;
        c->op = (uint8_t)op;
        x->state_count++;
    } while (parse_mark(p, TOKEN_COMMA));
    return 0;
}

/* ---- the tables ---- */

struct expect_form {
    const char *word;
    enum expect_kind kind;
    int (*parse)(struct parser *p, struct expect *x);
    bool last;      /* is about the last statement */
    bool one_page;  /* of a mapping: one page of it */
};

static const struct expect_form heads[] = {
    {"ok", EX_OK, parse_ok, true, false},
    {"errno", EX_ERRNO, parse_errno, true, false},
    {"bytes", EX_MOVED, parse_moved, true, false},
    {"signal", EX_SIGNAL, parse_signal, true, false},
    {"faults", EX_FAULTS, parse_fault_count, true, false},
    {"minor", EX_MINOR, parse_fault_count, true, false},
    {"major", EX_MAJOR, parse_fault_count, true, false},
    {"path", EX_PATH, parse_path, true, false},
    {"observed", EX_OBSERVED, parse_observed, true, false},
    {"same-frame", EX_SAME_FRAME, parse_two_pages, false, false},
    {"different-frame", EX_DIFFERENT_FRAME, parse_two_pages, false, false},
    {"new-frame", EX_NEW_FRAME, parse_a_page, true, false},
    {"kept-frame", EX_KEPT_FRAME, parse_a_page, true, false},
    {"file", EX_FILE_BYTE, parse_file, false, false},
    {"hugepages", EX_HUGEPAGES, parse_hugepages, true, false},
};

/* Behind the name of a mapping. */
static const struct expect_form properties[] = {
    {"regions", EX_REGIONS, parse_regions, false, false},
    {"vmflag", EX_VMFLAG, parse_vmflag, false, false},
    {"no-vmflag", EX_NO_VMFLAG, parse_vmflag, false, false},
    {"perms", EX_PERMS, parse_perms, false, false},
    {"name", EX_NAME, parse_region_name, false, false},
    {"mapcount", EX_MAPCOUNT, parse_mapcount, false, true},
    {"order", EX_ORDER, parse_order, false, true},
    {"size", EX_SIZE, parse_region_size, false, false},
    {"offset", EX_OFFSET, parse_region_size, false, false},
    {"smaps", EX_SMAPS, parse_smaps, false, false},
    {"byte", EX_BYTE, NULL, false, true},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const struct expect_form *find_form(const struct expect_form *v, size_t count,
                                           const struct token *t)
{
    for (size_t i = 0; i < count; i++)
        if (t->kind == TOKEN_WORD && token_is(t, v[i].word))
            return &v[i];
    return NULL;
}

static int parse_property(struct parser *p, struct expect *x, const struct token *at)
{
    const struct expect_form *f = find_form(properties, COUNT(properties), &p->token);
    if (!f) {
        struct word v[COUNT(properties) + PAGES_STATE_N];
        struct words w = {"a state of pages or a property of the mapping", v, 0};
        int value;
        for (size_t i = 0; i < COUNT(properties); i++)
            v[w.count++] = (struct word){properties[i].word, 0};
        for (size_t i = 0; i < words_state.count; i++)
            v[w.count++] = words_state.v[i];
        if (p->token.kind != TOKEN_WORD ||
            !words_find(&words_state, p->token.at, p->token.len, &value))
            return parse_choice(p, &w, &value);
        x->kind = EX_PAGES;
        return parse_states(p, x);
    }
    x->kind = f->kind;
    if (f->one_page && !is_one_page(&x->a))
        return parse_fail(p, at, "expected one page, such as %s[0]", x->a.name);
    if (f->kind == EX_BYTE)
        return parse_byte_of(p, x);
    parse_take(p);
    return f->parse(p, x);
}

static bool is_property(const struct token *t)
{
    int value;
    return find_form(properties, COUNT(properties), t) ||
           (t->kind == TOKEN_WORD && words_find(&words_state, t->at, t->len, &value));
}

/* A mapping may have the name of anything that can be expected: "expect data +4K" is about the
 * counter, "expect data present 4" and "expect data[1] order 0" about the mapping. */
static bool is_mapping(const struct parser *p, const struct statement *st)
{
    char name[NAME_MAX_BYTES + 1];
    struct lexer ahead = p->lexer;
    struct token next = lexer_next(&ahead);
    if (next.kind == TOKEN_COLON)
        return true;
    if (p->token.kind != TOKEN_WORD || p->token.len > NAME_MAX_BYTES ||
        (next.kind != TOKEN_OPEN && !is_property(&next)))
        return false;
    memcpy(name, p->token.at, p->token.len);
    name[p->token.len] = 0;
    return names_has_mapping(&p->names, st->process, name);
}

/* "expect fautls 3": no mapping has that name, and there is a word like it. */
static const char *likely_head(const struct parser *p, const struct statement *st)
{
    struct word v[COUNT(heads) + COUNTER_N];
    struct words w = {"what is expected", v, 0};
    const struct target *a = &st->expect.a;
    if (a->process[0] || a->ranged || names_has_mapping(&p->names, st->process, a->name))
        return NULL;
    for (size_t i = 0; i < COUNT(heads); i++)
        v[w.count++] = (struct word){heads[i].word, 0};
    for (size_t i = 0; i < words_counter.count; i++)
        v[w.count++] = words_counter.v[i];
    return words_nearest(&w, a->name, strlen(a->name));
}

static int parse_mapping(struct parser *p, struct statement *st)
{
    struct token at = p->token;
    int rc = parse_target(p, &st->expect.a);
    const char *head = rc ? NULL : likely_head(p, st);
    if (head)
        return parse_fail(p, &at, "there is no mapping \"%s\"; did you mean \"expect %s\"?",
                          st->expect.a.name, head);
    if (!rc && !is_property(&p->token) && !st->expect.a.process[0] &&
        !names_has_mapping(&p->names, st->process, st->expect.a.name))
        return parse_fail(p, &at, "nothing that can be expected is called \"%s\", and no mapping",
                          st->expect.a.name);
    return rc ? rc : parse_property(p, &st->expect, &at);
}

/* "rss", and "vmalloc". */
static bool is_counter(const struct parser *p, struct expect *x)
{
    const struct token *t = &p->token;
    int value;
    if (t->kind != TOKEN_WORD)
        return false;
    if (words_find(&words_machine, t->at, t->len, &value))
        x->kind = EX_MACHINE;
    else if (words_find(&words_counter, t->at, t->len, &value))
        x->kind = EX_COUNTER;
    else
        return false;
    x->which = (uint8_t)value;
    return true;
}

int parse_expect(struct parser *p, struct statement *st)
{
    struct expect *x = &st->expect;
    struct token at = p->token;
    bool mapping = is_mapping(p, st);
    const struct expect_form *f = mapping ? NULL : find_form(heads, COUNT(heads), &at);
    bool counter = !mapping && !f && is_counter(p, x);
    if (!f && !counter)
        return parse_mapping(p, st);
    if ((counter || f->last) && !p->acted)
        return parse_fail(p, &at, "\"expect %.*s\" is about the statement before, and there is none",
                          (int)at.len, at.at);
    parse_take(p);
    if (!f)
        return parse_delta(p, x);
    x->kind = f->kind;
    return f->parse(p, x);
}

int parse_until(struct parser *p, struct statement *st)
{
    struct token at = p->token;
    int rc = parse_mapping(p, st);
    if (rc)
        return rc;
    if (st->expect.kind != EX_PAGES)
        return parse_fail(p, &at, "until waits for states of pages only");
    if (!parse_word(p, "within"))
        return 0;
    at = p->token;
    rc = parse_number(p, "a number of seconds", 3600, &st->size);
    return rc || st->size ? rc : parse_fail(p, &at, "expected at least one second");
}

const char *expect_word(enum expect_kind kind)
{
    for (size_t i = 0; i < COUNT(heads); i++)
        if (heads[i].kind == kind)
            return heads[i].word;
    for (size_t i = 0; i < COUNT(properties); i++)
        if (properties[i].kind == kind)
            return properties[i].word;
    return "";
}
