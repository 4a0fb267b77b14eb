/* The way of a page fault through the kernel, as one table of questions. Each question is asked of
 * what is known and answered by the number of an answer; an answer leads to the next question or
 * is a leaf. In the order in which Linux 6.18 asks (do_user_addr_fault, handle_mm_fault,
 * __handle_mm_fault, handle_pte_fault), x86-64:
 *
 *   of user space? --no--> bad_area (SEGV_MAPERR)
 *   a mapping? --no--> grows down to here? --no--> bad_area
 *     |                  `-yes: expand_stack, then as an empty entry of it
 *   access allowed? --no--> bad_access (SEGV_ACCERR)
 *   hugetlb? --yes--> hugetlb_fault
 *   a huge page? --fits----------------------> do_huge_pmd_anonymous_page
 *     |          --zero or own, written------> do_huge_pmd_wp_page
 *     |          --shared, written: split, then as a write-protected page
 *     |          --of a file, written: split, then as an empty entry
 *   entry empty? --yes--> anonymous? --yes--> do_anonymous_page
 *     |                     `-no--> inside the file? --no--> sigbus
 *     |                               write? --no--> do_read_fault
 *     |                               shared? --yes--> do_shared_fault, --no--> do_cow_fault
 *     |          --no page--> swap: do_swap_page; guard marker: bad_area;
 *     |                       userfaultfd marker: do_swap_page, then as an empty entry
 *   closed for NUMA? --yes--> do_numa_page
 *   write, and write-protected? --no--> access_flags
 *   for userfaultfd? --yes--> uffd
 *   do_wp_page: shared mapping, or an anonymous page of its own: reuse; any other page: copy
 *
 * The processor's own words (was a page present?) go before what is remembered of the page. */
#include "model/path.h"

struct walk {
    const struct path_input *in;
    const struct region *region;
    struct page page; /* the state before, corrected by what the fault says */
    uint8_t access;
    uint8_t also;
    const char *doubt;
};

static void doubt(struct walk *w, const char *reason)
{
    if (!w->doubt)
        w->doubt = reason;
}

static bool present(const struct walk *w)
{
    return page_state_info(w->page.state)->present;
}

static enum known_bool protection(const struct walk *w)
{
    return (enum known_bool)w->in->fault->fault.protection;
}

static enum known_bool region_has_flag(const struct region *r, const char code[2])
{
    if (!r->smaps)
        return NOT_KNOWN;
    return r->smaps->vmflags >> region_vmflag_bit(code) & 1 ? KNOWN_YES : KNOWN_NO;
}

static bool anonymous(const struct region *r)
{
    return !(r->perms & REGION_SHARED) &&
           (r->kind == REGION_ANON || r->kind == REGION_HEAP || r->kind == REGION_STACK);
}

/* --- the questions --- */

enum { YES, NO };

/* Bits that no user address has, with five levels of page tables either. */
static const uint64_t kernel_half = ~(uint64_t)0 << 56;

enum { USER_YES, USER_NO, USER_VSYSCALL, USER_VSYSCALL_DATA };

static unsigned ask_user(struct walk *w)
{
    if (w->region && w->region->kind == REGION_VSYSCALL) {
        if (w->access == ACCESS_UNKNOWN)
            doubt(w, "whether it is called or read is not known");
        return w->access == ACCESS_READ || w->access == ACCESS_WRITE ? USER_VSYSCALL_DATA
                                                                     : USER_VSYSCALL;
    }
    return w->in->fault->fault.address & kernel_half ? USER_NO : USER_YES;
}

static unsigned ask_mapping(struct walk *w)
{
    return w->region ? YES : NO;
}

