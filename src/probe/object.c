/* Sections and symbols of an ELF file, by libelf, copied into sorted tables. The header is checked
 * by hand first: its counts decide how much libelf allocates before anything can be bounded. */
#include "probe/object.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "model/region.h"

enum {
    SEGMENTS_MAX = 256,
    SYMBOLS_MAX = 1 << 21,
    STRINGS_MAX = 64 << 20,
    NESTING_MAX = 32, /* symbols looked at for one that encloses an address */
    NAME_MAX_SHOWN = 200
};

struct segment {
    uint64_t offset, file_size, address;
    unsigned perms;
};

struct section {
    uint64_t address, size;
    size_t name; /* in names */
};

struct symbol {
    uint64_t address;
    uint32_t size; /* 0: not told */
    uint32_t name; /* in strings */
    uint8_t rank;  /* which of several at one address to show: the lowest */
};

struct object {
    struct segment *segments;
    size_t segment_count, segment_cap;
    struct section *sections; /* as in the file */
    size_t section_count, section_cap;
    struct symbol *symbols; /* by address, one for each */
    size_t symbol_count;
    struct buf names;   /* of sections, NUL-terminated each */
    struct buf strings; /* the string table of the symbols, ended by a NUL of ours */
};

void object_destroy(struct object *o)
{
    if (!o)
        return;
    free(o->segments);
    free(o->sections);
    free(o->symbols);
    buf_deinit(&o->names);
    buf_deinit(&o->strings);
    free(o);
}

size_t object_bytes(const struct object *o)
{
    return sizeof *o + o->segment_cap * sizeof *o->segments + o->section_cap * sizeof *o->sections +
           o->symbol_count * sizeof *o->symbols + o->names.cap + o->strings.cap;
}

bool object_has_symbols(const struct object *o)
{
    return o->symbol_count > 0;
}

/* NULL, or why this is no file to read on. Counts beyond 16 bits, which would be found in the first
 * section header, are refused: no program or library has them. */
static const char *header_fault(const unsigned char *h, size_t len)
{
    const unsigned char data =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    if (len < SELFMAG || memcmp(h, ELFMAG, SELFMAG))
        return "not an ELF file";
    if (len < sizeof(Elf32_Ehdr) || (h[EI_CLASS] == ELFCLASS64 && len < sizeof(Elf64_Ehdr)))
        return "the ELF header is cut off";
    if ((h[EI_CLASS] != ELFCLASS64 && h[EI_CLASS] != ELFCLASS32) || h[EI_DATA] != data)
        return "an ELF file for another kind of machine";
    Elf64_Ehdr e;
    Elf32_Ehdr small;
    memcpy(&e, h, len < sizeof e ? len : sizeof e);
    memcpy(&small, h, sizeof small);
    bool is64 = h[EI_CLASS] == ELFCLASS64;
    unsigned sections = is64 ? e.e_shnum : small.e_shnum;
    unsigned segments = is64 ? e.e_phnum : small.e_phnum;
    bool table = is64 ? e.e_shoff != 0 : small.e_shoff != 0;
    if ((table && !sections) || segments > SEGMENTS_MAX)
        return "an ELF file with implausible tables";
    return NULL;
}

static int read_segments(struct object *o, Elf *elf)
{
    size_t count = 0;
    if (elf_getphdrnum(elf, &count) || count > SEGMENTS_MAX)
        return 0;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr h;
        if (!gelf_getphdr(elf, (int)i, &h) || h.p_type != PT_LOAD || !h.p_filesz)
            continue;
        void *v = o->segments;
        int rc = array_reserve(&v, &o->segment_cap, o->segment_count + 1, sizeof *o->segments);
        o->segments = v;
        if (rc)
            return rc;
        unsigned perms = (h.p_flags & PF_R ? REGION_R : 0u) | (h.p_flags & PF_W ? REGION_W : 0u) |
                         (h.p_flags & PF_X ? REGION_X : 0u);
        o->segments[o->segment_count++] =
            (struct segment){h.p_offset, h.p_filesz, h.p_vaddr, perms};
    }
    return 0;
}

/* The section's bytes if their size is bearable, or NULL. */
static Elf_Data *bounded_data(Elf_Scn *scn, uint64_t max)
{
    GElf_Shdr h;
    if (!scn || !gelf_getshdr(scn, &h) || h.sh_size > max || h.sh_type == SHT_NOBITS ||
        (h.sh_flags & SHF_COMPRESSED))
        return NULL;
    Elf_Data *d = elf_getdata(scn, NULL);
    return d && d->d_buf && d->d_size <= max ? d : NULL;
}

