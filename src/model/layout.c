/* One pass over the regions makes the items with their first rows; everything else is a binary
 * search over them and arithmetic inside one item. Nothing is kept per pixel, so a terabyte of
 * reservation costs as much as a page. */
#include "model/layout.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"

unsigned layout_pixel_shift(const struct layout_shape *shape)
{
    return shape->page_shift + LAYOUT_ZOOM_BITS * shape->zoom;
}

/* Pixels that [start, end) touches. */
static uint64_t span_pixels(unsigned shift, uint64_t start, uint64_t end)
{
    return ((end - 1) >> shift) - (start >> shift) + 1;
}

uint64_t layout_item_pixels(const struct layout *l, const struct layout_item *item)
{
    if (!item->regions)
        return 0;
    return span_pixels(layout_pixel_shift(&l->shape), item->start, item->end);
}

uint64_t layout_item_pixel_rows(const struct layout *l, const struct layout_item *item)
{
    uint64_t pixels = layout_item_pixels(l, item);
    return pixels / l->shape.width + (pixels % l->shape.width != 0);
}

unsigned layout_item_last_cols(const struct layout *l, const struct layout_item *item)
{
    uint64_t rows = layout_item_pixel_rows(l, item);
    if (!rows)
        return 0;
    if (rows % l->shape.stack == 0 && l->shape.stack > 1)
        return l->shape.width;
    return (unsigned)(layout_item_pixels(l, item) - (rows - 1) * l->shape.width);
}

static bool label_fits(const struct layout *l, const struct layout_item *item)
{
    if (!l->shape.label)
        return true;
    return layout_item_last_cols(l, item) + 1 + l->shape.label <= l->shape.cols;
}

static void add_item(struct layout *l, struct layout_item item)
{
    item.row = l->rows;
    if (item.regions) {
        uint64_t rows = layout_item_pixel_rows(l, &item);
        item.header = !label_fits(l, &item);
        l->rows += rows / l->shape.stack + (rows % l->shape.stack != 0) + item.header;
    } else {
        l->rows++;
    }
    l->v[l->count++] = item;
}

/* The index behind the cluster that begins with region i; i + 1 when it stands alone. */
static size_t cluster_end(const struct region_table *t, const struct layout_shape *shape, size_t i)
{
    unsigned shift = layout_pixel_shift(shape);
    size_t next = i + 1;
    if (!shape->zoom || span_pixels(shift, t->v[i].start, t->v[i].end) >= LAYOUT_SMALL)
        return next;
    while (next < t->count &&
           span_pixels(shift, t->v[next].start, t->v[next].end) < LAYOUT_SMALL &&
           (t->v[next].start - t->v[next - 1].end) >> shift < LAYOUT_SMALL)
        next++;
    return next;
}

static void add_items(struct layout *l)
{
    const struct region_table *t = l->table;
    unsigned shift = layout_pixel_shift(&l->shape);
    for (size_t i = 0, next; i < t->count; i = next) {
        next = cluster_end(t, &l->shape, i);
        uint64_t gap = i ? t->v[i].start - t->v[i - 1].end : 0;
        bool folded = gap && gap >> shift < LAYOUT_FOLD;
        if (gap && !folded)
            add_item(l, (struct layout_item){
                            .start = t->v[i - 1].end, .end = t->v[i].start, .region = i});
        add_item(l, (struct layout_item){.start = t->v[i].start, .end = t->v[next - 1].end,
                                         .region = i, .regions = next - i, .folded = folded});
    }
}

static void count_pages(struct layout *l)
{
    uint64_t pages = 0;
    for (size_t i = 0; i < l->table->count; i++) {
        l->pages_before[i] = pages;
        pages += (l->table->v[i].end - l->table->v[i].start) >> l->shape.page_shift;
    }
}

static int reserve(struct layout *l, size_t regions)
{
    void *v = l->v, *pages = l->pages_before;
    int rc = array_reserve(&v, &l->cap, 2 * regions, sizeof(*l->v));
    l->v = v;
    if (rc)
        return rc;
    rc = array_reserve(&pages, &l->pages_cap, regions, sizeof(*l->pages_before));
    l->pages_before = pages;
    return rc;
}

int layout_build(struct layout *l, struct region_table *t, const struct layout_shape *shape)
{
    int rc = reserve(l, t->count);
    if (rc)
        return rc;
    region_table_ref(t);
    region_table_unref(l->table);
    l->table = t;
    l->shape = *shape;
    l->count = 0;
    l->rows = 0;
    add_items(l);
    count_pages(l);
    return 0;
}

void layout_deinit(struct layout *l)
{
    region_table_unref(l->table);
    free(l->v);
    free(l->pages_before);
    *l = (struct layout){0};
}

