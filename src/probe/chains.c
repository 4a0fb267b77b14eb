/* Chains of the kernel by their addresses: a hash table over a list. The same few hundred come
 * again and again. */
#include "probe/chains.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { SLOTS = 1 << 15, CHAINS_MAX = SLOTS / 2 };

struct chain {
    uint64_t *ip;
    size_t count;
    struct buf text;
};

struct chains {
    struct ksyms *names;
    struct chain *v;
    size_t count, cap;
    uint32_t slot[SLOTS]; /* numbers; 0: free */
};

struct chains *chains_create(struct ksyms *names)
{
    struct chains *c = calloc(1, sizeof *c);
    if (c)
        c->names = names;
    return c;
}

void chains_destroy(struct chains *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        free(c->v[i].ip);
        buf_deinit(&c->v[i].text);
    }
    free(c->v);
    ksyms_destroy(c->names);
    free(c);
}

/* Between the tracepoint and the program that was called by it. */
static bool is_tracing(const char *name, size_t len)
{
    static const char *const beginnings[] = {"bpf_", "__bpf_", "__traceiter_", "trace_"};
    for (unsigned i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (len >= strlen(beginnings[i]) && !memcmp(name, beginnings[i], strlen(beginnings[i])))
            return true;
    return false;
}

static int write_text(const struct chains *c, const uint64_t *ip, size_t count, struct buf *out)
{
    size_t len;
    for (size_t i = count; i--;) {
        const char *name = ksyms_find(c->names, ip[i], &len);
        if (name && is_tracing(name, len))
            break;
        if (out->len)
            buf_putc(out, ';');
        if (name)
            buf_append(out, name, len);
        else
            buf_putc(out, '?');
    }
    return buf_puts(out, "") ? -ENOMEM : out->error;
}

static int add(struct chains *c, const uint64_t *ip, size_t count)
{
    void *v = c->v;
    struct chain new = {.ip = malloc((count + 1) * sizeof *ip), .count = count};
    int rc = array_reserve(&v, &c->cap, c->count + 1, sizeof *c->v);
    c->v = v;
    if (!rc && !new.ip)
        rc = -ENOMEM;
    if (!rc)
        rc = write_text(c, ip, count, &new.text);
    if (rc) {
        free(new.ip);
        buf_deinit(&new.text);
        return rc;
    }
    memcpy(new.ip, ip, count * sizeof *ip);
    c->v[c->count++] = new;
    return 0;
}

static uint32_t hash(const uint64_t *ip, size_t count)
{
    uint64_t h = count;
    for (size_t i = 0; i < count; i++)
        h = (h ^ ip[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

uint32_t chains_number(struct chains *c, const uint64_t *ip, size_t count)
{
    uint32_t i = hash(ip, count) % SLOTS;
    for (; c->slot[i]; i = (i + 1) % SLOTS) {
        const struct chain *known = &c->v[c->slot[i] - 1];
        if (known->count == count && !memcmp(known->ip, ip, count * sizeof *ip))
            return c->slot[i];
    }
    if (c->count == CHAINS_MAX || add(c, ip, count))
        return 0;
    return c->slot[i] = (uint32_t)c->count;
}

uint32_t chains_count(const struct chains *c)
{
    return (uint32_t)c->count;
}

const char *chains_text(const struct chains *c, uint32_t number)
{
    return c->v[number - 1].text.data;
}
