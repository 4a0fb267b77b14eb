/* Parsing the command line with getopt_long: a command word, options, operands. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/options_table.h"

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
    static const char *const names[FORMAT_N] = {"table", "json", "csv", "jsonl", "folded",
                                                 "svg"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) {
            o->format = (enum format)i;
            o->has_format = true;
            return 0;
        }
    return usage(e, "unknown format", text, "use table, json, csv, svg, jsonl or folded");
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
    case OPT_CALLERS:
        o->callers = true;
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
        o->about = o->command == COMMAND_HELP ? COMMAND_PICK : o->command;
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

/* What is left behind the options: a command to start, or a process id for attach. */
static int parse_operands(int argc, char **argv, struct options *o, struct err *e)
{
    bool starts = o->command == COMMAND_RUN || o->command == COMMAND_STEP ||
                  ((o->command == COMMAND_SNAP || o->command == COMMAND_FAULTS) && !o->pid);
    bool scenario = o->command == COMMAND_PLAY && optind + 1 == argc;
    enum command command;
    if ((starts || scenario || o->command == COMMAND_CHECK) && optind < argc)
        o->argv = argv + optind;
    else if (o->command == COMMAND_ATTACH && !o->pid && optind + 1 == argc)
        return parse_pid(argv[optind], o, e);
    else if (o->command == COMMAND_PICK && optind < argc && options_command(argv[optind], &command))
        return usage(e, "the command must come first", argv[optind], "options follow it");
    else if (optind < argc)
        return usage(e, "one word too many", argv[argc - 1], "see vmscope --help");
    return 0;
}

static int check_format(const struct options *o, struct err *e)
{
    switch (o->command) {
    case COMMAND_SNAP:
        if (o->format == FORMAT_JSONL || o->format == FORMAT_FOLDED)
            return err_set(e, -EINVAL, "snap has no such format: use table, json, csv or svg");
        return 0;
    case COMMAND_DOCTOR:
        if (o->format != FORMAT_TABLE && o->format != FORMAT_JSON)
            return err_set(e, -EINVAL, "doctor has no such format: use table or json");
        return 0;
    case COMMAND_FAULTS:
    case COMMAND_STEP:
        if (o->format == FORMAT_JSON || o->format == FORMAT_SVG)
            return err_set(e, -EINVAL, "%s has no such format: use table, jsonl, csv or folded",
                           options_command_name(o->command));
        return 0;
    default:
        if (o->format != FORMAT_TABLE)
            return err_set(e, -EINVAL, "only snap, faults, step and doctor have other formats than "
                                       "table");
        return 0;
    }
}

static int check_snap(const struct options *o, struct err *e)
{
    if (o->count > 1)
        return err_set(e, -EINVAL, "snap takes one picture: attach -n %lu prints a line for each "
                                   "sample", o->count);
    if (o->family && o->residency)
        return err_set(e, -EINVAL, "--family needs more than --residency reads");
    if (o->huge && o->residency)
        return err_set(e, -EINVAL, "--huge needs more than --residency reads");
    if (o->family && (o->pages || o->huge) && o->format != FORMAT_JSON)
        return err_set(e, -EINVAL, "--family has %s in JSON only: add -f json",
                       o->pages ? "--pages" : "--huge");
    if (o->huge && o->pages && o->format != FORMAT_JSON)
        return err_set(e, -EINVAL, "--huge goes with --pages in JSON only: add -f json");
    if (o->format == FORMAT_SVG && (o->family || o->pages || o->huge))
        return err_set(e, -EINVAL, "%s is not drawn: use -f table, json or csv",
                       o->family ? "--family" : o->pages ? "--pages" : "--huge");
    if (o->huge && o->format == FORMAT_CSV)
        return err_set(e, -EINVAL, "--huge has no CSV: use -f table or json");
    return 0;
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
    if (check_format(o, e) || (o->command == COMMAND_SNAP && check_snap(o, e)))
        return e->code;
    if (o->user && !o->argv)
        return err_set(e, -EINVAL, "-u goes with a command to start");
    if (o->heat && o->engine && strcmp(o->engine, "auto") && strcmp(o->engine, "bpf"))
        return err_set(e, -EINVAL, "--heat needs the bpf engine: leave out --engine %s", o->engine);
    if (o->keys && !o->cols)
        return err_set(e, -EINVAL, "--keys needs --screen COLSxROWS");
    return 0;
}

/* So that CMD keeps its own. */
static bool options_end_at_operands(enum command command)
{
    return command == COMMAND_RUN || command == COMMAND_STEP || command == COMMAND_SNAP ||
           command == COMMAND_FAULTS;
}

int options_parse(int argc, char **argv, struct options *out, struct err *e)
{
    struct options o = {.command = COMMAND_PICK, .about = COMMAND_PICK, .cpu_permille = 20,
                        .limit = 60};
    if (argc > 1 && argv[1][0] != '-') {
        if (!options_command(argv[1], &o.command))
            return usage(e, "unknown command", argv[1], "see vmscope --help");
        argv++;
        argc--;
    }
    struct option long_options[OPTIONS_MAX];
    options_long(long_options);
    opterr = 0;
    optind = 0; /* glibc: begin anew, also within a word */
    int opt, rc = 0;
    const char *letters = options_end_at_operands(o.command) ? "+:p:u:o:f:d:n:" : ":p:u:o:f:d:n:";
    while (!rc && (opt = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        const char *word = optind > 1 ? argv[optind - 1] : argv[0];
        const char letter[] = {'-', (char)optopt, '\0'};
        if (opt == '?') /* a letter may stand amid others; a long option leaves none */
            return usage(e, "unknown option", optopt > 0 && optopt < OPT_PAGES ? letter : word,
                         "see vmscope --help");
        if (opt == ':')
            return usage(e, "a value is missing after", word, "see vmscope --help");
        rc = options_belong(opt, o.command, e);
        if (!rc)
            rc = parse_option(opt, optarg, &o, e);
    }
    if (!rc && o.command == COMMAND_HELP && o.about == COMMAND_PICK && optind < argc &&
        !options_command(argv[optind], &o.about))
        rc = usage(e, "unknown command", argv[optind], "see vmscope --help");
    if (o.about == COMMAND_HELP)
        o.about = COMMAND_PICK;
    if (!rc && o.command != COMMAND_HELP && o.command != COMMAND_VERSION)
        rc = parse_operands(argc, argv, &o, e);
    if (!rc)
        rc = check(&o, e);
    if (!rc)
        *out = o;
    return rc;
}
