/* Two hash tables over lists: places in programs, and chains as text. */
#include "cli/callers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "probe/callsite.h"
#include "probe/lines.h"

enum { TEXT_MAX = 120, PLACES_MAX = 1 << 20, STACKS_MAX = 1 << 20 };

struct place {
    uint64_t program, ip; /* fault_entry.program; the last byte of the call, or what faulted */
    bool is_call;         /* or may be one */
    char symbol[TEXT_MAX], source[TEXT_MAX], function[TEXT_MAX];
};

struct stack {
    uint64_t count;
    size_t at; /* in the text of all, NUL-terminated */
};

/* Numbers from 1 on in a table of open addressing of a power of two; 0: free. */
struct index {
    uint32_t *slot;
    size_t size;
};

struct callers {
    struct place *places;
    size_t place_count, place_cap;
    struct index by_ip;
    struct stack *stacks;
    size_t stack_count, stack_cap;
    struct index by_text;
    struct buf text, one; /* of all stacks; of one */
    uint64_t others, broken;
    struct lines *lines;
};

static bool index_grow(struct index *x, size_t count, uint64_t (*hash)(const void *, size_t),
                       const void *ctx)
{
    if (x->size > count * 2)
        return true;
    size_t size = x->size ? x->size * 2 : 1024;
    uint32_t *slot = calloc(size, sizeof *slot);
    if (!slot)
        return false;
    for (size_t n = 0; n < count; n++) {
        size_t i = (size_t)hash(ctx, n) & (size - 1);
        while (slot[i])
            i = (i + 1) & (size - 1);
        slot[i] = (uint32_t)n + 1;
    }
    free(x->slot);
    *x = (struct index){slot, size};
    return true;
}

struct callers *callers_create(void)
{
    struct callers *c = calloc(1, sizeof *c);
    if (c && !(c->lines = lines_create())) {
        free(c);
        c = NULL;
    }
    return c;
}

void callers_destroy(struct callers *c)
{
    if (!c)
        return;
    free(c->places);
    free(c->by_ip.slot);
    free(c->stacks);
    free(c->by_text.slot);
    buf_deinit(&c->text);
    buf_deinit(&c->one);
    lines_destroy(c->lines);
    free(c);
}

uint64_t callers_broken(const struct callers *c)
{
    return c->broken;
}

/* --- places --- */

static uint64_t hash_ip(uint64_t program, uint64_t ip)
{
    return (ip ^ program << 48) * UINT64_C(0x9e3779b97f4a7c15) >> 24;
}

static uint64_t hash_place(const void *ctx, size_t n)
{
    const struct callers *c = ctx;
    return hash_ip(c->places[n].program, c->places[n].ip);
}

static const struct place *place_known(const struct callers *c, uint64_t program, uint64_t ip,
                                       size_t *slot)
{
    if (!c->by_ip.size)
        return NULL;
    size_t i = (size_t)hash_ip(program, ip) & (c->by_ip.size - 1);
    for (; c->by_ip.slot[i]; i = (i + 1) & (c->by_ip.size - 1)) {
        const struct place *p = &c->places[c->by_ip.slot[i] - 1];
        if (p->program == program && p->ip == ip)
            return p;
    }
    *slot = i;
    return NULL;
}

/* "main" of "main+0x1c"; where no function is known the file. */
static void name_function(struct place *p, const struct region *r)
{
    char name[64 * 4];
    const char *slash = r ? strrchr(r->name, '/') : NULL, *base = slash ? slash + 1 : r ? r->name : "";
    size_t len = strlen(p->symbol);
    const char *plus = strrchr(p->symbol, '+');
    if (plus && plus > p->symbol && !strncmp(plus, "+0x", 3))
        len = (size_t)(plus - p->symbol);
    if (len) {
        snprintf(p->function, sizeof p->function, "%.*s", (int)len, p->symbol);
        return;
    }
    text_escape(name, sizeof name, base, strnlen(base, 63));
    snprintf(p->function, sizeof p->function, *name == '[' ? "%.100s" : "[%.100s]",
             *name ? name : "unknown");
}

static void look_up(struct callers *c, const char *proc_root, pid_t pid, struct place *p,
                    const struct region_table *regions)
{
    const struct region *r = regions ? region_table_at(regions, p->ip) : NULL;
    struct line_answer answer;
    if (r) {
        lines_find_of(c->lines, proc_root, pid, r, p->ip, &answer);
        snprintf(p->symbol, sizeof p->symbol, "%.*s", TEXT_MAX - 1, answer.symbol);
        snprintf(p->source, sizeof p->source, "%.*s", TEXT_MAX - 1, answer.source);
        p->is_call = callsite_look(proc_root, pid, r, p->ip + 1) != KNOWN_NO;
    }
    name_function(p, r);
}

