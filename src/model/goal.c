/* Goals of stepping. */
#include "model/goal.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static bool is_near(const struct step_goal *g, const struct event *e)
{
    uint64_t at = e->type == EVENT_FAULT       ? e->fault.address
                  : e->call.call == CALL_MMAP ? (uint64_t)e->call.result
                  : e->call.has_args          ? e->call.args[0]
                                              : 0;
    return at >= g->start && at < g->end;
}

static bool is_by(const struct step_goal *g, const char *symbol)
{
    size_t len = strlen(g->symbol);
    return len && !strncmp(symbol, g->symbol, len) && (!symbol[len] || symbol[len] == '+');
}

bool goal_met(struct step_goal *g, const struct event *e, const char *symbol)
{
    bool fault = e->type == EVENT_FAULT;
    if (!fault && e->type != EVENT_CALL)
        return false;
    switch (g->what) {
    case GOAL_EVENT:
        return true;
    case GOAL_FAULT:
        return fault;
    case GOAL_CALL:
        return !fault;
    case GOAL_RANGE:
        return is_near(g, e);
    case GOAL_COUNT:
        return g->count <= 1 || !--g->count;
    case GOAL_SYMBOL:
        return fault && is_by(g, symbol);
    default:
        return false;
    }
}

static const struct region *named(const struct region_table *t, const char *text)
{
    for (size_t i = 0; t && i < t->count; i++)
        if (t->v[i].name && strstr(t->v[i].name, text))
            return &t->v[i];
    return NULL;
}

bool goal_parse(const char *text, const struct region_table *regions, struct step_goal *out)
{
    const char *p = text, *end = text + strlen(text);
    uint64_t v;
    *out = (struct step_goal){.what = GOAL_NONE};
    if (p == end)
        return false;
    if (text_dec(&p, end, &v) && p == end) {
        *out = (struct step_goal){.what = GOAL_COUNT, .count = v};
        return true;
    }
    p = text + 2;
    if (!strncmp(text, "0x", 2) && text_hex(&p, end, &v) && p == end) {
        const uint64_t page = 4096; /* the least there is: on others, some of the page */
        *out = (struct step_goal){.what = GOAL_RANGE, .start = v & ~(page - 1)};
        out->end = out->start + page;
        return true;
    }
    const struct region *r = named(regions, text);
    if (r) {
        *out = (struct step_goal){.what = GOAL_RANGE, .start = r->start, .end = r->end};
        return true;
    }
    out->what = GOAL_SYMBOL;
    snprintf(out->symbol, sizeof out->symbol, "%s", text);
    return true;
}
