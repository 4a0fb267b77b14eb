/* Expectations of what the last action came to: its result, the faults that the process counted,
 * the way that the kernel went for each, as predicted and as observed. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "scenario/expect_parts.h"

/* The action that is judged; NULL, with a verdict: there was none. */
static const struct last_action *last_action(struct judging *j)
{
    const struct process *p = expect_actor(j);
    if (p && p->last.valid)
        return &p->last;
    expect_verdict(j, false, "no statement ran in the process yet");
    return NULL;
}

/* --- results --- */

static bool ended_by(const struct stage_result *r, int signal)
{
    return r->gone && r->status >= 0 && WIFSIGNALED(r->status) && WTERMSIG(r->status) == signal;
}

static void wants_result(struct judging *j)
{
    const struct expect *x = j->ex;
    if (x->kind == EX_OK)
        expect_wants(j, "ok");
    else if (x->kind == EX_MOVED)
        expect_wants(j, "bytes moved %s %" PRId64, compare_name(x->op), x->n);
    else if (x->kind == EX_ERRNO)
        expect_wants(j, "errno %s (%s)", strerrorname_np(x->number), strerror(x->number));
    else
        expect_wants(j, "signal SIG%s%s%s", sigabbrev_np(x->number) ? sigabbrev_np(x->number) : "?",
                     x->code_name[0] ? " " : "", x->code_name);
}

int expect_result(struct judging *j, struct err *e)
{
    (void)e;
    wants_result(j);
    const struct last_action *a = last_action(j);
    if (!a)
        return 0;
    const struct stage_result *r = &a->result;
    bool holds, done = !r->gone && !r->error && !r->signal;
    if (j->ex->kind == EX_MOVED && done)
        return expect_verdict(j, compare_holds(j->ex->op, r->value, j->ex->n), "%" PRId64,
                              r->value);
    switch (j->ex->kind) {
    case EX_OK:
        holds = done;
        break;
    case EX_MOVED:
        holds = false;
        break;
    case EX_ERRNO:
        holds = !r->gone && r->error == j->ex->number;
        break;
    default:
        holds = ended_by(r, j->ex->number) ||
                (!r->gone && r->signal == j->ex->number &&
                 (!j->ex->code_name[0] || r->code == j->ex->code));
    }
    char text[120];
    run_describe_result(r, text, sizeof text);
    return expect_verdict(j, holds, "%s", text);
}

/* --- faults as counted by the kernel for the thread --- */

int expect_fault_count(struct judging *j, struct err *e)
{
    (void)e;
    static const char *const names[] = {"faults", "minor faults", "major faults"};
    const char *what = names[j->ex->kind - EX_FAULTS];
    expect_wants(j, "%s %s %" PRId64, what, compare_name(j->ex->op), j->ex->n);
    const struct last_action *a = last_action(j);
    if (!a)
        return 0;
    if (a->result.gone)
        return expect_verdict(j, false, "the process has ended");
    int64_t minor = (int64_t)a->result.minor, major = (int64_t)a->result.major;
    int64_t found = j->ex->kind == EX_FAULTS ? minor + major
                  : j->ex->kind == EX_MINOR  ? minor : major;
    return expect_verdict(j, compare_holds(j->ex->op, found, j->ex->n),
                          "%" PRId64 " minor and %" PRId64 " major", minor, major);
}

/* --- paths --- */

static const char *how_text(unsigned how)
{
    return how == HOW_COPY ? " copy" : how == HOW_REUSE ? " reuse" : "";
}

static bool predicted(const struct path_verdict *v, const struct expect *x)
{
    return (v->path == x->path && (!x->how || v->how == x->how)) || (v->also && v->also == x->path);
}

/* "3 do_anonymous_page, 1 do_wp_page copy" */
static void list_paths(const struct last_action *a, char *out, size_t cap)
{
    unsigned count[PATH_N][HOW_REUSE + 1] = {{0}};
    int n = 0;
    for (size_t i = 0; i < a->fault_count; i++) {
        const struct path_verdict *v = &a->faults[i].verdict;
        count[v->path][v->how]++;
        count[v->also][HOW_NONE] += v->also != PATH_UNKNOWN;
    }
    snprintf(out, cap, "no fault");
    for (unsigned path = 0; path < PATH_N; path++)
        for (unsigned how = 0; how <= HOW_REUSE; how++)
            if (count[path][how] && n >= 0 && (size_t)n < cap)
                n += snprintf(out + n, cap - (size_t)n, "%s%u %s%s", n ? ", " : "",
                              count[path][how], path_name(path), how_text(how));
}

/* Without `x N`: each fault did so, and one at least. */
static bool holds(const struct expect *x, uint64_t matching, uint64_t all)
{
    return x->n < 0 ? all && matching == all : compare_holds(x->op, (int64_t)matching, x->n);
}

static void wants_path(struct judging *j, const char *what, const char *name)
{
    const struct expect *x = j->ex;
    if (x->n < 0)
        expect_wants(j, "%s %s%s", what, name, how_text(x->how));
    else
        expect_wants(j, "%s %s%s, faults %s %" PRId64, what, name, how_text(x->how),
                     compare_name(x->op), x->n);
}

static bool unseen(struct judging *j)
{
    const struct observer *w = j->run->observer;
    if (!w->faults)
        expect_unknown(j, "faults are not followed: %s", w->why ? w->why : "no engine");
    return !w->faults;
}