static unsigned ask_stack(struct walk *w)
{
    const struct region *above = w->in->above;
    if (!above)
        return NO;
    enum known_bool grows = region_has_flag(above, "gd");
    if (above->kind == REGION_STACK)
        grows = KNOWN_YES;
    if (grows != KNOWN_YES) {
        if (grows == NOT_KNOWN && above->kind == REGION_ANON && anonymous(above))
            doubt(w, "whether the mapping above grows down was not read (VmFlags gd)");
        return NO;
    }
    if (w->in->room_known && !w->in->room)
        return NO;
    if (!w->in->room_known)
        doubt(w, "the stack's limit and the guard gap below it are not known");
    w->region = above;
    w->page = page_absent;
    w->also = PATH_EXPAND_STACK;
    return YES;
}

enum { ALLOWED_YES, ALLOWED_NO, ALLOWED_NONE, ALLOWED_NOT_THIS };

/* An instruction fetch from a page that is not there yet is taken for a read: only when the page
 * is present does the processor say that it may not be executed. */
static unsigned ask_allowed(struct walk *w)
{
    uint8_t perms = w->region->perms;
    if (!(perms & (REGION_R | REGION_W | REGION_X)))
        return ALLOWED_NONE;
    bool writable = perms & REGION_W;
    if (w->access == ACCESS_WRITE)
        return writable ? ALLOWED_YES : ALLOWED_NO;
    bool there = protection(w) == KNOWN_YES || (protection(w) == NOT_KNOWN && present(w));
    if (w->access == ACCESS_UNKNOWN) {
        if (!writable)
            doubt(w, "a read and a write end differently here; which it was is not known");
        else if (protection(w) == KNOWN_YES)
            w->access = ACCESS_WRITE;
        return ALLOWED_YES;
    }
    if (protection(w) == KNOWN_YES)
        return ALLOWED_NOT_THIS;
    return there && w->access == ACCESS_EXEC && !(perms & REGION_X) ? ALLOWED_NOT_THIS
                                                                    : ALLOWED_YES;
}

enum { HUGETLB_YES, HUGETLB_NO, HUGETLB_BEYOND };

static unsigned ask_hugetlb(struct walk *w)
{
    if (w->region->kind != REGION_HUGETLB)
        return HUGETLB_NO;
    return w->in->beyond_eof ? HUGETLB_BEYOND : HUGETLB_YES;
}

/* Brings what is remembered of the page into line with what the processor found. */
static void settle_page(struct walk *w)
{
    bool unknown = w->page.state == PAGE_UNKNOWN;
    if (protection(w) == KNOWN_YES && !present(w)) {
        w->page = page_absent;
        w->page.state = PAGE_PRESENT;
        if (!(w->region->perms & REGION_SHARED))
            doubt(w, "a page is there, but what kind it is was not known before");
    } else if (protection(w) == KNOWN_NO && unknown) {
        w->page = page_absent;
        if (!(w->region->perms & REGION_SHARED))
            doubt(w, "the page may be in swap: its state was not known before");
    } else if (protection(w) == KNOWN_NO && present(w) && !w->in->numa_balancing) {
        w->page = page_absent;
        doubt(w, "no page is there any more: what became of the last one is not known");
    } else if (protection(w) == NOT_KNOWN && unknown) {
        w->page = page_absent;
        doubt(w, "whether a page was there is not known");
    }
}

enum {
    HUGE_NO, HUGE_FITS, HUGE_UFFD, HUGE_ZERO, HUGE_OWN, HUGE_SPLIT, HUGE_FILE, HUGE_PROTECTED
};

static void doubt_handler(struct walk *w)
{
    if (!w->in->uffd_waits)
        doubt(w, "userfaultfd may let the write through by itself (UFFD_FEATURE_WP_ASYNC)");
}

static unsigned ask_huge_written(struct walk *w)
{
    if (w->page.state == PAGE_HUGE_ZERO)
        return w->page.attrs & PAGE_A_UFFD_WP ? HUGE_PROTECTED : HUGE_ZERO;
    if (!(w->page.attrs & PAGE_A_PMD))
        return HUGE_NO;
    if (w->page.attrs & PAGE_A_UFFD_WP) {
        doubt_handler(w);
        return HUGE_PROTECTED;
    }
    if (w->page.state == PAGE_FILE || w->page.state == PAGE_SHMEM) {
        w->page = page_absent;
        return HUGE_FILE;
    }
    if (w->page.state == PAGE_ANON)
        return HUGE_OWN;
    w->also = PATH_HUGE_WP;
    return HUGE_SPLIT;
}

