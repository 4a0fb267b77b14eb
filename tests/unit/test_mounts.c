/* Which devices hold shared memory and hugetlb files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/mounts.h"

static void parse(struct mount_kinds *k, const char *text)
{
    size_t len = strlen(text);
    char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    assert_int_equal(mounts_parse(k, exact, len), 0);
    free(exact);
}

static void test_kinds(void **state)
{
    (void)state;
    struct mount_kinds k = {0};
    parse(&k, "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
              "21 1 0:20 / /dev/shm rw,nosuid shared:3 - tmpfs tmpfs rw\n"
              "22 1 0:21 / /a\\040b rw shared:4 propagate_from:2 master:7 - hugetlbfs x rw\n"
              "23 1 0:6 / /dev rw - devtmpfs dev rw\n"
              "24 1 0:25 / /tmpfs rw - tmpfsx tmpfs rw\n"
              "25 1 0:26 / /x rw - proc tmpfs rw\n"
              "26 1 4294967295:1048575 / /y rw - tmpfs none rw\n"
              "27 1 0:27 / /z rw - tmpfs"); /* cut, but told */
    assert_int_equal(mounts_kind(&k, 98, 0), MOUNT_OTHER);
    assert_int_equal(mounts_kind(&k, 0, 20), MOUNT_SHMEM);
    assert_int_equal(mounts_kind(&k, 0, 21), MOUNT_HUGETLB);
    assert_int_equal(mounts_kind(&k, 0, 6), MOUNT_DEVTMPFS);
    assert_int_equal(mounts_kind(&k, 0, 25), MOUNT_OTHER);
    assert_int_equal(mounts_kind(&k, 0, 26), MOUNT_OTHER);
    assert_int_equal(mounts_kind(&k, UINT32_MAX, 1048575), MOUNT_SHMEM);
    assert_int_equal(mounts_kind(&k, 0, 27), MOUNT_SHMEM);
    assert_int_equal(mounts_kind(&k, 1, 20), MOUNT_OTHER);
    mounts_deinit(&k);
    assert_int_equal(mounts_kind(&k, 0, 20), MOUNT_OTHER);
    mounts_deinit(&k);
}

static void test_bad_lines_are_passed_over(void **state)
{
    (void)state;
    struct mount_kinds k = {0};
    parse(&k, "\n \n-\n - \n1\n1 2\n1 2 3\n1 2 3:\n1 2 :3 - tmpfs\n1 2 3:4\n1 2 3:4 -\n1 2 3:4 - \n"
              "1 2 3:4 / / rw tmpfs\n1 2 x:4 / / rw - tmpfs t rw\n1 2 3:x / / rw - tmpfs t rw\n"
              "1 2 99999999999999999999:4 / / rw - tmpfs t rw\n"
              "9 9 0:9 / / rw - tmpfs t rw\n");
    assert_int_equal(k.count, 1);
    assert_int_equal(mounts_kind(&k, 0, 9), MOUNT_SHMEM);
    parse(&k, "");
    assert_int_equal(k.count, 1);
    mounts_deinit(&k);
}

/* The kernel's internal mount of memfds is in no table. */
static void test_internal_mounts_are_found(void **state)
{
    (void)state;
    struct procdir d;
    struct mount_kinds k = {0};
    struct buf scratch = {0};
    struct stat st;
    int fd = memfd_create("x", MFD_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    assert_int_equal(procdir_open(NULL, getpid(), &d, NULL), 0);
    assert_int_equal(mounts_read(&k, &d, &scratch), 0);
    assert_int_equal(mounts_kind(&k, major(st.st_dev), minor(st.st_dev)), MOUNT_SHMEM);
    close(fd);
    procdir_close(&d);
    mounts_deinit(&k);
    buf_deinit(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_bad_lines_are_passed_over),
        cmocka_unit_test(test_internal_mounts_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
