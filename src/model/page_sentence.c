/* The sentence has up to three parts: what the page is, what the next access does, and what else is
 * special about it. A claim about writes rests on kpageflags bit 34 where that was read: the
 * exclusive bit of pagemap alone does not promise a write without a fault. */
#include "model/page_sentence.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

struct sentence {
    char *out;
    size_t cap, len;
};

static void say(struct sentence *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct sentence *s, const char *fmt, ...)
{
    va_list ap;
    if (s->len >= s->cap)
        return;
    va_start(ap, fmt);
    int n = vsnprintf(s->out + s->len, s->cap - s->len, fmt, ap);
    va_end(ap);
    s->len += n > 0 ? (size_t)n : 0;
}

static bool may_write(const struct region *r)
{
    return r->perms & REGION_W;
}

static bool is_private_file(const struct region *r)
{
    return !(r->perms & REGION_SHARED) && (r->kind == REGION_FILE || r->kind == REGION_SHMEM);
}

static void say_absent(struct sentence *s, const struct region *r)
{
    bool w = may_write(r);
    if (r->kind == REGION_VSYSCALL || r->kind == REGION_VVAR || r->kind == REGION_DEVICE)
        say(s, "The page table shows nothing here, as the kernel handles this mapping by itself");
    else if (r->kind == REGION_HUGETLB)
        say(s, "Nothing is here yet: the first access takes a huge page from the pool");
    else if (r->perms & REGION_SHARED)
        say(s, "Nothing is mapped here yet: the first access maps the shared page of %s, which may "
               "be in memory already", r->kind == REGION_FILE ? "the file" : "shared memory");
    else if (is_private_file(r))
        say(s, "Nothing is mapped here yet: the first read maps the page of the file%s",
            w ? ", the first write makes a private copy of it" : "");
    else
        say(s, "Nothing is here yet: the first read maps the page of zeros%s",
            w ? ", the first write a new page" : "");
}

static void say_write_to_own(struct sentence *s, const struct region *r, const struct page *p)
{
    if (!may_write(r))
        say(s, ", which this mapping does not permit to write");
    else if (p->attrs & PAGE_A_UFFD_WP)
        say(s, ", and a write goes to the userfaultfd that protects it");
    else if (!(p->attrs & PAGE_A_FLAGS))
        say(s, "; whether the next write faults cannot be told without its frame flags");
    else if (p->attrs & PAGE_A_WRITABLE)
        say(s, ", and a write needs no copy");
    else
        say(s, ", yet the next write still faults to take it over from a sharer that is gone");
}

static void say_sharers(struct sentence *s, const struct page *p)
{
    if (p->attrs & PAGE_A_COUNT && p->mapcount > 1)
        say(s, " with %u mappings of the frame", p->mapcount);
}

static void say_anon(struct sentence *s, const struct region *r, const struct page *p)
{
    const char *what = is_private_file(r) ? "A private copy of a page of the file"
                                          : "A page of anonymous memory";
    if (p->state == PAGE_ANON) {
        say(s, "%s that only this mapping uses", what);
        say_write_to_own(s, r, p);
        return;
    }
    say(s, "%s, shared copy-on-write", what);
    say_sharers(s, p);
    if (may_write(r))
        say(s, ": the next write here faults and %s",
            p->attrs & PAGE_A_COUNT && p->mapcount < 2 ? "takes it over or copies it"
                                                       : "gets its own copy");
    else
        say(s, ", which this mapping does not permit to write");
}

static void say_file(struct sentence *s, const struct region *r, const struct page *p)
{
    say(s, "A page of %s%s", p->state == PAGE_FILE ? "the file" : "shared memory",
        p->state == PAGE_FILE ? ", straight from the page cache" : "");
    if (p->attrs & PAGE_A_COUNT && p->mapcount > 1)
        say(s, " and mapped %u times", p->mapcount);
    else if (p->attrs & PAGE_A_EXCLUSIVE)
        say(s, " and mapped only here");
    if (!may_write(r))
        return;
    if (r->perms & REGION_SHARED)
        say(s, ": a write changes %s for all", p->state == PAGE_FILE ? "the file" : "it");
    else
        say(s, ": a write here makes a private copy");
}

