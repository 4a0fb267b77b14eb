/* The commands and the options, and the text of --help made of them. */
#include "cli/options_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define OF(command) (1u << COMMAND_##command)

enum {
    TARGET = OF(PICK) | OF(ATTACH) | OF(SNAP) | OF(FAULTS),
    START = OF(RUN) | OF(STEP) | OF(SNAP) | OF(FAULTS),
    WATCH = OF(PICK) | OF(ATTACH) | OF(RUN),
    SCREEN = WATCH | OF(STEP) | OF(PLAY),
    SCENARIO = OF(CHECK) | OF(PLAY),
    PRINT = OF(SNAP) | OF(FAULTS) | OF(STEP) | OF(DOCTOR),
    ALL = SCREEN | PRINT | SCENARIO,
};

static const struct {
    enum command command;
    const char *name, *operands, *does;
} commands[] = {
    {COMMAND_PICK, "", "[options]", "choose a process from a list"},
    {COMMAND_RUN, "run", "[options] [--] CMD [ARG...]", "start CMD and watch it"},
    {COMMAND_ATTACH, "attach", "[options] PID", "watch a running process (also: -p PID)"},
    {COMMAND_SNAP, "snap", "[options] (-p PID | -- CMD)", "print one picture"},
    {COMMAND_FAULTS, "faults", "[options] (-p PID | -- CMD)", "follow page faults and mm calls"},
    {COMMAND_STEP, "step", "[options] [--] CMD [ARG...]", "stop CMD at every fault and mm call"},
    {COMMAND_CHECK, "check", "[options] SCENARIO...", "run scenarios, and say what held"},
    {COMMAND_PLAY, "play", "[options] [SCENARIO]", "step through a scenario, or choose one"},
    {COMMAND_DOCTOR, "doctor", "[options]", "what can be seen here, and why not"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static const struct row {
    const char *name;
    int has_arg, opt;
    bool anywhere;     /* accepted by every command, also where it changes nothing */
    unsigned commands; /* where it changes something: what their --help lists */
    const char *head;  /* as in --help */
    const char *text;  /* lines, each but the last with its newline; what one begins with "snap: "
                          or "faults, step: " the --help of these says, without that */
} rows[] = {
    {"pid", required_argument, 'p', false, TARGET, "-p, --pid PID", "the process"},
    {"user", required_argument, 'u', true, START, "-u, --user USER",
     "run CMD as this user (default: who called sudo, or yourself)"},
    {"output", required_argument, 'o', true, ALL, "-o, --output FILE",
     "write there instead of standard output (-)"},
    {"format", required_argument, 'f', true, PRINT, "-f, --format FORMAT",
     "snap: table, json, csv or svg\n"
     "doctor: table or json\n"
     "faults, step: table, jsonl, csv or folded"},
    {"engine", required_argument, OPT_ENGINE, true, WATCH | OF(FAULTS) | SCENARIO,
     "--engine ENGINE",
     "how to follow faults: auto, bpf, perf or poll\n"
     "run, attach: without this none are followed"},
    {"no-follow", no_argument, OPT_NO_FOLLOW, true, WATCH | OF(FAULTS) | OF(STEP), "--no-follow",
     "leave children out"},
    {"counters", optional_argument, OPT_COUNTERS, false, WATCH | OF(FAULTS), "--counters[=LIST]",
     "count TLB misses and page walks, or events of libpfm4 by name,\n"
     "and what the scheduler did"},
    {"heat", no_argument, OPT_HEAT, false, WATCH | OF(FAULTS), "--heat",
     "count faults by page instead of reporting each (bpf engine)"},
    {"evidence", no_argument, OPT_EVIDENCE, false, WATCH | OF(FAULTS), "--evidence",
     "the kernel's own call chains beside the predicted paths (as root)"},
    {"callers", no_argument, OPT_CALLERS, false, WATCH | OF(FAULTS), "--callers",
     "who called the function that faulted, by frame pointers: code\n"
     "built without them cuts the chain short or leaves callers out"},
    {"disagreements", no_argument, OPT_DISAGREEMENTS, false, OF(FAULTS), "--disagreements",
     "faults: the same, but print only those that went another way"},
    {"delay", required_argument, 'd', true, WATCH | OF(SNAP), "-d, --delay SECONDS",
     "run, attach: refresh interval (default 0.5)\n"
     "snap: when to take the picture of CMD"},
    {"count", required_argument, 'n', true, WATCH | OF(FAULTS) | OF(STEP), "-n, --count COUNT",
     "run, attach: this many samples, then exit\n"
     "faults, step: this many faults, then exit"},
    {"family", no_argument, OPT_FAMILY, false, WATCH | OF(SNAP), "--family",
     "the process and all its descendants, and what they share"},
    {"pages", no_argument, OPT_PAGES, false, OF(SNAP), "--pages",
     "snap: every run of equal pages too"},
    {"huge", no_argument, OPT_HUGE, false, OF(SNAP), "--huge",
     "snap: huge pages: where, of which size, and why not"},
    {"residency", no_argument, OPT_RESIDENCY, false, OF(SNAP), "--residency",
     "snap: only what is present, the cheapest picture"},
    {"repeat", required_argument, OPT_REPEAT, false, OF(CHECK), "--repeat N", "check: run each N times"},
    {"limit", required_argument, OPT_LIMIT, false, OF(CHECK), "--limit SECONDS",
     "check: how long a scenario may take (default 60)"},
    {"format-only", no_argument, OPT_FORMAT_ONLY, false, OF(CHECK), "--format-only",
     "check: print the scenarios in their usual form"},
    {"junit", required_argument, OPT_JUNIT, false, OF(CHECK), "--junit FILE",
     "check: the results as JUnit XML too"},
    {"stats", no_argument, OPT_STATS, false, OF(SNAP), "--stats",
     "snap: what the picture cost, on standard error"},
    {"cpu-limit", required_argument, OPT_CPU_LIMIT, false, WATCH | OF(STEP), "--cpu-limit PCT",
     "share of one core for watching live (default 2)"},
    {"color", required_argument, OPT_COLOR, true, SCREEN, "--color WHEN",
     "auto, always or never (also NO_COLOR)"},
    {"ascii", no_argument, OPT_ASCII, true, SCREEN, "--ascii", "letters instead of blocks"},
    {"no-mouse", no_argument, OPT_NO_MOUSE, true, SCREEN, "--no-mouse",
     "leave the mouse to the terminal"},
    {"proc-root", required_argument, OPT_PROC_ROOT, true, TARGET | OF(DOCTOR), "--proc-root DIR",
     "read a captured tree instead of /proc"},
    {"screen", required_argument, OPT_SCREEN, false, SCREEN, "--screen COLSxROWS",
     "with --keys KEYS: no terminal; print the last frame"},
    {"keys", required_argument, OPT_KEYS, false, SCREEN, "--keys KEYS",
     "such as 'jj<Enter>/libc<Enter><Wait>'"},
    {"help", no_argument, OPT_HELP, true, ALL, "--help, --version", ""},
    {"version", no_argument, OPT_VERSION, true, 0, NULL, NULL},
};
#define ROWS (sizeof rows / sizeof *rows)
_Static_assert(ROWS < OPTIONS_MAX, "with the end");

void options_long(struct option out[OPTIONS_MAX])
{
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = (struct option){rows[i].name, rows[i].has_arg, NULL, rows[i].opt};
    out[ROWS] = (struct option){0};
}

bool options_command(const char *word, enum command *out)
{
    if (!strcmp(word, "help")) {
        *out = COMMAND_HELP;
        return true;
    }
    for (unsigned i = 1; i < COMMANDS; i++)
        if (!strcmp(word, commands[i].name)) {
            *out = commands[i].command;
            return true;
        }
    return false;
}

const char *options_command_name(enum command command)
{
    for (unsigned i = 1; i < COMMANDS; i++)
        if (commands[i].command == command)
            return commands[i].name;
    return "the process list";
}

/* "snap, run and attach" */
static void put_commands(struct buf *b, unsigned set)
{
    bool first = true;
    for (unsigned i = 1; i <= COMMANDS; i++) { /* the process list, which has no name, last */
        unsigned bit = 1u << commands[i % COMMANDS].command;
        if (!(set & bit))
            continue;
        set &= ~bit;
        buf_puts(b, first ? "" : set ? ", " : " and ");
        buf_puts(b, options_command_name(commands[i % COMMANDS].command));
        first = false;
    }
}

int options_belong(int opt, enum command command, struct err *e)
{
    for (unsigned i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        if (r->opt != opt || r->anywhere || command == COMMAND_HELP || r->commands >> command & 1)
            continue;
        struct buf set = {0};
        put_commands(&set, r->commands);
        const char *names = set.error ? "other commands" : set.data;
        if (command == COMMAND_PICK)
            err_set(e, -EINVAL, "--%s goes with %s", r->name, names);
        else
            err_set(e, -EINVAL, "--%s means nothing to %s: it goes with %s", r->name,
                    options_command_name(command), names);
        buf_deinit(&set);
        return -EINVAL;
    }
    return 0;
}

/* --- the text of --help --- */

enum { TEXT_COLUMN = 25 };

/* What a line says in the --help of one command: NULL if it is about others. */
static const char *line_about(const char *line, enum command about)
{
    bool meant = false;
    const char *at = line;
    for (;;) {
        char word[16];
        enum command command;
        size_t n = strcspn(at, " ,:\n");
        if (n >= sizeof word || (at[n] != ',' && at[n] != ':'))
            return line;
        memcpy(word, at, n);
        word[n] = '\0';
        if (!options_command(word, &command))
            return line;
        meant |= command == about;
        at += n + 2; /* what stands between words has a blank */
        if (at[-2] == ':')
            break;
    }
    return about == COMMAND_PICK ? line : meant ? at : NULL;
}

static void put_option(struct buf *b, const struct row *r, enum command about)
{
    bool lettered = r->head[1] != '-';
    int width = TEXT_COLUMN - (lettered ? 2 : 6);
    buf_printf(b, "%s%-*s", lettered ? "  " : "      ", *r->text ? width : 0, r->head);
    if ((int)strlen(r->head) >= width)
        buf_putc(b, ' ');
    bool first = true;
    for (const char *line = r->text, *end; *line; line = end + !!*end) {
        const char *says = line_about(line, about);
        end = line + strcspn(line, "\n");
        if (!says)
            continue;
        if (!first)
            buf_printf(b, "\n%*s", TEXT_COLUMN, "");
        buf_append(b, says, (size_t)(end - says));
        first = false;
    }
    buf_putc(b, '\n');
}

static void put_usage(struct buf *b, enum command about)
{
    const char *lead = "usage:";
    for (unsigned i = 0; i < COMMANDS; i++) {
        if (about != COMMAND_PICK && about != commands[i].command)
            continue;
        int n =
            (int)(strlen(commands[i].name) + !!*commands[i].name + strlen(commands[i].operands));
        buf_printf(b, "%-6s vmscope %s%s%s%*s %s\n", lead, commands[i].name,
                   *commands[i].name ? " " : "", commands[i].operands, n < 34 ? 34 - n : 0, "",
                   commands[i].does);
        lead = "";
    }
}

int options_help(enum command about, struct buf *out)
{
    put_usage(out, about);
    buf_putc(out, '\n');
    for (unsigned i = 0; i < ROWS; i++)
        if (rows[i].head && (about == COMMAND_PICK || rows[i].commands >> about & 1))
            put_option(out, &rows[i], about);
    buf_puts(out, about == COMMAND_PICK
                      ? "\nvmscope COMMAND --help lists the options of one command.\n"
                        "Watching changes nothing in the target and never stops it; step does. See "
                        "vmscope(1).\n"
                      : "\nSee vmscope(1).\n");
    return out->error;
}
