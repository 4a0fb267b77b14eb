/* What commands share. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/commands.h"

int command_fail(const struct err *e, int status)
{
    fprintf(stderr, "vmscope: %s\n", e->text);
    return status;
}

int command_open_output(const struct options *o, int *out, struct err *e)
{
    int fd = o->output ? open(o->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
                       : STDOUT_FILENO;
    if (fd < 0)
        return command_not_written(o, -errno, e);
    *out = fd;
    return 0;
}

int command_not_written(const struct options *o, int rc, struct err *e)
{
    char name[256];
    const char *raw = o->output ? o->output : "standard output";
    text_escape(name, sizeof name, raw, strlen(raw));
    return err_set(e, rc, "cannot write to %s: %s", *name ? name : "''", strerror(-rc));
}

int command_output(const struct options *o, const struct buf *out)
{
    struct err e;
    int fd = -1, rc = command_open_output(o, &fd, &e);
    if (rc)
        return command_fail(&e, EXIT_FAILED);
    rc = out->error ? out->error : io_write(fd, out->data, out->len);
    if (o->output && close(fd) < 0 && !rc)
        rc = -errno;
    if (!rc)
        return EXIT_OK;
    command_not_written(o, rc, &e);
    return command_fail(&e, EXIT_FAILED);
}

int command_help(const struct options *o)
{
    struct buf text = {0};
    options_help(o->about, &text);
    int status = command_output(o, &text);
    buf_deinit(&text);
    return status;
}

int command_version(const struct options *o)
{
    static char text[] = "vmscope " VMSCOPE_VERSION "\n";
    return command_output(o, &(struct buf){.data = text, .len = sizeof text - 1});
}
