/* Functions and source lines. Of each file asked about lately the tables are kept: the file's own
 * symbols, those of its debug information (which has the names that stripping took away), and its
 * line tables. A file that has changed is read anew. */
#include "probe/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "probe/lines_parts.h"
#include "probe/mapped.h"
#include "probe/object.h"
#include "probe/procdir.h"
#include "probe/symbol.h"

enum { FILES_MAX = 16, JITS_MAX = 4 };
static const uint64_t bytes_max = UINT64_C(1) << 30, jit_again_ns = 1000000000;

struct file {
    struct stat id;
    struct object *object, *debug_object; /* NULL: none */
    struct debug_lines *lines;            /* NULL: none, or not looked for yet */
    bool looked;                          /* for debug information */
    const char *why;                      /* there is no object, or there are no lines */
    uint64_t used;                        /* 0: empty slot */
};

struct jit {
    pid_t pid;
    struct stat seen;
    struct jit_map *map;
    uint64_t asked_ns, used;
};

struct lines {
    struct file files[FILES_MAX];
    struct jit jits[JITS_MAX];
    struct symbol_cache *symbols; /* for the vDSO */
    uint64_t uses;
};

struct lines *lines_create(void)
{
    struct lines *l = calloc(1, sizeof *l);
    if (l && !(l->symbols = symbol_cache_create())) {
        free(l);
        l = NULL;
    }
    return l;
}

static void forget(struct file *f)
{
    debug_lines_close(f->lines);
    object_destroy(f->object);
    object_destroy(f->debug_object);
    *f = (struct file){0};
}

void lines_destroy(struct lines *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < FILES_MAX; i++)
        forget(&l->files[i]);
    for (size_t i = 0; i < JITS_MAX; i++)
        jit_map_destroy(l->jits[i].map);
    symbol_cache_destroy(l->symbols);
    free(l);
}

static uint64_t bytes_held(const struct lines *l)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < FILES_MAX; i++) {
        const struct file *f = &l->files[i];
        bytes += f->object ? object_bytes(f->object) : 0;
        bytes += f->debug_object ? object_bytes(f->debug_object) : 0;
        bytes += f->lines ? debug_lines_bytes(f->lines) : 0;
    }
    return bytes;
}

/* The slot in use that was not used for longest, but for the newest; NULL if there is none. */
static struct file *oldest(struct lines *l)
{
    struct file *found = NULL;
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct file *f = &l->files[i];
        if (f->used && f->used != l->uses && (!found || f->used < found->used))
            found = f;
    }
    return found;
}

static void limit_memory(struct lines *l)
{
    struct file *f;
    while (bytes_held(l) > bytes_max && (f = oldest(l)))
        forget(f);
}

static struct file *free_slot(struct lines *l)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (!l->files[i].used)
            return &l->files[i];
    struct file *f = oldest(l);
    forget(f);
    return f;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static struct file *file_of(struct lines *l, int fd, const struct stat *st)
{
    struct file *f = NULL;
    for (size_t i = 0; i < FILES_MAX && !f; i++)
        if (l->files[i].used && same_file(&l->files[i].id, st))
            f = &l->files[i];
    if (!f) {
        f = free_slot(l);
        f->id = *st;
        f->why = "out of memory";
        object_read(fd, &f->object, &f->why);
    }
    f->used = ++l->uses;
    return f;
}

/* Takes fd over. In the file itself, if it has line tables, or else apart. */
static void look_for_lines(struct file *f, int process_fd, int fd, const char *name)
{
    const char *ignored;
    const struct dw *dw = dw_load(&f->why);
    f->looked = true;
    if (!dw) {
        close(fd);
        return;
    }
    int again = dup(fd);
    if (debug_lines_open(dw, fd, &f->lines, &f->why) != -ENODATA || again < 0) {
        if (again >= 0)
            close(again);
        return;
    }
    int apart = debug_file_open(dw, process_fd, again, name);
    close(again);
    if (apart < 0)
        return;
    if (object_read(apart, &f->debug_object, &ignored))
        close(apart);
    else
        debug_lines_open(dw, apart, &f->lines, &f->why);
}

static void name_symbol(const struct file *f, uint64_t address, struct line_answer *out)
{
    if (f->debug_object)
        object_symbol(f->debug_object, address, 1, out->symbol, sizeof out->symbol);
    if (!out->symbol[0])
        object_symbol(f->object, address, 1, out->symbol, sizeof out->symbol);
}

static void name_line(const struct file *f, uint64_t address, struct line_answer *out)
{
    const char *path, *why = f->why;
    char name[PAGE_DETAIL_TEXT_MAX - 16];
    int line;
    if (f->lines && debug_lines_find(f->lines, address, &path, &line)) {
        const char *slash = strrchr(path, '/');
        const char *base = slash ? slash + 1 : path;
        text_escape(name, sizeof name, base, strlen(base));
        snprintf(out->source, sizeof out->source, "%s:%d", name, line);
        return;
    }
    if (f->lines)
        why = "its debug information has no line for this address";
    snprintf(out->why, sizeof out->why, "%s", why);
}

