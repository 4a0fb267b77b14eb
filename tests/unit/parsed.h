/* For tests of the scenario language: scripts read from exact copies. */
#ifndef VMSCOPE_TESTS_UNIT_PARSED_H
#define VMSCOPE_TESTS_UNIT_PARSED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenario/script.h"

/* Parses an exact copy on the heap. */
static inline int parse(const char *text, struct script **out, struct script_error *e)
{
    size_t len = strlen(text);
    char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    int rc = script_parse(exact, len, out, e);
    free(exact);
    return rc;
}

static inline struct script *good(const char *text)
{
    struct script *s = NULL;
    struct script_error e = {0};
    if (parse(text, &s, &e))
        fail_msg("%u:%u: %s\nin:\n%s", e.at.line, e.at.column, e.text, text);
    return s;
}

#endif
