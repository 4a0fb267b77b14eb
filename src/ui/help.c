/* Help, made from the same tables that dispatch keys and describe page states, so that it cannot
 * differ from what the program does. */
#include <stdio.h>

#include "ui/app.h"
#include "ui/frame.h"
#include "ui/list.h"

enum {
    LABEL_COLS = 13, NAME_COL = 6, NAME_COLS = 20, KEY_OF_VIEW_MAX = 4, VIEW_LABEL_MAX = 24
};

enum action { LEAVE = LIST_ACTION_N };

static const struct binding bindings[] = {
    {{KEY_CODE_ESC, 'q', '?', KEY_CODE_F1}, "Esc q", "leave help", true, LEAVE},
    LIST_BINDINGS(true, "up", "down", "beginning", "end"),
    {.label = NULL},
};

/* Lines are counted, and drawn where they fall on the screen. */
struct page_of_help {
    struct area a;
    unsigned top, line;
    bool ascii;
};

/* True when the next line is on the screen; *row is then its row. */
static bool next_line(struct page_of_help *p, unsigned *row)
{
    unsigned line = p->line++;
    if (line < p->top || line - p->top >= p->a.rows)
        return false;
    *row = line - p->top;
    return true;
}

/* Text beginning in a column, in as many lines as it needs; the first is `row`, if shown. */
static void put_text(struct page_of_help *p, bool shown, unsigned row, unsigned col,
                     const char *text)
{
    unsigned cols = p->a.cols > col + 1 ? p->a.cols - col - 1 : 1;
    for (;;) {
        size_t n = text_line(text, cols);
        char line[512];
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        if (shown)
            area_text(p->a, col, row, cols, line, STYLE(COLOR_DEFAULT));
        text += n;
        if (!*text)
            return;
        shown = next_line(p, &row);
    }
}

static void put_title(struct page_of_help *p, const char *title)
{
    unsigned row;
    if (p->line)
        p->line++;
    if (next_line(p, &row))
        area_text(p->a, 1, row, p->a.cols, title, (struct style){COLOR_TITLE, COLOR_DEFAULT,
                                                                 CELL_UNDERLINE});
}

static void put_keys(struct page_of_help *p, const struct binding *table)
{
    for (const struct binding *b = table; b->label; b++) {
        unsigned row = 0;
        bool shown = next_line(p, &row);
        if (shown)
            area_text(p->a, 2, row, LABEL_COLS - 2, b->label, STYLE(COLOR_KEY));
        put_text(p, shown, row, LABEL_COLS, b->help);
    }
}

static void put_bindings(struct page_of_help *p, const char *title, const struct binding *table)
{
    put_title(p, title);
    put_keys(p, table);
}

void bindings_help(struct list *lines, struct area a, const char *title,
                   const struct binding *table)
{
    struct page_of_help p = {.a = area_part(a, 0, 0, a.cols, 0)};
    put_bindings(&p, title, table);
    list_text_fit(lines, p.line, a.rows);
    p = (struct page_of_help){.a = a, .top = (unsigned)lines->top};
    put_bindings(&p, title, table);
}

static void draw_state(struct page_of_help *p, unsigned row, const struct page_state_info *info)
{
    struct style style = STYLE((uint8_t)info->role);
    area_put(p->a, 2, row, (unsigned char)info->letter, style);
    if (!p->ascii)
        area_put(p->a, 4, row, info->glyph, style);
    area_text(p->a, NAME_COL, row, NAME_COLS - 1, info->title, style);
}

static void put_states(struct page_of_help *p)
{
    put_title(p, "What a page can be");
    for (unsigned s = 0; s < PAGE_STATE_N; s++) {
        const struct page_state_info *info = page_state_info(s);
        unsigned row = 0;
        bool shown = next_line(p, &row);
        if (shown)
            draw_state(p, row, info);
        put_text(p, shown, row, NAME_COL + NAME_COLS, info->sentence);
    }
}

static void put_attributes(struct page_of_help *p)
{
    put_title(p, "What else is told of a page");
    for (unsigned i = 0; i < PAGE_ATTR_N; i++) {
        const struct page_attr_info *info = page_attr_info(i);
        unsigned row = 0;
        bool shown = next_line(p, &row);
        if (shown)
            area_text(p->a, NAME_COL, row, NAME_COLS - 1, info->name, STYLE(COLOR_DEFAULT));
        put_text(p, shown, row, NAME_COL + NAME_COLS, info->sentence);
    }
}

