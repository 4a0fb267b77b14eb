/* vmscope: options and wiring. */
#include <fcntl.h>
#include <locale.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "scenario/keeper.h"
#include "scenario/stage.h"

/* A standard descriptor that is closed would be given to the next file, which then got our
 * messages. These refuse every use, as closed ones do. */
static void hold_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/", O_PATH | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    stage_main_if_asked(argc, argv);
    keeper_main_if_asked(argc, argv);
    hold_standard_descriptors();
    struct options o;
    struct err e = {0};
    if (options_parse(argc, argv, &o, &e)) {
        command_fail(&e, EXIT_USAGE);
        return EXIT_USAGE;
    }
    o.ui.samples = o.count;
    switch (o.command) {
    case COMMAND_HELP:
        return command_help(&o);
    case COMMAND_VERSION:
        return command_version(&o);
    case COMMAND_SNAP:
        return command_snap(&o);
    case COMMAND_DOCTOR:
        return command_doctor(&o);
    case COMMAND_FAULTS:
        return command_faults(&o);
    case COMMAND_CHECK:
        return o.format_only ? command_format(&o) : command_check(&o);
    case COMMAND_PLAY:
        setlocale(LC_ALL, "");
        return command_play(&o);
    case COMMAND_STEP:
        setlocale(LC_ALL, "");
        return command_step(&o);
    case COMMAND_RUN:
        setlocale(LC_ALL, "");
        return command_run(&o);
    default:
        setlocale(LC_ALL, "");
        o.ui.pick = o.command == COMMAND_PICK;
        return command_watch(&o, NULL);
    }
}
