/* A moment as a drawing: a bar for each region, from its first page to its last, coloured by what
 * its pages are. One file that needs no other. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "report/snapshot_parts.h"

/* Pixels. */
enum {
    WIDTH = 1180, LINE = 16, MARGIN = 10, HEAD = 44, LEGEND_COLUMN = 190, LEGEND_COLUMNS = 6,
    BAR_X = 560, BAR = 512, BAR_HEIGHT = 12, CELLS = 256,
    SHADES = 4 /* how much of a cell is there, in steps */
};

static const char *color_of(enum page_role role)
{
    static const char *const colors[ROLE_PAGE_N] = {
        [ROLE_ABSENT] = "#f0f0f0",  [ROLE_ANON] = "#2f7ed8", [ROLE_COW] = "#8a63d2",
        [ROLE_FILE] = "#4c9f4c",    [ROLE_SHMEM] = "#1f9e9e", [ROLE_ZERO] = "#b9a44c",
        [ROLE_KSM] = "#d86fb0",     [ROLE_HUGETLB] = "#1b4f8a", [ROLE_SWAP] = "#c0392b",
        [ROLE_GUARD] = "#3c3c3c",   [ROLE_DEVICE] = "#7f8c8d", [ROLE_UNKNOWN] = "#c8a2a2",
    };
    return colors[role];
}

/* Foreign or not: without anything that XML would take for its own or does not allow. */
static void put_text(struct buf *out, const char *bytes, size_t len)
{
    char text[1024];
    size_t n = text_escape(text, sizeof text, bytes, len);
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
            buf_printf(out, "&#%d;", c);
        else if (!strncmp(text + i, "\xef\xbf\xbe", 3) || !strncmp(text + i, "\xef\xbf\xbf", 3))
            buf_puts(out, "?"), i += 2; /* U+FFFE and U+FFFF are no characters of XML */
        else
            buf_putc(out, c);
    }
}

static const char *size_of(char out[TEXT_SIZE_MAX], uint64_t bytes, bool known)
{
    return known ? text_size(out, bytes) : "?";
}

/* What a cell shows: the state that most pages have that are not absent, and how many of its pages
 * those are, in steps. */
struct look {
    unsigned state, shade;
};

static struct look look_of(const struct tally *t, uint64_t pages)
{
    struct look look = {PAGE_ABSENT, SHADES};
    uint64_t some = 0;
    for (unsigned s = 0; s < PAGE_STATE_N; s++) {
        if (s == PAGE_ABSENT || !t->n[s])
            continue;
        some += t->n[s];
        if (look.state == PAGE_ABSENT || t->n[s] > t->n[look.state])
            look.state = s;
    }
    if (some)
        look.shade = (unsigned)((some * SHADES + pages - 1) / pages);
    return look;
}

static void put_cells(struct buf *out, unsigned from, unsigned to, unsigned cells, struct look look)
{
    double x = (double)from * BAR / cells, width = (double)(to - from) * BAR / cells;
    if (look.state == PAGE_ABSENT)
        return;
    buf_printf(out, "<rect x=\"%.2f\" width=\"%.2f\" height=\"%d\" fill=\"%s\"", BAR_X + x, width,
               BAR_HEIGHT, color_of(page_state_info(look.state)->role));
    if (look.shade < SHADES)
        buf_printf(out, " fill-opacity=\"%.2f\"", 0.2 + 0.8 * look.shade / SHADES);
    buf_puts(out, "/>");
}

static void put_bar(struct buf *out, const struct moment *m, const struct region *r)
{
    uint64_t pages = (r->end - r->start) >> m->target.geometry.page_shift;
    uint64_t first = moment_page(m, r->start);
    unsigned cells = pages < CELLS ? (unsigned)pages : CELLS, from = 0;
    struct look last = {PAGE_ABSENT, SHADES};
    for (unsigned i = 0; i < cells; i++) {
        uint64_t at = pages / cells * i + pages % cells * i / cells;
        uint64_t end = pages / cells * (i + 1) + pages % cells * (i + 1) / cells;
        struct tally t = {{0}};
        pagetree_tally(m->tree, first + at, end - at, &t);
        struct look look = look_of(&t, end - at);
        if (look.state != last.state || look.shade != last.shade) {
            put_cells(out, from, i, cells, last);
            from = i;
            last = look;
        }
    }
    put_cells(out, from, cells, cells, last);
}

