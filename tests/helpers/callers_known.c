/* A program whose functions are built with frame pointers. It says beforehand which pages it is
 * going to touch, each once, and who calls whom then:
 *
 *   expect ADDRESS KIND FUNCTION CALLER...     innermost first, up to main
 *
 * Of the kind "chain" all callers are to be found; of "kernel" too, the fault being read(2)'s;
 * "deep" is one function that calls itself more often than a chain is long; of "broken" none is,
 * because the register does not hold a frame pointer. "absent" is no fault of ours: there lies a
 * frame that is not in memory, so that whoever reads it faults.
 *
 * With the name of a file it stays until the file is gone. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 64, STACK = 16, DEEP = 300, ROUNDS = 3 };

static char *arena;
static unsigned next;
static int zeros[2];

static char *page(const char *kind, const char *functions)
{
    char *p = arena + (size_t)next++ * PAGE;
    printf("expect 0x%llx %s %s\n", (unsigned long long)(uintptr_t)p, kind, functions);
    fflush(stdout);
    return p;
}

void inner(volatile char *p);
void middle(volatile char *p);
void outer(volatile char *p);
void deep(volatile char *p, unsigned left);
long in_kernel(char *p);
long middle_in_kernel(char *p);
void broken(volatile char *p, const void *fp, const void *sp);

void inner(volatile char *p)
{
    *p = 1;
}

void middle(volatile char *p)
{
    inner(p);
}

void outer(volatile char *p)
{
    middle(p);
}

void deep(volatile char *p, unsigned left)
{
    if (left)
        deep(p, left - 1);
    else
        *p = 1;
}

#if defined __x86_64__

/* Without the C library, which has no frame pointers. */
long in_kernel(char *p)
{
    long rc = SYS_read;
    __asm__ volatile("syscall"
                     : "+a"(rc)
                     : "D"((long)zeros[0]), "S"(p), "d"(1L)
                     : "rcx", "r11", "memory");
    return rc;
}

long middle_in_kernel(char *p)
{
    return in_kernel(p);
}

/* Touches the page with these in the registers of frame and stack. */
void broken(volatile char *p, const void *fp, const void *sp)
{
    __asm__ volatile("mov %%rsp, %%r11\n\t"
                     "mov %%rbp, %%r10\n\t"
                     "mov %2, %%rsp\n\t"
                     "mov %1, %%rbp\n\t"
                     "movb $1, (%0)\n\t"
                     "mov %%r11, %%rsp\n\t"
                     "mov %%r10, %%rbp"
                     :
                     : "a"(p), "c"(fp), "d"(sp)
                     : "r10", "r11", "memory");
}

static void break_frames(void)
{
    /* What looks like frames: where they return to is not code, or begins a function. */
    uint64_t frames[4] = {0, (uintptr_t)arena, 0, (uintptr_t)inner};
    char *stack = arena + (PAGES - STACK) * PAGE, *absent = stack + (STACK - 1) * PAGE;
    frames[0] = frames[2] = (uintptr_t)(frames + 2);
    memset(stack, 1, PAGE);
    const struct {
        const void *fp, *sp;
    } cases[] = {
        {NULL, frames},
        {(void *)1, frames},
        {(void *)(uintptr_t)0x123456789abcdef0, frames},
        {(void *)(uintptr_t)UINT64_MAX, frames},
        {frames, frames},
        {frames + 2, frames},
        {(char *)frames + 1, frames},
        {absent, stack},
        {arena + (PAGES + 1000) * PAGE, stack},
    };
    printf("expect 0x%llx absent -\n", (unsigned long long)(uintptr_t)absent);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        broken(page("broken", "broken"), cases[i].fp, cases[i].sp);
}

#else

static void break_frames(void)
{
}

#endif

static void stay_as_long_as(const char *file)
{
    char event[sizeof(struct inotify_event) + 256];
    int fd = inotify_init1(IN_CLOEXEC);
    if (fd < 0 || inotify_add_watch(fd, file, IN_ATTRIB | IN_DELETE_SELF) < 0)
        return;
    while (!access(file, F_OK) && read(fd, event, sizeof event) > 0)
        ;
}

int main(int argc, char **argv)
{
    arena = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED || madvise(arena, PAGES * PAGE, MADV_NOHUGEPAGE) || pipe(zeros) ||
        write(zeros[1], "1234", 4) != 4)
        return 1;
    for (unsigned i = 0; i < ROUNDS; i++)
        outer(page("chain", "inner middle outer main"));
#if defined __x86_64__
    if (middle_in_kernel(page("kernel", "in_kernel middle_in_kernel main")) != 1)
        return 1;
#endif
    deep(page("deep", "deep"), DEEP);
    break_frames();
    inner(page("chain", "inner main"));
    outer(page("chain", "inner middle outer main"));
    if (argc > 1)
        stay_as_long_as(argv[1]);
    return 0;
}
