/* The processes of a stand-in for /proc, which libproc2 cannot be pointed at. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "probe/proclist.h"
#include "probe/stat.h"

/* The arguments with blanks between them, as far as they fit; "" if there are none. */
static void join(const struct buf *text, char *out, size_t cap)
{
    size_t n = text->len < cap - 1 ? text->len : cap - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = text->data[i] ? text->data[i] : ' ';
    while (n && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

/* 0, -ENOENT if it has no memory or cannot be read, or -ENOMEM. */
static int read_entry(int root, pid_t pid, struct buf *text, struct process_entry *out)
{
    char path[64];
    struct stat_line line = {0};
    struct counters c;
    uid_t uid = 0;
    *out = (struct process_entry){.pid = pid};
    snprintf(path, sizeof path, "%d/status", pid);
    if (io_read_at(root, path, text))
        return -ENOENT;
    status_parse(text->data, text->len, &c, &uid);
    if (c.rss == UINT64_MAX)
        return -ENOENT;
    out->rss = c.rss;
    snprintf(out->user, sizeof out->user, "%u", uid); /* names are those of its own machine */
    snprintf(path, sizeof path, "%d/cmdline", pid);
    if (!io_read_at(root, path, text))
        join(text, out->name, sizeof out->name);
    snprintf(path, sizeof path, "%d/stat", pid);
    if (!out->name[0] && !io_read_at(root, path, text) && !stat_parse(text->data, text->len, &line))
        snprintf(out->name, sizeof out->name, "%s", line.comm);
    return 0;
}

static pid_t pid_of(const char *name)
{
    const char *p = name, *end = name + strlen(name);
    uint64_t pid;
    return text_dec(&p, end, &pid) && p == end && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static int read_all(DIR *d, struct process_list *list)
{
    struct buf text = {0};
    size_t cap = 0;
    int rc = 0;
    for (struct dirent *entry; !rc && (entry = readdir(d));) {
        struct process_entry one;
        pid_t pid = pid_of(entry->d_name);
        if (!pid || read_entry(dirfd(d), pid, &text, &one))
            continue;
        void *v = list->v;
        rc = array_reserve(&v, &cap, list->count + 1, sizeof *list->v);
        list->v = v;
        if (!rc)
            list->v[list->count++] = one;
    }
    buf_deinit(&text);
    return rc;
}

int proclist_read_root(const char *root, struct process_list *out, struct err *e)
{
    struct process_list list = {0};
    DIR *d = opendir(root);
    if (!d)
        return err_set(e, -errno, "cannot list processes: %s: %s", root, strerror(errno));
    int rc = read_all(d, &list);
    closedir(d);
    if (rc) {
        process_list_deinit(&list);
        return err_set(e, rc, "cannot list processes: %s", strerror(-rc));
    }
    process_list_sort(&list);
    *out = list;
    return 0;
}
