/* What each word of `needs` asks of the machine. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "probe/abi.h"
#include "scenario/setup_parts.h"

#define SYS_MM "/sys/kernel/mm/"
#define THP SYS_MM "transparent_hugepage/"

enum { SWAP_BYTES = 256 << 20, SWAP_FILE_BYTES = 64 << 20, CHUNK = 1 << 20 };

static int need_root(struct err *e)
{
    return geteuid() == 0 ? 0 : err_set(e, -ENOTSUP, "needs root: use sudo");
}

static int need_kernel(const struct need *need, struct err *e)
{
    struct utsname u;
    unsigned major = 0, minor = 0;
    if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2)
        return err_set(e, -ENOTSUP, "the version of this kernel cannot be told");
    if (major > need->major || (major == need->major && minor >= need->minor))
        return 0;
    return err_set(e, -ENOTSUP, "needs Linux %u.%u, this is %u.%u", need->major, need->minor, major,
                   minor);
}

/* Whether our own pagemap tells the frame of a page that is surely there. */
static int need_pfn(struct err *e)
{
    volatile char there = 1;
    uint64_t entry = 0, page = (uint64_t)sysconf(_SC_PAGESIZE);
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        io_pread(fd, &entry, sizeof entry, (uint64_t)(uintptr_t)&there / page * sizeof entry);
        close(fd);
    }
    if (entry & PM_PRESENT && entry & PM_PFN_MASK)
        return 0;
    return err_set(e, -ENOTSUP, "needs frame numbers, which this user cannot see: use sudo");
}

/* Whether a 32-bit system call answers, in a child: without them it is ended by a signal. */
static int need_compat(struct err *e)
{
#if defined(__x86_64__)
    pid_t child = fork();
    if (child == 0) {
        uint32_t result = 20; /* getpid */
        __asm__ volatile("int $0x80" : "+a"(result) : : "r8", "r9", "r10", "r11", "memory");
        _exit(result != (uint32_t)getpid());
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (status == 0)
        return 0;
#endif
    return err_set(e, -ENOTSUP, "needs 32-bit system calls, which this kernel does not have");
}

/* ---- settings ---- */

struct setting {
    const char *path, *value;
};

static int set_all(struct setup *m, const struct setting *v, size_t count, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++)
        rc = setup_set(m, v[i].path, v[i].value, e);
    return rc;
}

/* khugepaged leaves pages as they are, or it would collapse huge pages with holes. */
static const struct setting thp_settings[] = {
    {THP "enabled", "madvise"},
    {THP "defrag", "madvise"},
    {THP "use_zero_page", "1"},
    {THP "shmem_enabled", "advise"},
    {THP "khugepaged/max_ptes_none", "0"},
    {THP "khugepaged/max_ptes_shared", "0"},
    {THP "khugepaged/max_ptes_swap", "0"},
};

/* The sizes below a PMD; a kernel before 6.8 has none. */
static int need_mthp(struct setup *m, struct err *e)
{
    int64_t pmd = 0;
    DIR *d = opendir(THP);
    setting_number(THP "hpage_pmd_size", &pmd);
    int rc = 0;
    for (const struct dirent *entry; d && !rc && (entry = readdir(d));) {
        unsigned long kb;
        char path[UNDO_PATH];
        if (sscanf(entry->d_name, "hugepages-%lukB", &kb) != 1 || (int64_t)kb * 1024 == pmd)
            continue;
        snprintf(path, sizeof path, THP "hugepages-%lukB/enabled", kb);
        if (!access(path, F_OK)) /* some sizes are for shared memory alone */
            rc = setup_set(m, path, "madvise", e);
    }
    if (d)
        closedir(d);
    return rc;
}

static int need_thp(struct setup *m, struct err *e)
{
    int rc = set_all(m, thp_settings, sizeof thp_settings / sizeof *thp_settings, e);
    return rc ? rc : need_mthp(m, e);
}

static const struct setting ksm_settings[] = {
    {SYS_MM "ksm/pages_to_scan", "5000"},
    {SYS_MM "ksm/sleep_millisecs", "10"},
    {SYS_MM "ksm/use_zero_pages", "0"},
    {SYS_MM "ksm/run", "1"},
};

