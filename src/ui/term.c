/* The terminal, through ncursesw. A copy of the last grid shown tells which cells changed; only
 * those go to curses, a run of them in one call, and curses sends them in one update a frame. */
#include "ui/term.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "ui/keys.h"
#include "ui/signals.h"
#include "ui/theme.h"

enum { ESCAPE_MS = 25, DOUBLE_CLICK_MS = 400, PAIRS_MAX = 512 };

/* What a style is to curses; worked out when first used. */
struct drawn_style {
    bool known;
    attr_t attrs;
    short pair;
};

struct terminal {
    SCREEN *screen;
    struct look look;
    struct grid shown; /* what curses has */
    bool all;          /* curses has nothing of it: send everything */
    bool mouse;
    struct termios modes;
    struct drawn_style styles[COLOR_N][COLOR_N];
    struct {
        short fg, bg;
    } pairs[PAIRS_MAX]; /* the i-th is pair number i+1 */
    short pair_count;
    cchar_t *run; /* room for one row */
    uint64_t click_ns; /* the last click, for telling double ones */
    unsigned click_col, click_row;
};

int term_check(struct err *e)
{
    const char *name = getenv("TERM");
    int problem = 0;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return err_set(e, -ENOTTY, "the screen needs a terminal on standard input and output; "
                                   "without one use 'vmscope snap' or --screen");
    if (!name || !*name || setupterm(NULL, STDOUT_FILENO, &problem) == ERR) {
        char shown[64];
        text_escape(shown, sizeof shown, name ? name : "", name ? strlen(name) : 0);
        return err_set(e, -ENOTTY, "terminal type TERM=%s is not known here; set TERM to one that "
                                   "is (for example xterm), or use 'vmscope snap'", shown);
    }
    const char *move = tigetstr("cup"), *clear_all = tigetstr("clear");
    del_curterm(cur_term);
    if (!move || !clear_all)
        return err_set(e, -ENOTTY, "this terminal (TERM=%.40s) cannot place the cursor; use "
                                   "'vmscope snap' or --screen", name);
    return 0;
}

/* Appends a terminal capability without its padding ($<5>). */
static void add_capability(struct buf *out, const char *name)
{
    const char *s = tigetstr(name);
    if (!s || s == (char *)-1)
        return;
    while (*s) {
        const char *pad = strstr(s, "$<"), *end = pad ? strchr(pad, '>') : NULL;
        if (!end) {
            buf_puts(out, s);
            return;
        }
        buf_append(out, s, (size_t)(pad - s));
        s = end + 1;
    }
}

/* Tells the crash handlers how to put the terminal back. */
static void guard(struct terminal *t)
{
    struct buf b = {0};
    if (t->mouse)
        buf_puts(&b, "\033[?1006;1000l");
    add_capability(&b, "sgr0");
    add_capability(&b, "op");
    add_capability(&b, "rmkx");
    add_capability(&b, "cnorm");
    add_capability(&b, "rmcup");
    signals_guard(STDOUT_FILENO, &t->modes, b.data ? b.data : "", b.len);
    buf_deinit(&b);
}

void term_set_mouse(struct terminal *t, bool on)
{
    t->mouse = on;
    mousemask(on ? BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED : 0, NULL);
    guard(t);
}

static unsigned colors_of(enum ui_color wish)
{
    const char *no = getenv("NO_COLOR");
    if (wish == UI_COLOR_NEVER || (wish == UI_COLOR_AUTO && no && *no))
        return 0;
    if (!has_colors() || start_color() == ERR)
        return 0;
    use_default_colors();
    return COLORS >= 256 ? 256 : COLORS >= 8 ? 8 : 0;
}

static void set_modes(void)
{
    struct termios m;
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(ESCAPE_MS);
    mouseinterval(0);
    curs_set(0);
    /* ^S must not stop the screen: we would wait for it, and answer nothing. */
    if (!tcgetattr(STDIN_FILENO, &m)) {
        m.c_iflag &= ~(tcflag_t)(IXON | IXOFF);
        tcsetattr(STDIN_FILENO, TCSANOW, &m);
        def_prog_mode();
    }
}

static int resize_buffers(struct terminal *t, unsigned cols, unsigned rows)
{
    struct grid g;
    cchar_t *run = calloc((size_t)cols + 1, sizeof *run);
    if (!run || grid_init(&g, cols, rows)) {
        free(run);
        return -ENOMEM;
    }
    free(t->run);
    grid_deinit(&t->shown);
    t->run = run;
    t->shown = g;
    t->all = true;
    return 0;
}