static bool counted(const struct path_verdict *v)
{
    return v->path != PATH_BAD_AREA && v->path != PATH_BAD_ACCESS && v->path != PATH_SIGBUS;
}

/* Faults that the kernel made for a call, without the processor: only the counters know. */
static uint64_t without_event(const struct last_action *a)
{
    uint64_t total = a->result.minor + a->result.major, seen = 0;
    for (size_t i = 0; i < a->fault_count; i++)
        seen += counted(&a->faults[i].verdict);
    return total > seen ? total - seen : 0;
}

static int judge_populate(struct judging *j, const struct last_action *a)
{
    uint64_t total = a->result.minor + a->result.major, n = without_event(a);
    return expect_verdict(j, holds(j->ex, n, total), "%" PRIu64 " of %" PRIu64
                          " faults without an event", n, total);
}

/* Faults that the process counted, but that the engine may just not see. */
static bool perhaps_unseen(struct judging *j, const struct last_action *a)
{
    const char *blind = j->run->observer->blind;
    uint64_t n = without_event(a);
    if (!n || !blind || !*blind)
        return false;
    expect_unknown(j, "%" PRIu64 " faults were not seen: the engine does not see %s", n,
                   blind);
    return true;
}

int expect_path(struct judging *j, struct err *e)
{
    (void)e;
    wants_path(j, "path", path_name(j->ex->path));
    const struct last_action *a = last_action(j);
    if (!a || unseen(j) || perhaps_unseen(j, a))
        return 0;
    if (j->ex->path == PATH_POPULATE)
        return judge_populate(j, a);
    uint64_t matching = 0;
    for (size_t i = 0; i < a->fault_count; i++) {
        const struct path_verdict *v = &a->faults[i].verdict;
        if (!v->sure)
            return expect_unknown(j, "%s, but %s", path_name(v->path),
                                  v->steps ? v->step[v->steps - 1].answer : "not surely");
        matching += predicted(v, j->ex);
    }
    char found[120];
    list_paths(a, found, sizeof found);
    return expect_verdict(j, holds(j->ex, matching, a->fault_count), "%s", found);
}

/* --- evidence --- */

static bool names(const char *chain, const char *function)
{
    size_t n = strlen(function);
    for (const char *at = chain; at; at = *at ? strchr(at, ';') : NULL) {
        at += *at == ';';
        if (!strncmp(at, function, n) && (at[n] == ';' || !at[n]))
            return true;
    }
    return false;
}

/* A path, or any function of the kernel by its name. */
static bool shows(const struct observer *w, const struct fault_entry *f, const struct expect *x)
{
    const struct observation *o = &f->observed;
    if (x->path != PATH_UNKNOWN)
        return observation_shows(o, x->path) && (!x->how || o->how == x->how);
    const char *chain = w->stack && o->stack ? w->stack(w->ctx, o->stack) : NULL;
    return chain && x->text && names(chain, x->text);
}

static void list_observed(const struct last_action *a, char *out, size_t cap)
{
    const char *last = NULL;
    int n = snprintf(out, cap, "%zu fault%s", a->fault_count, a->fault_count == 1 ? "" : "s");
    for (size_t i = 0; i < a->fault_count; i++)
        for (unsigned k = 0; k < a->faults[i].observed.count; k++) {
            const char *name = observed_name(a->faults[i].observed.seen[k]);
            if ((!last || strcmp(name, last)) && n >= 0 && (size_t)n < cap)
                n += snprintf(out + n, cap - (size_t)n, ", %s", name);
            last = name;
        }
    if (!last && n >= 0 && (size_t)n < cap)
        snprintf(out + n, cap - (size_t)n, ", and the kernel showed nothing of them");
}

/* Some pages leave more than one sample, and the page of zeros none: only that there is one counts. */
static int judge_brought(struct judging *j, const struct last_action *a)
{
    const struct observer *w = j->run->observer;
    const struct process *p = expect_actor(j);
    size_t n = w->brought && p && !a->result.gone
                   ? w->brought(w->ctx, p->pid, a->result.begin_ns, a->result.end_ns) : 0;
    return expect_verdict(j, j->ex->n < 0 ? n > 0 : compare_holds(j->ex->op, (int64_t)n, j->ex->n),
                          "%zu call chain%s through __get_user_pages", n, n == 1 ? "" : "s");
}

int expect_observed(struct judging *j, struct err *e)
{
    (void)e;
    const struct observer *w = j->run->observer;
    const char *name = j->ex->path != PATH_UNKNOWN || !j->ex->text ? path_name(j->ex->path)
                                                                   : j->ex->text;
    char text[120] = "there is no engine that shows it";
    wants_path(j, "observed", name);
    const struct last_action *a = last_action(j);
    if (!a || unseen(j))
        return 0;
    if (!w->evidence || !w->evidence(w->ctx, text, sizeof text))
        return expect_unknown(j, "%s", text);
    if (j->ex->path == PATH_POPULATE)
        return judge_brought(j, a);
    uint64_t matching = 0, wrong = 0;
    for (size_t i = 0; i < a->fault_count; i++) {
        matching += shows(w, &a->faults[i], j->ex);
        wrong += !shows(w, &a->faults[i], j->ex) && a->faults[i].observed.count;
        if (a->faults[i].observed.agreement == AGREEMENT_LOST)
            return expect_unknown(j, "samples of the kernel's call chains were lost");
    }
    list_observed(a, text, sizeof text);
    return expect_verdict(j, holds(j->ex, matching, matching + wrong), "%s", text);
}
