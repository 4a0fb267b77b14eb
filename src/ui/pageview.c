/* One page: everything that can be asked about it, and what it means together. The answer belongs
 * to a question that the view asks whenever the page under the cursor or the sample changes; until
 * it arrives, what the last sample saw is shown. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/kpf.h"
#include "model/page_sentence.h"
#include "ui/search.h"
#include "ui/view.h"

enum { LABEL_COLS = 11, PAGES_FAR = 512, TEXT_MAX = 700, NAMES_COLS_MIN = 60 };

struct page_view {
    uint64_t asked_address, asked_sample;
    bool asked;
};

enum action { PAGE_BACK, PAGE_ON, FAR_BACK, FAR_ON, REGION_FIRST, REGION_LAST, OPEN_MAP };

static const struct binding bindings[] = {
    {{KEY_CODE_LEFT, KEY_CODE_UP, 'h', 'k'}, "Left Up", "previous page", true, PAGE_BACK},
    {{KEY_CODE_RIGHT, KEY_CODE_DOWN, 'l', 'j'}, "Right Down", "next page", true, PAGE_ON},
    {{KEY_CODE_PGUP}, "PgUp", "512 pages back", false, FAR_BACK},
    {{KEY_CODE_PGDN}, "PgDn", "512 pages on", false, FAR_ON},
    {{KEY_CODE_HOME, 'g'}, "g Home", "first page of the mapping", false, REGION_FIRST},
    {{KEY_CODE_END, 'G'}, "G End", "last page of the mapping", false, REGION_LAST},
    {{KEY_CODE_ENTER, KEY_CODE_ESC}, "Esc", "back to the map", true, OPEN_MAP},
    {.label = NULL},
};

/* What is drawn: the page, and where the pen is. */
struct pen {
    struct area a;
    unsigned row;
};

/* Writes a label and, beside it, text in as many rows as it needs. */
static void put(struct pen *pen, const char *label, struct style s, const char *text)
{
    unsigned left = pen->a.cols > 2 * LABEL_COLS ? LABEL_COLS : 1;
    if (left > 1)
        area_text(pen->a, 1, pen->row, LABEL_COLS - 1, label, STYLE(COLOR_DIM));
    do {
        char line[TEXT_MAX];
        size_t n = text_line(text, pen->a.cols - left - 1);
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        area_text(pen->a, left, pen->row++, pen->a.cols - left, line, s);
        text += n;
    } while (*text && pen->row < pen->a.rows);
}

static void putf(struct pen *pen, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void putf(struct pen *pen, const char *label, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put(pen, label, STYLE(COLOR_DEFAULT), text);
}

/* "?" with the reason; what cannot be known is never a number. */
static void put_unknown(struct pen *pen, const char *label, const char *why)
{
    putf(pen, label, "? %s", *why ? why : "not known");
}

static uint64_t page_size(const struct ui_state *ui)
{
    return (uint64_t)1 << ui->now->target.geometry.page_shift;
}

static uint64_t page_address(const struct ui_state *ui)
{
    return ui->cursor & ~(page_size(ui) - 1);
}

/* "PGD 254 > PUD 233 > PMD 0 > PTE 311" */
static void put_indices(struct pen *pen, const struct moment *m, uint64_t address)
{
    const struct geometry *g = &m->target.geometry;
    char text[128];
    size_t len = 0;
    for (unsigned i = 0; i < g->levels && len < sizeof text; i++) {
        unsigned shift = g->page_shift + (g->levels - 1 - i) * PAGETREE_FANOUT_BITS;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s %u", i ? " > " : "",
                                g->level_name[i] ? g->level_name[i] : "level",
                                (unsigned)(address >> shift) % PAGETREE_FANOUT);
    }
    put(pen, "table", STYLE(COLOR_DEFAULT), text);
}

static void put_region(struct pen *pen, const struct moment *m, const struct region *r,
                       uint64_t address)
{
    char name[300], perms[5], size[TEXT_SIZE_MAX];
    if (!r) {
        putf(pen, "region", "none: this address lies in a gap");
        return;
    }
    unsigned shift = m->target.geometry.page_shift;
    const char *raw = search_region_name(r);
    text_escape(name, sizeof name, raw, strlen(raw));
    region_perms_text(r->perms, perms);
    putf(pen, "region", "%llx-%llx %s %s %s", (unsigned long long)r->start,
         (unsigned long long)r->end, perms, text_size(size, r->end - r->start), name);
    putf(pen, "", "page %llu of %llu", (unsigned long long)((address - r->start) >> shift) + 1,
         (unsigned long long)((r->end - r->start) >> shift));
}

static void put_state(struct pen *pen, const struct ui_state *ui, const struct region *r,
                      const struct page *p)
{
    const struct page_state_info *info = page_state_info(p->state);
    char sentence[PAGE_SENTENCE_MAX], state[80];
    snprintf(state, sizeof state, "%c %s", info->letter, info->title);
    put(pen, "state", (struct style){(uint8_t)info->role, COLOR_DEFAULT, CELL_BOLD}, state);
    page_sentence(&ui->now->target.geometry, r, p, sentence, sizeof sentence);
    put(pen, "that is", STYLE(COLOR_DEFAULT), sentence);
}

