/* vmscope run, attach and the process list: on a terminal, without one, and headless. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

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

static void print_line(const struct moment *m, unsigned long line)
{
    char text[8][TEXT_SIZE_MAX];
    struct totals t;
    totals_of_all(m, &t);
    if (line % 20 == 0)
        printf("%8s %6s %6s %6s %6s %6s %6s %6s %6s %10s %8s\n", "pid", "size", "rss", "anon",
               "file", "shmem", "swap", "huge", "cow", "minor", "major");
    const struct {
        uint64_t bytes;
        bool unknown;
    } columns[8] = {
        {t.size, false},           {t.resident, t.no_resident}, {t.anon, t.no_anon},
        {t.file, t.no_file},       {t.shmem, t.no_shmem},       {t.swap, t.no_swap},
        {t.pmd_mapped + t.hugetlb, t.no_pmd_mapped},            {t.cow, t.no_cow},
    };
    printf("%8d", m->target.pid);
    for (unsigned i = 0; i < 8; i++)
        printf(" %6s", columns[i].unknown ? "?" : text_size(text[i], columns[i].bytes));
    printf(" %10" PRIu64 " %8" PRIu64 "\n", m->counters.min_flt, m->counters.maj_flt);
    fflush(stdout);
}

/* Prints the samples that have come; false when there will be no more. */
static bool print_samples(const struct options *o, struct live_source *s, struct model *m,
                          unsigned long *lines)
{
    struct record *r;
    while ((r = s->ui.take(s))) {
        bool sample = r->type == RECORD_SAMPLE;
        if (model_fold(m, r))
            continue;
        if (sample && model_now(m))
            print_line(model_now(m), (*lines)++);
        if (model_gone(m) || (o->count && *lines >= o->count))
            return false;
    }
    return true;
}

static int plain(const struct options *o)
{
    struct err e = {0};
    struct live_source s;
    unsigned long lines = 0;
    int status = EXIT_FAILED;
    struct model *m = model_create();
    int rc = m ? live_source_init(&s, o, &e) : err_set(&e, -ENOMEM, "out of memory");
    if (rc) {
        model_destroy(m);
        return command_fail(&e, EXIT_FAILED);
    }
    while (print_samples(o, &s, m, &lines)) {
        struct pollfd p = {.fd = s.ui.fd, .events = POLLIN};
        poll(&p, 1, -1);
    }
    if (lines) {
        status = EXIT_OK;
    } else {
        err_set(&e, -ESRCH, "%s", model_gone(m));
        command_fail(&e, EXIT_FAILED);
    }
    live_source_deinit(&s);
    model_destroy(m);
    return status;
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
