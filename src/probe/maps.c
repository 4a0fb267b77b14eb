/* Parsing maps and smaps. Two passes: the first counts lines so that tables and names are allocated
 * once; the second fills them. */
#include "probe/maps.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { PAGE_LEAST = 4096 }; /* no Linux architecture has smaller pages */

/* Grows with the lines; names are offsets until the arena stops moving. */
struct builder {
    struct region_table *t;
    size_t cap, names_len;
    const struct mount_kinds *kinds;
    uint64_t above; /* end of the last accepted region */
};

static bool starts_with(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

static enum region_kind kind_of_special(const char *name)
{
    static const struct {
        const char *prefix;
        enum region_kind kind;
    } names[] = {
        {"[heap]", REGION_HEAP},   {"[stack", REGION_STACK},       {"[vdso]", REGION_VDSO},
        {"[vvar", REGION_VVAR},    {"[vsyscall]", REGION_VSYSCALL}, {"[anon_shmem:", REGION_SHMEM},
    };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (starts_with(name, names[i].prefix))
            return names[i].kind;
    return REGION_ANON;
}

static enum region_kind kind_of_file(const struct region *r, const struct mount_kinds *kinds)
{
    enum mount_kind m = kinds ? mounts_kind(kinds, r->dev_major, r->dev_minor) : MOUNT_OTHER;
    if (starts_with(r->name, "/anon_hugepage") || m == MOUNT_HUGETLB)
        return REGION_HUGETLB;
    if (m == MOUNT_SHMEM || !strcmp(r->name, "/dev/zero (deleted)") ||
        starts_with(r->name, "/memfd:") || starts_with(r->name, "/SYSV"))
        return REGION_SHMEM;
    /* A private mapping of /dev/zero is plain anonymous memory (drivers/char/mem.c, mmap_zero). */
    if (!strcmp(r->name, "/dev/zero"))
        return REGION_ANON;
    if (m == MOUNT_DEVTMPFS || starts_with(r->name, "anon_inode:"))
        return REGION_DEVICE;
    return REGION_FILE;
}

enum region_kind maps_kind(const struct region *r, const struct mount_kinds *kinds)
{
    if (r->name[0] == '[')
        return kind_of_special(r->name);
    return r->inode || r->name[0] ? kind_of_file(r, kinds) : REGION_ANON;
}

static bool take(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    (*p)++;
    return true;
}

static bool parse_perms(const char **p, const char *end, uint8_t *perms)
{
    if (end - *p < 4)
        return false;
    const char *s = *p;
    if ((s[3] != 'p' && s[3] != 's') || (s[0] != 'r' && s[0] != '-') ||
        (s[1] != 'w' && s[1] != '-') || (s[2] != 'x' && s[2] != '-'))
        return false;
    *perms = (uint8_t)((s[0] == 'r' ? REGION_R : 0) | (s[1] == 'w' ? REGION_W : 0) |
                       (s[2] == 'x' ? REGION_X : 0) | (s[3] == 's' ? REGION_SHARED : 0));
    *p += 4;
    return true;
}

/* Everything up to the name; *p is left at the name. */
static bool parse_head(const char **p, const char *end, struct region *r)
{
    uint64_t dev_major, dev_minor;
    if (!text_hex(p, end, &r->start) || !take(p, end, '-') || !text_hex(p, end, &r->end) ||
        !take(p, end, ' ') || !parse_perms(p, end, &r->perms) || !take(p, end, ' ') ||
        !text_hex(p, end, &r->offset) || !take(p, end, ' ') || !text_hex(p, end, &dev_major) ||
        !take(p, end, ':') || !text_hex(p, end, &dev_minor) || !take(p, end, ' ') ||
        !text_dec(p, end, &r->inode))
        return false;
    if (dev_major > UINT32_MAX || dev_minor > UINT32_MAX)
        return false;
    r->dev_major = (uint32_t)dev_major;
    r->dev_minor = (uint32_t)dev_minor;
    if (*p < end && **p != ' ')
        return false;
    while (*p < end && **p == ' ')
        (*p)++;
    return true;
}

static int builder_init(struct builder *b, size_t lines, size_t bytes,
                        const struct mount_kinds *kinds)
{
    *b = (struct builder){.t = region_table_create(), .cap = lines, .kinds = kinds};
    if (!b->t)
        return -ENOMEM;
    b->t->v = malloc((lines + 1) * sizeof *b->t->v);
    b->t->names = malloc(bytes + lines + 1);
    if (b->t->v && b->t->names)
        return 0;
    region_table_unref(b->t);
    return -ENOMEM;
}

/* Adds the region of one line. False if the line is dropped. */
static bool builder_add(struct builder *b, const char *line, const char *end)
{
    struct region r = {0};
    const char *p = line;
    if (b->t->count == b->cap || !parse_head(&p, end, &r) || r.start >= r.end ||
        (r.start | r.end) & (PAGE_LEAST - 1) || r.start < b->above ||
        memchr(p, '\0', (size_t)(end - p)))
        return false;
    char *name = b->t->names + b->names_len;
    size_t len = (size_t)(end - p);
    memcpy(name, p, len);
    name[len] = '\0';
    r.name = name;
    b->names_len += len + 1;
    r.kind = (uint8_t)maps_kind(&r, b->kinds);
    b->above = r.end;
    b->t->v[b->t->count++] = r;
    return true;
}

static size_t count_lines(const char *bytes, size_t len)
{
    size_t n = 1;
    for (const char *p = bytes, *end = bytes + len; (p = memchr(p, '\n', (size_t)(end - p))); p++)
        n++;
    return n;
}

int maps_parse(const char *bytes, size_t len, const struct mount_kinds *kinds,
               struct region_table **out)
{
    struct builder b;
    int rc = builder_init(&b, len ? count_lines(bytes, len) : 0, len, kinds);
    if (rc)
        return rc;
    const char *end = bytes + len;
    for (const char *p = bytes; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        if (!builder_add(&b, p, nl ? nl : end))
            b.t->skipped++;
        p = nl ? nl + 1 : end;
    }
    *out = b.t;
    return 0;
}

/* --- smaps --- */

static const struct {
    const char *key;
    size_t offset;
} fields[] = {
    {"Rss:", offsetof(struct region_smaps, rss)},
    {"Pss:", offsetof(struct region_smaps, pss)},
    {"Anonymous:", offsetof(struct region_smaps, anonymous)},
    {"Swap:", offsetof(struct region_smaps, swap)},
    {"SwapPss:", offsetof(struct region_smaps, swap_pss)},
    {"AnonHugePages:", offsetof(struct region_smaps, anon_huge)},
    {"ShmemPmdMapped:", offsetof(struct region_smaps, shmem_pmd)},
    {"FilePmdMapped:", offsetof(struct region_smaps, file_pmd)},
    {"Shared_Hugetlb:", offsetof(struct region_smaps, shared_hugetlb)},
    {"Private_Hugetlb:", offsetof(struct region_smaps, private_hugetlb)},
    {"KSM:", offsetof(struct region_smaps, ksm)},
    {"Locked:", offsetof(struct region_smaps, locked)},
    {"Shared_Clean:", offsetof(struct region_smaps, shared_clean)},
    {"Shared_Dirty:", offsetof(struct region_smaps, shared_dirty)},
    {"Private_Clean:", offsetof(struct region_smaps, private_clean)},
    {"Private_Dirty:", offsetof(struct region_smaps, private_dirty)},
    {"LazyFree:", offsetof(struct region_smaps, lazy_free)},
    {"Referenced:", offsetof(struct region_smaps, referenced)},
    {"KernelPageSize:", offsetof(struct region_smaps, kernel_page_size)},
};

static void parse_vmflags(const char *p, const char *end, uint64_t *flags)
{
    while (end - p >= 2) {
        if (*p == ' ') {
            p++;
            continue;
        }
        int bit = region_vmflag_bit(p);
        if (bit >= 0)
            *flags |= (uint64_t)1 << bit;
        p += 2;
    }
}

/* One line of numbers: "Rss:                   4 kB". False if it is none that we know. */
static bool parse_field(struct region_smaps *s, const char *line, const char *end)
{
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t klen = strlen(fields[i].key);
        if ((size_t)(end - line) < klen || memcmp(line, fields[i].key, klen))
            continue;
        const char *p = line + klen;
        while (p < end && *p == ' ')
            p++;
        uint64_t kb;
        if (!text_dec(&p, end, &kb) || kb > UINT64_MAX / 1024)
            return false;
        memcpy((char *)s + fields[i].offset, &(uint64_t){kb * 1024}, sizeof kb);
        s->ksm_known |= fields[i].offset == offsetof(struct region_smaps, ksm);
        return true;
    }
    return false;
}