static unsigned ask_huge(struct walk *w)
{
    settle_page(w);
    if (present(w))
        return w->access == ACCESS_WRITE ? ask_huge_written(w) : HUGE_NO;
    if (!w->in->thp_possible || w->page.state != PAGE_ABSENT || !anonymous(w->region) || w->also)
        return HUGE_NO;
    return region_has_flag(w->region, "um") == KNOWN_YES ? HUGE_UFFD : HUGE_FITS;
}

enum { EMPTY_YES, EMPTY_NO_PAGE, EMPTY_PAGE };

static unsigned ask_empty(struct walk *w)
{
    if (present(w))
        return EMPTY_PAGE;
    if (w->page.state == PAGE_SWAP || w->page.state == PAGE_GUARD ||
        w->page.attrs & PAGE_A_UFFD_WP)
        return EMPTY_NO_PAGE;
    return EMPTY_YES;
}

enum { HOLDS_SWAP, HOLDS_GUARD, HOLDS_MARKER };

static unsigned ask_holds(struct walk *w)
{
    if (w->page.state == PAGE_SWAP)
        return HOLDS_SWAP;
    if (w->page.state == PAGE_GUARD)
        return HOLDS_GUARD;
    w->also = PATH_SWAP;
    return HOLDS_MARKER;
}

enum { ANONYMOUS_YES, ANONYMOUS_UFFD, ANONYMOUS_NO };

static unsigned ask_anonymous(struct walk *w)
{
    if (!anonymous(w->region))
        return ANONYMOUS_NO;
    return region_has_flag(w->region, "um") == KNOWN_YES ? ANONYMOUS_UFFD : ANONYMOUS_YES;
}

enum { INSIDE_YES, INSIDE_NO, INSIDE_SPECIAL };

static unsigned ask_inside(struct walk *w)
{
    if (w->in->beyond_eof)
        return INSIDE_NO;
    if (region_has_flag(w->region, "um") == KNOWN_YES ||
        region_has_flag(w->region, "ui") == KNOWN_YES)
        doubt(w, "userfaultfd is asked if the file has no page there, or has one (minor)");
    switch (w->region->kind) {
    case REGION_DEVICE:
        doubt(w, "a device's driver may refuse, or map its pages by itself");
        return INSIDE_SPECIAL;
    case REGION_VDSO:
    case REGION_VVAR:
        return INSIDE_SPECIAL;
    default:
        return INSIDE_YES;
    }
}

static unsigned ask_write(struct walk *w)
{
    if (w->access == ACCESS_UNKNOWN && w->region->perms & REGION_W)
        doubt(w, "whether it was a read or a write is not known");
    return w->access == ACCESS_WRITE ? YES : NO;
}

static unsigned ask_shared(struct walk *w)
{
    return w->region->perms & REGION_SHARED ? YES : NO;
}

static unsigned ask_numa(struct walk *w)
{
    if (protection(w) != KNOWN_NO)
        return NO;
    doubt(w, "the page may also have been taken away since it was last looked at");
    return YES;
}

/* A page thought writable that is write-protected after all: another thread writes to it at the
 * same time, or is just forking (fork protects pages before it is heard of: seen on python3 with
 * threads), so that a copy is as likely as none. */
static unsigned ask_protected(struct walk *w)
{
    if (w->access == ACCESS_UNKNOWN)
        doubt(w, "whether it was a read or a write is not known");
    if (w->access != ACCESS_WRITE)
        return NO;
    if (!(w->page.attrs & PAGE_A_WRITABLE) || w->page.attrs & PAGE_A_UFFD_WP)
        return YES;
    doubt(w, "the page was thought writable: another thread writes, or forks, at the same time");
    if (protection(w) != KNOWN_YES)
        return NO;
    w->page = page_absent;
    w->page.state = PAGE_PRESENT;
    return YES;
}

