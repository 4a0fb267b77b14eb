/* vmscope play: the run of a scenario as what the player shows. Each step is copied out of the run,
 * with a picture of every process, so that the player can go back to it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/play_parts.h"
#include "cli/scenario.h"
#include "probe/spawn.h"

static const uint64_t second = 1000000000;

/* --- the run --- */

/* 0, or a negative errno with *e set: the machine could not be put back as it was. */
static int end_run(struct play *p, struct err *e)
{
    int rc = run_end(p->run, e);
    observe_destroy(p->watch);
    p->run = NULL;
    p->watch = NULL;
    return rc;
}

/* Does what stands before the next note or action. */
static int advance(struct play *p, struct player_step *step, struct err *e)
{
    size_t at;
    while ((at = run_next(p->run)) < p->script->count && !play_is_step(&p->script->v[at])) {
        struct outcome out = {0};
        const struct statement *st = &p->script->v[at];
        int rc = run_step(p->run, &out, e);
        if (rc)
            return rc;
        rc = step ? play_add_check(step, st, &out) : 0;
        if (rc)
            return err_set(e, rc, "out of memory");
    }
    return 0;
}

static int begin_run(struct play *p, struct err *e)
{
    const struct run_options options = {.limit_ns = 10 * second, .total_limit_ns = 86400 * second,
                                        .stop_fd = p->worker.stop_fd};
    struct err why = {0};
    p->watch = observe_create(p->options->engine, NULL);
    if (!p->watch)
        return err_set(e, -ENOMEM, "out of memory");
    int rc = run_begin(p->script, &options, observe_observer(p->watch), &p->run, &why);
    if (rc)
        return err_set(e, rc, "this scenario cannot run here: %s", why.text);
    return advance(p, NULL, e);
}

static int step_run(struct play *p, struct player_step *out, struct err *e)
{
    struct outcome done = {0};
    const struct statement *st = &p->script->v[run_next(p->run)];
    int rc = run_step(p->run, &done, e);
    if (rc)
        return rc;
    out->line = out->last_line = st->at.line;
    out->note = st->kind == ST_NOTE ? st->text : NULL;
    rc = play_add_outcome(p, out, st, &done);
    if (rc)
        return err_set(e, rc, "out of memory");
    rc = advance(p, out, e);
    return rc ? rc : play_add_processes(p, out, e);
}

int play_run(struct play *p, enum play_job job, struct player_step *step, struct err *e)
{
    if (job == PLAY_STEP)
        return step_run(p, step, e);
    int rc = end_run(p, e);
    return rc || job != PLAY_BEGIN ? rc : begin_run(p, e);
}

unsigned play_next_line(const struct play *p)
{
    size_t at = p->run ? run_next(p->run) : SIZE_MAX;
    return p->run && at < p->script->count ? p->script->v[at].at.line : 0;
}

static void play_begin(void *ctx, enum player_job job)
{
    play_worker_begin(ctx, job == PLAYER_STEP ? PLAY_STEP : PLAY_BEGIN);
}

static bool play_take(void *ctx, struct player_step *out, int *rc, struct err *e)
{
    return play_worker_take(ctx, out, rc, e);
}

static unsigned play_next(void *ctx)
{
    return play_worker_next(ctx);
}

static int play_fd(void *ctx)
{
    const struct play *p = ctx;
    return p->worker.fd;
}

/* --- the script --- */

static int forget_script(struct play *p, struct err *e)
{
    int rc = play_worker_do(p, PLAY_END, e);
    play_script_deinit(p);
    script_destroy(p->script);
    p->script = NULL;
    return rc;
}

static int take_script(struct play *p, const char *path, struct buf *message)
{
    struct script *s = NULL;
    char *copy = strdup(path);
    int rc = copy ? scenario_read(copy, &s, message) : -ENOMEM;
    if (rc) {
        free(copy);
        return rc;
    }
    struct err e;
    if (forget_script(p, &e))
        buf_printf(message, "vmscope: %s", e.text);
    free(p->path);
    p->path = copy;
    p->script = s;
    rc = play_script_init(p);
    return message->len ? -EIO : rc;
}

/* Who reads it on the screen knows which scenario it is, and has little room. */
static void drop_directory(const struct play *p, struct buf *message)
{
    const char *slash = strrchr(p->path, '/');
    size_t n = slash ? (size_t)(slash + 1 - p->path) : 0;
    if (!n || message->len <= n || memcmp(message->data, p->path, n))
        return;
    memmove(message->data, message->data + n, message->len - n + 1);
    message->len -= n;
}