static void look_up(const struct file *f, const struct region *r, uint64_t ip,
                    struct line_answer *out)
{
    uint64_t address;
    if (!f->object || !object_address(f->object, r->offset + (ip - r->start), r->perms, &address)) {
        snprintf(out->why, sizeof out->why, "%s",
                 f->object ? "a part of the ELF file that is in no segment" : f->why);
        return;
    }
    name_symbol(f, address, out);
    name_line(f, address, out);
    if (!out->symbol[0] && out->source[0])
        snprintf(out->why, sizeof out->why, "%s",
                 object_has_symbols(f->object) ? "no symbol of the file lies here"
                                               : "the file has no symbol table (stripped)");
}

static struct jit *jit_of(struct lines *l, pid_t pid)
{
    struct jit *j = &l->jits[0];
    for (size_t i = 0; i < JITS_MAX; i++) {
        if (l->jits[i].used && l->jits[i].pid == pid)
            return &l->jits[i];
        if (l->jits[i].used < j->used)
            j = &l->jits[i];
    }
    jit_map_destroy(j->map);
    *j = (struct jit){.pid = pid};
    return j;
}

/* A map grows all the time: it is read again once a second at most. */
static const char *find_jit(struct lines *l, int process_fd, pid_t pid, uint64_t ip,
                            struct line_answer *out)
{
    struct jit *j = jit_of(l, pid);
    uint64_t now = io_now_ns();
    j->used = ++l->uses;
    if (!j->asked_ns || now - j->asked_ns > jit_again_ns) {
        struct jit_map *map = NULL;
        if (!jit_map_read(process_fd, pid, &j->seen, &map)) {
            jit_map_destroy(j->map);
            j->map = map;
        }
        j->asked_ns = now;
    }
    if (!j->map)
        return "no program file is mapped here, and there is no /tmp/perf-PID.map of a JIT compiler";
    jit_map_symbol(j->map, ip, out->symbol, sizeof out->symbol);
    return out->symbol[0] ? "code of a JIT compiler: its map has no lines"
                          : "the map of the JIT compiler says nothing of this address";
}

static void find_in_vdso(struct lines *l, int process_fd, const struct region *r, uint64_t ip,
                         struct line_answer *out)
{
    struct symbol_answer a;
    symbol_find(l->symbols, process_fd, r, ip, 1, &a);
    snprintf(out->symbol, sizeof out->symbol, "%s", a.symbol);
    snprintf(out->why, sizeof out->why, "%s",
             a.symbol[0] ? "the vDSO: code of the kernel, without lines here" : a.why);
}

/* Some compilers map their code twice, to write it at another place: that is shared memory. */
static bool holds_jit(const struct region *r)
{
    return r->perms & REGION_X && (!r->inode || r->kind == REGION_SHMEM);
}

void lines_find(struct lines *l, int process_fd, pid_t pid, const struct region *r, uint64_t ip,
                struct line_answer *out)
{
    const char *why = "";
    struct stat st;
    *out = (struct line_answer){{0}, {0}, {0}};
    if (r->kind == REGION_VDSO) {
        find_in_vdso(l, process_fd, r, ip, out);
        return;
    }
    int fd = mapped_open(process_fd, r, &st, &why);
    if (fd < 0) {
        if (holds_jit(r))
            why = find_jit(l, process_fd, pid, ip, out);
        snprintf(out->why, sizeof out->why, "%s", why);
        return;
    }
    struct file *f = file_of(l, fd, &st);
    if (f->object && !f->looked)
        look_for_lines(f, process_fd, fd, r->name);
    else
        close(fd);
    limit_memory(l);
    look_up(f, r, ip, out);
    if (!f->object && holds_jit(r)) {
        why = find_jit(l, process_fd, pid, ip, out);
        snprintf(out->why, sizeof out->why, "%s", why);
    }
}

static bool find_through(struct lines *l, const char *proc_root, pid_t through, pid_t pid,
                         const struct region *r, uint64_t ip, struct line_answer *out)
{
    struct procdir d;
    if (procdir_open(proc_root, through, &d, NULL))
        return false;
    lines_find(l, d.fd, pid, r, ip, out);
    procdir_close(&d);
    return out->symbol[0] != '\0';
}

void lines_find_of(struct lines *l, const char *proc_root, pid_t pid, const struct region *r,
                   uint64_t ip, struct line_answer *out)
{
    struct line_answer own;
    *out = (struct line_answer){.why = "the process has ended"};
    if (!find_through(l, proc_root, pid, pid, r, ip, out) &&
        find_through(l, NULL, getpid(), pid, r, ip, &own))
        *out = own;
}
