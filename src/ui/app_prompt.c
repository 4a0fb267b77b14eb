/* The prompt line: `/` searches, `f` filters while it is typed. Esc takes back what was typed. */
#include <stdio.h>

#include "base/text.h"
#include "ui/app.h"

void app_ask(struct app *a, enum app_prompt what)
{
    if (what == PROMPT_FILTER && !app_views[a->view]->filter) {
        snprintf(a->message, sizeof a->message, "there is nothing to filter in this view");
        return;
    }
    a->prompt = what;
    line_edit_set(&a->line, what == PROMPT_FILTER ? a->filters[a->view].text : "");
}

static void search(struct app *a, bool backwards)
{
    const struct view_ops *ops = app_views[a->view];
    const char *what = a->searched.text;
    bool found = ops->search ? ops->search(a->views[a->view], &a->ui, what, backwards)
                             : ui_search(&a->ui, what, backwards);
    if (!found)
        snprintf(a->message, sizeof a->message, "no match for \"%.120s\"", what);
}

void app_search_again(struct app *a, bool backwards)
{
    if (a->searched.len)
        search(a, backwards);
    else
        snprintf(a->message, sizeof a->message, "nothing was searched yet");
}

static void filter(struct app *a, const char *what)
{
    app_views[a->view]->filter(a->views[a->view], what);
}

static void accept(struct app *a)
{
    if (a->prompt == PROMPT_FILTER) {
        a->filters[a->view] = a->line;
        return;
    }
    if (a->prompt == PROMPT_UNTIL) {
        app_step_until(a, a->line.text);
        return;
    }
    if (a->line.len)
        a->searched = a->line;
    app_search_again(a, false);
}

void app_clear_filter(struct app *a)
{
    if (!app_views[a->view]->filter)
        return;
    line_edit_set(&a->filters[a->view], "");
    filter(a, "");
}

static void cancel(struct app *a)
{
    if (a->prompt == PROMPT_FILTER)
        filter(a, a->filters[a->view].text);
}

void app_prompt_key(struct app *a, int key)
{
    if (key == KEY_CODE_ENTER || key == KEY_CODE_ESC) {
        if (key == KEY_CODE_ENTER)
            accept(a);
        else
            cancel(a);
        a->prompt = PROMPT_NONE;
    } else if (key == KEY_CTRL('l')) {
        a->repaint = true;
    } else if (line_edit_key(&a->line, key) && a->prompt == PROMPT_FILTER) {
        filter(a, a->line.text);
    }
}
