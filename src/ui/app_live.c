/* The driver with a terminal: one poll over keys, records and signals. A frame is drawn when
 * something changed, at most 30 times a second; nothing else is ever waited for. */
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/io.h"
#include "ui/app.h"
#include "ui/signals.h"
#include "ui/term.h"

enum { NS_PER_MS = 1000 * 1000, FRAME_MS = 33, FOLD_MS = 20, CLOCK_MS = 1000 };

struct live {
    struct app app;
    struct terminal *term;
    struct grid grid;
    uint64_t next_frame_ns; /* not before this */
    uint64_t drawn_ns;
    bool dirty;
    bool hung_up;
    bool mouse;
    int ending; /* the signal to end by, or 0 */
};

bool ui_possible(struct err *e)
{
    return term_check(e) == 0;
}

static void fit_grid(struct live *l)
{
    unsigned cols, rows;
    struct grid g;
    term_size(l->term, &cols, &rows);
    if ((cols == l->grid.cols && rows == l->grid.rows) || grid_init(&g, cols, rows))
        return;
    grid_deinit(&l->grid);
    l->grid = g;
    l->dirty = true;
}

static void draw(struct live *l, uint64_t now)
{
    if (l->app.repaint)
        term_redraw(l->term);
    l->app.repaint = false;
    app_draw(&l->app, &l->grid);
    term_show(l->term, &l->grid);
    l->dirty = false;
    l->drawn_ns = now;
    /* A frame that waits for the first sample must not hold that one back. */
    l->next_frame_ns = l->app.ui.now ? now + FRAME_MS * NS_PER_MS : now;
}

static void stop(struct live *l)
{
    term_leave(l->term);
    signals_stop();
    term_resume(l->term);
    fit_grid(l);
    l->dirty = true;
}

static void take_signals(struct live *l)
{
    for (int sig; (sig = signals_next());) {
        switch (sig) {
        case SIGWINCH:
            fit_grid(l);
            break;
        case SIGTSTP:
            stop(l);
            break;
        case SIGCONT:
            term_resume(l->term);
            fit_grid(l);
            l->dirty = true;
            break;
        default:
            l->ending = sig;
        }
    }
}

static void take_events(struct live *l)
{
    struct term_event ev;
    while (!l->app.quit && term_event(l->term, &ev)) {
        if (ev.key != KEY_CODE_NONE)
            l->dirty |= app_key(&l->app, ev.key);
        else
            l->dirty |= app_mouse(&l->app, &ev.mouse, l->grid.cols, l->grid.rows);
    }
    if (l->mouse != l->app.mouse) {
        l->mouse = l->app.mouse;
        term_set_mouse(l->term, l->mouse);
    }
}

/* Milliseconds until something must happen by itself. */
static int patience(const struct live *l, uint64_t now)
{
    uint64_t next = l->drawn_ns + CLOCK_MS * (uint64_t)NS_PER_MS;
    if (l->dirty)
        next = l->next_frame_ns;
    else if (!l->app.ui.frozen)
        next = app_next_tick(&l->app, next);
    return next > now ? (int)((next - now) / NS_PER_MS) + 1 : 0;
}

static void wait_for_something(struct live *l, uint64_t now)
{
    enum { TERM, SIGNALS, SOURCE };
    struct pollfd fds[] = {
        [TERM] = {.fd = term_fd(l->term), .events = POLLIN},
        [SIGNALS] = {.fd = signals_fd(), .events = POLLIN},
        [SOURCE] = {.fd = l->app.ui.source->fd, .events = POLLIN},
    };
    if (poll(fds, sizeof fds / sizeof *fds, patience(l, now)) <= 0)
        return;
    if (fds[SIGNALS].revents)
        take_signals(l);
    if (fds[TERM].revents & POLLIN)
        take_events(l);
    if (fds[TERM].revents & (POLLHUP | POLLERR | POLLNVAL))
        l->hung_up = true;
}

static void run(struct live *l)
{
    unsigned long limit = l->app.options->samples;
    while (!l->app.quit && !l->ending && !l->hung_up) {
        uint64_t now = io_now_ns();
        l->dirty |= app_tick(&l->app, now);
        l->dirty |= app_fold(&l->app, now + FOLD_MS * NS_PER_MS);
        if (now - l->drawn_ns >= CLOCK_MS * (uint64_t)NS_PER_MS)
            l->dirty = true;
        bool last = limit && l->app.samples >= limit;
        if (last || (l->dirty && now >= l->next_frame_ns))
            draw(l, now);
        if (last)
            return;
        wait_for_something(l, now);
    }
}

int ui_run(const struct ui_options *options, struct ui_source *source, struct err *e)
{
    struct live l = {.mouse = !options->no_mouse, .dirty = true};
    int rc = term_check(e);
    if (rc)
        return rc;
    rc = signals_open();
    if (rc)
        return err_set(e, rc, "cannot catch signals: %s", strerror(-rc));
    rc = term_open(options, &l.term, e);
    if (!rc)
        rc = app_init(&l.app, options, source, term_look(l.term), e);
    if (!rc) {
        fit_grid(&l);
        run(&l);
        app_deinit(&l.app);
    }
    grid_deinit(&l.grid);
    term_close(l.term);
    signals_close();
    return rc ? rc : l.hung_up && !l.ending ? SIGHUP : l.ending;
}