static unsigned ask_uffd(struct walk *w)
{
    if (!(w->page.attrs & PAGE_A_UFFD_WP) || region_has_flag(w->region, "uw") == KNOWN_NO)
        return NO;
    doubt_handler(w);
    return YES;
}

enum { SOLE_YES, SOLE_ZERO, SOLE_KSM, SOLE_FORKED, SOLE_FILE, SOLE_UNKNOWN };

static unsigned ask_sole(struct walk *w)
{
    switch (w->page.state) {
    case PAGE_ANON:
        if (w->page.attrs & PAGE_A_LARGE && !(w->page.attrs & PAGE_A_WRITABLE))
            doubt(w, "other processes may still map other pages of the same large folio");
        return SOLE_YES;
    case PAGE_ZERO:
    case PAGE_HUGE_ZERO:
        return SOLE_ZERO;
    case PAGE_KSM:
        return SOLE_KSM;
    case PAGE_COW:
        return SOLE_FORKED;
    case PAGE_FILE:
    case PAGE_SHMEM:
    case PAGE_DEVICE:
        return SOLE_FILE;
    default:
        doubt(w, "what kind of page it is, and who else uses it, is not known");
        return SOLE_UNKNOWN;
    }
}

/* --- the tree --- */

enum question_id {
    LEAF, Q_USER, Q_MAPPING, Q_STACK, Q_ALLOWED, Q_HUGETLB, Q_HUGE, Q_EMPTY, Q_HOLDS, Q_ANONYMOUS,
    Q_INSIDE, Q_WRITE, Q_SHARED, Q_NUMA, Q_PROTECTED, Q_UFFD, Q_WP_SHARED, Q_SOLE, Q_N
};

struct answer {
    const char *text;
    uint8_t next; /* enum question_id; LEAF: path and how hold */
    uint8_t path;
    uint8_t how;
};

struct question {
    const char *text;
    unsigned (*ask)(struct walk *w);
    struct answer answer[8];
};

#define TO(question) .next = (question)
#define END(leaf) .path = (leaf)

