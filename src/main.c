/* vmscope: options and wiring. */
#include <locale.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "scenario/keeper.h"
#include "scenario/stage.h"

int main(int argc, char **argv)
{
    stage_main_if_asked(argc, argv);
    keeper_main_if_asked(argc, argv);
    struct options o;
    struct err e = {0};
    if (options_parse(argc, argv, &o, &e)) {
        command_fail(&e, EXIT_USAGE);
        return EXIT_USAGE;
    }
    o.ui.samples = o.count;
    switch (o.command) {
    case COMMAND_HELP:
        fputs(options_help, stdout);
        return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
    case COMMAND_VERSION:
        puts("vmscope " VMSCOPE_VERSION);
        return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
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
