/* The insides of a family, shared by its files. */
#ifndef VMSCOPE_MODEL_FAMILY_PARTS_H
#define VMSCOPE_MODEL_FAMILY_PARTS_H

#include "model/family.h"

/* Pages of a piece that has a base, or is one. */
enum { FAMILY_PIECE_PAGES = 512 };

/* --- pieces --- */

bool family_picture_is_sound(const struct family_picture *p);

/* The runs of a piece with a base in [start, end), in out, which has room for FAMILY_PIECE_PAGES;
 * answers how many there are. */
size_t family_piece_runs(const struct family_picture *p, const struct family_piece *piece,
                         uint64_t start, uint64_t end, struct page_run *out);

/* The pieces of one member, as indices into p->pieces. */
static inline const uint32_t *reading_pieces(const struct family_picture *p, size_t member)
{
    return p->order + p->v[member].pieces_at;
}

/* The runs of a member in a range of pages, one after another. */
struct family_stream {
    const struct family_picture *p;
    const uint32_t *piece, *piece_end; /* those to come */
    uint64_t start, end;
    const struct page_run *run, *run_end; /* of the piece that is under way, the one before *piece */
    bool fresh;                           /* nothing of it has been passed */
    struct page_run changed[FAMILY_PIECE_PAGES];
};
void family_stream_begin(struct family_stream *s, const struct family_picture *p, size_t member,
                         uint64_t start, uint64_t end);
/* The next run, clipped to the range. False at the end. */
bool family_stream_peek(struct family_stream *s, struct page_run *run);
/* Goes on behind the pages below `page`. */
void family_stream_pass(struct family_stream *s, uint64_t page);
/* The piece that the stream is at the beginning of, if all of it is in the range; else
 * FAMILY_NO_PIECE. */
uint32_t family_stream_piece(const struct family_stream *s);
/* Goes on behind that piece. */
void family_stream_skip(struct family_stream *s);

/* --- weights --- */

enum { FAMILY_PSS_SHIFT = 12 }; /* fractional bits of a share, as in fs/proc/task_mmu.c */

struct family_weight {
    uint64_t pss; /* bytes << FAMILY_PSS_SHIFT */
    uint64_t uss, hugetlb; /* pages */
    uint64_t no_pss, no_uss; /* pages that leave it unknown */
    struct tally tally;
};
void family_weight_add(struct family_weight *to, const struct family_weight *w);

/* Of each piece. NULL when out of memory; the caller's. */
struct family_weight *family_weigh_pieces(const struct family_picture *p);

/* --- the rest of the fold --- */

/* Fills pairs, shared, once and common. 0 or -ENOMEM. */
int family_weigh_pairs(struct family *f, const struct family_picture *p);

/* Fills own of a member, and adds to broken, of which *cap is the capacity. 0 or -ENOMEM. */
int family_weigh_own(struct family *f, const struct family_picture *p,
                     const struct family_weight *weights, size_t member, size_t *cap);
void family_sort_broken(struct family *f);

/* What two pages at one address are to each other; NULL: there is none. */
enum family_relation family_relate(const struct page *a, const struct page *b);

/* Where the pair's bytes stand in family.shared; a and b in any order. */
static inline size_t pair_index(size_t a, size_t b)
{
    size_t low = a < b ? a : b, high = a < b ? b : a;
    return high * (high + 1) / 2 + low;
}

#endif
