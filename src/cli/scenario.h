/* Scenario files, as all commands that take them read them. */
#ifndef VMSCOPE_CLI_SCENARIO_H
#define VMSCOPE_CLI_SCENARIO_H

#include "base/buf.h"
#include "scenario/script.h"

/* Reads and parses a file. 0, or a negative errno, and *message says why in one line, or as
 * script_error_show does; without a line end. */
int scenario_read(const char *file, struct script **out, struct buf *message);

/* The same; prints the message as commands do. EXIT_OK or EXIT_USAGE. */
int scenario_read_or_say(const char *file, struct script **out);

#endif
