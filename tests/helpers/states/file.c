/* Mappings of files on disk. */
#include "states.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Maps all of a new file and closes it. */
static char *map_file(const char *name, size_t pages, int prot, int flags)
{
    int fd = make_file(name, pages);
    if (fd < 0)
        return state_failed(name, "file");
    char *at = place_map(name, pages * page_bytes, 0, prot, flags, fd);
    close(fd);
    return at;
}

static void file_private_untouched(const char *name)
{
    char *at = map_file(name, 32, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    if (at)
        state_made(name, at, 32 * page_bytes, "run=absent*32 perms=rw-p kind=file");
}

static void file_private_read(const char *name)
{
    char *at = map_file(name, 32, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    if (!at)
        return;
    read_pages(at, 0, 32);
    state_made(name, at, 32 * page_bytes, "run=file*32 mapcount=1 noattr=anon-exclusive@0+32");
}

static void file_private_written(const char *name)
{
    char *at = map_file(name, 32, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    if (!at)
        return;
    read_pages(at, 0, 32);
    write_pages(at, 8, 8);
    state_made(name, at, 32 * page_bytes, "run=file*8 run=anon-exclusive*8 run=file*16");
}

static void file_private_cow(const char *name)
{
    char *at = map_file(name, 16, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    if (!at)
        return;
    read_pages(at, 0, 16);
    write_pages(at, 4, 4);
    in_child(at, 6, 1);
    state_made(name, at, 16 * page_bytes,
               "run=file*4 run=anon-shared*2 run=anon-exclusive*1 run=anon-shared*1 run=file*8");
}

/* Fork copies no page-table entries of a private file mapping that was never written. */
static void file_across_fork(const char *name)
{
    char *at = map_file(name, 16, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    if (!at)
        return;
    read_pages(at, 0, 16);
    state_made(name, at, 16 * page_bytes, "run=file*16 mapcount=1");
}

static void file_shared_clean(const char *name)
{
    char *at = map_file(name, 32, PROT_READ | PROT_WRITE, MAP_SHARED);
    if (!at)
        return;
    read_pages(at, 0, 32);
    state_made(name, at, 32 * page_bytes, "run=file*32 perms=rw-s vmflag=sh vmflag=ms");
}

static void file_shared_dirty(const char *name)
{
    char *at = map_file(name, 32, PROT_READ | PROT_WRITE, MAP_SHARED);
    if (!at)
        return;
    write_pages(at, 0, 32);
    state_made(name, at, 32 * page_bytes, "run=file*32 perms=rw-s");
}

/* One byte written to a page cache of large folios maps all of its folio. */
static void file_shared_one_byte(const char *name)
{
    char *at = map_file(name, 256, PROT_READ | PROT_WRITE, MAP_SHARED);
    if (!at)
        return;
    write_pages(at, 100, 1);
    state_made(name, at, 256 * page_bytes, "runs=any");
}

/* A file opened for reading only: the mapping is shared, but cannot ever become writable. */
static void file_shared_read_only(const char *name)
{
    char path[64];
    int both = make_file(name, 8);
    snprintf(path, sizeof path, "/proc/self/fd/%d", both);
    int fd = both < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        state_failed(name, "file");
        return;
    }
    close(both);
    char *at = place_map(name, 8 * page_bytes, 0, PROT_READ, MAP_SHARED, fd);
    close(fd);
    if (!at)
        return;
    read_pages(at, 0, 8);
    state_made(name, at, 8 * page_bytes, "run=file*8 perms=r--s no-vmflag=sh vmflag=ms");
}

static void file_twice(const char *name)
{
    int fd = make_file(name, 8);
    char *a = fd < 0 ? state_failed(name, "file")
                     : place_map(name, 8 * page_bytes, 0, PROT_READ, MAP_SHARED, fd);
    char *b = a ? place_map(name, 8 * page_bytes, 0, PROT_READ, MAP_SHARED, fd) : NULL;
    if (fd >= 0)
        close(fd);
    if (!b)
        return;
    read_pages(a, 0, 8);
    read_pages(b, 0, 8);
    state_made(name, a, 8 * page_bytes, "run=file*8 mapcount=2 noattr=exclusive@0+8");
}

static void file_past_end(const char *name)
{
    int fd = make_file(name, 4);
    if (fd < 0 || ftruncate(fd, (off_t)(3 * page_bytes + 100)) < 0) {
        state_failed(name, "file");
        return;
    }
    char *at = place_map(name, 16 * page_bytes, 0, PROT_READ, MAP_PRIVATE, fd);
    close(fd);
    if (!at)
        return;
    read_pages(at, 0, 4);
    state_made(name, at, 16 * page_bytes, "run=file*4 run=absent*12");
}

static void file_offset(const char *name)
{
    int fd = make_file(name, 16);
    char *at = place(4 * page_bytes, 0);
    if (fd < 0 || !at) {
        state_failed(name, "file");
        return;
    }
    at = mmap(at, 4 * page_bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, (off_t)(5 * page_bytes));
    close(fd);
    if (at == MAP_FAILED) {
        state_failed(name, "mmap");
        return;
    }
    read_pages(at, 0, 4);
    state_made(name, at, 4 * page_bytes, "run=file*4");
}

static void file_remapped(const char *name)
{
    char *at = map_file(name, 16, PROT_READ | PROT_WRITE, MAP_SHARED);
    if (!at)
        return;
    read_pages(at, 0, 16);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    int failed = remap_file_pages(at + 2 * page_bytes, page_bytes, 0, 7, 0);
#pragma GCC diagnostic pop
    if (failed)
        state_failed(name, "remap_file_pages");
    else
        state_made(name, at, 16 * page_bytes, "runs=any split");
}

static void file_device(const char *name)
{
    int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        state_failed(name, "/dev/zero");
        return;
    }
    char *at = place_map(name, 8 * page_bytes, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    close(fd);
    if (!at)
        return;
    madvise(at, 8 * page_bytes, MADV_NOHUGEPAGE);
    read_pages(at, 0, 2);
    write_pages(at, 4, 2);
    state_made(name, at, 8 * page_bytes,
               "run=zero*2 run=absent*2 run=anon-exclusive*2 run=absent*2 name=/dev/zero");
}

const struct maker makers_file[] = {
    {"file_private_cow", file_private_cow, BEFORE_FORK},
    {"file_across_fork", file_across_fork, BEFORE_FORK},
    {"file_private_untouched", file_private_untouched, AFTER_FORK},
    {"file_private_read", file_private_read, AFTER_FORK},
    {"file_private_written", file_private_written, AFTER_FORK},
    {"file_shared_clean", file_shared_clean, AFTER_FORK},
    {"file_shared_dirty", file_shared_dirty, AFTER_FORK},
    {"file_shared_one_byte", file_shared_one_byte, AFTER_FORK},
    {"file_shared_read_only", file_shared_read_only, AFTER_FORK},
    {"file_twice", file_twice, AFTER_FORK},
    {"file_past_end", file_past_end, AFTER_FORK},
    {"file_offset", file_offset, AFTER_FORK},
    {"file_remapped", file_remapped, AFTER_FORK},
    {"file_device", file_device, AFTER_FORK},
    {0},
};
