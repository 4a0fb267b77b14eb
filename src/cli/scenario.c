/* Reading scenario files, and check --format-only. */
#include "cli/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/commands.h"

int scenario_read(const char *file, struct script **out, struct buf *message)
{
    struct buf text = {0};
    struct script_error at;
    char safe[256];
    int rc = io_read_at(AT_FDCWD, file, &text);
    if (!rc)
        rc = script_parse(text.data ? text.data : "", text.len, out, &at);
    text_escape(safe, sizeof safe, file, strlen(file));
    if (rc == -EINVAL && text.data) {
        script_error_show(&at, file, text.data, text.len, message);
        while (message->len && message->data[message->len - 1] == '\n')
            message->data[--message->len] = '\0';
    } else if (rc) {
        buf_printf(message, "vmscope: cannot read the scenario %s: %s%s", safe, strerror(-rc),
                   rc == -ENOENT ? "; vmscope play lists those that are shipped" : "");
    }
    buf_deinit(&text);
    return rc;
}

int scenario_read_or_say(const char *file, struct script **out)
{
    struct buf message = {0};
    int rc = scenario_read(file, out, &message);
    if (rc)
        fprintf(stderr, "%s\n", message.data ? message.data : "vmscope: out of memory");
    buf_deinit(&message);
    return rc ? EXIT_USAGE : EXIT_OK;
}

int command_format(const struct options *o)
{
    struct buf out = {0};
    int status = EXIT_OK;
    for (char **file = o->argv; *file; file++) {
        struct script *s = NULL;
        if (scenario_read_or_say(*file, &s))
            status = EXIT_USAGE;
        else
            script_format(s, &out);
        script_destroy(s);
    }
    if (!status && out.error)
        status = command_fail(&(struct err){-ENOMEM, "out of memory"}, EXIT_FAILED);
    if (!status)
        status = command_output(o, &out);
    buf_deinit(&out);
    return status;
}
