/* A family between its whole readings: who has moved is read again, the others keep what they have. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "model/family.h"
#include "model/record.h"
#include "sampler/family.h"

enum { CHILDREN = 3, PAGES = 64, WRITTEN = 20 };

struct child {
    pid_t pid;
    int orders, answers;
};

static struct scene {
    struct child child[CHILDREN];
    struct family_sampler *sampler;
    struct record *last; /* that the sampler sent */
    char *pages;
    size_t page;
} scene;

static _Noreturn void live(int orders, int answers)
{
    char c;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(orders, &c, 1) == 1) {
        for (unsigned i = 0; i < WRITTEN; i++)
            scene.pages[i * scene.page] = 2;
        if (write(answers, &c, 1) != 1)
            break;
    }
    _exit(0);
}

static int set_up(void **state)
{
    (void)state;
    scene.page = (size_t)sysconf(_SC_PAGESIZE);
    scene.pages = mmap(NULL, PAGES * scene.page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(scene.pages != MAP_FAILED);
    madvise(scene.pages, PAGES * scene.page, MADV_NOHUGEPAGE);
    memset(scene.pages, 1, PAGES * scene.page);
    for (unsigned i = 0; i < CHILDREN; i++) {
        int orders[2], answers[2];
        assert_int_equal(pipe(orders), 0);
        assert_int_equal(pipe(answers), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid)
            live(orders[0], answers[1]);
        close(orders[0]);
        close(answers[1]);
        scene.child[i] = (struct child){pid, orders[1], answers[0]};
    }
    const struct sampler_options options = {.pid = getpid()};
    scene.sampler = family_sampler_create(&options);
    return scene.sampler ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CHILDREN; i++) {
        close(scene.child[i].orders);
        close(scene.child[i].answers);
        kill(scene.child[i].pid, SIGKILL);
        waitpid(scene.child[i].pid, NULL, 0);
    }
    family_sampler_destroy(scene.sampler);
    munmap(scene.pages, PAGES * scene.page);
    return 0;
}

static int keep(void *ctx, struct record *r)
{
    (void)ctx;
    record_destroy(scene.last);
    scene.last = r;
    return 0;
}

static struct family *taken(bool part)
{
    assert_non_null(scene.last);
    assert_int_equal(scene.last->type, RECORD_FAMILY);
    assert_int_equal(scene.last->family.part, part);
    struct family *f = family_ref(scene.last->family.made);
    record_destroy(scene.last);
    scene.last = NULL;
    return f;
}

static void write_pages(const struct child *child)
{
    char c = 'w';
    assert_int_equal(write(child->orders, &c, 1), 1);
    assert_int_equal(read(child->answers, &c, 1), 1);
}

/* What only it maps, as smaps adds it up. */
static uint64_t private_of(pid_t pid)
{
    struct buf text = {0};
    char path[64];
    uint64_t clean, dirty;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    assert_int_equal(io_read_at(-1, path, &text), 0);
    assert_true(text_field(text.data, text.len, "Private_Clean:", &clean));
    assert_true(text_field(text.data, text.len, "Private_Dirty:", &dirty));
    buf_deinit(&text);
    return (clean + dirty) * 1024;
}

static uint64_t uss_of(const struct family *f, pid_t pid)
{
    size_t at = family_find(f, pid);
    assert_true(at != FAMILY_NONE);
    assert_true(f->v[at].uss.known);
    return f->v[at].uss.bytes;
}

static void test_who_moved_is_read_again(void **state)
{
    struct err e;
    const struct child *quiet = &scene.child[0], *busy = &scene.child[1];
    (void)state;
    write_pages(quiet); /* whatever the first write of a child brings along */
    write_pages(busy);
    assert_int_equal(family_sampler_take(scene.sampler, keep, NULL, &e), 0);
    struct family *before = taken(false);
    assert_int_equal(uss_of(before, busy->pid), private_of(busy->pid));

    write_pages(&scene.child[2]);
    assert_int_equal(family_sampler_again(scene.sampler, keep, NULL), 0);
    struct family *part = taken(true);
    pid_t moved = scene.child[2].pid;
    assert_true(family_find(part, moved) != FAMILY_NONE);
    assert_true(family_find(part, getpid()) != FAMILY_NONE); /* to tell its copies */
    assert_true(family_find(part, quiet->pid) == FAMILY_NONE);
    assert_true(family_find(part, busy->pid) == FAMILY_NONE);

    struct family *now = family_renew(before, part);
    assert_non_null(now);
    assert_int_equal(now->count, before->count);
    assert_int_equal(uss_of(now, moved), private_of(moved));
    assert_true(uss_of(now, moved) >= uss_of(before, moved) + WRITTEN * scene.page);
    assert_int_equal(uss_of(now, quiet->pid), uss_of(before, quiet->pid));
    size_t at = family_find(now, moved);
    assert_int_equal(now->v[at].own.known, before->v[at].own.known);
    if (now->v[at].own.known) /* frame numbers are told here */
        assert_true(now->v[at].own.own >= before->v[at].own.own + WRITTEN * scene.page);
    assert_int_equal(now->v[at].parent, before->v[at].parent);
    assert_int_equal(family_shared(now, 0, at).bytes, family_shared(before, 0, at).bytes);
    assert_true(now->again_ns > before->sample.start_ns);
    family_unref(before);
    family_unref(part);
    assert_int_equal(uss_of(now, moved), private_of(moved));
    family_unref(now);
}

static void test_who_rests_is_left_alone(void **state)
{
    struct err e;
    (void)state;
    assert_int_equal(family_sampler_take(scene.sampler, keep, NULL, &e), 0);
    family_unref(taken(false));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(family_sampler_again(scene.sampler, keep, NULL), 0);
        struct family *part = scene.last ? taken(true) : NULL; /* this process looks, and so moves */
        for (unsigned c = 0; part && c < CHILDREN; c++)
            assert_true(family_find(part, scene.child[c].pid) == FAMILY_NONE);
        family_unref(part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_moved_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_rests_is_left_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
