/* What is under an address of a process. A file that has changed is read anew. */
#include "probe/symbol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe/mapped.h"
#include "probe/object.h"

enum { FILES_MAX = 8, BYTES_MAX = 128 << 20 };

/* A file once read, or the reason why it could not be. */
struct file {
    struct stat id;
    struct object *object;
    const char *why;
    uint64_t used; /* 0: empty slot */
};

struct symbol_cache {
    struct file files[FILES_MAX];
    struct object *vdso;
    uint64_t vdso_size;
    uint64_t uses;
};

struct symbol_cache *symbol_cache_create(void)
{
    return calloc(1, sizeof(struct symbol_cache));
}

static void forget(struct file *f)
{
    object_destroy(f->object);
    *f = (struct file){0};
}

void symbol_cache_destroy(struct symbol_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < FILES_MAX; i++)
        forget(&c->files[i]);
    object_destroy(c->vdso);
    free(c);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* The slot that was not used for longest, of all or of those in use; NULL if there is none. */
static struct file *oldest(struct symbol_cache *c, bool in_use)
{
    struct file *found = NULL;
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct file *f = &c->files[i];
        if ((f->used || !in_use) && (!found || f->used < found->used))
            found = f;
    }
    return found;
}

static size_t bytes_held(const struct symbol_cache *c)
{
    size_t bytes = 0;
    for (size_t i = 0; i < FILES_MAX; i++)
        bytes += c->files[i].object ? object_bytes(c->files[i].object) : 0;
    return bytes;
}

/* An empty slot, with few enough bytes held in the others. */
static struct file *make_room(struct symbol_cache *c)
{
    struct file *f;
    while (bytes_held(c) > BYTES_MAX && (f = oldest(c, true)))
        forget(f);
    f = oldest(c, false);
    forget(f);
    return f;
}

static const struct object *read_file(struct symbol_cache *c, int fd, const struct stat *st,
                                      const char **why)
{
    struct file *f = NULL;
    for (size_t i = 0; i < FILES_MAX && !f; i++)
        if (c->files[i].used && same_file(&c->files[i].id, st))
            f = &c->files[i];
    if (!f) {
        f = make_room(c);
        if (object_read(fd, &f->object, &f->why) == -ENOMEM) {
            *why = "out of memory";
            return NULL;
        }
        f->id = *st;
    }
    f->used = ++c->uses;
    *why = f->why;
    return f->object;
}

static void read_own_vdso(struct symbol_cache *c)
{
    uint64_t at = getauxval(AT_SYSINFO_EHDR);
    struct region_table *own = NULL;
    if (!at || mapped_own_regions(&own))
        return;
    const struct region *r = region_table_at(own, at);
    const char *why;
    if (r && r->start == at) {
        c->vdso_size = r->end - r->start;
        object_read_image((const char *)(uintptr_t)at, c->vdso_size, &c->vdso, &why);
    }
    region_table_unref(own);
}

/* All processes of one kernel and one instruction set share the vDSO; ours is a 64-bit one. */
static const struct object *vdso_of(struct symbol_cache *c, const struct region *r,
                                    const char **why)
{
    if (!c->vdso)
        read_own_vdso(c);
    if (c->vdso && c->vdso_size == r->end - r->start &&
        (r->end > UINT32_MAX || sizeof(void *) == 4))
        return c->vdso;
    *why = "a vDSO other than ours: its image is not known";
    return NULL;
}

static const struct object *object_of(struct symbol_cache *c, int process_fd,
                                      const struct region *r, const char **why)
{
    if (r->kind == REGION_VDSO)
        return vdso_of(c, r, why);
    struct stat st;
    int fd = mapped_open(process_fd, r, &st, why);
    if (fd < 0)
        return NULL;
    const struct object *o = read_file(c, fd, &st, why);
    close(fd);
    return o;
}

static void describe(const struct object *o, uint64_t address, uint64_t len,
                     struct symbol_answer *out)
{
    object_section(o, address, len, out->section, sizeof out->section);
    object_symbol(o, address, len, out->symbol, sizeof out->symbol);
    const char *why = "";
    if (!out->section[0])
        why = "headers or padding of the ELF file: in no section";
    else if (!out->symbol[0])
        why = object_has_symbols(o) ? "no symbol of the file lies here"
                                    : "the file has no symbol table (stripped)";
    snprintf(out->why, sizeof out->why, "%s", why);
}

void symbol_find(struct symbol_cache *c, int process_fd, const struct region *r, uint64_t address,
                 uint64_t len, struct symbol_answer *out)
{
    *out = (struct symbol_answer){0};
    const char *why = "";
    uint64_t linked;
    const struct object *o = object_of(c, process_fd, r, &why);
    if (o && object_address(o, r->offset + (address - r->start), r->perms, &linked))
        describe(o, linked, len, out);
    else
        snprintf(out->why, sizeof out->why, "%s",
                 o ? "a part of the ELF file that is in no segment" : why);
}
