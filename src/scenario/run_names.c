/* Names: of processes, files, descriptors and mappings. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "scenario/run_actions.h"

struct process *run_find_process(const struct run *r, const char *name)
{
    if (!*name)
        name = "main";
    for (size_t i = 0; i < r->process_count; i++)
        if (!strcmp(r->processes[i]->name, name))
            return r->processes[i];
    return NULL;
}

struct named_file *run_find_file(const struct run *r, const char *name)
{
    for (size_t i = 0; i < r->file_count; i++)
        if (!strcmp(r->files[i].name, name))
            return &r->files[i];
    return NULL;
}

struct named_mapping *process_find_mapping(const struct process *p, const char *name)
{
    for (size_t i = 0; i < p->mapping_count; i++)
        if (!strcmp(p->mappings[i].name, name))
            return &p->mappings[i];
    return NULL;
}

struct named_fd *process_find_fd(const struct process *p, const char *name)
{
    for (size_t i = 0; i < p->fd_count; i++)
        if (!strcmp(p->fds[i].name, name))
            return &p->fds[i];
    return NULL;
}

int process_name_mapping(struct process *p, const char *name, const struct named_mapping *m,
                         struct err *e)
{
    struct named_mapping *to = process_find_mapping(p, name);
    if (!to) {
        void *v = p->mappings;
        int rc = array_reserve(&v, &p->mapping_cap, p->mapping_count + 1, sizeof *p->mappings);
        p->mappings = v;
        if (rc)
            return err_set(e, rc, "out of memory");
        to = &p->mappings[p->mapping_count++];
    }
    *to = *m;
    snprintf(to->name, sizeof to->name, "%s", name);
    return 0;
}

int process_name_fd(struct process *p, const char *name, int number, size_t file, struct err *e)
{
    struct named_fd *to = process_find_fd(p, name);
    if (!to) {
        void *v = p->fds;
        int rc = array_reserve(&v, &p->fd_cap, p->fd_count + 1, sizeof *p->fds);
        p->fds = v;
        if (rc)
            return err_set(e, rc, "out of memory");
        to = &p->fds[p->fd_count++];
    }
    *to = (struct named_fd){.number = number, .file = file};
    snprintf(to->name, sizeof to->name, "%s", name);
    return 0;
}

bool run_find_range(const struct process *p, const struct target *t, uint64_t *first, uint64_t *end,
                    uint64_t *page_size)
{
    const struct named_mapping *m = process_find_mapping(p, t->name);
    if (!m)
        return false;
    *first = m->first;
    *end = m->end;
    *page_size = m->page_size;
    if (!t->ranged)
        return true;
    uint64_t from = m->start + t->first * m->page_size, to = m->start + t->end * m->page_size;
    bool whole = m->first == m->start && m->end == m->start + m->bytes;
    *first = whole || from > m->first ? from : m->first;
    *end = whole || to < m->end ? to : m->end;
    return true;
}

int act_range(struct act *a, uint64_t *first, uint64_t *end, uint64_t *page_size, struct err *e)
{
    const struct target *t = &a->st->target;
    const struct process *p = *t->process ? run_find_process(a->run, t->process) : a->p;
    if (p && run_find_range(p, t, first, end, page_size))
        return 0;
    return err_set(e, -EINVAL, "%s has no mapping %s now", p ? p->name : t->process, t->name);
}

bool run_mapping(const struct run *r, const char *process, const char *name, uint64_t *start,
                 uint64_t *bytes, uint64_t *page_size)
{
    const struct process *p = run_find_process(r, process);
    const struct named_mapping *m = p ? process_find_mapping(p, name) : NULL;
    if (!m)
        return false;
    *start = m->start;
    *bytes = m->bytes;
    *page_size = m->page_size;
    return true;
}

size_t run_process_count(const struct run *r)
{
    return r->process_count;
}

void run_process(const struct run *r, size_t i, struct run_process *out)
{
    const struct process *p = r->processes[i];
    *out = (struct run_process){p->name, p->pid, p->ended};
}

uint64_t run_huge_page_size(void)
{
    struct buf b = {0};
    uint64_t kb = 0;
    if (io_read_at(AT_FDCWD, "/proc/meminfo", &b) ||
        !text_field(b.data, b.len, "Hugepagesize:", &kb))
        kb = 0;
    buf_deinit(&b);
    return kb * 1024;
}