static void put_region(struct buf *out, const struct moment *m, const struct region *r, unsigned y)
{
    const uint8_t p = r->perms;
    struct totals t;
    char size[TEXT_SIZE_MAX], resident[TEXT_SIZE_MAX], swap[TEXT_SIZE_MAX];
    totals_of_region(m, r, &t);
    buf_printf(out, "<g transform=\"translate(0,%u)\"><title>%" PRIx64 "-%" PRIx64 " ", y, r->start,
               r->end);
    put_text(out, r->name, strlen(r->name));
    buf_printf(out, ": size %s, resident %s, swap %s</title>", text_size(size, t.size),
               size_of(resident, t.resident, !t.no_resident), size_of(swap, t.swap, !t.no_swap));
    buf_printf(out, "<text x=\"%d\" y=\"10\">%012" PRIx64 " %c%c%c%c %5s ", MARGIN, r->start,
               p & REGION_R ? 'r' : '-', p & REGION_W ? 'w' : '-', p & REGION_X ? 'x' : '-',
               p & REGION_SHARED ? 's' : 'p', text_size(size, t.size));
    const char *name = r->name[0] ? r->name : region_kind_name((enum region_kind)r->kind);
    size_t len = strlen(name), most = 44;
    if (len > most)
        buf_puts(out, "..");
    put_text(out, len > most ? name + len - most : name, len > most ? most : len);
    buf_printf(out, "</text><rect x=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>", BAR_X, BAR,
               BAR_HEIGHT, color_of(ROLE_ABSENT));
    put_bar(out, m, r);
    buf_printf(out, "<text x=\"%d\" y=\"10\">%5s</text></g>\n", BAR_X + BAR + MARGIN,
               size_of(resident, t.resident, !t.no_resident));
}

/* --- the legend --- */

static unsigned legend_rows(const struct tally *t)
{
    unsigned n = 0;
    for (unsigned s = 0; s < PAGE_STATE_N; s++)
        n += t->n[s] != 0;
    return (n + LEGEND_COLUMNS - 1) / LEGEND_COLUMNS;
}

static void put_legend(struct buf *out, const struct moment *m, const struct tally *t)
{
    char size[TEXT_SIZE_MAX];
    unsigned n = 0;
    for (unsigned s = 0; s < PAGE_STATE_N; s++) {
        const struct page_state_info *info = page_state_info(s);
        unsigned x = MARGIN + n % LEGEND_COLUMNS * LEGEND_COLUMN;
        unsigned y = HEAD + n / LEGEND_COLUMNS * LINE;
        if (!t->n[s])
            continue;
        buf_printf(out, "<rect x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" fill=\"%s\"/>", x, y,
                   BAR_HEIGHT, BAR_HEIGHT, color_of(info->role));
        buf_printf(out, "<text x=\"%u\" y=\"%u\">", x + BAR_HEIGHT + 5, y + 10);
        put_text(out, info->title, strlen(info->title));
        buf_printf(out, " %s</text>\n",
                   text_size(size, t->n[s] << m->target.geometry.page_shift));
        n++;
    }
}

static void tally_regions(const struct moment *m, struct tally *t)
{
    *t = (struct tally){{0}};
    for (size_t i = 0; i < m->regions->count; i++) {
        const struct region *r = &m->regions->v[i];
        pagetree_tally(m->tree, moment_page(m, r->start),
                       (r->end - r->start) >> m->target.geometry.page_shift, t);
    }
}

static void put_head(struct buf *out, const struct moment *m)
{
    struct totals t;
    char size[TEXT_SIZE_MAX], resident[TEXT_SIZE_MAX], swap[TEXT_SIZE_MAX];
    totals_of_all(m, &t);
    buf_printf(out, "<text x=\"%d\" y=\"18\" font-size=\"14\">", MARGIN);
    put_text(out, m->target.comm, strlen(m->target.comm));
    buf_printf(out, " %d: size %s, resident %s, swap %s</text>\n", m->target.pid,
               text_size(size, t.size), size_of(resident, t.resident, !t.no_resident),
               size_of(swap, t.swap, !t.no_swap));
    buf_printf(out, "<text x=\"%d\" y=\"32\">A bar is a mapping, from its first page to its last; pale: "
                    "only some pages are there. Left its size, right what is resident.</text>\n",
               MARGIN);
}

int snapshot_svg(const struct moment *m, struct buf *out)
{
    struct tally all;
    tally_regions(m, &all);
    size_t top = HEAD + (size_t)legend_rows(&all) * LINE + LINE;
    size_t height = top + m->regions->count * LINE + MARGIN;
    buf_printf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
                    "viewBox=\"0 0 %d %zu\" font-family=\"monospace\" font-size=\"11\" "
                    "xml:space=\"preserve\">\n<rect width=\"%d\" height=\"%zu\" fill=\"#ffffff\"/>\n",
               WIDTH, height, WIDTH, height, WIDTH, height);
    put_head(out, m);
    put_legend(out, m, &all);
    for (size_t i = 0; i < m->regions->count; i++)
        put_region(out, m, &m->regions->v[i], (unsigned)(top + i * LINE));
    buf_puts(out, "</svg>\n");
    return out->error;
}
