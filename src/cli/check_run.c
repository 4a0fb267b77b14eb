/* A worker: one scenario from its beginning to its end. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/check_parts.h"
#include "cli/observe.h"

static const uint64_t second = 1000000000;

static void send_line(int fd, enum check_letter letter, unsigned line, const char *expected,
                      const char *found)
{
    struct buf b = {0};
    buf_printf(&b, "%c\t%u\t%s\t%s\n", letter, line, expected, found);
    if (!b.error)
        io_write(fd, b.data, b.len);
    buf_deinit(&b);
}

/* Of an action only its failure is told. */
static bool send_outcome(int fd, const struct statement *st, const struct outcome *out)
{
    static const char letters[] = {[VERDICT_PASS] = CHECK_PASS, [VERDICT_FAIL] = CHECK_FAIL,
                                   [VERDICT_SKIP] = CHECK_SKIP};
    if (out->is_expect || out->verdict != VERDICT_PASS)
        send_line(fd, (enum check_letter)letters[out->verdict], st->at.line, out->expected,
                  out->found);
    return out->is_expect || out->verdict != VERDICT_FAIL;
}

static int run_all(struct run *r, const struct script *script, int fd, struct err *e)
{
    size_t at;
    int rc = 0;
    while (!rc && (at = run_next(r)) < script->count) {
        struct outcome out = {0};
        rc = run_step(r, &out, e);
        if (rc)
            send_line(fd, CHECK_BROKEN, script->v[at].at.line, "the statement can be run", e->text);
        else if (!send_outcome(fd, &script->v[at], &out))
            break; /* an action failed, and nobody expected that: what follows means nothing */
    }
    return rc;
}

static int run_one(const struct check_item *item, const struct options *o, int fd)
{
    struct err e = {0};
    struct run *r = NULL;
    struct run_options options = {.limit_ns = 10 * second,
                                  .total_limit_ns = (uint64_t)(o->limit * (double)second)};
    if (options.total_limit_ns < options.limit_ns)
        options.limit_ns = options.total_limit_ns;
    struct observe *watch = observe_create(o->engine, item->loaded);
    int rc = watch ? 0 : err_set(&e, -ENOMEM, "out of memory");
    if (!rc)
        rc = run_begin(item->script, &options, observe_observer(watch), &r, &e);
    if (rc)
        send_line(fd, rc == -ENOTSUP ? CHECK_NOT_RUN : CHECK_BROKEN, 0, "the scenario can begin",
                  e.text);
    else
        rc = run_all(r, item->script, fd, &e);
    int left = run_end(r, &e);
    if (left)
        send_line(fd, CHECK_BROKEN, 0, "the machine is put back", e.text);
    observe_destroy(watch);
    return rc == -ENOTSUP ? left : rc;
}

void check_run(const struct check_item *item, const struct options *o, int fd)
{
    signal(SIGPIPE, SIG_IGN);
    exit(run_one(item, o, fd) ? EXIT_FAILED : EXIT_OK); /* so that a leak checker sees it */
}
