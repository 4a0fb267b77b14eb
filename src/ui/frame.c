/* Keys in a footer, and screens of ASCII alone. */
#include "ui/frame.h"

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

/* Where only ASCII can be shown, no name may bring anything else. */
void grid_only_ascii(struct grid *g)
{
    for (size_t i = 0, n = (size_t)g->cols * g->rows; i < n; i++)
        if (!g->cells[i].ch || g->cells[i].ch > 0x7e)
            g->cells[i].ch = g->cells[i].ch ? '?' : ' ';
}