static void say_shared_kind(struct sentence *s, const struct region *r, const struct page *p)
{
    const char *what = p->state == PAGE_ZERO        ? "The kernel's shared page of zeros"
                       : p->state == PAGE_HUGE_ZERO ? "Part of the kernel's shared huge page of "
                                                      "zeros"
                       : p->state == PAGE_KSM       ? "A page that KSM merged with equal ones"
                                                    : "Part of a huge page from the hugetlb pool";
    say(s, "%s", what);
    if (p->state == PAGE_HUGETLB)
        say(s, ", which RSS does not count");
    else if (may_write(r))
        say(s, ": the next write here gets its own page");
    if (p->state == PAGE_HUGETLB && p->attrs & PAGE_A_COUNT && p->mapcount > 1)
        say(s, ", mapped %u times", p->mapcount);
}

static void say_state(struct sentence *s, const struct region *r, const struct page *p)
{
    switch (p->state) {
    case PAGE_ABSENT:
        say_absent(s, r);
        break;
    case PAGE_ANON:
    case PAGE_COW:
        say_anon(s, r, p);
        break;
    case PAGE_FILE:
    case PAGE_SHMEM:
        say_file(s, r, p);
        break;
    case PAGE_ZERO:
    case PAGE_HUGE_ZERO:
    case PAGE_KSM:
    case PAGE_HUGETLB:
        say_shared_kind(s, r, p);
        break;
    case PAGE_SWAP:
        say(s, "An anonymous page in swap: the next access faults and reads it back");
        break;
    case PAGE_SHMEM_SWAP:
        say(s, "A page of shared memory in swap, of which the page table shows nothing: the next "
               "access reads it back");
        break;
    case PAGE_GUARD:
        say(s, "A guard marker: any access ends in SIGSEGV, although the mapping permits it");
        break;
    case PAGE_DEVICE:
        say(s, "Device memory or a raw page frame, for which the kernel keeps no page");
        break;
    case PAGE_PRESENT:
        say(s, "A page is present, but its kind was not asked or cannot be known");
        break;
    default:
        say(s, "The kernel does not tell what is here");
    }
}

/* The folio that holds the page, and how it is mapped. */
static void say_folio(struct sentence *s, const struct geometry *g, const struct page *p)
{
    char size[TEXT_SIZE_MAX];
    bool pmd = p->attrs & PAGE_A_PMD;
    if (p->order != PAGE_ORDER_UNKNOWN && p->order > 0 && p->state != PAGE_HUGE_ZERO)
        say(s, "; it belongs to a folio of %s%s",
            text_size(size, (uint64_t)1 << (g->page_shift + p->order)),
            pmd ? ", mapped by one entry" : "");
    else if (pmd && p->state != PAGE_HUGETLB && p->state != PAGE_HUGE_ZERO)
        say(s, "; it is mapped as part of a huge page");
}

static void say_attrs(struct sentence *s, const struct page *p)
{
    static const struct {
        uint16_t bit;
        const char *clause;
    } clauses[] = {
        {PAGE_A_LOCKED, "it is locked in memory"},
        {PAGE_A_LAZYFREE, "reclaim may drop it (MADV_FREE)"},
        {PAGE_A_WRITEBACK, "it is being written back"},
        {PAGE_A_SWAPCACHE, "it has a place in swap"},
    };
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++)
        if (p->attrs & clauses[i].bit)
            say(s, "; %s", clauses[i].clause);
    if (p->attrs & PAGE_A_DIRTY && (p->state == PAGE_FILE))
        say(s, "; it is newer than the disk");
}

const char *page_sentence(const struct geometry *g, const struct region *r, const struct page *p,
                          char *out, size_t cap)
{
    struct sentence s = {out, cap, 0};
    out[0] = '\0';
    if (!r) {
        say(&s, "Nothing is mapped at this address: an access ends in SIGSEGV, unless it "
                "grows a stack above.");
        return out;
    }
    if (p->state == PAGE_ABSENT && !(r->perms & (REGION_R | REGION_W | REGION_X))) {
        say(&s, "Only address space is reserved here: the mapping permits no access, and any ends "
                "in SIGSEGV.");
        return out;
    }
    say_state(&s, r, p);
    if (page_state_info(p->state)->present) {
        say_folio(&s, g, p);
        say_attrs(&s, p);
    }
    say(&s, ".");
    return out;
}