static void put_entry(struct pen *pen, const struct page_detail *d)
{
    char text[TEXT_MAX];
    size_t len = 0;
    if (!d->has_entry) {
        put_unknown(pen, "entry", d->entry_why);
        return;
    }
    len += (size_t)snprintf(text, sizeof text, "%016llx ", (unsigned long long)d->entry);
    for (unsigned bit = PAGEMAP_BITS; bit-- > 0;)
        if (d->entry >> bit & 1 && pagemap_bit(bit).name && len < sizeof text)
            len += (size_t)snprintf(text + len, sizeof text - len, " %s", pagemap_bit(bit).name);
    put(pen, "entry", STYLE(COLOR_DEFAULT), text);
}

static void put_frame(struct pen *pen, const struct moment *m, const struct page_detail *d,
                      const struct page *p)
{
    if (p->state == PAGE_SWAP && d)
        putf(pen, "swap", "area %llu, slot %llu", (unsigned long long)d->swap_type,
             (unsigned long long)d->swap_offset);
    if (!page_state_info(p->state)->present)
        return;
    if (p->frame != PAGE_FRAME_UNKNOWN)
        putf(pen, "frame", "%llx", (unsigned long long)p->frame);
    else
        put_unknown(pen, "frame", m->target.pfn.why);
}

static void put_flags(struct pen *pen, const struct page_detail *d)
{
    char names[TEXT_MAX];
    size_t len = 0;
    if (!d->has_flags) {
        put_unknown(pen, "flags", d->flags_why);
        return;
    }
    names[0] = '\0';
    for (unsigned bit = 0; bit < KPF_BITS; bit++) {
        struct bit_name b = kpf_bit(bit, d->flags);
        if (d->flags >> bit & 1 && b.name && len < sizeof names)
            len += (size_t)snprintf(names + len, sizeof names - len, "%s ", b.name);
    }
    put(pen, "flags", STYLE(COLOR_DEFAULT), *names ? names : "none");
}

static void put_count(struct pen *pen, const struct page_detail *d)
{
    if (d->has_count)
        putf(pen, "mapcount", "%llu", (unsigned long long)d->count);
    else
        put_unknown(pen, "mapcount", d->count_why);
}

static void put_folio(struct pen *pen, const struct moment *m, const struct page *p)
{
    char size[TEXT_SIZE_MAX];
    uint64_t bytes = (uint64_t)1 << m->target.geometry.page_shift;
    if (p->order == PAGE_ORDER_UNKNOWN)
        put_unknown(pen, "folio", p->attrs & PAGE_A_FLAGS ? "its size is not told"
                                                          : m->target.kpageflags.why);
    else
        putf(pen, "folio", "order %u, %s%s", p->order, text_size(size, bytes << p->order),
             p->attrs & PAGE_A_PMD ? ", mapped by one entry of a higher level" : "");
}

/* A page that is in the page cache costs no disk, mapped or not. */
static void put_cache(struct pen *pen, const struct page_detail *d, const struct page *p)
{
    bool mapped = p->state == PAGE_FILE || p->state == PAGE_SHMEM;
    if (!d->has_file)
        return;
    if (!d->has_cache) {
        put_unknown(pen, "cache", d->cache_why);
        return;
    }
    putf(pen, "cache", "the page of the file is %s%s%s%s",
         d->cache.cached    ? "in memory"
         : d->cache.evicted ? "not in memory any more"
                            : "not in memory",
         d->cache.dirty ? ", newer than the disk" : "",
         d->cache.writeback ? ", being written back" : "",
         p->state != PAGE_ABSENT || mapped ? ""
         : d->cache.cached ? ": the first access is a minor fault"
                           : ": the first access reads it, a major fault");
}

static void put_object(struct pen *pen, const struct region *r, const struct page_detail *d)
{
    if (d->section[0])
        put(pen, "section", STYLE(COLOR_DEFAULT), d->section);
    if (d->symbol[0])
        put(pen, "symbol", STYLE(COLOR_DEFAULT), d->symbol);
    if (!d->section[0] && !d->symbol[0] && d->object_why[0] && r->inode)
        put_unknown(pen, "symbol", d->object_why);
}

/* Without an answer: what the sample knew besides the state. */
static void put_seen(struct pen *pen, const struct moment *m, const struct page *p, bool frozen)
{
    char names[TEXT_MAX] = "";
    size_t len = 0;
    for (unsigned i = 0; i < PAGE_ATTR_N; i++)
        if (p->attrs & page_attr_info(i)->bit)
            len += (size_t)snprintf(names + len, sizeof names - len, "%s ",
                                    page_attr_info(i)->name);
    if (page_state_info(p->state)->present) {
        put(pen, "attrs", STYLE(COLOR_DEFAULT), *names ? names : "none known");
        if (p->attrs & PAGE_A_COUNT)
            putf(pen, "mapcount", "%u", p->mapcount);
        put_folio(pen, m, p);
    }
    put(pen, "", STYLE(COLOR_DIM), frozen ? "frozen: as the sample saw it"
                                          : "as the last sample saw it");
}

