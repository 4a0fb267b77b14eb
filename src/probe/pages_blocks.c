/* Blocks: finding those that are known, alike or nearly so. */
#include "probe/pages_blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe/abi.h"

enum {
    BUCKETS = 1 << 16,
    /* How many of a list are looked at. What is found moves to its front, so that what most
     * processes have is found at once, and among a thousand that differ nobody searches long. */
    TRIES = 6
};

int pages_blocks_init(struct pages_blocks *b, struct page_reader *reader)
{
    *b = (struct pages_blocks){.reader = reader, .buckets = malloc(BUCKETS * sizeof *b->buckets)};
    if (!b->buckets)
        return -ENOMEM;
    memset(b->buckets, 0xff, BUCKETS * sizeof *b->buckets);
    return 0;
}

void pages_blocks_deinit(struct pages_blocks *b)
{
    free(b->v);
    free(b->cuts);
    free(b->buckets);
}

/* --- runs --- */

bool pages_raw_counts_up(const struct page_reader *r, const struct pages_raw *raw)
{
    return r->has_pfn && raw->source & RAW_ENTRY && raw->entry & PM_PRESENT;
}

bool pages_raw_goes_on(const struct page_reader *r, const struct pages_raw *a,
                       const struct pages_raw *b)
{
    uint64_t step = pages_raw_counts_up(r, a) ? a->n : 0;
    return a->n && a->page + a->n == b->page && a->entry + step == b->entry &&
           a->categories == b->categories && a->kind == b->kind && a->source == b->source &&
           !(a->categories & PAGE_IS_HUGE && a->source & RAW_SCANNED) &&
           a->n + (uint64_t)b->n <= UINT32_MAX;
}

/* --- lists --- */

static uint32_t *bucket_of(struct pages_blocks *b, uint64_t page)
{
    uint64_t h = page / PAGES_BLOCK * 0x9e3779b97f4a7c15u;
    return &b->buckets[h >> 40 & (BUCKETS - 1)];
}

/* *link, a link of the list that begins at *head, names a block that was found. */
static void move_to_front(struct pages_blocks *b, uint32_t *head, uint32_t *link)
{
    uint32_t found = *link;
    if (link == head)
        return;
    *link = b->v[found].next;
    b->v[found].next = *head;
    *head = found;
}

static int push_block(struct pages_blocks *b, const struct pages_block *block, uint32_t *number)
{
    void *v = b->v;
    int rc = b->count == PAGES_NO_BLOCK ? -ENOMEM
                                        : array_reserve(&v, &b->cap, b->count + 1, sizeof *b->v);
    b->v = v;
    if (rc)
        return rc;
    uint32_t *head = block->base == PAGES_NO_BLOCK ? bucket_of(b, block->page)
                                                   : &b->v[block->base].changes;
    b->v[b->count] = *block;
    b->v[b->count].next = *head;
    b->v[b->count].changes = PAGES_NO_BLOCK;
    *head = *number = (uint32_t)b->count++;
    return 0;
}

/* Nothing has been fetched yet, so raws are alike only in what the page table says. */
static bool same_raws(const struct pages_raw *x, const struct pages_raw *y, size_t count)
{
    return !count || !memcmp(x, y, count * sizeof *x);
}

size_t pages_blocks_find(struct pages_blocks *b, const struct pages_raw *raws, size_t count,
                         uint32_t *found)
{
    uint32_t *head = bucket_of(b, raws->page), *link = head;
    for (unsigned i = 0; i < TRIES && *link != PAGES_NO_BLOCK; i++, link = &b->v[*link].next) {
        const struct pages_block *k = &b->v[*link];
        size_t n = k->count;
        if (k->page == raws->page && n < count && same_raws(b->reader->raws + k->at, raws, n) &&
            raws[n].page / PAGES_BLOCK != raws[n - 1].page / PAGES_BLOCK) {
            *found = *link;
            move_to_front(b, head, link);
            return n;
        }
    }
    return 0;
}

/* --- what differs --- */

static bool is_huge(const struct pages_raw *raw)
{
    return raw->source & RAW_SCANNED && raw->categories & PAGE_IS_HUGE;
}

/* n pages of *raw, from its page number `from` on. */
static struct pages_raw part_of(const struct pages_blocks *b, const struct pages_raw *raw,
                                uint64_t from, uint64_t n)
{
    struct pages_raw part = *raw;
    uint64_t off = from - raw->page;
    part.page = from;
    part.n = (uint32_t)n;
    part.entry += pages_raw_counts_up(b->reader, raw) ? off : 0;
    return part;
}

static void note_raw(struct pages_blocks *b, const struct pages_raw *raw)
{
    struct pages_raw *last = &b->new_raws[b->new_raws_count - (b->new_raws_count > 0)];
    struct pages_cut *cut = &b->new_cuts[b->new_cuts_count - 1];
    if (cut->count && pages_raw_goes_on(b->reader, last, raw)) {
        last->n += raw->n;
        return;
    }
    b->new_raws[b->new_raws_count++] = *raw;
    cut->count++;
}

/* Pages [page, page + n) differ: the block has *raw there, from that page on, or nothing. */
static void note(struct pages_blocks *b, uint64_t page, uint64_t n, const struct pages_raw *raw)
{
    struct pages_cut *last = &b->new_cuts[b->new_cuts_count - (b->new_cuts_count > 0)];
    b->changed += (uint32_t)n;
    if (b->new_cuts_count && last->page + last->n == page)
        last->n += (uint32_t)n;
    else
        b->new_cuts[b->new_cuts_count++] = (struct pages_cut){page, b->new_raws_count, (uint32_t)n,
                                                              0};
    if (raw) {
        struct pages_raw part = part_of(b, raw, page, n);
        note_raw(b, &part);
    }
}

