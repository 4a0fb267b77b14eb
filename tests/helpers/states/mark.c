/* Marks on pages and mappings: locked, lazily freed, guards, userfaultfd, sealed, droppable,
 * merged by KSM. */
#include "states.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif

static void mark_locked(const char *name)
{
    char *at = place_anon(name, 16);
    if (!at)
        return;
    write_pages(at, 0, 4);
    if (mlock(at, 16 * page_bytes) < 0)
        state_failed(name, "mlock");
    else
        state_made(name, at, 16 * page_bytes,
                   "run=anon-exclusive*16 vmflag=lo attr=locked@0+16");
}

static void mark_lock_on_fault(const char *name)
{
    char *at = place_anon(name, 16);
    if (!at)
        return;
    if (mlock2(at, 16 * page_bytes, MLOCK_ONFAULT) < 0) {
        state_failed(name, "mlock2");
        return;
    }
    write_pages(at, 5, 3);
    state_made(name, at, 16 * page_bytes,
               "run=absent*5 run=anon-exclusive*3 run=absent*8 vmflag=lo vmflag=lf "
               "attr=locked@5+3");
}

static void mark_lazy_free(const char *name)
{
    char *at = place_anon(name, 64);
    if (!at)
        return;
    write_pages(at, 0, 64);
    if (madvise(at, 32 * page_bytes, MADV_FREE) < 0)
        state_failed(name, "madvise(MADV_FREE)");
    else
        state_made(name, at, 64 * page_bytes, "run=anon-exclusive*64 noattr=lazyfree@32+32");
}

static void mark_guard(const char *name)
{
    char *at = place_anon(name, 16);
    if (!at)
        return;
    write_pages(at, 0, 10);
    if (madvise(at + 4 * page_bytes, 8 * page_bytes, MADV_GUARD_INSTALL) < 0)
        state_failed(name, "madvise(MADV_GUARD_INSTALL)");
    else
        state_made(name, at, 16 * page_bytes,
                   "run=anon-exclusive*4 run=guard*8 run=absent*4");
}

static void mark_guard_file(const char *name)
{
    int fd = make_file(name, 16);
    if (fd < 0) {
        state_failed(name, "file");
        return;
    }
    char *at = place_map(name, 16 * page_bytes, 0, PROT_READ, MAP_PRIVATE, fd);
    close(fd);
    if (!at)
        return;
    if (madvise(at + 2 * page_bytes, 4 * page_bytes, MADV_GUARD_INSTALL) < 0) {
        state_failed(name, "madvise(MADV_GUARD_INSTALL)");
        return;
    }
    read_pages(at, 0, 2);
    read_pages(at, 6, 10);
    state_made(name, at, 16 * page_bytes, "run=file*2 run=guard*4 run=file*10");
}