/* A string of a string table, or "" when it does not end inside it. */
static const char *string_at(const Elf_Data *table, uint64_t at)
{
    if (!table || at >= table->d_size)
        return "";
    const char *s = (const char *)table->d_buf + at;
    return memchr(s, '\0', table->d_size - at) ? s : "";
}

static int add_section(struct object *o, const GElf_Shdr *h, const char *name)
{
    void *v = o->sections;
    int rc = array_reserve(&v, &o->section_cap, o->section_count + 1, sizeof *o->sections);
    o->sections = v;
    if (rc)
        return rc;
    size_t at = o->names.len;
    rc = buf_append(&o->names, name, strnlen(name, NAME_MAX_SHOWN));
    if (!rc)
        rc = buf_putc(&o->names, '\0');
    if (!rc)
        o->sections[o->section_count++] = (struct section){h->sh_addr, h->sh_size, at};
    return rc;
}

static int read_sections(struct object *o, Elf *elf)
{
    size_t index = 0;
    Elf_Data *names =
        elf_getshdrstrndx(elf, &index) ? NULL : bounded_data(elf_getscn(elf, index), STRINGS_MAX);
    int rc = 0;
    for (Elf_Scn *scn = NULL; !rc && (scn = elf_nextscn(elf, scn));) {
        GElf_Shdr h;
        if (!gelf_getshdr(scn, &h) || !(h.sh_flags & SHF_ALLOC) || !h.sh_size)
            continue;
        if (h.sh_type == SHT_NOBITS && (h.sh_flags & SHF_TLS))
            continue; /* takes no addresses of its own */
        rc = add_section(o, &h, string_at(names, h.sh_name));
    }
    return rc;
}

static Elf_Scn *symbol_table(Elf *elf)
{
    Elf_Scn *dynamic = NULL;
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
        GElf_Shdr h;
        if (!gelf_getshdr(scn, &h))
            continue;
        if (h.sh_type == SHT_SYMTAB)
            return scn;
        if (h.sh_type == SHT_DYNSYM && !dynamic)
            dynamic = scn;
    }
    return dynamic;
}

static bool is_place(const GElf_Sym *s)
{
    unsigned type = GELF_ST_TYPE(s->st_info);
    bool typed =
        type == STT_FUNC || type == STT_OBJECT || type == STT_GNU_IFUNC || type == STT_NOTYPE;
    return typed && s->st_shndx != SHN_UNDEF && s->st_shndx != SHN_ABS && s->st_name;
}

/* Of several names for one place: those with a type, then global ones, then plain names. */
static uint8_t rank_of(const GElf_Sym *s, const char *name)
{
    return (uint8_t)((GELF_ST_TYPE(s->st_info) == STT_NOTYPE) << 2 |
                     (GELF_ST_BIND(s->st_info) == STB_LOCAL) << 1 | (name[0] == '_'));
}

static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

static void sort_symbols(struct object *o)
{
    qsort(o->symbols, o->symbol_count, sizeof *o->symbols, by_address);
    size_t kept = 0;
    for (size_t i = 0; i < o->symbol_count; i++)
        if (!kept || o->symbols[kept - 1].address != o->symbols[i].address)
            o->symbols[kept++] = o->symbols[i];
    o->symbol_count = kept;
}

static int collect_symbols(struct object *o, Elf_Data *table, size_t count, const Elf_Data *strings)
{
    o->symbols = calloc(count, sizeof *o->symbols);
    if (!o->symbols)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        GElf_Sym s;
        if (!gelf_getsym(table, (int)i, &s) || !is_place(&s))
            continue;
        const char *name = string_at(strings, s.st_name);
        if (!*name)
            continue;
        o->symbols[o->symbol_count++] = (struct symbol){
            .address = s.st_value,
            .size = s.st_size > UINT32_MAX ? UINT32_MAX : (uint32_t)s.st_size,
            .name = s.st_name,
            .rank = rank_of(&s, name),
        };
    }
    return 0;
}

static int read_symbols(struct object *o, Elf *elf)
{
    Elf_Scn *scn = symbol_table(elf);
    GElf_Shdr h;
    if (!scn || !gelf_getshdr(scn, &h))
        return 0;
    size_t each = gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT);
    Elf_Data *table = bounded_data(scn, (uint64_t)SYMBOLS_MAX * each);
    Elf_Data *strings = bounded_data(elf_getscn(elf, h.sh_link), STRINGS_MAX);
    size_t count = table && table->d_type == ELF_T_SYM ? table->d_size / each : 0;
    if (!count || !strings)
        return 0;
    int rc = collect_symbols(o, table, count, strings);
    if (rc)
        return rc;
    sort_symbols(o);
    return buf_append(&o->strings, strings->d_buf, strings->d_size);
}

