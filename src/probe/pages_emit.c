/* Steps 2 and 3 of reading pages: the frames behind the raw runs, and runs of pages for the
 * tree. */
#include "probe/pages_raw.h"

#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "probe/abi.h"
#include "probe/decode.h"

enum { ORDER_MAX = 20 };

static uint64_t pfn_of(const struct pages_raw *raw)
{
    return raw->entry & PM_PFN_MASK;
}

static bool has_frames(const struct page_reader *r, const struct pages_raw *raw)
{
    return r->has_pfn && raw->source & RAW_ENTRY && raw->entry & PM_PRESENT;
}

/* One frame speaks for all of a huge mapping: the head of its folio. */
static bool is_huge(const struct pages_raw *raw)
{
    return raw->source & RAW_SCANNED && raw->categories & PAGE_IS_HUGE;
}

static uint64_t pmd_pages(const struct page_reader *r)
{
    return (uint64_t)1 << (r->geometry.pmd_shift - r->geometry.page_shift);
}

static int request(struct page_reader *r, uint64_t pfn, uint32_t n, uint32_t at)
{
    void *p = r->requests;
    int rc = array_reserve(&p, &r->requests_cap, r->requests_count + 1, sizeof *r->requests);
    r->requests = p;
    if (!rc)
        r->requests[r->requests_count++] = (struct sort_item){pfn, n, at};
    return rc;
}

static int fetch(struct page_reader *r, int fd, uint64_t **result, size_t *cap, size_t len)
{
    void *p = *result;
    int rc = array_reserve(&p, cap, len, sizeof **result);
    *result = p;
    return rc ? rc : frames_fetch(fd, r->requests, r->requests_count, *result, &r->scratch);
}

static int read_flags(struct page_reader *r)
{
    size_t len = 0;
    r->requests_count = 0;
    for (size_t i = 0; i < r->raws_count; i++) {
        struct pages_raw *raw = &r->raws[i];
        if (!has_frames(r, raw))
            continue;
        bool huge = is_huge(raw);
        uint64_t pfn = huge ? pfn_of(raw) & ~(pmd_pages(r) - 1) : pfn_of(raw);
        uint32_t n = huge ? 1 : raw->n;
        int rc = request(r, pfn, n, (uint32_t)len);
        if (rc)
            return rc;
        raw->flags_at = (uint32_t)len;
        len += n;
    }
    return fetch(r, r->kpageflags_fd, &r->flags, &r->flags_cap, len);
}

static bool wants_count(const struct page_reader *r, const struct pages_raw *raw, unsigned want)
{
    return has_frames(r, raw) && (want & PAGES_ALL_COUNTS || !(raw->entry & PM_EXCLUSIVE));
}

static int read_counts(struct page_reader *r, unsigned want)
{
    size_t len = 0;
    r->requests_count = 0;
    for (size_t i = 0; i < r->raws_count; i++) {
        struct pages_raw *raw = &r->raws[i];
        if (!wants_count(r, raw, want))
            continue;
        int rc = request(r, pfn_of(raw), raw->n, (uint32_t)len);
        if (rc)
            return rc;
        raw->counts_at = (uint32_t)len;
        len += raw->n;
    }
    return fetch(r, r->kpagecount_fd, &r->counts, &r->counts_cap, len);
}

/* --- orders --- */

/* How far a folio reaches from its head: the pages up to the first that is no tail of it. */
static uint64_t folio_pages(struct page_reader *r, uint64_t head)
{
    uint64_t flags[64];
    for (uint64_t n = 1; n < (uint64_t)1 << ORDER_MAX;) {
        uint64_t ask = n < 8 ? 8 - n : n < 64 ? 64 - n : 64;
        ssize_t got = io_pread(r->kpageflags_fd, flags, ask * sizeof *flags,
                               (head + n) * sizeof *flags);
        uint64_t have = got < 0 ? 0 : (uint64_t)got / sizeof *flags;
        for (uint64_t i = 0; i < have; i++)
            if (!(flags[i] & KPF_MASK(KPF_COMPOUND_TAIL)))
                return n + i;
        n += have;
        if (have < ask)
            return n;
    }
    return 0;
}

/* The head of the folio that holds this tail. A folio is aligned to its size, so the head is at
 * the frame with ever more low bits cleared. */
static bool folio_head(struct page_reader *r, uint64_t pfn, uint64_t *head)
{
    for (unsigned order = 0; order <= ORDER_MAX; order++) {
        uint64_t flags, at = pfn & ~(((uint64_t)1 << order) - 1);
        if (order && at == (pfn & ~(((uint64_t)1 << (order - 1)) - 1)))
            continue;
        if (io_pread(r->kpageflags_fd, &flags, sizeof flags, at * sizeof flags) != sizeof flags)
            return false;
        if (flags & KPF_MASK(KPF_COMPOUND_HEAD)) {
            *head = at;
            return true;
        }
        if (!(flags & KPF_MASK(KPF_COMPOUND_TAIL)))
            return false;
    }
    return false;
}

