/* The panel of the physical view: the cell under the cursor, the frame, what all memory is used
 * for, and how fragmented the free part of the zone is. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/kpf.h"
#include "ui/physical_parts.h"

struct lines {
    struct area a;
    unsigned row;
};

static void put(struct lines *l, struct style s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* One paragraph, broken to fit. */
static void put(struct lines *l, struct style s, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *p = text;
    do {
        char line[400];
        size_t n = text_line(p, l->a.cols);
        snprintf(line, sizeof line, "%.*s", (int)n, p);
        if (l->row < l->a.rows)
            area_text(l->a, 0, l->row, l->a.cols, line, s);
        l->row++;
        p += n;
        while (*p == ' ')
            p++;
    } while (*p);
}

static unsigned page_shift(const struct physical_selection *s)
{
    return s->ui->now ? s->ui->now->target.geometry.page_shift : 12;
}

/* The uses of a tally, largest first; answers how many. */
static unsigned by_size(const struct frame_tally *t, uint8_t order[FRAME_USE_N])
{
    unsigned count = 0;
    for (unsigned u = 0; u < FRAME_USE_N; u++) {
        if (!t->n[u] || u == FRAME_NONE)
            continue;
        unsigned i = count++;
        for (; i && t->n[order[i - 1]] < t->n[u]; i--)
            order[i] = order[i - 1];
        order[i] = (uint8_t)u;
    }
    return count;
}

static void put_swatch(const struct look *look, struct area a, unsigned col, unsigned row,
                       unsigned use)
{
    const struct frame_use_info *info = frame_use_info(use);
    bool letters = look->ascii || !look->colors;
    uint32_t swatch = letters ? (unsigned char)info->letter : 0x2588;
    if (use == FRAME_FREE)
        swatch = look->ascii ? '.' : 0xb7;
    area_put(a, col, row, swatch, STYLE((uint8_t)info->role));
}

static void put_use(const struct physical_selection *s, struct lines *l, unsigned use,
                    uint64_t frames, uint64_t all)
{
    const struct frame_use_info *info = frame_use_info(use);
    char size[TEXT_SIZE_MAX];
    if (l->row >= l->a.rows)
        return;
    put_swatch(&s->ui->look, l->a, 0, l->row, use);
    area_printf(l->a, 2, l->row++, STYLE(COLOR_DEFAULT), "%-14s %6s %5.1f%%", info->title,
                text_size(size, frames << page_shift(s)),
                all ? 100.0 * (double)frames / (double)all : 0.0);
}

static uint64_t put_tally(const struct physical_selection *s, struct lines *l,
                          const struct frame_tally *t, unsigned most)
{
    uint8_t order[FRAME_USE_N];
    unsigned count = by_size(t, order);
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++)
        all += t->n[order[i]];
    for (unsigned i = 0; i < count && i < most; i++)
        put_use(s, l, order[i], t->n[order[i]], all);
    return all;
}

static void put_age(const struct physical_selection *s, struct lines *l,
                    const struct frame_tally *t)
{
    char size[TEXT_SIZE_MAX];
    if (t->unread)
        put(l, STYLE(COLOR_DIM), "%s not read yet", text_size(size, t->unread << page_shift(s)));
    if (s->now_ns && t->oldest_ns != UINT64_MAX && s->now_ns > t->oldest_ns)
        put(l, STYLE(COLOR_DIM), "read within the last %" PRIu64 " s",
            (s->now_ns - t->oldest_ns) / 1000000000 + 1);
}

static void put_cell(const struct physical_selection *s, struct lines *l)
{
    struct frame_tally t;
    char address[24], size[TEXT_SIZE_MAX];
    physmem_tally(s->machine, s->first, s->n, &t);
    put(l, STYLE(COLOR_TITLE), "one cell: %" PRIu64 " frame%s, %s", s->n, s->n == 1 ? "" : "s",
        text_size(size, s->n << page_shift(s)));
    put(l, STYLE(COLOR_DIM), "from frame %" PRIx64 ", address %s", s->first,
        physical_address(address, s->first, page_shift(s)));
    put_tally(s, l, &t, 6);
    if (s->own->known && s->own->bits) {
        uint64_t own = own_frames_count(s->own, s->first, s->n);
        if (own)
            put(l, STYLE(COLOR_DEFAULT), "%" PRIu64 " of them mapped by this process", own);
    }
    put_age(s, l, &t);
}

static void put_frame(const struct physical_selection *s, struct lines *l)
{
    const struct frame_detail *d = s->detail;
    uint64_t address;
    if (!d || d->frame != s->frame)
        return;
    put(l, STYLE(COLOR_TITLE), "frame %" PRIx64, d->frame);
    if (d->has_flags) {
        char flags[300] = "";
        size_t len = 0;
        for (unsigned bit = 0; bit < KPF_BITS; bit++) {
            struct bit_name name = kpf_bit(bit, d->flags);
            if (d->flags >> bit & 1 && name.name && len + 24 < sizeof flags)
                len += (size_t)snprintf(flags + len, sizeof flags - len, " %s", name.name);
        }
        put(l, STYLE(COLOR_DEFAULT), "%s", frame_use_info(d->use)->sentence);
        put(l, STYLE(COLOR_DIM), "flags:%s", len ? flags : " none");
    }
    if (d->has_count)
        put(l, STYLE(COLOR_DIM), "mapped %" PRIu64 " time%s", d->count, d->count == 1 ? "" : "s");
    if (s->ui->now && own_frames_address(s->ui->now, d->frame, &address))
        put(l, STYLE(COLOR_DEFAULT), "this process has it at %" PRIx64, address);
}

