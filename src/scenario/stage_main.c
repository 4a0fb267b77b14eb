/* A stage from the inside.
 *
 * All that it needs between two messages (its state, a stack, a stack for signals, buffers) is one
 * area of shared memory, touched and locked; the stack that the program was started with is left
 * alone. Shared memory, because a fork write-protects private pages, and the next write of ours
 * would be a fault that no statement made; the child gets an area of its own before the fork and
 * begins on it. The code stands in a section of its own, whose pages are touched too. System calls
 * are made without the C library: no errno, no lazy binding. Only malloc and free are the
 * library's, as a scenario wants them. */
#include "scenario/stage.h"

#if defined(__x86_64__)

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "scenario/stage_self.h"

extern const char __start_stage_text[] __attribute__((visibility("hidden")));
extern const char __stop_stage_text[] __attribute__((visibility("hidden")));

STAGE_CODE static uint64_t read_clock(struct self *s)
{
    CALL2(SYS_clock_gettime, CLOCK_MONOTONIC, &s->now);
    return (uint64_t)s->now.tv_sec * 1000000000u + (uint64_t)s->now.tv_nsec;
}

/* ---- what comes before and after, not counted ---- */

STAGE_CODE static void touch_area(struct self *s)
{
    for (uint64_t at = (uint64_t)(uintptr_t)s; at < area_top(s); at += PAGE) {
        volatile char *p = (volatile char *)(uintptr_t)at;
        *p = *p;
    }
    CALL3(SYS_mlock2, s, AREA_BYTES, 0);
}

STAGE_CODE static void touch_code(void)
{
    uint64_t first = (uint64_t)(uintptr_t)__start_stage_text & ~(uint64_t)(PAGE - 1);
    uint64_t end = (uint64_t)(uintptr_t)__stop_stage_text;
    for (uint64_t at = first; at < end; at += PAGE)
        *(const volatile char *)(uintptr_t)at;
    CALL3(SYS_mlock2, first, end - first, 0);
}

/* A new area, untouched. Its name is what a map shows. */
STAGE_CODE static struct self *make_area(void)
{
    char name[] = {'v', 'm', 's', 'c', 'o', 'p', 'e', '-', 's', 't', 'a', 'g', 'e', 0};
    long fd = CALL2(SYS_memfd_create, name, MFD_CLOEXEC), at = -1;
    if (fd < 0)
        return NULL;
    if (!CALL2(SYS_ftruncate, fd, AREA_BYTES))
        at = raw_call(SYS_mmap, 0, 2 * AREA_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                      (uint64_t)-1, 0);
    if (at > 0) {
        uint64_t room = (uint64_t)at, first = FOLLOWING(room - 1, AREA_BYTES);
        if (first > room)
            CALL2(SYS_munmap, room, first - room);
        if (first < room + AREA_BYTES)
            CALL2(SYS_munmap, first + AREA_BYTES, room + AREA_BYTES - first);
        at = raw_call(SYS_mmap, first, AREA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                      (uint64_t)fd, 0);
    }
    CALL1(SYS_close, fd);
    return at > 0 ? (struct self *)at : NULL;
}

/* Moves a descriptor out of the way of a script's. */
STAGE_CODE static int put_high(int fd)
{
    long high = CALL3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HIGH_FD);
    if (high < 0)
        return fd;
    CALL1(SYS_close, fd);
    return (int)high;
}

/* The arguments of the old mmap, where 32 bits can point at them. */
STAGE_CODE static long put_low(struct self *s)
{
    long at = raw_call(SYS_mmap, 0, PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, (uint64_t)-1, 0);
    s->low = at > 0 ? (volatile uint32_t *)at : NULL;
    for (int i = 0; i < 6 && s->low; i++)
        s->low[i] = (uint32_t)s->request.args[1 + i];
    return at;
}

/* False: the operation cannot be tried; the reply says why. */
STAGE_CODE static bool prepare(struct self *s)
{
    long rc = 0;
    switch (s->request.what) {
    case STAGE_MEM_READ:
    case STAGE_MEM_WRITE: {
        char *p = s->path + sizeof s->path;
        const char tail[] = {'/', 'm', 'e', 'm', 0}, head[] = {'/', 'p', 'r', 'o', 'c', '/'};
        for (size_t i = sizeof tail; i > 0; i--)
            *--p = tail[i - 1];
        for (uint64_t pid = s->request.args[0]; pid; pid /= 10)
            *--p = (char)('0' + pid % 10);
        for (size_t i = sizeof head; i > 0; i--)
            *--p = head[i - 1];
        rc = CALL4(SYS_openat, AT_FDCWD, p, O_RDWR | O_CLOEXEC, 0);
        s->goes = rc < 0 ? -1 : (int)rc;
        break;
    }
    case STAGE_MMAP_32:
        rc = s->request.args[0] == MMAP_32_OLD ? put_low(s) : 0;
        break;
    case STAGE_RACE:
        rc = stage_begin_rival(s);
        break;
    case STAGE_FORK:
        s->child = make_area();
        rc = s->child ? 0 : -12;
        if (!s->child)
            break;
        s->child->socket = s->came = put_high(s->came);
        s->child->zero_fd = s->zero_fd;
        s->child->hello = s->hello;
        s->child->stack_low = s->stack_low;
        s->child->parent = s;
        break;
    default:
        break;
    }
    if (rc < 0)
        stage_result_is(s, rc);
    if ((s->request.what == STAGE_VM_WRITE || s->request.what == STAGE_MEM_WRITE) && rc >= 0)
        for (size_t i = 0; i < SCRATCH; i++)
            ((volatile char *)s->scratch)[i] = (char)s->request.args[3];
    return rc >= 0;
}

