/* The parser: one line, one statement. The table of forms is the language. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "scenario/statements.h"

enum { DEPTH_MAX = 8 };

#define F(word, name) {word, parse_##name, format_##name}
const struct form forms[ST_N] = {
    [ST_TITLE] = F("title", text),
    [ST_ABOUT] = F("about", text),
    [ST_NOTE] = F("note", text),
    [ST_PAUSE] = F("pause", nothing),
    [ST_NEEDS] = F("needs", needs),
    [ST_FILE] = F("file", file),
    [ST_OPEN] = F("open", open),
    [ST_CLOSE] = F("close", old_name),
    [ST_PIPE] = F("pipe", pipe),
    [ST_DIRECTORY] = F("directory", new_fd),
    [ST_MAP] = F("map", map),
    [ST_UNMAP] = F("unmap", touch),
    [ST_PROTECT] = F("protect", protect),
    [ST_ADVISE] = F("advise", advise),
    [ST_LOCK] = F("lock", lock),
    [ST_UNLOCK] = F("unlock", touch),
    [ST_REMAP] = F("remap", remap),
    [ST_SYNC] = F("sync", touch),
    [ST_REMAP_FILE] = F("remap-file", remap_file),
    [ST_BRK] = F("brk", brk),
    [ST_MALLOC] = F("malloc", malloc),
    [ST_FREE] = F("free", old_name),
    [ST_GROW_STACK] = F("grow-stack", grow_stack),
    [ST_LOCKALL] = F("lockall", lockall),
    [ST_READ] = F("read", touch),
    [ST_WRITE] = F("write", write),
    [ST_EXEC] = F("exec", exec),
    [ST_SYSREAD] = F("sysread", touch),
    [ST_VMREAD] = F("vmread", remote),
    [ST_VMWRITE] = F("vmwrite", remote),
    [ST_MEMREAD] = F("memread", remote),
    [ST_MEMWRITE] = F("memwrite", remote),
    [ST_EVICT] = F("evict", old_name),
    [ST_CLEAR_REFS] = F("clear-refs", clear_refs),
    [ST_UFFD] = F("uffd", uffd),
    [ST_FORK] = F("fork", fork),
    [ST_WAIT] = F("wait", old_name),
    [ST_EXIT] = F("exit", nothing),
    [ST_KILL] = F("kill", kill),
    [ST_REGION] = F("region", region),
    [ST_SPECIAL] = F("special", special),
    [ST_RESOURCE] = F("resource", resource),
    [ST_BECOME] = F("become", become),
    [ST_SEAL] = F("seal", seal),
    [ST_CUT] = F("cut", cut),
    [ST_KERNEL_ARRAY] = F("kernel-array", kernel_array),
    [ST_SEAL_MAP] = F("seal-map", touch),
    [ST_TRUNCATE] = F("truncate", truncate),
    [ST_SYSWRITE] = F("syswrite", syswrite),
    [ST_RACE] = F("race", write),
    [ST_SWAPOFF] = F("swapoff", swapoff),
    [ST_REPEAT] = F("repeat", repeat),
    [ST_END] = F("end", nothing),
    [ST_EXPECT] = F("expect", expect),
    [ST_UNTIL] = F("until", until),
};
#undef F

const char *statement_name(enum statement_kind kind)
{
    return forms[kind].word;
}

/* Statements that do something, in a stage or to the machine. */
static bool acts(enum statement_kind kind)
{
    return kind > ST_NEEDS && kind < ST_REPEAT;
}

/* ---- one line ---- */

static int parse_keyword(struct parser *p, struct statement *st)
{
    struct word v[ST_N];
    struct words w = {"a statement", v, ST_N};
    int value;
    for (int i = 0; i < ST_N; i++)
        v[i] = (struct word){forms[i].word, i};
    struct token t = p->token;
    if (t.kind == TOKEN_WORD && !words_find(&w, t.at, t.len, &value)) {
        char text[64];
        text_escape(text, sizeof text, t.at, t.len);
        const char *near = words_nearest(&w, t.at, t.len);
        return near ? parse_fail(p, &t, "there is no statement \"%s\"; did you mean \"%s\"?", text,
                                 near)
                    : parse_fail(p, &t, "there is no statement \"%s\"", text);
    }
    int rc = parse_choice(p, &w, &value);
    if (!rc)
        st->kind = (enum statement_kind)value;
    return rc;
}

/* "child: " before a statement. */
static int parse_prefix(struct parser *p, struct statement *st)
{
    struct lexer ahead = p->lexer;
    struct token next = lexer_next(&ahead);
    strcpy(st->process, "main");
    if (p->token.kind != TOKEN_WORD || next.kind != TOKEN_COLON)
        return 0;
    int rc = parse_name(p, "the name of a process", st->process, &p->places.process);
    st->prefixed = !rc;
    if (!rc)
        parse_take(p); /* the colon */
    return rc;
}

static int parse_line_end(struct parser *p)
{
    return p->token.kind == TOKEN_END ? 0 : parse_expected(p, "the end of the line");
}

