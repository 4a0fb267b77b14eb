/* What a scenario needs of the machine: settings are changed only here, under the machine-wide lock
 * file, and put back by a keeper (keeper.h), which learns each change before it is made. */
#ifndef VMSCOPE_SCENARIO_MACHINE_H
#define VMSCOPE_SCENARIO_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "scenario/script.h"

struct machine;

/* Nothing is changed yet. 0 or a negative errno with *e set. */
int machine_create(struct machine **out, struct err *e);
/* Puts everything back and waits until that is done. NULL is fine. 0, or a negative errno with *e
 * set: something could not be put back. */
int machine_destroy(struct machine *m, struct err *e);

/* Checks one need, and changes the machine as it asks. 0; -ENOTSUP with *e set to the reason when
 * it cannot be had; other negative errno with *e set. */
int machine_need(struct machine *m, const struct need *need, struct err *e);

/* A directory of our own that vanishes with us, owned by uid and gid: on a real file system, on
 * tmpfs, or a mount of hugetlbfs. `base`: where to look first, or NULL. *path is the caller's. */
enum machine_directory { DIRECTORY_REAL, DIRECTORY_TMPFS, DIRECTORY_HUGETLBFS };
int machine_directory(struct machine *m, enum machine_directory kind, const char *base, uid_t uid,
                      gid_t gid, char **path, struct err *e);
/* To be called before a file is made in it; with append_only before that flag is set. */
int machine_will_create(struct machine *m, const char *path, struct err *e);
int machine_will_append_only(struct machine *m, const char *path, struct err *e);

#endif
