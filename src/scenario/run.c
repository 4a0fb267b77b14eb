/* A scenario, statement by statement: what it needs, whose turn it is, loops, time limits, and the
 * faults that belong to a statement. */
#include "scenario/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "scenario/run_actions.h"
#include "scenario/run_process.h"
#include "scenario/words.h"

#define SECOND UINT64_C(1000000000)

enum { DEFAULT_LIMIT = 10, DEFAULT_TOTAL = 120, DEFAULT_UNTIL = 10, UNTIL_POLL_MS = 5 };

static act_fn *const actions[ST_N] = {
    [ST_FILE] = act_file,
    [ST_OPEN] = act_open,
    [ST_CLOSE] = act_close,
    [ST_PIPE] = act_pipe,
    [ST_DIRECTORY] = act_directory,
    [ST_MAP] = act_map,
    [ST_UNMAP] = act_unmap,
    [ST_PROTECT] = act_protect,
    [ST_ADVISE] = act_advise,
    [ST_LOCK] = act_lock,
    [ST_UNLOCK] = act_unlock,
    [ST_REMAP] = act_remap,
    [ST_SYNC] = act_sync,
    [ST_REMAP_FILE] = act_remap_file,
    [ST_BRK] = act_brk,
    [ST_MALLOC] = act_malloc,
    [ST_FREE] = act_free,
    [ST_GROW_STACK] = act_grow_stack,
    [ST_LOCKALL] = act_lockall,
    [ST_READ] = act_touch,
    [ST_WRITE] = act_touch,
    [ST_EXEC] = act_exec,
    [ST_SYSREAD] = act_sysread,
    [ST_VMREAD] = act_reach,
    [ST_VMWRITE] = act_reach,
    [ST_MEMREAD] = act_reach,
    [ST_MEMWRITE] = act_reach,
    [ST_EVICT] = act_evict,
    [ST_CLEAR_REFS] = act_clear_refs,
    [ST_UFFD] = act_uffd,
    [ST_FORK] = act_fork,
    [ST_WAIT] = act_wait,
    [ST_EXIT] = act_exit,
    [ST_KILL] = act_kill,
    [ST_RESOURCE] = act_resource,
    [ST_BECOME] = act_become,
    [ST_SPECIAL] = act_special,
    [ST_SEAL] = act_seal,
    [ST_CUT] = act_cut,
    [ST_KERNEL_ARRAY] = act_kernel_array,
    [ST_SEAL_MAP] = act_seal_map,
    [ST_TRUNCATE] = act_truncate,
    [ST_SYSWRITE] = act_syswrite,
    [ST_RACE] = act_touch,
    [ST_SWAPOFF] = act_swapoff,
};

/* ---- beginning and end ---- */

static bool script_needs(const struct script *s, enum need_kind kind)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->v[i].kind == ST_NEEDS && s->v[i].need.kind == kind)
            return true;
    return false;
}

/* Those before the first action; a kernel's version may also be needed later. */
static int meet_needs(struct run *r, struct err *e)
{
    int rc = setup_create(r->options.stop_fd, &r->setup, e);
    for (size_t i = 0; i < r->script->count && !rc && !actions[r->script->v[i].kind]; i++)
        if (r->script->v[i].kind == ST_NEEDS)
            rc = setup_need(r->setup, &r->script->v[i].need, e);
    return rc;
}

static int start_main(struct run *r, struct err *e)
{
    struct stage_options o = {.limit_ns = r->options.limit_ns,
                              .keep_root = script_needs(r->script, NEED_ROOT),
                              .thp = script_needs(r->script, NEED_THP),
                              .stop_fd = r->options.stop_fd};
    struct stage *stage;
    struct process *p;
    int rc = stage_start(&o, &stage, e);
    if (rc)
        return rc;
    rc = process_add(r, "main", stage, &p, e);
    if (rc)
        stage_destroy(stage);
    return rc;
}

/* A mount of our own is there before anybody looks at which device is what. */
static int prepare_mounts(struct run *r, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < r->script->count && !rc; i++)
        if (r->script->v[i].kind == ST_FILE && r->script->v[i].file_kind == FILE_HUGETLBFS)
            rc = run_need_directory(r, FILE_HUGETLBFS, e);
    return rc;
}

static int begin(struct run *r, struct err *e)
{
    int rc = meet_needs(r, e);
    if (!rc)
        rc = start_main(r, e);
    if (!rc)
        rc = prepare_mounts(r, e);
    if (!rc && r->observer->follow)
        rc = r->observer->follow(r->observer->ctx, r->processes[0]->pid, e);
    r->begun_ns = io_now_ns();
    return rc;
}

