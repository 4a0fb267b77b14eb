/* Huge pages of a mapping, worked out from the runs of its pages. Folios lie at frames aligned to
 * their size, so a frame and its order tell which folio it is of. */
#include "model/huge.h"

#include <string.h>

static const struct {
    const char *name, *sentence;
} block_info[BLOCK_N] = {
    [BLOCK_HUGE] = {"huge", "one page-table entry maps the whole block"},
    [BLOCK_ZERO] = {"huge-zero", "the huge zero page: read, never written"},
    [BLOCK_SPLIT] = {"split", "a huge page, but mapped by small entries since it was split"},
    [BLOCK_KIND] = {"kind", "of a file: huge only where its file system laid it out so"},
    [BLOCK_CLOSED] = {"closed", "no access is allowed (PROT_NONE), and nothing is there"},
    [BLOCK_NEVER] = {"never", "huge pages are switched off for memory of this kind on this machine"},
    [BLOCK_DISABLED] = {"disabled", "the process switched them off for itself (prctl)"},
    [BLOCK_REFUSED] = {"refused", "the program asked for none (MADV_NOHUGEPAGE)"},
    [BLOCK_UNADVISED] = {"unadvised", "only advised memory gets them here, and this is not advised "
                                      "(MADV_HUGEPAGE)"},
    [BLOCK_UNREAD] = {"unread", "not known: its flags (VmFlags), its pages or its mount's setting "
                                "were not read"},
    [BLOCK_EMPTY] = {"empty", "untouched: the first touch may bring a huge page"},
    [BLOCK_SWAP] = {"swap", "more of it is in swap than khugepaged accepts"},
    [BLOCK_HOLES] = {"holes", "more of it is untouched than khugepaged accepts"},
    [BLOCK_SHARED] = {"shared", "more of it is shared than khugepaged accepts"},
    [BLOCK_WAITS] = {"waits", "nothing is against it: khugepaged has not come by yet"},
};

const char *huge_block_name(enum huge_block block)
{
    return block_info[(unsigned)block < BLOCK_N ? block : BLOCK_UNREAD].name;
}

const char *huge_block_sentence(enum huge_block block)
{
    return block_info[(unsigned)block < BLOCK_N ? block : BLOCK_UNREAD].sentence;
}

const char *thp_mode_name(enum thp_mode mode)
{
    static const char *const names[] = {[THP_UNKNOWN] = "?", [THP_NEVER] = "never",
                                        [THP_MADVISE] = "madvise", [THP_ALWAYS] = "always"};
    return names[(unsigned)mode <= THP_ALWAYS ? mode : THP_UNKNOWN];
}

/* The folio that the walk is in, and how many of its pages it has met. Holes and single pages may
 * lie between them. */
struct folio {
    uint64_t head, met;
    uint8_t order; /* 0: none */
};

/* What the current block holds so far. */
struct block {
    uint64_t number;
    uint64_t absent, swap, shared, unread, pmd, zero, large;
    uint64_t frame; /* of its first page, while all follow one another; or PAGE_FRAME_UNKNOWN */
    bool begun;
};

struct walk {
    const struct moment *m;
    const struct region *r;
    const struct thp_settings *thp;
    struct huge_sum *out;
    unsigned pmd_order;
    uint64_t first, end; /* pages of whole blocks; first == end: none */
    struct folio folio;
    struct block block;
};

static uint64_t bytes_of(const struct walk *w, uint64_t pages)
{
    return pages << w->m->target.geometry.page_shift;
}

/* --- folios --- */

static void close_folio(struct walk *w)
{
    struct folio *f = &w->folio;
    if (f->order && f->met < (uint64_t)1 << f->order)
        w->out->partial[f->order]++;
    f->order = 0;
}

static void meet_folio(struct walk *w, uint64_t frame, uint8_t order, uint64_t pages)
{
    uint64_t head = frame & ~(((uint64_t)1 << order) - 1);
    if (w->folio.order == order && w->folio.head == head) {
        w->folio.met += pages;
        return;
    }
    close_folio(w);
    w->folio = (struct folio){head, pages, order};
    w->out->folios[order]++;
}

static void add_small(struct walk *w, const struct page_run *run)
{
    uint8_t order = run->first.order;
    uint64_t size = (uint64_t)1 << order;
    w->out->small[order] += bytes_of(w, run->n);
    if (!order || run->first.frame == PAGE_FRAME_UNKNOWN)
        return;
    if ((run->page ^ run->first.frame) & (size - 1))
        w->out->crooked += bytes_of(w, run->n);
    for (uint64_t at = 0; at < run->n;) {
        uint64_t frame = run->first.frame + at, left = size - (frame & (size - 1));
        uint64_t n = left < run->n - at ? left : run->n - at;
        meet_folio(w, frame, order, n);
        at += n;
    }
}

