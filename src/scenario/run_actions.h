/* The actions: one function a kind of statement (run_files.c, run_maps.c, run_touch.c,
 * run_process.c). Each fills *out, also when the action failed as actions fail; a negative errno
 * with *e set means that the scenario cannot go on. */
#ifndef VMSCOPE_SCENARIO_RUN_ACTIONS_H
#define VMSCOPE_SCENARIO_RUN_ACTIONS_H

#include "scenario/run_parts.h"

struct act {
    struct run *run;
    struct process *p;
    const struct statement *st;
    struct stage_result *out;
};

typedef int act_fn(struct act *a, struct err *e);

act_fn act_file, act_open, act_close, act_pipe, act_directory, act_special, act_kernel_array,
    act_seal, act_evict, act_truncate, act_swapoff;
act_fn act_map, act_unmap, act_protect, act_advise, act_lock, act_unlock, act_remap, act_sync,
    act_remap_file, act_brk, act_malloc, act_free, act_lockall, act_uffd, act_cut, act_seal_map;
act_fn act_touch, act_exec, act_sysread, act_syswrite, act_reach, act_grow_stack;
act_fn act_clear_refs, act_fork, act_wait, act_exit, act_kill, act_resource, act_become;

/* Names what is there; changes nothing, and is no action that expectations speak of. */
act_fn name_region;

/* Runs an operation in a process; notes its end. */
int act_do(struct process *p, const struct stage_op *op, struct stage_result *out, struct err *e);
/* A system call in the process of the statement. */
int act_call(struct act *a, struct err *e, long number, uint64_t x, uint64_t y, uint64_t z,
             uint64_t v);
/* What we did ourselves: 0, or the negative errno that it failed with. Returns 0. */
int act_was(struct act *a, int rc);

/* The range of the statement's target: addresses [*first, *end). -EINVAL with *e set. */
int act_range(struct act *a, uint64_t *first, uint64_t *end, uint64_t *page_size, struct err *e);

/* NULL: there is none of that name. */
struct named_mapping *process_find_mapping(const struct process *p, const char *name);
struct named_fd *process_find_fd(const struct process *p, const char *name);
/* Names a mapping; one of that name is replaced. */
int process_name_mapping(struct process *p, const char *name, const struct named_mapping *m,
                         struct err *e);
/* Names a descriptor of the process. `file`: index of a file, or SIZE_MAX. */
int process_name_fd(struct process *p, const char *name, int number, size_t file, struct err *e);

/* Makes the directory for files of a kind, if it is one that needs it. 0 or a negative errno
 * with *e set. */
int run_need_directory(struct run *r, enum file_kind kind, struct err *e);

uint64_t run_huge_page_size(void); /* the default one of hugetlb; 0: there is none */

#endif
