/* Faults that need a prepared machine: a pool of huge pages, swap space, KSM, userfaultfd. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "known.h"

enum { PAGEOUT = 21 };

CASE hugetlb(void)
{
    char *a = arena_next;
    arena_next += 2 * huge;
    if (mmap(a, huge, RW, ANON | MAP_HUGETLB | MAP_FIXED, -1, 0) == MAP_FAILED) {
        say("skip hugetlb: %s\n", strerror(errno));
        return;
    }
    READ(a + page, "hugetlb_fault");
    WRITE(a + page, "hugetlb_fault");
}

static bool resident(char *a)
{
    uint64_t entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    off_t at = (off_t)((uintptr_t)a / page * sizeof entry);
    bool known = pread(fd, &entry, sizeof entry, at) == (ssize_t)sizeof entry;
    close(fd);
    return !known || entry >> 63;
}

CASE swapped(void)
{
    char *a = map(4, RW, ANON, -1);
    WRITE(a, "do_anonymous_page");
    WRITE(a + page, "do_anonymous_page");
    madvise(a, 2 * page, PAGEOUT);
    if (resident(a) || resident(a + page)) {
        say("skip swap: the pages stay in memory\n");
        return;
    }
    READ(a, "do_swap_page");
    WRITE(a + page, "do_swap_page");
}

static void ksm_run(const char *value)
{
    int fd = open("/sys/kernel/mm/ksm/run", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        say("skip ksm: %s\n", strerror(errno));
    close(fd);
}

static bool merged(void)
{
    char text[32] = "";
    int fd = open("/proc/self/ksm_merging_pages", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(fd);
    return atoi(text) >= 4;
}

CASE ksm(void)
{
    char *a = map(4, RW, ANON, -1);
    if (madvise(a, 4 * page, MADV_MERGEABLE)) {
        say("skip ksm: %s\n", strerror(errno));
        return;
    }
    for (unsigned i = 0; i < 4; i++)
        WRITE(a + i * page, "do_anonymous_page");
    ksm_run("1");
    for (time_t end = time(NULL) + 60; !merged() && time(NULL) < end;)
        sched_yield();
    ksm_run("0");
    if (merged())
        REWRITE(a + page, "copy");
    else
        say("skip ksm: nothing was merged\n");
}

/* Answers one message of each kind: a zero page, then protection taken away. */
static void *uffd_answer(void *arg)
{
    int fd = *(int *)arg;
    struct uffd_msg m;
    while (read(fd, &m, sizeof m) == (ssize_t)sizeof m) {
        uint64_t at = m.arg.pagefault.address & ~(uint64_t)(page - 1);
        if (m.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
            struct uffdio_writeprotect w = {.range = {at, page}};
            ioctl(fd, UFFDIO_WRITEPROTECT, &w);
        } else {
            static char filled[65536] __attribute__((aligned(65536)));
            struct uffdio_copy c = {.dst = at, .src = (uintptr_t)filled, .len = page};
            ioctl(fd, UFFDIO_COPY, &c);
        }
    }
    return NULL;
}

CASE uffd(void)
{
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP};
    static int fd;
    fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    pthread_t thread;
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || pthread_create(&thread, NULL, uffd_answer, &fd)) {
        say("skip uffd: %s\n", strerror(errno));
        return;
    }
    char *a = map(4, RW, ANON, -1), *b = map(4, RW, ANON, -1);
    WRITE(b, "do_anonymous_page");
    struct uffdio_register missing = {.range = {(uintptr_t)a, 4 * page},
                                      .mode = UFFDIO_REGISTER_MODE_MISSING};
    struct uffdio_register protect = {.range = {(uintptr_t)b, 4 * page},
                                      .mode = UFFDIO_REGISTER_MODE_WP};
    struct uffdio_writeprotect w = {.range = {(uintptr_t)b, page},
                                    .mode = UFFDIO_WRITEPROTECT_MODE_WP};
    if (ioctl(fd, UFFDIO_REGISTER, &missing) || ioctl(fd, UFFDIO_REGISTER, &protect) ||
        ioctl(fd, UFFDIO_WRITEPROTECT, &w)) {
        say("skip uffd: %s\n", strerror(errno));
        return;
    }
    READ(a, "uffd");
    WRITE(b, "uffd");
}
