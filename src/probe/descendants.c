/* Descendants of a process. */
#include "probe/descendants.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "probe/stat.h"

void descendants_deinit(struct descendants *d)
{
    free(d->v);
    *d = (struct descendants){0};
}

/* A stand-in for /proc may hold processes that are each other's parents. */
static bool is_known(const struct descendants *d, pid_t pid)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->v[i].pid == pid)
            return true;
    return false;
}

static int add(struct descendants *d, pid_t pid, pid_t ppid)
{
    void *v = d->v;
    int rc = array_reserve(&v, &d->cap, d->count + 1, sizeof *d->v);
    d->v = v;
    if (!rc)
        d->v[d->count++] = (struct descendant){pid, ppid};
    return rc;
}

int descendants_parse(struct descendants *d, const char *bytes, size_t len, pid_t ppid)
{
    const char *p = bytes, *end = bytes + len;
    uint64_t pid;
    int rc = 0;
    while (!rc && text_dec(&p, end, &pid) && pid && pid <= INT32_MAX) {
        rc = is_known(d, (pid_t)pid) ? 0 : add(d, (pid_t)pid, ppid);
        while (p < end && *p == ' ')
            p++;
    }
    return rc;
}

/* The numbers among the names of a directory, one after another; 0 at its end. */
static pid_t next_number(DIR *dir)
{
    const struct dirent *e;
    while ((e = readdir(dir))) {
        char *end;
        long n = strtol(e->d_name, &end, 10);
        if (n > 0 && n <= INT32_MAX && !*end)
            return (pid_t)n;
    }
    return 0;
}

static DIR *open_dir(const char *root, const char *rest)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", root, rest);
    return opendir(path);
}

/* Each thread has children of its own. What has ended meanwhile has none. */
static int add_children(struct descendants *d, const char *root, pid_t pid, struct buf *text)
{
    char name[64];
    snprintf(name, sizeof name, "%d/task", pid);
    DIR *tasks = open_dir(root, name);
    if (!tasks)
        return 0;
    int rc = 0;
    for (pid_t tid; !rc && (tid = next_number(tasks));) {
        snprintf(name, sizeof name, "%d/children", tid);
        rc = io_read_at(dirfd(tasks), name, text);
        if (!rc)
            rc = descendants_parse(d, text->data, text->len, pid);
        else if (rc != -ENOMEM)
            rc = 0;
    }
    closedir(tasks);
    return rc;
}

static bool has_children_files(const char *root, pid_t pid)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%d/task/%d/children", root, pid, pid);
    return access(path, R_OK) == 0;
}

/* All processes with their parents. */
static int read_all(const char *root, struct descendants *all, struct buf *text)
{
    DIR *dir = opendir(root);
    if (!dir)
        return -errno;
    int rc = 0;
    for (pid_t pid; !rc && (pid = next_number(dir));) {
        char name[32];
        struct stat_line line;
        snprintf(name, sizeof name, "%d/stat", pid);
        rc = io_read_at(dirfd(dir), name, text);
        if (!rc && !stat_parse(text->data, text->len, &line))
            rc = add(all, pid, line.ppid);
        else if (rc != -ENOMEM)
            rc = 0;
    }
    closedir(dir);
    return rc;
}

static int by_pid(const void *a, const void *b)
{
    const struct descendant *x = a, *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

static int add_by_parents(struct descendants *d, const struct descendants *all, pid_t pid)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < all->count; i++)
        if (all->v[i].ppid == pid && !is_known(d, all->v[i].pid))
            rc = add(d, all->v[i].pid, pid);
    return rc;
}

int descendants_read(const char *proc_root, pid_t root, struct descendants *out)
{
    const char *proc = proc_root ? proc_root : "/proc";
    struct descendants d = {0}, all = {0};
    struct buf text = {0};
    bool children = has_children_files(proc, root);
    int rc = add(&d, root, 0);
    if (!rc && !children)
        rc = read_all(proc, &all, &text);
    if (all.count)
        qsort(all.v, all.count, sizeof *all.v, by_pid);
    /* The list grows while it is walked: parents come before their children. */
    for (size_t i = 0; !rc && i < d.count; i++)
        rc = children ? add_children(&d, proc, d.v[i].pid, &text)
                      : add_by_parents(&d, &all, d.v[i].pid);
    descendants_deinit(&all);
    buf_deinit(&text);
    if (rc) {
        descendants_deinit(&d);
        return rc;
    }
    *out = d;
    return 0;
}