static int play_reload(void *ctx, struct buf *message)
{
    struct play *p = ctx;
    int rc = take_script(p, p->path, message);
    if (rc)
        drop_directory(p, message);
    return rc;
}

static int play_open(void *ctx, const char *path, struct buf *message)
{
    return take_script(ctx, path, message);
}

static const struct player_script *play_script(void *ctx)
{
    const struct play *p = ctx;
    return p->script ? &p->shown : NULL;
}

/* --- the editor --- */

static void exec_editor(const char *file, unsigned line)
{
    char at[16];
    snprintf(at, sizeof at, "+%u", line);
    execl("/bin/sh", "sh", "-c", "exec ${VISUAL:-${EDITOR:-vi}} \"$@\"", "sh", at, file,
          (char *)NULL);
    _exit(127);
}

/* The keys that end programs are the editor's while it runs. */
static int play_edit(void *ctx, unsigned line, struct err *e)
{
    struct play *p = ctx;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        exec_editor(p->path, line);
    if (pid < 0)
        return err_set(e, -errno, "cannot start an editor: %s", strerror(errno));
    sigaction(SIGINT, &ignore, &interrupt);
    sigaction(SIGQUIT, &ignore, &quit);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGQUIT, &quit, NULL);
    if (!status)
        return 0;
    return err_set(e, -EIO, "the editor failed: set VISUAL or EDITOR to one that is there");
}

/* --- the command --- */

static struct player_source source_of(struct play *p)
{
    return (struct player_source){.ctx = p, .script = play_script, .fd = play_fd,
                                  .next = play_next, .begin = play_begin, .take = play_take,
                                  .reload = play_reload, .edit = play_edit, .list = play_list,
                                  .open = play_open};
}

/* A name without a directory may be that of a shipped one. */
static int open_named(struct play *p, const char *name, struct buf *message)
{
    char path[PLAY_PATH_MAX];
    if (access(name, F_OK) && !strchr(name, '/') && play_find(name, path, sizeof path))
        name = path;
    return take_script(p, name, message);
}

static int headless(struct play *p, struct player_source *source)
{
    struct err e = {0};
    struct buf out = {0};
    const struct options *o = p->options;
    int rc = player_headless(&o->ui, source, o->cols, o->rows, o->keys ? o->keys : "", &out, &e);
    int status = rc ? command_fail(&e, rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED)
                    : command_output(o, &out);
    buf_deinit(&out);
    return status;
}

static int on_screen(struct play *p, struct player_source *source, int *ended_by)
{
    struct err e = {0};
    int rc = ui_possible(&e) ? player_run(&p->options->ui, source, &e) : -ENOTTY;
    if (rc == -ENOTTY)
        return command_fail(&(struct err){rc, "play needs a terminal: vmscope check runs scenarios "
                                              "without one"}, EXIT_FAILED);
    if (rc > 0)
        *ended_by = rc;
    return rc < 0 ? command_fail(&e, EXIT_FAILED) : EXIT_OK;
}

static int play(struct play *p)
{
    struct player_source source = source_of(p);
    struct buf message = {0};
    struct err e = {0};
    int ended_by = 0, status = EXIT_OK;
    if (p->options->argv && open_named(p, p->options->argv[0], &message)) {
        fprintf(stderr, "%s\n", message.data ? message.data : "vmscope: out of memory");
        status = EXIT_USAGE;
    } else {
        status = p->options->cols ? headless(p, &source) : on_screen(p, &source, &ended_by);
    }
    buf_deinit(&message);
    if (forget_script(p, &e) && !status)
        status = command_fail(&e, EXIT_FAILED);
    if (play_worker_deinit(p, &e) && !status)
        status = command_fail(&e, EXIT_FAILED);
    free(p->path);
    if (ended_by)
        spawn_end_like(ended_by);
    return status;
}

int command_play(const struct options *o)
{
    struct play p = {.options = o};
    struct err e;
    int rc = play_worker_init(&p);
    if (!rc)
        return play(&p);
    err_set(&e, rc, "cannot start a thread: %s", strerror(-rc));
    return command_fail(&e, EXIT_FAILED);
}
