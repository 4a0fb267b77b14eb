/* vmscope check: scenarios without a screen. Each runs in a worker process of its own, so that
 * whatever happens to it, the others go on, and its end puts back what it changed. Those that leave
 * the machine alone run side by side, as many as there are processors; then the others, one by one.
 * What they say is printed in the order in which they were named. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/check_parts.h"
#include "cli/commands.h"
#include "cli/observe.h"
#include "cli/scenario.h"

enum { GRACE_NS = 1000000000 };

struct check {
    const struct options *o;
    struct script **scripts;
    size_t script_count;
    struct check_item *items;
    size_t count, shown; /* items; those before `shown` are printed */
    size_t running;
    struct engine **loaded; /* by place; NULL: there is none, or not yet */
    size_t places;
    bool cannot_load;
    struct check_report report;
};

/* --- reading --- */

static bool is_alone(const struct script *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct statement *st = &s->v[i];
        enum need_kind need = st->need.kind;
        if (st->kind == ST_NEEDS && (need == NEED_SWAP || need == NEED_HUGETLB ||
                                     need == NEED_THP || need == NEED_KSM))
            return true;
        if (st->kind == ST_EXPECT && (st->expect.kind == EX_HUGEPAGES ||
                                      st->expect.kind == EX_MACHINE))
            return true;
    }
    return false;
}

static int read_all(struct check *c)
{
    int status = EXIT_OK;
    size_t rounds = c->o->repeat ? c->o->repeat : 1;
    while (c->o->argv[c->script_count])
        c->script_count++;
    c->scripts = calloc(c->script_count, sizeof *c->scripts);
    c->items = calloc(c->script_count * rounds, sizeof *c->items);
    if (!c->scripts || !c->items)
        return command_fail(&(struct err){-ENOMEM, "out of memory"}, EXIT_FAILED);
    for (size_t i = 0; i < c->script_count; i++)
        if (scenario_read_or_say(c->o->argv[i], &c->scripts[i]))
            status = EXIT_USAGE;
    for (size_t k = 0; !status && k < rounds; k++)
        for (size_t i = 0; i < c->script_count; i++)
            c->items[c->count++] = (struct check_item){
                .file = c->o->argv[i], .round = rounds > 1 ? (unsigned)k + 1 : 0,
                .script = c->scripts[i], .alone = is_alone(c->scripts[i]), .fd = -1};
    return status;
}

/* --- workers --- */

static int make_places(struct check *c)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    c->places = cpus > 1 ? (size_t)cpus : 1;
    c->loaded = calloc(c->places, sizeof *c->loaded);
    return c->loaded ? 0 : -ENOMEM;
}

static size_t free_place(const struct check *c)
{
    bool taken;
    size_t place = 0;
    do {
        taken = false;
        for (size_t i = 0; i < c->count; i++)
            taken |= c->items[i].pid && c->items[i].place == place;
    } while (taken && ++place < c->places);
    return place;
}

/* The engine is loaded once for all who run at this place: that takes longer than most
 * scenarios. */
static void give_engine(struct check *c, struct check_item *item)
{
    item->place = free_place(c);
    struct engine **loaded = &c->loaded[item->place];
    if (!*loaded && !c->cannot_load)
        *loaded = observe_load(c->o->engine);
    c->cannot_load |= !*loaded;
    item->loaded = *loaded;
}

static int start(struct check *c, struct check_item *item)
{
    int ends[2];
    give_engine(c, item);
    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(EXIT_FAILED);
        for (size_t i = 0; i < c->count; i++)
            if (c->items[i].fd >= 0)
                close(c->items[i].fd);
        close(ends[0]);
        check_run(item, c->o, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -errno;
    }
    item->pid = pid;
    item->fd = ends[0];
    item->started = true;
    item->started_ns = io_now_ns();
    c->running++;
    return 0;
}

/* Starts what may run now. 0 or a negative errno. */
static int start_more(struct check *c)
{
    bool shared_left = false;
    for (size_t i = 0; i < c->count; i++)
        shared_left |= !c->items[i].alone && !c->items[i].ended;
    for (size_t i = 0; i < c->count && c->running < (shared_left ? c->places : 1); i++) {
        struct check_item *item = &c->items[i];
        if (item->started || item->alone == shared_left)
            continue;
        int rc = start(c, item);
        if (rc)
            return rc;
    }
    return 0;
}

