#include "scenario/stage_uffd.h"

#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { EVENTS = 16 };

struct stage_uffds {
    unsigned users;
    int fd[STAGE_UFFDS_MAX];
    bool kills[STAGE_UFFDS_MAX];
    size_t count;
    unsigned waiting; /* threads that wait for the page that is touched now */
};

struct stage_uffds *stage_uffds_create(void)
{
    struct stage_uffds *u = calloc(1, sizeof *u);
    return u ? stage_uffds_share(u) : NULL;
}

struct stage_uffds *stage_uffds_share(struct stage_uffds *u)
{
    u->users++;
    return u;
}

void stage_uffds_destroy(struct stage_uffds *u)
{
    if (!u || --u->users)
        return;
    for (size_t i = 0; i < u->count; i++)
        close(u->fd[i]);
    free(u);
}

void stage_uffds_add(struct stage_uffds *u, int fd, bool kills)
{
    if (u->count == STAGE_UFFDS_MAX) {
        close(fd);
        return;
    }
    u->fd[u->count] = fd;
    u->kills[u->count++] = kills;
}

size_t stage_uffds_poll(const struct stage_uffds *u, struct pollfd out[STAGE_UFFDS_MAX])
{
    for (size_t i = 0; i < u->count; i++)
        out[i] = (struct pollfd){.fd = u->fd[i], .events = POLLIN};
    return u->count;
}

static void answer(int fd, const struct uffd_msg *message)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct uffdio_range range = {message->arg.pagefault.address & ~(page - 1), page};
    struct uffdio_writeprotect lift = {range, 0};
    struct uffdio_zeropage zero = {.range = range};
    if (message->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
        ioctl(fd, UFFDIO_WRITEPROTECT, &lift);
    else
        ioctl(fd, UFFDIO_ZEROPAGE, &zero);
}

/* Threads that wait for one page cannot have touched another one meanwhile: it is enough to count. */
static bool serve(struct stage_uffds *u, size_t which, unsigned together)
{
    struct uffd_msg v[EVENTS];
    ssize_t n = read(u->fd[which], v, sizeof v);
    for (ssize_t i = 0; n > 0 && i < n / (ssize_t)sizeof *v; i++) {
        if (v[i].event != UFFD_EVENT_PAGEFAULT)
            continue;
        if (u->kills[which])
            return true;
        if (++u->waiting < together)
            continue;
        u->waiting = 0;
        answer(u->fd[which], &v[i]);
    }
    return false;
}

bool stage_uffds_answer(struct stage_uffds *u, const struct pollfd found[STAGE_UFFDS_MAX],
                        unsigned together)
{
    bool killed = false;
    for (size_t i = 0; i < u->count; i++)
        if (found[i].revents & POLLIN)
            killed |= serve(u, i, together);
    return killed;
}