static int read_tables(Elf *elf, struct object **out, const char **why)
{
    if (!elf || elf_kind(elf) != ELF_K_ELF) {
        *why = "a damaged ELF file";
        return -ENOEXEC;
    }
    struct object *o = calloc(1, sizeof *o);
    if (!o)
        return -ENOMEM;
    int rc = read_segments(o, elf);
    if (!rc)
        rc = read_sections(o, elf);
    if (!rc)
        rc = read_symbols(o, elf);
    if (rc) {
        object_destroy(o);
        return rc;
    }
    *out = o;
    return 0;
}

int object_check(int fd, const char **why)
{
    unsigned char head[sizeof(Elf64_Ehdr)];
    ssize_t n = io_pread(fd, head, sizeof head, 0);
    const char *fault = n < 0 ? "the file cannot be read" : header_fault(head, (size_t)n);
    if (fault)
        *why = fault;
    return fault ? -ENOEXEC : 0;
}

int object_read(int fd, struct object **out, const char **why)
{
    if (object_check(fd, why))
        return -ENOEXEC;
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    int rc = read_tables(elf, out, why);
    elf_end(elf);
    return rc;
}

int object_read_image(const char *image, size_t size, struct object **out, const char **why)
{
    const char *fault = header_fault((const unsigned char *)image, size);
    if (fault) {
        *why = fault;
        return -ENOEXEC;
    }
    char *copy = malloc(size); /* libelf wants one that it may write to */
    if (!copy)
        return -ENOMEM;
    memcpy(copy, image, size);
    elf_version(EV_CURRENT);
    Elf *elf = elf_memory(copy, size);
    int rc = read_tables(elf, out, why);
    elf_end(elf);
    free(copy);
    return rc;
}

/* Whole pages are mapped, with what precedes and follows the segment in the file. */
static bool segment_maps(const struct segment *s, uint64_t file_offset)
{
    const uint64_t mask = (uint64_t)sysconf(_SC_PAGESIZE) - 1;
    uint64_t first = s->offset & ~mask;
    uint64_t size = ((s->offset & mask) + s->file_size + mask) & ~mask;
    return file_offset >= first && file_offset - first < size;
}

bool object_address(const struct object *o, uint64_t file_offset, unsigned perms, uint64_t *out)
{
    const struct segment *best = NULL;
    perms &= REGION_R | REGION_W | REGION_X;
    for (size_t i = 0; i < o->segment_count; i++) {
        const struct segment *s = &o->segments[i];
        if (segment_maps(s, file_offset) && (!best || (best->perms != perms && s->perms == perms)))
            best = s;
    }
    if (best)
        *out = best->address + (file_offset - best->offset);
    return best;
}

static const struct section *section_at(const struct object *o, uint64_t address)
{
    for (size_t i = 0; i < o->section_count; i++)
        if (address - o->sections[i].address < o->sections[i].size)
            return &o->sections[i];
    return NULL;
}

void object_section(const struct object *o, uint64_t address, uint64_t len, char *out, size_t cap)
{
    const struct section *found = section_at(o, address);
    for (size_t i = 0; !found && i < o->section_count; i++)
        if (o->sections[i].address - address < len)
            found = &o->sections[i];
    const char *name = found ? o->names.data + found->name : "";
    text_escape(out, cap, name, strlen(name));
}

/* Index of the first symbol above an address. */
static size_t symbol_after(const struct object *o, uint64_t address)
{
    size_t lo = 0, hi = o->symbol_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (o->symbols[mid].address <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The symbol before index `after` that holds the address: by its size, or, when it does not tell
 * one, because nothing else begins between and both are in one section. */
static const struct symbol *symbol_over(const struct object *o, size_t after, uint64_t address)
{
    for (size_t i = after; i > 0 && after - i < NESTING_MAX; i--) {
        const struct symbol *s = &o->symbols[i - 1];
        if (address - s->address < s->size)
            return s;
        const struct section *section = section_at(o, address);
        if (i == after && !s->size && section && section == section_at(o, s->address))
            return s;
    }
    return NULL;
}

void object_symbol(const struct object *o, uint64_t address, uint64_t len, char *out, size_t cap)
{
    char name[NAME_MAX_SHOWN + 1];
    size_t after = symbol_after(o, address);
    const struct symbol *s = symbol_over(o, after, address);
    const char *how = "+";
    uint64_t distance = s ? address - s->address : 0;
    if (!s && after < o->symbol_count && o->symbols[after].address - address < len) {
        s = &o->symbols[after];
        how = " at +";
        distance = s->address - address;
    }
    out[0] = '\0';
    if (!s)
        return;
    const char *raw = o->strings.data + s->name;
    text_escape(name, sizeof name, raw, strnlen(raw, NAME_MAX_SHOWN));
    snprintf(out, cap, "%s%s0x%llx", name, how, (unsigned long long)distance);
}
