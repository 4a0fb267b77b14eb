/* Touching memory: in user mode, by read(2), from another process, by executing it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scenario/run_actions.h"

enum { WRITTEN = 1 };

static uint64_t byte_of(const struct statement *st)
{
    return st->number < 0 ? WRITTEN : (uint64_t)st->number;
}

int act_touch(struct act *a, struct err *e)
{
    enum statement_kind k = a->st->kind;
    struct stage_op op = {.what = k == ST_RACE    ? STAGE_RACE
                                  : k == ST_WRITE ? STAGE_WRITE
                                                  : STAGE_READ};
    int rc = act_range(a, &op.args[0], &op.args[1], &op.args[2], e);
    op.args[3] = byte_of(a->st);
    return rc ? rc : act_do(a->p, &op, a->out, e);
}

int act_exec(struct act *a, struct err *e)
{
    uint64_t end, page_size;
    struct stage_op op = {.what = STAGE_EXEC};
    int rc = act_range(a, &op.args[0], &end, &page_size, e);
    op.args[0] += a->st->size;
    return rc ? rc : act_do(a->p, &op, a->out, e);
}

int act_sysread(struct act *a, struct err *e)
{
    uint64_t page_size;
    struct stage_op op = {.what = STAGE_FILL};
    int rc = act_range(a, &op.args[0], &op.args[1], &page_size, e);
    return rc ? rc : act_do(a->p, &op, a->out, e);
}

int act_syswrite(struct act *a, struct err *e)
{
    const struct named_fd *fd = process_find_fd(a->p, a->st->other);
    uint64_t first, end, page_size;
    int rc = act_range(a, &first, &end, &page_size, e);
    if (rc)
        return rc;
    if (!fd)
        return err_set(e, -EINVAL, "%s has no descriptor %s", a->p->name, a->st->other);
    return act_call(a, e, SYS_pwrite64, (uint64_t)fd->number, first, end - first, 0);
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
