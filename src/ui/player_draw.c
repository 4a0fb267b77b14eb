/* The frame of the player: the header, the script on the left, the picture and the explanation on
 * the right (below it on a narrow screen), the footer; and the list of scenarios. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ui/app.h"
#include "ui/frame.h"
#include "ui/map_parts.h"
#include "ui/player_parts.h"

enum { BESIDE_COLS_MIN = 70, NAME_COLS = 26 };

static const char *state_text(const struct player *p, char out[64])
{
    if (p->at < p->count)
        snprintf(out, 64, "[past: step %zu is now]", p->count);
    else if (p->job != PLAYER_NO_JOB)
        snprintf(out, 64, "[running]");
    else if (p->playing)
        snprintf(out, 64, "[auto, %.2g s]", player_paces[p->pace] / 1000.0);
    else if (p->over)
        snprintf(out, 64, "[stopped]");
    else
        snprintf(out, 64, "%s", p->source->next(p->source->ctx) ? "[now]" : "[end]");
    return out;
}

static void count_verdicts(const struct player *p, unsigned counts[3])
{
    for (size_t i = 0; i < p->at; i++)
        for (size_t k = 0; k < p->v[i].step.check_count; k++)
            counts[p->v[i].step.checks[k].verdict]++;
}

static void draw_header(const struct player *p, struct area row)
{
    struct style s = {COLOR_TITLE, COLOR_DEFAULT, CELL_REVERSE};
    char state[64], text[256], quiz[48] = "";
    unsigned counts[3] = {0};
    count_verdicts(p, counts);
    if (p->quiz.on || p->quiz.asked)
        snprintf(quiz, sizeof quiz, "  quiz %u of %u", p->quiz.right, p->quiz.asked);
    snprintf(text, sizeof text, "%s  step %zu of %zu  %u held%s%s", p->script->file, p->at,
             p->script->steps, counts[PLAYER_HELD], counts[PLAYER_FAILED] ? ", some FAILED" : "",
             quiz);
    state_text(p, state);
    unsigned width = (unsigned)text_columns(state);
    area_fill(row, s, ' ');
    if (width + 2 < row.cols)
        area_text(row, row.cols - width - 1, 0, width, state, s);
    if (width + 4 < row.cols)
        area_text(row, 1, 0, row.cols - width - 3, text, s);
}

static void draw_footer(const struct player *p, struct area row)
{
    if (p->prompt == PLAYER_GO_TO)
        line_edit_draw(&p->line, row, "run to line: ");
    else if (p->message[0])
        area_text(row, 1, 0, row.cols, p->message, STYLE(COLOR_ALERT));
    else if (p->quiz.question != QUIZ_NOTHING && !p->help)
        area_text(row, 1, 0, row.cols, quiz_keys(&p->quiz), STYLE(COLOR_DEFAULT));
    else
        bindings_draw(player_keys(p), NULL, row, 1, row.cols);
}

static void draw_right(const struct player *p, struct area a)
{
    unsigned used = player_draw_picture(p, area_part(a, 0, 0, a.cols, a.rows * 3 / 5));
    used += used ? 1 : 0;
    struct area below = area_part(a, 0, used, a.cols, a.rows - used);
    if (p->quiz.question != QUIZ_NOTHING)
        quiz_draw(&p->quiz, below);
    else
        player_draw_explanation(p, below);
}

static void draw_bar(struct area a, unsigned col)
{
    for (unsigned row = 0; row < a.rows; row++)
        area_put(a, col, row, 0x2502, STYLE(COLOR_DIM));
}

static void draw_scenario(struct player *p, struct area a)
{
    if (a.cols < BESIDE_COLS_MIN) {
        unsigned half = a.rows / 2;
        player_draw_script(p, area_part(a, 0, 0, a.cols, half));
        draw_right(p, area_part(a, 1, half, a.cols - 1, a.rows - half));
        return;
    }
    unsigned left = a.cols < 120 ? a.cols * 45 / 100 : a.cols * 2 / 5;
    player_draw_script(p, area_part(a, 0, 0, left, a.rows));
    draw_bar(a, left);
    draw_right(p, area_part(a, left + 2, 0, a.cols - left - 2, a.rows));
}

static void draw_choices(struct player *p, struct area a)
{
    struct list *l = &p->choice_list;
    struct area rows = area_part(a, 0, 1, a.cols, a.rows ? a.rows - 1 : 0);
    area_text(a, 1, 0, a.cols, "Scenarios", (struct style){COLOR_TITLE, COLOR_DEFAULT,
                                                           CELL_UNDERLINE});
    list_fit(l, p->choices.count, rows.rows);
    for (unsigned i = 0; i < rows.rows && l->top + i < p->choices.count; i++) {
        const struct player_choice *c = &p->choices.v[l->top + i];
        bool here = l->top + i == l->row;
        struct style s = {here ? COLOR_CURSOR : COLOR_DEFAULT, COLOR_DEFAULT,
                          here ? CELL_REVERSE : 0};
        if (here)
            area_fill(area_part(rows, 0, i, rows.cols, 1), s, ' ');
        area_printf(rows, 0, i, s, "%c", here ? '>' : ' ');
        area_text(rows, 2, i, NAME_COLS - 2, c->name, s);
        area_text(rows, NAME_COLS + 1, i, rows.cols, c->title, s);
    }
}

static void draw_list(struct player *p, struct grid *g, struct area view)
{
    struct area header = area_part(grid_area(g), 0, 0, g->cols, 1);
    struct style s = {COLOR_TITLE, COLOR_DEFAULT, CELL_REVERSE};
    area_fill(header, s, ' ');
    area_printf(header, 1, 0, s, "vmscope play  %zu scenarios", p->choices.count);
    draw_choices(p, view);
}

static void draw_all(struct player *p, struct grid *g)
{
    struct area view = app_view_area(g),
                footer = area_part(grid_area(g), 0, g->rows - 1, g->cols, 1);
    if (!p->script)
        draw_list(p, g, view);
    else
        draw_header(p, area_part(grid_area(g), 0, 0, g->cols, 1));
    if (p->script && !p->help)
        draw_scenario(p, view);
    if (p->help) {
        area_fill(view, STYLE(COLOR_DEFAULT), ' ');
        bindings_help(&p->help_list, view, "Keys", player_keys_below(p));
    }
    draw_footer(p, footer);
}

void player_draw(struct player *p, struct grid *g)
{
    grid_clear(g);
    if (g->cols < APP_COLS_MIN || g->rows < APP_ROWS_MIN)
        area_printf(grid_area(g), 0, 0, STYLE(COLOR_DEFAULT), "needs %dx%d", APP_COLS_MIN,
                    APP_ROWS_MIN);
    else
        draw_all(p, g);
    if (p->look.ascii)
        grid_only_ascii(g);
}
