/* Running scenarios: names, files, loops, limits, skips, and what is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "scenario/keeper.h"
#include "scenario/run.h"

#define SECOND UINT64_C(1000000000)

static char dir[] = "/tmp/test_run.XXXXXX";

/* Nobody looks: for statements, and for expectations of what the stage itself tells. */
static int no_picture(void *ctx, pid_t pid, bool flags, struct moment *out, struct err *e)
{
    (void)ctx;
    (void)pid;
    (void)flags;
    (void)out;
    return err_set(e, -ENOSYS, "nobody looks");
}

static const struct observer nobody = {.picture = no_picture, .why = "nobody looks"};

struct played {
    struct script *script;
    struct run *run;
};

static struct script *parse(const char *text)
{
    struct script *s;
    struct script_error e;
    if (script_parse(text, strlen(text), &s, &e))
        fail_msg("line %u: %s", e.at.line, e.text);
    return s;
}

static int try_to_begin(const char *text, uint64_t limit_ns, uint64_t total_ns,
                        struct played *p, struct err *e)
{
    struct run_options o = {.limit_ns = limit_ns, .total_limit_ns = total_ns, .directory = dir};
    p->script = parse(text);
    int rc = run_begin(p->script, &o, &nobody, &p->run, e);
    if (rc)
        script_destroy(p->script);
    return rc;
}

static struct played begin(const char *text)
{
    struct played p;
    struct err e = {0};
    if (try_to_begin(text, 60 * SECOND, 300 * SECOND, &p, &e))
        fail_msg("%s", e.text);
    return p;
}

static void end(struct played *p)
{
    struct err e = {0};
    if (run_end(p->run, &e))
        fail_msg("%s", e.text);
    script_destroy(p->script);
}

static struct outcome step(struct played *p)
{
    struct outcome out;
    struct err e = {0};
    if (run_step(p->run, &out, &e))
        fail_msg("line %u: %s", p->script->v[run_next(p->run)].at.line, e.text);
    return out;
}

/* All statements that are left; each does what it should. */
static unsigned finish(struct played *p)
{
    unsigned steps = 0;
    for (; run_next(p->run) < p->script->count; steps++) {
        unsigned line = p->script->v[run_next(p->run)].at.line;
        struct outcome out = step(p);
        if (out.verdict != VERDICT_PASS)
            fail_msg("line %u: expected %s, found %s", line, out.expected, out.found);
    }
    return steps;
}

static unsigned play(const char *text)
{
    struct played p = begin(text);
    unsigned steps = finish(&p);
    end(&p);
    return steps;
}

/* To begin, it may need more time than a short limit. */
static int failing_step(const char *text, uint64_t limit_ns, uint64_t total_ns)
{
    struct played p;
    struct outcome out;
    struct err e = {0};
    int rc;
    while ((rc = try_to_begin(text, limit_ns, total_ns, &p, &e)))
        assert_true(rc == -ETIMEDOUT && (limit_ns *= 2) < 60 * SECOND);
    while (!rc && run_next(p.run) < p.script->count)
        rc = run_step(p.run, &out, &e);
    assert_true(!rc || *e.text);
    end(&p);
    return rc;
}

static unsigned files_left(void)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *entry; (entry = readdir(d));)
        n += entry->d_name[0] != '.';
    closedir(d);
    return n;
}

/* ---- tests ---- */

static void statements(void **state)
{
    (void)state;
    play("map a 64K rw private anon\n"
         "write a 5\nexpect minor 16\nwrite a\nexpect minor 0\n"
         "protect a[4:8] none\nread a[4]\nexpect signal SIGSEGV SEGV_ACCERR\n"
         "unmap a[8]\nread a[8]\nexpect signal SIGSEGV SEGV_MAPERR\n"
         "map b 0 rw private anon\nexpect errno EINVAL\n"
         "brk +64K\nbrk -64K\nmalloc p 1M\nwrite p\nexpect minor >= 255\nfree p\n"
         "grow-stack 64K\nexpect minor 16\ngrow-stack 64K\nexpect minor 0\n"
         "resource stack 1M\ngrow-stack 2M\nexpect signal SIGSEGV SEGV_MAPERR\n"
         "map c 16K rw private anon locked\nwrite c\nexpect minor 0\nunlock c\n"
         "map d 4K rwx private anon\nexec d[0]\nexpect minor 1\n"
         "map e 16K rw private anon\nsysread e\nexpect minor 4\n");
}

