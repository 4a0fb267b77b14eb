/* A failure, as a sentence a person can act on: what, why, what to do. */
#ifndef VMSCOPE_BASE_ERR_H
#define VMSCOPE_BASE_ERR_H

struct err {
    int code;       /* negative errno, 0 when nothing failed */
    char text[400]; /* one line, no newline; safe to print to a terminal */
};

/* Stores code and the formatted sentence in *e (which may be NULL); returns code. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