static bool may_have_prefix(enum statement_kind kind)
{
    return kind > ST_FILE && kind != ST_REPEAT && kind != ST_END && kind != ST_SWAPOFF;
}

static int parse_statement(struct parser *p, struct statement *st)
{
    struct token first = p->token;
    st->at = (struct place){p->line, (unsigned)(first.at - p->lexer.line) + 1};
    int rc = parse_prefix(p, st);
    if (!rc)
        rc = parse_keyword(p, st);
    if (!rc && st->prefixed && !may_have_prefix(st->kind))
        return parse_fail(p, &first, "\"%s\" is not run by a process", forms[st->kind].word);
    if (!rc)
        rc = forms[st->kind].parse(p, st);
    return rc ? rc : parse_line_end(p);
}

/* ---- what statements mean for each other ---- */

static int join_about(struct script *s, struct parser *p, const char *text)
{
    struct buf b = {0};
    if (s->about[0])
        buf_printf(&b, "%s %s", s->about, text);
    else
        buf_puts(&b, text);
    char *kept = b.error ? NULL : parse_keep(p, b.data, b.len);
    buf_deinit(&b);
    if (!kept)
        return -ENOMEM;
    s->about = kept;
    return 0;
}

/* The innermost repeat that has no end yet. */
static size_t open_repeat(const struct script *s)
{
    size_t i = s->count;
    while (i-- > 0) {
        if (s->v[i].kind == ST_END)
            i = s->v[i].match;
        else if (s->v[i].kind == ST_REPEAT)
            break;
    }
    return i;
}

static int place_statement(struct parser *p, struct statement *st, const struct token *at)
{
    struct script *s = p->script;
    switch (st->kind) {
    case ST_TITLE:
        if (s->title[0])
            return parse_fail(p, at, "there is a title already");
        s->title = st->text;
        return 0;
    case ST_ABOUT:
        return join_about(s, p, st->text);
    case ST_REPEAT:
        if (p->depth == DEPTH_MAX)
            return parse_fail(p, at, "repeat stands in repeat at most %d deep", DEPTH_MAX);
        p->depth++;
        return 0;
    case ST_END:
        if (!p->depth)
            return parse_fail(p, at, "\"end\" without a \"repeat\" before it");
        p->depth--;
        st->match = open_repeat(s);
        s->v[st->match].match = s->count;
        return 0;
    default:
        p->acted = p->acted || acts(st->kind);
        return 0;
    }
}

static int parse_line(struct parser *p, const char *line, size_t len)
{
    struct statement st = {0};
    struct script *s = p->script;
    size_t bytes;
    lexer_init(&p->lexer, line, len);
    const char *bad = lexer_forbidden(line, len, &bytes);
    if (bad)
        return parse_fail(p, &(struct token){TOKEN_BAD, bad, bytes},
                          "a character that cannot be shown");
    parse_take(p);
    if (p->token.kind == TOKEN_END)
        return 0;
    p->places = (struct name_places){0};
    struct token first = p->token;
    int rc = parse_statement(p, &st);
    if (!rc)
        rc = place_statement(p, &st, &first);
    if (!rc)
        rc = names_statement(&p->names, &st, &p->places, p->error);
    if (!rc)
        rc = array_reserve((void **)&s->v, &p->capacity, s->count + 1, sizeof *s->v);
    if (!rc)
        s->v[s->count++] = st;
    return rc;
}

static int parse_lines(struct parser *p)
{
    const char *at = p->script->text, *end = at + p->script->length, *line;
    size_t len;
    while (lexer_line(&at, end, &line, &len)) {
        p->line++;
        int rc = parse_line(p, line, len);
        if (rc)
            return rc;
    }
    if (p->depth) {
        const struct statement *st = &p->script->v[open_repeat(p->script)];
        p->error->at = st->at;
        p->error->length = (unsigned)strlen(forms[ST_REPEAT].word);
        snprintf(p->error->text, sizeof p->error->text, "\"repeat\" without its \"end\"");
        return -EINVAL;
    }
    return 0;
}

static struct script *create(const char *text, size_t length)
{
    struct script *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->text = malloc(length + 1);
    if (!s->text) {
        free(s);
        return NULL;
    }
    memcpy(s->text, text, length);
    s->text[length] = 0;
    s->length = length;
    s->title = s->about = "";
    return s;
}

int script_parse(const char *text, size_t length, struct script **out, struct script_error *e)
{
    struct parser p = {.script = create(text, length), .error = e};
    if (!p.script)
        return -ENOMEM;
    int rc = names_init(&p.names);
    if (!rc)
        rc = parse_lines(&p);
    names_deinit(&p.names);
    if (rc) {
        script_destroy(p.script);
        return rc;
    }
    *out = p.script;
    return 0;
}

void script_destroy(struct script *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->string_count; i++)
        free(s->strings[i]);
    free(s->strings);
    free(s->v);
    free(s->text);
    free(s);
}
