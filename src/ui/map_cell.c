/* How pixels become character cells.
 *
 * A cell has room for two colours. With half cells each pixel is a pair of quadrants: a pixel whose
 * pages are alike fills both, a mixed one shows its two states side by side, crosswise above and
 * below, so that mixed areas look like a chequerboard. Where both pixels are alike the cell has
 * the glyph of the state, but no shade: beside halves that would look like another colour. More
 * than two colours do not fit: then
 * each half has its pixel's first state, and an underline says that something is mixed.
 * One pixel a cell: the glyph of the state (its letter in ASCII, and without colours where another
 * state has the same glyph); mixed is U+259A in its colour, and without colours or in ASCII the
 * letter in lower case, '~' where that would be ambiguous.
 * A changed pixel shows the letter of its state, reversed, in the flash colour; one with a fault
 * just now a star, reversed, in the colour of the fault's path. The cursor is half a
 * cell, or again the letter reversed, in the terminal's own colour, which no state has. */
#include <ctype.h>

#include "ui/fault_text.h"
#include "ui/map_parts.h"

enum {
    GLYPH_UPPER = 0x2580, GLYPH_LOWER = 0x2584, GLYPH_FULL = 0x2588, GLYPH_SHADE_FIRST = 0x2591,
    GLYPH_SHADE_LAST = 0x2593, GLYPH_MIXED = 0x259a
};

/* By quadrants that have the foreground: 1 upper left, 2 upper right, 4 lower left, 8 lower
 * right. */
static const uint32_t quadrants[16] = {' ',    0x2598, 0x259d, 0x2580, 0x2596, 0x258c,
                                       0x259e, 0x259b, 0x2597, 0x259a, 0x2590, 0x259c,
                                       0x2584, 0x2599, 0x259f, 0x2588};

struct map_pixel map_pixel_of(const struct tally *t)
{
    unsigned first = PAGE_ABSENT, second = PAGE_ABSENT;
    for (unsigned s = 0; s < PAGE_STATE_N; s++) {
        if (s == PAGE_ABSENT || !t->n[s])
            continue;
        if (first == PAGE_ABSENT || t->n[s] > t->n[first]) {
            second = first;
            first = s;
        } else if (second == PAGE_ABSENT || t->n[s] > t->n[second]) {
            second = s;
        }
    }
    if (first == PAGE_ABSENT)
        return t->n[PAGE_ABSENT] ? (struct map_pixel){PAGE_ABSENT, PAGE_ABSENT, false}
                                 : (struct map_pixel){MAP_NOTHING, MAP_NOTHING, false};
    if (second == PAGE_ABSENT && !t->n[PAGE_ABSENT])
        second = first;
    if (t->n[PAGE_ABSENT])
        second = PAGE_ABSENT;
    return (struct map_pixel){(uint8_t)first, (uint8_t)second, false};
}

static bool mixed(struct map_pixel p)
{
    return p.state != p.other;
}

/* The colour of a state in a block; what is not present shows the background. */
static uint8_t block_color(unsigned state)
{
    if (state == MAP_NOTHING || state == PAGE_ABSENT)
        return COLOR_DEFAULT;
    return (uint8_t)page_state_info(state)->role;
}

static struct cell plain(unsigned state)
{
    const struct page_state_info *info = page_state_info(state);
    if (state == MAP_NOTHING)
        return (struct cell){' ', COLOR_DEFAULT, COLOR_DEFAULT, 0};
    return (struct cell){info->glyph, (uint8_t)info->role, COLOR_DEFAULT, 0};
}

/* The same beside halves of cells, which are in full colour. */
static struct cell full(unsigned state)
{
    struct cell c = plain(state);
    if (c.ch >= GLYPH_SHADE_FIRST && c.ch <= GLYPH_SHADE_LAST)
        c.ch = GLYPH_FULL;
    return c;
}

/* The letter of a state; of a mixed pixel in lower case. */
static uint32_t letter_of(struct map_pixel p)
{
    if (p.state == MAP_NOTHING)
        return ' ';
    unsigned char c = (unsigned char)page_state_info(p.state)->letter;
    if (!mixed(p))
        return c;
    unsigned char low = (unsigned char)tolower(c);
    if (low == c)
        return '~';
    for (unsigned s = 0; s < PAGE_STATE_N; s++)
        if (page_state_info(s)->letter == (char)low)
            return '~';
    return low;
}

/* The glyph of a state; its letter in ASCII, and where only a colour would tell it from another. */
static uint32_t glyph_of(unsigned state, const struct look *look)
{
    const struct page_state_info *info = page_state_info(state);
    bool letter = look->ascii;
    for (unsigned s = 0; s < state && !look->colors; s++)
        letter |= page_state_info(s)->glyph == info->glyph;
    return letter ? (uint32_t)(unsigned char)info->letter : info->glyph;
}

