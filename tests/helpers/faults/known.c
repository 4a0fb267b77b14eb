#include "known.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

size_t page;
char *arena, *arena_next;
unsigned *count;
sigjmp_buf back;

void say(const char *format, ...)
{
    static char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (int at = 0; at < n;) {
        ssize_t done = write(STDOUT_FILENO, line + at, (size_t)(n - at));
        if (done < 0 && errno != EINTR)
            _exit(1);
        at += done > 0 ? (int)done : 0;
    }
}

void die(const char *what)
{
    fprintf(stderr, "faults_known: %s: %s\n", what, strerror(errno));
    exit(1);
}

void expect(const volatile char *at, const char *access, const char *path, const char *how,
                   const char *function, const char *where, const char *also)
{
    say("expect %u 0x%lx %s %s %s %s %s %d %s\n", ++*count, (unsigned long)at, access, path, how,
        function, where, (int)getpid(), also);
}

char *map(size_t pages, int prot, int flags, int fd)
{
    char *at = arena_next;
    arena_next += (pages * page + 2 * huge - 1) / huge * huge;
    if (arena_next > arena + arena_size)
        die("arena");
    if (mmap(at, pages * page, prot, flags | MAP_FIXED, fd, 0) != at)
        die("mmap");
    return at;
}