/* A line that starts a region begins with an address; all others begin with a capital letter. */
static bool is_head(const char *line, const char *end)
{
    return line < end && isxdigit((unsigned char)*line) && !isupper((unsigned char)*line);
}

static size_t count_heads(const char *bytes, const char *end)
{
    size_t n = 0;
    for (const char *p = bytes; p < end;) {
        n += is_head(p, end);
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        p = nl ? nl + 1 : end;
    }
    return n;
}

int smaps_parse(const char *bytes, size_t len, const struct mount_kinds *kinds,
                struct region_table **out)
{
    const char *end = bytes + len;
    size_t heads = count_heads(bytes, end);
    struct builder b;
    int rc = builder_init(&b, heads, len, kinds);
    if (rc)
        return rc;
    b.t->smaps = calloc(heads + 1, sizeof *b.t->smaps);
    if (!b.t->smaps) {
        region_table_unref(b.t);
        return -ENOMEM;
    }
    struct region_smaps *now = NULL;
    for (const char *p = bytes; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
        if (is_head(p, stop)) {
            now = builder_add(&b, p, stop) ? &b.t->smaps[b.t->count - 1] : NULL;
            if (now)
                b.t->v[b.t->count - 1].smaps = now;
            else
                b.t->skipped++;
        } else if (now && stop - p > 8 && !memcmp(p, "VmFlags:", 8)) {
            parse_vmflags(p + 8, stop, &now->vmflags);
        } else if (now) {
            parse_field(now, p, stop);
        }
        p = nl ? nl + 1 : end;
    }
    *out = b.t;
    return 0;
}
