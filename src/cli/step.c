/* vmscope step on a screen; without one it is a way to follow faults (faults.c). */
#include <errno.h>

#include "cli/commands.h"
#include "cli/source.h"
#include "probe/spawn.h"
#include "ui/ui.h"

static int show_steps(const struct options *o, struct live_source *s, int *ended_by)
{
    struct err e = {0};
    struct buf out = {0};
    int rc = o->cols ? ui_headless(&o->ui, &s->ui, o->cols, o->rows, o->keys ? o->keys : "", &out,
                                   &e)
                     : ui_run(&o->ui, &s->ui, &e);
    int status = EXIT_OK;
    if (rc < 0)
        status = command_fail(&e, rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED);
    else if (o->cols)
        status = command_output(o, &out);
    *ended_by = rc > 0 ? rc : 0;
    buf_deinit(&out);
    return status;
}

/* The tracer first, then the child becomes the program. */
int command_step(const struct options *o)
{
    struct err e = {0};
    struct spawn child;
    struct live_source s;
    struct options stepping = *o;
    bool screen = !o->cols && !o->has_format && !o->output && !o->count && ui_possible(&e);
    const struct spawn_options start = {.argv = o->argv, .user = o->user, .hold = true, .traced = true,
                                        .capture = screen, .output_to_error = o->cols != 0};
    if (!screen && !o->cols)
        return command_faults(o);
    int rc = spawn_start(&start, &child, &e);
    if (rc)
        return command_fail(&e, spawn_failure_status(rc));
    stepping.pid = child.pid;
    stepping.ui.command = o->argv[0];
    rc = live_source_init(&s, &stepping, &e);
    if (!rc && (rc = spawn_release(&child, &start, &e))) {
        live_source_deinit(&s);
        return command_fail(&e, spawn_failure_status(rc));
    }
    if (rc) {
        spawn_kill(&child);
        spawn_deinit(&child);
        return command_fail(&e, EXIT_FAILED);
    }
    int ended_by = 0, mine = show_steps(&stepping, &s, &ended_by);
    live_source_deinit(&s);
    return command_end_with(o, &child, screen, mine, ended_by);
}
