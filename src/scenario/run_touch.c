/* Touching memory: in user mode, by read(2), from another process, by executing it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scenario/run_actions.h"

enum { CODE_OFFSET = 16, WRITTEN = 1 };

static uint64_t byte_of(const struct statement *st)
{
    return st->number < 0 ? WRITTEN : (uint64_t)st->number;
}

int act_touch(struct act *a, struct err *e)
{
    bool writes = a->st->kind == ST_WRITE;
    struct stage_op op = {.what = writes ? STAGE_WRITE : STAGE_READ};
    int rc = act_range(a, &op.args[0], &op.args[1], &op.args[2], e);
    op.args[3] = writes ? byte_of(a->st) : 0;
    return rc ? rc : act_do(a->p, &op, a->out, e);
}

/* Our files have an instruction there; zeros are one too. */
int act_exec(struct act *a, struct err *e)
{
    uint64_t end, page_size;
    struct stage_op op = {.what = STAGE_EXEC};
    int rc = act_range(a, &op.args[0], &end, &page_size, e);
    op.args[0] += CODE_OFFSET;
    return rc ? rc : act_do(a->p, &op, a->out, e);
}

int act_sysread(struct act *a, struct err *e)
{
    uint64_t page_size;
    struct stage_op op = {.what = STAGE_FILL};
    int rc = act_range(a, &op.args[0], &op.args[1], &page_size, e);
    return rc ? rc : act_do(a->p, &op, a->out, e);
}

int act_reach(struct act *a, struct err *e)
{
    enum statement_kind k = a->st->kind;
    const struct process *p = run_find_process(a->run, a->st->target.process);
    uint64_t page_size;
    struct stage_op op = {.what = k == ST_VMREAD    ? STAGE_VM_READ
                                  : k == ST_VMWRITE ? STAGE_VM_WRITE
                                  : k == ST_MEMREAD ? STAGE_MEM_READ
                                                    : STAGE_MEM_WRITE};
    int rc = act_range(a, &op.args[1], &op.args[2], &page_size, e);
    if (rc)
        return rc;
    op.args[0] = (uint64_t)(p ? p->pid : a->p->pid);
    op.args[3] = byte_of(a->st);
    return act_do(a->p, &op, a->out, e);
}

int act_grow_stack(struct act *a, struct err *e)
{
    struct stage_op op = {.what = STAGE_GROW_STACK, .args = {a->st->size}};
    return act_do(a->p, &op, a->out, e);
}

static int argument(const struct act *a, const struct call_arg *arg, uint64_t *out, struct err *e)
{
    const struct named_fd *fd;
    uint64_t end, page_size;
    struct target t = {.ranged = true, .first = arg->value, .end = arg->value + 1};
    switch ((enum call_arg_kind)arg->kind) {
    case ARG_NUMBER: *out = arg->value; return 0;
    case ARG_FD:
        fd = process_find_fd(a->p, arg->name);
        if (!fd)
            return err_set(e, -EINVAL, "%s has no descriptor %s", a->p->name, arg->name);
        *out = (uint64_t)fd->number;
        return 0;
    case ARG_ADDRESS:
        snprintf(t.name, sizeof t.name, "%s", arg->name);
        if (!run_find_range(a->p, &t, out, &end, &page_size))
            return err_set(e, -EINVAL, "%s has no mapping %s", a->p->name, arg->name);
        return 0;
    }
    return err_set(e, -EINVAL, "an argument of an unknown kind");
}

int act_syscall(struct act *a, struct err *e)
{
    struct stage_op op = {.what = STAGE_CALL, .args = {(uint64_t)a->st->number}};
    int rc = 0;
    for (unsigned i = 0; i < a->st->arg_count && !rc; i++)
        rc = argument(a, &a->st->args[i], &op.args[1 + i], e);
    if (!rc)
        rc = act_do(a->p, &op, a->out, e);
    if (rc || a->out->gone || a->out->error || !*a->st->other)
        return rc;
    return process_name_fd(a->p, a->st->other, (int)a->out->value, SIZE_MAX, e);
}
