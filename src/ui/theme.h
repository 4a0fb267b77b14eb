/* How colours for a purpose look on a terminal: with 256 colours, with 8, and with none. Pure. */
#ifndef VMSCOPE_UI_THEME_H
#define VMSCOPE_UI_THEME_H

#include <stdint.h>

#include "ui/cells.h"

enum { THEME_OWN = -1 }; /* the terminal's own colour */

/* What a terminal is told. */
struct ink {
    int16_t fg, bg; /* number of a colour, or THEME_OWN */
    uint8_t attr;   /* CELL_* */
};

/* `colors` as in struct look: 256, 8 or 0. */
struct ink theme_ink(unsigned colors, struct style s);

#endif
