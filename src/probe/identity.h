/* Whom a command runs as. */
#ifndef VMSCOPE_PROBE_IDENTITY_H
#define VMSCOPE_PROBE_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct identity {
    bool change; /* false: stay who we are; then only env is set */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* owned */
    int group_count;
    char **env; /* owned; the environment, with HOME, USER, LOGNAME and SHELL of that user */
};

/* `user` is a name or number, or NULL for the user who called sudo, if root runs us so. 0; -ENOMEM;
 * -ESRCH for an unknown user; -EPERM if only root could become that user. */
int identity_find(const char *user, struct identity *out, struct err *e);
void identity_deinit(struct identity *id);

/* Becomes that user for good; called between fork and exec, safe there. 0 or negative errno. */
int identity_assume(const struct identity *id);

#endif
