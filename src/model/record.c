/* Records: made, and freed with what they own. */
#include "model/record.h"

#include <stdlib.h>

#include "model/family.h"

struct record *record_create(enum record_type type, pid_t pid, uint64_t t_ns)
{
    struct record *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->type = type;
    r->pid = pid;
    r->t_ns = t_ns;
    return r;
}

void record_destroy(struct record *r)
{
    if (!r)
        return;
    switch (r->type) {
    case RECORD_TARGET:
        free(r->target);
        break;
    case RECORD_REGIONS:
        region_table_unref(r->regions);
        break;
    case RECORD_PAGES:
        free(r->pages.runs);
        break;
    case RECORD_THP:
        free(r->thp);
        break;
    case RECORD_CACHES:
        free(r->caches);
        break;
    case RECORD_PHYSMEM:
        free(r->machine);
        break;
    case RECORD_FRAMES:
        free(r->frames.v);
        break;
    case RECORD_DETAIL:
        free(r->detail);
        break;
    case RECORD_EVENTS:
        free(r->events.v);
        break;
    case RECORD_STACK:
        free(r->stack.text);
        break;
    case RECORD_ENGINE:
        free(r->engine);
        break;
    case RECORD_FAMILY:
        family_picture_destroy(r->family.picture);
        family_unref(r->family.made);
        break;
    case RECORD_COUNTS:
        free(r->counts);
        break;
    case RECORD_SYMBOL:
        free(r->site);
        break;
    case RECORD_SAMPLE:
    case RECORD_FRAME:
    case RECORD_GONE:
        break;
    }
    free(r);
}