static void put_vmflags(struct page_of_help *p)
{
    put_title(p, "Flags of a mapping");
    for (unsigned i = 0; region_vmflag_name(i); i++) {
        unsigned row = 0;
        bool shown = next_line(p, &row);
        if (shown)
            area_text(p->a, 2, row, 3, region_vmflag_name(i), STYLE(COLOR_KEY));
        put_text(p, shown, row, NAME_COL, region_vmflag_meaning(i));
    }
}

/* What stands for a number, or beside a row. */
static void put_marks(struct page_of_help *p)
{
    static const struct binding marks[] = {
        {.label = "?", .help = "not known; the page view says why, and what would allow it"},
        {.label = "6.7M+", .help = "at least; the kind of some pages is not known (yet)"},
        {.label = ".", .help = "none"},
        {.label = "!", .help = "a mapping that can be written and executed"},
        {.label = ">", .help = "the selected row"},
        {.label = "mixed", .help = "a cell of the map has the colour of the state that most of its "
                                   "present pages have; split, chequered, underlined or in lower "
                                   "case its pages differ"},
        {.label = "reversed", .help = "a cell of the map that has just changed"},
        {.label = "*", .help = "on the map a fault just now, in the colour of its path; in the list "
                               "of faults one on the page under the cursor"},
        {.label = NULL},
    };
    put_bindings(p, "Marks", marks);
}

/* "1" to "9" or the letter of its key in the table of global keys; "" for one without. */
static const char *key_of_view(size_t view, char out[KEY_OF_VIEW_MAX])
{
    static const char letters[APP_VIEWS] = {
        [APP_PHYSICAL] = 'P', [APP_KERNEL] = 'K', [APP_PICKER] = 'A', [APP_HELP] = '?'};
    snprintf(out, KEY_OF_VIEW_MAX, "%c", letters[view] ? letters[view] : (int)('1' + view));
    return out;
}

static void put_views(struct page_of_help *p)
{
    struct binding rows[APP_VIEWS + 1] = {{.label = NULL}};
    char labels[APP_VIEWS][VIEW_LABEL_MAX], key[KEY_OF_VIEW_MAX];
    for (size_t i = 0; i < APP_VIEWS; i++) {
        snprintf(labels[i], sizeof labels[i], "%s %s", key_of_view(i, key), app_views[i]->name);
        rows[i] = (struct binding){.label = labels[i], .help = app_views[i]->about};
    }
    put_bindings(p, "Views", rows);
}

/* The view that one comes from is what one wants to know about. */
static void put_view(struct page_of_help *p, const struct view_ops *view)
{
    unsigned row = 0;
    char title[VIEW_LABEL_MAX + 16];
    snprintf(title, sizeof title, "This view, %s", view->name);
    put_title(p, title);
    bool shown = next_line(p, &row);
    put_text(p, shown, row, 2, view->about);
    put_keys(p, view->bindings);
}

static void put_all(struct page_of_help *p, const struct ui_state *ui)
{
    if (ui->left)
        put_view(p, ui->left);
    if (ui->source->stepper)
        put_bindings(p, "Keys of stepping, in all views", app_step_bindings);
    put_bindings(p, "Keys everywhere", app_bindings);
    put_views(p);
    put_states(p);
    put_marks(p);
    put_attributes(p);
    for (size_t i = 0; i < APP_VIEWS; i++) {
        char title[64];
        snprintf(title, sizeof title, "Keys in the view %s", app_views[i]->name);
        if (app_views[i] != ui->left)
            put_bindings(p, title, app_views[i]->bindings);
    }
    put_vmflags(p);
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct list *lines = view;
    struct page_of_help p = {area_part(a, 0, 0, a.cols, 0), 0, 0, ui->look.ascii};
    put_all(&p, ui);
    list_text_fit(lines, p.line, a.rows);
    p = (struct page_of_help){a, (unsigned)lines->top, 0, ui->look.ascii};
    put_all(&p, ui);
}

static unsigned act(void *view, struct ui_state *ui, int action)
{
    (void)ui;
    if (action == LEAVE)
        return UI_SHOW_BACK;
    list_text_move(view, action);
    return UI_REDRAW;
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    int action = list_wheel(m);
    return action < 0 ? UI_HANDLED : act(view, ui, action);
}

static const char *status(void *view, const struct ui_state *ui, char *out, size_t cap)
{
    const struct list *lines = view;
    (void)ui;
    snprintf(out, cap, "line %zu of %zu", lines->top + 1, lines->count);
    return out;
}

const struct view_ops view_help = {
    .name = "help",
    .about = "what every key and mark means",
    .bindings = bindings,
    .size = sizeof(struct list),
    .draw = draw,
    .act = act,
    .mouse = mouse,
    .status = status,
};
