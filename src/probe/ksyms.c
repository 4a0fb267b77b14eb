/* The kernel's functions: addresses, sorted, and their names one behind the other. */
#include "probe/ksyms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"

struct ksym {
    uint64_t address;
    uint32_t name; /* where it begins in names */
};

struct ksyms {
    struct ksym *v;
    size_t count, cap;
    struct buf names; /* each ends with a newline */
};

static int add(struct ksyms *k, uint64_t address, const char *name, size_t len)
{
    void *v = k->v;
    int rc = array_reserve(&v, &k->cap, k->count + 1, sizeof *k->v);
    k->v = v;
    if (!rc && k->names.len + len >= UINT32_MAX)
        rc = -ENOMEM;
    if (!rc)
        rc = buf_reserve(&k->names, len + 1);
    if (rc)
        return rc;
    k->v[k->count++] = (struct ksym){address, (uint32_t)k->names.len};
    buf_append(&k->names, name, len);
    buf_putc(&k->names, '\n');
    return 0;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '.' || c == '$';
}

static int parse_line(struct ksyms *k, const char *p, const char *end)
{
    uint64_t address;
    if (!text_hex(&p, end, &address) || !address || end - p < 4 || p[0] != ' ' || p[2] != ' ' ||
        !strchr("tTwW", p[1]))
        return 0;
    const char *name = p += 3;
    while (p < end && is_name(*p))
        p++;
    if (p == name || (p < end && *p != '\t'))
        return 0;
    return add(k, address, name, (size_t)(p - name));
}

static int compare(const void *a, const void *b)
{
    const struct ksym *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

int ksyms_parse(const char *text, size_t len, struct ksyms **out)
{
    struct ksyms *k = calloc(1, sizeof *k);
    int rc = k ? 0 : -ENOMEM;
    for (const char *p = text, *end = text + len, *eol; !rc && p < end; p = eol + 1) {
        eol = memchr(p, '\n', (size_t)(end - p));
        eol = eol ? eol : end;
        rc = parse_line(k, p, eol);
    }
    if (!rc && !k->count)
        rc = -ENOENT;
    if (rc) {
        ksyms_destroy(k);
        return rc;
    }
    qsort(k->v, k->count, sizeof *k->v, compare);
    *out = k;
    return 0;
}

int ksyms_read(const char *proc_root, struct ksyms **out, struct err *e)
{
    struct buf text = {0}, path = {0};
    int rc = buf_printf(&path, "%s/kallsyms", proc_root ? proc_root : "/proc");
    if (!rc)
        rc = io_read_at(AT_FDCWD, path.data, &text);
    if (!rc)
        rc = ksyms_parse(text.data, text.len, out);
    buf_deinit(&text);
    buf_deinit(&path);
    if (rc == -ENOENT)
        return err_set(e, rc, "/proc/kallsyms tells no addresses: it needs CAP_SYSLOG, and "
                              "kernel.kptr_restrict below 2; run it as root");
    return rc ? err_set(e, rc, "/proc/kallsyms cannot be read: %s", strerror(-rc)) : 0;
}

void ksyms_destroy(struct ksyms *k)
{
    if (!k)
        return;
    free(k->v);
    buf_deinit(&k->names);
    free(k);
}

/* The number of functions that begin at the address or below it. */
static size_t count_below(const struct ksyms *k, uint64_t address)
{
    size_t lo = 0, hi = k->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (k->v[mid].address <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const char *ksyms_find(const struct ksyms *k, uint64_t address, size_t *len)
{
    size_t n = count_below(k, address);
    if (!n)
        return NULL;
    const char *name = k->names.data + k->v[n - 1].name;
    *len = strcspn(name + 1, ".\n") + 1;
    return name;
}

bool ksyms_range(const struct ksyms *k, const char *name, uint64_t *start, uint64_t *end)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < k->count; i++) {
        const char *found = k->names.data + k->v[i].name;
        if (strncmp(found, name, len) || found[len] != '\n')
            continue;
        size_t next = count_below(k, k->v[i].address);
        *start = k->v[i].address;
        *end = next < k->count ? k->v[next].address : *start + 1;
        return true;
    }
    return false;
}

size_t ksyms_count(const struct ksyms *k)
{
    return k->count;
}
