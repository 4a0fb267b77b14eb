/* The maps that JIT compilers write for perf: /tmp/perf-PID.map, with the PID that the process has
 * for itself. Anybody may write to /tmp: only a file of the process's own user or root is taken. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "probe/lines_parts.h"
#include "probe/mapped.h"

enum { FILE_MAX = 64 << 20, NAME_SHOWN = 200, NESTING = 32 };

struct jit_symbol {
    uint64_t start, size;
    uint32_t name, len; /* in text; names come in the order of the file */
};

struct jit_map {
    struct jit_symbol *v; /* by start, one for each */
    size_t count, cap;
    struct buf text;
};

void jit_map_destroy(struct jit_map *m)
{
    if (!m)
        return;
    free(m->v);
    buf_deinit(&m->text);
    free(m);
}

static bool parse_line(const char *p, const char *end, struct jit_symbol *out, const char **name)
{
    if (!text_hex(&p, end, &out->start) || p == end || *p++ != ' ' ||
        !text_hex(&p, end, &out->size) || p == end || *p++ != ' ')
        return false;
    *name = p;
    out->len = end - p > NAME_SHOWN ? NAME_SHOWN : (uint32_t)(end - p);
    return out->len && out->size;
}

static int by_start(const void *a, const void *b)
{
    const struct jit_symbol *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

static void sort(struct jit_map *m)
{
    size_t kept = 0;
    if (m->count)
        qsort(m->v, m->count, sizeof *m->v, by_start);
    for (size_t i = 0; i < m->count; i++) {
        if (kept && m->v[kept - 1].start == m->v[i].start)
            kept--;
        m->v[kept++] = m->v[i];
    }
    m->count = kept;
}

static int add_line(struct jit_map *m, const char *line, const char *end)
{
    struct jit_symbol s;
    const char *name;
    if (!parse_line(line, end, &s, &name))
        return 0;
    void *v = m->v;
    int rc = array_reserve(&v, &m->cap, m->count + 1, sizeof *m->v);
    m->v = v;
    s.name = (uint32_t)m->text.len;
    if (!rc)
        rc = buf_append(&m->text, name, s.len);
    if (!rc)
        m->v[m->count++] = s;
    return rc;
}

int jit_map_parse(const char *bytes, size_t len, struct jit_map **out)
{
    struct jit_map *m = calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    int rc = 0;
    for (const char *p = bytes, *end = bytes + len; !rc && p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        rc = add_line(m, p, stop);
        p = newline ? newline + 1 : end;
    }
    if (rc) {
        jit_map_destroy(m);
        return rc;
    }
    sort(m);
    *out = m;
    return 0;
}

void jit_map_symbol(const struct jit_map *m, uint64_t address, char *out, size_t cap)
{
    size_t lo = 0, hi = m->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (m->v[mid].start <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    out[0] = '\0';
    for (size_t i = lo; i > 0 && lo - i < NESTING; i--) {
        const struct jit_symbol *s = &m->v[i - 1];
        char name[NAME_SHOWN + 1];
        if (address - s->start >= s->size)
            continue;
        text_escape(name, sizeof name, m->text.data + s->name, s->len);
        snprintf(out, cap, "%s+0x%llx", name, (unsigned long long)(address - s->start));
        return;
    }
}

/* The pid inside the innermost pid namespace: the last number behind NSpid. */
static int own_pid(int process_fd, int pid)
{
    struct buf b = {0};
    uint64_t found = (uint64_t)pid, v;
    if (!io_read_at(process_fd, "status", &b)) {
        const char *p = strstr(b.data, "\nNSpid:"), *end = b.data + b.len;
        for (p = p ? p + 7 : end; p < end && *p == '\t';) {
            p++;
            if (!text_dec(&p, end, &v))
                break;
            found = v;
        }
    }
    buf_deinit(&b);
    return (int)found;
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int jit_map_read(int process_fd, int pid, struct stat *seen, struct jit_map **out)
{
    char path[64];
    struct stat st, process;
    snprintf(path, sizeof path, "root/tmp/perf-%d.map", own_pid(process_fd, pid));
    int fd = mapped_open_regular(process_fd, path, &st);
    if (fd < 0)
        return -ENOENT;
    int rc = 0;
    struct buf b = {0};
    if (fstat(process_fd, &process) || (st.st_uid != process.st_uid && st.st_uid != 0) ||
        st.st_size > FILE_MAX)
        rc = -ENOENT;
    else if (same(&st, seen))
        rc = -EALREADY;
    else
        rc = io_read_fd(fd, &b);
    close(fd);
    if (!rc)
        rc = jit_map_parse(b.data, b.len, out);
    buf_deinit(&b);
    if (!rc)
        *seen = st;
    return rc;
}
