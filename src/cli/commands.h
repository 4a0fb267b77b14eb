/* The commands. Each returns the exit status of vmscope, or does not return when it ends as the
 * command that it started did. */
#ifndef VMSCOPE_CLI_COMMANDS_H
#define VMSCOPE_CLI_COMMANDS_H

#include "base/buf.h"
#include "cli/options.h"

/* attach, and the process list. A signal that ends the screen is stored in *signal when that is not
 * NULL, else this process dies of it. */
int command_watch(const struct options *o, int *signal);
int command_run(const struct options *o);
int command_step(const struct options *o);
/* The screen is closed: what the command wrote is shown, its end awaited and taken over; headless
 * it is ended, and `mine` returned. */
struct spawn;
int command_end_with(const struct options *o, struct spawn *child, bool screen, int mine,
                     int ended_by);
int command_snap(const struct options *o);
int command_faults(const struct options *o);
int command_check(const struct options *o);
int command_play(const struct options *o);
int command_format(const struct options *o); /* check --format-only */
int command_doctor(const struct options *o);
int command_help(const struct options *o);
int command_version(const struct options *o);

/* Prints "vmscope: sentence" on standard error and returns the status given. */
int command_fail(const struct err *e, int status);

/* Opens -o FILE (the caller closes it), or *fd is standard output. 0, or negative errno with *e. */
int command_open_output(const struct options *o, int *fd, struct err *e);
/* "cannot write to FILE: why" in *e; returns rc. */
int command_not_written(const struct options *o, int rc, struct err *e);
/* Writes to -o FILE or standard output. 0 or EXIT_FAILED, after saying why. */
int command_output(const struct options *o, const struct buf *out);

#endif
