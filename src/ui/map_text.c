/* The words of the map: addresses, names, mixes, the place in the page table. */
#include "ui/map_parts.h"

#include <stdio.h>
#include <string.h>

#include "ui/fit.h"

const char *map_address(char out[MAP_ADDRESS_MAX], uint64_t address)
{
    char hex[17];
    int n = snprintf(hex, sizeof hex, "%llx", (unsigned long long)address);
    size_t o = 0;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 4 == 0)
            out[o++] = '_';
        out[o++] = hex[i];
    }
    out[o] = '\0';
    return out;
}

const char *map_region_name(const struct region *r, char out[MAP_NAME_MAX])
{
    const char *name = r->name;
    if (!*name) {
        snprintf(out, MAP_NAME_MAX, "%s", region_kind_name(r->kind));
        return out;
    }
    name = region_last_part(name);
    text_escape(out, MAP_NAME_MAX, name, strlen(name));
    return out;
}

const char *map_label(const struct layout *l, const struct layout_item *item, unsigned cols,
                      char out[MAP_NAME_MAX])
{
    const struct region *r = &l->table->v[item->region];
    uint64_t bytes = layout_mapped(l, item->start, item->end) << l->shape.page_shift;
    char name[MAP_NAME_MAX], fitting[MAP_NAME_MAX], size[TEXT_SIZE_MAX], perms[5], more[40] = "";
    text_size(size, bytes);
    region_perms_text(r->perms, perms);
    if (item->regions > 1)
        snprintf(more, sizeof more, " +%zu %s", item->regions - 1, size);
    else
        snprintf(more, sizeof more, " %s %s", perms, size);
    if (strlen(more) + 4 > cols)
        snprintf(more, sizeof more, " %s", size);
    map_region_name(r, name);
    size_t rest = cols > strlen(more) ? cols - strlen(more) : 0;
    fit_name(fitting, MAP_NAME_MAX - 48, name, (unsigned)rest);
    snprintf(out, MAP_NAME_MAX, "%.*s%s", MAP_NAME_MAX - 48, fitting, rest ? more : "");
    return out;
}

unsigned map_states(const struct tally *t, uint8_t order[PAGE_STATE_N])
{
    unsigned n = 0;
    for (unsigned s = 0; s < PAGE_STATE_N; s++) {
        if (!t->n[s])
            continue;
        unsigned i = n++;
        for (; i && t->n[order[i - 1]] < t->n[s]; i--)
            order[i] = order[i - 1];
        order[i] = (uint8_t)s;
    }
    return n;
}

const char *map_mix(const struct tally *t, char out[MAP_MIX_MAX])
{
    uint8_t order[PAGE_STATE_N];
    unsigned n = map_states(t, order);
    uint64_t pages = 0;
    for (unsigned i = 0; i < n; i++)
        pages += t->n[order[i]];
    char number[TEXT_COUNT_MAX];
    int len = snprintf(out, MAP_MIX_MAX, "%s page%s: ", text_count(number, pages),
                       pages == 1 ? "" : "s");
    if (n == 1)
        snprintf(out + len, (size_t)(MAP_MIX_MAX - len), "%s%s", pages == 1 ? "" : "all ",
                 page_state_info(order[0])->title);
    for (unsigned i = n == 1; i < n && len < MAP_MIX_MAX; i++)
        len += snprintf(out + len, (size_t)(MAP_MIX_MAX - len), "%s%s %s", i ? ", " : "",
                        text_count(number, t->n[order[i]]), page_state_info(order[i])->title);
    if (!n)
        snprintf(out, MAP_MIX_MAX, "not mapped");
    return out;
}

const char *map_share(uint64_t part, uint64_t whole, char out[MAP_SHARE_MAX])
{
    double permille = whole ? 1000.0 * (double)part / (double)whole : 0;
    unsigned tenths = (unsigned)(permille + 0.5);
    if (part && !tenths)
        snprintf(out, MAP_SHARE_MAX, "<0.1%%");
    else if (part < whole && tenths == 1000)
        snprintf(out, MAP_SHARE_MAX, ">99.9%%");
    else if (tenths == 1000)
        snprintf(out, MAP_SHARE_MAX, "100%%");
    else
        snprintf(out, MAP_SHARE_MAX, "%u.%u%%", tenths / 10 % 100, tenths % 10);
    return out;
}

