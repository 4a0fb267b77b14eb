/* What a scenario needs of the machine: settings are changed only here, under the machine-wide lock
 * file, and put back by a keeper (keeper.h), which learns each change before it is made. */
#ifndef VMSCOPE_SCENARIO_SETUP_H
#define VMSCOPE_SCENARIO_SETUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "scenario/script.h"

struct setup;

/* Nothing is changed yet. When `stop_fd` is readable nothing is waited for any more; -1: there
 * is none. 0 or a negative errno with *e set. */
int setup_create(int stop_fd, struct setup **out, struct err *e);
/* Puts everything back and waits until that is done. NULL is fine. 0, or a negative errno with *e
 * set: something could not be put back. */
int setup_destroy(struct setup *m, struct err *e);

/* Checks one need, and changes the machine as it asks. 0; -ENOTSUP with *e set to the reason when
 * it cannot be had; other negative errno with *e set. */
int setup_need(struct setup *m, const struct need *need, struct err *e);

/* Ends the swap that setup_need began: what is in it comes back. 0, or a negative errno with *e set;
 * -ENOTSUP: the machine had swap of its own, which is left alone. */
int setup_swapoff(struct setup *m, struct err *e);

/* A directory of our own that vanishes with us, owned by uid and gid: on a real file system, on
 * tmpfs, or a mount of hugetlbfs. `base`: where to look first, or NULL. *path is the caller's. */
enum setup_directory { DIRECTORY_REAL, DIRECTORY_TMPFS, DIRECTORY_HUGETLBFS };
int setup_directory(struct setup *m, enum setup_directory kind, const char *base, uid_t uid,
                    gid_t gid, char **path, struct err *e);
/* To be called before a file is made in it; with append_only before that flag is set. 0, or a
 * negative errno with *e set: do not make it. */
int setup_will_create(struct setup *m, const char *path, struct err *e);
int setup_will_append_only(struct setup *m, const char *path, struct err *e);

#endif
