/* The picture of the machine's frames: a sum for each block, and where somebody looked closely the
 * use of each frame. What was looked at closely is forgotten when it becomes too much. */
#include "model/physmem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CLOSE_MAX = 16384 }; /* blocks of which each frame is remembered */

struct physmem {
    struct physmem_info info;
    struct frame_block *blocks; /* owned */
    uint8_t **close;            /* owned; FRAME_BLOCK bytes each, or NULL */
    size_t count;               /* blocks */
    size_t close_count;
    struct frame_tally all;
};

struct physmem *physmem_create(void)
{
    struct physmem *m = calloc(1, sizeof *m);
    if (m)
        m->all.oldest_ns = UINT64_MAX;
    return m;
}

static void forget_close(struct physmem *m)
{
    for (size_t i = 0; m->close && m->close_count && i < m->count; i++) {
        free(m->close[i]);
        m->close[i] = NULL;
    }
    m->close_count = 0;
}

void physmem_destroy(struct physmem *m)
{
    if (!m)
        return;
    forget_close(m);
    free(m->close);
    free(m->blocks);
    free(m);
}

int physmem_set_info(struct physmem *m, const struct physmem_info *info)
{
    size_t count = (size_t)((info->frames + FRAME_BLOCK - 1) / FRAME_BLOCK);
    if (count != m->count) {
        struct frame_block *blocks = calloc(count + 1, sizeof *blocks);
        uint8_t **close = calloc(count + 1, sizeof *close);
        if (!blocks || !close) {
            free(blocks);
            free(close);
            return -ENOMEM;
        }
        forget_close(m);
        free(m->blocks);
        free(m->close);
        m->blocks = blocks;
        m->close = close;
        m->count = count;
    }
    m->info = *info;
    physmem_tally(m, 0, m->info.frames, &m->all);
    return 0;
}

static int add_close(struct physmem *m, const struct frame_read *r)
{
    if (m->close_count >= CLOSE_MAX)
        forget_close(m);
    uint8_t *use = m->close[r->block];
    if (!use && !(use = malloc(FRAME_BLOCK)))
        return -ENOMEM;
    m->close_count += !m->close[r->block];
    m->close[r->block] = use;
    memcpy(use, r->use, FRAME_BLOCK);
    return 0;
}

/* A later sum says nothing of single frames. */
static void drop_close(struct physmem *m, uint64_t block)
{
    m->close_count -= m->close[block] != NULL;
    free(m->close[block]);
    m->close[block] = NULL;
}

int physmem_add(struct physmem *m, const struct frame_read *reads, size_t count)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < count; i++) {
        const struct frame_read *r = &reads[i];
        if (r->block >= m->count)
            continue;
        bool other = memcmp(m->blocks[r->block].n, r->sum.n, sizeof r->sum.n) != 0;
        m->blocks[r->block] = r->sum;
        if (r->each)
            rc = add_close(m, r);
        else if (other)
            drop_close(m, r->block);
    }
    physmem_tally(m, 0, m->info.frames, &m->all);
    return rc;
}

const struct frame_tally *physmem_all(const struct physmem *m)
{
    return &m->all;
}

const struct physmem_info *physmem_info(const struct physmem *m)
{
    return &m->info;
}

/* A part of one block: exact where single frames are known or the block is all of one use. */
static void tally_part(const struct physmem *m, uint64_t frame, uint64_t n, struct frame_tally *out)
{
    uint64_t block = frame / FRAME_BLOCK;
    const struct frame_block *b = &m->blocks[block];
    const uint8_t *use = m->close[block];
    for (uint64_t i = 0; use && i < n; i++)
        out->n[use[frame % FRAME_BLOCK + i]]++;
    for (unsigned u = 0; !use && u < FRAME_USE_N; u++)
        if (b->n[u] == FRAME_BLOCK) {
            out->n[u] += n;
            return;
        }
    if (!use)
        out->unread += n;
}

void physmem_tally(const struct physmem *m, uint64_t frame, uint64_t n, struct frame_tally *out)
{
    uint64_t end = frame + n;
    *out = (struct frame_tally){.oldest_ns = UINT64_MAX};
    while (frame < end) {
        uint64_t block = frame / FRAME_BLOCK, next = (block + 1) * FRAME_BLOCK;
        uint64_t part = (next < end ? next : end) - frame;
        const struct frame_block *b = block < m->count ? &m->blocks[block] : NULL;
        if (!b || !b->t_ns) {
            out->unread += part;
        } else {
            if (part < FRAME_BLOCK)
                tally_part(m, frame, part, out);
            else
                for (unsigned u = 0; u < FRAME_USE_N; u++)
                    out->n[u] += b->n[u];
            out->oldest_ns = b->t_ns < out->oldest_ns ? b->t_ns : out->oldest_ns;
        }
        frame += part;
    }
}
