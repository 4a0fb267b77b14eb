/* What the parts of faults_known share: the arena, what is told, and the faults themselves. */
#ifndef VMSCOPE_TESTS_HELPERS_FAULTS_KNOWN_H
#define VMSCOPE_TESTS_HELPERS_FAULTS_KNOWN_H

#include <setjmp.h>
#include <stddef.h>
#include <sys/mman.h>

enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static const size_t arena_size = (size_t)512 << 20, huge = (size_t)2 << 20;

extern size_t page;
extern char *arena, *arena_next;
extern unsigned *count; /* of faults told; shared with children */
extern sigjmp_buf back; /* where a signal leads */

typedef void make_faults(void);

/* Kinds that need preparation (prepared.c). */
make_faults hugetlb, swapped, ksm, uffd;

/* One line; makes no fault in memory that is looked at. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the program, with the reason in errno. */
void die(const char *what) __attribute__((noreturn));
/* Tells a fault that comes; `where` is FILE:LINE or -. */
void expect(const volatile char *at, const char *access, const char *path, const char *how,
            const char *function, const char *where, const char *also);
/* A mapping inside the arena, with nothing accessible beside it, where a 2 MiB block begins. */
char *map(size_t pages, int prot, int flags, int fd);

#define CASE __attribute__((noinline)) void
#define TEXT(x) #x
#define LINE_OF(line) __FILE_NAME__ ":" TEXT(line)
#define HERE LINE_OF(__LINE__)

/* Tells what comes, then does it; a signal ends it. All of it is on the caller's line. */
#define TOUCH(at, access, path, how, also, action)                                                 \
    do {                                                                                           \
        expect(at, access, path, how, __func__, HERE, also);                                   \
        if (!sigsetjmp(back, 1))                                                                   \
            action;                                                                                \
    } while (0)
#define READ(at, path) TOUCH(at, "read", path, "-", "-", (void)*(volatile char *)(at))
#define WRITE(at, path) TOUCH(at, "write", path, "-", "-", *(volatile char *)(at) = 1)
#define REWRITE(at, how) TOUCH(at, "write", "do_wp_page", how, "-", *(volatile char *)(at) = 2)
#define WRITE_BY(at, path, how, also)                                                              \
    TOUCH(at, "write", path, how, also, *(volatile char *)(at) = 3)

#endif
