/* The poll engine: faults are counted, births, ends and new programs noticed. And the ladder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/engine.h"

struct heard {
    unsigned n[EVENT_TYPE_N];
    struct event last[EVENT_TYPE_N];
};

static int hear(void *ctx, const struct event *events, size_t count)
{
    struct heard *h = ctx;
    for (size_t i = 0; i < count; i++) {
        h->n[events[i].type]++;
        h->last[events[i].type] = events[i];
    }
    return 0;
}

/* A child that takes orders, one letter each, and answers each with a byte. */
struct servant {
    pid_t pid;
    int order, answer;
};

static void touch_pages(size_t count)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, count * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(p, count * page, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < count; i++)
        *(volatile char *)(p + i * page) = 1;
}

static void serve(int order, int answer)
{
    char c;
    pid_t child = -1;
    while (read(order, &c, 1) == 1) {
        if (c == 't')
            touch_pages(1000);
        if (c == 'f' && !(child = fork())) {
            touch_pages(500);
            write(answer, "c", 1);
            pause();
        }
        if (c == 'k') {
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
        }
        if (c == 'e') {
            fcntl(order, F_SETFD, 0);
            execl("/bin/cat", "cat", (char *)NULL);
        }
        if (c != 'f' && write(answer, "d", 1) != 1)
            break;
    }
    _exit(0);
}

