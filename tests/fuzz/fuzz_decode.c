/* One page from all that the kernel may say about it: what comes out is a state of the vocabulary,
 * claims nothing without its evidence, and adds up in tallies. */
#include <string.h>

#include "fuzz.h"
#include "model/pagetree.h"
#include "probe/abi.h"
#include "probe/decode.h"

static struct page_evidence take_evidence(struct feed *f)
{
    unsigned has = feed_u8(f);
    return (struct page_evidence){
        .has_entry = has & 1,
        .has_scan = has & 2,
        .has_flags = has & 4,
        .has_count = has & 8,
        .has_pfn = has & 16,
        .region_kind = (uint8_t)(feed_u8(f) % REGION_KIND_N),
        .entry = feed_u64(f),
        .categories = feed_u64(f),
        .flags = feed_u64(f),
        .count = feed_u64(f),
    };
}

static void check(const struct page_evidence *ev, const struct page *p, bool noisy)
{
    DEMAND(p->state < PAGE_STATE_N);
    const struct page_state_info *info = page_state_info(p->state);
    bool present = ev->has_entry ? (ev->entry & PM_PRESENT) != 0
                                 : ev->has_scan && ev->categories & PAGE_IS_PRESENT;
    if (present)
        DEMAND(info->present || p->state == PAGE_DEVICE);
    DEMAND(!(p->attrs & PAGE_A_ENTRY) || ev->has_entry);
    DEMAND(!(p->attrs & PAGE_A_FLAGS) || ev->has_flags);
    DEMAND(p->frame == PAGE_FRAME_UNKNOWN || ev->has_entry);
    DEMAND(noisy || !(p->attrs & PAGE_A_NOISY));
    DEMAND(!(p->attrs & PAGE_A_DIRTY) || p->attrs & PAGE_A_FLAGS);
    if (p->state == PAGE_SWAP)
        DEMAND(!(ev->entry & PM_GUARD) && (ev->entry & PM_SWAP_TYPE_MASK) != PM_SWAP_TYPE_MARKER);
    struct tally sum = {{0}};
    tally_add_page(&sum, p, 3);
    DEMAND(tally_present(&sum) == (info->present ? 3 : 0));
    DEMAND(tally_rss(&sum) <= 3 && tally_anon(&sum) <= tally_rss(&sum));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed f = feed_of(data, size);
    struct page_evidence ev = take_evidence(&f);
    for (unsigned noisy = 0; noisy < 2; noisy++) {
        struct page p = page_decode(&ev, 9, noisy);
        check(&ev, &p, noisy);
        /* Flags outside the mask never matter. */
        struct page_evidence masked = ev;
        masked.flags &= page_decode_flags_mask(noisy);
        struct page q = page_decode(&masked, 9, noisy);
        DEMAND(page_follows(&p, 0, &q));
    }
    return 0;
}