/* Changed since the last sample. */
static struct cell changed_cell(struct map_pixel p)
{
    return (struct cell){letter_of(p), COLOR_FLASH, COLOR_DEFAULT, CELL_BOLD | CELL_REVERSE};
}

/* The four quadrants in two colours; false when they need more. */
static bool compose(const uint8_t quad[4], struct cell *out)
{
    uint8_t fg = COLOR_DEFAULT, bg = COLOR_DEFAULT;
    unsigned mask = 0;
    for (unsigned i = 0; i < 4; i++)
        if (quad[i] != COLOR_DEFAULT)
            fg = quad[i];
    for (unsigned i = 0; i < 4; i++) {
        if (quad[i] == fg)
            mask |= 1u << i;
        else
            bg = quad[i];
    }
    for (unsigned i = 0; i < 4; i++)
        if (quad[i] != fg && quad[i] != bg)
            return false;
    *out = (struct cell){quadrants[mask], fg, bg, 0};
    return true;
}

static struct cell pair_blocks(struct map_pixel upper, struct map_pixel lower)
{
    uint8_t us = block_color(upper.state), uo = block_color(upper.other);
    uint8_t ls = block_color(lower.state), lo = block_color(lower.other);
    struct cell c;
    if (compose((uint8_t[]){us, uo, lo, ls}, &c)) {
        if ((mixed(upper) && us == uo) || (mixed(lower) && ls == lo))
            c.attr |= CELL_UNDERLINE; /* two states of one colour */
        return c;
    }
    c = (struct cell){GLYPH_UPPER, us, ls, 0};
    if (us == COLOR_DEFAULT)
        c = (struct cell){GLYPH_LOWER, ls, COLOR_DEFAULT, 0};
    if (mixed(upper) || mixed(lower))
        c.attr |= CELL_UNDERLINE;
    return c;
}

static bool is_absent(struct map_pixel p)
{
    return p.state == PAGE_ABSENT || p.state == MAP_NOTHING;
}

struct cell map_cell_pair(struct map_pixel upper, struct map_pixel lower, unsigned cursor)
{
    if (cursor == 1)
        return (struct cell){GLYPH_UPPER, COLOR_DEFAULT, block_color(lower.state), CELL_BOLD};
    if (cursor == 2)
        return (struct cell){GLYPH_LOWER, COLOR_DEFAULT, block_color(upper.state), CELL_BOLD};
    if (upper.changed)
        return changed_cell(upper);
    if (lower.changed)
        return changed_cell(lower);
    if (upper.state == lower.state && !mixed(upper) && !mixed(lower))
        return full(upper.state);
    if (is_absent(upper) && is_absent(lower))
        return plain(PAGE_ABSENT);
    return pair_blocks(upper, lower);
}

struct cell map_cell_single(struct map_pixel p, const struct look *look, bool cursor)
{
    struct cell c = plain(p.state);
    if (look->ascii || (mixed(p) && !look->colors))
        c.ch = letter_of(p);
    else if (mixed(p))
        c.ch = GLYPH_MIXED;
    else if (p.state != MAP_NOTHING)
        c.ch = glyph_of(p.state, look);
    if (p.changed)
        c = changed_cell(p);
    if (cursor)
        c = (struct cell){letter_of(p), COLOR_CURSOR, COLOR_DEFAULT, CELL_BOLD | CELL_REVERSE};
    return c;
}

struct cell map_cell_fault(uint8_t path)
{
    return (struct cell){'*', (uint8_t)fault_color((enum path)path), COLOR_DEFAULT,
                         CELL_BOLD | CELL_REVERSE};
}

struct cell map_cell_heat(unsigned state, unsigned level, const struct look *look, bool cursor)
{
    static const char letters[MAP_HEAT_LEVELS + 1] = ".+x*#";
    static const uint32_t glyphs[MAP_HEAT_LEVELS + 1] = {0xb7, 0x2591, 0x2592, 0x2593, 0x2588};
    uint32_t ch = look->ascii ? (uint32_t)(unsigned char)letters[level] : glyphs[level];
    uint8_t color = level ? (uint8_t)(COLOR_HEAT_FIRST + level - 1) : COLOR_DIM;
    if (level && look_has_halves(look))
        ch = GLYPH_FULL; /* the colours alone tell the levels */
    if (!level && state == MAP_NOTHING)
        ch = ' ';
    if (cursor)
        return (struct cell){ch, COLOR_CURSOR, COLOR_DEFAULT, CELL_BOLD | CELL_REVERSE};
    return (struct cell){ch, color, COLOR_DEFAULT, 0};
}

struct cell map_cell_swatch(unsigned state, const struct look *look)
{
    struct cell c = plain(state);
    c.ch = glyph_of(state, look);
    return look_has_halves(look) ? full(state) : c;
}