static void add_sizes(struct walk *w, const struct page_run *run)
{
    const struct page *p = &run->first;
    bool present = page_state_info(p->state)->present;
    bool known = p->order < HUGE_ORDERS;
    if (p->state == PAGE_HUGETLB && known)
        w->out->hugetlb[p->order] += bytes_of(w, run->n);
    else if (p->state == PAGE_HUGE_ZERO)
        w->out->zero += bytes_of(w, run->n);
    else if (p->state == PAGE_ZERO || p->state == PAGE_DEVICE || !present)
        ;
    else if (p->attrs & PAGE_A_PMD && p->state != PAGE_HUGETLB)
        w->out->pmd += bytes_of(w, run->n);
    else if (known && !(w->out->no_pmd && p->order >= w->pmd_order))
        add_small(w, run);
    else
        w->out->unread += bytes_of(w, run->n);
}

/* --- blocks --- */

static bool may_be_huge(const struct region *r)
{
    return r->kind == REGION_ANON || r->kind == REGION_HEAP || r->kind == REGION_STACK ||
           r->kind == REGION_SHMEM;
}

/* Shared memory of the kernel's own mount follows shmem_enabled; a file of any other tmpfs follows
 * the option `huge` of its mount. */
static bool of_own_mount(const char *name)
{
    static const char *const made[] = {"/memfd:", "/SYSV", "/dev/zero (deleted)"};
    for (unsigned i = 0; i < sizeof made / sizeof *made; i++)
        if (!strncmp(name, made[i], strlen(made[i])))
            return true;
    return false;
}

static bool has_flag(const struct region *r, const char code[2])
{
    int bit = region_vmflag_bit(code);
    return r->smaps && bit >= 0 && r->smaps->vmflags >> bit & 1;
}

/* Whether the settings want huge pages here: BLOCK_WAITS if they do. */
static enum huge_block wanted(const struct walk *w)
{
    bool shared = w->r->kind == REGION_SHMEM;
    enum thp_mode mode = shared ? w->thp->shmem : w->thp->anon;
    if (!may_be_huge(w->r))
        return BLOCK_KIND;
    if (w->m->counters.thp_enabled == 0)
        return BLOCK_DISABLED;
    if (mode == THP_UNKNOWN || !w->r->smaps || (shared && !of_own_mount(w->r->name)))
        return BLOCK_UNREAD;
    if (mode == THP_NEVER)
        return BLOCK_NEVER;
    if (has_flag(w->r, "nh"))
        return BLOCK_REFUSED;
    return mode == THP_ALWAYS || has_flag(w->r, "hg") ? BLOCK_WAITS : BLOCK_UNADVISED;
}

static enum huge_block judge(const struct walk *w, const struct block *b)
{
    uint64_t size = (uint64_t)1 << w->pmd_order;
    enum huge_block want = wanted(w);
    if (b->pmd == size)
        return BLOCK_HUGE;
    if (b->zero == size)
        return BLOCK_ZERO;
    if (b->large == size && b->frame != PAGE_FRAME_UNKNOWN && !(b->frame & (size - 1)))
        return w->out->no_pmd ? BLOCK_UNREAD : BLOCK_SPLIT;
    if (b->absent == size && !(w->r->perms & (REGION_R | REGION_W | REGION_X)))
        return BLOCK_CLOSED;
    if (want != BLOCK_WAITS)
        return want;
    if (b->unread)
        return BLOCK_UNREAD;
    if (b->absent == size)
        return BLOCK_EMPTY;
    if (b->swap > w->thp->max_swap)
        return BLOCK_SWAP;
    if (b->absent > w->thp->max_none)
        return BLOCK_HOLES;
    return b->shared > w->thp->max_shared ? BLOCK_SHARED : BLOCK_WAITS;
}

static void close_block(struct walk *w)
{
    if (w->block.begun)
        w->out->blocks[judge(w, &w->block)]++;
    w->block.begun = false;
}

/* khugepaged takes zero pages for untouched ones. */
static void meet_block(struct walk *w, const struct page *p, uint64_t page, uint64_t n)
{
    struct block *b = &w->block;
    const struct page_state_info *info = page_state_info(p->state);
    if (!b->begun)
        *b = (struct block){.number = page >> w->pmd_order, .begun = true, .frame = p->frame};
    uint64_t offset = page & (((uint64_t)1 << w->pmd_order) - 1);
    if (p->order != w->pmd_order || p->frame != b->frame + offset)
        b->frame = PAGE_FRAME_UNKNOWN;
    b->large += p->order == w->pmd_order ? n : 0;
    b->pmd += p->attrs & PAGE_A_PMD && info->rss ? n : 0;
    b->zero += p->state == PAGE_HUGE_ZERO ? n : 0;
    b->absent += p->state == PAGE_ABSENT || p->state == PAGE_ZERO ? n : 0;
    b->swap += p->state == PAGE_SWAP || p->state == PAGE_SHMEM_SWAP ? n : 0;
    b->shared += p->state == PAGE_COW || p->state == PAGE_KSM ? n : 0;
    b->unread += p->state == PAGE_UNKNOWN || p->state == PAGE_PRESENT ? n : 0;
}

