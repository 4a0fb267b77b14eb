/* The parts of the player: player.c holds its state and answers keys, the others draw and ask.
 * Private to src/ui/player*.c. */
#ifndef VMSCOPE_UI_PLAYER_PARTS_H
#define VMSCOPE_UI_PLAYER_PARTS_H

#include "ui/cells.h"
#include "ui/line_edit.h"
#include "ui/list.h"
#include "ui/player.h"
#include "ui/view.h"

/* --- the quiz: player_quiz.c --- */

enum quiz_question { QUIZ_NOTHING, QUIZ_RESULT, QUIZ_FAULTS, QUIZ_PATH };
enum { QUIZ_MARKS_MAX = 3 };

/* One answer, marked. */
struct quiz_mark {
    bool right;
    char text[PLAYER_TEXT_MAX];
};

struct quiz {
    bool on;
    enum quiz_question question; /* that is asked now */
    bool touches;                /* of the step that is asked about */
    bool has_result, has_faults, has_path;
    int result, path;            /* answers: numbers of the choices */
    uint64_t faults;
    struct line_edit typed;
    unsigned right, asked;       /* the score */
};

/* Begins to ask about the next step. */
void quiz_begin(struct quiz *q, const struct player_line *next);
/* A key while a question is open; true when the last one is answered. */
bool quiz_key(struct quiz *q, int key);
/* Marks the answers and forgets them. Returns how many marks there are. */
unsigned quiz_mark_step(struct quiz *q, const struct player_step *s,
                        struct quiz_mark out[QUIZ_MARKS_MAX]);
void quiz_draw(const struct quiz *q, struct area a);
const char *quiz_keys(const struct quiz *q); /* what answers the question */

/* --- the player --- */

struct played {
    struct player_step step;
    struct quiz_mark marks[QUIZ_MARKS_MAX];
    unsigned mark_count;
};

enum player_prompt { PLAYER_NO_PROMPT, PLAYER_GO_TO };

struct player {
    const struct ui_options *options;
    struct player_source *source;
    struct look look;
    const struct player_script *script; /* NULL: choosing */
    struct played *v;   /* owned: all steps so far */
    size_t count, cap;
    size_t at;          /* how many are shown as done; less than count: the past */
    bool over;          /* the run cannot go on; said says why */
    enum player_job job; /* being done */
    unsigned queued;    /* steps that were asked for meanwhile */
    uint64_t go_to;     /* goes on until this line comes next; 0: no */
    char said[400];     /* why it cannot, or a mistake in the script: until the next run */
    struct quiz quiz;

    bool playing;          /* by itself */
    unsigned pace;         /* index into player_paces */
    uint64_t due_ns;       /* of the next step by itself */
    uint64_t clock_ns;     /* 0: headless */
    uint64_t flash_end_ns; /* touched pages flash until then */

    enum player_prompt prompt;
    struct line_edit line;
    char message[160];     /* in place of the footer until the next key */
    struct list script_list; /* rows of the script on the screen */
    bool scrolled;         /* the viewer scrolled: the script does not follow the step */
    bool help;
    struct list help_list;

    struct player_list choices;
    struct list choice_list;
    bool mouse, quit, repaint, away;
};

extern const unsigned player_paces[]; /* milliseconds for a step, ended by 0 */

/* The step shown, or NULL at the beginning. */
const struct played *player_shown(const struct player *p);

/* player_steps.c */
void player_forget(struct player *p); /* all steps */
void player_begin(struct player *p, enum player_job job);
/* Shows the next step; does it if it was not done yet, or asks about it first. */
void player_forward(struct player *p);
void player_back(struct player *p, size_t to);
/* Up to where a line comes next, for the first time at or behind it. */
void player_go_to(struct player *p, uint64_t line);
void player_restart(struct player *p);
void player_reload(struct player *p);
void player_edit(struct player *p);
/* Takes what is done, and goes on. False if nothing is. */
bool player_take(struct player *p);

/* The keys of what is on the screen; and below the help, those that it explains. */
const struct binding *player_keys(const struct player *p);
const struct binding *player_keys_below(const struct player *p);

/* player_draw.c: the whole frame. */
void player_draw(struct player *p, struct grid *g);
/* player_script.c: the script with what its lines came to. */
void player_draw_script(struct player *p, struct area a);
/* player_picture.c: the mappings of all processes; returns the rows used. */
unsigned player_draw_picture(const struct player *p, struct area a);
/* player_explain.c: note, result, faults, expectations that failed. */
void player_draw_explanation(const struct player *p, struct area a);

#endif
