/* The theme. The 256 colours are chosen to be about as far from black as from white (a contrast of
 * at least 3 with both), so that nobody has to say which background the terminal has. Where a
 * purpose has no colour of its own, an attribute tells it apart. */
#include "ui/theme.h"

struct look_of {
    int16_t c256, c8;
    uint8_t attr;  /* always */
    uint8_t plain; /* and without colours */
};

static const struct look_of looks[COLOR_N] = {
    [ROLE_ABSENT] = {241, THEME_OWN, 0, 0},
    [ROLE_ANON] = {33, 4, 0, 0},
    [ROLE_COW] = {166, 3, 0, 0},
    [ROLE_FILE] = {28, 2, 0, 0},
    [ROLE_SHMEM] = {30, 6, 0, 0},
    [ROLE_ZERO] = {103, THEME_OWN, 0, 0},
    [ROLE_KSM] = {170, 5, 0, 0},
    [ROLE_HUGETLB] = {93, 5, 0, 0},
    [ROLE_SWAP] = {160, 1, 0, 0},
    [ROLE_GUARD] = {94, 1, 0, 0},
    [ROLE_DEVICE] = {100, 6, 0, 0},
    [ROLE_UNKNOWN] = {132, THEME_OWN, 0, 0},
    [COLOR_DEFAULT] = {THEME_OWN, THEME_OWN, 0, 0},
    [COLOR_DIM] = {244, THEME_OWN, 0, 0},
    [COLOR_TITLE] = {THEME_OWN, THEME_OWN, CELL_BOLD, 0},
    [COLOR_KEY] = {32, 6, CELL_BOLD, CELL_UNDERLINE},
    [COLOR_ALERT] = {160, 1, CELL_BOLD, CELL_REVERSE},
    [COLOR_CURSOR] = {THEME_OWN, THEME_OWN, CELL_REVERSE, 0},
    [COLOR_FLASH] = {136, 3, CELL_BOLD, CELL_UNDERLINE},
    [COLOR_HEAT_FIRST] = {103, THEME_OWN, 0, 0},
    [COLOR_HEAT_FIRST + 1] = {136, 3, 0, 0},
    [COLOR_HEAT_FIRST + 2] = {166, 5, 0, 0},
    [COLOR_HEAT_FIRST + 3] = {160, 1, 0, 0},
};

static const struct look_of *look_of(uint8_t color)
{
    return &looks[color < COLOR_N ? color : COLOR_DEFAULT];
}

static int16_t number(unsigned colors, const struct look_of *l)
{
    return colors >= 256 ? l->c256 : colors ? l->c8 : THEME_OWN;
}

struct ink theme_ink(unsigned colors, struct style s)
{
    const struct look_of *fg = look_of(s.fg), *bg = look_of(s.bg);
    struct ink ink = {number(colors, fg), number(colors, bg),
                      (uint8_t)(s.attr | fg->attr | (colors ? 0 : fg->plain))};
    if (s.bg == COLOR_CURSOR || (s.bg != COLOR_DEFAULT && ink.bg == THEME_OWN))
        ink.attr |= CELL_REVERSE;
    return ink;
}
