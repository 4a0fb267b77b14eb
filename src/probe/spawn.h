/* Starting a command to watch, and ending as it ended.
 *
 * The child begins with default signal dispositions, an empty signal mask, standard input, output
 * and error, and no other descriptor. With `capture` (a screen owns the terminal) it also gets a
 * session of its own, so that no key typed at the screen reaches it as a signal and no terminal
 * stops it for reading or writing in the background; what of its standard descriptors is a terminal
 * becomes /dev/null (input) or an unlinked file (output), which is copied out when the screen has
 * closed. A command that truncates it, as `>/dev/stderr` does, loses what it wrote before. Without
 * `capture` the child stays in our process group, and ^C reaches it as it would without us.
 *
 * Whom it runs as: the given user; else, when root runs us through sudo, the user who called sudo;
 * else ourselves. Nobody gets ambient or inheritable capabilities from us. */
#ifndef VMSCOPE_PROBE_SPAWN_H
#define VMSCOPE_PROBE_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct spawn_options {
    char *const *argv; /* ended by NULL; argv[0] is looked up in PATH */
    const char *user;  /* name or number; NULL: see above */
    bool capture;
    bool output_to_error; /* the command's standard output is our standard error */
    bool hold; /* the child waits before exec until spawn_release: probes can attach first */
    bool traced; /* our children may trace it: under Yama only ancestors may, unless it says so */
};

/* A plain value; the descriptors are owned, -1 where there is none. */
struct spawn {
    pid_t pid;
    int pidfd;          /* readable once the child has ended */
    int link;           /* to a held child */
    int file[2];        /* captured standard output and error; equal when both were one terminal */
    uint64_t copied[2]; /* bytes of each that were copied out */
    bool reaped;
    int status; /* as wait(2) gives it; valid when reaped */
};

/* 0, or a negative errno with *e set: -ENOENT when the command was not found, -ENOEXEC when it
 * cannot be executed for any other reason, anything else when it was not tried. */
int spawn_start(const struct spawn_options *options, struct spawn *out, struct err *e);

/* Lets a held child exec. Fails as spawn_start does, and then *s is deinitialized. */
int spawn_release(struct spawn *s, const struct spawn_options *options, struct err *e);

/* The exit status for a failed start: 127 not found, 126 cannot be executed, 1 otherwise. */
int spawn_failure_status(int rc);

/* Closes and forgets; the child goes on. */
void spawn_deinit(struct spawn *s);

/* Waits for the end; *status as wait(2) gives it. May be called again. 0 or negative errno. */
int spawn_wait(struct spawn *s, int *status);

/* Copies captured output that has not been copied yet to our standard output and error. 0 or
 * negative errno. */
int spawn_output_flush(struct spawn *s);

/* spawn_wait that copies captured output while it waits. An output that cannot be written any more
 * does not end the wait. 0 or negative errno. */
int spawn_wait_forward(struct spawn *s, int *status);

/* Ends the child: SIGTERM and SIGCONT, SIGKILL if it is still there after a second; reaps it. 0
 * also when it had ended by itself; -EPERM when it became someone whom we may not signal. */
int spawn_kill(struct spawn *s);

/* Ends this process as `status` says: the same exit status, or the same signal without a core. */
_Noreturn void spawn_end_like(int status);

#endif
