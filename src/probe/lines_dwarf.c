/* Line tables by libdw. The file is foreign: it is read, never mapped (or truncating it would kill
 * us), and what it would take in memory is looked at first. Which unit an address belongs to is
 * told by the units themselves, since clang writes no .debug_aranges. */
#include <dlfcn.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "probe/lines_parts.h"

enum {
    BYTES_MAX = 256 << 20, /* of debug sections, uncompressed */
    RANGES_MAX = 1 << 22,
    NESTING = 32,
    SCALE = 3 /* libdw's tables, against the bytes that they are made from: a guess */
};

struct range {
    uint64_t start, end;
    Dwarf_Die unit;
};

struct debug_lines {
    const struct dw *dw;
    int fd;
    Elf *elf;
    Dwarf *dwarf;
    struct range *ranges; /* by start */
    size_t count, cap;
    size_t bytes;
};

const struct dw *dw_load(const char **why)
{
    static struct dw dw;
    static bool loaded;
    static const char *const names[] = {
        "dwarf_begin_elf", "dwarf_end", "dwarf_get_units", "dwarf_ranges", "dwarf_getsrc_die",
        "dwarf_lineno", "dwarf_linesrc", "dwelf_elf_gnu_build_id", "dwelf_elf_gnu_debuglink"};
    void **const places[] = {
        (void **)&dw.begin_elf, (void **)&dw.end, (void **)&dw.get_units, (void **)&dw.ranges,
        (void **)&dw.getsrc_die, (void **)&dw.lineno, (void **)&dw.linesrc, (void **)&dw.build_id,
        (void **)&dw.debuglink};
    if (loaded)
        return &dw;
    void *handle = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    *why = "source lines need libdw: install libdw1";
    if (!handle)
        return NULL;
    loaded = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *places[i] = dlsym(handle, names[i]);
        loaded = loaded && *places[i];
    }
    if (loaded)
        return &dw;
    dlclose(handle);
    return NULL;
}

/* Bytes of the debug sections, uncompressed; 0: no line tables. */
static uint64_t debug_bytes(Elf *elf)
{
    uint64_t sum = 0;
    bool has_lines = false;
    size_t names;
    if (elf_getshdrstrndx(elf, &names))
        return 0;
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
        GElf_Shdr h;
        GElf_Chdr c;
        const char *name = gelf_getshdr(scn, &h) ? elf_strptr(elf, names, h.sh_name) : NULL;
        if (!name || h.sh_type == SHT_NOBITS || strncmp(name, ".debug_", 7))
            continue;
        uint64_t size = h.sh_size;
        if ((h.sh_flags & SHF_COMPRESSED) && gelf_getchdr(scn, &c))
            size = c.ch_size;
        sum = size > UINT64_MAX - sum ? UINT64_MAX : sum + size;
        has_lines |= !strcmp(name, ".debug_line");
    }
    return has_lines ? sum : 0;
}

static int add_ranges(struct debug_lines *d, Dwarf_Die *unit)
{
    Dwarf_Addr base = 0, start, end;
    ptrdiff_t at = 0;
    while ((at = d->dw->ranges(unit, at, &base, &start, &end)) > 0 && d->count < RANGES_MAX) {
        void *v = d->ranges;
        int rc = array_reserve(&v, &d->cap, d->count + 1, sizeof *d->ranges);
        d->ranges = v;
        if (rc)
            return rc;
        if (start < end)
            d->ranges[d->count++] = (struct range){start, end, *unit};
    }
    return 0;
}

static int by_start(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static int read_units(struct debug_lines *d)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    int rc = 0;
    while (!rc && !d->dw->get_units(d->dwarf, unit, &unit, NULL, NULL, &die, NULL))
        rc = add_ranges(d, &die);
    if (d->count)
        qsort(d->ranges, d->count, sizeof *d->ranges, by_start);
    return rc;
}

static int open_elf(struct debug_lines *d, const char **why)
{
    elf_version(EV_CURRENT);
    d->elf = elf_begin(d->fd, ELF_C_READ, NULL);
    uint64_t bytes = d->elf ? debug_bytes(d->elf) : 0;
    *why = "it has no debug information: build it with -g, or install its -dbgsym package";
    if (!bytes)
        return -ENODATA;
    *why = "its debug information is too large to read";
    if (bytes > BYTES_MAX)
        return -EFBIG;
    *why = "its debug information is damaged";
    d->dwarf = d->dw->begin_elf(d->elf, DWARF_C_READ, NULL);
    d->bytes = (size_t)bytes * SCALE;
    return d->dwarf ? read_units(d) : -ENODATA;
}

int debug_lines_open(const struct dw *dw, int fd, struct debug_lines **out, const char **why)
{
    struct debug_lines *d = calloc(1, sizeof *d);
    if (!d) {
        close(fd);
        *why = "out of memory";
        return -ENOMEM;
    }
    d->dw = dw;
    d->fd = fd;
    int rc = open_elf(d, why);
    if (rc) {
        debug_lines_close(d);
        return rc;
    }
    *out = d;
    return 0;
}

void debug_lines_close(struct debug_lines *d)
{
    if (!d)
        return;
    if (d->dwarf)
        d->dw->end(d->dwarf);
    elf_end(d->elf);
    close(d->fd);
    free(d->ranges);
    free(d);
}

size_t debug_lines_bytes(const struct debug_lines *d)
{
    return sizeof *d + d->bytes + d->cap * sizeof *d->ranges;
}

/* The range that holds an address and begins last. */
static struct range *range_at(const struct debug_lines *d, uint64_t address)
{
    size_t lo = 0, hi = d->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->ranges[mid].start <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (size_t i = lo; i > 0 && lo - i < NESTING; i--)
        if (address < d->ranges[i - 1].end)
            return &d->ranges[i - 1];
    return NULL;
}

bool debug_lines_find(struct debug_lines *d, uint64_t address, const char **file, int *line)
{
    struct range *r = range_at(d, address);
    Dwarf_Line *found = r ? d->dw->getsrc_die(&r->unit, address) : NULL;
    int number = 0;
    if (!found || d->dw->lineno(found, &number) || number <= 0)
        return false;
    const char *name = d->dw->linesrc(found, NULL, NULL);
    if (!name)
        return false;
    *file = name;
    *line = number;
    return true;
}
