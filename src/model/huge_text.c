/* Huge pages in sentences. */
#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "model/huge.h"

static void put_orders(const struct huge_sum *s, unsigned page_shift, const char *indent,
                       struct buf *out)
{
    char text[TEXT_SIZE_MAX];
    for (unsigned order = 1; order < HUGE_ORDERS; order++) {
        if (!s->small[order])
            continue;
        buf_printf(out, "%s%" PRIu64 " folio%s of %s mapped by small entries", indent,
                   s->folios[order], s->folios[order] == 1 ? "" : "s", text_size(text, (uint64_t)1 << (order + page_shift)));
        if (s->partial[order])
            buf_printf(out, ", %" PRIu64 " of them not wholly", s->partial[order]);
        buf_putc(out, '\n');
    }
    for (unsigned order = 0; order < HUGE_ORDERS; order++)
        if (s->hugetlb[order])
            buf_printf(out, "%s%" PRIu64 " of %s from the hugetlb pool\n", indent,
                       s->hugetlb[order] >> (order + page_shift),
                       text_size(text, (uint64_t)1 << (order + page_shift)));
    if (s->crooked)
        buf_printf(out, "%s%s of large folios at addresses not aligned to their size\n",
                   indent, text_size(text, s->crooked));
}

static void put_reasons(const struct huge_sum *s, const char *indent, struct buf *out)
{
    for (unsigned b = 0; b < BLOCK_N; b++)
        if (b != BLOCK_HUGE && s->blocks[b])
            buf_printf(out, "%s%" PRIu64 " block%s: %s\n", indent, s->blocks[b],
                       s->blocks[b] == 1 ? "" : "s", huge_block_sentence((enum huge_block)b));
}

const char *huge_share(const struct huge_sum *s, char *out, size_t cap)
{
    uint64_t all = huge_blocks(s);
    if (!all)
        snprintf(out, cap, ".");
    else if (s->no_pmd)
        snprintf(out, cap, "?/%" PRIu64, all);
    else
        snprintf(out, cap, "%" PRIu64 "/%" PRIu64, s->blocks[BLOCK_HUGE], all);
    return out;
}

void huge_sentences(const struct huge_sum *s, unsigned page_shift, const char *indent,
                    struct buf *out)
{
    put_orders(s, page_shift, indent, out);
    put_reasons(s, indent, out);
}

/* Deferred split: what is only in part mapped is split when memory is wanted. A process's own pages do
 * not tell whether a folio waits, the machine's numbers do. */
static void put_deferred(const struct thp_settings *thp, unsigned page_shift, struct buf *out)
{
    char text[TEXT_SIZE_MAX];
    uint64_t waiting = 0, ever = 0;
    bool known = false;
    for (unsigned order = 1; order < HUGE_ORDERS; order++) {
        known |= thp->partial[order] != UINT64_MAX && thp->size[order] != THP_UNKNOWN;
        waiting += thp->partial[order] == UINT64_MAX ? 0 : thp->partial[order];
        ever += thp->deferred[order] == UINT64_MAX ? 0 : thp->deferred[order];
    }
    if (!known)
        return;
    buf_printf(out, "deferred split, whole machine: %" PRIu64 " folio%s in part unmapped wait for it",
               waiting, waiting == 1 ? "" : "s");
    for (unsigned order = 1; order < HUGE_ORDERS; order++)
        if (thp->partial[order] && thp->partial[order] != UINT64_MAX)
            buf_printf(out, ", %" PRIu64 " of %s", thp->partial[order],
                       text_size(text, (uint64_t)1 << (order + page_shift)));
    buf_printf(out, "; %" PRIu64 " since boot\n", ever);
}

void thp_sentences(const struct thp_settings *thp, unsigned page_shift, struct buf *out)
{
    char text[TEXT_SIZE_MAX];
    buf_printf(out, "transparent huge pages here: anonymous %s, shared memory %s",
               thp_mode_name((enum thp_mode)thp->anon), thp_mode_name((enum thp_mode)thp->shmem));
    for (unsigned order = 0; order < HUGE_ORDERS; order++)
        if (thp->size[order] == THP_MADVISE || thp->size[order] == THP_ALWAYS)
            buf_printf(out, ", %s %s", text_size(text, (uint64_t)1 << (order + page_shift)),
                       thp_mode_name((enum thp_mode)thp->size[order]));
    buf_putc(out, '\n');
    if (thp->scan_pages != UINT64_MAX && thp->scan_ms != UINT64_MAX)
        buf_printf(out, "khugepaged looks at %" PRIu64 " pages of the whole machine, then rests for "
                        "%" PRIu64 ".%" PRIu64 " s\n",
                   thp->scan_pages, thp->scan_ms / 1000, thp->scan_ms % 1000 / 100);
    put_deferred(thp, page_shift, out);
}
