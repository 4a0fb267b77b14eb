/* Starting commands: status, failures, what the child inherits, whom it runs as, captured output.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/spawn.h"

#define ARGV(...) ((char *[]){__VA_ARGS__, NULL})

static char dir[] = "/tmp/test_spawn.XXXXXX";

static int run(char *const *argv, const char *user)
{
    struct spawn_options o = {.argv = argv, .user = user};
    struct spawn s;
    struct err e = {0};
    int status = -1;
    if (spawn_start(&o, &s, &e))
        fail_msg("%s", e.text);
    assert_int_equal(spawn_wait(&s, &status), 0);
    assert_int_equal(spawn_wait(&s, &status), 0); /* again */
    spawn_deinit(&s);
    return status;
}

/* What a shell script prints, run by spawn_start. */
static const char *output_of(const char *script, const char *user)
{
    static char text[4096];
    char path[64];
    snprintf(path, sizeof path, "%s/out", dir);
    int saved = dup(STDOUT_FILENO), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    dup2(fd, STDOUT_FILENO);
    int status = run(ARGV("/bin/sh", "-c", (char *)(uintptr_t)script), user);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    assert_int_equal(status, 0);
    ssize_t n = io_pread(fd, text, sizeof text - 1, 0);
    close(fd);
    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

static void status_is_the_childs(void **state)
{
    (void)state;
    assert_int_equal(WEXITSTATUS(run(ARGV("sh", "-c", "exit 37"), NULL)), 37);
    int status = run(ARGV("sh", "-c", "kill -KILL $$"), NULL);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void status_survives_an_ignored_sigchld(void **state)
{
    (void)state;
    signal(SIGCHLD, SIG_IGN);
    assert_int_equal(WEXITSTATUS(run(ARGV("sh", "-c", "exit 3"), NULL)), 3);
}

static void expect_failure(char *command, int status, const char *part)
{
    struct spawn_options o = {.argv = ARGV(command)};
    struct spawn s = {.pid = 12345};
    struct err e = {0};
    int rc = spawn_start(&o, &s, &e);
    assert_true(rc < 0);
    assert_int_equal(e.code, rc);
    assert_int_equal(spawn_failure_status(rc), status);
    assert_non_null(strstr(e.text, part));
    assert_null(strpbrk(e.text, "\n\x1b"));
    assert_int_equal(s.pid, 12345); /* untouched */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

static void failures_to_execute_are_told(void **state)
{
    (void)state;
    char path[64];
    expect_failure((char[]){"no-such-command-here"}, 127, "PATH");
    expect_failure((char[]){"/no/such/command"}, 127, "no such file");
    expect_failure((char[]){"/no/such\x1b[31m\n"}, 127, "\\x1b");
    expect_failure((char[]){"/etc/passwd"}, 126, "ermission denied");
    expect_failure(dir, 126, "cannot execute");
    snprintf(path, sizeof path, "%s/script", dir);
    write_file(path, "#!/no/such/interpreter\n", 0755);
    expect_failure(path, 127, "interpreter");
}

static void unknown_user_is_told(void **state)
{
    (void)state;
    struct spawn_options o = {.argv = ARGV("true"), .user = "no-such-user"};
    struct spawn s;
    struct err e = {0};
    int rc = spawn_start(&o, &s, &e);
    assert_int_equal(rc, -ESRCH);
    assert_int_equal(spawn_failure_status(rc), 1);
    assert_non_null(strstr(e.text, "no-such-user"));
}

static void child_inherits_three_descriptors(void **state)
{
    (void)state;
    int leaky = open("/dev/null", O_RDONLY), high = fcntl(leaky, F_DUPFD, 200);
    assert_true(leaky > 2 && high >= 200);
    /* 3 is the directory that ls itself has open */
    assert_string_equal(output_of("exec ls -x /proc/self/fd", NULL), "0  1  2  3\n");
    close(leaky);
    close(high);
}

static void child_starts_with_default_signals(void **state)
{
    (void)state;
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    const char *out = output_of("exec grep -E '^Sig(Blk|Ign)' /proc/self/status", NULL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    /* Signals 32 and 33 belong to the C library: sigaction(2) wrappers refuse to reset them. */
    unsigned long long blocked = 1, ignored = 1, own = 3ULL << 31;
    assert_int_equal(sscanf(out, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    assert_true(!blocked);
    assert_true(!(ignored & ~own));
}

static void need_root(void)
{
    if (geteuid())
        skip();
}

static const char *const who = "id -u; id -g; id -G; echo $HOME $USER $LOGNAME; "
                               "grep -E '^Cap(Inh|Prm|Eff|Amb)|NoNewPrivs' /proc/self/status";
static const char *const nobody = "65534\n65534\n65534\n/nonexistent nobody nobody\n"
                                  "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
                                  "CapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n"
                                  "NoNewPrivs:\t0\n";

static void under_sudo_the_child_is_the_caller(void **state)
{
    (void)state;
    need_root();
    setenv("SUDO_UID", "65534", 1);
    setenv("SUDO_GID", "65534", 1);
    assert_string_equal(output_of(who, NULL), nobody);
    assert_string_equal(output_of("id -u", "root"), "0\n"); /* -u wins */
    setenv("SUDO_UID", "4000000", 1);                       /* has no name */
    setenv("SUDO_GID", "4000001", 1);
    assert_string_equal(output_of("id -u; id -G", NULL), "4000000\n4000001\n");
    setenv("SUDO_UID", "12x", 1); /* not a number: not from sudo */
    assert_string_equal(output_of("id -u", NULL), "0\n");
    unsetenv("SUDO_UID");
    unsetenv("SUDO_GID");
}

static void a_named_user_or_number_is_taken(void **state)
{
    (void)state;
    need_root();
    assert_string_equal(output_of(who, "nobody"), nobody);
    assert_string_equal(output_of("id -un", "65534"), "nobody\n");
}

static void an_ordinary_user_becomes_nobody_else(void **state)
{
    (void)state;
    need_root();
    pid_t pid = fork();
    if (!pid) {
        struct err e = {0};
        struct spawn s;
        struct spawn_options o = {.argv = ARGV("true"), .user = "root"};
        if (setresuid(65534, 65534, 65534))
            _exit(9);
        int bad = spawn_start(&o, &s, &e) != -EPERM || !strstr(e.text, "sudo");
        o.user = "nobody";
        _exit(bad || spawn_start(&o, &s, &e));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Runs a script with capture below a terminal of its own and returns what came out there. */
static const char *captured(const char *script, bool separate_stderr, bool forward)
{
    static char text[256 * 1024];
    int master, slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    pid_t pid = fork();
    if (!pid) {
        for (int fd = 0; fd < 3; fd++)
            dup2(slave, fd);
        if (separate_stderr)
            dup2(open("/dev/null", O_WRONLY), 2);
        struct spawn_options o = {
            .argv = ARGV("sh", "-c", (char *)(uintptr_t)script),
            .capture = true,
        };
        struct spawn s;
        int status = 0;
        if (spawn_start(&o, &s, NULL))
            _exit(99);
        if (forward) {
            spawn_wait_forward(&s, &status);
        } else {
            spawn_wait(&s, &status);
            io_write(1, "(", 1);
            spawn_output_flush(&s);
            spawn_output_flush(&s);
            io_write(1, ")", 1);
        }
        _exit(WEXITSTATUS(status));
    }
    close(slave);
    size_t len = 0;
    ssize_t n;
    while ((n = read(master, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(master);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return text;
}

static void captured_output_comes_in_order(void **state)
{
    (void)state;
    assert_string_equal(captured("echo a; echo b >&2; echo c >>/dev/stdout; cat", false, false),
                        "(a\r\nb\r\nc\r\n)");
    assert_string_equal(captured("echo a; echo b >&2", true, false), "(a\r\n)");
}

static void capture_gives_a_session_without_terminal(void **state)
{
    (void)state;
    assert_string_equal(captured("test -t 0 || test -t 1 || test -t 2 || echo none; "
                                 "(: </dev/tty) 2>/dev/null || echo no tty; "
                                 "test $(ps -o sid= -p $$) = $$ && echo leader",
                                 false, false),
                        "(none\r\nno tty\r\nleader\r\n)");
}

static void captured_output_is_forwarded_until_the_end(void **state)
{
    (void)state;
    const char *out = captured("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); "
                               "[ $((i % 5000)) = 0 ] && sleep 0.1; done",
                               false, true);
    const char *p = out;
    for (long i = 0; i < 20000; i++, p += 2) {
        char *end;
        assert_int_equal(strtol(p, &end, 10), i);
        p = end;
    }
    assert_string_equal(p, "");
}

/* The child waits in a read: it is held. */
static void wait_until_asleep(pid_t pid)
{
    char path[32], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    while (state != 'S') {
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
        fclose(f);
        sched_yield();
    }
}

static void held_child_waits_for_release(void **state)
{
    (void)state;
    char path[64], script[96];
    snprintf(path, sizeof path, "%s/held", dir);
    snprintf(script, sizeof script, "touch %s", path);
    struct spawn_options o = {.argv = ARGV("sh", "-c", script), .hold = true};
    struct spawn s;
    int status;
    assert_int_equal(spawn_start(&o, &s, NULL), 0);
    wait_until_asleep(s.pid);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(spawn_release(&s, &o, NULL), 0);
    assert_int_equal(spawn_wait(&s, &status), 0);
    assert_int_equal(access(path, F_OK), 0);
    spawn_deinit(&s);

    struct err e = {0};
    o.argv = ARGV("/no/such/command");
    assert_int_equal(spawn_start(&o, &s, &e), 0);
    assert_int_equal(spawn_release(&s, &o, &e), -ENOENT);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void kill_ends_the_stubborn_and_the_stopped(void **state)
{
    (void)state;
    char path[64], script[160];
    struct spawn_options o = {.argv = ARGV("sleep", "100")};
    struct spawn s;
    int status;
    assert_int_equal(spawn_start(&o, &s, NULL), 0);
    kill(s.pid, SIGSTOP);
    assert_int_equal(spawn_kill(&s), 0);
    assert_int_equal(spawn_wait(&s, &status), 0);
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_int_equal(spawn_kill(&s), 0); /* nothing left to do */
    spawn_deinit(&s);

    snprintf(path, sizeof path, "%s/trapped", dir);
    snprintf(script, sizeof script, "trap '' TERM; touch %s; while :; do sleep 0.1; done", path);
    o.argv = ARGV("sh", "-c", script);
    assert_int_equal(spawn_start(&o, &s, NULL), 0);
    while (access(path, F_OK))
        sched_yield();
    uint64_t start = io_now_ns();
    assert_int_equal(spawn_kill(&s), 0);
    assert_true(io_now_ns() - start > 900000000u);
    assert_int_equal(spawn_wait(&s, &status), 0);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    spawn_deinit(&s);
}

static int end_like_in_child(int status)
{
    pid_t pid = fork();
    if (!pid) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
        signal(SIGSEGV, SIG_IGN);
        spawn_end_like(status);
    }
    int got;
    assert_int_equal(waitpid(pid, &got, 0), pid);
    return got;
}

static void ends_like_the_child(void **state)
{
    (void)state;
    assert_int_equal(end_like_in_child(37 << 8), 37 << 8);
    assert_int_equal(end_like_in_child(SIGKILL), SIGKILL);
    assert_int_equal(end_like_in_child(SIGSEGV | 0x80), SIGSEGV); /* and left no core */
    assert_int_equal(end_like_in_child(SIGTERM), SIGTERM);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? chmod(dir, 0755) : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    static const char *const names[] = {"out", "script", "held", "trapped"};
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_is_the_childs),
        cmocka_unit_test(status_survives_an_ignored_sigchld),
        cmocka_unit_test(failures_to_execute_are_told),
        cmocka_unit_test(unknown_user_is_told),
        cmocka_unit_test(child_inherits_three_descriptors),
        cmocka_unit_test(child_starts_with_default_signals),
        cmocka_unit_test(under_sudo_the_child_is_the_caller),
        cmocka_unit_test(a_named_user_or_number_is_taken),
        cmocka_unit_test(an_ordinary_user_becomes_nobody_else),
        cmocka_unit_test(captured_output_comes_in_order),
        cmocka_unit_test(capture_gives_a_session_without_terminal),
        cmocka_unit_test(captured_output_is_forwarded_until_the_end),
        cmocka_unit_test(held_child_waits_for_release),
        cmocka_unit_test(kill_ends_the_stubborn_and_the_stopped),
        cmocka_unit_test(ends_like_the_child),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
