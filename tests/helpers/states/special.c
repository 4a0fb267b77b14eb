/* Mappings that the kernel or a driver fills, and those that every process has. */
#include "states.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RW = PROT_READ | PROT_WRITE };
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static void special_perf(const char *name)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                   .size = sizeof attr,
                                   .config = PERF_COUNT_SW_DUMMY,
                                   .exclude_kernel = 1};
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    if (fd < 0) {
        state_failed(name, "perf_event_open");
        return;
    }
    char *at = place_map(name, 5 * page_bytes, 0, RW, MAP_SHARED, fd);
    if (!at)
        return;
    read_pages(at, 0, 5);
    state_made(name, at, 5 * page_bytes, "runs=any kind=device");
}

static void special_bpf(const char *name)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_type = BPF_MAP_TYPE_ARRAY;
    attr.key_size = 4;
    attr.value_size = 8;
    attr.max_entries = 4096;
    attr.map_flags = BPF_F_MMAPABLE;
    int fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
    if (fd < 0) {
        state_failed(name, "bpf");
        return;
    }
    char *at = place_map(name, 8 * page_bytes, 0, RW, MAP_SHARED, fd);
    close(fd);
    if (at)
        state_made(name, at, 8 * page_bytes, "runs=any");
}

static void special_io_uring(const char *name)
{
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    int fd = (int)syscall(SYS_io_uring_setup, 64, &params);
    if (fd < 0) {
        state_failed(name, "io_uring_setup");
        return;
    }
    /* The kernel chooses the address: it refuses a fixed one. */
    char *at = mmap(NULL, page_bytes, RW, MAP_SHARED, fd, IORING_OFF_SQ_RING);
    if (at == MAP_FAILED)
        state_failed(name, "mmap");
    else
        state_made(name, at, page_bytes, "runs=any");
}

static void special_secret(const char *name)
{
    int fd = (int)syscall(SYS_memfd_secret, 0);
    if (fd < 0 || ftruncate(fd, (off_t)(8 * page_bytes)) < 0) {
        state_failed(name, "memfd_secret");
        return;
    }
    char *at = place_map(name, 8 * page_bytes, 0, RW, MAP_SHARED, fd);
    close(fd);
    if (!at)
        return;
    write_pages(at, 0, 4);
    state_made(name, at, 8 * page_bytes, "runs=any vmflag=lo");
}

/* Reports the mapping of this name, if there is one. */
static void report_named(const char *name, const char *label, const char *expect)
{
    char line[4096], path[4096];
    unsigned long start, end;
    FILE *f = fopen("/proc/self/maps", "re");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %4095[^\n]", &start, &end, path) == 3 &&
            strcmp(path, label) == 0) {
            state_made(name, (void *)start, end - start, "%s", expect);
            fclose(f);
            return;
        }
    }
    if (f)
        fclose(f);
    state_absent(name, "no mapping %s", label);
}

static void special_aio(const char *name)
{
    unsigned long context = 0;
    if (syscall(SYS_io_setup, 8, &context) < 0)
        state_failed(name, "io_setup");
    else
        report_named(name, "/[aio] (deleted)", "runs=any");
}

static void special_heap(const char *name)
{
    char *p = malloc(64 * page_bytes / 4);
    if (p)
        write_pages(p + page_bytes - (uintptr_t)p % page_bytes, 0, 2);
    report_named(name, "[heap]", "runs=any kind=heap");
}

static void special_stack(const char *name)
{
    report_named(name, "[stack]", "runs=any kind=stack vmflag=gd");
}

static void special_vdso(const char *name)
{
    report_named(name, "[vdso]", "runs=any kind=vdso perms=r-xp");
}

static void special_vvar(const char *name)
{
    report_named(name, "[vvar]", "runs=any kind=vvar vmflag=pf");
}

static void special_vsyscall(const char *name)
{
    report_named(name, "[vsyscall]", "run=unknown|device|absent*1 kind=vsyscall perms=--xp");
}

const struct maker makers_special[] = {
    {"special_perf", special_perf, AFTER_FORK},
    {"special_bpf", special_bpf, AFTER_FORK},
    {"special_io_uring", special_io_uring, AFTER_FORK},
    {"special_secret", special_secret, AFTER_FORK},
    {"special_aio", special_aio, AFTER_FORK},
    {"special_heap", special_heap, AFTER_FORK},
    {"special_stack", special_stack, AFTER_FORK},
    {"special_vdso", special_vdso, AFTER_FORK},
    {"special_vvar", special_vvar, AFTER_FORK},
    {"special_vsyscall", special_vsyscall, AFTER_FORK},
    {0},
};
