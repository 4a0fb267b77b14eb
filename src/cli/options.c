/* Parsing the command line with getopt_long: a command word, options, operands. */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const char options_help[] =
    "usage: vmscope [options]                        choose a process from a list\n"
    "       vmscope run [options] [--] CMD [ARG...]  start CMD and watch it\n"
    "       vmscope attach [options] PID             watch a running process (also: -p PID)\n"
    "       vmscope snap [options] (-p PID | -- CMD) print one picture\n"
    "       vmscope faults [options] (-p PID | [--] CMD) follow page faults and mm calls\n"
    "       vmscope step [options] [--] CMD [ARG...] stop CMD at every fault and mm call\n"
    "       vmscope check [options] SCENARIO...      run scenarios, and say what held\n"
    "       vmscope play [options] [SCENARIO]        step through a scenario, or choose one\n"
    "       vmscope doctor [options]                 what can be seen here, and why not\n"
    "\n"
    "  -p, --pid PID          the process\n"
    "  -u, --user USER        run CMD as this user (default: who called sudo, or yourself)\n"
    "  -o, --output FILE      write there instead of standard output (-)\n"
    "  -f, --format FORMAT    snap: table, json or csv; doctor: table or json;\n"
    "                         faults: table, jsonl, csv or folded\n"
    "      --engine ENGINE    how to follow faults: auto, bpf, perf or poll (on a screen:\n"
    "                         follow them at all)\n"
    "      --no-follow        leave children out\n"
    "      --counters[=LIST]  count TLB misses and page walks, or events of libpfm4 by name,\n"
    "                         and what the scheduler did\n"
    "      --heat             count faults by page instead of reporting each (bpf engine)\n"
    "      --evidence         the kernel's own call chains beside the predicted paths (as root)\n"
    "      --disagreements    faults: only those where it shows another path\n"
    "  -d, --delay SECONDS    refresh interval (default 0.5); snap -- CMD: when to take the picture\n"
    "  -n, --count COUNT      this many samples, then exit\n"
    "      --family           the process and all its descendants, and what they share\n"
    "      --pages            snap: every run of equal pages too\n"
    "      --huge             snap: huge pages: where, of which size, and why not\n"
    "      --residency        snap: only what is present, the cheapest picture\n"
    "      --repeat N         check: N times\n"
    "      --limit SECONDS    check: for a scenario (default 60)\n"
    "      --format-only      check: print the scenarios in their usual form\n"
    "      --junit FILE       check: what came of it as JUnit XML too\n"
    "      --stats            snap: what the picture cost, on standard error\n"
    "      --cpu-limit PCT    share of one core for watching live (default 2)\n"
    "      --color WHEN       auto, always or never (also NO_COLOR)\n"
    "      --ascii            letters instead of blocks\n"
    "      --no-mouse         leave the mouse to the terminal\n"
    "      --proc-root DIR    read a captured tree instead of /proc\n"
    "      --screen COLSxROWS with --keys KEYS: no terminal; print the last frame\n"
    "      --keys KEYS        such as 'jj<Enter>/libc<Enter><Wait>'\n"
    "      --help, --version\n"
    "\n"
    "Watching changes nothing in the target and never stops it; step does. See vmscope(1).\n";

enum {
    OPT_PAGES = 256, OPT_HUGE, OPT_HEAT, OPT_RESIDENCY, OPT_STATS, OPT_CPU_LIMIT, OPT_COLOR, OPT_ASCII,
    OPT_NO_MOUSE, OPT_PROC_ROOT, OPT_SCREEN, OPT_KEYS, OPT_HELP, OPT_VERSION, OPT_ENGINE,
    OPT_NO_FOLLOW, OPT_COUNTERS, OPT_EVIDENCE, OPT_DISAGREEMENTS, OPT_FAMILY, OPT_REPEAT,
    OPT_LIMIT, OPT_JUNIT, OPT_FORMAT_ONLY
};