int run_begin(const struct script *s, const struct run_options *o, const struct observer *w,
              struct run **out, struct err *e)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, -ENOMEM, "out of memory");
    r->script = s;
    r->options = *o;
    r->observer = w;
    if (!r->options.limit_ns)
        r->options.limit_ns = DEFAULT_LIMIT * SECOND;
    if (!r->options.total_limit_ns)
        r->options.total_limit_ns = DEFAULT_TOTAL * SECOND;
    if (!r->options.stop_fd)
        r->options.stop_fd = -1;
    int rc = begin(r, e);
    if (rc) {
        run_end(r, NULL);
        return rc;
    }
    *out = r;
    return 0;
}

int run_end(struct run *r, struct err *e)
{
    if (!r)
        return 0;
    expect_deinit(r);
    for (size_t i = r->process_count; i > 0; i--)
        process_destroy(r->processes[i - 1]);
    for (size_t i = 0; i < r->file_count; i++) {
        if (r->files[i].fd >= 0)
            close(r->files[i].fd);
        free(r->files[i].path);
    }
    for (size_t i = 0; i < sizeof r->directory / sizeof *r->directory; i++)
        free(r->directory[i]);
    int rc = setup_destroy(r->setup, e);
    free(r->processes);
    free(r->files);
    free(r->loops);
    free(r);
    return rc;
}

size_t run_next(const struct run *r)
{
    return r->next;
}

/* ---- for the actions ---- */

int act_do(struct process *p, const struct stage_op *op, struct stage_result *out, struct err *e)
{
    int rc = stage_do(p->stage, op, out, NULL, e);
    if (rc || out->gone) {
        p->ended = true;
        p->status = rc ? -1 : out->status;
    }
    return rc;
}

int act_call(struct act *a, struct err *e, long number, uint64_t x, uint64_t y, uint64_t z,
             uint64_t v)
{
    struct stage_op op = {.what = STAGE_CALL, .args = {(uint64_t)number, x, y, z, v}};
    return act_do(a->p, &op, a->out, e);
}

int act_was(struct act *a, int rc)
{
    a->out->error = -rc;
    a->out->value = rc ? -1 : 0;
    return 0;
}

/* ---- one action ---- */

static int keep_fault(struct last_action *last, const struct fault_entry *entry)
{
    void *v = last->faults;
    int rc = array_reserve(&v, &last->fault_cap, last->fault_count + 1, sizeof *last->faults);
    last->faults = v;
    if (!rc)
        last->faults[last->fault_count++] = *entry;
    return rc;
}

/* Those of this process while its operation ran: what a stage does around it, and what its child
 * does to begin, are no faults of the statement. One that has ended could not tell when. */
static bool belongs(const struct process *p, const struct fault_entry *f, uint64_t asked_ns)
{
    const struct stage_result *r = &p->last.result;
    uint64_t from = r->begin_ns ? r->begin_ns : asked_ns;
    return f->event.type == EVENT_FAULT && f->event.pid == p->pid && f->event.t_ns >= from &&
           (!r->end_ns || f->event.t_ns <= r->end_ns);
}

static int collect_faults(struct run *r, struct process *p, uint64_t asked_ns, struct err *e)
{
    const struct fault_entry *v;
    size_t count = 0;
    if (!r->observer->faults)
        return 0;
    int rc = r->observer->faults(r->observer->ctx, &v, &count);
    for (size_t i = 0; i < count && p && !rc; i++)
        if (belongs(p, &v[i], asked_ns))
            rc = keep_fault(&p->last, &v[i]);
    return rc ? err_set(e, rc, "cannot read the faults: %s", strerror(-rc)) : 0;
}

/* True when an expectation of the outcome (ok, errno, signal) follows the action at `at`. */
static bool outcome_is_expected(const struct run *r, size_t at)
{
    const struct script *s = r->script;
    for (size_t i = at + 1; i < s->count; i++) {
        enum statement_kind k = s->v[i].kind;
        if (k == ST_EXPECT && (s->v[i].expect.kind == EX_OK || s->v[i].expect.kind == EX_ERRNO ||
                               s->v[i].expect.kind == EX_SIGNAL))
            return true;
        if (k != ST_EXPECT && k != ST_UNTIL && k != ST_NOTE && k != ST_PAUSE && k != ST_REGION)
            return false;
    }
    return false;
}

