/* Keys in a footer, and screens of ASCII alone. */
#include "ui/frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ui/keys.h"

/* The footer has room for the first clause of each help text. Draws what fits before `end`, but
 * for keys that mean something else in the table `over`. */
unsigned bindings_draw(const struct binding *table, const struct binding *over, struct area row,
                       unsigned col, unsigned end)
{
    for (const struct binding *b = table; b->label; b++) {
        char clause[48];
        snprintf(clause, sizeof clause, "%.*s", (int)strcspn(b->help, ";:."), b->help);
        unsigned width = (unsigned)(text_columns(b->label) + 1 + text_columns(clause));
        if (!b->footer || col + width > end || (over && binding_find(over, b->keys[0])))
            continue;
        col += area_text(row, col, 0, row.cols, b->label, STYLE(COLOR_KEY)) + 1;
        col += area_text(row, col, 0, row.cols, clause, STYLE(COLOR_DEFAULT)) + 2;
    }
    return col;
}

struct style number_style(struct style s, const char *number)
{
    if (!strcmp(number, ".") && s.fg == COLOR_DEFAULT && s.bg == COLOR_DEFAULT)
        s.fg = COLOR_DIM;
    return s;
}

void rule_draw(struct area a, unsigned col, const char *fmt, ...)
{
    char title[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(title, sizeof title, fmt, ap);
    va_end(ap);
    area_fill(area_part(a, 0, 0, a.cols, 1), STYLE(COLOR_DIM), 0x2500);
    area_printf(a, col, 0, STYLE(COLOR_TITLE), " %s ", title);
}

static uint32_t ascii_of(uint32_t ch)
{
    static const struct {
        uint32_t ch, ascii;
    } marks[] = {{0, ' '},        {0x2026, '~'},    {0x2500, '-'}, {0x2502, '|'},
                 {0x2506, ':'},   {0x251c, '|'}, {0x2514, '`'}, {0x25b4, '^'},
                 {0x25be, 'v'}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (marks[i].ch == ch)
            return marks[i].ascii;
    return ch > 0x7e ? '?' : ch;
}

/* Where only ASCII can be shown, no name may bring anything else. */
void grid_only_ascii(struct grid *g)
{
    for (size_t i = 0, n = (size_t)g->cols * g->rows; i < n; i++)
        g->cells[i].ch = ascii_of(g->cells[i].ch);
}
