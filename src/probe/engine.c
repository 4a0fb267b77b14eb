/* The ladder: the best rung that opens here. */
#include "probe/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct engine_ops *const rungs[] = {&engine_bpf, &engine_perf, &engine_poll};
enum { RUNGS = sizeof rungs / sizeof *rungs };

static void append_reason(char *why, size_t cap, const char *name, const char *reason)
{
    size_t len = strnlen(why, cap);
    if (len < cap)
        snprintf(why + len, cap - len, "%s%s: %s.", len ? " " : "", name, reason);
}

static int open_rung(const struct engine_ops *rung, const struct engine_options *options,
                     const struct engine_ops **ops, struct engine **out, struct err *e)
{
    int rc = rung->open(options, out, e);
    if (!rc)
        *ops = rung;
    return rc;
}

static int open_best(const struct engine_options *options, const struct engine_ops **ops,
                     struct engine **out, char *why, size_t cap, struct err *e)
{
    struct err reason = {0};
    int rc = -ENOSYS;
    for (unsigned i = 0; i < RUNGS; i++) {
        rc = open_rung(rungs[i], options, ops, out, &reason);
        if (!rc)
            return 0;
        if (rc == -ESRCH) /* nothing to follow, whatever the rung */
            break;
        append_reason(why, cap, rungs[i]->name, reason.text);
    }
    return err_set(e, rc, "%s", reason.text);
}

int engine_open(const char *name, const struct engine_options *options,
                const struct engine_ops **ops, struct engine **out, char *why, size_t cap,
                struct err *e)
{
    char shown[64];
    if (!name || !strcmp(name, "auto"))
        return open_best(options, ops, out, why, cap, e);
    for (unsigned i = 0; i < RUNGS; i++)
        if (!strcmp(name, rungs[i]->name))
            return open_rung(rungs[i], options, ops, out, e);
    text_escape(shown, sizeof shown, name, strlen(name));
    return err_set(e, -EINVAL, "no engine is called \"%s\": it is one of auto, bpf, perf, poll",
                   shown);
}

const char *engine_permitted(pid_t pid)
{
    unsigned i = 0;
    while (i < RUNGS - 1 && !rungs[i]->permitted(pid))
        i++;
    return rungs[i]->name;
}