static int need_ksm(struct setup *m, struct err *e)
{
    return set_all(m, ksm_settings, sizeof ksm_settings / sizeof *ksm_settings, e);
}

/* ---- hugetlb ---- */

static int free_huge_pages(uint64_t *out)
{
    struct buf b = {0};
    uint64_t unused = 0, reserved = 0;
    int rc = io_read_at(AT_FDCWD, "/proc/meminfo", &b);
    if (!rc && (!text_field(b.data, b.len, "HugePages_Free:", &unused) ||
                !text_field(b.data, b.len, "HugePages_Rsvd:", &reserved)))
        rc = -ENOTSUP;
    buf_deinit(&b);
    if (!rc)
        *out = unused - reserved;
    return rc;
}

static int grow_pool(struct setup *m, uint64_t more, struct err *e)
{
    static const char path[] = "/proc/sys/vm/nr_hugepages";
    struct undo u = {.kind = UNDO_POOL, .grown = (int64_t)more};
    char text[32];
    int rc = setting_number(path, &u.number);
    if (rc)
        return err_set(e, -ENOTSUP, "%s: %s", path, strerror(-rc));
    snprintf(u.path, sizeof u.path, "%s", path);
    snprintf(text, sizeof text, "%lld", (long long)u.number + (long long)more);
    if ((rc = setup_promise(m, &u, e)))
        return rc;
    rc = setting_write(path, text);
    return rc ? err_set(e, -ENOTSUP, "%s: %s", path, strerror(-rc)) : 0;
}

static int need_hugetlb(struct setup *m, uint64_t pages, struct err *e)
{
    uint64_t there;
    int rc = free_huge_pages(&there);
    if (rc)
        return err_set(e, -ENOTSUP, "this kernel has no huge pages of hugetlb");
    if (there >= pages)
        return 0;
    if (geteuid() != 0)
        return err_set(e, -ENOTSUP,
                       "needs %llu free huge pages, there are %llu, and only root can "
                       "make more: use sudo",
                       (unsigned long long)pages, (unsigned long long)there);
    if ((rc = grow_pool(m, pages - there, e)))
        return rc;
    if (!free_huge_pages(&there) && there >= pages)
        return 0;
    return err_set(e, -ENOTSUP,
                   "needs %llu free huge pages, and only %llu are to be had: memory is "
                   "full or fragmented",
                   (unsigned long long)pages, (unsigned long long)there);
}

/* ---- swap ---- */

static bool swap_is_there(void)
{
    struct buf b = {0};
    uint64_t kb = 0;
    bool there = !io_read_at(AT_FDCWD, "/proc/meminfo", &b) &&
                 text_field(b.data, b.len, "SwapFree:", &kb) && kb * 1024 >= SWAP_FILE_BYTES / 2;
    buf_deinit(&b);
    return there;
}

/* What mkswap writes: union swap_header of the kernel (include/linux/swap.h), version 1. */
static int write_swap_header(int fd, uint64_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *header = calloc(1, page);
    if (!header)
        return -ENOMEM;
    uint32_t info[3] = {1, (uint32_t)(bytes / page - 1), 0}; /* version, last page, bad pages */
    memcpy(header + 1024, info, sizeof info);
    memcpy(header + page - 10, "SWAPSPACE2", 10);
    int rc = lseek(fd, 0, SEEK_SET) ? -errno : io_write(fd, header, page);
    free(header);
    if (!rc && fsync(fd))
        rc = -errno;
    return rc;
}

static int begin_swap(struct setup *m, const char *path, int fd, uint64_t bytes, struct err *e)
{
    struct undo u = {.kind = UNDO_SWAP};
    snprintf(u.path, sizeof u.path, "%s", path);
    int rc = write_swap_header(fd, bytes);
    if (rc)
        return err_set(e, -ENOTSUP, "cannot write to %s: %s", path, strerror(-rc));
    if ((rc = setup_promise(m, &u, e)))
        return rc;
    if (swapon(path, 0))
        return err_set(e, -ENOTSUP, "cannot swap to %s: %s", path, strerror(errno));
    setup_swaps_to(m, path);
    return 0;
}

