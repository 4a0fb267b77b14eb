/* vmscope run, attach and the process list: on a terminal, without one, and headless. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/source.h"
#include "model/model.h"
#include "probe/spawn.h"
#include "ui/ui.h"

static int headless(const struct options *o)
{
    struct err e = {0};
    struct step_source s;
    struct buf out = {0};
    int status = EXIT_FAILED;
    int rc = step_source_init(&s, o, &e);
    if (!rc)
        rc = ui_headless(&o->ui, &s.ui, o->cols, o->rows, o->keys ? o->keys : "", &out, &e);
    if (rc)
        command_fail(&e, rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED);
    else
        status = command_output(o, &out);
    step_source_deinit(&s);
    buf_deinit(&out);
    return rc == -EINVAL ? EXIT_USAGE : status;
}

/* A command that waits for the engine before it is executed. */
struct held {
    struct spawn *child; /* deinitialized when it cannot be executed: pid is -1 then */
    const struct spawn_options *start;
};

/* Begins to watch; a held command is let go then. *status is the exit status for a failure. */
static int begin(struct live_source *s, const struct options *o, const struct held *held,
                 int *status, struct err *e)
{
    int rc = live_source_init(s, o, e);
    *status = EXIT_FAILED;
    if (rc || !held)
        return rc;
    live_source_ready(s);
    rc = spawn_release(held->child, held->start, e);
    if (rc)
        *status = spawn_failure_status(rc);
    else
        live_source_begun(s);
    return rc;
}

static int on_screen(const struct options *o, const struct held *held, int *ended_by)
{
    struct err e = {0};
    struct live_source s;
    int status, rc = begin(&s, o, held, &status, &e);
    if (!rc)
        rc = ui_run(&o->ui, &s.ui, &e);
    live_source_deinit(&s);
    if (rc <= 0)
        return rc ? command_fail(&e, status) : EXIT_OK;
    if (!ended_by)
        spawn_end_like(rc); /* the low bits of a wait status are the signal */
    *ended_by = rc;
    return EXIT_OK;
}

/* --- without a terminal: one line a sample, as vmstat does --- */

struct plain {
    const struct options *o;
    struct live_source source;
    struct model *model;
    struct buf out;
    int fd, error;
    unsigned long lines;
};

static void put_line(struct buf *b, const struct moment *m, unsigned long line)
{
    char text[8][TEXT_SIZE_MAX];
    struct totals t;
    totals_of_all(m, &t);
    if (line % 20 == 0)
        buf_printf(b, "%8s %6s %6s %6s %6s %6s %6s %6s %6s %10s %8s\n", "pid", "size", "rss",
                   "anon", "file", "shmem", "swap", "huge", "cow", "minor", "major");
    const struct {
        uint64_t bytes;
        bool unknown;
    } columns[8] = {
        {t.size, false},           {t.resident, t.no_resident}, {t.anon, t.no_anon},
        {t.file, t.no_file},       {t.shmem, t.no_shmem},       {t.swap, t.no_swap},
        {t.pmd_mapped + t.hugetlb, t.no_pmd_mapped || t.no_resident},
        {t.cow, t.no_cow},
    };
    buf_printf(b, "%8d", m->target.pid);
    for (unsigned i = 0; i < 8; i++)
        buf_printf(b, " %6s", columns[i].unknown ? "?" : text_size(text[i], columns[i].bytes));
    buf_printf(b, " %10" PRIu64 " %8" PRIu64 "\n", m->counters.min_flt, m->counters.maj_flt);
}

/* Prints the samples that have come; false when there will be no more. */
static bool print_samples(struct plain *p)
{
    struct record *r;
    while ((r = p->source.ui.take(&p->source))) {
        bool sample = r->type == RECORD_SAMPLE;
        if (model_fold(p->model, r))
            continue;
        if (sample && model_now(p->model)) {
            put_line(&p->out, model_now(p->model), p->lines++);
            p->error = p->out.error ? p->out.error : io_write(p->fd, p->out.data, p->out.len);
            buf_clear(&p->out);
        }
        if (p->error || model_gone(p->model) || (p->o->count && p->lines >= p->o->count))
            return false;
    }
    return true;
}

static int watch_plainly(struct plain *p, struct err *e)
{
    int rc = live_source_init(&p->source, p->o, e);
    if (rc)
        return rc;
    while (print_samples(p)) {
        struct pollfd fd = {.fd = p->source.ui.fd, .events = POLLIN};
        poll(&fd, 1, -1);
    }
    if (p->error)
        rc = command_not_written(p->o, p->error, e);
    else if (!p->lines)
        rc = err_set(e, -ESRCH, "%s", model_gone(p->model));
    live_source_deinit(&p->source);
    return rc;
}

static int plain(const struct options *o)
{
    struct err e = {0};
    struct plain p = {.o = o, .model = model_create()};
    int rc = p.model ? command_open_output(o, &p.fd, &e) : err_set(&e, -ENOMEM, "out of memory");
    if (!rc) {
        rc = watch_plainly(&p, &e);
        if (o->output && close(p.fd) && !rc)
            rc = command_not_written(o, -errno, &e);
    }
    buf_deinit(&p.out);
    model_destroy(p.model);
    return rc ? command_fail(&e, EXIT_FAILED) : EXIT_OK;
}

int command_watch(const struct options *o, int *ended_by)
{
    struct err e = {0};
    if (o->cols)
        return headless(o);
    if (ui_possible(&e))
        return on_screen(o, NULL, ended_by);
    return o->pid ? plain(o) : command_fail(&e, EXIT_FAILED);
}

/* --- run --- */

static pid_t forward_to; /* set before the handlers are, not changed while they are */

static void forward(int signal)
{
    kill(-forward_to, signal); /* it leads a process group */
}

/* A captured command has a session of its own: a signal that ended the screen, and what is sent to
 * us while we wait for the command, is meant for it too. */
static void wait_in_its_place(const struct spawn *child, int ended_by)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
    struct sigaction action = {.sa_handler = forward, .sa_flags = SA_RESTART};
    if (poll(&ended, 1, 0) != 0)
        return;
    forward_to = child->pid;
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    if (ended_by)
        forward(ended_by);
    else
        fprintf(stderr, "vmscope: no longer watching; process %d goes on, ^C ends it\n",
                child->pid);
}

int command_end_with(const struct options *o, struct spawn *child, bool screen, int mine,
                     int ended_by)
{
    int status = 0;
    spawn_output_flush(child);
    if (screen)
        wait_in_its_place(child, ended_by);
    if (o->cols)
        spawn_kill(child);
    int rc = spawn_wait_forward(child, &status);
    spawn_deinit(child);
    if (rc || o->cols)
        return mine;
    spawn_end_like(status);
}

int command_run(const struct options *o)
{
    struct err e = {0};
    struct spawn child;
    struct options watching = *o;
    bool screen = !o->cols && ui_possible(&e);
    const struct spawn_options start = {.argv = o->argv, .user = o->user, .capture = screen,
                                        .hold = screen && o->engine};
    const struct held held = {&child, &start};
    int rc = spawn_start(&start, &child, &e);
    if (rc)
        return command_fail(&e, spawn_failure_status(rc));
    watching.pid = child.pid;
    watching.ui.command = o->argv[0];
    watching.held = start.hold;
    int ended_by = 0, mine = start.hold ? on_screen(&watching, &held, &ended_by)
                                        : command_watch(&watching, &ended_by);
    if (child.pid <= 0 || child.link >= 0) { /* it was not executed */
        spawn_deinit(&child);
        return mine;
    }
    return command_end_with(o, &child, screen, mine, ended_by);
}