static void files(void **state)
{
    (void)state;
    play("file f 64K\nopen fd f rw\nmap a 64K r shared fd fd\n"
         "file g 64K tmpfs\nopen gd g rw\nmap b 64K rw shared fd gd offset 8K\nread b[0]\n"
         "file m 64K memfd\nopen md m r\nmap c 64K rw shared fd md\nexpect errno EACCES\n"
         "map d 64K rw private fd md\nexec d[3]\nexpect signal SIGSEGV\n"
         "map e 8K rx private fd fd\nexec e[1]\nexpect ok\n"
         "pipe p\nmap x 4K r private fd p\nexpect errno ENODEV\n"
         "directory dd\nmap x 4K r private fd dd\nexpect errno ENODEV\n"
         "special s eventfd\nmap x 4K r private fd s\nexpect errno ENODEV\n"
         "open z \"/dev/zero\" r\nmap x 4K rw private fd z\nread x\n"
         "open n \"/nowhere\" r\nexpect errno ENOENT\n"
         "evict f\nclose fd\nclose p\nexpect ok\n");
    assert_int_equal(files_left(), 0);
}

/* What a page of a file holds is seen by its instruction and, from outside, by its first byte. */
static void file_content(void **state)
{
    (void)state;
    struct played p = begin("file f 32K\nopen fd f rw\nmap a 32K rw shared fd fd\nwrite a[5] 99\n"
                            "sync a\n");
    finish(&p);
    struct run_process main_process;
    assert_int_equal(run_process_count(p.run), 1);
    run_process(p.run, 0, &main_process);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/3", (int)main_process.pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (unsigned i = 0; i < 8; i++) {
        unsigned char bytes[17];
        assert_int_equal(io_pread(fd, bytes, sizeof bytes, i * 4096), sizeof bytes);
        assert_int_equal(bytes[0], i == 5 ? 99 : i);
        assert_int_equal(bytes[16], 0xc3);
    }
    close(fd);
    end(&p);
}

static void mapping_of(const struct played *p, const char *process, const char *name,
                       uint64_t *start, uint64_t *bytes)
{
    uint64_t page_size;
    assert_true(run_mapping(p->run, process, name, start, bytes, &page_size));
    assert_int_equal(page_size, 4096);
}

static void names_follow(void **state)
{
    (void)state;
    uint64_t start, bytes, before;
    struct played p = begin("map a 8K rw private anon\nmap b 8K rw private anon\nwrite b 3\n"
                            "remap b 1G maymove\nfork child\nchild: map c 4K rw private anon\n"
                            "child: write b[0]\nchild: unmap b\n");
    for (int i = 0; i < 3; i++)
        step(&p);
    mapping_of(&p, "main", "b", &before, &bytes);
    assert_int_equal(bytes, 8192);
    assert_false(run_mapping(p.run, "main", "c", &start, &bytes, &before));
    mapping_of(&p, "main", "b", &before, &bytes);
    step(&p);
    mapping_of(&p, "main", "b", &start, &bytes);
    assert_int_not_equal(start, before);
    assert_int_equal(bytes, UINT64_C(1) << 30);
    finish(&p);
    uint64_t of_child;
    mapping_of(&p, "child", "b", &of_child, &bytes);
    assert_int_equal(of_child, start);
    mapping_of(&p, "child", "c", &start, &bytes);
    assert_false(run_mapping(p.run, "main", "c", &start, &bytes, &before));
    assert_int_equal(run_process_count(p.run), 2);
    end(&p);
}

