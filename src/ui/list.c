/* Scrolling and selecting. */
#include "ui/list.h"

/* Where a move from `at` leads: at most to `last`. */
static size_t moved(size_t at, size_t last, unsigned height, int action)
{
    size_t screen = height ? height : 1;
    switch (action) {
    case LIST_UP:
        return at - (at > 0);
    case LIST_DOWN:
        return at + (at < last);
    case LIST_PAGE_UP:
        return at - (at < screen ? at : screen);
    case LIST_PAGE_DOWN:
        return last > at && last - at > screen ? at + screen : last;
    case LIST_FIRST:
        return 0;
    case LIST_LAST:
        return last;
    default:
        return at;
    }
}

static size_t last_top(const struct list *l)
{
    return l->count > l->height ? l->count - l->height : 0;
}

void list_move(struct list *l, int action)
{
    l->row = moved(l->row, l->count ? l->count - 1 : 0, l->height, action);
}

void list_fit(struct list *l, size_t count, unsigned height)
{
    list_text_fit(l, count, height);
    if (l->row >= count)
        l->row = count ? count - 1 : 0;
    if (l->row < l->top)
        l->top = l->row;
    if (height && l->row >= l->top + height)
        l->top = l->row - height + 1;
}

bool list_point(struct list *l, unsigned line)
{
    if (line >= l->height || l->top + line >= l->count)
        return false;
    l->row = l->top + line;
    return true;
}

void list_text_move(struct list *l, int action)
{
    l->top = moved(l->top, last_top(l), l->height, action);
}

void list_text_fit(struct list *l, size_t count, unsigned height)
{
    l->count = count;
    l->height = height;
    if (l->top > last_top(l))
        l->top = last_top(l);
}

int list_wheel(const struct mouse *m)
{
    return m->what == MOUSE_WHEEL_UP ? LIST_UP : m->what == MOUSE_WHEEL_DOWN ? LIST_DOWN : -1;
}
