/* What kernel call chains say of the way of a fault (Linux 6.18; functions that may be inlined are
 * named too, for kernels where they are not):
 *
 *   in the chain, the outermost of      path
 *   do_anonymous_page                   do_anonymous_page
 *   do_huge_pmd_anonymous_page          the same
 *   do_huge_pmd_wp_page                 the same
 *   do_wp_page                          do_wp_page; copy, if a page is allocated or counted in it;
 *                                       reuse, if the file is told of the write
 *   do_swap_page                        the same, unless a marker led on to one of the others
 *   hugetlb_fault                       the same
 *   do_fault                            do_read_fault: pages around are mapped, or it is no write;
 *                                       do_cow_fault: a page is allocated here, or anonymous memory
 *                                       grew; do_shared_fault: the file is told of the write, or
 *                                       other memory grew by a write
 *   handle_userfault, anywhere          uffd
 * and by themselves the signals SIGBUS (sigbus), SIGSEGV with SEGV_MAPERR (bad_area) and
 * SEGV_ACCERR (bad_access). Page tables are allocated before userfaultfd is asked: they do not
 * tell it from the path in which they are allocated. What an interrupt does says nothing.
 *
 * Nothing is to be seen of: the zero page, do_wp_page without a copy of anonymous memory, hugetlb
 * pages out of the pool, NUMA hints, access flags, and faults in kernel mode that fail. */
#include "model/evidence.h"

#include <stdio.h>
#include <string.h>

#define BIT(path) (UINT32_C(1) << (path))

static const uint32_t any_fault =
    BIT(PATH_READ_FAULT) | BIT(PATH_COW_FAULT) | BIT(PATH_SHARED_FAULT);

static const char *const agreement_names[AGREEMENT_N] = {
    [AGREEMENT_UNASKED] = "", [AGREEMENT_PENDING] = "pending", [AGREEMENT_NONE] = "none",
    [AGREEMENT_LOST] = "lost", [AGREEMENT_UNPREDICTED] = "unpredicted", [AGREES] = "agrees",
    [DISAGREES] = "disagrees", [AGREEMENT_CORRECTED] = "corrected",
};

const char *agreement_name(enum agreement agreement)
{
    return (unsigned)agreement < AGREEMENT_N ? agreement_names[agreement] : "";
}

/* Where userfaultfd might have been asked next, that is not what was seen. */
static uint32_t without_uffd(uint32_t set)
{
    return set == BIT(PATH_UFFD) ? set : set & ~BIT(PATH_UFFD);
}

const char *observed_name(uint32_t set)
{
    for (unsigned p = 0; p < PATH_N; p++)
        if (without_uffd(set) == BIT(p))
            return path_name((enum path)p);
    return "do_fault";
}

bool observation_shows(const struct observation *o, enum path path)
{
    for (unsigned i = 0; i < o->count; i++)
        if (without_uffd(o->seen[i]) == BIT(path))
            return true;
    return false;
}

bool observation_tells(const struct observation *o)
{
    return o->agreement >= AGREEMENT_UNPREDICTED;
}

const char *observation_text(const struct observation *o, char *out, size_t cap)
{
    static const char *const hows[] = {"", " copy", " reuse"};
    size_t len = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < o->count && len < cap; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? ", " : "",
                                observed_name(o->seen[i]));
    if (o->count && len < cap)
        snprintf(out + len, cap - len, "%s", hows[o->how < 3 ? o->how : 0]);
    return out;
}

/* --- chains --- */

struct word {
    const char *at;
    size_t len;
};

static struct word next_word(const char **text)
{
    struct word w = {*text, strcspn(*text, ";")};
    *text += w.len + (w.at[w.len] == ';');
    return w;
}

static bool is(struct word w, const char *name)
{
    return w.len == strlen(name) && !memcmp(w.at, name, w.len);
}

static bool begins(struct word w, const char *name)
{
    return w.len >= strlen(name) && !memcmp(w.at, name, strlen(name));
}

static bool ends(struct word w, const char *name)
{
    size_t n = strlen(name);
    return w.len >= n && !memcmp(w.at + w.len - n, name, n);
}

