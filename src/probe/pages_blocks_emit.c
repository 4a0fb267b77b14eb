/* Blocks as pieces of a picture: block and piece have the same number. */
#include <stdlib.h>

#include "probe/pages_blocks.h"

struct emitting {
    struct pages_blocks *b;
    unsigned want;
    struct family_picture *picture;
    struct run_vec runs; /* of all pieces */
};

/* The runs of raws [at, at + count); the first one is no part of a run before it. */
static int emit_raws(struct emitting *e, size_t at, size_t count)
{
    e->runs.closed = e->runs.count;
    return pages_emit_part(e->b->reader, e->want, at, at + count, &e->runs);
}

static void reach(struct family_piece *piece, uint64_t page, uint64_t end)
{
    uint64_t piece_end = piece->page + piece->n;
    if (page < piece->page)
        piece->page = page;
    piece->n = (end > piece_end ? end : piece_end) - piece->page;
}

static int emit_cut(struct emitting *e, const struct pages_cut *cut, struct family_piece *piece)
{
    struct family_picture *p = e->picture;
    void *v = p->cuts;
    int rc = array_reserve(&v, &p->cuts_cap, p->cuts_count + 1, sizeof *p->cuts);
    p->cuts = v;
    size_t at = e->runs.count;
    if (!rc)
        rc = emit_raws(e, cut->at, cut->count);
    if (rc)
        return rc;
    uint64_t page = cut->page & pages_tree_mask(e->b->reader);
    reach(piece, page, page + cut->n);
    p->cuts[p->cuts_count++] = (struct family_cut){page, cut->n,
                                                   (uint32_t)(e->runs.count - at), at};
    return 0;
}

static int emit_block(struct emitting *e, const struct pages_block *k, struct family_piece *piece)
{
    int rc = 0;
    if (k->base == PAGES_NO_BLOCK) {
        *piece = (struct family_piece){.page = k->page, .at = e->runs.count,
                                       .base = FAMILY_NO_PIECE};
        rc = emit_raws(e, k->at, k->count);
        piece->count = e->runs.count - piece->at;
        const struct page_run *last = &e->runs.v[e->runs.count - (piece->count > 0)];
        if (!rc && piece->count) {
            piece->page = e->runs.v[piece->at].page;
            piece->n = last->page + last->n - piece->page;
        }
        return rc;
    }
    *piece = e->picture->pieces[k->base];
    piece->base = k->base;
    piece->at = e->picture->cuts_count;
    piece->count = k->count;
    for (size_t c = 0; !rc && c < k->count; c++)
        rc = emit_cut(e, &e->b->cuts[k->at + c], piece);
    return rc;
}

int pages_blocks_emit(struct pages_blocks *b, unsigned want, struct family_picture *picture)
{
    struct emitting e = {.b = b, .want = want, .picture = picture};
    void *v = picture->pieces;
    int rc = array_reserve(&v, &picture->pieces_cap, b->count, sizeof *picture->pieces);
    picture->pieces = v;
    for (size_t i = 0; !rc && i < b->count; i++) {
        rc = emit_block(&e, &b->v[i], &picture->pieces[i]);
        picture->pieces_count = i + !rc;
    }
    picture->runs = e.runs.v;
    picture->runs_count = e.runs.count;
    picture->runs_cap = e.runs.cap;
    return rc;
}