STAGE_CODE static void clean_up(struct self *s)
{
    switch (s->request.what) {
    case STAGE_MEM_READ:
    case STAGE_MEM_WRITE:
        CALL1(SYS_close, s->goes);
        s->goes = -1;
        break;
    case STAGE_MMAP_32:
        if (s->low)
            CALL2(SYS_munmap, s->low, PAGE);
        s->low = NULL;
        break;
    case STAGE_FORK:
        CALL2(SYS_munmap, s->child, AREA_BYTES); /* its child has it */
        CALL1(SYS_close, s->came);
        break;
    default:
        break;
    }
}

/* Runs the operation of the request; on_signal jumps back into it. */
STAGE_CODE static void perform(struct self *s)
{
    struct self *volatile kept = s;
    if (!prepare(s))
        return;
    s->reply.begin_ns = read_clock(s);
    CALL2(SYS_getrusage, RUSAGE_THREAD, &s->before);
    s->armed = true;
    if (!__builtin_setjmp(s->jump))
        stage_act(s);
    s = kept;
    if (s->request.what == STAGE_RACE)
        stage_join_rival(s);
    s->armed = false;
    CALL2(SYS_getrusage, RUSAGE_THREAD, &s->after);
    s->reply.end_ns = read_clock(s);
    s->reply.minor = (uint64_t)(s->after.ru_minflt - s->before.ru_minflt);
    s->reply.major = (uint64_t)(s->after.ru_majflt - s->before.ru_majflt);
    switch (s->request.what) {
    case STAGE_RACE:
        s->reply.minor += (uint64_t)(s->rival_after.ru_minflt - s->rival_before.ru_minflt);
        s->reply.major += (uint64_t)(s->rival_after.ru_majflt - s->rival_before.ru_majflt);
        s->reply.value = (int64_t)s->done;
        break;
    case STAGE_READ:
    case STAGE_WRITE:
    case STAGE_GROW_STACK:
        s->reply.value = (int64_t)s->done;
        break;
    default:
        break;
    }
    clean_up(s);
}

STAGE_CODE static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    /* The stack of signals is in the area, and areas are aligned to their size. */
    uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    struct self *s = (struct self *)(uintptr_t)(here & ~(uint64_t)(AREA_BYTES - 1));
    if (!s->armed || info->si_code <= 0) { /* not by our doing: the end that the sender wanted */
        struct {
            uint64_t handler, flags, restorer, mask;
        } none = {0, 0, 0, 0};
        CALL4(SYS_rt_sigaction, number, &none, 0, 8);
        CALL3(SYS_tgkill, CALL0(SYS_getpid), CALL0(SYS_gettid), number);
        CALL1(SYS_exit_group, 128 + number);
    }
    if (number != SIGTRAP || s->request.what != STAGE_EXEC) {
        s->reply.signal = number;
        s->reply.code = info->si_code;
        s->reply.address = (uint64_t)(uintptr_t)info->si_addr;
    }
    if (stage_is_rival(s, here))
        stage_end_rival(s);
    __builtin_longjmp(s->jump, 1);
}

/* ---- messages ---- */

static inline __attribute__((always_inline)) struct cmsghdr *control_header(struct self *s)
{
    return (struct cmsghdr *)(void *)s->control.bytes;
}

/* One message with at most one descriptor; false at the end of the driver. */
STAGE_CODE static bool receive(struct self *s)
{
    long n;
    do {
        s->io[0] = (struct iovec){&s->request, sizeof s->request};
        s->message.msg_name = NULL;
        s->message.msg_namelen = 0;
        s->message.msg_iov = s->io;
        s->message.msg_iovlen = 1;
        s->message.msg_control = &s->control;
        s->message.msg_controllen = sizeof s->control;
        s->message.msg_flags = 0;
        n = CALL3(SYS_recvmsg, s->socket, &s->message, MSG_CMSG_CLOEXEC);
    } while (n == -4 /* EINTR */);
    s->came = -1;
    if (n > 0 && s->message.msg_controllen >= CMSG_LEN(sizeof(int)))
        s->came = *(int *)(void *)CMSG_DATA(control_header(s));
    return n == (long)sizeof s->request;
}

