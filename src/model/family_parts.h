/* The insides of a family, shared by its files. */
#ifndef VMSCOPE_MODEL_FAMILY_PARTS_H
#define VMSCOPE_MODEL_FAMILY_PARTS_H

#include "model/family.h"

/* Fills pairs, shared, once and common. 0 or -ENOMEM. */
int family_weigh_pairs(struct family *f, const struct family_picture *p);

/* Fills own of a member whose tree and whose parent's are there, and adds to broken, of which *cap is
 * the capacity. 0 or -ENOMEM. */
int family_weigh_own(struct family *f, size_t member, size_t *cap);
void family_sort_broken(struct family *f);

/* The pieces of one member, as indices into p->pieces. */
static inline const uint32_t *reading_pieces(const struct family_picture *p, size_t member)
{
    return p->order + p->v[member].pieces_at;
}

/* Where the pair's bytes stand in family.shared; a and b in any order. */
static inline size_t pair_index(size_t a, size_t b)
{
    size_t low = a < b ? a : b, high = a < b ? b : a;
    return high * (high + 1) / 2 + low;
}

#endif