/* Lines of maps, as the kernel tells them: what touches a mapping, and what is the mapping. */
static void neighbours(pid_t pid, uint64_t start, uint64_t end_at, unsigned *inside, bool *below)
{
    char path[32];
    struct buf b = {0};
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    assert_int_equal(io_read_at(AT_FDCWD, path, &b), 0);
    *inside = 0;
    *below = false;
    for (char *line = strtok(b.data, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long from, to;
        char perms[8];
        assert_int_equal(sscanf(line, "%lx-%lx %7s", &from, &to, perms), 3);
        if (to == start) {
            *below = true;
            assert_string_equal(perms, "---p");
            assert_non_null(strstr(line, "vmscope-guard"));
        }
        if (from < end_at && to > start) {
            (*inside)++;
            assert_true(from == start && to == end_at);
        }
    }
    buf_deinit(&b);
}

static void nothing_merges(void **state)
{
    (void)state;
    struct played p = begin("map a 8K rw private anon\nmap b 8K rw private anon\n"
                            "map c 8K none private anon noreserve\nmap d 4M rw private anon\n"
                            "remap a 1M\nremap d 16M\nexpect errno ENOMEM\n");
    finish(&p);
    struct run_process main_process;
    run_process(p.run, 0, &main_process);
    static const char *const names[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        uint64_t start, bytes;
        unsigned inside;
        bool below;
        mapping_of(&p, "main", names[i], &start, &bytes);
        assert_int_equal(start % (2 << 20), 0);
        neighbours(main_process.pid, start, start + bytes, &inside, &below);
        assert_int_equal(inside, 1);
        assert_true(below);
    }
    end(&p);
}

static void loops(void **state)
{
    (void)state;
    /* map, repeat, 3 times (read, repeat, 2 times (write, end), end): 2 + 3 * (3 + 2 * 2) */
    assert_int_equal(play("map a 4K rw private anon\nrepeat 3\nread a\nrepeat 2\nwrite a\nend\n"
                          "end\n"),
                     2 + 3 * (3 + 2 * 2));
    play("repeat 3\nfork child\nchild: exit\nwait child\nend\n");
}

static void processes(void **state)
{
    (void)state;
    play("map a 16K rw private anon\nwrite a 7\nfork child\nchild: fork grandchild\n"
         "grandchild: write a[0]\nexpect minor 1\n"
         "child: vmread main:a\nexpect ok\nchild: memwrite main:a[0]\nexpect ok\n"
         "map p 4K none private anon\nchild: vmread main:p\nexpect errno EFAULT\n");
}

static void failures_are_told(void **state)
{
    (void)state;
    struct played p = begin("map a 4K r private anon\nwrite a\nmap b 0 r private anon\n"
                            "fork child\nkill child SIGKILL\nwait child\nexit\n");
    step(&p);
    struct outcome out = step(&p);
    assert_int_equal(out.verdict, VERDICT_FAIL);
    assert_string_equal(out.expected, "ok");
    assert_memory_equal(out.found, "signal SIGSEGV (SEGV_ACCERR) at 0x", 34);
    out = step(&p);
    assert_int_equal(out.verdict, VERDICT_FAIL);
    assert_string_equal(out.found, "errno EINVAL (Invalid argument)");
    finish(&p);
    end(&p);

    p = begin("kill main SIGTERM\nmap a 4K r private anon\n");
    out = step(&p);
    assert_true(out.result.gone);
    assert_int_equal(out.result.status, SIGTERM);
    struct err e = {0};
    assert_int_equal(run_step(p.run, &out, &e), -ESRCH);
    end(&p);
}

static void time_is_limited(void **state)
{
    (void)state;
    static const char hang[] = "fork child\nkill child SIGSTOP\nchild: exit\n";
    assert_int_equal(failing_step(hang, SECOND / 5, 60 * SECOND), -ETIMEDOUT);
    static const char loop[] = "map a 4K rw private anon\nrepeat 4000000000\nwrite a\nend\n";
    assert_int_equal(failing_step(loop, 60 * SECOND, SECOND / 5), -ETIMEDOUT);
}

static void needs_are_checked(void **state)
{
    (void)state;
    struct script *s = parse("needs kernel 99.0\nmap a 4K rw private anon\n");
    struct run_options o = {0};
    struct run *r;
    struct err e = {0};
    assert_int_equal(run_begin(s, &o, &nobody, &r, &e), -ENOTSUP);
    assert_memory_equal(e.text, "needs Linux 99.0", 16);
    script_destroy(s);

    struct played p = begin("needs kernel 2.6\nmap a 4K rw private anon\nneeds kernel 99.0\n"
                            "read a\n");
    step(&p);
    step(&p);
    struct outcome out = step(&p);
    assert_int_equal(out.verdict, VERDICT_SKIP);
    assert_int_equal(run_next(p.run), p.script->count);
    end(&p);
}

/* What the run of a killed vmscope left is gone as soon as its keeper is. */
static void killed_in_the_middle(void **state)
{
    (void)state;
    int pipes[2];
    char c;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct played p = begin("file f 64K\nfile g 64K tmpfs\nopen fd f rw\nfork child\n");
        finish(&p);
        if (files_left() != 1 || write(pipes[1], "r", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &c, 1), 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(pipes[0]);
    uint64_t deadline = io_now_ns() + 60 * SECOND;
    while (files_left() && io_now_ns() < deadline)
        sched_yield();
    assert_int_equal(files_left(), 0);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(int argc, char **argv)
{
    stage_main_if_asked(argc, argv);
    keeper_main_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements),
        cmocka_unit_test(files),
        cmocka_unit_test(file_content),
        cmocka_unit_test(names_follow),
        cmocka_unit_test(nothing_merges),
        cmocka_unit_test(loops),
        cmocka_unit_test(processes),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(time_is_limited),
        cmocka_unit_test(needs_are_checked),
        cmocka_unit_test(killed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
