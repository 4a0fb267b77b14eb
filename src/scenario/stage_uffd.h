/* The userfaultfds that a family of stages has registered: whoever touches such a page, by itself or
 * for another process, waits in the kernel until we have answered. Whichever stage is waited for,
 * all of them are served. */
#ifndef VMSCOPE_SCENARIO_STAGE_UFFD_H
#define VMSCOPE_SCENARIO_STAGE_UFFD_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

enum { STAGE_UFFDS_MAX = 8 };

struct stage_uffds;

/* With one user; NULL: out of memory. */
struct stage_uffds *stage_uffds_create(void);
struct stage_uffds *stage_uffds_share(struct stage_uffds *u);
/* Of the last user: closes all. NULL is fine. */
void stage_uffds_destroy(struct stage_uffds *u);

/* Takes a descriptor, which is closed if there is no room. `kills`: who touches gets no answer. */
void stage_uffds_add(struct stage_uffds *u, int fd, bool kills);

/* Fills what poll(2) waits for; the number of entries. */
size_t stage_uffds_poll(const struct stage_uffds *u, struct pollfd out[STAGE_UFFDS_MAX]);
/* Answers what poll has found: a zeroed page, or the protection lifted, once `together` threads wait
 * for the page. True: somebody has touched what kills. */
bool stage_uffds_answer(struct stage_uffds *u, const struct pollfd found[STAGE_UFFDS_MAX],
                        unsigned together);

#endif
