/* Names are cut into pieces of equal length. */
#include "probe/mapping_events.h"

#include <string.h>

size_t mapping_events(const struct event *mapping, const char *name, size_t len, struct event *out)
{
    size_t n = 0;
    for (size_t at = 0; at < len; at += EVENT_NAME_MAX, n++) {
        size_t part = len - at < EVENT_NAME_MAX ? len - at : EVENT_NAME_MAX;
        out[n] = (struct event){.t_ns = mapping->t_ns, .pid = mapping->pid, .tid = mapping->tid,
                                .type = EVENT_NAME};
        memcpy(out[n].name.text, name + at, part);
    }
    out[n++] = *mapping;
    return n;
}