/* The order of the large folio that holds this frame, from kpageflags; PAGE_ORDER_UNKNOWN if it
 * cannot be read. */
static uint8_t order_of_folio(struct page_reader *r, uint64_t pfn)
{
    uint64_t head = 0;
    if (r->kpageflags_fd < 0)
        return PAGE_ORDER_UNKNOWN;
    if (!r->folio.n || pfn < r->folio.head || pfn >= r->folio.head + r->folio.n) {
        if (!folio_head(r, pfn, &head))
            return PAGE_ORDER_UNKNOWN;
        r->folio = (struct folio_cache){head, folio_pages(r, head)};
    }
    uint64_t n = r->folio.n;
    if (!n || n & (n - 1))
        return PAGE_ORDER_UNKNOWN;
    return (uint8_t)__builtin_ctzll(n);
}

/* --- runs --- */

void run_vec_deinit(struct run_vec *v)
{
    free(v->v);
    *v = (struct run_vec){0};
}

int run_vec_push(struct run_vec *v, uint64_t page, uint64_t n, const struct page *first)
{
    if (v->count > v->closed) {
        struct page_run *last = &v->v[v->count - 1];
        if (last->page + last->n == page && page_follows(&last->first, last->n, first)) {
            last->n += n;
            return 0;
        }
    }
    if (v->count == v->cap) {
        void *p = v->v;
        int rc = array_reserve(&p, &v->cap, v->count + 1, sizeof *v->v);
        v->v = p;
        if (rc)
            return rc;
    }
    v->v[v->count++] = (struct page_run){page, n, *first};
    return 0;
}

/* What all pages of a raw run have in common. */
static struct page_evidence evidence_of(const struct page_reader *r, const struct pages_raw *raw)
{
    return (struct page_evidence){
        .entry = raw->entry, .categories = raw->categories, .region_kind = raw->kind,
        .has_entry = (raw->source & RAW_ENTRY) != 0, .has_scan = (raw->source & RAW_SCANNED) != 0,
        .has_pfn = r->has_pfn};
}

/* How many pages from k on agree with page k in flags and count. */
static uint32_t same_frames(const struct page_reader *r, const struct pages_raw *raw, uint32_t k,
                            uint64_t mask)
{
    const uint64_t *flags = raw->flags_at == RAW_NONE || is_huge(raw) ? NULL
                                                                     : r->flags + raw->flags_at;
    const uint64_t *counts = raw->counts_at == RAW_NONE ? NULL : r->counts + raw->counts_at;
    if (!flags && !counts)
        return raw->n - k;
    uint32_t m = k + 1;
    while (m < raw->n && (!flags || !((flags[m] ^ flags[k]) & mask)) &&
           (!counts || counts[m] == counts[k]))
        m++;
    return m - k;
}

/* Neighbours mostly have the same evidence but for the frame: the last decoding is kept. */
struct decoder {
    struct page_evidence ev; /* frame number and unwatched flags cleared */
    struct page page;
    bool valid, noisy;
    unsigned pmd_order;
    uint64_t flags_mask;
};

static struct page decode(struct decoder *d, const struct page_evidence *ev)
{
    struct page_evidence key = *ev;
    bool framed = ev->has_entry && ev->has_pfn && ev->entry & PM_PRESENT;
    if (framed)
        key.entry &= ~PM_PFN_MASK;
    key.flags &= d->flags_mask;
    const struct page_evidence *k = &d->ev;
    if (!d->valid || key.entry != k->entry || key.flags != k->flags || key.count != k->count ||
        key.categories != k->categories || key.region_kind != k->region_kind ||
        key.has_entry != k->has_entry || key.has_scan != k->has_scan ||
        key.has_flags != k->has_flags || key.has_count != k->has_count) {
        d->ev = key;
        d->page = page_decode(&key, d->pmd_order, d->noisy);
        d->valid = true;
    }
    struct page p = d->page;
    if (framed)
        p.frame = ev->entry & PM_PFN_MASK;
    return p;
}

/* Bit 56 was read with us as another mapping. Of a large folio's pages it may speak for all. */
static bool has_one_mapping(const struct page_evidence *ev)
{
    const uint64_t large = KPF_MASK(KPF_COMPOUND_HEAD) | KPF_MASK(KPF_COMPOUND_TAIL);
    return ev->has_count && ev->count == 1 && ev->has_flags && !(ev->flags & large);
}

