/* The command line: every option, and one clean sentence for every misuse. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "cli/options.h"

enum { WORDS = 32 };

/* Splits at blanks; a word may hold anything else. */
static int parse(const char *line, struct options *o, struct err *e)
{
    static char text[4096];
    static char *argv[WORDS];
    int argc = 0;
    argv[argc++] = (char *)"vmscope";
    snprintf(text, sizeof text, "%s", line);
    for (char *save, *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    argv[argc] = NULL;
    return options_parse(argc, argv, o, e);
}

static struct options good(const char *line)
{
    struct options o;
    struct err e = {0};
    if (parse(line, &o, &e))
        fail_msg("%s: %s", line, e.text);
    return o;
}

static void test_commands(void **state)
{
    (void)state;
    assert_int_equal(good("").command, COMMAND_PICK);
    assert_int_equal(good("--ascii").command, COMMAND_PICK);
    assert_int_equal(good("-p 7").command, COMMAND_ATTACH);
    assert_int_equal(good("--pid=7").pid, 7);
    assert_int_equal(good("attach 7").pid, 7);
    assert_int_equal(good("attach -p 7").pid, 7);
    assert_int_equal(good("attach 2147483647").pid, 2147483647);
    assert_string_equal(good("attach 7 --engine perf").engine, "perf");
    assert_int_equal(good("doctor").command, COMMAND_DOCTOR);
    assert_int_equal(good("doctor -f json").format, FORMAT_JSON);
    assert_int_equal(good("help").command, COMMAND_HELP);
    assert_int_equal(good("--help").command, COMMAND_HELP);
    assert_int_equal(good("attach --help").command, COMMAND_HELP);
    assert_int_equal(good("--version").command, COMMAND_VERSION);
    assert_int_equal(good("--help").about, COMMAND_PICK);
    assert_int_equal(good("snap --help").about, COMMAND_SNAP);
    assert_int_equal(good("help snap").about, COMMAND_SNAP);
    assert_int_equal(good("help --help").about, COMMAND_PICK);
}

static void test_help_of_a_command_lists_its_options(void **state)
{
    (void)state;
    struct buf all = {0}, snap = {0};
    assert_int_equal(options_help(COMMAND_PICK, &all), 0);
    assert_int_equal(options_help(COMMAND_SNAP, &snap), 0);
    assert_non_null(strstr(all.data, "vmscope faults"));
    assert_non_null(strstr(all.data, "--heat"));
    assert_non_null(strstr(all.data, "--help, --version"));
    assert_non_null(strstr(all.data, " doctor: table or json\n"));
    assert_non_null(strstr(snap.data, " table, json, csv or svg\n"));
    assert_null(strstr(snap.data, "doctor:"));
    assert_non_null(strstr(snap.data, "vmscope snap"));
    assert_non_null(strstr(snap.data, "--pages"));
    assert_null(strstr(snap.data, "vmscope faults"));
    assert_null(strstr(snap.data, "--heat"));
    buf_deinit(&all);
    buf_deinit(&snap);
}

/* Scripts may give these to every command. */
static void test_what_means_the_same_everywhere_is_accepted_everywhere(void **state)
{
    (void)state;
    static const char *const commands[] = {"snap -p 1", "attach 1", "faults -p 1", "doctor",
                                           "run", "step", "check", "play"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char line[256];
        snprintf(line, sizeof line,
                 "%s -o - -f table -d 1 -n 1 --engine auto --no-follow --color never --ascii "
                 "--no-mouse --proc-root /proc%s", commands[i], i < 4 ? "" : " x");
        good(line);
    }
}

/* What belongs to the command that is started stays with it. */
static void test_started_commands_keep_their_options(void **state)
{
    (void)state;
    struct options o = good("run ls -l -p 5");
    assert_int_equal(o.command, COMMAND_RUN);
    assert_int_equal(o.pid, 0);
    assert_string_equal(o.argv[0], "ls");
    assert_string_equal(o.argv[3], "5");
    assert_null(o.argv[4]);
    o = good("run -d 2 -u nobody -- -odd --help");
    assert_string_equal(o.argv[0], "-odd");
    assert_string_equal(o.argv[1], "--help");
    assert_string_equal(o.user, "nobody");
    o = good("snap --pages -- sleep 1");
    assert_int_equal(o.command, COMMAND_SNAP);
    assert_string_equal(o.argv[1], "1");
    assert_true(o.pages);
}

static void test_every_option(void **state)
{
    (void)state;
    struct options o = good("snap -p 1");
    assert_int_equal(o.format, FORMAT_TABLE);
    assert_null(o.output);
    assert_null(o.proc_root);
    assert_int_equal(o.cpu_permille, 20);
    assert_false(o.pages || o.residency || o.stats || o.ui.ascii || o.ui.no_mouse);
    assert_int_equal(o.ui.color, 0);
    o = good("snap -p 1 -o out.json --format csv --pages --residency --stats --proc-root /tmp/p");
    assert_string_equal(o.output, "out.json");
    assert_int_equal(o.format, FORMAT_CSV);
    assert_true(o.pages && o.residency && o.stats);
    assert_string_equal(o.proc_root, "/tmp/p");
    assert_null(good("snap -p 1 -o -").output);
    assert_int_equal(good("snap -p1 -fjson").format, FORMAT_JSON);
    o = good("attach -d 0.25 -n 3 --cpu-limit 7.5 --color never --ascii --no-mouse 9");
    assert_true(o.refresh > 0.2499 && o.refresh < 0.2501);
    assert_int_equal(o.count, 3);
    assert_int_equal(o.cpu_permille, 75);
    assert_true(o.ui.ascii && o.ui.no_mouse);
    assert_int_equal(o.ui.color, 2);
    assert_int_equal(good("attach --color always 9").ui.color, 1);
    o = good("attach --delay=3600 --count=2147483647 --cpu-limit=100 --screen 80x24 --keys jj 9");
    assert_int_equal(o.cols, 80);
    assert_int_equal(o.rows, 24);
    assert_string_equal(o.keys, "jj");
    assert_int_equal(o.cpu_permille, 1000);
    assert_int_equal(good("attach --cpu-limit 0.1 9").cpu_permille, 1);
    assert_int_equal(good("--screen 1x1").cols, 1);
}

static void test_check(void **state)
{
    (void)state;
    struct options o = good("check a.vms");
    assert_int_equal(o.command, COMMAND_CHECK);
    assert_string_equal(o.argv[0], "a.vms");
    assert_null(o.argv[1]);
    assert_int_equal(o.repeat, 0);
    assert_true(o.limit > 59 && o.limit < 61);
    assert_null(o.junit);
    o = good("check a.vms --repeat 3 b.vms --limit 2.5 --junit out.xml");
    assert_string_equal(o.argv[0], "a.vms");
    assert_string_equal(o.argv[1], "b.vms");
    assert_int_equal(o.repeat, 3);
    assert_true(o.limit > 2.4 && o.limit < 2.6);
    assert_string_equal(o.junit, "out.xml");
    assert_false(o.format_only);
    assert_true(good("check --format-only a.vms").format_only);
}

static void test_play(void **state)
{
    (void)state;
    struct options o = good("play");
    assert_int_equal(o.command, COMMAND_PLAY);
    assert_null(o.argv);
    o = good("play a.vms --screen 80x24 --keys nb --engine perf");
    assert_string_equal(o.argv[0], "a.vms");
    assert_int_equal(o.cols, 80);
    assert_string_equal(o.keys, "nb");
    assert_string_equal(o.engine, "perf");
}

/* Each is refused with a sentence that names what was wrong. */
static void test_misuse(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"frobnicate", "frobnicate"}, {"run", "run -- CMD"}, {"run --", "run -- CMD"},
        {"attach", "attach PID"}, {"snap", "-p PID"}, {"attach x", "'x'"}, {"attach 0", "'0'"},
        {"attach -5", "-5"}, {"attach 1 2", "word"}, {"attach 12x", "12x"},
        {"attach 2147483648", "2147483648"}, {"-p 1 2", "'2'"}, {"-p", "-p"}, {"--pid", "--pid"},
        {"-p +1", "+1"}, {"doctor x", "'x'"}, {"doctor -f csv", "table or json"}, {"snap -p 1 x", "'x'"},
        {"snap -p 1 -f xml", "xml"}, {"-f", "-f"}, {"-d 0", "'0'"}, {"-d -1", "-1"},
        {"-d nan", "nan"},
        {"-d inf", "inf"}, {"-d 1x", "1x"}, {"-d 3601", "3601"}, {"-n 0", "'0'"}, {"-n x", "'x'"},
        {"--cpu-limit 0", "'0'"}, {"--cpu-limit 101", "101"}, {"--color red", "red"},
        {"--screen 80", "80"}, {"--screen 0x0", "0x0"}, {"--screen x24", "x24"},
        {"--screen 80x24x", "80x24x"}, {"--screen 1001x10", "1001x10"}, {"--keys j", "--screen"},
        {"snap -p 1 --screen 80x24", "--screen"}, {"doctor --screen 80x24", "--screen"},
        {"--bogus", "--bogus"}, {"-x", "-x"}, {"-xyz", "-x"}, {"attach 1 -x", "-x"},
        {"run -xd 1 -- ls", "-x"}, {"--pages=yes", "--pages"}, {"--s 80x24", "--s"},
        {"snap -p 1 --bogus=\x1b[2J\n", "\\x1b"}, {"\x1b]0;title\a", "\\x1b"},
        {"attach 1 2", "'2'"}, {"play a b", "'b'"}, {"help nothing", "nothing"},
        {"--ascii snap -p 1", "first 'snap'"},
        {"snap -p 1 --heat", "--heat means nothing to snap: it goes with run, attach, faults and "
                             "the process list"},
        {"doctor --pages", "it goes with snap"}, {"--pages", "--pages goes with snap"},
        {"attach --repeat 2 1", "check"}, {"step --evidence ls", "--evidence"},
        {"run --disagreements ls", "faults"}, {"doctor -p 1", "--pid"}, {"run -p 1 ls", "--pid"},
        {"snap -p 1 -n 2", "one picture"}, {"snap -p 1 -f folded", "csv or svg"},
        {"faults -p 1 -f json", "jsonl"}, {"attach -f json 1", "snap"},
        {"check -f json a", "doctor"}, {"snap --family --pages -p 1", "JSON"},
        {"snap --family --huge -f csv -p 1", "JSON"}, {"snap --huge -f csv -p 1", "json"},
        {"run --heat --engine poll ls", "bpf"},
        {"snap --huge --pages -p 1", "JSON"}, {"snap --residency --huge -p 1", "--residency"},
        {"attach \xff\xfe", "\\xff"}, {"check", "check SCENARIO"}, {"check a --repeat 0", "'0'"},
        {"check a --limit 0", "'0'"}, {"play a b", "word"}, {"play --format-only a", "check"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct options o = {.pid = 4242};
        struct err e = {0};
        if (parse(bad[i][0], &o, &e) != -EINVAL)
            fail_msg("%s is not refused", bad[i][0]);
        assert_int_equal(o.pid, 4242); /* untouched */
        assert_int_equal(e.code, -EINVAL);
        for (const char *p = e.text; *p; p++)
            assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
        if (!strstr(e.text, bad[i][1]))
            fail_msg("%s: '%s' does not name %s", bad[i][0], e.text, bad[i][1]);
    }
}

static void test_a_long_word_stays_one_line(void **state)
{
    (void)state;
    char line[3000];
    struct options o;
    struct err e = {0};
    memset(line, '\n', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    assert_int_equal(parse(line, &o, &e), -EINVAL);
    assert_null(strchr(e.text, '\n'));
    assert_true(strlen(e.text) < sizeof e.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_started_commands_keep_their_options),
        cmocka_unit_test(test_every_option),
        cmocka_unit_test(test_help_of_a_command_lists_its_options),
        cmocka_unit_test(test_what_means_the_same_everywhere_is_accepted_everywhere),
        cmocka_unit_test(test_check), cmocka_unit_test(test_play), cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_a_long_word_stays_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