/* What the flags mean, one a row, where there is room left. */
static void put_meanings(struct pen *pen, const struct page_detail *d)
{
    if (!d->has_flags || pen->a.cols < NAMES_COLS_MIN)
        return;
    area_text(pen->a, 1, ++pen->row, LABEL_COLS - 1, "bits", STYLE(COLOR_DIM));
    for (unsigned bit = 0; bit < KPF_BITS && pen->row < pen->a.rows; bit++) {
        struct bit_name b = kpf_bit(bit, d->flags);
        if (!(d->flags >> bit & 1) || !b.name)
            continue;
        area_printf(pen->a, LABEL_COLS, pen->row, STYLE(COLOR_DEFAULT), "%2u %s", bit, b.name);
        area_text(pen->a, LABEL_COLS + 19, pen->row++, pen->a.cols, b.meaning, STYLE(COLOR_DIM));
    }
}

static void ask(struct page_view *v, const struct ui_state *ui, uint64_t address)
{
    if (v->asked && v->asked_address == address && v->asked_sample == ui->now->sample.number)
        return;
    v->asked = true;
    v->asked_address = address;
    v->asked_sample = ui->now->sample.number;
    if (ui->source->look)
        ui->source->look(ui->source->ctx, address, address + page_size(ui));
    if (ui->source->ask_page && !ui->gone)
        ui->source->ask_page(ui->source->ctx, address);
}

/* Frozen, the past is shown: an answer of today does not belong to it. */
static const struct page_detail *answer(const struct ui_state *ui, uint64_t address)
{
    return ui->detail && ui->detail->address == address && !ui->frozen ? ui->detail : NULL;
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    const struct moment *m = ui->now;
    uint64_t address = page_address(ui);
    const struct region *r = region_table_at(m->regions, address);
    ask(view, ui, address);
    const struct page_detail *d = answer(ui, address);
    struct page seen = pagetree_get(m->tree, moment_page(m, address));
    const struct page *p = d ? &d->page : &seen;
    struct pen pen = {.a = a};
    putf(&pen, "address", "%012llx", (unsigned long long)address);
    put_indices(&pen, m, address);
    put_region(&pen, m, r, address);
    put_state(&pen, ui, r, p);
    if (d)
        put_entry(&pen, d);
    put_frame(&pen, m, d, p);
    if (d && page_state_info(p->state)->present) {
        put_flags(&pen, d);
        put_count(&pen, d);
        put_folio(&pen, m, p);
    }
    if (d && r)
        put_cache(&pen, d, p);
    if (d && r)
        put_object(&pen, r, d);
    if (!d)
        put_seen(&pen, m, p, ui->frozen);
    else
        put_meanings(&pen, d);
}

/* Steps by pages through what is mapped: behind the end of a region comes the next one. */
static void step(struct ui_state *ui, uint64_t pages, bool back)
{
    const struct region_table *t = ui->now->regions;
    uint64_t at = page_address(ui), by = pages * page_size(ui);
    size_t i = region_table_find(t, at);
    const struct region *r = region_table_at(t, at);
    if (!t->count)
        return;
    if (back) {
        if (r && at - r->start >= by)
            ui->cursor = at - by;
        else if (r && at > r->start)
            ui->cursor = r->start;
        else if (i)
            ui->cursor = t->v[i - 1].end - page_size(ui);
        return;
    }
    if (r && r->end - at > by)
        ui->cursor = at + by;
    else if (r && r->end - at > page_size(ui))
        ui->cursor = r->end - page_size(ui);
    else if (i + (r != NULL) < t->count)
        ui->cursor = t->v[i + (r != NULL)].start;
}

static void to_end_of_region(struct ui_state *ui, bool first)
{
    const struct region *r = region_table_at(ui->now->regions, ui->cursor);
    if (r)
        ui->cursor = first ? r->start : r->end - page_size(ui);
}

static unsigned act(void *view, struct ui_state *ui, int action)
{
    (void)view;
    if (action == OPEN_MAP)
        return UI_SHOW_MAP;
    if (!ui->now)
        return UI_HANDLED;
    switch (action) {
    case PAGE_BACK:
    case PAGE_ON:
        step(ui, 1, action == PAGE_BACK);
        break;
    case FAR_BACK:
    case FAR_ON:
        step(ui, PAGES_FAR, action == FAR_BACK);
        break;
    default:
        to_end_of_region(ui, action == REGION_FIRST);
    }
    return UI_REDRAW;
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    if (m->what == MOUSE_WHEEL_UP || m->what == MOUSE_WHEEL_DOWN)
        return act(view, ui, m->what == MOUSE_WHEEL_UP ? PAGE_BACK : PAGE_ON);
    return UI_IGNORED;
}

const struct view_ops view_page = {
    .name = "page",
    .about = "all that the kernel tells of the page under the cursor",
    .bindings = bindings,
    .size = sizeof(struct page_view),
    .draw = draw,
    .act = act,
    .mouse = mouse,
};