/* What tells cells with frames of the watched process. */
static const char *own_marks(const struct look *look)
{
    return look->ascii || !look->colors ? "# in such a cell"
                                        : "\u25c6 all that is used of a cell, \u25c7 a part";
}

static void put_memory(const struct physical_selection *s, struct lines *l)
{
    const struct physmem_info *info = physmem_info(s->machine);
    const struct frame_tally *t = physmem_all(s->machine);
    char total[TEXT_SIZE_MAX], spare[TEXT_SIZE_MAX], size[TEXT_SIZE_MAX];
    put(l, STYLE(COLOR_TITLE), "all memory");
    put_tally(s, l, t, FRAME_USE_N);
    put_age(s, l, t);
    if (info->mem.total != UINT64_MAX && info->mem.free != UINT64_MAX)
        put(l, STYLE(COLOR_DIM), "meminfo: total %s, free %s", text_size(total, info->mem.total),
            text_size(spare, info->mem.free));
    uint64_t listed = t->n[FRAME_FREE] << page_shift(s);
    if (!t->unread && info->mem.free != UINT64_MAX && info->mem.free / 16 * 15 > listed)
        put(l, STYLE(COLOR_DIM), "%s of the free memory is in no buddy list: no flag marks it",
            text_size(size, info->mem.free - listed));
    if (s->own->known && s->own->bits)
        put(l, STYLE(COLOR_DEFAULT), "this process maps %s of it: %s",
            text_size(size, s->own->total << page_shift(s)), own_marks(&s->ui->look));
}

/* Free blocks by order: how much of the free memory lies in blocks of at least that size. */
static void put_zone(const struct physical_selection *s, struct lines *l)
{
    const struct physmem_info *info = physmem_info(s->machine);
    const struct zone *z = physical_zone(info, s->frame);
    uint64_t all = 0, from = 0;
    char size[TEXT_SIZE_MAX], block[TEXT_SIZE_MAX];
    if (!z || !z->orders)
        return;
    for (unsigned o = 0; o < z->orders; o++)
        all += z->free[o] << o;
    put(l, STYLE(COLOR_TITLE), "free blocks, node %u %s: %s", z->node, z->name,
        text_size(size, all << page_shift(s)));
    for (unsigned o = z->orders; o-- > 0 && l->row < l->a.rows;) {
        from += z->free[o] << o;
        double share = all ? (double)from / (double)all : 0;
        area_printf(l->a, 0, l->row, STYLE(COLOR_DEFAULT), "%6s %7" PRIu64 " %4.0f%%",
                    text_size(block, (uint64_t)1 << (o + page_shift(s))), z->free[o], share * 100);
        unsigned room = l->a.cols > 22 ? l->a.cols - 22 : 0;
        for (unsigned i = 0; i < (unsigned)(share * room + 0.5); i++)
            area_put(l->a, 21 + i, l->row, s->ui->look.ascii ? '#' : 0x2584, STYLE(COLOR_DIM));
        l->row++;
    }
    put(l, STYLE(COLOR_DIM), "size, blocks, share of free memory in blocks at least as large");
}

void physical_panel_draw(const struct physical_selection *s, struct area a)
{
    struct lines l = {a, 0};
    put_cell(s, &l);
    l.row++;
    if (s->detail && s->detail->frame == s->frame) {
        put_frame(s, &l);
        l.row++;
    }
    put_memory(s, &l);
    l.row++;
    put_zone(s, &l);
}

unsigned physical_legend_draw(const struct physical_selection *s, struct area a)
{
    struct frame_tally t;
    uint8_t order[FRAME_USE_N];
    unsigned col = 0, row = 0;
    physmem_tally(s->machine, 0, physmem_info(s->machine)->frames, &t);
    unsigned count = by_size(&t, order);
    for (unsigned i = 0; i < count; i++) {
        char text[64], size[TEXT_SIZE_MAX];
        snprintf(text, sizeof text, "%s %s", frame_use_info(order[i])->title,
                 text_size(size, t.n[order[i]] << page_shift(s)));
        unsigned width = 2 + (unsigned)strlen(text);
        if (col && col + width > a.cols) {
            row++;
            col = 0;
        }
        if (row >= a.rows)
            return row;
        put_swatch(&s->ui->look, a, col, row, order[i]);
        area_text(a, col + 2, row, a.cols, text, STYLE(COLOR_DIM));
        col += width + 2;
    }
    if (!s->own->known || !s->own->bits)
        return row + (col > 0);
    row += col > 0;
    if (row < a.rows)
        area_printf(a, 0, row++, STYLE(COLOR_DIM), "this process: %s", own_marks(&s->ui->look));
    return row;
}

void physical_line_draw(const struct physical_selection *s, struct area a)
{
    struct frame_tally t;
    uint8_t order[FRAME_USE_N];
    char text[300], size[TEXT_SIZE_MAX];
    physmem_tally(s->machine, s->first, s->n, &t);
    unsigned count = by_size(&t, order);
    size_t len = (size_t)snprintf(text, sizeof text, "%" PRIx64 ": ", s->first);
    for (unsigned i = 0; i < count && i < 4; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s %s  ",
                                frame_use_info(order[i])->title,
                                text_size(size, t.n[order[i]] << page_shift(s)));
    if (t.unread)
        len += (size_t)snprintf(text + len, sizeof text - len, "not read %s  ",
                                text_size(size, t.unread << page_shift(s)));
    if (s->own->known && s->own->bits)
        snprintf(text + len, sizeof text - len, "own %s",
                 text_size(size, own_frames_count(s->own, s->first, s->n) << page_shift(s)));
    area_text(a, 0, 0, a.cols, text, STYLE(COLOR_DEFAULT));
}
