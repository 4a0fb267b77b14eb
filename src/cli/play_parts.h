/* The parts of vmscope play: play.c is the source of the player, play_step.c copies what a step came
 * to, play_script.c the script, play_list.c finds the scenarios that are shipped. */
#ifndef VMSCOPE_CLI_PLAY_PARTS_H
#define VMSCOPE_CLI_PLAY_PARTS_H

#include "cli/observe.h"
#include "cli/options.h"
#include "ui/player.h"

enum { PLAY_PATH_MAX = 4096 };

struct play {
    const struct options *options;
    char *path;                 /* owned; of the script */
    struct script *script;      /* owned; NULL: none */
    struct player_script shown; /* of it */
    struct buf text;            /* behind shown.lines */
    char **names;               /* of mappings: in the script's statements; owned array */
    size_t name_count;
    struct observe *watch;
    struct run *run;            /* NULL: it could not begin */
};

/* Fills shown and names from script. 0 or -ENOMEM. */
int play_script_init(struct play *p);
void play_script_deinit(struct play *p);
/* A note or an action. */
bool play_is_step(const struct statement *st);

/* What an action came to. 0 or -ENOMEM. */
int play_add_outcome(struct play *p, struct player_step *out, const struct statement *st,
                     const struct outcome *done);
/* A statement behind it, an expectation or not. 0 or -ENOMEM. */
int play_add_check(struct player_step *out, const struct statement *st,
                   const struct outcome *done);
/* Pictures of all processes, and with them the places of the faults. 0 or a negative errno with *e
 * set. */
int play_add_processes(struct play *p, struct player_step *out, struct err *e);

/* player_source.list */
int play_list(void *ctx, struct player_list *out, struct err *e);
/* The file of a shipped scenario, named with or without its ending. */
bool play_find(const char *name, char *path, size_t cap);

#endif
