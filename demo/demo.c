/* A small lively program to look at: about once a second its memory visibly changes. It goes round
 * an endless loop of acts: reserve and touch, fork and break copy-on-write, huge pages and holes in
 * them, a file read and written, shared memory, pages given back, all unmapped. It uses little CPU,
 * says nothing, leaves no file, and ends with its parent or by any usual signal. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, HUGE = 2 * MIB };
enum { HEAP_SIZE = 8 * MIB, HUGE_SIZE = 8 * MIB, FILE_SIZE = 4 * MIB, SHARED_SIZE = 2 * MIB };
enum { TICKS = 20 }; /* an act takes this many, and a tick is 50 ms */

static size_t page;
static char *plain;  /* anonymous memory in small pages */
static char *huge;   /* aligned for huge pages */
static char *copy;   /* a file, private */
static char *direct; /* the same file, shared */
static char *shared; /* anonymous shared memory */
static pid_t child;

static void nap(void)
{
    struct timespec tick = {.tv_nsec = 50000000};
    nanosleep(&tick, NULL);
}

static char *map(size_t size, int flags, int fd)
{
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (at == MAP_FAILED)
        _exit(1);
    return at;
}

/* Writes the share of [at, at+size) that belongs to this tick: one page of every `step`. */
static void write_part(char *at, size_t size, int tick, size_t step)
{
    size_t part = size / TICKS / page * page;
    for (size_t i = 0; i < part; i += step * page)
        *(volatile char *)(at + (size_t)tick * part + i) = (char)(tick + 1);
}

static void read_part(const char *at, size_t size, int tick)
{
    size_t part = size / TICKS / page * page;
    for (size_t i = 0; i < part; i += page)
        (void)*(const volatile char *)(at + (size_t)tick * part + i);
}

static void act_touch(int tick)
{
    if (tick == 0) {
        plain = map(HEAP_SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        madvise(plain, HEAP_SIZE, MADV_NOHUGEPAGE);
    }
    write_part(plain, HEAP_SIZE, tick, tick % 4 == 3 ? 3 : 1);
}

/* Reading untouched memory maps the zero page. */
static void act_read(int tick)
{
    read_part(plain, HEAP_SIZE, tick);
}

static void child_main(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int tick = 0; tick < TICKS; tick++, nap())
        write_part(plain, HEAP_SIZE / 2, tick, 2);
    for (;;)
        pause();
}

static void act_fork(int tick)
{
    if (tick != 0)
        return;
    child = fork();
    if (child == 0)
        child_main();
}

/* The parent's own writes copy what the child still shares. */
static void act_copy(int tick)
{
    write_part(plain + HEAP_SIZE / 4, HEAP_SIZE / 2, tick, 1);
}

static void act_huge(int tick)
{
    if (tick == 0) {
        char *room = map(HUGE_SIZE + HUGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        huge = (char *)(((uintptr_t)room + HUGE - 1) / HUGE * HUGE);
        munmap(room, (size_t)(huge - room));
        munmap(huge + HUGE_SIZE, (size_t)(room + HUGE - huge));
        madvise(huge, HUGE_SIZE, MADV_HUGEPAGE);
    }
    if (tick % (TICKS / 4) == 0)
        *(volatile char *)(huge + (size_t)tick / (TICKS / 4) * HUGE) = 1;
}

static void act_holes(int tick)
{
    size_t part = HUGE_SIZE / TICKS / page * page;
    if (tick % 2)
        madvise(huge + (size_t)tick * part, 64 * page, MADV_DONTNEED);
}

static int make_file(void)
{
    char path[] = "/tmp/vmscope-demo-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return memfd_create("demo", MFD_CLOEXEC);
    unlink(path);
    return fd;
}

static void act_file(int tick)
{
    if (tick == 0) {
        int fd = make_file();
        if (ftruncate(fd, FILE_SIZE) < 0)
            _exit(1);
        copy = map(FILE_SIZE, MAP_PRIVATE, fd);
        direct = map(FILE_SIZE, MAP_SHARED, fd);
        close(fd);
    }
    read_part(copy, FILE_SIZE, tick);
    write_part(direct, FILE_SIZE, tick, 2);
    if (tick % 3 == 0)
        write_part(copy, FILE_SIZE, tick, 1);
}

static void act_share(int tick)
{
    if (tick == 0)
        shared = map(SHARED_SIZE, MAP_SHARED | MAP_ANONYMOUS, -1);
    write_part(shared, SHARED_SIZE, tick, 1);
}

static void act_give_back(int tick)
{
    size_t part = HEAP_SIZE / TICKS / page * page;
    if (child > 0 && tick == 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        child = 0;
    }
    madvise(plain + (size_t)tick * part, part / 2, MADV_DONTNEED);
}

static void act_protect(int tick)
{
    size_t part = HEAP_SIZE / TICKS / page * page;
    if (tick % 5 == 0)
        mprotect(plain + (size_t)tick * part, part, PROT_READ);
}

static void act_unmap(int tick)
{
    if (tick == 0)
        munmap(copy, FILE_SIZE);
    else if (tick == TICKS / 4)
        munmap(direct, FILE_SIZE);
    else if (tick == TICKS / 2)
        munmap(shared, SHARED_SIZE);
    else if (tick == 3 * TICKS / 4)
        munmap(huge, HUGE_SIZE);
    else if (tick == TICKS - 1)
        munmap(plain, HEAP_SIZE);
}

int main(void)
{
    static void (*const acts[])(int) = {act_touch, act_read, act_fork,  act_copy,
                                        act_huge,  act_holes, act_file, act_share,
                                        act_give_back, act_protect, act_unmap};
    pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        return 0;
    page = (size_t)sysconf(_SC_PAGESIZE);
    for (;;)
        for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
            for (int tick = 0; tick < TICKS; tick++, nap())
                acts[i](tick);
}