/* Exits that the statement itself asked for are what it does. */
static bool has_failed(const struct statement *st, const struct process *p)
{
    const struct stage_result *res = &p->last.result;
    if (res->gone)
        return st->kind != ST_EXIT && !(st->kind == ST_KILL && !strcmp(st->name, p->name));
    return res->error || res->signal;
}

static void judge_action(const struct run *r, size_t at, const struct process *p,
                         struct outcome *out)
{
    const struct statement *st = &r->script->v[at];
    if (outcome_is_expected(r, at) || !has_failed(st, p))
        return;
    out->verdict = VERDICT_FAIL;
    snprintf(out->expected, sizeof out->expected, "ok");
    run_describe_result(&p->last.result, out->found, sizeof out->found);
}

static int act(struct run *r, size_t at, struct process *p, struct err *e)
{
    const struct statement *st = &r->script->v[at];
    struct act a = {.run = r, .p = p, .st = st, .out = &p->last.result};
    int rc = expect_before(r, at, e);
    if (!rc)
        rc = collect_faults(r, NULL, 0, e); /* those from before are nobody's now */
    if (rc)
        return rc;
    p->last.valid = true;
    p->last.at = at;
    p->last.fault_count = 0;
    p->last.moved = 0;
    p->last.result = (struct stage_result){0};
    r->actor = p;
    uint64_t asked_ns = io_now_ns();
    rc = actions[st->kind](&a, e);
    expect_after(r);
    return rc ? rc : collect_faults(r, p, asked_ns, e);
}

static int find_alive(const struct run *r, const struct statement *st, struct process **out,
                      struct err *e)
{
    *out = run_find_process(r, st->process);
    if (*out && !(*out)->ended)
        return 0;
    return err_set(e, -ESRCH, "the process %s %s", st->process,
                   *out ? "has ended" : "does not exist");
}

static int do_region(struct run *r, const struct statement *st, struct outcome *out, struct err *e)
{
    struct stage_result result = {0};
    struct act a = {.run = r, .st = st, .out = &result};
    int rc = find_alive(r, st, &a.p, e);
    if (!rc)
        rc = name_region(&a, e);
    if (rc || !result.error)
        return rc;
    out->verdict = VERDICT_FAIL;
    snprintf(out->expected, sizeof out->expected, "a mapping of that name");
    snprintf(out->found, sizeof out->found, "none");
    return 0;
}

static int do_action(struct run *r, size_t at, struct outcome *out, struct err *e)
{
    struct process *p;
    int rc = find_alive(r, &r->script->v[at], &p, e);
    if (!rc)
        rc = act(r, at, p, e);
    if (rc)
        return rc;
    out->ran = true;
    out->result = p->last.result;
    out->faults = p->last.faults;
    out->fault_count = p->last.fault_count;
    judge_action(r, at, p, out);
    return 0;
}

/* ---- whose turn it is ---- */

static int enter_loop(struct run *r, const struct statement *st, struct err *e)
{
    if (!st->size) {
        r->next = st->match + 1;
        return 0;
    }
    void *v = r->loops;
    int rc = array_reserve(&v, &r->loop_cap, r->loop_count + 1, sizeof *r->loops);
    r->loops = v;
    if (rc)
        return err_set(e, rc, "out of memory");
    r->loops[r->loop_count++] = (struct run_loop){r->next + 1, st->size};
    r->next++;
    return 0;
}

static void end_loop(struct run *r)
{
    struct run_loop *loop = &r->loops[r->loop_count - 1];
    if (--loop->left) {
        r->next = loop->begin;
        return;
    }
    r->loop_count--;
    r->next++;
}

static uint64_t deadline(const struct run *r)
{
    return r->begun_ns + r->options.total_limit_ns;
}

static int given_up(struct err *e)
{
    return err_set(e, -ECANCELED, "the scenario was given up");
}

/* What comes by itself, such as the work of a kernel thread, is waited for. */
static int wait_until(struct run *r, const struct statement *st, struct outcome *out, struct err *e)
{
    uint64_t end = io_now_ns() + (st->size ? st->size : DEFAULT_UNTIL) * SECOND;
    if (end > deadline(r))
        end = deadline(r);
    for (;;) {
        expect_after(r);
        int rc = expect_judge(r, st, out, e);
        if (rc || out->verdict != VERDICT_FAIL || io_now_ns() >= end) {
            expect_after(r); /* it was taken while things changed: its parts may not fit together */
            return rc;
        }
        if (io_wait(r->options.stop_fd, UNTIL_POLL_MS))
            return given_up(e);
    }
}

