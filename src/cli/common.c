/* What commands share. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/commands.h"

int command_fail(const struct err *e, int status)
{
    fprintf(stderr, "vmscope: %s\n", e->text);
    return status;
}

int command_output(const struct options *o, const struct buf *out)
{
    struct err e;
    const char *name = o->output ? o->output : "standard output";
    int fd = o->output ? open(o->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
                       : STDOUT_FILENO;
    int rc = fd < 0 ? -errno : io_write(fd, out->data, out->len);
    if (fd >= 0 && o->output && close(fd) < 0 && !rc)
        rc = -errno;
    if (!rc)
        return EXIT_OK;
    err_set(&e, rc, "cannot write to %s: %s", name, strerror(-rc));
    return command_fail(&e, EXIT_FAILED);
}
