/* Faulting instructions, looked up once each. */
#include "cli/sites.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "probe/lines.h"

enum { SLOTS = 1 << 14, PROBES = 32, TEXT_MAX = 120 };

struct site {
    uint64_t program, ip; /* as in fault_entry */
    uint8_t path;
    uint64_t count; /* 0: free */
    char region[64];
    char symbol[TEXT_MAX], source[TEXT_MAX];
};

struct sites {
    struct site *slot;
    struct site last; /* used when there is no room */
    uint64_t others;  /* faults that found none */
    struct lines *lines;
};

struct sites *sites_create(void)
{
    struct sites *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->slot = calloc(SLOTS, sizeof *s->slot);
    s->lines = lines_create();
    if (s->slot && s->lines)
        return s;
    sites_destroy(s);
    return NULL;
}

void sites_destroy(struct sites *s)
{
    if (!s)
        return;
    lines_destroy(s->lines);
    free(s->slot);
    free(s);
}

static struct site *slot_of(struct sites *s, const struct fault_entry *e)
{
    uint64_t key = e->event.fault.ip ^ e->program << 48 ^ e->verdict.path;
    uint64_t hash = key * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    for (unsigned i = 0; i < PROBES; i++) {
        struct site *t = &s->slot[(hash + i) % SLOTS];
        if (!t->count || (t->program == e->program && t->ip == e->event.fault.ip &&
                          t->path == e->verdict.path))
            return t;
    }
    s->last = (struct site){0};
    return &s->last;
}

static void look_up(struct sites *s, const char *proc_root, struct site *t, pid_t pid,
                    const struct region_table *regions)
{
    const struct region *r = regions ? region_table_at(regions, t->ip) : NULL;
    struct line_answer answer;
    if (!r)
        return;
    lines_find_of(s->lines, proc_root, pid, r, t->ip, &answer);
    snprintf(t->symbol, sizeof t->symbol, "%.*s", TEXT_MAX - 1, answer.symbol);
    snprintf(t->source, sizeof t->source, "%.*s", TEXT_MAX - 1, answer.source);
}

/* A JIT compiler writes the names of what it has made later: nameless instructions are looked up
 * again, ever more seldom. */
static bool is_power_of_two(uint64_t n)
{
    return !(n & (n - 1));
}

const struct site *sites_find(struct sites *s, const char *proc_root, const struct fault_entry *e,
                              const struct region_table *regions)
{
    struct site *t = slot_of(s, e);
    if (!t->count) {
        *t = (struct site){.program = e->program, .ip = e->event.fault.ip,
                           .path = e->verdict.path};
        memcpy(t->region, e->region, sizeof t->region);
        look_up(s, proc_root, t, e->event.pid, regions);
    } else if (!t->symbol[0] && is_power_of_two(t->count)) {
        look_up(s, proc_root, t, e->event.pid, regions);
    }
    t->count++;
    s->others += t == &s->last;
    return t;
}

void sites_text(const struct site *site, const struct fault_entry *e, struct fault_site *out)
{
    if (site->program == e->program && site->ip == e->event.fault.ip) {
        out->symbol = site->symbol;
        out->source = site->source;
    }
}

void sites_folded(const struct sites *s, struct buf *out)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct site *t = &s->slot[i];
        char region[64 * 4], address[24];
        if (!t->count)
            continue;
        text_escape(region, sizeof region, t->region, strnlen(t->region, sizeof t->region));
        snprintf(address, sizeof address, "0x%" PRIx64, t->ip);
        faults_folded_frame(region[0] ? region : "anonymous", out);
        buf_putc(out, ';');
        faults_folded_frame(path_name(t->path), out);
        buf_putc(out, ';');
        faults_folded_frame(t->symbol[0] ? t->symbol : address, out);
        buf_printf(out, " %" PRIu64 "\n", t->count);
    }
    if (s->others)
        buf_printf(out, "others %" PRIu64 "\n", s->others);
}