int term_open(const struct ui_options *options, struct terminal **out, struct err *e)
{
    struct terminal *t = calloc(1, sizeof *t);
    if (!t || tcgetattr(STDIN_FILENO, &t->modes)) {
        int rc = t ? -errno : -ENOMEM;
        free(t);
        return err_set(e, rc, "cannot use the terminal: %s", strerror(-rc));
    }
    t->screen = newterm(NULL, stdout, stdin);
    if (!t->screen || resize_buffers(t, (unsigned)COLS, (unsigned)LINES)) {
        term_close(t);
        return err_set(e, -ENOTTY, "cannot use the terminal: its type is not known, or there is "
                                   "not enough memory");
    }
    guard(t);
    set_modes();
    t->look.colors = colors_of(options->color);
    t->look.ascii = options->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    term_set_mouse(t, !options->no_mouse);
    *out = t;
    return 0;
}

void term_close(struct terminal *t)
{
    if (!t)
        return;
    if (t->screen) {
        mousemask(0, NULL);
        endwin();
        tcsetattr(STDIN_FILENO, TCSANOW, &t->modes);
        signals_unguard();
        delscreen(t->screen);
    }
    free(t->run);
    grid_deinit(&t->shown);
    free(t);
}

struct look term_look(const struct terminal *t)
{
    return t->look;
}

int term_fd(const struct terminal *t)
{
    (void)t;
    return STDIN_FILENO;
}

void term_size(struct terminal *t, unsigned *cols, unsigned *rows)
{
    struct winsize w;
    if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_col && w.ws_row &&
        (w.ws_col != t->shown.cols || w.ws_row != t->shown.rows) &&
        !resize_buffers(t, w.ws_col, w.ws_row)) {
        resize_term(w.ws_row, w.ws_col);
        term_redraw(t);
    }
    *cols = t->shown.cols;
    *rows = t->shown.rows;
}

/* The number of a colour pair, made when first used; 0, the terminal's own, when all are taken. */
static short pair_of(struct terminal *t, short fg, short bg)
{
    if (!t->look.colors || (fg == THEME_OWN && bg == THEME_OWN))
        return 0;
    for (short i = 0; i < t->pair_count; i++)
        if (t->pairs[i].fg == fg && t->pairs[i].bg == bg)
            return (short)(i + 1);
    if (t->pair_count + 1 >= COLOR_PAIRS || t->pair_count >= PAIRS_MAX)
        return bg == THEME_OWN ? 0 : pair_of(t, fg, THEME_OWN);
    short number = (short)(t->pair_count + 1);
    if (init_pair(number, fg, bg) == ERR)
        return 0;
    t->pairs[t->pair_count].fg = fg;
    t->pairs[t->pair_count].bg = bg;
    t->pair_count = number;
    return number;
}

static attr_t curses_attrs(unsigned attr)
{
    return (attr & CELL_BOLD ? A_BOLD : A_NORMAL) | (attr & CELL_REVERSE ? A_REVERSE : A_NORMAL) |
           (attr & CELL_UNDERLINE ? A_UNDERLINE : A_NORMAL);
}

static const struct drawn_style *style_of(struct terminal *t, const struct cell *c)
{
    struct drawn_style *d = &t->styles[c->fg % COLOR_N][c->bg % COLOR_N];
    if (!d->known) {
        struct ink ink = theme_ink(t->look.colors, (struct style){c->fg, c->bg, 0});
        d->attrs = curses_attrs(ink.attr);
        d->pair = pair_of(t, ink.fg, ink.bg);
        d->known = true;
    }
    return d;
}

static bool same(const struct cell *a, const struct cell *b)
{
    return a->ch == b->ch && a->fg == b->fg && a->bg == b->bg && a->attr == b->attr;
}

/* Hands the cells [from, to) of a row to curses. */
static void send_run(struct terminal *t, const struct cell *cells, unsigned row, unsigned from,
                     unsigned to)
{
    int n = 0;
    for (unsigned i = from; i < to; i++) {
        if (!cells[i].ch)
            continue;
        const struct drawn_style *d = style_of(t, &cells[i]);
        wchar_t text[2] = {(wchar_t)cells[i].ch, L'\0'};
        setcchar(&t->run[n++], text, d->attrs | curses_attrs(cells[i].attr), d->pair, NULL);
    }
    mvadd_wchnstr((int)row, (int)from, t->run, n);
}

