/* The processes that can be chosen, by libproc2. The library is loaded when the list is first asked
 * for: it pulls in libsystemd and half a dozen others, which would double the time that a snapshot
 * takes, and map library pages that a target may have had to itself. */
#include "probe/proclist.h"

#include <dlfcn.h>
#include <errno.h>
#include <libproc2/pids.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PF_KTHREAD of include/linux/sched.h. */
#define KERNEL_THREAD 0x00200000ul

static enum pids_item items[] = {
    PIDS_ID_PID, PIDS_ID_EUSER, PIDS_CMD, PIDS_CMDLINE_V, PIDS_MEM_RES, PIDS_FLAGS, PIDS_STATE,
};
enum { ITEM_PID, ITEM_USER, ITEM_COMM, ITEM_ARGV, ITEM_RSS, ITEM_FLAGS, ITEM_STATE, ITEM_N };

/* libproc2 leaves the bytes of an argument vector as they are, but for newlines. */
static void join_arguments(char *const *argv, char *out, size_t cap)
{
    size_t len = 0;
    for (; *argv && len + 1 < cap; argv++) {
        if (len)
            out[len++] = ' ';
        size_t n = strnlen(*argv, cap - 1 - len);
        memcpy(out + len, *argv, n);
        len += n;
    }
    out[len] = '\0';
}

static void fill(const struct pids_stack *s, struct process_entry *p)
{
    *p = (struct process_entry){
        .pid = PIDS_VAL(ITEM_PID, s_int, s, ),
        .rss = (uint64_t)PIDS_VAL(ITEM_RSS, ul_int, s, ) * 1024,
    };
    const char *user = PIDS_VAL(ITEM_USER, str, s, ), *comm = PIDS_VAL(ITEM_COMM, str, s, );
    char *const *argv = PIDS_VAL(ITEM_ARGV, strv, s, );
    snprintf(p->user, sizeof p->user, "%s", user ? user : "?");
    if (argv)
        join_arguments(argv, p->name, sizeof p->name);
    if (!p->name[0])
        snprintf(p->name, sizeof p->name, "%s", comm ? comm : "?");
}

static bool has_memory(const struct pids_stack *s)
{
    char state = PIDS_VAL(ITEM_STATE, s_ch, s, );
    return !(PIDS_VAL(ITEM_FLAGS, ul_int, s, ) & KERNEL_THREAD) && state != 'Z' && state != 'X';
}

/* What is used of the library; the header gives the types. */
struct library {
    __typeof__(procps_pids_new) *pids_new;
    __typeof__(procps_pids_reap) *pids_reap;
    __typeof__(procps_pids_unref) *pids_unref;
};

static int load(struct library *out, struct err *e)
{
    struct library l;
    void *handle = dlopen("libproc2.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return err_set(e, -ENOENT, "cannot list processes: libproc2 is not installed; install "
                                   "libproc2-0, or give a process with -p PID");
    *(void **)&l.pids_new = dlsym(handle, "procps_pids_new");
    *(void **)&l.pids_reap = dlsym(handle, "procps_pids_reap");
    *(void **)&l.pids_unref = dlsym(handle, "procps_pids_unref");
    if (l.pids_new && l.pids_reap && l.pids_unref) {
        *out = l;
        return 0;
    }
    dlclose(handle);
    return err_set(e, -ENOSYS, "cannot list processes: this libproc2 is of another version; give a "
                               "process with -p PID");
}

static int collect(const struct library *l, struct pids_info *info, struct process_list *out)
{
    errno = 0;
    struct pids_fetch *all = l->pids_reap(info, PIDS_FETCH_TASKS_ONLY);
    if (!all)
        return errno ? -errno : -EIO;
    size_t total = (size_t)all->counts->total;
    out->v = calloc(total ? total : 1, sizeof *out->v);
    if (!out->v)
        return -ENOMEM;
    for (size_t i = 0; i < total; i++)
        if (has_memory(all->stacks[i]))
            fill(all->stacks[i], &out->v[out->count++]);
    process_list_sort(out);
    return 0;
}

int proclist_read(struct process_list *out, struct err *e)
{
    static struct library library;
    struct process_list list = {0};
    struct pids_info *info = NULL;
    int rc = library.pids_new ? 0 : load(&library, e);
    if (rc)
        return rc;
    rc = library.pids_new(&info, items, ITEM_N);
    if (!rc) {
        rc = collect(&library, info, &list);
        library.pids_unref(&info);
    }
    if (rc)
        return err_set(e, rc, "cannot list processes: %s: is /proc mounted?", strerror(-rc));
    *out = list;
    return 0;
}
