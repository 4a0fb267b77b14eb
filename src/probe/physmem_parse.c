/* Parsers of the machine's tables in /proc. Examples of the lines:
 *   zoneinfo     Node 0, zone   Normal          spanned  5505024           start_pfn:           1048576
 *   buddyinfo    Node 0, zone   Normal   3259   1790    854 ...
 *   vmallocinfo  0x...-0x...   20480 kernel_clone+0x94/0x3e0 pages=4 vmalloc N0=4 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "probe/physmem.h"

/* --- words of a line --- */

struct words {
    const char *p, *end;
};

static bool next_word(struct words *w, const char **word, size_t *len)
{
    while (w->p < w->end && isspace((unsigned char)*w->p))
        w->p++;
    *word = w->p;
    while (w->p < w->end && !isspace((unsigned char)*w->p))
        w->p++;
    *len = (size_t)(w->p - *word);
    return *len != 0;
}

static bool is_word(const char *word, size_t len, const char *wanted)
{
    return len == strlen(wanted) && !memcmp(word, wanted, len);
}

static bool word_number(const char *word, size_t len, uint64_t *out)
{
    const char *p = word, *end = word + len;
    return text_dec(&p, end, out) && (p == end || *p == ',');
}

static void copy_word(char *out, size_t cap, const char *word, size_t len)
{
    len = len < cap - 1 ? len : cap - 1;
    memcpy(out, word, len);
    out[len] = '\0';
}

/* Calls `each` for every line. */
typedef void line_fn(void *ctx, struct words line);
static void each_line(const char *bytes, size_t len, line_fn *each, void *ctx)
{
    const char *end = bytes + len;
    for (const char *p = bytes; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
        each(ctx, (struct words){p, stop});
        p = stop + 1;
    }
}

/* "Node 0, zone   Normal" */
static bool zone_head(struct words *line, uint64_t *node, const char **name, size_t *len)
{
    const char *word;
    size_t n;
    return next_word(line, &word, &n) && is_word(word, n, "Node") && next_word(line, &word, &n) &&
           word_number(word, n, node) && next_word(line, &word, &n) && is_word(word, n, "zone") &&
           next_word(line, name, len);
}

/* --- zoneinfo --- */

struct zones {
    struct physmem_info *out;
    struct zone *now;
};

static void zone_line(void *ctx, struct words line)
{
    struct zones *z = ctx;
    struct words head = line;
    const char *word;
    uint64_t node, value;
    size_t len;
    if (zone_head(&head, &node, &word, &len)) {
        z->now = NULL;
        if (z->out->zone_count == PHYSMEM_ZONES || node > UINT16_MAX)
            return;
        z->now = &z->out->zones[z->out->zone_count++];
        *z->now = (struct zone){.node = (unsigned)node};
        copy_word(z->now->name, sizeof z->now->name, word, len);
        return;
    }
    if (!z->now || !next_word(&line, &word, &len))
        return;
    const char *value_word;
    size_t value_len;
    if (!next_word(&line, &value_word, &value_len) || !word_number(value_word, value_len, &value))
        return;
    if (is_word(word, len, "spanned"))
        z->now->spanned = value;
    else if (is_word(word, len, "present"))
        z->now->present = value;
    else if (is_word(word, len, "start_pfn:"))
        z->now->start = value;
}

static int by_start(const void *a, const void *b)
{
    const struct zone *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

void zoneinfo_parse(const char *bytes, size_t len, struct physmem_info *out)
{
    struct zones z = {out, NULL};
    unsigned kept = 0;
    out->zone_count = 0;
    out->frames = 0;
    each_line(bytes, len, zone_line, &z);
    for (unsigned i = 0; i < out->zone_count; i++) {
        const struct zone *zone = &out->zones[i];
        if (!zone->spanned || zone->start + zone->spanned < zone->start)
            continue;
        if (zone->start + zone->spanned > out->frames)
            out->frames = zone->start + zone->spanned;
        out->zones[kept++] = *zone;
    }
    out->zone_count = kept;
    qsort(out->zones, kept, sizeof *out->zones, by_start);
}

/* --- buddyinfo --- */

static void buddy_line(void *ctx, struct words line)
{
    struct physmem_info *out = ctx;
    const char *name, *word;
    uint64_t node, count;
    size_t len, n;
    if (!zone_head(&line, &node, &name, &len))
        return;
    for (unsigned i = 0; i < out->zone_count; i++) {
        struct zone *z = &out->zones[i];
        if (z->node != node || !is_word(name, len, z->name))
            continue;
        z->orders = 0;
        while (z->orders < BUDDY_ORDERS && next_word(&line, &word, &n) &&
               word_number(word, n, &count))
            z->free[z->orders++] = count;
        return;
    }
}

void buddyinfo_parse(const char *bytes, size_t len, struct physmem_info *out)
{
    each_line(bytes, len, buddy_line, out);
}

/* --- meminfo --- */

void meminfo_parse(const char *bytes, size_t len, struct meminfo *out)
{
    const struct {
        const char *key;
        uint64_t *to;
    } lines[] = {
        {"MemTotal:", &out->total},        {"MemFree:", &out->free},
        {"MemAvailable:", &out->available}, {"Buffers:", &out->buffers},
        {"Cached:", &out->cached},         {"AnonPages:", &out->anon},
        {"Shmem:", &out->shmem},           {"Slab:", &out->slab},
        {"PageTables:", &out->page_tables}, {"KernelStack:", &out->kernel_stack},
        {"VmallocUsed:", &out->vmalloc_used}, {"VmallocTotal:", &out->vmalloc_total},
        {"Percpu:", &out->percpu},         {"Hugetlb:", &out->hugetlb},
        {"HighTotal:", &out->high_total},  {"DirectMap4k:", &out->direct_4k},
        {"DirectMap2M:", &out->direct_2m}, {"DirectMap1G:", &out->direct_1g},
    };
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) {
        uint64_t kb;
        bool known = text_field(bytes, len, lines[i].key, &kb) && kb <= UINT64_MAX / 1024;
        *lines[i].to = known ? kb * 1024 : UINT64_MAX;
    }
}