static uint64_t end_of(const struct pages_raw *raw)
{
    return raw->page + raw->n;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The pages from *at on that both have, one has, or none: up to the next boundary of a run. What
 * differs is noted. */
static void compare_next(struct pages_blocks *b, const struct pages_raw *x,
                         const struct pages_raw *y, uint64_t *at)
{
    bool in_x = x && x->page <= *at, in_y = y && y->page <= *at;
    uint64_t end = lesser(x ? in_x ? end_of(x) : x->page : UINT64_MAX,
                          y ? in_y ? end_of(y) : y->page : UINT64_MAX);
    if (in_x && in_y) {
        struct pages_raw mine = part_of(b, x, *at, end - *at), its = part_of(b, y, *at, end - *at);
        if (!same_raws(&mine, &its, 1))
            note(b, *at, end - *at, y);
    } else if (in_x || in_y) {
        note(b, *at, end - *at, in_y ? y : NULL);
    }
    *at = end;
}

/* Whether the block of these raws is best told as changes to a known one: b->new_cuts then. */
static bool differs_little(struct pages_blocks *b, const struct pages_block *base,
                           const struct pages_raw *raws, size_t count)
{
    const struct pages_raw *x = b->reader->raws + base->at, *x_end = x + base->count, *y = raws,
                           *y_end = raws + count;
    uint64_t at = lesser(x->page, y->page);
    b->new_cuts_count = b->new_raws_count = b->changed = 0;
    while ((x < x_end || y < y_end) && b->changed <= PAGES_BLOCK / 2) {
        if ((x < x_end && (is_huge(x) || x->n > PAGES_BLOCK)) ||
            (y < y_end && (is_huge(y) || y->n > PAGES_BLOCK)))
            return false;
        compare_next(b, x < x_end ? x : NULL, y < y_end ? y : NULL, &at);
        x += x < x_end && end_of(x) <= at;
        y += y < y_end && end_of(y) <= at;
    }
    return b->changed <= PAGES_BLOCK / 2 && x == x_end && y == y_end;
}

/* --- a block --- */

/* Whether a block's changes are those that were just noted. */
static bool has_new_cuts(const struct pages_blocks *b, const struct pages_block *k)
{
    if (k->count != b->new_cuts_count)
        return false;
    for (uint32_t i = 0; i < b->new_cuts_count; i++) {
        const struct pages_cut *mine = &b->cuts[k->at + i], *its = &b->new_cuts[i];
        if (mine->page != its->page || mine->n != its->n || mine->count != its->count ||
            !same_raws(b->reader->raws + mine->at, b->new_raws + its->at, its->count))
            return false;
    }
    return true;
}

/* What was noted takes the place of the raws from `at` on. */
static int push_change(struct pages_blocks *b, uint32_t base, size_t at, uint32_t *number)
{
    void *v = b->cuts;
    size_t need = b->cuts_count + b->new_cuts_count;
    int rc = array_reserve(&v, &b->cuts_cap, need, sizeof *b->cuts);
    b->cuts = v;
    struct pages_block block = {.page = b->v[base].page, .at = b->cuts_count,
                                .count = b->new_cuts_count, .base = base};
    if (!rc)
        rc = push_block(b, &block, number);
    b->reader->raws_count = at;
    for (uint32_t i = 0; !rc && i < b->new_raws_count; i++)
        rc = pages_raw_push(b->reader, &b->new_raws[i]);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < b->new_cuts_count; i++) {
        b->cuts[b->cuts_count] = b->new_cuts[i];
        b->cuts[b->cuts_count++].at += at;
    }
    return 0;
}

static int add_change(struct pages_blocks *b, uint32_t base, size_t at, uint32_t *number)
{
    uint32_t *head = &b->v[base].changes, *link = head;
    for (unsigned i = 0; i < TRIES && *link != PAGES_NO_BLOCK; i++, link = &b->v[*link].next)
        if (has_new_cuts(b, &b->v[*link])) {
            *number = *link;
            move_to_front(b, head, link);
            b->reader->raws_count = at;
            return 0;
        }
    return push_change(b, base, at, number);
}

int pages_blocks_add(struct pages_blocks *b, size_t at, uint32_t *number)
{
    struct pages_raw *raws = b->reader->raws + at;
    size_t count = b->reader->raws_count - at;
    uint32_t *head = bucket_of(b, raws->page), *link = head;
    for (unsigned i = 0; i < TRIES && *link != PAGES_NO_BLOCK; i++, link = &b->v[*link].next) {
        const struct pages_block *k = &b->v[*link];
        if (k->page / PAGES_BLOCK != raws->page / PAGES_BLOCK)
            continue;
        if (k->count == count && same_raws(b->reader->raws + k->at, raws, count)) {
            *number = *link;
            move_to_front(b, head, link);
            b->reader->raws_count = at;
            return 0;
        }
        if (differs_little(b, k, raws, count)) {
            uint32_t base = *link;
            move_to_front(b, head, link);
            return add_change(b, base, at, number);
        }
    }
    struct pages_block block = {.page = raws->page, .at = at, .count = count,
                                .base = PAGES_NO_BLOCK};
    return push_block(b, &block, number);
}
