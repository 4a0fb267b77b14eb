/* A page of text. */
#include "ui/pen.h"

#include <stdarg.h>
#include <stdio.h>

enum { LABEL_COLS = 11, STACKED_COLS = 60, ANSWER_COLS = 20 };

void pen_put(struct pen *p, unsigned col, bool first, struct style s, const char *text)
{
    unsigned cols = p->a.cols > col + 1 ? p->a.cols - col - 1 : 1;
    unsigned line = first ? p->line++ : p->line - 1;
    for (;;) {
        char part[PEN_TEXT_MAX];
        size_t n = text_line(text, cols);
        snprintf(part, sizeof part, "%.*s", (int)n, text);
        if (line >= p->top)
            area_text(p->a, col, line - p->top, cols, part, s);
        text += n;
        if (!*text)
            return;
        line = p->line++;
    }
}

void pen_label(struct pen *p, const char *label, const char *fmt, ...)
{
    char text[PEN_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    bool beside = p->a.cols > 2 * LABEL_COLS;
    if (beside)
        pen_put(p, 1, true, STYLE(COLOR_DIM), label);
    pen_put(p, beside ? LABEL_COLS : 1, !beside, STYLE(COLOR_DEFAULT), text);
}

unsigned pen_beside(const struct pen *p, unsigned widest)
{
    return p->a.cols >= STACKED_COLS && widest + ANSWER_COLS < p->a.cols ? widest + 7 : 0;
}

unsigned pen_folded(struct pen *p, unsigned branches)
{
    char text[64];
    unsigned first = p->fold < branches ? p->fold : branches ? branches - 1 : 0;
    if (!first)
        return 0;
    snprintf(text, sizeof text, "%u question%s before", first, first == 1 ? "" : "s");
    pen_put(p, 2, true, STYLE(COLOR_DIM), "\u251c\u2500");
    pen_put(p, 5, false, STYLE(COLOR_DIM), text);
    return first;
}

void pen_branch(struct pen *p, const char *question, const char *answer, unsigned beside,
                struct style s)
{
    pen_put(p, 2, true, STYLE(COLOR_DIM), "\u251c\u2500");
    pen_put(p, 5, false, STYLE(COLOR_DEFAULT), question);
    if (!beside)
        pen_put(p, 2, true, STYLE(COLOR_DIM), "\u2502");
    pen_put(p, beside ? beside : 7, false, s, answer);
}

void pen_leaf(struct pen *p, const char *text)
{
    pen_put(p, 2, true, STYLE(COLOR_DIM), "\u2514\u2500");
    pen_put(p, 5, false, (struct style){COLOR_FLASH, COLOR_DEFAULT, CELL_BOLD}, text);
}
