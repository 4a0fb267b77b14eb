/* A process, and up to four children, whose memory is the result of random mm system calls: what
 * nobody thought of when writing states by hand. The same seed makes the same calls.
 *
 *   target_random SEED CALLS
 *
 * All happens in one stretch of addresses, over a file, a memfd and anonymous memory. Pages are
 * touched by MADV_POPULATE_*, which fails where an access would kill. Prints "child PID" lines and
 * "ready PID", then sleeps; ends with its parent. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

enum { PAGES = 8192, FILE_PAGES = 2048, FORKS = 4 };

static size_t page;
static char *arena;
static int files[2]; /* on disk, and a memfd */
static unsigned seed;
static int forks;

static unsigned pick(unsigned n)
{
    return (unsigned)rand_r(&seed) % n;
}

struct range {
    char *at;
    size_t bytes;
};

/* Mostly short, sometimes of the size and alignment of a huge page. */
static struct range pick_range(void)
{
    size_t n = 1 + pick(pick(4) ? 40 : 1500), first = pick(PAGES);
    if (pick(5) == 0) {
        n = 512 * (1 + pick(3));
        first &= ~(size_t)511;
    }
    if (n > PAGES - first)
        n = PAGES - first;
    return (struct range){arena + first * page, n * page};
}

static int pick_prot(void)
{
    static const int prots[] = {PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ,
                                PROT_NONE, PROT_READ | PROT_EXEC};
    return prots[pick(5)];
}

static void map(void)
{
    struct range r = pick_range();
    int prot = pick(3) ? PROT_READ | PROT_WRITE : pick_prot();
    int flags = MAP_FIXED | (pick(3) ? MAP_PRIVATE : MAP_SHARED);
    int fd = (int)pick(4) - 2;
    off_t offset = (off_t)(pick(FILE_PAGES) * page);
    if (pick(6) == 0)
        flags |= MAP_POPULATE;
    if (fd < 0)
        mmap(r.at, r.bytes, prot, flags | MAP_ANONYMOUS, -1, 0);
    else
        mmap(r.at, r.bytes, prot, flags, files[fd], offset);
}

static void advise(void)
{
    static const int advices[] = {MADV_DONTNEED, MADV_FREE,          MADV_HUGEPAGE,
                                  MADV_HUGEPAGE, MADV_NOHUGEPAGE,    MADV_COLLAPSE,
                                  MADV_PAGEOUT,  MADV_PAGEOUT,       MADV_COLD,
                                  MADV_WILLNEED, MADV_GUARD_INSTALL, MADV_GUARD_REMOVE,
                                  MADV_REMOVE,   MADV_DONTFORK,      MADV_DOFORK};
    struct range r = pick_range();
    madvise(r.at, r.bytes, advices[pick(sizeof advices / sizeof advices[0])]);
}

static void touch(void)
{
    struct range r = pick_range();
    madvise(r.at, r.bytes, pick(3) ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

static void move(void)
{
    struct range from = pick_range(), to = pick_range();
    size_t bytes = from.bytes < to.bytes ? from.bytes : to.bytes;
    mremap(from.at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to.at);
}

static void lock(void)
{
    struct range r = pick_range();
    if (pick(3))
        munlock(r.at, r.bytes);
    else
        mlock2(r.at, r.bytes, pick(2) ? MLOCK_ONFAULT : 0);
}

static void one_call(void)
{
    struct range r = pick_range();
    unsigned which = pick(20);
    if (which < 4)
        map();
    else if (which < 5)
        munmap(r.at, r.bytes);
    else if (which < 7)
        mprotect(r.at, r.bytes, pick(3) ? PROT_READ | PROT_WRITE : pick_prot());
    else if (which < 11)
        advise();
    else if (which < 12)
        move();
    else if (which < 13)
        lock();
    else
        touch();
}

static void calls(int n);

static void fork_one(int left)
{
    int ready[2];
    char byte = 0;
    fflush(stdout);
    if (pipe(ready) < 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        forks = FORKS; /* no grandchildren */
        seed += 77;
        calls(left);
        if (write(ready[1], &byte, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    if (pid < 0 || read(ready[0], &byte, 1) != 1)
        exit(1);
    printf("child %d\n", (int)pid);
    close(ready[0]);
    close(ready[1]);
}

static void calls(int n)
{
    for (int i = 0; i < n; i++) {
        one_call();
        if (forks < FORKS && pick((unsigned)n / 4 + 1) == 0) {
            forks++;
            fork_one(n / 4);
        }
    }
}

static void open_files(void)
{
    char path[] = "/var/tmp/vmscope-random-XXXXXX";
    files[0] = mkstemp(path);
    files[1] = memfd_create("random", 0);
    if (files[0] >= 0)
        unlink(path);
    if (files[0] < 0 || files[1] < 0 || ftruncate(files[0], (off_t)(FILE_PAGES * page)) < 0 ||
        ftruncate(files[1], (off_t)(FILE_PAGES * page)) < 0)
        exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    page = (size_t)sysconf(_SC_PAGESIZE);
    seed = (unsigned)atoi(argv[1]);
    open_files();
    size_t room = (PAGES + 512) * page;
    char *at = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return 1;
    arena = (char *)(((uintptr_t)at + 512 * page - 1) / (512 * page) * (512 * page));
    calls(atoi(argv[2]));
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    for (;;)
        pause();
}
