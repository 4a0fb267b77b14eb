/* Going through the steps of a scenario: what was played is kept, and the next one is done when it
 * is asked for, by a source that says when it is over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/player_parts.h"

static const uint64_t ns_per_ms = 1000 * 1000;
enum { FLASH_MS = 900 };

const struct played *player_shown(const struct player *p)
{
    return p->at ? &p->v[p->at - 1] : NULL;
}

void player_step_deinit(struct player_step *s)
{
    for (size_t i = 0; i < s->process_count; i++) {
        if (s->processes[i].seen)
            moment_deinit(&s->processes[i].moment);
        free(s->processes[i].mappings);
    }
    for (size_t i = 0; i < s->fault_count; i++)
        free(s->faults[i].stack);
    free(s->processes);
    free(s->faults);
    free(s->checks);
    *s = (struct player_step){0};
}

void player_list_deinit(struct player_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->v[i].path);
        free(l->v[i].name);
        free(l->v[i].title);
    }
    free(l->v);
    *l = (struct player_list){0};
}

/* --- going through the steps --- */

void player_forget(struct player *p)
{
    for (size_t i = 0; i < p->count; i++)
        player_step_deinit(&p->v[i].step);
    p->count = p->at = 0;
    p->queued = 0;
    p->go_to = 0;
    p->over = p->playing = p->scrolled = false;
    p->said[0] = '\0';
    p->quiz = (struct quiz){.on = p->quiz.on};
    p->flash_end_ns = 0;
}

void player_begin(struct player *p, enum player_job job)
{
    p->job = job;
    p->source->begin(p->source->ctx, job);
}

static void run_is_over(struct player *p, const struct err *e)
{
    p->over = true;
    p->playing = false;
    p->queued = 0;
    p->go_to = 0;
    snprintf(p->said, sizeof p->said, "%s", e->text);
}

static void say_end(struct player *p)
{
    p->playing = false;
    if (p->quiz.asked)
        snprintf(p->message, sizeof p->message, "the end; of the quiz %u of %u were right",
                 p->quiz.right, p->quiz.asked);
    else
        snprintf(p->message, sizeof p->message, "the end; r plays it again");
}

/* A step is done. It is shown, unless the viewer went back meanwhile. */
static void keep_step(struct player *p, const struct player_step *step)
{
    void *v = p->v;
    int rc = array_reserve(&v, &p->cap, p->count + 1, sizeof *p->v);
    p->v = v;
    if (rc) {
        struct player_step lost = *step;
        player_step_deinit(&lost);
        run_is_over(p, &(struct err){rc, "out of memory"});
        return;
    }
    struct played *last = &p->v[p->count];
    *last = (struct played){.step = *step};
    last->mark_count = quiz_mark_step(&p->quiz, &last->step, last->marks);
    bool follows = p->at == p->count;
    p->count++;
    if (!follows)
        return;
    p->at = p->count;
    p->scrolled = false;
    p->flash_end_ns = p->clock_ns ? p->clock_ns + FLASH_MS * ns_per_ms : 0;
}

static const struct player_line *next_line(const struct player *p)
{
    unsigned line = p->source->next(p->source->ctx);
    return line && line <= p->script->count ? &p->script->lines[line - 1] : NULL;
}

void player_forward(struct player *p)
{
    if (p->at < p->count) {
        p->at++;
        p->scrolled = false;
        return;
    }
    if (p->job != PLAYER_NO_JOB) {
        p->queued++;
        return;
    }
    const struct player_line *next = p->over ? NULL : next_line(p);
    if (p->over)
        p->playing = false;
    else if (!next)
        say_end(p);
    else if (p->quiz.on && next->kind != PLAYER_NOTE)
        quiz_begin(&p->quiz, next);
    else
        player_begin(p, PLAYER_STEP);
}

/* What was asked for before this was done. */
static void go_on(struct player *p)
{
    unsigned next = p->over ? 0 : p->source->next(p->source->ctx);
    if (p->go_to && next && next < p->go_to) {
        player_begin(p, PLAYER_STEP);
        return;
    }
    p->go_to = 0;
    if (p->queued && p->quiz.question == QUIZ_NOTHING) {
        p->queued--;
        player_forward(p);
    }
}

void player_back(struct player *p, size_t to)
{
    p->at = to;
    p->playing = p->scrolled = false;
    p->flash_end_ns = 0;
}

/* Up to where a line comes next, for the first time at or behind it. */
void player_go_to(struct player *p, uint64_t line)
{
    p->at = p->count;
    p->go_to = line;
    go_on(p);
}

void player_restart(struct player *p)
{
    player_forget(p);
    player_begin(p, PLAYER_RESTART);
}

/* `message` has lines: what fits is kept. */
static void keep_message(struct player *p, const struct buf *message)
{
    snprintf(p->said, sizeof p->said, "%s", message->data ? message->data : "out of memory");
}

void player_reload(struct player *p)
{
    struct buf message = {0};
    int rc = p->source->reload(p->source->ctx, &message);
    if (!rc)
        player_restart(p);
    else
        keep_message(p, &message);
    p->script = p->source->script(p->source->ctx);
    buf_deinit(&message);
}

static unsigned line_to_edit(const struct player *p)
{
    const struct played *shown = player_shown(p);
    return shown ? shown->step.line : 1;
}

void player_edit(struct player *p)
{
    struct err e = {0};
    if (p->source->edit(p->source->ctx, line_to_edit(p), &e))
        snprintf(p->message, sizeof p->message, "%.150s", e.text);
    else
        player_reload(p);
}

static bool may_go_on(const struct player *p)
{
    const struct played *last = player_shown(p);
    return !last || !(last->step.pause || last->step.failed);
}

bool player_take(struct player *p)
{
    struct player_step step;
    struct err e = {0};
    int rc;
    if (p->job == PLAYER_NO_JOB || !p->source->take(p->source->ctx, &step, &rc, &e))
        return false;
    bool stepped = p->job == PLAYER_STEP;
    p->job = PLAYER_NO_JOB;
    if (rc) {
        player_step_deinit(&step);
        run_is_over(p, &e);
        return true;
    }
    if (stepped)
        keep_step(p, &step);
    p->playing = p->playing && may_go_on(p);
    go_on(p);
    return true;
}
