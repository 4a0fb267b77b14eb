/* The words of one line of a script. */
#ifndef VMSCOPE_SCENARIO_LEX_H
#define VMSCOPE_SCENARIO_LEX_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
    TOKEN_END,     /* of the line, or where a comment begins */
    TOKEN_WORD,    /* letters, digits and + - _ . */
    TOKEN_STRING,  /* with its quotes */
    TOKEN_OPEN, TOKEN_CLOSE, TOKEN_COLON, TOKEN_COMMA, TOKEN_ASSIGN,
    TOKEN_COMPARE, /* == != < <= > >= */
    TOKEN_BAD      /* what no token begins with; a string without its end */
};

struct token {
    enum token_kind kind;
    const char *at; /* in the line */
    size_t len;     /* 0 for TOKEN_END */
};

struct lexer {
    const char *line, *end, *at;
};

/* Begins with a line, without its newline. */
void lexer_init(struct lexer *l, const char *line, size_t len);
struct token lexer_next(struct lexer *l);
/* Where the comment of the line begins, or NULL. */
const char *lexer_comment(const char *line, size_t len);

/* The first character of the line that no script may hold (control characters, invalid UTF-8,
 * invisible ones), and its length in bytes; NULL if there is none. */
const char *lexer_forbidden(const char *line, size_t len, size_t *bytes);

bool token_is(const struct token *t, const char *text);

/* The next line at *at, without its line end (LF or CR LF); *at goes behind it. False at the end. */
bool lexer_line(const char **at, const char *end, const char **line, size_t *len);

#endif
