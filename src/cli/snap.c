/* vmscope snap: one picture. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/source.h"
#include "model/model.h"
#include "probe/spawn.h"
#include "probe/stat.h"
#include "report/huge.h"
#include "report/snapshot.h"
#include "sampler/family.h"

static int fold(void *ctx, struct record *r)
{
    return model_fold(ctx, r);
}

static struct sampler_options snap_options(const struct options *o, pid_t pid)
{
    struct sampler_options s = source_sampler_options(o);
    s.pid = pid;
    s.once = true;
    s.smaps = (o->format == FORMAT_JSON || o->huge) && !o->residency;
    s.engine = o->format == FORMAT_JSON;
    if (o->residency)
        s.want = 0;
    if (o->pages)
        s.want |= PAGES_NOISY | PAGES_ORDERS | PAGES_ALL_COUNTS;
    if (o->huge)
        s.want |= PAGES_ORDERS;
    return s;
}

static int write_picture(const struct options *o, const struct model *model, struct buf *out)
{
    const struct moment *m = model_now(model);
    const struct thp_settings *thp = o->huge ? model_thp(model) : NULL;
    switch (o->format) {
    case FORMAT_JSON:
        return snapshot_json(m, o->pages, thp, out);
    case FORMAT_CSV:
        return snapshot_csv(m, o->pages, out);
    case FORMAT_SVG:
        return snapshot_svg(m, out);
    default:
        return thp ? huge_table(m, thp, out) : snapshot_table(m, o->pages, out);
    }
}

static void print_stats(const struct options *o, const struct sampler *s, const struct moment *m)
{
    uint64_t cpu, wall;
    if (!o->stats)
        return;
    sampler_cost(s, &cpu, &wall);
    fprintf(stderr, "sample: wall_ns=%" PRIu64 " cpu_ns=%" PRIu64 " pages=%" PRIu64
                    " tree_bytes=%zu\n",
            wall, cpu, m->sample.pages_read, pagetree_memory(m->tree));
}

static int picture(const struct options *o, pid_t pid)
{
    struct err e = {0};
    struct sampler_options options = snap_options(o, pid);
    struct sampler *s = NULL;
    struct buf out = {0};
    int status = EXIT_FAILED;
    struct model *m = model_create();
    int rc = m ? sampler_create(&options, &s, &e) : err_set(&e, -ENOMEM, "out of memory");
    if (!rc)
        rc = sampler_full(s, fold, m, &e);
    const struct moment *now = rc ? NULL : model_now(m);
    if (!rc && model_gone(m))
        rc = err_set(&e, -ESRCH, "%s before the picture was complete", model_gone(m));
    if (!rc && write_picture(o, m, &out))
        rc = err_set(&e, -ENOMEM, "out of memory");
    if (rc) {
        command_fail(&e, EXIT_FAILED);
    } else {
        print_stats(o, s, now);
        status = command_output(o, &out);
    }
    buf_deinit(&out);
    sampler_destroy(s);
    model_destroy(m);
    return status;
}

/* --- a family --- */

static int write_family(const struct options *o, const struct model *m, struct buf *out)
{
    const struct family *f = model_family(m);
    switch (o->format) {
    case FORMAT_JSON:
        return family_json(f, model_now(m), o->pages, o->huge ? model_thp(m) : NULL, out);
    case FORMAT_CSV:
        return family_csv(f, out);
    default:
        return family_table(f, out);
    }
}

/* The members, and for JSON the root's own picture before. */
static int take_family(const struct options *o, pid_t pid, struct model *m, struct err *e)
{
    struct sampler_options options = snap_options(o, pid);
    struct sampler *s;
    int rc = 0;
    if (o->format == FORMAT_JSON) {
        rc = sampler_create(&options, &s, e);
        if (rc)
            return rc;
        rc = sampler_full(s, fold, m, e);
        sampler_destroy(s);
    }
    options.smaps = false;
    struct family_sampler *f = rc ? NULL : family_sampler_create(&options);
    if (f)
        rc = family_sampler_take(f, fold, m, e);
    else if (!rc)
        rc = err_set(e, -ENOMEM, "out of memory");
    if (f && !rc && o->stats) {
        uint64_t cpu, wall;
        family_sampler_cost(f, &cpu, &wall);
        fprintf(stderr, "family: wall_ns=%" PRIu64 " cpu_ns=%" PRIu64 "\n", wall, cpu);
    }
    family_sampler_destroy(f);
    return rc;
}

static int picture_of_family(const struct options *o, pid_t pid)
{
    struct err e = {0};
    struct buf out = {0};
    struct model *m = model_create();
    int rc = m ? take_family(o, pid, m, &e) : err_set(&e, -ENOMEM, "out of memory");
    if (!rc && model_gone(m))
        rc = err_set(&e, -ESRCH, "%s before the picture was complete", model_gone(m));
    if (!rc && write_family(o, m, &out))
        rc = err_set(&e, -ENOMEM, "out of memory");
    if (rc && !e.text[0])
        err_set(&e, rc, "cannot take the picture: %s", strerror(-rc));
    int status = rc ? command_fail(&e, EXIT_FAILED) : command_output(o, &out);
    buf_deinit(&out);
    model_destroy(m);
    return status;
}

static int any_picture(const struct options *o, pid_t pid)
{
    return o->family ? picture_of_family(o, pid) : picture(o, pid);
}

/* --- a command --- */

static char run_state(const struct procdir *d, struct buf *text)
{
    struct stat_line line;
    if (procdir_read(d, "stat", text) || stat_parse(text->data, text->len, &line))
        return 'X';
    return line.run_state;
}

/* Waits until the command has been asleep at two looks in a row, has ended, or its time is up: at
 * once after exec there would be nothing to see yet. */
static void settle(const struct spawn *child, const struct procdir *d, double seconds)
{
    const uint64_t deadline = io_now_ns() + (uint64_t)((seconds > 0 ? seconds : 1.0) * 1e9);
    struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
    struct buf text = {0};
    unsigned asleep = 0;
    while (io_now_ns() < deadline && asleep < 2) {
        if (poll(&ended, 1, 20) > 0)
            break;
        char state = run_state(d, &text);
        asleep = seconds <= 0 && (state == 'S' || state == 'T') ? asleep + 1 : 0;
    }
    buf_deinit(&text);
}

static int snap_command(const struct options *o)
{
    struct err e = {0};
    struct spawn child;
    struct procdir d;
    /* What the command prints must not end up in the middle of the picture. */
    const struct spawn_options start = {.argv = o->argv, .user = o->user,
                                        .output_to_error = !o->output};
    int rc = spawn_start(&start, &child, &e);
    if (rc)
        return command_fail(&e, spawn_failure_status(rc));
    int status = EXIT_FAILED;
    rc = procdir_open(o->proc_root, child.pid, &d, &e);
    if (rc) {
        command_fail(&e, EXIT_FAILED);
    } else {
        settle(&child, &d, o->refresh);
        procdir_close(&d);
        status = any_picture(o, child.pid);
    }
    spawn_kill(&child);
    spawn_deinit(&child);
    return status;
}

int command_snap(const struct options *o)
{
    return o->argv ? snap_command(o) : any_picture(o, o->pid);
}