static void send_row(struct terminal *t, const struct grid *g, unsigned row)
{
    const struct cell *now = g->cells + (size_t)row * g->cols;
    struct cell *was = t->shown.cells + (size_t)row * g->cols;
    for (unsigned i = 0; i < g->cols;) {
        if (!t->all && same(&now[i], &was[i])) {
            i++;
            continue;
        }
        unsigned from = i;
        while (from && !now[from].ch)
            from--;
        while (i < g->cols && (t->all || !now[i].ch || !same(&now[i], &was[i])))
            i++;
        send_run(t, now, row, from, i);
    }
    memcpy(was, now, g->cols * sizeof *was);
}

void term_show(struct terminal *t, const struct grid *g)
{
    if (g->cols != t->shown.cols || g->rows != t->shown.rows)
        return;
    for (unsigned row = 0; row < g->rows; row++)
        send_row(t, g, row);
    t->all = false;
    wnoutrefresh(stdscr);
    doupdate();
}

void term_redraw(struct terminal *t)
{
    t->all = true;
    clearok(curscr, TRUE);
}

static int key_of_curses(int code)
{
    static const struct {
        int curses, key;
    } map[] = {
        {KEY_UP, KEY_CODE_UP},       {KEY_DOWN, KEY_CODE_DOWN},   {KEY_LEFT, KEY_CODE_LEFT},
        {KEY_RIGHT, KEY_CODE_RIGHT}, {KEY_PPAGE, KEY_CODE_PGUP},  {KEY_NPAGE, KEY_CODE_PGDN},
        {KEY_HOME, KEY_CODE_HOME},   {KEY_END, KEY_CODE_END},     {KEY_BTAB, KEY_CODE_BACKTAB},
        {KEY_ENTER, KEY_CODE_ENTER}, {KEY_BACKSPACE, KEY_CODE_BACKSPACE},
    };
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (map[i].curses == code)
            return map[i].key;
    if (code >= KEY_F(1) && code <= KEY_F(12))
        return KEY_CODE_F1 + code - KEY_F(1);
    return KEY_CODE_NONE;
}

/* Backspace sends ^H on some terminals. */
static int key_of_input(wint_t c)
{
    return c == KEY_CTRL('h') ? KEY_CODE_BACKSPACE : keys_of_char((uint32_t)c);
}

/* A press of the first button, or a second one soon after at the same place. */
static void click(struct terminal *t, struct mouse *m)
{
    uint64_t now = io_now_ns();
    bool again = t->click_ns && now - t->click_ns < DOUBLE_CLICK_MS * UINT64_C(1000000) &&
                 t->click_col == m->col && t->click_row == m->row;
    m->what = again ? MOUSE_DOUBLE : MOUSE_CLICK;
    t->click_ns = again ? 0 : now;
    t->click_col = m->col;
    t->click_row = m->row;
}

static bool take_mouse(struct terminal *t, struct mouse *m)
{
    MEVENT ev;
    if (getmouse(&ev) != OK || ev.x < 0 || ev.y < 0)
        return false;
    m->col = (unsigned)ev.x;
    m->row = (unsigned)ev.y;
    if (ev.bstate & BUTTON4_PRESSED)
        m->what = MOUSE_WHEEL_UP;
    else if (ev.bstate & BUTTON5_PRESSED)
        m->what = MOUSE_WHEEL_DOWN;
    else if (ev.bstate & BUTTON1_PRESSED)
        click(t, m);
    else
        return false;
    return true;
}

bool term_event(struct terminal *t, struct term_event *out)
{
    wint_t c;
    for (int kind; (kind = get_wch(&c)) != ERR;) {
        *out = (struct term_event){.key = KEY_CODE_NONE};
        if (kind == KEY_CODE_YES && c == KEY_MOUSE) {
            if (take_mouse(t, &out->mouse))
                return true;
            continue;
        }
        out->key = kind == KEY_CODE_YES ? key_of_curses((int)c) : key_of_input(c);
        if (out->key != KEY_CODE_NONE)
            return true;
    }
    return false;
}

void term_leave(struct terminal *t)
{
    mousemask(0, NULL);
    endwin();
    tcsetattr(STDIN_FILENO, TCSANOW, &t->modes);
    signals_unguard();
}

/* Nobody knows what is on the terminal now, or in which modes it is: after endwin, curses sets it
 * up again with the next frame. */
void term_resume(struct terminal *t)
{
    if (!isendwin())
        endwin();
    term_set_mouse(t, t->mouse);
    term_redraw(t);
}
