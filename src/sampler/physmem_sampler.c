/* Reading the frames of the machine within a budget. */
#include "sampler/physmem_sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "probe/physmem.h"

enum { BATCH = 128 }; /* blocks a record */
#define LOOK_AGAIN_NS UINT64_C(1000000000)

struct physmem_sampler {
    struct physmem_reader reader;
    struct frame_look look;
    uint64_t look_at;       /* block of the look that comes next */
    uint64_t look_done_ns;  /* when all of it had been read */
    uint64_t counter;       /* of the sweep */
    struct frame_read *batch; /* owned by us until it is sent; BATCH elements, or NULL */
    size_t count;
};

int physmem_sampler_create(const char *proc_root, struct physmem_sampler **out, struct err *e)
{
    struct physmem_sampler *p = calloc(1, sizeof *p);
    int rc = p ? physmem_reader_init(&p->reader, proc_root, e)
               : err_set(e, -ENOMEM, "out of memory");
    if (rc) {
        free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void physmem_sampler_destroy(struct physmem_sampler *p)
{
    if (!p)
        return;
    physmem_reader_deinit(&p->reader);
    free(p->batch);
    free(p);
}

void physmem_sampler_look(struct physmem_sampler *p, const struct frame_look *look)
{
    if (p->look.first == look->first && p->look.n == look->n && p->look.each == look->each)
        return;
    p->look = *look;
    p->look_at = look->first / FRAME_BLOCK;
    p->look_done_ns = 0;
}

static int send_info(struct physmem_sampler *p, sampler_sink *sink, void *ctx)
{
    physmem_reader_info(&p->reader);
    struct record *r = record_create(RECORD_PHYSMEM, 0, io_now_ns());
    if (!r || !(r->machine = malloc(sizeof *r->machine))) {
        record_destroy(r);
        return -ENOMEM;
    }
    *r->machine = p->reader.info;
    return sink(ctx, r);
}

static int flush(struct physmem_sampler *p, sampler_sink *sink, void *ctx)
{
    if (!p->count)
        return 0;
    struct record *r = record_create(RECORD_FRAMES, 0, io_now_ns());
    if (!r)
        return -ENOMEM;
    r->frames.v = p->batch;
    r->frames.count = p->count;
    p->batch = NULL;
    p->count = 0;
    return sink(ctx, r);
}

static uint64_t block_count(const struct physmem_sampler *p)
{
    return (p->reader.info.frames + FRAME_BLOCK - 1) / FRAME_BLOCK;
}

static int read_block(struct physmem_sampler *p, uint64_t block, bool each, sampler_sink *sink,
                      void *ctx)
{
    if (!p->batch && !(p->batch = malloc(BATCH * sizeof *p->batch)))
        return -ENOMEM;
    if (!physmem_reader_block(&p->reader, block, each, &p->batch[p->count]))
        return 0;
    return ++p->count == BATCH ? flush(p, sink, ctx) : 0;
}

/* The next block of the sweep. */
static uint64_t next_block(struct physmem_sampler *p)
{
    uint64_t blocks = block_count(p), block;
    unsigned bits = 0;
    while (bits < 63 && (uint64_t)1 << bits < blocks)
        bits++;
    do {
        block = 0;
        for (unsigned i = 0; i < bits; i++)
            block |= (p->counter >> i & 1) << (bits - 1 - i);
        p->counter++;
    } while (block >= blocks);
    return block;
}

static bool in_look(const struct physmem_sampler *p, uint64_t block)
{
    return p->look.each && block >= p->look.first / FRAME_BLOCK &&
           block * FRAME_BLOCK < p->look.first + p->look.n;
}

/* One block of what is looked at; false when all of it is fresh. */
static bool look_on(struct physmem_sampler *p, uint64_t *block)
{
    uint64_t blocks = block_count(p);
    uint64_t end = (p->look.first + p->look.n + FRAME_BLOCK - 1) / FRAME_BLOCK;
    uint64_t now = io_now_ns();
    if (p->look_done_ns && now - p->look_done_ns < LOOK_AGAIN_NS)
        return false;
    if (p->look_done_ns) {
        p->look_at = p->look.first / FRAME_BLOCK;
        p->look_done_ns = 0;
    }
    if (p->look_at < end && p->look_at < blocks) {
        *block = p->look_at++;
        return true;
    }
    p->look_done_ns = now;
    return false;
}

/* What is looked at takes at most three quarters, so that the rest goes on. */
int physmem_sampler_tick(struct physmem_sampler *p, uint64_t cpu_ns, sampler_sink *sink, void *ctx)
{
    uint64_t start = io_thread_cpu_ns(), spent = 0, block;
    int rc = send_info(p, sink, ctx);
    if (p->reader.flags_fd < 0 || !p->look.n || !block_count(p))
        return rc;
    bool looking = true;
    while (!rc && spent < cpu_ns) {
        looking = looking && spent < cpu_ns / 4 * 3 && look_on(p, &block);
        if (!looking)
            block = next_block(p);
        rc = read_block(p, block, in_look(p, block), sink, ctx);
        spent = io_thread_cpu_ns() - start;
    }
    return rc ? rc : flush(p, sink, ctx);
}

int physmem_sampler_full(struct physmem_sampler *p, sampler_sink *sink, void *ctx)
{
    int rc = send_info(p, sink, ctx);
    uint64_t blocks = p->reader.flags_fd < 0 || !p->look.n ? 0 : block_count(p);
    for (uint64_t b = 0; !rc && b < blocks; b++)
        rc = read_block(p, b, in_look(p, b), sink, ctx);
    return rc ? rc : flush(p, sink, ctx);
}

int physmem_sampler_frame(struct physmem_sampler *p, uint64_t frame, sampler_sink *sink, void *ctx)
{
    struct record *r = record_create(RECORD_FRAME, 0, io_now_ns());
    if (!r)
        return -ENOMEM;
    physmem_reader_frame(&p->reader, frame, &r->frame);
    return sink(ctx, r);
}
