/* Faulting instructions, looked up once each. */
#include "cli/sites.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "probe/lines.h"
#include "probe/procdir.h"

enum { SLOTS = 1 << 14, PROBES = 32, TEXT_MAX = 120 };

struct site {
    pid_t pid; /* 0: free */
    uint64_t ip;
    uint8_t path;
    uint64_t count;
    bool forgotten; /* of a program that has been replaced */
    char region[64];
    char symbol[TEXT_MAX], source[TEXT_MAX];
};

struct sites {
    struct site *slot;
    struct site last; /* used when there is no room */
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
    uint64_t key = e->event.fault.ip ^ (uint64_t)e->event.pid << 40 ^ e->verdict.path;
    uint64_t hash = key * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    for (unsigned i = 0; i < PROBES; i++) {
        struct site *t = &s->slot[(hash + i) % SLOTS];
        if (!t->pid || (t->pid == e->event.pid && t->ip == e->event.fault.ip &&
                        t->path == e->verdict.path && !t->forgotten))
            return t;
    }
    s->last = (struct site){0};
    return &s->last;
}

static bool ask(struct sites *s, const char *proc_root, pid_t through, const struct site *t,
                const struct region *r, struct line_answer *out)
{
    struct procdir d;
    if (procdir_open(proc_root, through, &d, NULL))
        return false;
    lines_find(s->lines, d.fd, t->pid, r, t->ip, out);
    procdir_close(&d);
    return out->symbol[0] != '\0';
}

/* A process that has ended can no longer be asked for its files: then those of our own root are
 * looked at, which device and inode identify. */
static void look_up(struct sites *s, const char *proc_root, struct site *t,
                    const struct region_table *regions)
{
    const struct region *r = regions ? region_table_at(regions, t->ip) : NULL;
    struct line_answer answer = {0};
    if (!r || (!ask(s, proc_root, t->pid, t, r, &answer) && !ask(s, NULL, getpid(), t, r, &answer)))
        return;
    snprintf(t->symbol, sizeof t->symbol, "%.*s", TEXT_MAX - 1, answer.symbol);
    snprintf(t->source, sizeof t->source, "%.*s", TEXT_MAX - 1, answer.source);
}

const struct site *sites_find(struct sites *s, const char *proc_root, const struct fault_entry *e,
                              const struct region_table *regions)
{
    struct site *t = slot_of(s, e);
    if (!t->pid) {
        *t = (struct site){.pid = e->event.pid, .ip = e->event.fault.ip, .path = e->verdict.path};
        memcpy(t->region, e->region, sizeof t->region);
        look_up(s, proc_root, t, regions);
    }
    t->count++;
    return t;
}

void sites_text(const struct site *site, const struct fault_entry *e, struct fault_site *out)
{
    if (site->pid == e->event.pid && site->ip == e->event.fault.ip) {
        out->symbol = site->symbol;
        out->source = site->source;
    }
}

void sites_forget(struct sites *s, pid_t pid)
{
    for (unsigned i = 0; i < SLOTS; i++)
        s->slot[i].forgotten |= s->slot[i].pid == pid;
}

/* A frame of a folded stack holds no separators. */
static void put_frame(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_putc(out, *text == ';' || *text == ' ' ? '_' : *text);
}

void sites_folded(const struct sites *s, struct buf *out)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct site *t = &s->slot[i];
        char region[64 * 4], address[24];
        if (!t->pid)
            continue;
        text_escape(region, sizeof region, t->region, strnlen(t->region, sizeof t->region));
        snprintf(address, sizeof address, "0x%" PRIx64, t->ip);
        put_frame(out, region[0] ? region : "anonymous");
        buf_putc(out, ';');
        put_frame(out, path_name(t->path));
        buf_putc(out, ';');
        put_frame(out, t->symbol[0] ? t->symbol : address);
        buf_printf(out, " %" PRIu64 "\n", t->count);
    }
}
