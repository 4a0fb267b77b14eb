/* Inside the parser: what the parse functions of the statements share. Each reads the tokens behind
 * its keyword into *st and leaves the rest of the line alone; 0, or -EINVAL with the error stored,
 * or -ENOMEM. */
#ifndef VMSCOPE_SCENARIO_PARSE_H
#define VMSCOPE_SCENARIO_PARSE_H

#include <stdint.h>

#include "base/buf.h"
#include "scenario/lex.h"
#include "scenario/names.h"
#include "scenario/script.h"
#include "scenario/words.h"

struct parser {
    struct script *script;
    struct script_error *error;
    struct lexer lexer;
    unsigned line;       /* number of the line */
    struct token token;  /* the next one, not yet taken */
    struct name_places places;
    struct names names;  /* what exists so far */
    size_t capacity, string_capacity;
    bool acted;          /* a statement before did something */
    size_t depth;        /* of repeats that are open */
};

/* A statement of the language. */
struct form {
    const char *word;
    int (*parse)(struct parser *p, struct statement *st);
    void (*format)(const struct statement *st, struct buf *out); /* what follows the word */
};
extern const struct form forms[ST_N];

/* Errors: at a token; and "expected WHAT, found ..." at the next one. Both return -EINVAL. */
int parse_fail(struct parser *p, const struct token *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int parse_expected(struct parser *p, const char *what);

void parse_take(struct parser *p); /* goes to the next token */
bool parse_word(struct parser *p, const char *word); /* takes it if it is the next one */
bool parse_mark(struct parser *p, enum token_kind kind);

int parse_name(struct parser *p, const char *what, char out[NAME_MAX_BYTES + 1],
               struct name_place *place);
int parse_target(struct parser *p, struct target *t);
int parse_one_page(struct parser *p, struct target *t); /* A[i] */
int parse_choice(struct parser *p, const struct words *w, int *value);
int parse_number(struct parser *p, const char *what, uint64_t max, uint64_t *out);
int parse_size(struct parser *p, const char *what, uint64_t *out); /* 4096 16K 2M 1G 0x1000 */
int parse_change(struct parser *p, int64_t *out);                  /* +64K -4K */
/* A copy that belongs to the script, NUL-terminated, or NULL. */
char *parse_keep(struct parser *p, const char *bytes, size_t len);
int parse_string(struct parser *p, const char **out);              /* owned by the script */

int parse_map(struct parser *p, struct statement *st);
int parse_expect(struct parser *p, struct statement *st);
int parse_until(struct parser *p, struct statement *st);

const char *expect_word(enum expect_kind kind); /* "errno", "mapcount"; "" for EX_PAGES, EX_COUNTER */

void format_target(const struct target *t, struct buf *out);
void format_size(uint64_t bytes, struct buf *out);
void format_change(int64_t bytes, struct buf *out);
void format_string(const char *text, struct buf *out);
void format_map(const struct statement *st, struct buf *out);
void format_expect(const struct statement *st, struct buf *out);
void format_until(const struct statement *st, struct buf *out);

#endif