static void skip_rest(struct run *r, struct outcome *out, const struct err *why)
{
    out->is_expect = true;
    out->verdict = VERDICT_SKIP;
    snprintf(out->expected, sizeof out->expected, "what follows can be run");
    snprintf(out->found, sizeof out->found, "%.*s", (int)sizeof out->found - 1, why->text);
    r->next = r->script->count;
}

/* Needs that stand before the first action are met; others skip what follows. */
static int need_later(struct run *r, const struct statement *st, struct outcome *out, struct err *e)
{
    struct err why = {0};
    if (!r->actor)
        return 0;
    int rc = setup_need(r->setup, &st->need, &why);
    if (rc && rc != -ENOTSUP)
        return err_set(e, rc, "%s", why.text);
    if (rc)
        skip_rest(r, out, &why);
    return 0;
}

/* Where the machine had swap before, there is none of ours to end. */
static int end_swap(struct run *r, size_t at, struct outcome *out, struct err *e)
{
    struct err why = {0};
    int rc = do_action(r, at, out, &why);
    if (rc && rc != -ENOTSUP)
        return err_set(e, rc, "%s", why.text);
    if (rc)
        skip_rest(r, out, &why);
    return 0;
}

int run_step(struct run *r, struct outcome *out, struct err *e)
{
    *out = (struct outcome){.verdict = VERDICT_PASS};
    if (r->next >= r->script->count)
        return err_set(e, -ENOENT, "the scenario has ended");
    if (io_now_ns() > deadline(r))
        return err_set(e, -ETIMEDOUT,
                       "the scenario has taken longer than %.3g seconds: give more "
                       "with --limit, or make it shorter",
                       (double)r->options.total_limit_ns / 1e9);
    if (io_wait(r->options.stop_fd, 0))
        return given_up(e);
    size_t at = r->next;
    const struct statement *st = &r->script->v[at];
    switch (st->kind) {
    case ST_REPEAT:
        return enter_loop(r, st, e);
    case ST_END:
        end_loop(r);
        return 0;
    default:
        break;
    }
    r->next++;
    switch (st->kind) {
    case ST_TITLE:
    case ST_ABOUT:
    case ST_NOTE:
    case ST_PAUSE:
        return 0;
    case ST_NEEDS:
        return need_later(r, st, out, e);
    case ST_EXPECT:
        return expect_judge(r, st, out, e);
    case ST_UNTIL:
        return wait_until(r, st, out, e);
    case ST_REGION:
        return do_region(r, st, out, e);
    case ST_SWAPOFF:
        return end_swap(r, at, out, e);
    default:
        return do_action(r, at, out, e);
    }
}

/* ---- words ---- */

static void describe_end(int status, char *out, size_t cap)
{
    const char *name = WIFSIGNALED(status) ? words_name(&words_signal, WTERMSIG(status)) : NULL;
    if (status < 0)
        snprintf(out, cap, "the process has ended");
    else if (name)
        snprintf(out, cap, "the process was ended by %s", name);
    else if (WIFSIGNALED(status))
        snprintf(out, cap, "the process was ended by signal %d", WTERMSIG(status));
    else
        snprintf(out, cap, "the process has exited with status %d", WEXITSTATUS(status));
}

static void describe_signal(const struct stage_result *r, char *out, size_t cap)
{
    const char *name = words_name(&words_signal, r->signal), *code = NULL;
    for (size_t i = 0; i < words_code.count && name && !code; i++)
        if (words_code.v[i].value == r->code && words_code.v[i].name &&
            !strncmp(words_code.v[i].name, name + 3, 3)) /* SEGV_MAPERR belongs to SIGSEGV */
            code = words_code.v[i].name;
    int n =
        name ? snprintf(out, cap, "signal %s", name) : snprintf(out, cap, "signal %d", r->signal);
    if (n < 0 || (size_t)n >= cap)
        return;
    if (code)
        snprintf(out + n, cap - (size_t)n, " (%s) at 0x%llx", code, (unsigned long long)r->address);
    else
        snprintf(out + n, cap - (size_t)n, " (code %d) at 0x%llx", r->code,
                 (unsigned long long)r->address);
}

void run_describe_result(const struct stage_result *r, char *out, size_t cap)
{
    const char *name = r->error ? strerrorname_np(r->error) : NULL;
    if (r->gone)
        describe_end(r->status, out, cap);
    else if (r->signal)
        describe_signal(r, out, cap);
    else if (r->error)
        snprintf(out, cap, "errno %s (%s)", name ? name : "?", strerror(r->error));
    else
        snprintf(out, cap, "ok");
}
