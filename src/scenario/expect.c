/* Expectations. Before an action it is looked ahead which of those behind it compare with what was:
 * only then pictures of the processes are taken. After it pictures are taken when first asked for,
 * and serve the next action as its before. What expectations know of pages and mappings comes from
 * these pictures, made from outside; of faults, from the engine that follows them. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "scenario/expect_parts.h"

void expect_wants(struct judging *j, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(j->out->expected, sizeof j->out->expected, fmt, args);
    va_end(args);
}

int expect_verdict(struct judging *j, bool holds, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(j->out->found, sizeof j->out->found, fmt, args);
    va_end(args);
    j->out->verdict = holds ? VERDICT_PASS : VERDICT_FAIL;
    return 0;
}

int expect_unknown(struct judging *j, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(j->out->found, sizeof j->out->found, fmt, args);
    va_end(args);
    j->out->verdict = VERDICT_SKIP;
    return 0;
}

struct process *expect_actor(const struct judging *j)
{
    return j->st->prefixed ? run_find_process(j->run, j->st->process) : j->run->actor;
}

/* The process whose addresses a target means. */
static struct process *owner_of(const struct judging *j, const struct target *t)
{
    return run_find_process(j->run, t->process[0] ? t->process : j->st->process);
}

/* --- pictures --- */

static void pictures_clear(struct pictures *p)
{
    for (size_t i = 0; i < p->count; i++)
        moment_deinit(&p->v[i].moment);
    p->count = 0;
}

static const struct moment *pictures_find(const struct pictures *p, pid_t pid)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->v[i].pid == pid)
            return &p->v[i].moment;
    return NULL;
}

static struct expectations *expectations_of(struct run *r)
{
    if (!r->expectations)
        r->expectations = calloc(1, sizeof *r->expectations);
    return r->expectations;
}

int expect_picture(struct run *r, const struct process *p, const struct moment **out,
                   struct err *e)
{
    struct expectations *x = expectations_of(r);
    if (!x)
        return err_set(e, -ENOMEM, "out of memory");
    const struct moment *had = pictures_find(&x->after, p->pid);
    if (had) {
        *out = had;
        return 0;
    }
    /* Room for all processes at once: pictures that were given out stay where they are. */
    void *v = x->after.v;
    int rc = array_reserve(&v, &x->after.cap, x->after.count + r->process_count + 1,
                           sizeof *x->after.v);
    x->after.v = v;
    if (rc)
        return err_set(e, rc, "out of memory");
    struct picture *new = &x->after.v[x->after.count];
    rc = r->observer->picture(r->observer->ctx, p->pid, true, &new->moment, e);
    if (rc)
        return rc;
    new->pid = p->pid;
    x->after.count++;
    *out = &new->moment;
    return 0;
}

const struct moment *expect_picture_before(const struct run *r, const struct process *p)
{
    return r->expectations ? pictures_find(&r->expectations->before, p->pid) : NULL;
}

/* --- looking ahead --- */

struct wishes {
    bool pictures, machine;
};

static void wish(struct wishes *w, const struct statement *st)
{
    if (st->kind != ST_EXPECT)
        return;
    switch (st->expect.kind) {
    case EX_PATH:
    case EX_OBSERVED:
    case EX_NEW_FRAME:
    case EX_KEPT_FRAME:
    case EX_COUNTER:
        w->pictures = true;
        break;
    case EX_HUGEPAGES:
    case EX_MACHINE:
        w->machine = true;
        break;
    default:
        break;
    }
}

static bool is_action(const struct statement *st)
{
    switch (st->kind) {
    case ST_EXPECT:
    case ST_UNTIL:
    case ST_REGION:
    case ST_NOTE:
    case ST_PAUSE:
    case ST_NEEDS:
    case ST_END:
    case ST_TITLE:
    case ST_ABOUT:
        return false;
    default:
        return true;
    }
}

static int take_pictures(struct run *r, struct expectations *x, struct err *e)
{
    const struct moment *unused;
    int rc = 0;
    for (size_t i = 0; !rc && i < r->process_count; i++)
        if (!r->processes[i]->ended)
            rc = expect_picture(r, r->processes[i], &unused, e);
    struct pictures old = x->before;
    pictures_clear(&old);
    x->before = x->after;
    x->after = old;
    return rc == -ESRCH ? 0 : rc;
}