STAGE_CODE static bool answer(struct self *s, void *bytes, size_t size)
{
    struct cmsghdr *header = control_header(s);
    s->io[0] = (struct iovec){bytes, size};
    s->message.msg_iov = s->io;
    s->message.msg_iovlen = 1;
    s->message.msg_control = NULL;
    s->message.msg_controllen = 0;
    if (s->goes >= 0) {
        header->cmsg_len = CMSG_LEN(sizeof(int));
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        *(int *)(void *)CMSG_DATA(header) = s->goes;
        s->message.msg_control = &s->control;
        s->message.msg_controllen = sizeof s->control;
    }
    long n;
    do
        n = CALL3(SYS_sendmsg, s->socket, &s->message, MSG_NOSIGNAL);
    while (n == -4 /* EINTR */);
    if (s->goes >= 0)
        CALL1(SYS_close, s->goes);
    s->goes = -1;
    return n == (long)size;
}

STAGE_CODE static void clear_reply(struct self *s)
{
    volatile uint64_t *p = (volatile uint64_t *)(void *)&s->reply;
    for (size_t i = 0; i < sizeof s->reply / sizeof *p; i++)
        p[i] = 0;
    s->reply.tid = (int32_t)CALL0(SYS_gettid);
    s->done = 0;
}

STAGE_CODE static _Noreturn void serve(struct self *s)
{
    stack_t stack = {.ss_sp = (char *)s + AREA_BYTES / 2 - SIGNAL_STACK, .ss_size = SIGNAL_STACK};
    CALL2(SYS_sigaltstack, &stack, 0);
    s->goes = -1;
    s->hello.pid = (int32_t)CALL0(SYS_getpid);
    /* One operation for nothing: whatever page the way of an operation needs is there after it. */
    s->request.what = STAGE_NOTHING;
    clear_reply(s);
    perform(s);
    bool goes_on = answer(s, &s->hello, sizeof s->hello);
    while (goes_on && receive(s)) {
        clear_reply(s);
        perform(s);
        goes_on = answer(s, &s->reply, sizeof s->reply);
    }
    for (;;)
        CALL1(SYS_exit_group, 0);
}

/* The first code of a forked stage, on its own stack. */
STAGE_CODE void stage_begin_child(void *argument)
{
    struct self *s = argument;
    touch_code();
    touch_area(s);
    CALL1(SYS_close, s->parent->socket);
    CALL2(SYS_munmap, s->parent, AREA_BYTES);
    serve(s);
}

STAGE_CODE static void begin_first(void *argument)
{
    struct self *s = argument;
    touch_code();
    serve(s);
}

/* ---- the start; here the C library may still be used ---- */

/* The driver's end, whatever it is, kills all of the process group: the driver holds the writing
 * end of a pipe, and a pipe that loses its last writer signals the owner of its reading end. */
static bool die_with_driver(int fd)
{
    if (setpgid(0, 0) || fcntl(fd, F_SETOWN, -getpid()) || fcntl(fd, F_SETSIG, SIGKILL) ||
        fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK))
        return false;
    char c; /* it may have ended before */
    return read(fd, &c, 1) != 0;
}

static bool take_signals(void)
{
    static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    struct sigaction a = {.sa_handler = SIG_DFL};
    for (int i = 1; i < SIGRTMIN; i++)
        sigaction(i, &a, NULL);
    a.sa_sigaction = on_signal;
    a.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        if (sigaction(caught[i], &a, NULL))
            return false;
    sigset_t none;
    sigemptyset(&none);
    return !sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The first page below `at` that was never touched. */
static uint64_t find_stack_low(uint64_t at)
{
    unsigned char there;
    at &= ~(uint64_t)(PAGE - 1);
    while (!mincore((void *)(uintptr_t)(at - PAGE), PAGE, &there) && there & 1)
        at -= PAGE;
    return at;
}

static void find_arena(struct stage_layout *l)
{
    uint64_t size = UINT64_C(256) << 30, unit = UINT64_C(1) << 30;
    for (; size > 2 * unit; size /= 2) {
        void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED)
            continue;
        munmap(at, size);
        l->arena = FOLLOWING((uint64_t)(uintptr_t)at - 1, unit);
        l->arena_end = (uint64_t)(uintptr_t)at + size;
        return;
    }
}

static bool set_up(struct self *s, bool thp)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_NAME, STAGE_NAME);
    if (!thp)
        prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    if (!die_with_driver(STAGE_FD_DEATH) || !take_signals())
        return false;
    put_high(STAGE_FD_DEATH);
    s->socket = put_high(STAGE_FD_SOCKET);
    s->zero_fd = put_high(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    s->hello.layout.guard_fd = put_high(memfd_create("vmscope-guard", MFD_CLOEXEC));
    find_arena(&s->hello.layout);
    free(malloc(24)); /* now there is a heap */
    s->stack_low = find_stack_low((uint64_t)(uintptr_t)__builtin_frame_address(0) - PAGE);
    return s->zero_fd >= 0 && s->hello.layout.guard_fd >= 0;
}

void stage_main_if_asked(int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[0], STAGE_NAME))
        return;
    struct self *s = make_area();
    if (!s)
        _exit(1);
    touch_area(s);
    if (!set_up(s, !strcmp(argv[1], "thp")))
        _exit(1);
    raw_switch_stack(area_top(s), begin_first, s);
}

#else

void stage_main_if_asked(int argc, char **argv)
{
    (void)argc;
    (void)argv;
}

#endif