/* --- vmallocinfo --- */

/* "0xffffc90000000000-0xffffc90000005000". Addresses that are hashed (kptr_restrict 0) do not
 * differ by the size of the area. */
static struct kernel_range range_of(const char *word, size_t len, uint64_t bytes)
{
    struct kernel_range r = {0, 0}, none = {0, 0};
    const char *p = word + 2, *end = word + len;
    if (len < 2 || memcmp(word, "0x", 2) || !text_hex(&p, end, &r.start) || p == end || *p++ != '-' ||
        end - p < 2 || memcmp(p, "0x", 2))
        return none;
    p += 2;
    return text_hex(&p, end, &r.end) && r.end - r.start == bytes && bytes ? r : none;
}

static void extend(struct kernel_range *r, const struct kernel_range *by)
{
    if (!by->end)
        return;
    if (!r->end || by->start < r->start)
        r->start = by->start;
    if (by->end > r->end)
        r->end = by->end;
}

/* One area. False if the line is not one of an area. */
static bool area_of(struct words line, struct kernel_caller *out, struct kernel_range *range)
{
    static const char *const kinds[] = {"vmalloc", "ioremap", "vmap", "user", "dma-coherent",
                                        "unpurged", "vm_map_ram"};
    const char *word, *where;
    size_t len, where_len;
    *out = (struct kernel_caller){.areas = 1};
    if (!next_word(&line, &where, &where_len) || !memchr(where, '-', where_len) ||
        !next_word(&line, &word, &len) || !word_number(word, len, &out->bytes))
        return false;
    *range = range_of(where, where_len, out->bytes);
    while (next_word(&line, &word, &len)) {
        const char *p = word + 6;
        const char *plus = memchr(word, '+', len);
        if (len > 6 && !memcmp(word, "pages=", 6))
            text_dec(&p, word + len, &out->pages);
        else if (!out->name[0] && plus && plus > word)
            copy_word(out->name, sizeof out->name, word, (size_t)(plus - word));
        for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (is_word(word, len, kinds[i]) && !out->kind[0])
                copy_word(out->kind, sizeof out->kind, word, len);
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct kernel_caller *x = a, *y = b;
    int rc = strcmp(x->name, y->name);
    return rc ? rc : strcmp(x->kind, y->kind);
}

static int by_bytes(const void *a, const void *b)
{
    const struct kernel_caller *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return by_name(a, b);
}

static void add_caller(struct kernel_caller *to, const struct kernel_caller *from)
{
    to->areas += from->areas;
    to->bytes += from->bytes;
    to->pages += from->pages;
}

struct areas {
    struct physmem_info *out;
    struct kernel_caller others;
};

static void area_line(void *ctx, struct words line)
{
    struct areas *a = ctx;
    struct physmem_info *out = a->out;
    struct kernel_caller area;
    struct kernel_range range;
    if (!area_of(line, &area, &range))
        return;
    bool of_module = out->code.start && range.start >= out->code.start;
    extend(of_module ? &out->modules : &out->areas, &range);
    out->vmalloc_areas++;
    out->vmalloc_bytes += area.bytes;
    out->vmalloc_pages += area.pages;
    for (unsigned i = 0; i < out->caller_count; i++)
        if (!by_name(&out->callers[i], &area)) {
            add_caller(&out->callers[i], &area);
            return;
        }
    if (out->caller_count < PHYSMEM_CALLERS - 1)
        out->callers[out->caller_count++] = area;
    else
        add_caller(&a->others, &area);
}

void vmallocinfo_parse(const char *bytes, size_t len, struct physmem_info *out)
{
    struct areas a = {.out = out, .others = {.name = "others"}};
    out->caller_count = 0;
    out->vmalloc_areas = out->vmalloc_bytes = out->vmalloc_pages = 0;
    out->areas = out->modules = (struct kernel_range){0, 0};
    each_line(bytes, len, area_line, &a);
    if (out->caller_count)
        qsort(out->callers, out->caller_count, sizeof *out->callers, by_bytes);
    if (a.others.areas)
        out->callers[out->caller_count++] = a.others;
}