/* The page-table level that one pixel resolves; 0 is the top. */
static unsigned level_of(const struct geometry *g, unsigned zoom)
{
    unsigned up = zoom * LAYOUT_ZOOM_BITS / PAGETREE_FANOUT_BITS;
    return up < g->levels ? g->levels - 1 - up : 0;
}

static const char *level_name(const struct geometry *g, unsigned level)
{
    return g->level_name[level] ? g->level_name[level] : "?";
}

void map_breadcrumb(const struct moment *m, uint64_t address, unsigned zoom, char *out, size_t cap)
{
    const struct geometry *g = &m->target.geometry;
    char text[MAP_ADDRESS_MAX];
    uint64_t page = moment_page(m, address);
    int len = snprintf(out, cap, "%s ", map_address(text, address));
    for (unsigned i = 0; i <= level_of(g, zoom) && len >= 0 && (size_t)len < cap; i++) {
        unsigned index = (unsigned)(page >> (PAGETREE_FANOUT_BITS * (g->levels - 1 - i)));
        len += snprintf(out + len, cap - (size_t)len, "%s %s %u", i ? " >" : "", level_name(g, i),
                        index % PAGETREE_FANOUT);
    }
}

void map_scale(const struct moment *m, unsigned zoom, bool half_cells, bool brief, char *out,
               size_t cap)
{
    const struct geometry *g = &m->target.geometry;
    char size[TEXT_SIZE_MAX];
    text_size(size, UINT64_C(1) << (g->page_shift + LAYOUT_ZOOM_BITS * zoom));
    char *zero = strstr(size, ".0");
    if (zero)
        memmove(zero, zero + 2, strlen(zero + 2) + 1);
    unsigned level = level_of(g, zoom), entries = 1u << (zoom * 3 % PAGETREE_FANOUT_BITS);
    int len = snprintf(out, cap, "1 %s = %s", half_cells ? "pixel" : "cell", size);
    if (brief || len < 0 || (size_t)len >= cap)
        return;
    bool pte = level == g->levels - 1;
    const char *what = pte ? (entries == 1 ? "" : "s") : entries == 1 ? " entry" : " entries";
    char number[16];
    snprintf(number, sizeof number, "%u", entries);
    snprintf(out + len, cap - (size_t)len, " (%s %s%s)", entries == 1 ? "one" : number,
             level_name(g, level), what);
}

/* Columns up to the next blank. */
static unsigned word_columns(const char *s)
{
    char word[MAP_NAME_MAX];
    size_t n = strcspn(s, " ");
    if (n >= sizeof word)
        return UINT16_MAX;
    memcpy(word, s, n);
    word[n] = '\0';
    return (unsigned)text_columns(word);
}

unsigned map_wrapped(struct area a, unsigned row, unsigned rows, const char *utf8, struct style s)
{
    unsigned used = 0, col = 0;
    size_t len = strlen(utf8);
    for (size_t at = 0, n; at < len && used < rows; at += n) {
        uint32_t ch;
        n = text_utf8_decode(utf8 + at, len - at, &ch);
        char one[5] = {0};
        memcpy(one, utf8 + at, n ? n : (n = 1));
        unsigned w = (unsigned)text_columns(one);
        bool word = at && utf8[at - 1] == ' ' && *one != ' ';
        unsigned want = word ? word_columns(utf8 + at) : w;
        if (col && col + want > a.cols && (want <= a.cols || col + w > a.cols)) {
            used++;
            col = 0;
        }
        if (used == rows || (!col && *one == ' '))
            continue;
        col += area_text(a, col, row + used, a.cols - col, one, s);
    }
    return used < rows ? used + (col > 0) : rows;
}