int expect_before(struct run *r, size_t at, struct err *e)
{
    struct expectations *x = expectations_of(r);
    struct wishes w = {false, false};
    if (!x)
        return err_set(e, -ENOMEM, "out of memory");
    for (size_t i = at + 1; i < r->script->count && !is_action(&r->script->v[i]); i++)
        wish(&w, &r->script->v[i]);
    if (w.machine)
        expect_read_machine(&x->machine_before);
    return w.pictures ? take_pictures(r, x, e) : 0;
}

void expect_after(struct run *r)
{
    if (r->expectations)
        pictures_clear(&r->expectations->after);
}

void expect_deinit(struct run *r)
{
    if (!r->expectations)
        return;
    pictures_clear(&r->expectations->before);
    pictures_clear(&r->expectations->after);
    free(r->expectations->before.v);
    free(r->expectations->after.v);
    free(r->expectations);
    r->expectations = NULL;
}

/* --- targets --- */

static void name_target(const struct process *p, const struct target *t, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s%s%s", t->process[0] ? p->name : "", t->process[0] ? ":" : "",
                     t->name);
    if (!t->ranged || n < 0 || (size_t)n >= cap)
        return;
    if (t->end == t->first + 1)
        snprintf(out + n, cap - (size_t)n, "[%" PRIu64 "]", t->first);
    else
        snprintf(out + n, cap - (size_t)n, "[%" PRIu64 ":%" PRIu64 "]", t->first, t->end);
}

int expect_span(struct judging *j, const struct target *t, struct span *out, struct err *e)
{
    const struct process *p = owner_of(j, t);
    if (!p || p->ended) {
        expect_verdict(j, false, "the process has ended");
        return 1;
    }
    name_target(p, t, out->name, sizeof out->name);
    if (!run_find_range(p, t, &out->start, &out->end, &out->page_size)) {
        expect_verdict(j, false, "%s has no address", out->name);
        return 1;
    }
    out->process = p;
    int rc = expect_picture(j->run, p, &out->now, e);
    if (rc == -ESRCH) {
        expect_verdict(j, false, "the process has ended");
        return 1;
    }
    uint64_t page = (uint64_t)1 << out->now->target.geometry.page_shift;
    out->first = out->start;
    out->start &= ~(page - 1);
    out->end = (out->end + page - 1) & ~(page - 1);
    return rc;
}

/* --- the judges --- */

static int judge(struct judging *j, struct err *e)
{
    switch (j->ex->kind) {
    case EX_OK:
    case EX_ERRNO:
    case EX_MOVED:
    case EX_SIGNAL:
        return expect_result(j, e);
    case EX_FAULTS:
    case EX_MINOR:
    case EX_MAJOR:
        return expect_fault_count(j, e);
    case EX_PATH:
        return expect_path(j, e);
    case EX_OBSERVED:
        return expect_observed(j, e);
    case EX_PAGES:
        return expect_pages(j, e);
    case EX_REGIONS:
    case EX_SIZE:
    case EX_OFFSET:
    case EX_VMFLAG:
    case EX_NO_VMFLAG:
    case EX_PERMS:
    case EX_NAME:
    case EX_SMAPS:
        return expect_regions(j, e);
    case EX_MAPCOUNT:
    case EX_ORDER:
        return expect_page_number(j, e);
    case EX_SAME_FRAME:
    case EX_DIFFERENT_FRAME:
    case EX_NEW_FRAME:
    case EX_KEPT_FRAME:
        return expect_frames(j, e);
    case EX_COUNTER:
        return expect_counter(j, e);
    case EX_HUGEPAGES:
    case EX_MACHINE:
        return expect_machine(j, e);
    case EX_BYTE:
        return expect_byte(j, e);
    case EX_FILE_BYTE:
    case EX_FILE_SIZE:
        return expect_file(j, e);
    default:
        return expect_unknown(j, "vmscope does not know how to judge this");
    }
}

/* The statement itself stands for what is expected until its judge says it better. */
static void wants_statement(struct judging *j)
{
    struct buf text = {0};
    statement_format(j->st, &text);
    const char *words = text.data && !strncmp(text.data, "expect ", 7) ? text.data + 7 : text.data;
    expect_wants(j, "%s", words ? words : "");
    buf_deinit(&text);
}

int expect_judge(struct run *r, const struct statement *st, struct outcome *out, struct err *e)
{
    struct judging j = {r, st, &st->expect, out};
    out->is_expect = true;
    out->verdict = VERDICT_FAIL;
    out->found[0] = '\0';
    wants_statement(&j);
    if (!expectations_of(r))
        return err_set(e, -ENOMEM, "out of memory");
    return judge(&j, e);
}