static const struct place *place_of(struct callers *c, const char *proc_root,
                                    const struct fault_entry *e, uint64_t ip,
                                    const struct region_table *regions)
{
    size_t slot;
    void *v = c->places;
    const struct place *known = place_known(c, e->program, ip, &slot);
    if (known)
        return known;
    if (c->place_count == PLACES_MAX ||
        array_reserve(&v, &c->place_cap, c->place_count + 1, sizeof *c->places))
        return NULL;
    c->places = v;
    if (!index_grow(&c->by_ip, c->place_count, hash_place, c))
        return NULL;
    place_known(c, e->program, ip, &slot);
    struct place *p = &c->places[c->place_count++];
    *p = (struct place){.program = e->program, .ip = ip};
    c->by_ip.slot[slot] = (uint32_t)c->place_count;
    look_up(c, proc_root, e->event.pid, p, regions);
    return p;
}

/* --- stacks --- */

static uint64_t hash_text(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

static uint64_t hash_stack(const void *ctx, size_t n)
{
    const struct callers *c = ctx;
    return hash_text(c->text.data + c->stacks[n].at);
}

static struct stack *stack_of(struct callers *c, const char *text)
{
    void *v = c->stacks;
    if (!index_grow(&c->by_text, c->stack_count, hash_stack, c))
        return NULL;
    size_t i = (size_t)hash_text(text) & (c->by_text.size - 1);
    for (; c->by_text.slot[i]; i = (i + 1) & (c->by_text.size - 1)) {
        struct stack *s = &c->stacks[c->by_text.slot[i] - 1];
        if (!strcmp(c->text.data + s->at, text))
            return s;
    }
    size_t at = c->text.len;
    if (c->stack_count == STACKS_MAX ||
        array_reserve(&v, &c->stack_cap, c->stack_count + 1, sizeof *c->stacks) ||
        buf_append(&c->text, text, strlen(text) + 1))
        return NULL;
    c->stacks = v;
    c->stacks[c->stack_count] = (struct stack){0, at};
    c->by_text.slot[i] = (uint32_t)c->stack_count + 1;
    return &c->stacks[c->stack_count++];
}

static void count_stack(struct callers *c, const struct place *const *chain, unsigned n,
                        const struct fault_entry *e)
{
    buf_clear(&c->one);
    while (n--) {
        faults_folded_frame(chain[n]->function, &c->one);
        buf_putc(&c->one, ';');
    }
    faults_folded_frame(path_name(e->verdict.path), &c->one);
    struct stack *s = c->one.error ? NULL : stack_of(c, c->one.data);
    if (s)
        s->count++;
    else
        c->others++;
}

void callers_find(struct callers *c, const char *proc_root, const struct fault_log *log,
                  const struct fault_entry *e, const struct region_table *regions, bool count)
{
    const struct place *chain[CALLERS_MAX + 1];
    const uint64_t *ip = fault_log_callers(log, e);
    size_t at[CALLERS_MAX + 1];
    unsigned n = 0;
    for (unsigned i = 0; i <= e->event.fault.callers_n; i++) {
        uint64_t where = i ? ip[i - 1] - 1 : e->event.fault.ip;
        const struct place *p = place_of(c, proc_root, e, where, regions);
        if (!p || (i && !p->is_call)) {
            c->broken += i > 0;
            break;
        }
        at[n++] = (size_t)(p - c->places);
    }
    for (unsigned i = 0; i < n; i++)
        chain[i] = &c->places[at[i]];
    if (count)
        count_stack(c, chain, n, e);
}

unsigned callers_text(struct callers *c, const struct fault_log *log, const struct fault_entry *e,
                      struct fault_caller out[CALLERS_MAX])
{
    const uint64_t *ip = fault_log_callers(log, e);
    size_t slot;
    unsigned n = 0;
    for (unsigned i = 0; ip && i < e->event.fault.callers_n; i++) {
        const struct place *p = place_known(c, e->program, ip[i] - 1, &slot);
        if (!p || !p->is_call)
            break;
        out[n++] = (struct fault_caller){ip[i], p->symbol, p->source};
    }
    return n;
}

void callers_folded(const struct callers *c, struct buf *out)
{
    for (size_t i = 0; i < c->stack_count; i++)
        buf_printf(out, "%s %" PRIu64 "\n", c->text.data + c->stacks[i].at, c->stacks[i].count);
    if (c->others)
        buf_printf(out, "others %" PRIu64 "\n", c->others);
}
