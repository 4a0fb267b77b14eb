/* A program that makes one fault of every kind, each at an address, from a function and on a line
 * that it tells before:
 *
 *   arena START END
 *   expect SEQ ADDR ACCESS PATH HOW FUNCTION FILE:LINE PID ALSO
 *   skip WHAT: WHY
 *   done COUNT
 *
 * ACCESS is read, write or exec; HOW copy, reuse or -; ALSO what the kernel passes on the way, or
 * -. FUNCTION and FILE:LINE are - where the instruction itself is not there. All faults inside the
 * arena are told, and some outside it; others outside it (a child's own stack after fork) are not.
 * The program's own pages are in memory before it begins, so that telling makes no fault.
 *
 * Arguments add kinds that need preparation: hugetlb (a free page in the pool), swap (swap space),
 * ksm (root; KSM runs while it waits), uffd (root). */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults/known.h"

enum { GUARD_INSTALL = 102 };

static const char *files; /* a directory on a disk: on tmpfs a shared page is writable at once */

static void caught(int sig)
{
    (void)sig;
    siglongjmp(back, 1);
}

/* --- places --- */

static const char *directory_on_disk(void)
{
    static const char *const places[] = {"/var/tmp", "/tmp", "."};
    struct statfs fs;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (!access(places[i], W_OK) && !statfs(places[i], &fs) && fs.f_type != TMPFS_MAGIC)
            return places[i];
    return NULL;
}

/* A file of its own for each mapping: what else a fault maps stays inside it. */
static int file(size_t pages, int byte)
{
    char name[64];
    static char block[65536];
    snprintf(name, sizeof name, "%s/faults_known.XXXXXX", files ? files : "/tmp");
    int fd = mkstemp(name);
    if (fd < 0)
        die("mkstemp");
    unlink(name);
    memset(block, byte, sizeof block);
    for (size_t i = 0; i < pages; i++)
        if (write(fd, block, page) != (ssize_t)page)
            die("write");
    return fd;
}

static char *map_file(int prot, int flags)
{
    int fd = file(4, 0xc3);
    char *at = map(4, prot, flags, fd);
    close(fd);
    return at;
}

static char *map_memfd(int flags)
{
    int fd = memfd_create("faults_known", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)(4 * page)))
        die("memfd");
    char *at = map(4, RW, flags, fd);
    close(fd);
    return at;
}

static pid_t child_begins(void)
{
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    return pid;
}

static void child_ended(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
}

/* --- anonymous memory --- */

static CASE anonymous(void)
{
    char *a = map(4, RW, ANON, -1);
    WRITE(a + 0x123, "do_anonymous_page");
    READ(a + page, "do_anonymous_page");
    REWRITE(a + page, "copy");
}

static CASE heap(void)
{
    char *a = sbrk(0);
    a += -(uintptr_t)a % page;
    if (brk(a + 4 * page))
        die("brk");
    WRITE(a + 2 * page, "do_anonymous_page");
}

static CASE after_dontneed(void)
{
    char *a = map(4, RW, ANON, -1);
    WRITE(a, "do_anonymous_page");
    madvise(a, page, MADV_DONTNEED);
    WRITE(a, "do_anonymous_page");
}

static CASE grows_down(void)
{
    char *a = map(4, RW, ANON, -1);
    munmap(a, 4 * page);
    munmap(a - huge, huge);
    if (mmap(a, 4 * page, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0) != a)
        die("growsdown");
    WRITE_BY(a - page + 8, "do_anonymous_page", "-", "expand_stack");
}

static CASE stack(void)
{
    char *a = (char *)__builtin_frame_address(0) - 1024 * 1024;
    WRITE_BY(a, "do_anonymous_page", "-", "expand_stack");
}

/* read(2), so that the instruction to which it returns is on the line, too. */
#define SYSTEM_READ(rc, fd, at, n)                                                                 \
    __asm__ volatile("syscall; nop"                                                                \
                     : "=a"(rc)                                                                    \
                     : "0"(SYS_read), "D"(fd), "S"(at), "d"(n)                                     \
                     : "rcx", "r11", "memory")

/* It is the kernel that writes. */
static CASE in_kernel(void)
{
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    char *a = map(4, RW, ANON, -1);
    long rc = 0;
    TOUCH(a, "write", "do_anonymous_page", "-", "-", SYSTEM_READ(rc, fd, a, 8));
    if (rc != 8)
        die("read");
    close(fd);
}

/* --- shared memory and files --- */