static void end_item(struct check *c, struct check_item *item)
{
    while (waitpid(item->pid, &item->status, 0) < 0 && errno == EINTR)
        continue;
    close(item->fd);
    item->fd = -1;
    item->pid = 0;
    item->ended = true;
    item->ended_ns = io_now_ns();
    c->running--;
}

static void read_lines(struct check *c, struct check_item *item)
{
    char bytes[4096];
    ssize_t n = read(item->fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0)
        buf_append(&item->lines, bytes, (size_t)n);
    else
        end_item(c, item);
}

/* A worker ends by itself when its time is over; if it does not, it is ended. */
static void end_late(struct check *c)
{
    uint64_t limit = (uint64_t)(c->o->limit * 1e9) + GRACE_NS, now = io_now_ns();
    for (size_t i = 0; i < c->count; i++) {
        struct check_item *item = &c->items[i];
        if (!item->pid || item->killed || now - item->started_ns < limit)
            continue;
        item->killed = true;
        kill(item->pid, SIGKILL);
    }
}

static int wait_for_lines(struct check *c)
{
    struct pollfd *fds = calloc(c->running, sizeof *fds);
    size_t n = 0;
    if (!fds)
        return -ENOMEM;
    for (size_t i = 0; i < c->count; i++)
        if (c->items[i].fd >= 0)
            fds[n++] = (struct pollfd){.fd = c->items[i].fd, .events = POLLIN};
    poll(fds, n, 200);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; fds[k].revents && i < c->count; i++)
            if (c->items[i].fd == fds[k].fd)
                read_lines(c, &c->items[i]);
    free(fds);
    return 0;
}

static void show(struct check *c)
{
    while (c->shown < c->count) {
        struct check_item *item = &c->items[c->shown];
        check_report_lines(&c->report, item);
        if (!item->ended)
            return;
        check_report_end(&c->report, item);
        c->shown++;
    }
}

static int run_items(struct check *c)
{
    int rc = make_places(c);
    while (!rc && c->shown < c->count) {
        rc = start_more(c);
        if (!rc)
            rc = wait_for_lines(c);
        end_late(c);
        show(c);
    }
    return rc;
}

/* Of a worker that was killed, what it started comes to us: its processes, which end with it, and
 * the one that puts the machine back. When we end, all of that has been done. */
static void wait_for_orphans(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
}

static void deinit(struct check *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].pid) {
            kill(c->items[i].pid, SIGKILL);
            end_item(c, &c->items[i]);
        }
        buf_deinit(&c->items[i].lines);
    }
    wait_for_orphans();
    for (size_t i = 0; c->scripts && i < c->script_count; i++)
        script_destroy(c->scripts[i]);
    for (size_t i = 0; c->loaded && i < c->places; i++)
        observe_unload(c->loaded[i]);
    free(c->loaded);
    free(c->scripts);
    free(c->items);
    buf_deinit(&c->report.junit);
    buf_deinit(&c->report.tap);
}

static int finish(struct check *c, int rc, struct err *e)
{
    if (rc)
        return err_set(e, rc, "cannot run the scenarios: %s", strerror(-rc));
    rc = check_report_finish(&c->report);
    if (rc)
        return command_not_written(c->o, rc, e);
    if (c->o->junit && (rc = check_report_junit(&c->report, c->o->junit)))
        return err_set(e, rc, "cannot write %s: %s", c->o->junit, strerror(-rc));
    return 0;
}

int command_check(const struct options *o)
{
    struct check c = {.o = o};
    struct err e = {0};
    int status = read_all(&c);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    bool open = !status && !command_open_output(o, &c.report.fd, &e);
    if (!status && (!open || finish(&c, run_items(&c), &e)))
        status = command_fail(&e, EXIT_FAILED);
    else if (!status && c.report.failed)
        status = EXIT_FAILED;
    if (open && o->output && close(c.report.fd) && !e.code)
        status = command_fail((command_not_written(o, -errno, &e), &e), EXIT_FAILED);
    deinit(&c);
    return status;
}
