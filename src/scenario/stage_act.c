/* What a stage can do. */
#if defined(__x86_64__)

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scenario/stage_self.h"

STAGE_CODE static void touch_read(struct self *s)
{
    const uint64_t *a = s->request.args;
    for (uint64_t at = a[0]; at < a[1]; at = FOLLOWING(at, a[2])) {
        *(const volatile char *)(uintptr_t)at;
        s->done++;
    }
}

STAGE_CODE static void touch_write(struct self *s)
{
    const uint64_t *a = s->request.args;
    for (uint64_t at = a[0]; at < a[1]; at = FOLLOWING(at, a[2])) {
        *(volatile char *)(uintptr_t)at = (char)a[3];
        s->done++;
    }
}

/* ---- the second thread of a race ---- */

/* On another processor than the first, if it may run on one. */
STAGE_CODE static void leave_processor(struct self *s)
{
    uint32_t *cpu = (uint32_t *)(void *)s->rival_cpus;
    enum { BITS = 8 * sizeof(long), ALL = sizeof s->rival_cpus * 8 };
    if (CALL3(SYS_getcpu, cpu, 0, 0) || *cpu >= ALL)
        return;
    uint32_t here = *cpu;
    for (size_t i = 0; i < ALL / BITS; i++)
        ((volatile unsigned long *)s->rival_cpus)[i] =
            ~(here / BITS == i ? 1ul << here % BITS : 0);
    CALL3(SYS_sched_setaffinity, 0, sizeof s->rival_cpus, s->rival_cpus);
}

STAGE_CODE _Noreturn void stage_end_rival(struct self *s)
{
    CALL2(SYS_getrusage, RUSAGE_THREAD, &s->rival_after);
    for (;;)
        CALL1(SYS_exit, 0);
}

STAGE_CODE static void run_rival(void *argument)
{
    struct self *s = argument;
    stack_t stack = {.ss_sp = (char *)s + AREA_BYTES / 2, .ss_size = RIVAL_STACK};
    const uint64_t *a = s->request.args;
    CALL2(SYS_sigaltstack, &stack, 0);
    leave_processor(s);
    CALL2(SYS_getrusage, RUSAGE_THREAD, &s->rival_before);
    __atomic_store_n(&s->rival_waits, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&s->rival_goes, __ATOMIC_ACQUIRE))
        CALL0(SYS_sched_yield);
    for (uint64_t at = a[0]; at < a[1]; at = FOLLOWING(at, a[2]))
        *(volatile char *)(uintptr_t)at = (char)a[3];
    stage_end_rival(s);
}

STAGE_CODE long stage_begin_rival(struct self *s)
{
    const uint64_t flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                           CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    s->rival_waits = s->rival_goes = false;
    long rc = raw_clone(flags, (uint64_t)(uintptr_t)s + AREA_BYTES / 2 + 2 * RIVAL_STACK, run_rival,
                        s, &s->rival);
    while (rc > 0 && !__atomic_load_n(&s->rival_waits, __ATOMIC_ACQUIRE))
        CALL0(SYS_sched_yield);
    return rc;
}

STAGE_CODE void stage_join_rival(struct self *s)
{
    for (uint32_t tid; (tid = __atomic_load_n(&s->rival, __ATOMIC_ACQUIRE)) != 0;)
        CALL4(SYS_futex, &s->rival, FUTEX_WAIT, tid, 0);
}

STAGE_CODE bool stage_is_rival(const struct self *s, uint64_t stack_address)
{
    uint64_t middle = (uint64_t)(uintptr_t)s + AREA_BYTES / 2;
    return stack_address >= middle && stack_address < middle + 2 * RIVAL_STACK;
}

/* As the frames of a function that needs so much would; like them it is given back. */
STAGE_CODE static void grow_stack(struct self *s)
{
    uint64_t pages = (s->request.args[0] + PAGE - 1) / PAGE;
    for (; s->done < pages; s->done++)
        *(volatile char *)(uintptr_t)(s->stack_low - (s->done + 1) * PAGE) = 1;
}

