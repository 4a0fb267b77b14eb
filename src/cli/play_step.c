/* What a step came to, as values that outlive the run. Addresses are told as pages of mappings. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/play_parts.h"
#include "scenario/words.h"

/* --- results --- */

/* Codes of different signals share numbers: the name begins as the signal's. */
static const char *code_name(int signal, int code)
{
    const char *family = signal == SIGSEGV ? "SEGV" : signal == SIGBUS ? "BUS" : "SI_";
    for (size_t i = 0; i < words_code.count; i++) {
        const struct word *w = &words_code.v[i];
        bool fits = !strncmp(w->name, family, strlen(family)) || !strncmp(w->name, "SI_", 3);
        if (w->value == code && fits)
            return w->name;
    }
    return "";
}

static void describe_signal(struct player_step *out, int signal, int code, const char *how)
{
    const char *name = sigabbrev_np(signal);
    snprintf(out->code, sizeof out->code, "SIG%s", name ? name : "?");
    snprintf(out->result, sizeof out->result, "%s%s%s%s", how, out->code, code ? " " : "",
             code ? code_name(signal, code) : "");
}

static void describe(struct player_step *out, const struct stage_result *r)
{
    bool killed = r->gone && WIFSIGNALED(r->status) && !out->ok;
    if (r->signal) {
        describe_signal(out, r->signal, r->code, "");
    } else if (killed) {
        describe_signal(out, WTERMSIG(r->status), 0, "ended by ");
    } else if (r->error) {
        const char *name = strerrorname_np(r->error);
        snprintf(out->code, sizeof out->code, "%s", name ? name : "?");
        snprintf(out->result, sizeof out->result, "%s (%s)", out->code, strerror(r->error));
    } else {
        snprintf(out->code, sizeof out->code, "ok");
        snprintf(out->result, sizeof out->result, "ok");
    }
}

static int add_faults(struct play *p, struct player_step *out, const struct outcome *done)
{
    const struct observer *w = observe_observer(p->watch);
    out->faults = calloc(done->fault_count ? done->fault_count : 1, sizeof *out->faults);
    if (!out->faults)
        return -ENOMEM;
    for (size_t i = 0; i < done->fault_count; i++) {
        struct player_fault *f = &out->faults[out->fault_count++];
        f->entry = done->faults[i];
        uint32_t number = f->entry.observed.stack;
        const char *stack = number ? w->stack(w->ctx, number) : NULL;
        f->stack = stack ? strdup(stack) : NULL;
    }
    return 0;
}

int play_add_outcome(struct play *p, struct player_step *out, const struct statement *st,
                     const struct outcome *done)
{
    const struct observer *w = observe_observer(p->watch);
    const struct stage_result *r = &done->result;
    bool ends = st->kind == ST_EXIT || st->kind == ST_KILL || st->kind == ST_WAIT;
    if (st->kind == ST_NOTE)
        return 0;
    out->ran = true;
    out->failed = done->verdict == VERDICT_FAIL;
    out->ok = !r->error && !r->signal && (!r->gone || ends) && !out->failed;
    out->counted = !r->gone;
    out->minor = r->minor;
    out->major = r->major;
    out->followed = w->faults != NULL;
    if (!out->followed)
        snprintf(out->why, sizeof out->why, "%s", w->why && w->why[0] ? w->why : "no engine");
    describe(out, r);
    if (out->failed && done->found[0])
        snprintf(out->result, sizeof out->result, "%s", done->found);
    return add_faults(p, out, done);
}

/* --- expectations --- */

int play_add_check(struct player_step *out, const struct statement *st,
                   const struct outcome *done)
{
    static const uint8_t verdicts[] = {[VERDICT_PASS] = PLAYER_HELD, [VERDICT_FAIL] = PLAYER_FAILED,
                                       [VERDICT_SKIP] = PLAYER_SKIPPED};
    out->pause |= st->kind == ST_PAUSE;
    if (!done->is_expect)
        return 0;
    struct player_check *v = reallocarray(out->checks, out->check_count + 1, sizeof *v);
    if (!v)
        return -ENOMEM;
    out->checks = v;
    v += out->check_count++;
    *v = (struct player_check){.line = st->at.line, .verdict = verdicts[done->verdict]};
    snprintf(v->expected, sizeof v->expected, "%s", done->expected);
    snprintf(v->found, sizeof v->found, "%s", done->found);
    if (st->at.line > out->last_line)
        out->last_line = st->at.line;
    return 0;
}

/* --- pictures --- */

static int add_mappings(struct play *p, struct player_process *to)
{
    to->mappings = calloc(p->name_count ? p->name_count : 1, sizeof *to->mappings);
    if (!to->mappings)
        return -ENOMEM;
    for (size_t i = 0; i < p->name_count; i++) {
        struct player_mapping *m = &to->mappings[to->count];
        if (!run_mapping(p->run, to->name, p->names[i], &m->start, &m->bytes, &m->page_size))
            continue;
        snprintf(m->name, sizeof m->name, "%s", p->names[i]);
        to->count++;
    }
    return 0;
}

/* A process that ends just now has no picture. The picture has VmFlags too: it becomes what the
 * next predictions know of the process. */
static int add_process(struct play *p, struct player_step *out, size_t i, struct err *e)
{
    const struct observer *w = observe_observer(p->watch);
    struct player_process *to = &out->processes[out->process_count++];
    struct run_process from;
    run_process(p->run, i, &from);
    snprintf(to->name, sizeof to->name, "%s", from.name);
    to->ended = from.ended;
    if (from.ended)
        return 0;
    int rc = w->picture(w->ctx, from.pid, true, &to->moment, e);
    if (rc == -ESRCH) {
        to->ended = true;
        return 0;
    }
    if (rc)
        return rc;
    to->seen = true;
    return add_mappings(p, to) ? err_set(e, -ENOMEM, "out of memory") : 0;
}

/* "a[3]", "child:a[3]", or nothing where no mapping has a name. */
static void place(const struct player_step *s, struct player_fault *f)
{
    uint64_t address = f->entry.event.fault.address;
    for (size_t i = 0; i < s->process_count; i++) {
        const struct player_process *p = &s->processes[i];
        bool main = !strcmp(p->name, "main");
        if (!p->seen || p->moment.target.pid != f->entry.event.pid)
            continue;
        for (size_t k = 0; k < p->count; k++) {
            const struct player_mapping *m = &p->mappings[k];
            if (address - m->start >= m->bytes)
                continue;
            snprintf(f->place, sizeof f->place, "%s%s%s[%" PRIu64 "]", main ? "" : p->name,
                     main ? "" : ":", m->name, (address - m->start) / m->page_size);
            return;
        }
    }
}

int play_add_processes(struct play *p, struct player_step *out, struct err *e)
{
    size_t count = run_process_count(p->run);
    out->processes = calloc(count ? count : 1, sizeof *out->processes);
    if (!out->processes)
        return err_set(e, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        int rc = add_process(p, out, i, e);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < out->fault_count; i++)
        place(out, &out->faults[i]);
    return 0;
}
