/* The frames of the watched process as a set of bits: taken from the page tree when it changes. */
#include <errno.h>
#include <stdlib.h>

#include "ui/physical_parts.h"

void own_frames_deinit(struct own_frames *o)
{
    free(o->bits);
    pagetree_unref(o->tree);
    *o = (struct own_frames){0};
}

static int set_run(void *ctx, const struct page_run *run)
{
    struct own_frames *o = ctx;
    const struct page *p = &run->first;
    if (!page_state_info(p->state)->present || p->frame == PAGE_FRAME_UNKNOWN)
        return 0;
    for (uint64_t f = p->frame; f < p->frame + run->n && f < o->frames; f++) {
        uint64_t bit = (uint64_t)1 << (f & 63);
        o->total += !(o->bits[f / 64] & bit);
        o->bits[f / 64] |= bit;
    }
    return 0;
}

int own_frames_update(struct own_frames *o, const struct moment *m, uint64_t frames)
{
    if (o->tree == m->tree && o->frames == frames)
        return 0;
    uint64_t *bits = calloc((size_t)(frames / 64 + 1), sizeof *bits);
    if (!bits)
        return -ENOMEM;
    own_frames_deinit(o);
    *o = (struct own_frames){.bits = bits, .frames = frames, .tree = pagetree_ref(m->tree),
                             .known = m->target.pfn.yes};
    uint64_t pages = (uint64_t)1 << (pagetree_levels(m->tree) * PAGETREE_FANOUT_BITS);
    return pagetree_walk(m->tree, 0, pages, set_run, o);
}

uint64_t own_frames_count(const struct own_frames *o, uint64_t frame, uint64_t n)
{
    uint64_t end = frame + n < o->frames ? frame + n : o->frames, sum = 0;
    while (frame < end) {
        uint64_t word = o->bits[frame / 64] >> (frame & 63), left = 64 - (frame & 63);
        if (end - frame < left) {
            left = end - frame;
            word &= ((uint64_t)1 << left) - 1;
        }
        sum += (uint64_t)__builtin_popcountll(word);
        frame += left;
    }
    return sum;
}

uint64_t own_frames_next(const struct own_frames *o, uint64_t frame)
{
    while (frame < o->frames) {
        uint64_t word = o->bits[frame / 64] >> (frame & 63);
        if (word) {
            frame += (uint64_t)__builtin_ctzll(word);
            return frame < o->frames ? frame : o->frames;
        }
        frame = (frame / 64 + 1) * 64;
    }
    return o->frames;
}

struct seeking {
    uint64_t frame, page;
};

static int seek_run(void *ctx, const struct page_run *run)
{
    struct seeking *s = ctx;
    const struct page *p = &run->first;
    if (!page_state_info(p->state)->present || p->frame == PAGE_FRAME_UNKNOWN ||
        s->frame < p->frame || s->frame - p->frame >= run->n)
        return 0;
    s->page = run->page + (s->frame - p->frame);
    return 1;
}

bool own_frames_address(const struct moment *m, uint64_t frame, uint64_t *address)
{
    struct seeking s = {frame, 0};
    uint64_t pages = (uint64_t)1 << (pagetree_levels(m->tree) * PAGETREE_FANOUT_BITS);
    if (pagetree_walk(m->tree, 0, pages, seek_run, &s) != 1)
        return false;
    *address = moment_address(m, s.page);
    return true;
}
