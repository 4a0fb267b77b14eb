/* Starting our own binary again as a helper: with a private name, given descriptors and nothing
 * else of ours. */
#ifndef VMSCOPE_SCENARIO_REEXEC_H
#define VMSCOPE_SCENARIO_REEXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "probe/identity.h"

enum { REEXEC_FDS = 3 };

struct reexec {
    const char *name, *argument; /* argv[0], argv[1] */
    int fds[REEXEC_FDS];         /* become descriptors 3, 4, ...; they stay open here */
    size_t fd_count;
    const struct identity *identity; /* whom it runs as; NULL: ourselves */
};

/* Its standard descriptors are /dev/null, its environment is what the dynamic linker and the
 * sanitizers look at; lazy binding and restartable sequences are off. 0, or a negative errno with
 * *e set; *pidfd is the caller's. */
int reexec_start(const struct reexec *r, pid_t *pid, int *pidfd, struct err *e);

/* Waits until the process behind a pidfd has ended, at most until `deadline_ns` (io_now_ns). True
 * when it has. */
bool reexec_ended(int pidfd, uint64_t deadline_ns);

#endif