/* The result of a system call. */
STAGE_CODE void stage_result_is(struct self *s, long rc)
{
    s->reply.value = rc;
    if (rc < 0 && rc >= -4095) {
        s->reply.value = -1;
        s->reply.error = (int32_t)-rc;
    }
}

STAGE_CODE static void any_call(struct self *s)
{
    const uint64_t *a = s->request.args;
    stage_result_is(s, raw_call((long)a[0], a[1], a[2], a[3], a[4], a[5], a[6]));
}

STAGE_CODE static void map_32(struct self *s)
{
    const uint64_t *a = s->request.args;
    uint32_t v[6] = {(uint32_t)a[1], (uint32_t)a[2], (uint32_t)a[3],
                     (uint32_t)a[4], (uint32_t)a[5], (uint32_t)(a[6] / PAGE)};
    long rc = a[0] == MMAP_32_OLD
                  ? raw_call_32(CALL_32_MMAP, (uint32_t)(uintptr_t)s->low, 0, 0, 0, 0, 0)
                  : raw_call_32(CALL_32_MMAP2, v[0], v[1], v[2], v[3], v[4], v[5]);
    stage_result_is(s, rc);
}

STAGE_CODE static void move_break(struct self *s)
{
    long now = CALL1(SYS_brk, 0);
    uint64_t wanted = (uint64_t)now + s->request.args[0];
    s->reply.value = CALL1(SYS_brk, wanted);
    if ((uint64_t)s->reply.value != wanted)
        s->reply.error = 12; /* ENOMEM: what the C library makes of a break that did not move */
}

STAGE_CODE static void set_limit(struct self *s)
{
    const uint64_t *a = s->request.args;
    long rc = CALL4(SYS_prlimit64, 0, a[0], 0, &s->limit);
    s->limit.rlim_cur = a[1];
    if (s->limit.rlim_max < a[1])
        s->limit.rlim_max = a[1];
    stage_result_is(s, rc < 0 ? rc : CALL4(SYS_prlimit64, 0, a[0], &s->limit, 0));
}

/* Moves bytes between another process and a buffer of ours, a piece at a time. Like one call of the
 * system's: what was moved before a failure counts, and only nothing at all is an error. */
STAGE_CODE static long transfer(struct self *s, uint64_t at, uint64_t size)
{
    uint32_t what = s->request.what;
    if (what == STAGE_MEM_READ || what == STAGE_MEM_WRITE) {
        CALL3(SYS_lseek, s->goes, at, SEEK_SET); /* pread(2) refuses the upper half of addresses */
        return CALL3(what == STAGE_MEM_READ ? SYS_read : SYS_write, s->goes, s->scratch, size);
    }
    s->io[0] = (struct iovec){s->scratch, size};
    s->io[1] = (struct iovec){(void *)(uintptr_t)at, size};
    return raw_call(what == STAGE_VM_READ ? SYS_process_vm_readv : SYS_process_vm_writev,
                    s->request.args[0], (uint64_t)(uintptr_t)&s->io[0], 1,
                    (uint64_t)(uintptr_t)&s->io[1], 1, 0);
}

STAGE_CODE static void reach_into(struct self *s)
{
    const uint64_t *a = s->request.args;
    uint64_t at = a[1];
    while (at < a[2]) {
        uint64_t size = a[2] - at < SCRATCH ? a[2] - at : SCRATCH;
        long n = transfer(s, at, size);
        if (n < 0 && at == a[1])
            stage_result_is(s, n);
        if (n <= 0)
            break;
        at += (uint64_t)n;
        if ((uint64_t)n < size)
            break;
    }
    if (!s->reply.error)
        s->reply.value = (int64_t)(at - a[1]);
}

