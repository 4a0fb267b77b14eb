/* Shared memory: anonymous, memfd, tmpfs, SysV; shared, private and mapped several times. */
#include "states.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

enum { RW = PROT_READ | PROT_WRITE };

static void shmem_anon(const char *name)
{
    char *at = place_map(name, 16 * page_bytes, 0, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
    if (!at)
        return;
    write_pages(at, 0, 4);
    read_pages(at, 8, 4);
    state_made(name, at, 16 * page_bytes,
               "run=shmem*4 run=absent*4 run=shmem*4 run=absent*4 vmflag=sh kind=shmem "
               "name=/dev/zero%%20(deleted)");
}

/* Fork copies no page-table entries of a shared mapping: the child sees none of the pages. */
static void shmem_across_fork(const char *name)
{
    char *at = place_map(name, 16 * page_bytes, 0, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
    if (!at)
        return;
    write_pages(at, 0, 8);
    in_child(at, 6, 4);
    state_made(name, at, 16 * page_bytes,
               "run=shmem*8 run=absent*8 attr=exclusive@0+6 noattr=exclusive@6+2");
}

static void shmem_memfd(const char *name)
{
    int fd = make_memfd(name, 16, 0);
    char *at = place_map(name, 16 * page_bytes, 0, RW, MAP_SHARED, fd);
    close(fd);
    if (!at)
        return;
    write_pages(at, 2, 4);
    state_made(name, at, 16 * page_bytes,
               "run=absent*2 run=shmem*4 run=absent*10 kind=shmem name=/memfd:%s%%20(deleted)",
               name);
}

static void shmem_tmpfs(const char *name)
{
    char path[128];
    const char *dir = shm_dir();
    if (!dir) {
        state_failed(name, "/dev/shm");
        return;
    }
    snprintf(path, sizeof path, "%s/file", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)(16 * page_bytes)) < 0) {
        state_failed(name, path);
        return;
    }
    char *at = place_map(name, 16 * page_bytes, 0, RW, MAP_SHARED, fd);
    close(fd);
    if (!at)
        return;
    write_pages(at, 0, 3);
    state_made(name, at, 16 * page_bytes, "run=shmem*3 run=absent*13 kind=shmem name=%s", path);
}

static void shmem_sysv(const char *name)
{
    int id = shmget(IPC_PRIVATE, 16 * page_bytes, IPC_CREAT | 0600);
    char *at = place(16 * page_bytes, 0);
    if (id < 0 || !at) {
        state_failed(name, "shmget");
        return;
    }
    at = shmat(id, at, SHM_REMAP);
    shmctl(id, IPC_RMID, NULL);
    if (at == (char *)-1) {
        state_failed(name, "shmat");
        return;
    }
    write_pages(at, 0, 5);
    state_made(name, at, 16 * page_bytes,
               "run=shmem*5 run=absent*11 kind=shmem name=/SYSV00000000%%20(deleted)");
}

static void shmem_private(const char *name)
{
    int fd = make_memfd(name, 16, 0);
    char *all = place_map(name, 16 * page_bytes, 0, RW, MAP_SHARED, fd);
    if (!all)
        return;
    write_pages(all, 0, 8);
    munmap(all, 16 * page_bytes);
    char *at = place_map(name, 16 * page_bytes, 0, RW, MAP_PRIVATE, fd);
    close(fd);
    if (!at)
        return;
    read_pages(at, 0, 8);
    write_pages(at, 2, 3);
    state_made(name, at, 16 * page_bytes,
               "run=shmem*2 run=anon-exclusive*3 run=shmem*3 run=absent*8 perms=rw-p");
}

/* A page counts its mappings, not the processes that map it. */
static void shmem_six_times(const char *name)
{
    char *first = NULL;
    int fd = make_memfd(name, 4, 0);
    for (int i = 0; i < 6; i++) {
        char *at = place_map(name, 4 * page_bytes, 0, RW, MAP_SHARED, fd);
        if (!at)
            return;
        write_pages(at, 0, 4);
        if (!first)
            first = at;
    }
    close(fd);
    state_made(name, first, 4 * page_bytes, "run=shmem*4 mapcount=6 noattr=exclusive@0+4");
}

static void shmem_read_only(const char *name)
{
    int fd = make_memfd(name, 4, 0);
    char *at = place_map(name, 4 * page_bytes, 0, PROT_READ, MAP_SHARED, fd);
    close(fd);
    if (!at)
        return;
    read_pages(at, 0, 2);
    state_made(name, at, 4 * page_bytes, "run=shmem*2 run=absent*2 perms=r--s vmflag=sh");
}

static void shmem_past_end(const char *name)
{
    int fd = make_memfd(name, 4, 0);
    char *at = place_map(name, 16 * page_bytes, 0, RW, MAP_SHARED, fd);
    close(fd);
    if (!at)
        return;
    write_pages(at, 0, 4);
    state_made(name, at, 16 * page_bytes, "run=shmem*4 run=absent*12");
}

const struct maker makers_shmem[] = {
    {"shmem_across_fork", shmem_across_fork, BEFORE_FORK},
    {"shmem_anon", shmem_anon, AFTER_FORK},
    {"shmem_memfd", shmem_memfd, AFTER_FORK},
    {"shmem_tmpfs", shmem_tmpfs, AFTER_FORK},
    {"shmem_sysv", shmem_sysv, AFTER_FORK},
    {"shmem_private", shmem_private, AFTER_FORK},
    {"shmem_six_times", shmem_six_times, AFTER_FORK},
    {"shmem_read_only", shmem_read_only, AFTER_FORK},
    {"shmem_past_end", shmem_past_end, AFTER_FORK},
    {0},
};
