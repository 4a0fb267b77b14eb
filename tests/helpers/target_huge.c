/* A process with huge pages of known sizes: each argument makes one mapping.
 *
 *   folios:BYTES:N   N blocks of BYTES, aligned, advised, each begun by one touch
 *   thp:N            N huge pages of 2 MiB, each begun by one touch
 *   holed:N          the same, and then one page of each is given back: small entries
 *   plain:N          N blocks of 2 MiB touched page by page, not advised
 *   refused:N        the same, MADV_NOHUGEPAGE
 *   empty:N          N blocks, advised, untouched
 *   collapsed:N      N blocks touched page by page before MADV_COLLAPSE
 *   pool:N           N pages of the hugetlb pool
 *
 * Prints one line a mapping, "NAME START END" or "NAME absent ERROR", then "ready", and waits for
 * the end of its input. Each mapping has PROT_NONE neighbours. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { BLOCK = 2 << 20, PAGE = 4096 };

static char *reserve(size_t bytes)
{
    char *p = mmap(NULL, bytes + 2 * BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    return (char *)(((uintptr_t)p + PAGE + BLOCK - 1) & ~(uintptr_t)(BLOCK - 1));
}

static void touch(char *p, size_t bytes, size_t step)
{
    for (size_t i = 0; i < bytes; i += step)
        p[i] = 1;
}

static int fill(const char *kind, char *p, size_t bytes, size_t step)
{
    if (!strcmp(kind, "refused"))
        return madvise(p, bytes, MADV_NOHUGEPAGE) ? errno : (touch(p, bytes, PAGE), 0);
    if (!strcmp(kind, "plain")) {
        touch(p, bytes, PAGE);
        return 0;
    }
    if (!strcmp(kind, "collapsed")) {
        touch(p, bytes, PAGE);
        return madvise(p, bytes, MADV_COLLAPSE) ? errno : 0;
    }
    if (madvise(p, bytes, MADV_HUGEPAGE))
        return errno;
    if (!strcmp(kind, "empty"))
        return 0;
    touch(p, bytes, step);
    for (size_t at = 0; !strcmp(kind, "holed") && at < bytes; at += BLOCK)
        if (madvise(p + at + 5 * PAGE, PAGE, MADV_DONTNEED))
            return errno;
    return 0;
}

static int make(const char *spec)
{
    char kind[32];
    unsigned long a = 0, b = 0;
    int n = sscanf(spec, "%31[a-z]:%lu:%lu", kind, &a, &b);
    if (n < 2)
        return EINVAL;
    size_t step = n == 3 ? a : BLOCK, bytes = n == 3 ? a * b : a * BLOCK;
    int pool = !strcmp(kind, "pool") ? MAP_HUGETLB : 0;
    char *p = reserve(bytes);
    if (!p || mmap(p, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | pool, -1, 0) == MAP_FAILED)
        return errno;
    int rc = pool ? (touch(p, bytes, step), 0) : fill(kind, p, bytes, step);
    if (!rc)
        printf("%s %lx %lx\n", spec, (unsigned long)p, (unsigned long)p + bytes);
    return rc;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int rc = make(argv[i]);
        if (rc)
            printf("%s absent %s\n", argv[i], strerror(rc));
    }
    printf("ready\n");
    fflush(stdout);
    char c;
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
    return 0;
}