/* Kernels and settings that allow it only for faults in user mode are content with that. */
STAGE_CODE static long open_uffd(void)
{
    long fd = CALL1(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    return fd == -1 /* EPERM */ ? CALL1(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1) : fd;
}

STAGE_CODE static void watch_faults(struct self *s)
{
    const uint64_t *a = s->request.args;
    struct uffdio_range range = {a[0], a[1] - a[0]};
    long fd = open_uffd(), rc = fd;
    if (fd >= 0) {
        s->api = (struct uffdio_api){.api = UFFD_API};
        rc = CALL3(SYS_ioctl, fd, UFFDIO_API, &s->api);
    }
    if (rc >= 0) {
        s->reg = (struct uffdio_register){.range = range, .mode = a[2]};
        rc = CALL3(SYS_ioctl, fd, UFFDIO_REGISTER, &s->reg);
    }
    if (rc >= 0 && a[2] & UFFDIO_REGISTER_MODE_WP) {
        s->protect = (struct uffdio_writeprotect){range, UFFDIO_WRITEPROTECT_MODE_WP};
        rc = CALL3(SYS_ioctl, fd, UFFDIO_WRITEPROTECT, &s->protect);
    }
    if (rc < 0 && fd >= 0)
        CALL1(SYS_close, fd);
    s->goes = rc < 0 ? -1 : (int)fd;
    stage_result_is(s, rc);
}

STAGE_CODE static void allocate(struct self *s)
{
    s->reply.value = (int64_t)(uintptr_t)malloc(s->request.args[0]);
    s->reply.error = s->reply.value ? 0 : 12; /* ENOMEM */
}

STAGE_CODE static void wait_for_child(struct self *s)
{
    volatile int *status = (volatile int *)(void *)s->scratch;
    *status = 0;
    stage_result_is(s, CALL4(SYS_wait4, s->request.args[0], status, 0, 0));
    if (!s->reply.error)
        s->reply.value = *status;
}

/* What touches memory in or for the process itself; false: it is something else. */
STAGE_CODE static bool touch(struct self *s)
{
    const uint64_t *a = s->request.args;
    switch (s->request.what) {
    case STAGE_READ:
        touch_read(s);
        return true;
    case STAGE_RACE:
        __atomic_store_n(&s->rival_goes, true, __ATOMIC_RELEASE);
        touch_write(s);
        return true;
    case STAGE_WRITE:
        touch_write(s);
        return true;
    case STAGE_EXEC:
        raw_execute_one(a[0], s->scratch);
    case STAGE_FILL:
        stage_result_is(s, CALL3(SYS_read, s->zero_fd, a[0], a[1] - a[0]));
        return true;
    case STAGE_GROW_STACK:
        grow_stack(s);
        return true;
    default:
        return false;
    }
}

STAGE_CODE void stage_act(struct self *s)
{
    const uint64_t *a = s->request.args;
    if (touch(s))
        return;
    switch (s->request.what) {
    case STAGE_CALL:
        any_call(s);
        break;
    case STAGE_MMAP_32:
        map_32(s);
        break;
    case STAGE_BRK:
        move_break(s);
        break;
    case STAGE_MALLOC:
        allocate(s);
        break;
    case STAGE_FREE:
        free((void *)(uintptr_t)a[0]);
        break;
    case STAGE_TAKE:
        s->reply.value = s->came;
        break;
    case STAGE_VM_READ:
    case STAGE_VM_WRITE:
    case STAGE_MEM_READ:
    case STAGE_MEM_WRITE:
        reach_into(s);
        break;
    case STAGE_UFFD:
        watch_faults(s);
        break;
    case STAGE_FORK:
        stage_result_is(s, raw_clone(SIGCHLD, area_top(s->child), stage_begin_child,
                                     s->child, NULL));
        break;
    case STAGE_LIMIT:
        set_limit(s);
        break;
    case STAGE_WAIT:
        wait_for_child(s);
        break;
    case STAGE_EXIT:
        CALL1(SYS_exit_group, a[0]);
        break;
    default:
        break;
    }
}

#endif
