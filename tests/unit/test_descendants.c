/* Who descends from whom: children files, and a stand-in for /proc that has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/descendants.h"

static void test_parse(void **state)
{
    (void)state;
    struct descendants d = {0};
    assert_int_equal(descendants_parse(&d, "", 0, 1), 0);
    assert_int_equal(d.count, 0);
    assert_int_equal(descendants_parse(&d, "12 13 ", 6, 5), 0);
    assert_int_equal(descendants_parse(&d, "13 14", 5, 5), 0);
    assert_int_equal(d.count, 3); /* nobody twice */
    assert_int_equal(d.v[2].pid, 14);
    assert_int_equal(d.v[2].ppid, 5);
    assert_int_equal(descendants_parse(&d, "0 99999999999 x", 15, 5), 0);
    assert_int_equal(d.count, 3);
    descendants_deinit(&d);
}

static void put_process(const char *root, int pid, int ppid)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%d", root, pid);
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/stat");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%d (a) b) S %d 1 1 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 5 4096 1 18446744073709551615\n",
            pid, ppid);
    fclose(f);
}

static void remove_tree(const char *root)
{
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    assert_int_equal(system(command), 0);
}

static void test_by_parents(void **state)
{
    (void)state;
    char root[] = "/tmp/test_descendants.XXXXXX";
    struct descendants d;
    assert_non_null(mkdtemp(root));
    put_process(root, 20, 1);
    put_process(root, 5, 20); /* younger than its parent, and yet a smaller number */
    put_process(root, 30, 20);
    put_process(root, 31, 5);
    put_process(root, 40, 1);
    put_process(root, 50, 51); /* each other's parents */
    put_process(root, 51, 50);
    assert_int_equal(descendants_read(root, 20, &d), 0);
    const int wanted[][2] = {{20, 0}, {5, 20}, {30, 20}, {31, 5}};
    assert_int_equal(d.count, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(d.v[i].pid, wanted[i][0]);
        assert_int_equal(d.v[i].ppid, wanted[i][1]);
    }
    descendants_deinit(&d);
    assert_int_equal(descendants_read(root, 50, &d), 0);
    assert_int_equal(d.count, 2);
    descendants_deinit(&d);
    remove_tree(root);
}

static pid_t fork_sleeper(void)
{
    pid_t pid = fork();
    if (!pid)
        for (;;)
            pause();
    return pid;
}

static void test_real(void **state)
{
    (void)state;
    struct descendants d;
    pid_t children[3];
    for (unsigned i = 0; i < 3; i++)
        children[i] = fork_sleeper();
    assert_int_equal(descendants_read(NULL, getpid(), &d), 0);
    assert_int_equal(d.count, 4);
    assert_int_equal(d.v[0].pid, getpid());
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(d.v[i + 1].ppid, getpid());
    descendants_deinit(&d);
    for (unsigned i = 0; i < 3; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_by_parents),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