/* A run far longer than a block: the blocks inside it are all alike. */
static uint64_t add_alike(struct walk *w, const struct page_run *run, uint64_t at, uint64_t end)
{
    uint64_t size = (uint64_t)1 << w->pmd_order, blocks = (end - at) / size;
    struct page p = page_at(&run->first, at - run->page);
    if (!blocks || at & (size - 1))
        return at;
    close_block(w);
    meet_block(w, &p, at, size);
    w->out->blocks[judge(w, &w->block)] += blocks;
    w->block.begun = false;
    return at + blocks * size;
}

static void add_blocks(struct walk *w, const struct page_run *run)
{
    uint64_t size = (uint64_t)1 << w->pmd_order;
    uint64_t at = run->page > w->first ? run->page : w->first;
    uint64_t end = run->page + run->n < w->end ? run->page + run->n : w->end;
    while (at < end) {
        uint64_t next = add_alike(w, run, at, end);
        if (next == at) {
            struct page p = page_at(&run->first, at - run->page);
            next = (at & ~(size - 1)) + size;
            next = next < end ? next : end;
            meet_block(w, &p, at, next - at);
            if (!(next & (size - 1)))
                close_block(w);
        }
        at = next;
    }
}

static int each_run(void *ctx, const struct page_run *run)
{
    struct walk *w = ctx;
    add_sizes(w, run);
    add_blocks(w, run);
    return 0;
}

static bool counts_blocks(const struct region *r)
{
    return may_be_huge(r) || r->kind == REGION_FILE;
}

void huge_of_region(const struct moment *m, const struct region *r, const struct thp_settings *thp,
                    struct huge_sum *out)
{
    const struct geometry *g = &m->target.geometry;
    struct walk w = {.m = m, .r = r, .thp = thp, .out = out,
                     .pmd_order = g->pmd_shift - g->page_shift};
    uint64_t size = (uint64_t)1 << w.pmd_order, first = moment_page(m, r->start);
    uint64_t pages = (r->end - r->start) >> g->page_shift, end = first + pages;
    *out = (struct huge_sum){.block_bytes = (uint64_t)1 << g->pmd_shift,
                             .no_pmd = !m->target.scan.yes};
    if (counts_blocks(r)) {
        w.first = (first + size - 1) & ~(size - 1);
        w.end = end & ~(size - 1);
        if (w.end < w.first)
            w.end = w.first;
        out->edges = bytes_of(&w, pages - (w.end - w.first));
    }
    pagetree_walk(m->tree, first, pages, each_run, &w);
    close_folio(&w);
    close_block(&w);
}

uint64_t huge_large(const struct huge_sum *s)
{
    uint64_t sum = 0;
    for (unsigned order = 1; order < HUGE_ORDERS; order++)
        sum += s->small[order];
    return sum;
}

uint64_t huge_pool(const struct huge_sum *s)
{
    uint64_t sum = 0;
    for (unsigned order = 0; order < HUGE_ORDERS; order++)
        sum += s->hugetlb[order];
    return sum;
}

uint64_t huge_blocks(const struct huge_sum *s)
{
    uint64_t sum = 0;
    for (unsigned b = 0; b < BLOCK_N; b++)
        sum += s->blocks[b];
    return sum;
}

bool huge_is_dull(const struct huge_sum *s)
{
    return huge_blocks(s) == s->blocks[BLOCK_CLOSED] && !huge_large(s) && !huge_pool(s) &&
           !s->pmd && !s->zero;
}

void huge_add(struct huge_sum *to, const struct huge_sum *from)
{
    to->no_pmd |= from->no_pmd;
    to->pmd += from->pmd;
    to->zero += from->zero;
    to->unread += from->unread;
    to->crooked += from->crooked;
    to->edges += from->edges;
    for (unsigned i = 0; i < HUGE_ORDERS; i++) {
        to->small[i] += from->small[i];
        to->folios[i] += from->folios[i];
        to->partial[i] += from->partial[i];
        to->hugetlb[i] += from->hugetlb[i];
    }
    for (unsigned i = 0; i < BLOCK_N; i++)
        to->blocks[i] += from->blocks[i];
}

void huge_of_all(const struct moment *m, const struct thp_settings *thp, struct huge_sum *out)
{
    *out = (struct huge_sum){.block_bytes = (uint64_t)1 << m->target.geometry.pmd_shift};
    for (size_t i = 0; i < m->regions->count; i++) {
        struct huge_sum sum;
        huge_of_region(m, &m->regions->v[i], thp, &sum);
        huge_add(out, &sum);
    }
}
