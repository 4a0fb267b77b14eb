/* From /proc/PID/stat and task/TID/status, and from getrusage(2). */
#include "cli/accounting.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "probe/stat.h"

static const struct fault_counts unknown = {
    .minor = UINT64_MAX, .major = UINT64_MAX, .cpu_ns = UINT64_MAX, .waits = UINT64_MAX,
    .preempted = UINT64_MAX};

/* "name:\t12" in status. */
static uint64_t field(const struct buf *text, const char *name)
{
    const char *at = text->data ? strstr(text->data, name) : NULL, *end = text->data + text->len;
    uint64_t value;
    if (!at)
        return UINT64_MAX;
    at += strlen(name);
    while (at < end && (*at == ':' || *at == '\t' || *at == ' '))
        at++;
    return text_dec(&at, end, &value) ? value : UINT64_MAX;
}

static void add(uint64_t *sum, uint64_t n)
{
    *sum = *sum == UINT64_MAX || n == UINT64_MAX ? UINT64_MAX : *sum + n;
}

static void count_switches(const struct procdir *d, struct fault_counts *c)
{
    int fd = openat(d->fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct buf text = {0};
    char name[300];
    if (fd >= 0 && !dir)
        close(fd);
    if (dir)
        c->waits = c->preempted = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(name, sizeof name, "task/%s/status", e->d_name);
        if (e->d_name[0] == '.' || procdir_read(d, name, &text))
            continue; /* a thread that has just ended */
        add(&c->waits, field(&text, "\nvoluntary_ctxt_switches"));
        add(&c->preempted, field(&text, "\nnonvoluntary_ctxt_switches"));
    }
    if (dir)
        closedir(dir);
    buf_deinit(&text);
}

struct fault_counts accounting_of(const struct procdir *d)
{
    struct fault_counts c = unknown;
    struct buf text = {0};
    struct stat_line line;
    long hz = sysconf(_SC_CLK_TCK);
    if (!procdir_read(d, "stat", &text) && !stat_parse(text.data, text.len, &line)) {
        c.minor = line.min_flt;
        c.major = line.maj_flt;
        if (hz > 0)
            c.cpu_ns = line.cpu_ticks * (UINT64_C(1000000000) / (uint64_t)hz);
        count_switches(d, &c);
    }
    buf_deinit(&text);
    return c;
}

static uint64_t ns_of(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_usec * 1000;
}

struct fault_counts accounting_of_children(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_CHILDREN, &u))
        return unknown;
    return (struct fault_counts){.minor = (uint64_t)u.ru_minflt, .major = (uint64_t)u.ru_majflt,
                                 .cpu_ns = ns_of(u.ru_utime) + ns_of(u.ru_stime),
                                 .waits = (uint64_t)u.ru_nvcsw, .preempted = (uint64_t)u.ru_nivcsw};
}

/* Less than before: threads have ended, and taken theirs with them. */
static uint64_t difference(uint64_t before, uint64_t now)
{
    return before == UINT64_MAX || now == UINT64_MAX || now < before ? UINT64_MAX : now - before;
}

struct fault_counts accounting_since(const struct fault_counts *b, const struct fault_counts *n)
{
    return (struct fault_counts){.minor = difference(b->minor, n->minor),
                                 .major = difference(b->major, n->major),
                                 .cpu_ns = difference(b->cpu_ns, n->cpu_ns),
                                 .waits = difference(b->waits, n->waits),
                                 .preempted = difference(b->preempted, n->preempted)};
}

struct fault_counts accounting_sum(const struct fault_counts *a, const struct fault_counts *b)
{
    struct fault_counts c = *a;
    add(&c.minor, b->minor);
    add(&c.major, b->major);
    add(&c.cpu_ns, b->cpu_ns);
    add(&c.waits, b->waits);
    add(&c.preempted, b->preempted);
    return c;
}