static const struct option long_options[] = {
    {"pid", required_argument, NULL, 'p'},
    {"user", required_argument, NULL, 'u'},
    {"output", required_argument, NULL, 'o'},
    {"format", required_argument, NULL, 'f'},
    {"delay", required_argument, NULL, 'd'},
    {"count", required_argument, NULL, 'n'},
    {"pages", no_argument, NULL, OPT_PAGES},
    {"family", no_argument, NULL, OPT_FAMILY},
    {"heat", no_argument, NULL, OPT_HEAT},
    {"huge", no_argument, NULL, OPT_HUGE},
    {"residency", no_argument, NULL, OPT_RESIDENCY},
    {"stats", no_argument, NULL, OPT_STATS},
    {"cpu-limit", required_argument, NULL, OPT_CPU_LIMIT},
    {"color", required_argument, NULL, OPT_COLOR},
    {"ascii", no_argument, NULL, OPT_ASCII},
    {"no-mouse", no_argument, NULL, OPT_NO_MOUSE},
    {"proc-root", required_argument, NULL, OPT_PROC_ROOT},
    {"screen", required_argument, NULL, OPT_SCREEN},
    {"keys", required_argument, NULL, OPT_KEYS},
    {"engine", required_argument, NULL, OPT_ENGINE},
    {"no-follow", no_argument, NULL, OPT_NO_FOLLOW},
    {"counters", optional_argument, NULL, OPT_COUNTERS},
    {"repeat", required_argument, NULL, OPT_REPEAT},
    {"limit", required_argument, NULL, OPT_LIMIT},
    {"junit", required_argument, NULL, OPT_JUNIT},
    {"format-only", no_argument, NULL, OPT_FORMAT_ONLY},
    {"evidence", no_argument, NULL, OPT_EVIDENCE},
    {"disagreements", no_argument, NULL, OPT_DISAGREEMENTS},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static int usage(struct err *e, const char *what, const char *given, const char *remedy)
{
    char safe[128];
    text_escape(safe, sizeof safe, given, strlen(given));
    return err_set(e, -EINVAL, "%s '%s': %s", what, safe, remedy);
}

static int parse_number(const char *text, uint64_t max, uint64_t *out)
{
    const char *p = text, *end = text + strlen(text);
    uint64_t v;
    if (!text_dec(&p, end, &v) || p != end || !v || v > max)
        return -EINVAL;
    *out = v;
    return 0;
}

static int parse_pid(const char *text, struct options *o, struct err *e)
{
    uint64_t v;
    if (parse_number(text, INT32_MAX, &v))
        return usage(e, "not a process id", text, "a positive number is needed; see ps -e");
    o->pid = (pid_t)v;
    return 0;
}

static int parse_seconds(const char *text, double least, double most, double *out)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= least && v <= most))
        return -EINVAL;
    *out = v;
    return 0;
}

static int parse_format(const char *text, struct options *o, struct err *e)
{
    static const char *const names[FORMAT_N] = {"table", "json", "csv", "jsonl", "folded"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) {
            o->format = (enum format)i;
            o->has_format = true;
            return 0;
        }
    return usage(e, "unknown format", text, "use table, json, csv, jsonl or folded");
}

static int parse_color(const char *text, struct options *o, struct err *e)
{
    static const char *const names[] = {"auto", "always", "never"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) {
            o->ui.color = (enum ui_color)i;
            return 0;
        }
    return usage(e, "unknown colour setting", text, "use auto, always or never");
}

static int parse_engine(const char *text, struct options *o, struct err *e)
{
    static const char *const names[] = {"auto", "bpf", "perf", "poll"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) {
            o->engine = names[i];
            return 0;
        }
    return usage(e, "unknown engine", text, "use auto, bpf, perf or poll");
}

static int parse_screen(const char *text, struct options *o, struct err *e)
{
    const char *p = text, *end = text + strlen(text);
    uint64_t cols, rows;
    if (!text_dec(&p, end, &cols) || p == end || *p++ != 'x' || !text_dec(&p, end, &rows) ||
        p != end || !cols || !rows || cols > 1000 || rows > 1000)
        return usage(e, "not a screen size", text, "use COLSxROWS, such as 80x24");
    o->cols = (unsigned)cols;
    o->rows = (unsigned)rows;
    return 0;
}

static int parse_flag(int opt, struct options *o)
{
    switch (opt) {
    case OPT_PAGES:
        o->pages = true;
        return 0;
    case OPT_FAMILY:
        o->family = o->ui.family = true;
        return 0;
    case OPT_HEAT:
        o->heat = true;
        return 0;
    case OPT_HUGE:
        o->huge = true;
        return 0;
    case OPT_RESIDENCY:
        o->residency = true;
        return 0;
    case OPT_STATS:
        o->stats = true;
        return 0;
    case OPT_NO_FOLLOW:
        o->no_follow = true;
        return 0;
    case OPT_EVIDENCE:
        o->evidence = true;
        return 0;
    case OPT_FORMAT_ONLY:
        o->format_only = true;
        return 0;
    case OPT_DISAGREEMENTS:
        o->evidence = o->disagreements = true;
        return 0;
    case OPT_ASCII:
        o->ui.ascii = true;
        return 0;
    case OPT_NO_MOUSE:
        o->ui.no_mouse = true;
        return 0;
    case OPT_HELP:
        o->command = COMMAND_HELP;
        return 0;
    case OPT_VERSION:
        o->command = COMMAND_VERSION;
        return 0;
    default:
        return -EINVAL;
    }
}