/* The number of a zram device that nobody uses: one that is there, or a new one. -1: none. */
static int find_zram(struct setup *m, struct err *e)
{
    char path[64];
    int64_t size, number = -1;
    for (int i = 0; i < 16; i++) {
        snprintf(path, sizeof path, "/sys/block/zram%d/disksize", i);
        if (!setting_number(path, &size) && size == 0)
            return i;
    }
    if (setting_number("/sys/class/zram-control/hot_add", &number))
        return -1;
    struct undo u = {.kind = UNDO_ZRAM_DEVICE, .number = number};
    snprintf(u.path, sizeof u.path, "/sys/block/zram%d", (int)number);
    return setup_promise(m, &u, e) ? -1 : (int)number;
}

static int swap_to_zram(struct setup *m, struct err *e)
{
    int number = find_zram(m, e);
    if (number < 0)
        return err_set(e, -ENOTSUP, "no zram device to be had");
    struct undo u = {.kind = UNDO_ZRAM};
    char size[UNDO_PATH], device[64], text[32];
    snprintf(u.path, sizeof u.path, "/sys/block/zram%d", number);
    snprintf(size, sizeof size, "/sys/block/zram%d/disksize", number);
    snprintf(device, sizeof device, "/dev/zram%d", number);
    snprintf(text, sizeof text, "%d", SWAP_BYTES);
    int rc = setup_promise(m, &u, e);
    if (rc)
        return rc;
    rc = setting_write(size, text);
    if (rc)
        return err_set(e, -ENOTSUP, "cannot set up %s: %s", device, strerror(-rc));
    int fd = open(device, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, -ENOTSUP, "cannot open %s: %s", device, strerror(errno));
    rc = begin_swap(m, device, fd, SWAP_BYTES, e);
    close(fd);
    return rc;
}

/* A swap file must not have holes. */
static int fill(int fd, uint64_t bytes)
{
    char *zeros = calloc(1, CHUNK);
    int rc = zeros ? 0 : -ENOMEM;
    for (uint64_t at = 0; at < bytes && !rc; at += CHUNK)
        rc = io_write(fd, zeros, CHUNK);
    free(zeros);
    return rc;
}

static int swap_to_file(struct setup *m, struct err *e)
{
    char *directory, path[UNDO_PATH];
    int rc = setup_directory(m, DIRECTORY_REAL, NULL, 0, 0, &directory, e);
    if (rc)
        return rc;
    snprintf(path, sizeof path, "%.*s/swap", UNDO_PATH - 16, directory);
    free(directory);
    if ((rc = setup_will_create(m, path, e)))
        return rc;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    rc = fd < 0 ? -errno : fill(fd, SWAP_FILE_BYTES);
    if (rc)
        err_set(e, -ENOTSUP, "cannot make a swap file %s: %s", path, strerror(-rc));
    else
        rc = begin_swap(m, path, fd, SWAP_FILE_BYTES, e);
    if (fd >= 0)
        close(fd);
    return rc ? -ENOTSUP : 0;
}

static int need_swap(struct setup *m, struct err *e)
{
    if (swap_is_there())
        return 0;
    if (geteuid() != 0)
        return err_set(e, -ENOTSUP,
                       "needs swap, there is none, and only root can make some: use "
                       "sudo");
    return swap_to_zram(m, e) ? swap_to_file(m, e) : 0;
}

/* Settings are looked at under the lock only: what another run has changed for its time is nothing
 * to rely on. */
static int need_settings(struct setup *m, const struct need *need, struct err *e)
{
    int rc = setup_lock(m, e);
    if (rc)
        return rc;
    switch (need->kind) {
    case NEED_THP:
        return need_thp(m, e);
    case NEED_KSM:
        return need_ksm(m, e);
    case NEED_HUGETLB:
        return need_hugetlb(m, need->pages, e);
    default:
        return need_swap(m, e);
    }
}

int setup_need(struct setup *m, const struct need *need, struct err *e)
{
    switch (need->kind) {
    case NEED_ROOT:
        return need_root(e);
    case NEED_KERNEL:
        return need_kernel(need, e);
    case NEED_PFN:
        return need_pfn(e);
    case NEED_COMPAT:
        return need_compat(e);
    case NEED_THP:
    case NEED_KSM:
    case NEED_HUGETLB:
    case NEED_SWAP:
        return need_settings(m, need, e);
    }
    return err_set(e, -ENOTSUP, "needs something unknown");
}
