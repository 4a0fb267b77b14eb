/* Tallies: exact counts of pages by state and attribute. */
#include "model/pagetree.h"

void tally_add(struct tally *to, const struct tally *from)
{
    for (unsigned i = 0; i < TALLY_N; i++)
        to->n[i] += from->n[i];
}

void tally_add_page(struct tally *to, const struct page *p, uint64_t n)
{
    const struct page_state_info *s = page_state_info(p->state);
    to->n[p->state] += n;
    if (!s->present)
        return;
    if (p->attrs & PAGE_A_EXCLUSIVE)
        to->n[TALLY_EXCLUSIVE] += n;
    else if (s->anon && p->attrs & PAGE_A_ENTRY)
        to->n[TALLY_COW] += n;
    if (p->attrs & PAGE_A_PMD && s->rss)
        to->n[TALLY_PMD] += n;
    if (p->attrs & PAGE_A_LOCKED)
        to->n[TALLY_LOCKED] += n;
    if (p->attrs & PAGE_A_DIRTY)
        to->n[TALLY_DIRTY] += n;
    if (p->attrs & PAGE_A_LARGE && p->state != PAGE_HUGETLB)
        to->n[TALLY_LARGE] += n;
    if (!(p->attrs & PAGE_A_ENTRY))
        to->n[TALLY_NO_ENTRY] += n;
    if (!(p->attrs & PAGE_A_FLAGS))
        to->n[TALLY_NO_FLAGS] += n;
}

uint64_t tally_present(const struct tally *t)
{
    uint64_t sum = 0;
    for (unsigned s = 0; s < PAGE_STATE_N; s++)
        if (page_state_info(s)->present)
            sum += t->n[s];
    return sum;
}

uint64_t tally_rss(const struct tally *t)
{
    uint64_t sum = 0;
    for (unsigned s = 0; s < PAGE_STATE_N; s++)
        if (page_state_info(s)->rss)
            sum += t->n[s];
    return sum;
}

uint64_t tally_anon(const struct tally *t)
{
    uint64_t sum = 0;
    for (unsigned s = 0; s < PAGE_STATE_N; s++)
        if (page_state_info(s)->anon)
            sum += t->n[s];
    return sum;
}