/* A userfaultfd that write-protects [at, at+bytes), whether populated or not; -1 with errno. */
static int protect_writes(char *at, size_t bytes)
{
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    struct uffdio_api api = {.api = UFFD_API,
                             .features =
                                 UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_HUGETLBFS_SHMEM};
    struct uffdio_register reg = {.range = {(uintptr_t)at, bytes},
                                  .mode = UFFDIO_REGISTER_MODE_WP};
    struct uffdio_writeprotect wp = {.range = {(uintptr_t)at, bytes},
                                     .mode = UFFDIO_WRITEPROTECT_MODE_WP};
    if (fd < 0)
        return -1;
    if (ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &reg) < 0 ||
        ioctl(fd, UFFDIO_WRITEPROTECT, &wp) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static void mark_uffd_wp(const char *name)
{
    char *at = place_anon(name, 16);
    if (!at)
        return;
    write_pages(at, 0, 6);
    if (protect_writes(at, 16 * page_bytes) < 0)
        state_failed(name, "userfaultfd");
    else
        state_made(name, at, 16 * page_bytes,
                   "run=anon-exclusive*6 run=absent*10 attr=uffd-wp@0+16 vmflag=uw");
}

static void mark_uffd_wp_shmem(const char *name)
{
    int fd = make_memfd(name, 16, 0);
    char *at = place_map(name, 16 * page_bytes, 0, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    if (!at)
        return;
    close(fd);
    write_pages(at, 0, 6);
    if (protect_writes(at, 16 * page_bytes) < 0)
        state_failed(name, "userfaultfd");
    else
        state_made(name, at, 16 * page_bytes,
                   "run=shmem*6 run=absent*10 attr=uffd-wp@0+16 vmflag=uw");
}

static void mark_sealed(const char *name)
{
    char *at = place_anon(name, 4);
    if (!at)
        return;
    write_pages(at, 0, 2);
    if (syscall(SYS_mseal, at, 4 * page_bytes, 0L) < 0)
        state_failed(name, "mseal");
    else
        state_made(name, at, 4 * page_bytes, "run=anon-exclusive*2 run=absent*2 vmflag=sl");
}

static void mark_droppable(const char *name)
{
    char *at = place_map(name, 8 * page_bytes, 0, PROT_READ | PROT_WRITE,
                         MAP_DROPPABLE | MAP_ANONYMOUS, -1);
    if (!at)
        return;
    madvise(at, 8 * page_bytes, MADV_NOHUGEPAGE);
    write_pages(at, 0, 6);
    state_made(name, at, 8 * page_bytes, "run=anon-exclusive*6 run=absent*2 vmflag=dp");
}

static void mark_vm_flags(const char *name)
{
    char *at = place_anon(name, 4);
    if (!at)
        return;
    madvise(at, 4 * page_bytes, MADV_DONTDUMP);
    madvise(at, 4 * page_bytes, MADV_WIPEONFORK);
    madvise(at, 4 * page_bytes, MADV_RANDOM);
    state_made(name, at, 4 * page_bytes, "run=absent*4 vmflag=dd vmflag=wf vmflag=rr");
}

enum { KSM_PAGES = 32 };

static bool all_merged(void *at)
{
    return smaps_kb(at, "KSM:") == (long)(KSM_PAGES * page_bytes / 1024);
}

static bool ksm_runs(void)
{
    int on = 0;
    FILE *f = fopen("/sys/kernel/mm/ksm/run", "re");
    if (f && fscanf(f, "%d", &on) != 1)
        on = 0;
    if (f)
        fclose(f);
    return on == 1;
}

static void mark_ksm(const char *name)
{
    if (!ksm_runs()) {
        state_absent(name, "KSM does not run (/sys/kernel/mm/ksm/run)");
        return;
    }
    char *at = place_anon(name, KSM_PAGES + 8);
    if (!at)
        return;
    write_pages(at, KSM_PAGES, 4);
    for (size_t i = 0; i < KSM_PAGES; i++)
        memset(at + i * page_bytes, 0x5a, page_bytes);
    if (madvise(at, (KSM_PAGES + 8) * page_bytes, MADV_MERGEABLE) < 0)
        state_failed(name, "madvise(MADV_MERGEABLE)");
    else if (!wait_until(all_merged, at))
        state_absent(name, "KSM has not merged the pages");
    else
        state_made(name, at, (KSM_PAGES + 8) * page_bytes,
                   "run=ksm*%d run=anon-exclusive*4 run=absent*4 vmflag=mg noattr=exclusive@0+%d",
                   KSM_PAGES, KSM_PAGES);
}

const struct maker makers_mark[] = {
    {"mark_locked", mark_locked, AFTER_FORK},
    {"mark_lock_on_fault", mark_lock_on_fault, AFTER_FORK},
    {"mark_lazy_free", mark_lazy_free, AFTER_FORK},
    {"mark_guard", mark_guard, AFTER_FORK},
    {"mark_guard_file", mark_guard_file, AFTER_FORK},
    {"mark_uffd_wp", mark_uffd_wp, AFTER_FORK},
    {"mark_uffd_wp_shmem", mark_uffd_wp_shmem, AFTER_FORK},
    {"mark_sealed", mark_sealed, AFTER_FORK},
    {"mark_droppable", mark_droppable, AFTER_FORK},
    {"mark_vm_flags", mark_vm_flags, AFTER_FORK},
    {"mark_ksm", mark_ksm, AFTER_FORK},
    {0},
};
