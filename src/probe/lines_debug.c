/* Finding debug information that is kept apart from the program: by build id below
 * /usr/lib/debug/.build-id, or by the name in .gnu_debuglink beside the program, in .debug, or
 * below /usr/lib/debug; first in the target's root (it may be a container), then in ours. What is
 * found must have the same build id, or, where the program has none, the checksum that it names. */
#include <errno.h>
#include <fcntl.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/lines_parts.h"
#include "probe/mapped.h"
#include "probe/object.h"

enum { ID_MAX = 64, PATH_CAP = 4096 };

/* What a debug file must match. */
struct wanted {
    unsigned char id[ID_MAX];
    size_t id_len; /* 0: none */
    char link[256]; /* "": none */
    uint32_t crc;
};

/* CRC-32 (polynomial 0xedb88320) of a whole file, four bits at a time. */
static bool crc_of(int fd, uint32_t *out)
{
    uint32_t table[16], crc = UINT32_MAX;
    unsigned char bytes[16384];
    ssize_t n;
    for (uint32_t i = 0; i < 16; i++) {
        table[i] = i;
        for (unsigned bit = 0; bit < 4; bit++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320u : table[i] >> 1;
    }
    for (uint64_t at = 0; (n = io_pread(fd, bytes, sizeof bytes, at)) > 0; at += (uint64_t)n)
        for (ssize_t i = 0; i < n; i++) {
            crc ^= bytes[i];
            crc = crc >> 4 ^ table[crc & 15];
            crc = crc >> 4 ^ table[crc & 15];
        }
    *out = ~crc;
    return n == 0;
}

static void read_wanted(const struct dw *dw, int fd, struct wanted *out)
{
    const char *why;
    *out = (struct wanted){.id_len = 0};
    if (object_check(fd, &why))
        return;
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    const void *id = NULL;
    ssize_t len = elf ? dw->build_id(elf, &id) : -1;
    if (len > 2 && len <= ID_MAX) {
        out->id_len = (size_t)len;
        memcpy(out->id, id, out->id_len);
    }
    const char *link = elf ? dw->debuglink(elf, &out->crc) : NULL;
    if (link && *link && !strchr(link, '/') && strlen(link) < sizeof out->link)
        strcpy(out->link, link);
    elf_end(elf);
}

static bool matches(const struct dw *dw, int fd, const struct wanted *w)
{
    uint32_t crc;
    struct wanted has;
    if (!w->id_len)
        return crc_of(fd, &crc) && crc == w->crc;
    read_wanted(dw, fd, &has);
    return has.id_len == w->id_len && !memcmp(has.id, w->id, w->id_len);
}

/* In the target's root, then in ours. */
static int try_path(const struct dw *dw, int process_fd, const struct wanted *w, const char *path)
{
    char inside[PATH_CAP + 8];
    snprintf(inside, sizeof inside, "root%s", path);
    const struct {
        int dir;
        const char *path;
    } places[] = {{process_fd, inside}, {AT_FDCWD, path}};
    for (unsigned i = 0; i < 2; i++) {
        struct stat st;
        int fd = mapped_open_regular(places[i].dir, places[i].path, &st);
        if (fd >= 0 && matches(dw, fd, w))
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -ENOENT;
}

static int try_build_id(const struct dw *dw, int process_fd, const struct wanted *w)
{
    char path[64 + 2 * ID_MAX];
    size_t len = (size_t)snprintf(path, sizeof path, "/usr/lib/debug/.build-id/%02x/", w->id[0]);
    for (size_t i = 1; i < w->id_len; i++)
        len += (size_t)snprintf(path + len, sizeof path - len, "%02x", w->id[i]);
    snprintf(path + len, sizeof path - len, ".debug");
    return try_path(dw, process_fd, w, path);
}

static int try_link(const struct dw *dw, int process_fd, const struct wanted *w, const char *name)
{
    static const char *const before[] = {"", "", "/usr/lib/debug"};
    static const char *const behind[] = {"/", "/.debug/", "/"};
    const char *slash = strrchr(name, '/');
    int fd = -ENOENT;
    for (unsigned i = 0; fd < 0 && slash && i < 3; i++) {
        char path[PATH_CAP];
        int n = snprintf(path, sizeof path, "%s%.*s%s%s", before[i], (int)(slash - name), name,
                         behind[i], w->link);
        if (n > 0 && (size_t)n < sizeof path)
            fd = try_path(dw, process_fd, w, path);
    }
    return fd;
}

int debug_file_open(const struct dw *dw, int process_fd, int fd, const char *name)
{
    struct wanted w;
    read_wanted(dw, fd, &w);
    int found = w.id_len ? try_build_id(dw, process_fd, &w) : -ENOENT;
    if (found < 0 && w.link[0])
        found = try_link(dw, process_fd, &w, name);
    return found;
}