static CASE shared_anonymous(void)
{
    char *a = map(4, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
    char *b = map(4, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
    READ(a, "do_read_fault");
    WRITE(b, "do_shared_fault");
    madvise(b, page, MADV_DONTNEED);
    READ(b, "do_read_fault");
}

static CASE private_memfd(void)
{
    char *a = map_memfd(MAP_PRIVATE), *b = map_memfd(MAP_PRIVATE);
    WRITE(a, "do_cow_fault");
    READ(b, "do_read_fault");
    REWRITE(b, "copy");
}

static CASE private_file(void)
{
    char *a = map_file(RW, MAP_PRIVATE), *b = map_file(RW, MAP_PRIVATE);
    WRITE(a, "do_cow_fault");
    READ(b, "do_read_fault");
    REWRITE(b, "copy");
}

static CASE shared_file(void)
{
    if (!files) {
        say("skip shared_file: no directory on a disk\n");
        return;
    }
    char *a = map_file(RW, MAP_SHARED), *b = map_file(RW, MAP_SHARED);
    char *c = map_file(RW, MAP_SHARED | MAP_POPULATE);
    WRITE(a, "do_shared_fault");
    READ(b, "do_read_fault");
    REWRITE(b, "reuse");
    REWRITE(c, "reuse");
    if (msync(a, page, MS_SYNC))
        die("msync");
    REWRITE(a, "reuse");
}

static CASE executed(void)
{
    char *a = map_file(PROT_READ | PROT_EXEC, MAP_PRIVATE);
    void (*call)(void) = (void (*)(void))(uintptr_t)a;
    expect(a, "exec", "do_read_fault", "-", "-", "-", "-");
    call();
}

/* --- what is not allowed --- */

static CASE no_mapping(void)
{
    char *a = map(4, RW, ANON, -1), *kernel = (char *)0xffff800000001000;
    munmap(a + page, page);
    READ(a + page, "bad_area");
    WRITE(a + page + 8, "bad_area");
    READ(kernel, "bad_area");
}

static CASE not_permitted(void)
{
    char *a = map(4, PROT_NONE, ANON, -1), *b = map(4, PROT_READ, ANON, -1);
    READ(a, "bad_access");
    WRITE(a + page, "bad_access");
    WRITE(b, "bad_access");
    READ(b, "do_anonymous_page");
    WRITE(b, "bad_access");
}

/* Fetching an instruction from a page that is not there maps it as a read does; only then does the
 * processor refuse. */
static CASE not_executable(void)
{
    char *a = map(4, RW, ANON, -1);
    void (*call)(void) = (void (*)(void))(uintptr_t)a;
    expect(a, "exec", "do_anonymous_page", "-", "-", "-", "-");
    expect(a, "exec", "bad_access", "-", "-", "-", "-");
    if (!sigsetjmp(back, 1))
        call();
}

static CASE guarded(void)
{
    char *a = map(4, RW, ANON, -1);
    if (madvise(a + page, page, GUARD_INSTALL)) {
        say("skip guard: %s\n", strerror(errno));
        return;
    }
    READ(a + page, "bad_area");
    WRITE(a + page, "bad_area");
}

static CASE beyond_the_end(void)
{
    int fd = file(1, 1);
    char *a = map(4, RW, MAP_PRIVATE, fd), *b = map(4, RW, MAP_SHARED, fd);
    close(fd);
    READ(a + page, "sigbus");
    WRITE(a + 2 * page, "sigbus");
    WRITE(b + page, "sigbus");
}

/* A file that becomes shorter after it was mapped: no call of the kind that is followed. */
static CASE shrunk(void)
{
    int fd = file(4, 1);
    char *a = map(4, RW, MAP_SHARED, fd), *b = map(4, RW, MAP_PRIVATE, fd);
    if (ftruncate(fd, (off_t)page))
        die("ftruncate");
    READ(a, "do_read_fault");
    READ(a + page, "sigbus");
    WRITE(a + 3 * page, "sigbus");
    WRITE(b, "do_cow_fault");
    WRITE(b + 2 * page, "sigbus");
    if (ftruncate(fd, 4 * (off_t)page))
        die("ftruncate");
    close(fd);
    WRITE(a + 3 * page, "do_shared_fault");
    READ(b + 2 * page, "do_read_fault");
}

/* --- fork --- */

static CASE child_copies(void)
{
    char *a = map(4, RW, ANON, -1);
    WRITE(a, "do_anonymous_page");
    pid_t pid = child_begins();
    if (!pid) {
        REWRITE(a, "copy");
        WRITE(a + page, "do_anonymous_page");
        _exit(0);
    }
    child_ended(pid);
    REWRITE(a, "reuse");
}

static CASE parent_copies(void)
{
    int pipe_fd[2];
    char *a = map(4, RW, ANON, -1), byte = 0;
    WRITE(a, "do_anonymous_page");
    if (pipe(pipe_fd))
        die("pipe");
    pid_t pid = child_begins();
    if (!pid) {
        while (read(pipe_fd[0], &byte, 1) < 0)
            ;
        REWRITE(a, "reuse");
        _exit(0);
    }
    REWRITE(a, "copy");
    if (write(pipe_fd[1], &byte, 1) != 1)
        die("pipe");
    child_ended(pid);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}

/* Of a shared mapping and of a private one that was never written, a child gets no page table. */
static CASE not_inherited(void)
{
    char *a = map_file(PROT_READ, MAP_PRIVATE);
    char *b = map(4, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
    READ(a, "do_read_fault");
    WRITE(b, "do_shared_fault");
    pid_t pid = child_begins();
    if (!pid) {
        READ(a, "do_read_fault");
        WRITE(b, "do_shared_fault");
        _exit(0);
    }
    child_ended(pid);
}

/* --- huge pages --- */

static bool huge_pages(void)
{
    char text[64] = "";
    int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(fd);
    return text[0] && !strstr(text, "[never]");
}

static char *map_huge(void)
{
    char *a = map(huge / page, RW, ANON, -1);
    if (madvise(a, huge, MADV_HUGEPAGE))
        die("MADV_HUGEPAGE");
    return a;
}

static CASE huge_anonymous(void)
{
    char *a = map_huge(), *b = map_huge(), *c = map_huge();
    WRITE(a + 5 * page, "do_huge_pmd_anonymous_page");
    READ(b + 5 * page, "do_huge_pmd_anonymous_page");
    WRITE(b + 6 * page, "do_huge_pmd_wp_page");
    WRITE(c, "do_huge_pmd_anonymous_page");
    madvise(c + page, page, MADV_DONTNEED);
    WRITE(c + page, "do_anonymous_page");
}

static CASE huge_forked(void)
{
    char *a = map_huge();
    WRITE(a, "do_huge_pmd_anonymous_page");
    pid_t pid = child_begins();
    if (!pid) {
        WRITE_BY(a + 3 * page, "do_wp_page", "copy", "do_huge_pmd_wp_page");
        REWRITE(a + 4 * page, "copy");
        _exit(0);
    }
    child_ended(pid);
    WRITE(a + 3 * page, "do_huge_pmd_wp_page");
}

static CASE small_first(void)
{
    char *a = map(huge / page, RW, ANON, -1);
    WRITE(a, "do_anonymous_page");
    if (madvise(a, huge, MADV_HUGEPAGE))
        die("MADV_HUGEPAGE");
    WRITE(a + page, "do_anonymous_page");
}

/* --- all of it --- */

/* A page in another processor's batch for the LRU lists counts as used there: it is copied, not
 * reused, and MADV_PAGEOUT passes over it. */
static void stay_on_this_cpu(void)
{
    cpu_set_t one;
    int cpu = sched_getcpu();
    CPU_ZERO(&one);
    if (cpu >= 0)
        CPU_SET((unsigned)cpu, &one);
    if (cpu < 0 || sched_setaffinity(0, sizeof one, &one))
        die("sched_setaffinity");
}

static void prepare(void)
{
    stay_on_this_cpu();
    files = directory_on_disk();
    page = (size_t)sysconf(_SC_PAGESIZE);
    stack_t alternate = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct sigaction act = {.sa_handler = caught, .sa_flags = SA_ONSTACK | SA_NODEFER};
    sigaltstack(&alternate, NULL);
    sigaction(SIGSEGV, &act, NULL);
    sigaction(SIGBUS, &act, NULL);
    count = mmap(NULL, page, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *room = mmap(NULL, arena_size + huge, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    if (count == MAP_FAILED || room == MAP_FAILED)
        die("mmap");
    arena = room + -(uintptr_t)room % huge;
    arena_next = arena + 2 * huge;
    if ((mlockall(MCL_CURRENT) || munlockall()) && geteuid() == 0)
        die("mlockall"); /* others may have too low a limit: more faults outside of the arena then */
    say("arena 0x%lx 0x%lx\n", (unsigned long)arena, (unsigned long)(arena + arena_size));
}

static make_faults *const plain[] = {
    anonymous,      heap,          after_dontneed, grows_down, stack,          in_kernel,
    shared_anonymous, private_memfd, private_file, shared_file, executed,      no_mapping,
    not_permitted,  not_executable, guarded,       beyond_the_end, shrunk,         child_copies,
    parent_copies,  not_inherited,
};
static make_faults *const with_huge_pages[] = {huge_anonymous, huge_forked, small_first};
static const struct {
    const char *name;
    make_faults *make;
} prepared[] = {{"hugetlb", hugetlb}, {"swap", swapped}, {"ksm", ksm}, {"uffd", uffd}};

int main(int argc, char **argv)
{
    prepare();
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        plain[i]();
    if (!huge_pages())
        say("skip huge pages: they are switched off\n");
    for (size_t i = 0; huge_pages() && i < sizeof with_huge_pages / sizeof *with_huge_pages; i++)
        with_huge_pages[i]();
    for (int i = 1; i < argc; i++)
        for (size_t k = 0; k < sizeof prepared / sizeof *prepared; k++)
            if (!strcmp(argv[i], prepared[k].name))
                prepared[k].make();
    say("done %u\n", *count);
    return 0;
}
