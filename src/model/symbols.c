/* Answers in a table of open addressing. */
#include "model/symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1 << 12, PROBES = 16 };

struct symbols {
    struct site_answer *slot[SLOTS]; /* owned, or NULL */
};

struct symbols *symbols_create(void)
{
    return calloc(1, sizeof(struct symbols));
}

void symbols_destroy(struct symbols *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < SLOTS; i++)
        free(s->slot[i]);
    free(s);
}

static bool is_of(const struct site_answer *a, uint64_t program, uint64_t ip)
{
    return a->program == program && a->ip == ip;
}

/* The slot that holds an instruction, or the one that it would take. */
static unsigned slot_of(const struct symbols *s, uint64_t program, uint64_t ip)
{
    uint64_t hash = (ip ^ program << 48) * UINT64_C(0x9e3779b97f4a7c15) >> 40;
    for (unsigned i = 0; i < PROBES; i++) {
        const struct site_answer *a = s->slot[(hash + i) % SLOTS];
        if (!a || is_of(a, program, ip))
            return (unsigned)(hash + i) % SLOTS;
    }
    return (unsigned)hash % SLOTS;
}

int symbols_put(struct symbols *s, const struct site_answer *a)
{
    struct site_answer **slot = &s->slot[slot_of(s, a->program, a->ip)];
    if (!*slot && !(*slot = malloc(sizeof **slot)))
        return -ENOMEM;
    memcpy(*slot, a, sizeof *a);
    return 0;
}

const struct site_answer *symbols_find(const struct symbols *s, uint64_t program, uint64_t ip)
{
    const struct site_answer *a = s->slot[slot_of(s, program, ip)];
    return a && is_of(a, program, ip) ? a : NULL;
}