static int emit_one(struct page_reader *r, const struct pages_raw *raw, unsigned want,
                    struct decoder *decoder, uint64_t page_mask, struct run_vec *out)
{
    uint64_t mask = decoder->flags_mask;
    struct page_evidence ev = evidence_of(r, raw);
    for (uint32_t k = 0; k < raw->n;) {
        uint32_t n = same_frames(r, raw, k, mask);
        if (raw->flags_at != RAW_NONE) {
            ev.flags = r->flags[raw->flags_at + (is_huge(raw) ? 0 : k)];
            ev.has_flags = ev.flags != FRAMES_UNREAD;
        }
        if (raw->counts_at != RAW_NONE) {
            ev.count = r->counts[raw->counts_at + k];
            ev.has_count = ev.count != FRAMES_UNREAD;
        }
        bool frames = r->has_pfn && raw->entry & PM_PRESENT;
        ev.entry = frames ? raw->entry + k : raw->entry;
        if (r->without_self && has_one_mapping(&ev))
            ev.entry |= PM_EXCLUSIVE;
        struct page p = decode(decoder, &ev);
        if (want & PAGES_ORDERS && ev.has_flags && p.order == PAGE_ORDER_UNKNOWN) {
            p.order = order_of_folio(r, p.frame);
            uint64_t left = r->folio.head + r->folio.n - p.frame;
            if (p.order != PAGE_ORDER_UNKNOWN && n > left)
                n = (uint32_t)left;
        }
        int rc = run_vec_push(out, (raw->page + k) & page_mask, n, &p);
        if (rc)
            return rc;
        k += n;
    }
    return 0;
}

static int emit_plain(const struct pages_raw *raw, uint64_t page_mask, struct run_vec *out)
{
    struct page p = page_absent;
    p.state = raw->source & RAW_DEVICE       ? PAGE_DEVICE
              : raw->source & RAW_SHMEM_SWAP ? PAGE_SHMEM_SWAP
                                             : PAGE_UNKNOWN;
    return run_vec_push(out, raw->page & page_mask, raw->n, &p);
}

/* What sorting needed is given back before runs are made, if it is much: a picture of a gigabyte
 * in single frames would hold it all at once. */
static void release_large(struct page_reader *r)
{
    enum { MUCH = 1 << 16 };
    if (r->requests_cap < MUCH)
        return;
    free(r->requests);
    r->requests = NULL;
    r->requests_cap = 0;
    frames_scratch_deinit(&r->scratch);
}

int pages_fetch(struct page_reader *r, unsigned want)
{
    int rc = 0;
    if (want & PAGES_FLAGS && r->kpageflags_fd >= 0)
        rc = read_flags(r);
    if (!rc && want & PAGES_COUNTS && r->kpagecount_fd >= 0)
        rc = read_counts(r, want);
    release_large(r);
    r->raws_out = 0;
    r->folio.n = 0;
    return rc;
}

static struct decoder decoder_for(const struct page_reader *r, unsigned want)
{
    return (struct decoder){.noisy = want & PAGES_NOISY,
                            .pmd_order = r->geometry.pmd_shift - r->geometry.page_shift,
                            .flags_mask = page_decode_flags_mask(want & PAGES_NOISY)};
}

static int emit_raw(struct page_reader *r, const struct pages_raw *raw, unsigned want,
                    struct decoder *decoder, struct run_vec *out)
{
    uint64_t mask = pages_tree_mask(r);
    if (raw->source & (RAW_DEVICE | RAW_SHMEM_SWAP | RAW_UNREAD))
        return emit_plain(raw, mask, out);
    return emit_one(r, raw, want, decoder, mask, out);
}

int pages_emit_part(struct page_reader *r, unsigned want, size_t from, size_t to,
                    struct run_vec *out)
{
    struct decoder decoder = decoder_for(r, want);
    int rc = 0;
    for (size_t i = from; !rc && i < to; i++)
        rc = emit_raw(r, &r->raws[i], want, &decoder, out);
    return rc;
}

int page_reader_emit(struct page_reader *r, unsigned want, size_t max_runs, struct run_vec *out,
                     uint64_t end, uint64_t *upto)
{
    int rc = 0;
    size_t most = out->count + max_runs;
    struct decoder decoder = decoder_for(r, want);
    while (!rc && r->raws_out < r->raws_count && out->count < most)
        rc = emit_raw(r, &r->raws[r->raws_out++], want, &decoder, out);
    if (!rc)
        *upto = r->raws_out < r->raws_count
                    ? r->raws[r->raws_out].page << r->geometry.page_shift
                    : end;
    return rc;
}
