/* A process whose mappings never stand still: threads map, touch, split by protection, move, merge
 * and unmap as fast as they can; another thread grows and shrinks the heap. For readers that must
 * cope with a picture that is not one instant. Prints "ready PID"; ends with its parent. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { RW = PROT_READ | PROT_WRITE, PAGES = 64 };

static void *map_and_unmap(void *arg)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (;;) {
        size_t n = 8 + (unsigned)rand_r(&seed) % PAGES, part = n / 4;
        char *at = mmap(NULL, n * page, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
            exit(1);
        for (size_t i = 0; i < n; i += 3)
            *(volatile char *)(at + i * page) = 1;
        mprotect(at + part * page, part * page, PROT_READ);
        madvise(at + 2 * part * page, part * page, MADV_DONTNEED);
        mprotect(at + part * page, part * page, RW);
        /* Never unmap what has moved away: another thread may be there by now. */
        munmap(at + 4 * part * page, (n - 4 * part) * page);
        char *to = mremap(at + 3 * part * page, part * page, 2 * part * page, MREMAP_MAYMOVE);
        if (to == MAP_FAILED)
            exit(1);
        munmap(to, 2 * part * page);
        munmap(at, 3 * part * page);
    }
    return NULL;
}

static void *move_break(void *arg)
{
    for (int i = 0;; i++) {
        char *old = sbrk(i % 8 == 7 ? -7 * 65536 : 65536);
        if (old != (char *)-1 && i % 8 != 7)
            *(volatile char *)old = 1;
    }
    return arg;
}

int main(void)
{
    pthread_t thread;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uintptr_t i = 1; i <= 3; i++)
        if (pthread_create(&thread, NULL, i == 3 ? move_break : map_and_unmap, (void *)i) != 0)
            return 1;
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    for (;;)
        pause();
}