static int parse_numbers(int opt, const char *arg, struct options *o, struct err *e)
{
    uint64_t v;
    double percent;
    switch (opt) {
    case 'd':
        if (parse_seconds(arg, 0.01, 3600, &o->refresh))
            return usage(e, "bad interval", arg, "use seconds from 0.01 to 3600");
        return 0;
    case 'n':
        if (parse_number(arg, INT32_MAX, &v))
            return usage(e, "bad count", arg, "a positive number is needed");
        o->count = (unsigned long)v;
        return 0;
    case OPT_REPEAT:
        if (parse_number(arg, 100000, &v))
            return usage(e, "bad count", arg, "use a number from 1 to 100000");
        o->repeat = (unsigned long)v;
        return 0;
    case OPT_LIMIT:
        if (parse_seconds(arg, 0.1, 86400, &o->limit))
            return usage(e, "bad limit", arg, "use seconds from 0.1 to 86400");
        return 0;
    default:
        if (parse_seconds(arg, 0.1, 100, &percent))
            return usage(e, "bad CPU limit", arg, "use a percentage from 0.1 to 100");
        o->cpu_permille = (unsigned)(percent * 10);
        return 0;
    }
}

static int parse_option(int opt, const char *arg, struct options *o, struct err *e)
{
    switch (opt) {
    case 'p':
        return parse_pid(arg, o, e);
    case 'u':
        o->user = arg;
        return 0;
    case 'o':
        o->output = strcmp(arg, "-") ? arg : NULL;
        return 0;
    case 'f':
        return parse_format(arg, o, e);
    case 'd':
    case 'n':
    case OPT_CPU_LIMIT:
    case OPT_REPEAT:
    case OPT_LIMIT:
        return parse_numbers(opt, arg, o, e);
    case OPT_COLOR:
        return parse_color(arg, o, e);
    case OPT_COUNTERS:
        o->counters = arg ? arg : "";
        return 0;
    case OPT_ENGINE:
        return parse_engine(arg, o, e);
    case OPT_PROC_ROOT:
        o->proc_root = arg;
        return 0;
    case OPT_SCREEN:
        return parse_screen(arg, o, e);
    case OPT_KEYS:
        o->keys = arg;
        return 0;
    case OPT_JUNIT:
        o->junit = arg;
        return 0;
    default:
        return parse_flag(opt, o);
    }
}

static bool parse_command(const char *word, enum command *out)
{
    static const struct {
        const char *name;
        enum command command;
    } commands[] = {
        {"run", COMMAND_RUN},   {"attach", COMMAND_ATTACH}, {"snap", COMMAND_SNAP},
        {"doctor", COMMAND_DOCTOR}, {"help", COMMAND_HELP}, {"faults", COMMAND_FAULTS},
        {"check", COMMAND_CHECK}, {"play", COMMAND_PLAY}, {"step", COMMAND_STEP},
    };
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(word, commands[i].name)) {
            *out = commands[i].command;
            return true;
        }
    return false;
}

/* What is left behind the options: a command to start, or a process id for attach. */
static int parse_operands(int argc, char **argv, struct options *o, struct err *e)
{
    bool starts = o->command == COMMAND_RUN || o->command == COMMAND_STEP ||
                  ((o->command == COMMAND_SNAP || o->command == COMMAND_FAULTS) && !o->pid);
    bool scenario = o->command == COMMAND_PLAY && optind + 1 == argc;
    if ((starts || scenario || o->command == COMMAND_CHECK) && optind < argc)
        o->argv = argv + optind;
    else if (o->command == COMMAND_ATTACH && !o->pid && optind + 1 == argc)
        return parse_pid(argv[optind], o, e);
    else if (optind < argc)
        return usage(e, "one word too many", argv[optind], "see vmscope --help");
    return 0;
}

