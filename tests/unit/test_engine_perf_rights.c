/* What privilege decides for the perf engine: an own process is followed without any, another
 * user's is refused, and calls are seen where tracepoints are permitted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/engine.h"
#include "worker.h"

/* Runs a check in a child without privilege; its exit status. */
static int as_nobody(int (*check)(void))
{
    pid_t pid = fork();
    if (!pid) {
        if (geteuid() == 0 && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
            _exit(99);
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        _exit(check());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int own_process(void)
{
    struct worker w;
    start_worker(&w, touch_all, 5000);
    struct heard h = heard_of(&w);
    struct engine *e = follow(&w, plain);
    struct engine_stats s = finish(&w, e, &h);
    return !is_complete(&h, &s, 5000);
}

static int foreign_process(void)
{
    struct engine *e = NULL;
    struct err err = {0};
    struct engine_options o = {.pid = 1};
    int rc = engine_perf.open(&o, &e, &err);
    return !(rc == -EACCES || rc == -EPERM) || !strstr(err.text, "run as root");
}

static void without_privilege_own_processes_are_followed(void **state)
{
    (void)state;
    int fd = open("/proc/sys/kernel/perf_event_paranoid", O_RDONLY);
    if (fd < 0 || byte(fd) > '2')
        skip();
    close(fd);
    assert_int_equal(as_nobody(own_process), 0);
}

static void without_privilege_others_are_refused(void **state)
{
    (void)state;
    assert_int_equal(as_nobody(foreign_process), 0);
}

static void call_all(struct worker *w)
{
    char *p = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    touch(w, 0, 1);
    mprotect(p, page, PROT_NONE);
    munmap(p, page);
    syscall(SYS_munmap, (uintptr_t)1, page);
}

static const struct event *call_named(const struct heard *h, enum mm_call call, uint64_t first)
{
    for (size_t i = 0; i < h->calls && i < 64; i++)
        if (h->call[i].call.call == call && (!first || h->call[i].call.args[0] == first))
            return &h->call[i];
    return NULL;
}

/* In a mount namespace of its own, with tracefs. 77: not to be had here. */
static int calls_come_by_tracepoints(void)
{
    static const char tracefs[] = "/sys/kernel/tracing";
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return 77;
    if (access("/sys/kernel/tracing/events", F_OK) && mount("tracefs", tracefs, "tracefs", 0, NULL))
        return 77;
    if (access("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id", R_OK))
        return 77;
    struct worker w;
    start_worker(&w, call_all, 1);
    struct heard h = heard_of(&w);
    struct engine *e = follow(&w, plain);
    struct engine_stats s = finish(&w, e, &h);
    const struct event *map = call_named(&h, CALL_MMAP, 0);
    assert_int_equal(s.lost, 0);
    assert_int_equal(h.faults, 1);
    assert_non_null(map);
    assert_true(map->call.has_args && map->call.args[1] == page && map->tid == w.pid);
    assert_true(map->call.entered_ns > 0 && map->call.entered_ns <= map->t_ns);
    assert_int_equal(map->call.args[2], PROT_READ);
    const struct event *unmap = call_named(&h, CALL_MUNMAP, (uint64_t)map->call.result);
    assert_non_null(unmap);
    assert_int_equal(unmap->call.result, 0);
    assert_non_null(call_named(&h, CALL_MPROTECT, (uint64_t)map->call.result));
    assert_non_null(call_named(&h, CALL_MUNMAP, 1));
    assert_int_equal(call_named(&h, CALL_MUNMAP, 1)->call.result, -EINVAL);
    return 0;
}

static void calls_are_seen_where_tracepoints_are(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    fflush(NULL);
    pid_t pid = fork();
    if (!pid)
        _exit(calls_come_by_tracepoints());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    page = (uint64_t)sysconf(_SC_PAGESIZE);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_privilege_own_processes_are_followed),
        cmocka_unit_test(without_privilege_others_are_refused),
        cmocka_unit_test(calls_are_seen_where_tracepoints_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
