/* Stands in for the bpf engine where it could not be built. */
#include <errno.h>

#include "probe/engine_bpf.h"

static int absent_open(const struct engine_options *options, struct engine **out, struct err *e)
{
    (void)options;
    (void)out;
    return err_set(e, -ENOSYS, "built without BPF: install clang and libbpf-dev and rebuild");
}

int engine_bpf_load(const struct engine_options *options, struct engine **out, struct err *e)
{
    return absent_open(options, out, e);
}

static void absent_close(struct engine *engine)
{
    (void)engine;
}

static int absent_fd(const struct engine *engine)
{
    (void)engine;
    return -1;
}

static int absent_drain(struct engine *engine, engine_sink *sink, void *ctx)
{
    (void)engine;
    (void)sink;
    (void)ctx;
    return -ENOSYS;
}

static void absent_stats(const struct engine *engine, struct engine_stats *out)
{
    (void)engine;
    *out = (struct engine_stats){0};
}

static bool absent_permitted(pid_t pid)
{
    (void)pid;
    return false;
}

const struct engine_ops engine_bpf = {
    .name = "bpf",
    .blind = "",
    .open = absent_open,
    .permitted = absent_permitted,
    .close = absent_close,
    .fd = absent_fd,
    .drain = absent_drain,
    .stats = absent_stats,
};
