/* Processes: their birth, their end, and what is changed of them from outside. */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "scenario/run_actions.h"
#include "scenario/run_process.h"
#include "scenario/undo.h"

void process_destroy(struct process *p)
{
    if (!p)
        return;
    stage_destroy(p->stage);
    free(p->mappings);
    free(p->fds);
    free(p->last.faults);
    free(p);
}

/* An empty place for a process of this name: a new one, or that of one that has ended. */
static int make_place(struct run *r, const char *name, struct process **out, struct err *e)
{
    struct process *p = calloc(1, sizeof *p);
    void *v = r->processes;
    int rc = p ? array_reserve(&v, &r->process_cap, r->process_count + 1, sizeof *r->processes)
               : -ENOMEM;
    r->processes = v;
    if (rc) {
        free(p);
        return err_set(e, rc, "out of memory");
    }
    snprintf(p->name, sizeof p->name, "%s", name);
    p->status = -1;
    for (size_t i = 0; i < r->process_count; i++) {
        if (strcmp(r->processes[i]->name, name))
            continue;
        if (r->actor == r->processes[i])
            r->actor = NULL;
        process_destroy(r->processes[i]);
        *out = r->processes[i] = p;
        return 0;
    }
    *out = r->processes[r->process_count++] = p;
    return 0;
}

int process_add(struct run *r, const char *name, struct stage *stage, struct process **out,
                struct err *e)
{
    int rc = make_place(r, name, out, e);
    if (rc)
        return rc;
    struct process *p = *out;
    p->stage = stage;
    p->pid = stage_pid(stage);
    p->cursor = p->low = stage_layout(stage)->arena;
    return 0;
}

static int inherit(struct process *p, const struct process *from, struct err *e)
{
    void *maps = NULL, *fds = NULL;
    int rc = array_reserve(&maps, &p->mapping_cap, from->mapping_count, sizeof *p->mappings);
    p->mappings = maps;
    if (!rc)
        rc = array_reserve(&fds, &p->fd_cap, from->fd_count, sizeof *p->fds);
    p->fds = fds;
    if (rc)
        return err_set(e, rc, "out of memory");
    if (from->mapping_count)
        memcpy(p->mappings, from->mappings, from->mapping_count * sizeof *p->mappings);
    if (from->fd_count)
        memcpy(p->fds, from->fds, from->fd_count * sizeof *p->fds);
    p->mapping_count = from->mapping_count;
    p->fd_count = from->fd_count;
    p->cursor = from->cursor;
    p->low = from->low;
    return 0;
}

int act_fork(struct act *a, struct err *e)
{
    const struct process *same = run_find_process(a->run, a->st->name);
    if (same && !same->ended)
        return err_set(e, -EEXIST, "there is a process %s already", a->st->name);
    struct stage *stage = NULL;
    struct process *child;
    struct stage_op op = {.what = STAGE_FORK};
    int rc = stage_do(a->p->stage, &op, a->out, &stage, e);
    if (rc || !stage)
        return rc;
    rc = process_add(a->run, a->st->name, stage, &child, e);
    if (rc)
        stage_destroy(stage);
    return rc ? rc : inherit(child, a->p, e);
}

static int other_process(const struct act *a, struct process **out, struct err *e)
{
    *out = run_find_process(a->run, a->st->name);
    return *out ? 0 : err_set(e, -EINVAL, "there is no process %s", a->st->name);
}

static void has_ended(struct process *p, int status)
{
    p->ended = true;
    p->status = status;
}

int act_wait(struct act *a, struct err *e)
{
    struct process *child;
    struct stage_result unused;
    int rc = other_process(a, &child, e);
    if (!rc && !child->ended)
        rc = act_do(child, &(struct stage_op){.what = STAGE_EXIT}, &unused, e);
    if (rc)
        return rc;
    struct stage_op op = {.what = STAGE_WAIT, .args = {(uint64_t)child->pid}};
    rc = act_do(a->p, &op, a->out, e);
    if (!rc && !a->out->gone && !a->out->error)
        has_ended(child, (int)a->out->value);
    return rc;
}

int act_exit(struct act *a, struct err *e)
{
    struct stage_op op = {.what = STAGE_EXIT};
    return act_do(a->p, &op, a->out, e);
}

/* Signals that do not end a process that leaves them as they are. */
static bool is_harmless(int number)
{
    static const int harmless[] = {0,       SIGCHLD, SIGCONT, SIGURG, SIGWINCH,
                                   SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (number == harmless[i])
            return true;
    return false;
}

int act_kill(struct act *a, struct err *e)
{
    struct process *p;
    int status, rc = other_process(a, &p, e);
    if (!rc)
        rc = act_call(a, e, SYS_kill, (uint64_t)p->pid, (uint64_t)a->st->number, 0, 0);
    if (rc || a->out->gone || a->out->error || is_harmless(a->st->number) || p->ended)
        return rc;
    if (!stage_wait_end(p->stage, &status))
        has_ended(p, status);
    return 0;
}

int act_clear_refs(struct act *a, struct err *e)
{
    (void)e;
    char path[32], value[16];
    snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)a->p->pid);
    snprintf(value, sizeof value, "%d", a->st->number);
    return act_was(a, setting_write(path, value));
}

int act_swapoff(struct act *a, struct err *e)
{
    return setup_swapoff(a->run->setup, e);
}

int act_resource(struct act *a, struct err *e)
{
    struct stage_op op = {.what = STAGE_LIMIT, .args = {(uint64_t)a->st->number, a->st->size}};
    return act_do(a->p, &op, a->out, e);
}

/* A process that has changed its user is closed to others of that user, unless it says otherwise.
 */
int act_become(struct act *a, struct err *e)
{
    enum { NOBODY = 65534 };
    const struct passwd *pw = getpwnam("nobody");
    uint64_t uid = pw ? pw->pw_uid : NOBODY, gid = pw ? pw->pw_gid : NOBODY;
    int rc = act_call(a, e, SYS_setgroups, 0, 0, 0, 0);
    if (!rc && !a->out->gone && !a->out->error)
        rc = act_call(a, e, SYS_setresgid, gid, gid, gid, 0);
    if (!rc && !a->out->gone && !a->out->error)
        rc = act_call(a, e, SYS_setresuid, uid, uid, uid, 0);
    if (rc || a->out->gone || a->out->error)
        return rc;
    struct stage_result unused;
    struct stage_op op = {.what = STAGE_CALL, .args = {SYS_prctl, PR_SET_DUMPABLE, 1}};
    return act_do(a->p, &op, &unused, e);
}
