/* The process list: our own process and children of known shape are in it, and nothing without
 * memory is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/proclist.h"

static const struct process_entry *find(const struct process_list *l, pid_t pid)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->v[i].pid == pid)
            return &l->v[i];
    return NULL;
}

static struct process_list read_list(void)
{
    struct process_list l = {0};
    struct err e = {0};
    if (proclist_read(&l, &e))
        fail_msg("%s", e.text);
    return l;
}

static void we_are_listed(void **state)
{
    (void)state;
    size_t size = 64u << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    memset(memory, 1, size);
    struct process_list l = read_list();
    const struct process_entry *p = find(&l, getpid());
    assert_non_null(p);
    assert_true(p->rss >= size && p->rss < UINT64_C(1) << 40);
    assert_non_null(strstr(p->name, "test_proclist"));
    if (geteuid() == 0)
        assert_string_equal(p->user, "root");
    process_list_deinit(&l);
    assert_null(l.v);
    munmap(memory, size);
}

static void sorted_and_without_kernel_threads(void **state)
{
    (void)state;
    struct process_list l = read_list();
    assert_true(l.count >= 1);
    for (size_t i = 1; i < l.count; i++)
        assert_true(l.v[i - 1].rss >= l.v[i].rss);
    assert_null(find(&l, 2)); /* kthreadd; in a container, no process or a small one */
    process_list_deinit(&l);
}

/* A child that sleeps until killed; argv and comm as given. */
static pid_t sleeper(const char *argv0)
{
    int ready[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (!pid) {
        execl("/bin/sleep", argv0, "100", (char *)NULL);
        _exit(1);
    }
    close(ready[1]);
    char c;
    assert_int_equal(read(ready[0], &c, 1), 0);
    close(ready[0]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void names_are_raw_bytes(void **state)
{
    (void)state;
    static const char name[] = "odd\x1b[31m\xff name";
    pid_t pid = sleeper(name);
    struct process_list l = read_list();
    const struct process_entry *p = find(&l, pid);
    assert_non_null(p);
    assert_memory_equal(p->name, name, sizeof name - 1);
    assert_string_equal(p->name + sizeof name - 1, " 100");
    process_list_deinit(&l);
    end(pid);
}

static void long_names_are_cut(void **state)
{
    (void)state;
    char name[1000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    pid_t pid = sleeper(name);
    struct process_list l = read_list();
    const struct process_entry *p = find(&l, pid);
    assert_non_null(p);
    assert_int_equal(strlen(p->name), sizeof p->name - 1);
    process_list_deinit(&l);
    end(pid);
}

static void zombies_are_left_out(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (!pid)
        _exit(0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    struct process_list l = read_list();
    assert_null(find(&l, pid));
    process_list_deinit(&l);
    waitpid(pid, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(we_are_listed),        cmocka_unit_test(sorted_and_without_kernel_threads),
        cmocka_unit_test(names_are_raw_bytes),  cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(zombies_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