bool layout_is(const struct layout *l, const struct region_table *t,
               const struct layout_shape *shape)
{
    const struct layout_shape *s = &l->shape;
    return l->table == t && s->page_shift == shape->page_shift && s->zoom == shape->zoom &&
           s->width == shape->width && s->stack == shape->stack && s->cols == shape->cols &&
           s->label == shape->label;
}

bool layout_adopt(struct layout *l, struct region_table *t)
{
    if (!l->table || l->table->count != t->count)
        return false;
    for (size_t i = 0; l->table != t && i < t->count; i++)
        if (l->table->v[i].start != t->v[i].start || l->table->v[i].end != t->v[i].end)
            return false;
    region_table_ref(t);
    region_table_unref(l->table);
    l->table = t;
    return true;
}

size_t layout_find(const struct layout *l, uint64_t address)
{
    size_t low = 0, high = l->count - 1;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (l->v[mid].end <= address)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

size_t layout_item_of_row(const struct layout *l, uint64_t row)
{
    size_t low = 0, high = l->count - 1;
    while (low < high) {
        size_t mid = low + (high - low + 1) / 2;
        if (l->v[mid].row <= row)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

uint64_t layout_item_rows(const struct layout *l, size_t item)
{
    uint64_t end = item + 1 < l->count ? l->v[item + 1].row : l->rows;
    return end - l->v[item].row;
}

void layout_pixel_range(const struct layout *l, const struct layout_item *item, uint64_t pixel,
                        uint64_t *start, uint64_t *end)
{
    if (!item->regions) {
        *start = item->start;
        *end = item->end;
        return;
    }
    unsigned shift = layout_pixel_shift(&l->shape);
    uint64_t first = ((item->start >> shift) + pixel) << shift;
    uint64_t last = first + ((UINT64_C(1) << shift) - 1); /* inclusive: the next may be 2^64 */
    *start = first < item->start ? item->start : first;
    *end = last >= item->end - 1 ? item->end : last + 1;
}

static void place_pixel(const struct layout *l, size_t index, uint64_t pixel,
                        struct layout_place *out)
{
    const struct layout_item *item = &l->v[index];
    uint64_t pixel_row = pixel / l->shape.width;
    out->item = index;
    out->pixel = pixel;
    out->row = item->row + item->header + pixel_row / l->shape.stack;
    out->col = (unsigned)(pixel % l->shape.width);
    out->half = (unsigned)(pixel_row % l->shape.stack);
}

bool layout_place_of(const struct layout *l, uint64_t address, struct layout_place *out)
{
    if (!l->count)
        return false;
    size_t index = layout_find(l, address);
    const struct layout_item *item = &l->v[index];
    if (address < item->start)
        address = item->start;
    if (address >= item->end)
        address = item->end - 1;
    unsigned shift = layout_pixel_shift(&l->shape);
    uint64_t pixel = item->regions ? (address >> shift) - (item->start >> shift) : 0;
    place_pixel(l, index, pixel, out);
    return true;
}

bool layout_place_at(const struct layout *l, uint64_t row, unsigned col, unsigned half,
                     struct layout_place *out)
{
    if (!l->count)
        return false;
    size_t index = layout_item_of_row(l, row);
    const struct layout_item *item = &l->v[index];
    uint64_t pixels = layout_item_pixels(l, item);
    uint64_t body = item->row + item->header;
    uint64_t pixel_row = row < body ? 0 : (row - body) * l->shape.stack + half;
    uint64_t last_row = pixels ? (pixels - 1) / l->shape.width : 0;
    if (pixel_row > last_row)
        pixel_row = last_row;
    if (col >= l->shape.width)
        col = l->shape.width - 1;
    uint64_t pixel = pixel_row * l->shape.width + col;
    if (pixel >= pixels)
        pixel = pixels ? pixels - 1 : 0;
    place_pixel(l, index, pixel, out);
    return true;
}

/* Mapped pages below an address. */
static uint64_t pages_below(const struct layout *l, uint64_t address)
{
    const struct region_table *t = l->table;
    size_t i = region_table_find(t, address);
    if (i == t->count) {
        if (!i)
            return 0;
        const struct region *last = &t->v[i - 1];
        return l->pages_before[i - 1] + ((last->end - last->start) >> l->shape.page_shift);
    }
    uint64_t inside = address > t->v[i].start ? address - t->v[i].start : 0;
    return l->pages_before[i] + (inside >> l->shape.page_shift);
}

uint64_t layout_mapped(const struct layout *l, uint64_t start, uint64_t end)
{
    return end > start ? pages_below(l, end) - pages_below(l, start) : 0;
}

uint64_t layout_first_mapped(const struct layout *l, uint64_t start, uint64_t end)
{
    size_t i = region_table_find(l->table, start);
    if (i == l->table->count || l->table->v[i].start >= end)
        return end;
    return l->table->v[i].start > start ? l->table->v[i].start : start;
}