static void start(struct servant *s)
{
    int order[2], answer[2];
    assert_int_equal(pipe(order), 0);
    assert_int_equal(pipe(answer), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (!s->pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(order[1]);
        close(answer[0]);
        dup2(order[0], 0);
        serve(0, answer[1]);
    }
    close(order[0]);
    close(answer[1]);
    s->order = order[1];
    s->answer = answer[0];
}

static void tell(struct servant *s, const char *order)
{
    char c;
    assert_int_equal(write(s->order, order, 1), 1);
    if (*order != 'e')
        assert_int_equal(read(s->answer, &c, 1), 1);
}

static void end(struct servant *s)
{
    close(s->order);
    close(s->answer);
    waitpid(s->pid, NULL, 0);
}

static struct engine *follow(const struct servant *s)
{
    struct engine *e = NULL;
    struct err err = {0};
    struct engine_options o = {.pid = s->pid, .follow = true};
    assert_int_equal(engine_poll.open(&o, &e, &err), 0);
    assert_int_equal(engine_poll.fd(e), -1);
    return e;
}

static uint64_t faults(const struct engine *e)
{
    struct engine_stats s;
    engine_poll.stats(e, &s);
    assert_int_equal(s.lost, 0);
    return s.faults;
}

static void faults_are_counted(void **state)
{
    (void)state;
    struct servant s;
    struct heard h = {0};
    start(&s);
    tell(&s, "t");
    struct engine *e = follow(&s);
    assert_int_equal(engine_poll.drain(e, hear, &h), 0);
    assert_in_range(faults(e), 0, 50); /* those before do not count */
    tell(&s, "t");
    tell(&s, "t");
    assert_int_equal(engine_poll.drain(e, hear, &h), 0);
    assert_in_range(faults(e), 2000, 3000);
    assert_int_equal(h.n[EVENT_FAULT], 0);
    engine_poll.close(e);
    end(&s);
}

static void children_come_and_go(void **state)
{
    (void)state;
    struct servant s;
    struct heard h = {0};
    start(&s);
    struct engine *e = follow(&s);
    tell(&s, "f");
    assert_int_equal(engine_poll.drain(e, hear, &h), 0);
    assert_int_equal(h.n[EVENT_FORK], 1);
    assert_int_equal(h.last[EVENT_FORK].pid, s.pid);
    assert_in_range(faults(e), 500, 5000);
    tell(&s, "k");
    assert_int_equal(engine_poll.drain(e, hear, &h), 0);
    assert_int_equal(h.n[EVENT_EXIT], 1);
    assert_int_equal(h.last[EVENT_EXIT].pid, h.last[EVENT_FORK].fork.child_pid);
    end(&s);
    assert_int_equal(engine_poll.drain(e, hear, &h), 0);
    assert_int_equal(engine_poll.drain(e, hear, &h), 0);
    assert_int_equal(h.n[EVENT_EXIT], 2);
    assert_int_equal(h.last[EVENT_EXIT].pid, s.pid);
    engine_poll.close(e);
    engine_poll.close(NULL);
}

static void new_programs_are_noticed(void **state)
{
    (void)state;
    struct servant s;
    struct heard h = {0};
    start(&s);
    struct engine *e = follow(&s);
    tell(&s, "e");
    alarm(60);
    while (!h.n[EVENT_EXEC])
        assert_int_equal(engine_poll.drain(e, hear, &h), 0);
    alarm(0);
    assert_int_equal(h.n[EVENT_EXEC], 1);
    assert_string_equal(h.last[EVENT_EXEC].exec.comm, "cat");
    engine_poll.close(e);
    end(&s);
}

static pid_t dead_pid(void)
{
    pid_t pid = fork();
    if (!pid)
        _exit(0);
    waitpid(pid, NULL, 0);
    return pid;
}

static void the_dead_are_told(void **state)
{
    (void)state;
    static const char *const names[] = {"poll", "perf", "auto"};
    const struct engine_ops *ops = NULL;
    struct engine *e = NULL;
    struct engine_options o = {.pid = dead_pid()};
    char why[600] = "";
    for (unsigned i = 0; i < 3; i++) {
        struct err err = {0};
        assert_true(engine_open(names[i], &o, &ops, &e, why, sizeof why, &err) < 0);
        assert_true(err.text[0]);
        assert_true(!ops && !e);
    }
}

static void engines_have_names(void **state)
{
    (void)state;
    struct servant s;
    const struct engine_ops *ops = NULL;
    struct engine *e = NULL;
    struct err err = {0};
    char why[600] = "";
    start(&s);
    struct engine_options o = {.pid = s.pid, .follow = true};
    assert_int_equal(engine_open("poll", &o, &ops, &e, why, sizeof why, &err), 0);
    assert_ptr_equal(ops, &engine_poll);
    ops->close(e);
    assert_int_equal(engine_open("\x1b[1mx", &o, &ops, &e, why, sizeof why, &err), -EINVAL);
    assert_null(strchr(err.text, '\x1b'));
    assert_non_null(strstr(err.text, "auto, bpf, perf, poll"));
    assert_string_equal(why, "");
    end(&s);
}

/* The ladder of somebody without privilege, on a process of his own. */
static int climb_as_nobody(void)
{
    struct servant s;
    const struct engine_ops *ops = NULL;
    struct engine *e = NULL;
    struct err err = {0};
    char why[600] = "", little[10] = "";
    if (geteuid() == 0 && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
        return 77;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    start(&s);
    struct engine_options o = {.pid = s.pid, .follow = true, .kernel = true};
    if (engine_open(NULL, &o, &ops, &e, why, sizeof why, &err) || ops == &engine_bpf)
        return 1;
    if (strncmp(why, "bpf: ", 5) || why[strlen(why) - 1] != '.')
        return 2;
    ops->close(e);
    if (engine_open("auto", &o, &ops, &e, little, sizeof little, &err) || strlen(little) != 9)
        return 3;
    ops->close(e);
    end(&s);
    return 0;
}

static void without_privilege_the_reason_is_told(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (!pid)
        _exit(climb_as_nobody());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_best_rung_is_taken(void **state)
{
    (void)state;
    struct servant s;
    const struct engine_ops *ops = NULL;
    struct engine *e = NULL;
    struct err err = {0};
    char why[600] = "";
    start(&s);
    struct engine_options o = {.pid = s.pid, .follow = true, .kernel = true};
    assert_int_equal(engine_open("auto", &o, &ops, &e, why, sizeof why, &err), 0);
    assert_non_null(ops);
    assert_true(ops == &engine_bpf ? !why[0] : why[0]);
    ops->close(e);
    end(&s);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_counted),
        cmocka_unit_test(children_come_and_go),
        cmocka_unit_test(new_programs_are_noticed),
        cmocka_unit_test(the_dead_are_told),
        cmocka_unit_test(engines_have_names),
        cmocka_unit_test(without_privilege_the_reason_is_told),
        cmocka_unit_test(the_best_rung_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
