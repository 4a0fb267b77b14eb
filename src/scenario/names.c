/* The names of a script, statement by statement. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "scenario/names.h"
#include "scenario/words.h"

/* What a statement is checked with. */
struct check {
    struct names *n;
    const struct statement *st;
    const struct name_places *at;
    struct script_error *e;
};

static int __attribute__((format(printf, 3, 4)))
wrong(const struct check *c, const struct name_place *at, const char *fmt, ...)
{
    va_list ap;
    c->e->at = at->at;
    c->e->length = at->length;
    va_start(ap, fmt);
    vsnprintf(c->e->text, sizeof c->e->text, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static struct name_process *find_process(const struct names *n, const char *name)
{
    for (size_t i = 0; i < n->process_count; i++)
        if (!strcmp(n->processes[i].name, name))
            return &n->processes[i];
    return NULL;
}

static struct symbol *find_symbol(const struct name_process *p, const char *name, bool fd)
{
    for (size_t i = 0; i < p->count; i++)
        if (!strcmp(p->v[i].name, name) && (p->v[i].kind == SYMBOL_FD) == fd)
            return &p->v[i];
    return NULL;
}

static struct name_file *find_file(const struct names *n, const char *name)
{
    for (size_t i = 0; i < n->file_count; i++)
        if (!strcmp(n->files[i].name, name))
            return &n->files[i];
    return NULL;
}

/* ---- guesses ---- */

struct guess {
    const char *name, *best;
    size_t distance;
};

static void guess_try(struct guess *g, const char *name)
{
    size_t d = word_distance(g->name, strlen(g->name), name, strlen(name));
    if (word_is_near(d, strlen(g->name)) && (!g->best || d < g->distance)) {
        g->best = name;
        g->distance = d;
    }
}

static int no_such(const struct check *c, const struct name_place *at, const char *what,
                   const struct guess *g, const char *hint)
{
    if (g->best)
        return wrong(c, at, "there is no %s \"%s\"; did you mean \"%s\"?", what, g->name, g->best);
    return wrong(c, at, "there is no %s \"%s\" here: %s", what, g->name, hint);
}

/* ---- look up ---- */

static int need_process(const struct check *c, const char *name, const struct name_place *at,
                        struct name_process **out)
{
    struct name_process *p = find_process(c->n, name);
    if (!p) {
        struct guess g = {.name = name};
        for (size_t i = 0; i < c->n->process_count; i++)
            guess_try(&g, c->n->processes[i].name);
        return no_such(c, at, "process", &g, "make one with \"fork NAME\"");
    }
    if (p->ended)
        return wrong(c, at, "the process \"%s\" ended in line %u", name, p->ended);
    *out = p;
    return 0;
}

static int need_symbol(const struct check *c, const struct name_process *p, const char *name,
                       bool fd, const struct name_place *at, struct symbol **out)
{
    struct symbol *s = find_symbol(p, name, fd);
    if (!s) {
        struct guess g = {.name = name};
        for (size_t i = 0; i < p->count; i++)
            if ((p->v[i].kind == SYMBOL_FD) == fd)
                guess_try(&g, p->v[i].name);
        return no_such(c, at, fd ? "descriptor" : "mapping", &g,
                       fd ? "make one with \"open NAME FILE rw\"" : "make one with \"map NAME ...\"");
    }
    *out = s;
    return 0;
}

static int need_file(const struct check *c, const char *name, const struct name_place *at,
                     struct name_file **out)
{
    *out = find_file(c->n, name);
    if (*out)
        return 0;
    struct guess g = {.name = name};
    for (size_t i = 0; i < c->n->file_count; i++)
        guess_try(&g, c->n->files[i].name);
    return no_such(c, at, "file", &g, "make one with \"file NAME SIZE\"");
}

static uint64_t pages_of(uint64_t bytes, uint64_t page)
{
    return bytes / page + (bytes % page != 0);
}

static uint64_t page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static int check_target(const struct check *c, const struct target *t,
                        const struct name_place *at)
{
    const char *name = t->process[0] ? t->process : c->st->process;
    struct name_place process_at = {t->at, (unsigned)strlen(name)};
    struct name_process *p;
    struct symbol *s;
    int rc = need_process(c, name, t->process[0] ? &process_at : &c->at->process, &p);
    if (!rc)
        rc = need_symbol(c, p, t->name, false, at, &s);
    if (rc)
        return rc;
    if (t->ranged && t->end > s->pages && !s->unbounded)
        return wrong(c, at, "\"%s\" has %llu page%s, numbered from 0 (line %u)", t->name,
                     (unsigned long long)s->pages, s->pages == 1 ? "" : "s", s->line);
    return 0;
}

/* ---- make ---- */

/* A place for the name, remembering what was there. The symbol keeps its old values if it had any. */
static int add_symbol(const struct check *c, struct name_process *p, const char *name,
                      enum symbol_kind kind, struct symbol **out)
{
    struct names *n = c->n;
    struct symbol *s = find_symbol(p, name, kind == SYMBOL_FD);
    n->changed_before = s ? *s : (struct symbol){.kind = kind};
    n->changed_process = (size_t)(p - n->processes);
    strcpy(n->changed, name);
    if (!s) {
        if (array_reserve((void **)&p->v, &p->capacity, p->count + 1, sizeof *p->v))
            return -ENOMEM;
        s = &p->v[p->count++];
        *s = (struct symbol){0};
        strcpy(s->name, name);
    }
    s->kind = kind;
    s->line = c->st->at.line;
    *out = s;
    return 0;
}

/* The last statement fails on purpose: what it would have made is not there. */
static void undo(struct names *n)
{
    if (n->changed_file)
        n->files[n->changed_file - 1].size = n->size_before;
    n->changed_file = 0;
    if (!n->changed[0])
        return;
    struct name_process *p = &n->processes[n->changed_process];
    struct symbol *s = find_symbol(p, n->changed, n->changed_before.kind == SYMBOL_FD);
    if (s && n->changed_before.name[0])
        *s = n->changed_before;
    else if (s)
        *s = p->v[--p->count];
    n->changed[0] = 0;
}

static int add_process(struct names *n, const char *name, struct name_process **out)
{
    struct name_process *p = find_process(n, name);
    if (!p) {
        if (array_reserve((void **)&n->processes, &n->process_capacity, n->process_count + 1,
                          sizeof *n->processes))
            return -ENOMEM;
        p = &n->processes[n->process_count++];
        *p = (struct name_process){0};
        strcpy(p->name, name);
    }
    p->ended = 0;
    p->exited = false;
    *out = p;
    return 0;
}

/* ---- statements ---- */

static int make_mapping(const struct check *c, struct name_process *p)
{
    const struct map_args *m = &c->st->map;
    struct symbol *s, *fd = NULL;
    uint64_t page = page_size(), huge = 2 << 20;
    int rc = m->fd[0] ? need_symbol(c, p, m->fd, true, &c->at->fd, &fd) : 0;
    bool of_huge =
        m->hugetlb || (fd && fd->file && c->n->files[fd->file - 1].kind == FILE_HUGETLBFS);
    if (!rc)
        rc = add_symbol(c, p, c->st->name, SYMBOL_MAPPING, &s);
    if (rc)
        return rc;
    s->page_size = !of_huge ? page : m->huge_size ? m->huge_size : huge;
    s->pages = pages_of(m->size, s->page_size);
    s->unbounded = m->growsdown;
    return 0;
}

static int make_heap(const struct check *c, struct name_process *p)
{
    struct symbol *s;
    int rc = add_symbol(c, p, c->st->name, SYMBOL_HEAP, &s);
    if (!rc)
        s->unbounded = true; /* it begins anywhere in a page */
    return rc;
}

static int make_fd(const struct check *c, struct name_process *p)
{
    const struct statement *st = c->st;
    struct name_file *f = NULL;
    struct symbol *s;
    int rc = st->kind == ST_OPEN && !st->text ? need_file(c, st->other, &c->at->other, &f) : 0;
    if (!rc)
        rc = add_symbol(c, p, st->name, SYMBOL_FD, &s);
    if (!rc)
        s->file = f ? (size_t)(f - c->n->files) + 1 : 0;
    return rc;
}

static int make_file(const struct check *c)
{
    struct names *n = c->n;
    if (find_file(n, c->st->name))
        return wrong(c, &c->at->name, "there is a file \"%s\" already", c->st->name);
    if (array_reserve((void **)&n->files, &n->file_capacity, n->file_count + 1, sizeof *n->files))
        return -ENOMEM;
    struct name_file *f = &n->files[n->file_count++];
    strcpy(f->name, c->st->name);
    f->kind = c->st->file_kind;
    /* A mapping makes a file of huge pages longer. */
    f->size = f->kind == FILE_HUGETLBFS ? INT64_MAX : c->st->size;
    return 0;
}

static int make_process(const struct check *c, size_t parent)
{
    struct name_process *old = find_process(c->n, c->st->name), *child, *p;
    if (old && !old->ended)
        return wrong(c, &c->at->name, "there is a process \"%s\" already", c->st->name);
    int rc = add_process(c->n, c->st->name, &child);
    if (rc)
        return rc;
    p = &c->n->processes[parent];
    child->count = 0;
    if (array_reserve((void **)&child->v, &child->capacity, p->count, sizeof *p->v))
        return -ENOMEM;
    if (p->count)
        memcpy(child->v, p->v, p->count * sizeof *p->v);
    child->count = p->count;
    return 0;
}

static int change_size(const struct check *c, struct name_process *p)
{
    struct symbol *s;
    int rc = need_symbol(c, p, c->st->name, false, &c->at->name, &s);
    if (!rc)
        rc = add_symbol(c, p, c->st->name, s->kind, &s);
    if (!rc)
        s->pages = pages_of(c->st->size, s->page_size ? s->page_size : page_size());
    return rc;
}

static int change_file_size(const struct check *c, struct name_process *p)
{
    struct symbol *fd;
    int rc = need_symbol(c, p, c->st->name, true, &c->at->name, &fd);
    if (rc || !fd->file)
        return rc;
    struct name_file *f = &c->n->files[fd->file - 1];
    c->n->changed_file = fd->file;
    c->n->size_before = f->size;
    if (f->kind != FILE_HUGETLBFS)
        f->size = c->st->size;
    return 0;
}

/* A target, and a descriptor beside it. */
static int check_written(const struct check *c, const struct name_process *p)
{
    struct symbol *fd;
    int rc = check_target(c, &c->st->target, &c->at->target);
    return rc ? rc : need_symbol(c, p, c->st->other, true, &c->at->other, &fd);
}

static int free_name(const struct check *c, struct name_process *p)
{
    struct symbol *s;
    int rc = need_symbol(c, p, c->st->name, false, &c->at->name, &s);
    if (rc)
        return rc;
    if (s->kind != SYMBOL_HEAP)
        return wrong(c, &c->at->name, "\"%s\" was not made by malloc: use unmap", c->st->name);
    *s = p->v[--p->count];
    return 0;
}

static int end_process(const struct check *c)
{
    struct name_process *p = find_process(c->n, c->st->name);
    if (!strcmp(c->st->name, c->st->process))
        return wrong(c, &c->at->name, "a process cannot wait for itself");
    if (p && p->exited) { /* it ended by itself: now it is gone */
        p->exited = false;
        return 0;
    }
    int rc = need_process(c, c->st->name, &c->at->name, &p);
    if (!rc)
        p->ended = c->st->at.line;
    return rc;
}

/* What is there already. Its size is known when it is written. */
static int make_region(const struct check *c, struct name_process *p)
{
    const struct statement *st = c->st;
    struct symbol *s;
    int rc = st->other[0] ? need_symbol(c, p, st->other, false, &c->at->other, &s) : 0;
    if (!rc)
        rc = add_symbol(c, p, st->name, SYMBOL_MAPPING, &s);
    if (!rc) {
        s->unbounded = st->text;
        s->page_size = page_size();
        s->pages = pages_of(st->size, s->page_size);
    }
    return rc;
}

/* A file of huge pages grows when it is mapped. */
static int check_file_page(const struct check *c, const struct target *t)
{
    struct name_file *f;
    int rc = need_file(c, t->name, &c->at->target, &f);
    if (rc || !t->ranged || f->kind == FILE_HUGETLBFS)
        return rc;
    uint64_t pages = pages_of(f->size, page_size());
    if (t->end > pages)
        return wrong(c, &c->at->target, "\"%s\" has %llu page%s, numbered from 0", f->name,
                     (unsigned long long)pages, pages == 1 ? "" : "s");
    return 0;
}

static int check_expect(const struct check *c)
{
    const struct expect *x = &c->st->expect;
    if (x->kind == EX_ERRNO && c->st->kind == ST_EXPECT)
        undo(c->n);
    if (x->kind == EX_FILE_BYTE || x->kind == EX_FILE_SIZE)
        return check_file_page(c, &x->a);
    int rc = x->a.name[0] ? check_target(c, &x->a, &c->at->target) : 0;
    return rc || !x->b.name[0] ? rc : check_target(c, &x->b, &c->at->second);
}

static int check_action(const struct check *c, struct name_process *p)
{
    const struct statement *st = c->st;
    struct name_file *f;
    struct symbol *s;
    switch (st->kind) {
    case ST_FILE:
        return make_file(c);
    case ST_OPEN:
    case ST_PIPE:
    case ST_DIRECTORY:
    case ST_SPECIAL:
    case ST_KERNEL_ARRAY:
        return make_fd(c, p);
    case ST_CLOSE: /* the name stays: using it is EBADF */
        return need_symbol(c, p, st->name, true, &c->at->name, &s);
    case ST_MAP:
        return make_mapping(c, p);
    case ST_MALLOC:
        return make_heap(c, p);
    case ST_FREE:
        return free_name(c, p);
    case ST_REMAP:
        return change_size(c, p);
    case ST_TRUNCATE:
        return change_file_size(c, p);
    case ST_SYSWRITE:
        return check_written(c, p);
    case ST_EVICT:
    case ST_SEAL:
        return need_file(c, st->name, &c->at->name, &f);
    case ST_FORK:
        return make_process(c, (size_t)(p - c->n->processes));
    case ST_WAIT:
        return end_process(c);
    case ST_EXIT:
        p->ended = st->at.line;
        p->exited = true;
        return 0;
    case ST_KILL:
        return need_process(c, st->name, &c->at->name, &p);
    case ST_REGION:
        return make_region(c, p);
    case ST_CUT:
        return need_symbol(c, p, st->name, false, &c->at->name, &s);
    default:
        return st->target.name[0] ? check_target(c, &st->target, &c->at->target) : 0;
    }
}

int names_statement(struct names *n, const struct statement *st, const struct name_places *at,
                    struct script_error *e)
{
    struct check c = {n, st, at, e};
    struct name_process *p;
    switch (st->kind) {
    case ST_TITLE:
    case ST_ABOUT:
    case ST_NOTE:
    case ST_PAUSE:
    case ST_NEEDS:
    case ST_REPEAT:
    case ST_END:
        return 0;
    case ST_EXPECT:
    case ST_UNTIL:
        return check_expect(&c);
    default:
        break;
    }
    int rc = need_process(&c, st->process, &at->process, &p);
    if (rc)
        return rc;
    n->changed[0] = 0;
    n->changed_file = 0;
    return check_action(&c, p);
}

bool names_has_mapping(const struct names *n, const char *process, const char *name)
{
    const struct name_process *p = find_process(n, process);
    return p && find_symbol(p, name, false);
}

int names_init(struct names *n)
{
    struct name_process *p;
    *n = (struct names){0};
    return add_process(n, "main", &p);
}

void names_deinit(struct names *n)
{
    for (size_t i = 0; i < n->process_count; i++)
        free(n->processes[i].v);
    free(n->processes);
    free(n->files);
    *n = (struct names){0};
}
