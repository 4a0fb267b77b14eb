/* A line of text that is being typed. */
#include "ui/line_edit.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ui/view.h"

void line_edit_set(struct line_edit *l, const char *text)
{
    snprintf(l->text, sizeof l->text, "%s", text);
    l->len = l->at = strlen(l->text);
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t before(const struct line_edit *l, size_t at)
{
    if (at)
        at--;
    while (at && is_continuation(l->text[at]))
        at--;
    return at;
}

static size_t behind(const struct line_edit *l, size_t at)
{
    if (at < l->len)
        at++;
    while (at < l->len && is_continuation(l->text[at]))
        at++;
    return at;
}

/* Removes what is between `from` and the cursor. */
static void cut(struct line_edit *l, size_t from)
{
    memmove(l->text + from, l->text + l->at, l->len - l->at + 1);
    l->len -= l->at - from;
    l->at = from;
}

static size_t word_start(const struct line_edit *l)
{
    size_t at = l->at;
    while (at && l->text[at - 1] == ' ')
        at--;
    while (at && l->text[at - 1] != ' ')
        at--;
    return at;
}

static void insert(struct line_edit *l, uint32_t c)
{
    char utf8[4];
    size_t n = text_utf8_encode(utf8, c);
    if (l->len + n >= sizeof l->text)
        return;
    memmove(l->text + l->at + n, l->text + l->at, l->len - l->at + 1);
    memcpy(l->text + l->at, utf8, n);
    l->len += n;
    l->at += n;
}

bool line_edit_key(struct line_edit *l, int key)
{
    switch (key) {
    case KEY_CODE_LEFT:
        l->at = before(l, l->at);
        return true;
    case KEY_CODE_RIGHT:
        l->at = behind(l, l->at);
        return true;
    case KEY_CODE_HOME:
    case KEY_CTRL('a'):
        l->at = 0;
        return true;
    case KEY_CODE_END:
    case KEY_CTRL('e'):
        l->at = l->len;
        return true;
    case KEY_CODE_BACKSPACE:
        cut(l, before(l, l->at));
        return true;
    case KEY_CTRL('u'):
        cut(l, 0);
        return true;
    case KEY_CTRL('w'):
        cut(l, word_start(l));
        return true;
    default:
        if (key < 0x20 || (key >= 0x7f && key < 0xa0) || key >= KEY_CODE_FIRST)
            return false;
        insert(l, (uint32_t)key);
        return true;
    }
}

/* The first byte to draw so that the cursor, and what stands before it, fits into `cols`. */
static size_t first_shown(const struct line_edit *l, unsigned cols)
{
    char part[LINE_MAX_BYTES];
    size_t from = 0;
    for (;;) {
        size_t n = l->at - from;
        memcpy(part, l->text + from, n);
        part[n] = '\0';
        if (text_columns(part) + 2 <= cols || !n)
            return from;
        from = behind(l, from);
    }
}

void line_edit_draw(const struct line_edit *l, struct area a, const char *label)
{
    unsigned col = area_text(a, 0, 0, a.cols, label, STYLE(COLOR_KEY));
    size_t from = first_shown(l, a.cols - col);
    char head[LINE_MAX_BYTES];
    memcpy(head, l->text + from, l->at - from);
    head[l->at - from] = '\0';
    col += area_text(a, col, 0, a.cols - col, head, STYLE(COLOR_DEFAULT));
    size_t next = behind(l, l->at);
    struct style cursor = {COLOR_DEFAULT, COLOR_DEFAULT, CELL_REVERSE};
    memcpy(head, l->text + l->at, next - l->at);
    head[next - l->at] = '\0';
    col += area_text(a, col, 0, a.cols, next > l->at ? head : " ", cursor);
    area_text(a, col, 0, a.cols, l->text + next, STYLE(COLOR_DEFAULT));
}