static uint32_t set_of(struct word w)
{
    static const struct {
        const char *function;
        uint32_t set;
    } rows[] = {
        {"do_anonymous_page", BIT(PATH_ANONYMOUS)},
        {"do_huge_pmd_anonymous_page", BIT(PATH_HUGE_ANONYMOUS)},
        {"do_huge_pmd_wp_page", BIT(PATH_HUGE_WP)},
        {"do_wp_page", BIT(PATH_WP)},
        {"do_swap_page", BIT(PATH_SWAP)},
        {"hugetlb_fault", BIT(PATH_HUGETLB)},
        {"do_fault", BIT(PATH_READ_FAULT) | BIT(PATH_COW_FAULT) | BIT(PATH_SHARED_FAULT)},
        {"do_read_fault", BIT(PATH_READ_FAULT)},
        {"do_cow_fault", BIT(PATH_COW_FAULT)},
        {"do_shared_fault", BIT(PATH_SHARED_FAULT)},
        {"do_numa_page", BIT(PATH_NUMA)},
        {"do_huge_pmd_numa_page", BIT(PATH_NUMA)},
        {"expand_stack", BIT(PATH_EXPAND_STACK)},
        {"expand_downwards", BIT(PATH_EXPAND_STACK)},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (is(w, rows[i].function))
            return rows[i].set;
    return 0;
}

bool chain_function_tells(const char *function, size_t len)
{
    return set_of((struct word){function, len}) != 0;
}

static bool of_interrupt(struct word w)
{
    return begins(w, "asm_sysvec_") || begins(w, "sysvec_") || is(w, "asm_common_interrupt") ||
           is(w, "common_interrupt") || is(w, "handle_softirqs") || is(w, "irq_exit_rcu") ||
           begins(w, "asm_exc_nmi");
}

static bool allocates_page(struct word w)
{
    return begins(w, "vma_alloc_folio") || begins(w, "folio_prealloc") || begins(w, "folio_alloc");
}

static bool allocates_table(struct word w)
{
    return begins(w, "__pte_alloc") || begins(w, "pte_alloc_one");
}

static bool tells_file(struct word w)
{
    return is(w, "do_page_mkwrite") || is(w, "fault_dirty_shared_page") || is(w, "wp_page_shared");
}

/* What the function says that was called by the one that gave the set. */
static void refine(struct word called, struct chain_says *out)
{
    if (out->set == any_fault) {
        if (ends(called, "map_pages") || is(called, "do_fault_around"))
            out->set = BIT(PATH_READ_FAULT);
        else if (allocates_page(called))
            out->set = BIT(PATH_COW_FAULT);
        else if (tells_file(called))
            out->set = BIT(PATH_SHARED_FAULT);
    } else if (out->set == BIT(PATH_WP)) {
        if (allocates_page(called) || is(called, "wp_page_copy"))
            out->how = HOW_COPY;
        else if (tells_file(called))
            out->how = HOW_REUSE;
    }
    if (out->set & (any_fault | BIT(PATH_ANONYMOUS) | BIT(PATH_HUGE_ANONYMOUS)) &&
        allocates_table(called))
        out->set |= BIT(PATH_UFFD);
    out->maps = !called.len || is(called, "finish_fault") || is(called, "set_pte_range") ||
                is(called, "mm_trace_rss_stat");
}

void chain_read(const char *text, struct chain_says *out)
{
    const uint32_t marker = BIT(PATH_SWAP), behind_marker = BIT(PATH_ANONYMOUS) | any_fault;
    bool uffd = false;
    *out = (struct chain_says){0};
    while (*text) {
        struct word w = next_word(&text);
        uint32_t set = set_of(w);
        uffd |= is(w, "handle_userfault");
        if (of_interrupt(w)) {
            *out = (struct chain_says){0};
            return;
        }
        if (!set || (out->set && !(out->set == marker && set & behind_marker)))
            continue;
        const char *rest = text;
        out->set = set;
        refine(next_word(&rest), out);
    }
    if (uffd)
        out->set = BIT(PATH_UFFD);
}

/* --- what was seen of a fault --- */

static uint32_t set_of_sample(const struct event *fault, enum sample_kind kind,
                              const struct chain_says *says)
{
    static const uint32_t signals[SAMPLE_KIND_N] = {
        [SAMPLE_SIGBUS] = BIT(PATH_SIGBUS), [SAMPLE_MAPERR] = BIT(PATH_BAD_AREA),
        [SAMPLE_ACCERR] = BIT(PATH_BAD_ACCESS)};
    uint32_t set = says->set, fits = any_fault;
    if (signals[kind])
        return signals[kind];
    if (!(set & any_fault))
        return set;
    if (says->maps && kind == SAMPLE_RSS_ANON)
        fits = BIT(PATH_COW_FAULT);
    else if (says->maps && (kind == SAMPLE_RSS_FILE || kind == SAMPLE_RSS_SHMEM))
        fits &= ~BIT(PATH_COW_FAULT);
    if (fault->fault.access == ACCESS_WRITE)
        fits &= ~BIT(PATH_READ_FAULT);
    else if (fault->fault.access != ACCESS_UNKNOWN)
        fits &= BIT(PATH_READ_FAULT);
    fits |= BIT(PATH_UFFD);
    return set & fits & any_fault ? set & fits : set;
}

static bool is_one(uint32_t set)
{
    return set && !(set & (set - 1));
}

void observation_add(struct observation *o, const struct event *fault, enum sample_kind kind,
                     const struct chain_says *says, uint32_t stack)
{
    uint32_t set = kind < SAMPLE_KIND_N ? set_of_sample(fault, kind, says) : 0;
    uint8_t how = says->how;
    if (says->set == BIT(PATH_WP) && says->maps && kind <= SAMPLE_RSS_SHMEM)
        how = HOW_COPY;
    if (!set) {
        o->stack = o->stack ? o->stack : stack;
        return;
    }
    if (how)
        o->how = how;
    unsigned i = 0;
    while (i < o->count && !(o->seen[i] & set))
        i++;
    bool more = i == o->count || (!is_one(o->seen[i]) && is_one(o->seen[i] & set));
    if (more || how || !o->stack)
        o->stack = stack;
    if (i < o->count)
        o->seen[i] &= set;
    else if (o->count < OBSERVED_MAX)
        o->seen[o->count++] = set;
}

/* Paths that may lie on the way to this one, or that it lies in. */
static uint32_t on_the_way(const struct path_verdict *v)
{
    switch (v->path) {
    case PATH_ANONYMOUS: /* no huge page was to be had */
        return BIT(PATH_HUGE_ANONYMOUS);
    case PATH_SIGBUS:
        return any_fault | BIT(PATH_HUGETLB);
    case PATH_BAD_AREA:
        return BIT(PATH_SWAP);
    case PATH_UFFD: /* woken, the thread tries again, and then any way is open */
        return ~UINT32_C(0);
    default:
        return 0;
    }
}

/* Its end leaves no sample: the thread goes on trying, or a failure in kernel mode sends no signal. */
static bool ends_unseen(const struct event *fault, const struct path_verdict *v)
{
    return v->path == PATH_UFFD || (fault->fault.mode != MODE_USER &&
                                    (v->path == PATH_SIGBUS || v->path == PATH_BAD_AREA));
}

enum agreement observation_compare(const struct observation *o, const struct event *fault,
                                   const struct path_verdict *v)
{
    uint32_t before = v->also ? BIT(v->also) : 0, all = 0;
    if (!o->count)
        return AGREEMENT_NONE;
    if (v->path == PATH_UNKNOWN)
        return AGREEMENT_UNPREDICTED;
    enum agreement otherwise = v->sure ? DISAGREES : AGREEMENT_CORRECTED;
    for (unsigned i = 0; i < o->count; i++) {
        if (!(o->seen[i] & (BIT(v->path) | before | on_the_way(v))))
            return otherwise;
        all |= o->seen[i];
    }
    if (v->path == PATH_WP && v->how && o->how && v->how != o->how)
        return otherwise;
    if (all & BIT(v->path))
        return AGREES;
    return ends_unseen(fault, v) || !(all & ~before) ? AGREEMENT_NONE : otherwise;
}