static const struct question tree[Q_N] = {
    [Q_USER] = {"Is it an address of user space?", ask_user,
        {[USER_YES] = {"yes", TO(Q_MAPPING)},
         [USER_NO] = {"no: the kernel's, or no address at all", END(PATH_BAD_AREA)},
         [USER_VSYSCALL] = {"it is [vsyscall]: the call is emulated, no page is mapped",
                            END(PATH_UNKNOWN)},
         [USER_VSYSCALL_DATA] = {"no: [vsyscall] can only be called", END(PATH_BAD_AREA)}}},
    [Q_MAPPING] = {"Is there a mapping?", ask_mapping,
        {[YES] = {"yes", TO(Q_ALLOWED)},
         [NO] = {"no", TO(Q_STACK)}}},
    [Q_STACK] = {"May the mapping above grow down to it?", ask_stack,
        {[YES] = {"yes, a stack: expand_stack", TO(Q_ALLOWED)},
         [NO] = {"no: SIGSEGV, SEGV_MAPERR", END(PATH_BAD_AREA)}}},
    [Q_ALLOWED] = {"Does the mapping allow this access?", ask_allowed,
        {[ALLOWED_YES] = {"yes", TO(Q_HUGETLB)},
         [ALLOWED_NO] = {"no, it may not be written: SIGSEGV, SEGV_ACCERR", END(PATH_BAD_ACCESS)},
         [ALLOWED_NONE] = {"no, it allows none (PROT_NONE): SIGSEGV, SEGV_ACCERR",
                           END(PATH_BAD_ACCESS)},
         [ALLOWED_NOT_THIS] = {"no, the page is there but not for this: SIGSEGV, SEGV_ACCERR",
                               END(PATH_BAD_ACCESS)}}},
    [Q_HUGETLB] = {"Is it a mapping of the hugetlb pool?", ask_hugetlb,
        {[HUGETLB_YES] = {"yes: it has its own way", END(PATH_HUGETLB)},
         [HUGETLB_NO] = {"no", TO(Q_HUGE)},
         [HUGETLB_BEYOND] = {"yes, but beyond the end of the file", END(PATH_SIGBUS)}}},
    [Q_HUGE] = {"Is this the place of a huge page?", ask_huge,
        {[HUGE_NO] = {"no", TO(Q_EMPTY)},
         [HUGE_FITS] = {"one fits: no page table is there yet, and huge pages are wanted",
                        END(PATH_HUGE_ANONYMOUS)},
         [HUGE_UFFD] = {"one fits, but userfaultfd fills this mapping", END(PATH_UFFD)},
         [HUGE_ZERO] = {"the huge zero page is there, and this is a write", END(PATH_HUGE_WP)},
         [HUGE_OWN] = {"one that nobody else uses is there, write-protected", END(PATH_HUGE_WP)},
         [HUGE_SPLIT] = {"one that others use too is written: its entry is split first",
                         TO(Q_UFFD)},
         [HUGE_FILE] = {"one of a file is written: its entry is taken away first", TO(Q_EMPTY)},
         [HUGE_PROTECTED] = {"one is there, write-protected for userfaultfd", END(PATH_UFFD)}}},
    [Q_EMPTY] = {"Is the page-table entry empty?", ask_empty,
        {[EMPTY_YES] = {"yes", TO(Q_ANONYMOUS)},
         [EMPTY_NO_PAGE] = {"no, but it holds no page", TO(Q_HOLDS)},
         [EMPTY_PAGE] = {"no, a page is there", TO(Q_NUMA)}}},
    [Q_HOLDS] = {"What does it hold?", ask_holds,
        {[HOLDS_SWAP] = {"a place in swap", END(PATH_SWAP)},
         [HOLDS_GUARD] = {"a guard marker: SIGSEGV, SEGV_MAPERR", END(PATH_BAD_AREA)},
         [HOLDS_MARKER] = {"a marker of userfaultfd: no page yet", TO(Q_ANONYMOUS)}}},
    [Q_ANONYMOUS] = {"Is the mapping anonymous?", ask_anonymous,
        {[ANONYMOUS_YES] = {"yes", END(PATH_ANONYMOUS)},
         [ANONYMOUS_UFFD] = {"yes, and userfaultfd fills it", END(PATH_UFFD)},
         [ANONYMOUS_NO] = {"no", TO(Q_INSIDE)}}},
    [Q_INSIDE] = {"Does the file reach this far?", ask_inside,
        {[INSIDE_YES] = {"yes", TO(Q_WRITE)},
         [INSIDE_NO] = {"no: SIGBUS, BUS_ADRERR", END(PATH_SIGBUS)},
         [INSIDE_SPECIAL] = {"there is none: the mapping has pages of its own", TO(Q_WRITE)}}},
    [Q_WRITE] = {"Is it a write?", ask_write,
        {[YES] = {"yes", TO(Q_SHARED)},
         [NO] = {"no: the page, and those around it that are in memory, are mapped",
                 END(PATH_READ_FAULT)}}},
    [Q_SHARED] = {"Is the mapping shared?", ask_shared,
        {[YES] = {"yes: the page itself is mapped, and will be written back",
                  END(PATH_SHARED_FAULT)},
         [NO] = {"no: a private copy of the page is made at once", END(PATH_COW_FAULT)}}},
    [Q_NUMA] = {"Is the entry closed, to learn which node uses the page?", ask_numa,
        {[YES] = {"yes", END(PATH_NUMA)},
         [NO] = {"no", TO(Q_PROTECTED)}}},
    [Q_PROTECTED] = {"Is it a write to a write-protected page?", ask_protected,
        {[YES] = {"yes: do_wp_page", TO(Q_UFFD)},
         [NO] = {"no: the entry is marked as used, or was right already",
                 END(PATH_ACCESS_FLAGS)}}},
    [Q_UFFD] = {"Is it write-protected for userfaultfd?", ask_uffd,
        {[YES] = {"yes", END(PATH_UFFD)},
         [NO] = {"no", TO(Q_WP_SHARED)}}},
    [Q_WP_SHARED] = {"Is the mapping shared?", ask_shared,
        {[YES] = {"yes: the page becomes writable", END(PATH_WP), HOW_REUSE},
         [NO] = {"no", TO(Q_SOLE)}}},
    [Q_SOLE] = {"Is it an anonymous page that nobody else uses?", ask_sole,
        {[SOLE_YES] = {"yes: the page becomes writable", END(PATH_WP), HOW_REUSE},
         [SOLE_ZERO] = {"no, the zero page: a new page takes its place", END(PATH_WP), HOW_COPY},
         [SOLE_KSM] = {"no, KSM merged it with equal ones: it is copied", END(PATH_WP), HOW_COPY},
         [SOLE_FORKED] = {"no, shared since a fork: it is copied", END(PATH_WP), HOW_COPY},
         [SOLE_FILE] = {"no, a page of a file or device: it is copied", END(PATH_WP), HOW_COPY},
         [SOLE_UNKNOWN] = {"that is not known", END(PATH_WP), HOW_NONE}}},
};

