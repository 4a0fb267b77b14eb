/* Places, touches, waits, files and children: see states.h. */
#include "states.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

size_t page_bytes;
size_t pmd_bytes;

void state_made(const char *name, const void *at, size_t bytes, const char *expect, ...)
{
    va_list args;
    printf("%s 0x%lx 0x%lx ", name, (unsigned long)at, (unsigned long)at + bytes);
    va_start(args, expect);
    vprintf(expect, args);
    va_end(args);
    putchar('\n');
}

void state_absent(const char *name, const char *why, ...)
{
    va_list args;
    printf("absent %s ", name);
    va_start(args, why);
    vprintf(why, args);
    va_end(args);
    putchar('\n');
}

void *state_failed(const char *name, const char *what)
{
    state_absent(name, "%s: %s", what, strerror(errno));
    return NULL;
}

char *place(size_t bytes, size_t align)
{
    if (align < page_bytes)
        align = page_bytes;
    size_t room = bytes + 2 * align + 2 * page_bytes;
    char *at = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    uintptr_t first = (uintptr_t)at + page_bytes;
    return (char *)((first + align - 1) / align * align);
}

char *place_map(const char *name, size_t bytes, size_t align, int prot, int flags, int fd)
{
    char *at = place(bytes, align);
    if (!at)
        return state_failed(name, "mmap of a place");
    at = mmap(at, bytes, prot, flags | MAP_FIXED, fd, 0);
    return at == MAP_FAILED ? state_failed(name, "mmap") : at;
}

char *place_anon(const char *name, size_t pages)
{
    char *at = place_map(name, pages * page_bytes, 0, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (at)
        madvise(at, pages * page_bytes, MADV_NOHUGEPAGE);
    return at;
}

void write_pages(char *at, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        volatile uint64_t *word = (volatile uint64_t *)(at + i * page_bytes);
        word[0] = (uint64_t)(uintptr_t)word | 1;
        word[1] = (uint64_t)getpid();
    }
}

void read_pages(const char *at, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++)
        (void)*(const volatile char *)(at + i * page_bytes);
}

uint64_t page_entry(const void *at)
{
    static int fd = -1;
    uint64_t entry = 0;
    if (fd < 0)
        fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    off_t offset = (off_t)((uintptr_t)at / page_bytes * sizeof entry);
    return pread(fd, &entry, sizeof entry, offset) == (ssize_t)sizeof entry ? entry : 0;
}

long smaps_kb(const void *at, const char *field)
{
    char line[4096], start[32];
    long kb = -1;
    bool here = false;
    FILE *f = fopen("/proc/self/smaps", "re");
    if (!f)
        return -1;
    int len = snprintf(start, sizeof start, "%lx-", (unsigned long)at);
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, start, (size_t)len) == 0)
            here = true;
        else if (here && strncmp(line, field, strlen(field)) == 0) {
            kb = strtol(line + strlen(field), NULL, 10);
            break;
        }
    }
    fclose(f);
    return kb;
}

bool wait_until(bool (*done)(void *), void *ctx)
{
    struct timespec start, now, nap = {.tv_nsec = 5000000};
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        if (done(ctx))
            return true;
        nanosleep(&nap, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec < 60);
    return false;
}

static struct {
    char *at;
    size_t first, n;
} child_writes[16];
static size_t child_write_n;

void in_child(char *at, size_t first, size_t n)
{
    if (child_write_n == sizeof child_writes / sizeof child_writes[0])
        abort();
    child_writes[child_write_n].at = at;
    child_writes[child_write_n].first = first;
    child_writes[child_write_n++].n = n;
}

void child_actions(void)
{
    for (size_t i = 0; i < child_write_n; i++)
        write_pages(child_writes[i].at, child_writes[i].first, child_writes[i].n);
}

pid_t fork_sleeper(const char *name, void (*act)(void))
{
    int ready[2];
    char byte = 0;
    fflush(stdout);
    if (pipe2(ready, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(STDOUT_FILENO);
        if (act)
            act();
        if (write(ready[1], &byte, 1) != 1)
            _exit(1);
        close(ready[0]);
        close(ready[1]);
        for (;;)
            pause();
    }
    close(ready[1]);
    if (pid > 0 && read(ready[0], &byte, 1) == 1)
        printf("child %s %d\n", name, (int)pid);
    close(ready[0]);
    return pid;
}

void fork_and_reap(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
}
