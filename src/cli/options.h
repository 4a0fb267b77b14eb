/* The command line, parsed. */
#ifndef VMSCOPE_CLI_OPTIONS_H
#define VMSCOPE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "ui/ui.h"

enum command {
    COMMAND_PICK, /* no command word and no -p */
    COMMAND_RUN,
    COMMAND_STEP,
    COMMAND_ATTACH,
    COMMAND_SNAP,
    COMMAND_FAULTS,
    COMMAND_CHECK,
    COMMAND_PLAY,
    COMMAND_DOCTOR,
    COMMAND_HELP,
    COMMAND_VERSION
};

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV, FORMAT_JSONL, FORMAT_FOLDED,
              FORMAT_SVG, FORMAT_N };

struct options {
    enum command command;
    enum command about;      /* with COMMAND_HELP: the command asked about; COMMAND_PICK: all */
    pid_t pid;               /* 0: none given */
    char **argv;             /* the command to start, or the scenarios, NULL-ended, or NULL */
    const char *user;        /* -u */
    const char *output;      /* -o; NULL: standard output */
    enum format format;
    bool has_format;         /* -f was given */
    double refresh;          /* -d, seconds; 0: not given */
    unsigned long count;     /* -n; 0: no limit */
    unsigned cpu_permille;   /* --cpu-limit */
    const char *engine;      /* --engine; NULL: not given */
    const char *counters;    /* --counters: "" the usual ones; NULL: not given */
    bool no_follow;          /* leave children out */
    bool held;               /* run: the command waits to be let go */
    bool family;             /* the descendants too */
    bool evidence;           /* --evidence: kernel call chains beside predicted paths */
    bool callers;            /* --callers: who called the functions that fault */
    bool disagreements;      /* --disagreements: only faults whose evidence disagrees */
    const char *proc_root;   /* NULL: /proc */
    bool pages, residency, stats, huge, heat;
    unsigned long repeat;    /* check: how often; 0: not given */
    double limit;            /* check: seconds for a scenario */
    const char *junit;       /* check: a file, or NULL */
    bool format_only;        /* check: print the scenarios in their usual form */
    unsigned cols, rows;     /* --screen; 0: none */
    const char *keys;
    struct ui_options ui;
};

/* Exit statuses of vmscope itself (INTERFACES: Exit status). */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* 0, or -EINVAL with *e set: bad usage. Strings point into argv. */
int options_parse(int argc, char **argv, struct options *out, struct err *e);

/* The text of --help: of one command, or with COMMAND_PICK of all. 0 or -ENOMEM. */
struct buf;
int options_help(enum command about, struct buf *out);

#endif
