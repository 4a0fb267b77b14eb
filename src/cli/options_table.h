/* Every command and every option, once: what getopt reads, which commands an option belongs to, and
 * the text of --help. */
#ifndef VMSCOPE_CLI_OPTIONS_TABLE_H
#define VMSCOPE_CLI_OPTIONS_TABLE_H

#include <getopt.h>

#include "cli/options.h"

/* What getopt_long returns for the options that have no letter. */
enum {
    OPT_PAGES = 256, OPT_HUGE, OPT_HEAT, OPT_RESIDENCY, OPT_STATS, OPT_CPU_LIMIT, OPT_COLOR,
    OPT_ASCII, OPT_NO_MOUSE, OPT_PROC_ROOT, OPT_SCREEN, OPT_KEYS, OPT_HELP, OPT_VERSION, OPT_ENGINE,
    OPT_NO_FOLLOW, OPT_COUNTERS, OPT_EVIDENCE, OPT_DISAGREEMENTS, OPT_FAMILY, OPT_REPEAT,
    OPT_LIMIT, OPT_JUNIT, OPT_FORMAT_ONLY, OPT_CALLERS
};

enum { OPTIONS_MAX = 40 };

/* The table for getopt_long, with its end. */
void options_long(struct option out[OPTIONS_MAX]);

/* The command of that name; false when there is none. */
bool options_command(const char *word, enum command *out);
/* "snap"; "the process list" for COMMAND_PICK. */
const char *options_command_name(enum command command);

/* 0, or -EINVAL with *e set when the option `opt` means nothing to the command. Those that mean the
 * same everywhere (INTERFACES) are never refused. */
int options_belong(int opt, enum command command, struct err *e);

#endif
