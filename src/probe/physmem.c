/* Reading the physical side of the machine. */
#include "probe/physmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/frame_use.h"
#include "probe/ksyms.h"

static void set_can(struct can *c, const char *what, int rc)
{
    bool denied = rc == -EACCES || rc == -EPERM;
    c->yes = !rc;
    if (rc)
        snprintf(c->why, sizeof c->why, "%s: %s%s", what, strerror(-rc),
                 denied ? "; run with sudo" : "");
}

static int open_or_errno(int root, const char *name)
{
    int fd = openat(root, name, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Whoever may not see the kernel's symbols does without. */
static void read_code(struct physmem_reader *r, const char *proc_root)
{
    struct kernel_range *code = &r->info.code;
    struct ksyms *k;
    struct err e;
    uint64_t unused;
    if (ksyms_read(proc_root, &k, &e))
        return;
    if (!ksyms_range(k, "_text", &code->start, &unused) ||
        !ksyms_range(k, "_etext", &code->end, &unused))
        *code = (struct kernel_range){0, 0};
    ksyms_destroy(k);
}

int physmem_reader_init(struct physmem_reader *r, const char *proc_root, struct err *e)
{
    *r = (struct physmem_reader){.flags_fd = -1, .counts_fd = -1};
    r->root_fd = open(proc_root ? proc_root : "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->root_fd < 0)
        return err_set(e, -errno, "cannot open /proc: %s", strerror(errno));
    int rc = open_or_errno(r->root_fd, "kpageflags");
    r->flags_fd = rc < 0 ? -1 : rc;
    set_can(&r->info.flags, "what frames are used for (/proc/kpageflags)", rc < 0 ? rc : 0);
    rc = open_or_errno(r->root_fd, "kpagecount");
    r->counts_fd = rc < 0 ? -1 : rc;
    read_code(r, proc_root);
    return 0;
}

void physmem_reader_deinit(struct physmem_reader *r)
{
    if (r->flags_fd >= 0)
        close(r->flags_fd);
    if (r->counts_fd >= 0)
        close(r->counts_fd);
    if (r->root_fd >= 0)
        close(r->root_fd);
    buf_deinit(&r->text);
}

/* Zones are there without any privilege; a stand-in may lack them, and then the length of
 * kpageflags says how many frames there are. */
static void read_zones(struct physmem_reader *r)
{
    r->info.zone_count = 0;
    r->info.frames = 0;
    if (!io_read_at(r->root_fd, "zoneinfo", &r->text))
        zoneinfo_parse(r->text.data, r->text.len, &r->info);
    if (!io_read_at(r->root_fd, "buddyinfo", &r->text))
        buddyinfo_parse(r->text.data, r->text.len, &r->info);
}

void physmem_reader_info(struct physmem_reader *r)
{
    read_zones(r);
    int rc = io_read_at(r->root_fd, "meminfo", &r->text);
    meminfo_parse(r->text.data, rc ? 0 : r->text.len, &r->info.mem);
    rc = io_read_at(r->root_fd, "vmallocinfo", &r->text);
    set_can(&r->info.vmalloc, "the kernel's own mappings (/proc/vmallocinfo)", rc);
    vmallocinfo_parse(r->text.data, rc ? 0 : r->text.len, &r->info);
}

bool physmem_reader_block(struct physmem_reader *r, uint64_t block, bool each,
                          struct frame_read *out)
{
    uint64_t frame = block * FRAME_BLOCK;
    if (r->flags_fd < 0)
        return false;
    ssize_t got = io_pread(r->flags_fd, r->flags, sizeof r->flags, frame * sizeof *r->flags);
    if (got < 0)
        return false;
    size_t have = (size_t)got / sizeof *r->flags;
    out->block = block;
    out->each = each;
    out->sum = (struct frame_block){.t_ns = io_now_ns()};
    for (size_t i = 0; i < FRAME_BLOCK; i++) {
        enum frame_use use = i < have ? frame_use_of(r->flags[i]) : FRAME_NONE;
        out->sum.n[use]++;
        out->use[i] = (uint8_t)use;
    }
    return true;
}

void physmem_reader_frame(struct physmem_reader *r, uint64_t frame, struct frame_detail *out)
{
    *out = (struct frame_detail){.frame = frame};
    uint64_t v;
    out->has_flags = r->flags_fd >= 0 && io_pread(r->flags_fd, &v, sizeof v, frame * 8) == 8;
    if (out->has_flags) {
        out->flags = v;
        out->use = (uint8_t)frame_use_of(v);
    }
    out->has_count = r->counts_fd >= 0 && io_pread(r->counts_fd, &v, sizeof v, frame * 8) == 8;
    if (out->has_count)
        out->count = v;
}