static bool has_format(const struct options *o)
{
    bool faults = o->command == COMMAND_FAULTS || o->command == COMMAND_STEP;
    switch (o->format) {
    case FORMAT_JSON:
        return !faults;
    case FORMAT_CSV:
        return o->command != COMMAND_DOCTOR;
    case FORMAT_JSONL:
    case FORMAT_FOLDED:
        return faults;
    default:
        return true;
    }
}

static int check(struct options *o, struct err *e)
{
    if (o->command == COMMAND_PICK && o->pid)
        o->command = COMMAND_ATTACH;
    if (o->command == COMMAND_ATTACH && !o->pid)
        return err_set(e, -EINVAL, "attach needs a process id: vmscope attach PID");
    if (o->command == COMMAND_STEP && (!o->argv || o->pid))
        return err_set(e, -EINVAL, "step needs a command: vmscope step -- CMD [ARG...]");
    if (o->command == COMMAND_RUN && !o->argv)
        return err_set(e, -EINVAL, "run needs a command: vmscope run -- CMD [ARG...]");
    if (o->command == COMMAND_SNAP && !o->argv && !o->pid)
        return err_set(e, -EINVAL, "snap needs a target: vmscope snap -p PID, or vmscope snap -- "
                                   "CMD [ARG...]");
    if (o->command == COMMAND_FAULTS && !o->argv && !o->pid)
        return err_set(e, -EINVAL, "faults needs a target: vmscope faults -p PID, or vmscope faults "
                                   "-- CMD [ARG...]");
    if (o->command == COMMAND_CHECK && !o->argv)
        return err_set(e, -EINVAL, "check needs a scenario: vmscope check SCENARIO...");
    if (!has_format(o))
        return err_set(e, -EINVAL, "this command has no such format: snap has table, json and csv; "
                                   "doctor table and json; faults table, jsonl, csv and folded");
    if (o->family && (o->command == COMMAND_FAULTS || o->command == COMMAND_DOCTOR))
        return err_set(e, -EINVAL, "--family goes with snap, run, attach and the process list");
    if (o->family && o->residency)
        return err_set(e, -EINVAL, "--family needs more than --residency reads");
    if (o->user && !o->argv)
        return err_set(e, -EINVAL, "-u goes with a command to start");
    if (o->keys && !o->cols)
        return err_set(e, -EINVAL, "--keys needs --screen COLSxROWS");
    if (o->cols && o->command != COMMAND_RUN && o->command != COMMAND_ATTACH &&
        o->command != COMMAND_STEP && o->command != COMMAND_PICK && o->command != COMMAND_PLAY)
        return err_set(e, -EINVAL,
                       "--screen goes with run, attach, step, play and the process list");
    if (o->counters && o->command != COMMAND_FAULTS && o->command != COMMAND_RUN &&
        o->command != COMMAND_ATTACH && o->command != COMMAND_PICK)
        return err_set(e, -EINVAL, "--counters goes with faults, run, attach and the process list");
    if (o->format_only && o->command != COMMAND_CHECK)
        return err_set(e, -EINVAL, "--format-only goes with check");
    return 0;
}

int options_parse(int argc, char **argv, struct options *out, struct err *e)
{
    struct options o = {.command = COMMAND_PICK, .cpu_permille = 20, .limit = 60};
    if (argc > 1 && argv[1][0] != '-') {
        if (!parse_command(argv[1], &o.command))
            return usage(e, "unknown command", argv[1], "see vmscope --help");
        argv++;
        argc--;
    }
    opterr = 0;
    optind = 0; /* glibc: begin anew, also within a word */
    int opt, rc = 0;
    /* '+': options end at the first operand, so that CMD keeps its own. */
    const char *letters = o.command == COMMAND_CHECK || o.command == COMMAND_PLAY
                              ? ":p:u:o:f:d:n:"
                              : "+:p:u:o:f:d:n:";
    while (!rc && (opt = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        const char *word = optind > 1 ? argv[optind - 1] : argv[0];
        const char letter[] = {'-', (char)optopt, '\0'};
        if (opt == '?') /* a letter may stand amid others; a long option leaves none */
            return usage(e, "unknown option", optopt > 0 && optopt < OPT_PAGES ? letter : word,
                         "see vmscope --help");
        if (opt == ':')
            return usage(e, "a value is missing after", word, "see vmscope --help");
        rc = parse_option(opt, optarg, &o, e);
    }
    if (!rc && o.command != COMMAND_HELP && o.command != COMMAND_VERSION)
        rc = parse_operands(argc, argv, &o, e);
    if (!rc)
        rc = check(&o, e);
    if (!rc)
        *out = o;
    return rc;
}
