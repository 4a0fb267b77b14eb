/* Counters by perf events in words. */
#include "model/counts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static size_t say(char *out, size_t cap, size_t len, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends what fits; the new length, at most cap - 1. */
static size_t say(char *out, size_t cap, size_t len, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(out + len, cap - len, fmt, ap);
    va_end(ap);
    size_t more = n > 0 ? (size_t)n : 0;
    return more < cap - len ? len + more : cap - 1;
}

const char *counts_known(const struct perf_counts *c, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < c->count; i++) {
        const struct perf_count *p = &c->v[i];
        if (!p->known)
            continue;
        len = say(out, cap, len, "%s%s %s", len ? "  " : "", p->name, p->scaled ? "~" : "");
        if (p->is_time)
            len = say(out, cap, len, "%.3f s", (double)p->value / 1e9);
        else
            len = say(out, cap, len, "%" PRIu64, p->value);
        len = say(out, cap, len, "%s", c->partial ? "+" : "");
    }
    return out;
}

bool counts_unknown(const struct perf_counts *c, unsigned *next, char *out, size_t cap)
{
    size_t len = 0;
    const char *why = NULL;
    while (*next < c->count && c->v[*next].known)
        ++*next;
    for (; *next < c->count; ++*next) {
        const struct perf_count *p = &c->v[*next];
        if (p->known || (why && strcmp(why, p->why)))
            break;
        why = p->why;
        len = say(out, cap, len, "%s%s", len ? ", " : "", p->name);
    }
    if (why)
        say(out, cap, len, ": ? %s", why);
    return why != NULL;
}
