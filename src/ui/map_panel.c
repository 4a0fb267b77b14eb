/* What is selected, in words: the region and the cell under the cursor, as a panel or as one line,
 * and the legend of the states that occur, with their exact shares. */
#include "ui/map_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ui/fault_text.h"
#include "ui/fit.h"

enum { DETAIL_NAME_MIN = 8 };

void map_select(const struct ui_state *ui, const struct layout *l, struct map_selection *out)
{
    *out = (struct map_selection){.layout = l};
    if (!layout_place_of(l, ui->cursor, &out->place))
        return;
    out->item = &l->v[out->place.item];
    out->region = region_table_at(l->table, ui->cursor);
    layout_pixel_range(l, out->item, out->place.pixel, &out->start, &out->end);
    map_tally(ui->now, l, out->item, out->place.pixel, &out->tally);
}

/* A panel that is being filled from its top. */
struct panel {
    struct area a;
    unsigned row;
};

static void __attribute__((format(printf, 3, 4)))
put(struct panel *p, struct style s, const char *fmt, ...)
{
    char text[MAP_MIX_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (p->row < p->a.rows)
        p->row += map_wrapped(p->a, p->row, p->a.rows - p->row, text, s);
}

static void put_title(struct panel *p, const char *title)
{
    if (p->row)
        p->row++;
    if (p->row >= p->a.rows)
        return;
    struct area line = area_part(p->a, 0, p->row++, p->a.cols, 1);
    area_fill(line, STYLE(COLOR_DIM), 0x2500);
    area_printf(line, 0, 0, STYLE(COLOR_TITLE), "%s ", title);
}

/* A number of bytes, "?" when it cannot be known. */
static const char *known(char out[TEXT_SIZE_MAX], uint64_t bytes, bool unknown)
{
    if (unknown)
        snprintf(out, TEXT_SIZE_MAX, "?");
    else
        text_size(out, bytes);
    return out;
}

static void put_two(struct panel *p, const char *a, uint64_t av, bool a_unknown, const char *b,
                    uint64_t bv, bool b_unknown)
{
    char x[TEXT_SIZE_MAX], y[TEXT_SIZE_MAX];
    if (p->row >= p->a.rows)
        return;
    area_printf(p->a, 0, p->row, STYLE(COLOR_DIM), "%s", a);
    area_printf(p->a, 10, p->row, STYLE(COLOR_DEFAULT), "%5s", known(x, av, a_unknown));
    area_printf(p->a, 18, p->row, STYLE(COLOR_DIM), "%s", b);
    area_printf(p->a, 28, p->row, STYLE(COLOR_DEFAULT), "%5s", known(y, bv, b_unknown));
    p->row++;
}

static void put_vmflags(struct panel *p, const struct region *r)
{
    char text[MAP_MIX_MAX] = "VmFlags";
    const char *name;
    if (!r->smaps)
        return;
    for (unsigned i = 0; i < 64 && (name = region_vmflag_name(i)); i++)
        if (r->smaps->vmflags >> i & 1) {
            size_t len = strlen(text);
            snprintf(text + len, sizeof text - len, " %s", name);
        }
    put(p, STYLE(COLOR_DIM), "%s", text);
}

static void put_region(struct panel *p, const struct ui_state *ui, const struct region *r)
{
    char perms[5], size[TEXT_SIZE_MAX], name[MAP_NAME_MAX];
    struct totals t;
    bool wx = r->perms & REGION_W && r->perms & REGION_X;
    region_perms_text(r->perms, perms);
    text_escape(name, sizeof name, r->name, strlen(r->name));
    put(p, STYLE(COLOR_DEFAULT), "%" PRIx64 "-%" PRIx64, r->start, r->end);
    put(p, STYLE(wx ? COLOR_ALERT : COLOR_DEFAULT), "%s  %s  %s%s", perms,
        region_kind_name(r->kind), text_size(size, r->end - r->start),
        wx ? "  writable and executable" : "");
    if (*name)
        put(p, STYLE(COLOR_TITLE), "%s", name);
    totals_of_region(ui->now, r, &t);
    put_two(p, "rss", t.resident, t.no_resident, "exclusive", t.exclusive, t.no_exclusive);
    put_two(p, "anon", t.anon, t.no_anon, "cow", t.cow, t.no_cow);
    put_two(p, "file", t.file, t.no_file, "shmem", t.shmem, t.no_shmem);
    put_two(p, "huge", t.pmd_mapped, t.no_pmd_mapped, "swap", t.swap, t.no_swap);
    if (t.unknown)
        put_two(p, "kind ?", t.unknown, false, "zero", t.zero, t.no_resident);
    put_vmflags(p, r);
}

static void put_gap(struct panel *p, uint64_t start, uint64_t end)
{
    char size[TEXT_SIZE_MAX];
    put(p, STYLE(COLOR_DEFAULT), "%" PRIx64 "-%" PRIx64, start, end);
    put(p, STYLE(COLOR_DEFAULT), "%s, nothing mapped", text_size(size, end - start));
    put(p, STYLE(COLOR_DIM), "Any access here ends in SIGSEGV.");
}

static uint64_t pages_of(const struct tally *t)
{
    uint64_t sum = 0;
    for (unsigned s = 0; s < PAGE_STATE_N; s++)
        sum += t->n[s];
    return sum;
}

/* A state, its pages if they shall be told and there is room, and their share. */
static void put_share(struct area line, unsigned state, uint64_t part, uint64_t whole,
                      const struct look *look, bool pages)
{
    char share[MAP_SHARE_MAX], count[TEXT_COUNT_MAX];
    struct cell c = map_cell_swatch(state, look);
    map_share(part, whole, share);
    area_put(line, 0, 0, c.ch, (struct style){c.fg, c.bg, c.attr});
    unsigned len = (unsigned)strlen(share);
    if (line.cols < len + 3)
        return;
    unsigned used = 2 + area_text(line, 2, 0, line.cols - len - 3, page_state_info(state)->title,
                                  STYLE(COLOR_DEFAULT));
    area_text(line, line.cols - len, 0, len, share, STYLE(COLOR_DEFAULT));
    unsigned end = line.cols - MAP_SHARE_MAX, digits = (unsigned)strlen(text_count(count, part));
    if (pages && line.cols > MAP_SHARE_MAX && used + 1 + digits <= end)
        area_text(line, end - digits, 0, digits, count, STYLE(COLOR_DEFAULT));
}

static void put_attrs(struct panel *p, const struct page *page)
{
    char text[MAP_MIX_MAX] = "";
    for (unsigned i = 0; i < PAGE_ATTR_N; i++)
        if (page->attrs & page_attr_info(i)->bit) {
            size_t len = strlen(text);
            snprintf(text + len, sizeof text - len, "%s%s", len ? " " : "",
                     page_attr_info(i)->name);
        }
    put(p, STYLE(COLOR_DEFAULT), "%s", text);
}

/* A single page: what is known of its frame. */
static void put_page(struct panel *p, const struct ui_state *ui, uint64_t address)
{
    struct page page = pagetree_get(ui->now->tree, moment_page(ui->now, address));
    const struct page_state_info *info = page_state_info(page.state);
    char count[16] = "?", order[16] = "?", frame[24] = "?";
    if (page.state == PAGE_SWAP && page.frame != PAGE_FRAME_UNKNOWN)
        put(p, STYLE(COLOR_DEFAULT), "swap offset %" PRIx64, page.frame);
    if (!info->present)
        return;
    if (page.frame != PAGE_FRAME_UNKNOWN)
        snprintf(frame, sizeof frame, "%" PRIx64, page.frame);
    if (page.attrs & PAGE_A_COUNT)
        snprintf(count, sizeof count, "%" PRIu32, page.mapcount);
    if (page.order != PAGE_ORDER_UNKNOWN)
        snprintf(order, sizeof order, "%u", page.order);
    put(p, STYLE(COLOR_DEFAULT), "frame %s  mapcount %s  order %s", frame, count, order);
    put_attrs(p, &page);
}

/* When the last fault in the cell was, how, and by what. */
static void put_last_fault(struct panel *p, const struct map_selection *s,
                           const struct ui_state *ui)
{
    static const char *const accesses[] = {
        [ACCESS_UNKNOWN] = "access", [ACCESS_READ] = "read", [ACCESS_WRITE] = "write",
        [ACCESS_EXEC] = "instruction fetch"};
    const struct fault_entry *f = map_last_fault(ui, s->start, s->end);
    char text[FAULT_NAME_MAX];
    if (!f)
        return;
    uint8_t access = f->event.fault.access;
    uint64_t ago = ui->now_ns > f->event.t_ns ? ui->now_ns - f->event.t_ns : 0;
    put(p, STYLE(COLOR_DEFAULT), "last fault %.1f s ago, %s", (double)ago / 1e9,
        accesses[access <= ACCESS_EXEC ? access : ACCESS_UNKNOWN]);
    fault_path(text, sizeof text, (enum path)f->verdict.path, (enum path_how)f->verdict.how,
               f->verdict.sure);
    put(p, STYLE((uint8_t)fault_color((enum path)f->verdict.path)), "%s", text);
    fault_where(text, ui, f->event.pid, f->program, f->event.fault.ip, UINT32_MAX);
    put(p, STYLE(COLOR_DEFAULT), "%s", text);
}

static void put_cell(struct panel *p, const struct map_selection *s, const struct ui_state *ui)
{
    uint8_t order[PAGE_STATE_N];
    char mix[MAP_MIX_MAX], count[TEXT_COUNT_MAX];
    unsigned n = map_states(&s->tally, order);
    put(p, STYLE(COLOR_DEFAULT), "%" PRIx64 "-%" PRIx64, s->start, s->end);
    if (n > 1)
        put(p, STYLE(COLOR_DEFAULT), "%s pages", text_count(count, pages_of(&s->tally)));
    else
        put(p, STYLE(COLOR_DEFAULT), "%s", map_mix(&s->tally, mix));
    for (unsigned i = 0; i < n && n > 1 && p->row < p->a.rows; i++)
        put_share(area_part(p->a, 0, p->row++, p->a.cols, 1), order[i], s->tally.n[order[i]],
                  pages_of(&s->tally), &ui->look, true);
    if (n == 1)
        put(p, STYLE(COLOR_DIM), "%s", page_state_info(order[0])->sentence);
    if (n && s->layout->shape.zoom == 0)
        put_page(p, ui, s->start);
    put_last_fault(p, s, ui);
}

unsigned map_panel_draw(const struct map_selection *s, const struct ui_state *ui, struct area a)
{
    struct panel p = {.a = a};
    if (!s->item)
        return 0;
    bool gap = !s->item->regions;
    put_title(&p, gap ? "gap" : "mapping");
    if (s->region)
        put_region(&p, ui, s->region);
    else if (gap)
        put_gap(&p, s->start, s->end);
    else
        put(&p, STYLE(COLOR_DIM), "between mappings");
    if (s->item->regions > 1)
        put(&p, STYLE(COLOR_DIM), "one of %zu mappings drawn together", s->item->regions);
    if (!gap) {
        bool half = s->layout->shape.stack == 2;
        put_title(&p, half ? "this pixel" : "this cell");
        put_cell(&p, s, ui);
    }
    return p.row < a.rows ? p.row : a.rows;
}

/* The whole tree, without what is not present; the states by falling count. */
static unsigned legend_states(const struct ui_state *ui, struct tally *t,
                              uint8_t order[PAGE_STATE_N])
{
    *t = (struct tally){{0}};
    pagetree_tally(ui->now->tree, 0, UINT64_MAX, t);
    t->n[PAGE_ABSENT] = 0;
    return map_states(t, order);
}

static bool follows_faults(const struct ui_state *ui)
{
    return ui->engine && ui->engine->name[0];
}

unsigned map_legend_rows(const struct ui_state *ui, bool heat)
{
    if (heat)
        return MAP_HEAT_LEVELS + 2;
    uint8_t order[PAGE_STATE_N];
    struct tally t;
    return legend_states(ui, &t, order) + 4 + follows_faults(ui);
}

static void heat_text(char out[32], unsigned level)
{
    unsigned least = map_heat_least(level), most = map_heat_least(level + 1) - 1;
    if (!level)
        snprintf(out, 32, "no fault");
    else if (level == MAP_HEAT_LEVELS)
        snprintf(out, 32, "%u faults and more", least);
    else
        snprintf(out, 32, "%u to %u faults", least, most);
}

static unsigned heat_legend(const struct ui_state *ui, struct area a)
{
    char text[32];
    area_printf(a, 0, 0, STYLE(COLOR_TITLE), "in the last %d s", MAP_HEAT_S);
    for (unsigned i = 0; i <= MAP_HEAT_LEVELS; i++) {
        unsigned level = MAP_HEAT_LEVELS - i;
        struct cell c = map_cell_heat(PAGE_ABSENT, level, &ui->look, false);
        heat_text(text, level);
        area_put(a, 0, i + 1, c.ch, (struct style){c.fg, c.bg, c.attr});
        area_text(a, 2, i + 1, a.cols, text, STYLE(COLOR_DEFAULT));
    }
    return a.rows < MAP_HEAT_LEVELS + 2 ? a.rows : MAP_HEAT_LEVELS + 2;
}

/* All of it in one line. */
static unsigned heat_line(const struct ui_state *ui, struct area a)
{
    unsigned col = area_printf(a, 0, 0, STYLE(COLOR_DIM), "faults in the last %d s:", MAP_HEAT_S);
    for (unsigned level = 1; level <= MAP_HEAT_LEVELS; level++) {
        struct cell c = map_cell_heat(PAGE_ABSENT, level, &ui->look, false);
        area_put(a, col + 2, 0, c.ch, (struct style){c.fg, c.bg, c.attr});
        col += 4 + area_printf(a, col + 4, 0, STYLE(COLOR_DIM), "%u+", map_heat_least(level));
    }
    return 1;
}

unsigned map_legend_draw(const struct ui_state *ui, bool heat, struct area a)
{
    if (heat)
        return heat_legend(ui, a);
    uint8_t order[PAGE_STATE_N];
    struct tally t;
    unsigned n = legend_states(ui, &t, order), row = 1;
    area_text(a, 0, 0, a.cols, "whole process", STYLE(COLOR_TITLE));
    for (unsigned i = 0; i < n && row < a.rows; i++)
        put_share(area_part(a, 0, row++, a.cols, 1), order[i], t.n[order[i]], pages_of(&t),
                  &ui->look, false);
    struct cell c = map_cell_swatch(PAGE_ABSENT, &ui->look);
    const struct map_pixel mixed = {PAGE_ANON, PAGE_ABSENT, false};
    const struct map_pixel changed = {PAGE_ANON, PAGE_ANON, true};
    struct cell m = map_cell_single(mixed, &ui->look, false);
    struct cell f = map_cell_single(changed, &ui->look, false);
    area_put(a, 0, row, c.ch, (struct style){c.fg, c.bg, c.attr});
    area_text(a, 2, row++, a.cols, page_state_info(PAGE_ABSENT)->title, STYLE(COLOR_DEFAULT));
    area_put(a, 0, row, m.ch, (struct style){m.fg, m.bg, m.attr});
    area_text(a, 2, row++, a.cols, "mixed, mostly this", STYLE(COLOR_DEFAULT));
    area_put(a, 0, row, f.ch, (struct style){f.fg, f.bg, f.attr});
    area_text(a, 2, row++, a.cols, "changed just now", STYLE(COLOR_DEFAULT));
    if (follows_faults(ui)) {
        struct cell fault = map_cell_fault(PATH_ANONYMOUS);
        area_put(a, 0, row, fault.ch, (struct style){fault.fg, fault.bg, fault.attr});
        area_text(a, 2, row++, a.cols, "fault just now", STYLE(COLOR_DEFAULT));
    }
    return row < a.rows ? row : a.rows;
}

unsigned map_legend_lines(const struct ui_state *ui, bool heat, struct area a)
{
    if (heat)
        return heat_line(ui, a);
    uint8_t order[PAGE_STATE_N];
    struct tally t;
    unsigned n = legend_states(ui, &t, order), col = 0, row = 0;
    for (unsigned i = 0; i < n; i++) {
        char share[MAP_SHARE_MAX], text[64];
        struct cell c = map_cell_swatch(order[i], &ui->look);
        snprintf(text, sizeof text, "%s %s", page_state_info(order[i])->title,
                 map_share(t.n[order[i]], pages_of(&t), share));
        unsigned width = 2 + (unsigned)strlen(text);
        if (col && col + width > a.cols) {
            row++;
            col = 0;
        }
        area_put(a, col, row, c.ch, (struct style){c.fg, c.bg, c.attr});
        area_text(a, col + 2, row, a.cols, text, STYLE(COLOR_DIM));
        col += width + 2;
    }
    return row + 1;
}

void map_detail_line(const struct map_selection *s, const struct ui_state *ui, struct area a)
{
    char mix[MAP_MIX_MAX], size[TEXT_SIZE_MAX], perms[5], name[MAP_NAME_MAX];
    struct totals t;
    if (!s->item)
        return;
    if (!s->item->regions) {
        area_printf(a, 0, 0, STYLE(COLOR_DEFAULT), "%" PRIx64 "-%" PRIx64 " gap %s: not mapped",
                    s->start, s->end, text_size(size, s->end - s->start));
        return;
    }
    char text[MAP_MIX_MAX], resident[TEXT_SIZE_MAX];
    fit_text(text, sizeof text, map_mix(&s->tally, mix), a.cols);
    unsigned col = area_text(a, 0, 0, a.cols, text, STYLE(COLOR_TITLE));
    if (!s->region)
        return;
    totals_of_region(ui->now, s->region, &t);
    region_perms_text(s->region->perms, perms);
    snprintf(text, sizeof text, " %s %s, rss %s", perms, text_size(size, t.size),
             known(resident, t.resident, t.no_resident));
    unsigned rest = (unsigned)strlen(text) + 3;
    if (col + rest + DETAIL_NAME_MIN > a.cols)
        return;
    fit_name(mix, sizeof mix, map_region_name(s->region, name), a.cols - col - rest);
    area_printf(a, col, 0, STYLE(COLOR_DEFAULT), " | %s%s", mix, text);
}
