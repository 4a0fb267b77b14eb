/* The script with the marks of its lines: where the step shown is, what comes next, and how the
 * expectations up to here came out. */
#include <stdio.h>
#include <string.h>

#include "ui/fit.h"
#include "ui/player_parts.h"

enum { NUMBER_COLS = 5, VERDICT_COLS = 6, LINES_MAX = 4096, LINE_BYTES_MAX = 1024 };

/* What a line has come to by now: verdicts and 1, or 0. */
static void gather(const struct player *p, uint8_t marks[LINES_MAX])
{
    memset(marks, 0, LINES_MAX);
    for (size_t i = 0; i < p->at; i++) {
        const struct player_step *s = &p->v[i].step;
        if (s->failed && s->line < LINES_MAX)
            marks[s->line] = PLAYER_FAILED + 1;
        for (size_t k = 0; k < s->check_count; k++)
            if (s->checks[k].line < LINES_MAX)
                marks[s->checks[k].line] = (uint8_t)(s->checks[k].verdict + 1);
    }
}

static struct style line_style(const struct player *p, unsigned number, const struct played *shown)
{
    static const uint8_t colors[] = {
        [PLAYER_OTHER] = COLOR_DIM, [PLAYER_NOTE] = COLOR_DIM, [PLAYER_ACTION] = COLOR_DEFAULT,
        [PLAYER_TOUCH] = COLOR_DEFAULT, [PLAYER_EXPECT] = COLOR_DIM};
    struct style s = STYLE(colors[p->script->lines[number - 1].kind]);
    if (shown && number == shown->step.line)
        s = (struct style){COLOR_CURSOR, COLOR_DEFAULT, CELL_BOLD};
    return s;
}

static void draw_verdict(struct area a, unsigned row, uint8_t mark)
{
    static const char *const words[] = {"", "ok", "FAIL", "skip"};
    static const uint8_t colors[] = {COLOR_DEFAULT, COLOR_KEY, COLOR_ALERT, COLOR_DIM};
    struct style s = STYLE(colors[mark]);
    s.attr = mark == PLAYER_FAILED + 1 ? CELL_BOLD : 0;
    if (mark && a.cols > VERDICT_COLS)
        area_text(a, a.cols - VERDICT_COLS + 1, row, VERDICT_COLS, words[mark], s);
}

/* '>' where the step shown is, '?' where the quiz asks about. */
static char pointer(const struct player *p, unsigned number)
{
    const struct played *shown = player_shown(p);
    if (p->quiz.question != QUIZ_NOTHING && number == p->source->next(p->source->ctx))
        return '?';
    return shown && number == shown->step.line ? '>' : ' ';
}

static void draw_line(const struct player *p, struct area a, unsigned row, unsigned number,
                      uint8_t mark)
{
    unsigned room = a.cols > NUMBER_COLS + VERDICT_COLS ? a.cols - NUMBER_COLS - VERDICT_COLS : 0;
    struct style s = line_style(p, number, player_shown(p));
    char at = pointer(p, number);
    area_printf(a, 0, row, at == ' ' ? STYLE(COLOR_DIM) : s, "%c%3u ", at, number);
    char text[LINE_BYTES_MAX];
    fit_text(text, sizeof text, p->script->lines[number - 1].text, room);
    area_fill(area_part(a, NUMBER_COLS, row, room, 1), s, ' ');
    area_text(a, NUMBER_COLS, row, room, text, s);
    draw_verdict(a, row, mark);
}

/* The step in the middle third, unless the viewer scrolled. */
static void follow(struct player *p, unsigned rows)
{
    const struct played *shown = player_shown(p);
    size_t line = shown ? shown->step.line : 1, last = shown ? shown->step.last_line : 1;
    struct list *l = &p->script_list;
    list_text_fit(l, p->script->count, rows);
    if (p->scrolled)
        return;
    if (p->quiz.question != QUIZ_NOTHING)
        last = p->source->next(p->source->ctx);
    if (line <= l->top + 1 || last > l->top + rows)
        l->top = line > rows / 3 ? line - rows / 3 - 1 : 0;
    list_text_fit(l, p->script->count, rows);
}

void player_draw_script(struct player *p, struct area a)
{
    uint8_t marks[LINES_MAX];
    gather(p, marks);
    follow(p, a.rows);
    for (unsigned row = 0; row < a.rows; row++) {
        size_t number = p->script_list.top + row + 1;
        if (number > p->script->count)
            return;
        draw_line(p, a, row, (unsigned)number, number < LINES_MAX ? marks[number] : 0);
    }
}