void path_doubt(struct path_verdict *v, const char *reason)
{
    if (!v->sure)
        return;
    v->sure = false;
    if (v->steps < PATH_STEPS_MAX)
        v->step[v->steps++] = (struct path_step){"Is that certain?", reason};
}

void path_settle(struct path_verdict *v, enum path path, const char *question, const char *answer)
{
    if (v->steps == PATH_STEPS_MAX)
        v->steps--;
    v->step[v->steps++] = (struct path_step){question, answer};
    v->path = (uint8_t)path;
    v->how = HOW_NONE;
    v->also = PATH_UNKNOWN;
    v->sure = true;
}

void path_predict(const struct path_input *in, struct path_verdict *out)
{
    struct walk w = {.in = in, .region = in->region, .page = in->before,
                     .access = in->fault->fault.access};
    const struct answer *answer;
    unsigned id = Q_USER, steps = 0;
    do {
        const struct question *question = &tree[id];
        answer = &question->answer[question->ask(&w)];
        out->step[steps++] = (struct path_step){question->text, answer->text};
        id = answer->next;
    } while (id != LEAF);
    out->steps = steps;
    out->path = answer->path;
    out->how = answer->how;
    out->also = w.also;
    out->sure = true;
    if (w.doubt)
        path_doubt(out, w.doubt);
}

static const char *const names[PATH_N] = {
    [PATH_UNKNOWN] = "unknown",
    [PATH_ANONYMOUS] = "do_anonymous_page",
    [PATH_HUGE_ANONYMOUS] = "do_huge_pmd_anonymous_page",
    [PATH_HUGE_WP] = "do_huge_pmd_wp_page",
    [PATH_READ_FAULT] = "do_read_fault",
    [PATH_COW_FAULT] = "do_cow_fault",
    [PATH_SHARED_FAULT] = "do_shared_fault",
    [PATH_WP] = "do_wp_page",
    [PATH_SWAP] = "do_swap_page",
    [PATH_HUGETLB] = "hugetlb_fault",
    [PATH_NUMA] = "do_numa_page",
    [PATH_EXPAND_STACK] = "expand_stack",
    [PATH_ACCESS_FLAGS] = "access_flags",
    [PATH_UFFD] = "uffd",
    [PATH_BAD_AREA] = "bad_area",
    [PATH_BAD_ACCESS] = "bad_access",
    [PATH_SIGBUS] = "sigbus",
    [PATH_POPULATE] = "populate",
};

const char *path_name(enum path path)
{
    return names[(unsigned)path < PATH_N ? path : PATH_UNKNOWN];
}
